//! Whether there are walls, and which.

use std::sync::OnceLock;
use std::thread;

use super::{May, calls, folders, needed};
use crate::telemetry::with_causes;

/// A wall, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wall {
    /// It stands: by what.
    Stands(String),
    /// There is none on this host: why.
    Lacks(String),
}

/// Walls around threads that need little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walls {
    /// Around files.
    pub files: Wall,
    /// Around system calls.
    pub calls: Wall,
}

static RAISED: OnceLock<Walls> = OnceLock::new();

impl Walls {
    /// What is not there, in words; `None` if all is.
    #[must_use]
    pub fn lacking(&self) -> Option<String> {
        let lacks = |wall: &Wall| match wall {
            Wall::Stands(_) => None,
            Wall::Lacks(why) => Some(why.clone()),
        };
        let lacking: Vec<_> = [&self.files, &self.calls]
            .into_iter()
            .filter_map(lacks)
            .collect();
        (!lacking.is_empty()).then(|| lacking.join("; "))
    }
}

/// The walls that this host has, as tried on a thread that ends at once.
#[must_use]
pub fn walls() -> Walls {
    let none = || Wall::Lacks("there is no thread to try it on".to_owned());
    let tried = needed::without(|| {
        let files = match folders::enclose(&May::default()) {
            Ok(version) => Wall::Stands(format!("Landlock, version {version}")),
            Err(error) => Wall::Lacks(with_causes(&error)),
        };
        let calls = match calls::enclose(&May::default()) {
            Ok(()) => Wall::Stands("seccomp".to_owned()),
            Err(error) => Wall::Lacks(format!("seccomp is refused: {}", with_causes(&error))),
        };
        Walls { files, calls }
    });
    tried.unwrap_or_else(|| Walls {
        files: none(),
        calls: none(),
    })
}

/// Has walls put up around threads that begin from now on. What this host lacks of them is told, and done
/// without.
pub fn raise() -> &'static Walls {
    RAISED.get_or_init(|| {
        let walls = walls();
        if let Some(lacking) = walls.lacking() {
            tracing::warn!("threads have capabilities of their own, and less walls than there could be: {lacking}");
        }
        walls
    })
}

/// The walls that were raised; `None` if none were.
#[must_use]
pub fn raised() -> Option<&'static Walls> {
    RAISED.get()
}

/// Puts up this thread's, if any were raised.
pub(super) fn around(may: &May) {
    let Some(walls) = raised() else { return };
    let stands = |wall: &Wall| matches!(wall, Wall::Stands(_));
    if stands(&walls.files)
        && !may.is_everywhere()
        && let Err(error) = folders::enclose(may)
    {
        tell(&with_causes(&error), "files");
    }
    // Last: it would not let the other be put up.
    if stands(&walls.calls)
        && let Err(error) = calls::enclose(may)
    {
        tell(&with_causes(&error), "system calls");
    }
}

fn tell(cause: &str, what: &str) {
    let thread = thread::current().name().unwrap_or_default().to_owned();
    tracing::warn!(thread, cause, "no wall around its {what}");
}
