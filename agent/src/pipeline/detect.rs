//! Detectors behind the seal: what they conclude of each exchange, and what they have learnt, kept.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::detect::{Detectors, Facts, Learnt, Options, Outcome, Told};
use crate::event::{ApiEvent, EventId, Ids};
use crate::exchange::Exchange;
use crate::journal::{Cursor, JournalError, State};

/// How often what was learnt is kept (DETECTION.md 5).
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// The name it is kept under.
const NAME: &str = "detect";

/// The detectors of a running pipeline.
pub struct Detect {
    detectors: Detectors,
    out: Outcome,
    state: Option<State>,
    saved: Instant,
}

impl Detect {
    /// Detectors that know nothing yet.
    #[must_use]
    pub fn new(options: Options, ids: Ids) -> Self {
        Self {
            detectors: Detectors::new(options, ids),
            out: Outcome::default(),
            state: None,
            saved: Instant::now(),
        }
    }

    /// Goes on with what the journal in `dir` has kept, and keeps it there from now on; the place it
    /// stands for, if there is any.
    ///
    /// What cannot be read is set aside, and everything is learnt anew.
    pub fn resume(&mut self, dir: &Path) -> Option<Cursor> {
        let state = State::of(dir);
        let cursor = match state.load::<Learnt>(NAME) {
            Ok(Some(saved)) if saved.state.fits() => {
                let fresh = self.detectors.clone();
                self.detectors = fresh.with(saved.state);
                Some(saved.cursor)
            }
            Ok(None) => None,
            Ok(Some(_)) => {
                tracing::warn!("what detectors had learnt is of another version and is set aside");
                set_aside(&state, dir);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "what detectors had learnt cannot be read and is set aside");
                set_aside(&state, dir);
                None
            }
        };
        self.state = Some(state);
        cursor
    }

    /// Looks at an exchange; the incidents that it counts toward.
    pub(super) fn look(&mut self, exchange: &Exchange, event: &ApiEvent<'_>) -> &[EventId] {
        self.out.incidents.clear();
        self.detectors
            .look(&Facts::of(exchange, event), &mut self.out);
        &self.out.incidents
    }

    /// What there is to tell.
    pub(super) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.out.told)
    }

    /// Keeps what was learnt, if it is time; `cursor` is the place it stands for.
    pub(super) fn save_if_due(&mut self, cursor: impl FnOnce() -> Option<Cursor>) {
        if self.saved.elapsed() < SAVE_EVERY {
            return;
        }
        if let Some(cursor) = cursor() {
            self.save(cursor);
        }
    }

    /// Keeps what was learnt.
    pub(super) fn save(&mut self, cursor: Cursor) {
        let Some(state) = &self.state else {
            return;
        };
        self.saved = Instant::now();
        if let Err(error) = state.save(NAME, cursor, self.detectors.learnt()) {
            let error: JournalError = error;
            tracing::warn!(%error, "what detectors have learnt could not be kept");
        }
    }
}

/// Leaves what cannot be read where it is found again, under another name.
fn set_aside(state: &State, dir: &Path) {
    let folder = dir.join("state");
    let [from, to] = ["detect.json", "detect.unread"].map(|name| folder.join(name));
    if std::fs::rename(from, to).is_err() {
        // Then it is written over by the next save, which would have been the end of it anyway.
        let _ = state.forget(NAME);
    }
}
