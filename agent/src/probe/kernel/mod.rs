//! What this kernel offers, by trying: every tap is loaded, attached, and given an exchange to hear.
//!
//! In: [`Trial`]. Out: a [`Report`] of [`Check`]s, each with what is lost by it and what to do.
//! Nothing is concluded from a version number; what is merely read says what it means, and the
//! taps have the last word. It changes nothing and leaves nothing behind.

mod facts;
mod tap;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::{Mode, Tap};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be, or of no consequence.
    Good,
    /// Something is not visible.
    Less,
    /// Nothing can be heard this way.
    Bad,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The kernel and its settings.
    Kernel,
    /// What this process may do.
    Privileges,
    /// The kernel's description of its own structures.
    Structures,
    /// The socket tap.
    SocketTap,
    /// The syscall tap.
    SyscallTap,
    /// The TLS tap.
    TlsTap,
    /// Processes that speak what no tap hears.
    Processes,
}

/// One thing that was looked at or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub group: Group,
    /// What was looked at.
    pub name: String,
    /// How it went.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What cannot be seen for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn new(group: Group, name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            group,
            name: name.into(),
            status: Status::Good,
            found: found.into(),
            lost: None,
            advice: None,
        }
    }

    fn status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    fn lost(self, lost: impl Into<String>) -> Self {
        Self {
            lost: Some(lost.into()),
            ..self
        }
    }

    fn advice(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

/// Everything that was looked at and tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The taps that heard the exchange they were given, the preferred first.
    pub hears: Vec<&'static str>,
    /// Every check, by group.
    pub checks: Vec<Check>,
}

/// Both ends of the exchange that a tap was given to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The end that asked.
    pub client: SocketAddr,
    /// The end that answered.
    pub server: SocketAddr,
}

/// What the taps are tried with.
pub struct Trial<'a> {
    /// Kernel object to load instead of the embedded one.
    pub object: Option<PathBuf>,
    /// Makes one exchange over TCP in *another* process, whose request's target is
    /// [`Trial::TARGET`] and whose status is 200: the agent does not hear its own.
    pub exchange: &'a mut (dyn FnMut() -> io::Result<Ends> + Send),
}

impl Trial<'_> {
    /// Target of the request to be heard.
    pub const TARGET: &'static str = "/eaves-doctor";
}

/// Looks and tries; takes some seconds.
#[must_use]
pub fn examine(mut trial: Trial<'_>) -> Report {
    let mut checks = facts::kernel();
    checks.extend(facts::privileges());
    checks.extend(facts::structures());
    let (mut hears, mut hearing) = (Vec::new(), None);
    for (tap, mode) in [(Tap::Socket, Mode::Socket), (Tap::Syscall, Mode::Syscall)] {
        let (heard, tried) = tap::try_tap(tap, mode, &mut trial);
        if heard {
            hears.push(tap.name());
            hearing.get_or_insert(mode);
        }
        checks.extend(tried);
    }
    if let Some(mode) = hearing {
        checks.extend(tap::try_tls(mode, &trial));
    }
    settle(&hears, &mut checks);
    Report { hears, checks }
}

/// Where one tap hears, the refusal of the other costs nothing.
fn settle(hears: &[&str], checks: &mut [Check]) {
    for check in checks {
        let tap = match check.group {
            Group::SocketTap => Tap::Socket,
            Group::SyscallTap => Tap::Syscall,
            _ => continue,
        };
        if check.status == Status::Bad && !hears.is_empty() && !hears.contains(&tap.name()) {
            check.status = Status::Less;
            let other = hears.first().copied().unwrap_or_default();
            check.lost = Some(format!("nothing: the {other} tap hears in its place"));
        }
    }
}
