//! How far a long scan has come, said to a person in one line that is rewritten.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::journal;
use crate::query::Scan;

/// When it is first shown, and how often it is renewed.
const EVERY: Duration = Duration::from_millis(500);

/// The line, if there is anybody who sees it.
pub(super) struct Progress {
    /// Number and bytes of each segment. Empty: nobody sees it.
    segments: Vec<(u64, u64)>,
    newest: bool,
    shown: Instant,
    visible: bool,
}

impl Progress {
    /// For a scan of the journal in `dir`, `newest` first or last; if `quiet` nothing is shown.
    pub(super) fn of(dir: &Path, newest: bool, quiet: bool) -> Self {
        let seen = !quiet && io::stderr().is_terminal();
        let segments = if seen {
            journal::segments(dir)
        } else {
            Ok(Vec::new())
        };
        Self {
            segments: segments.unwrap_or_default(),
            newest,
            shown: Instant::now(),
            visible: false,
        }
    }

    /// Renews the line if that is due.
    pub(super) fn show(&mut self, scan: &Scan) {
        if self.segments.is_empty() || self.shown.elapsed() < EVERY {
            return;
        }
        self.shown = Instant::now();
        self.visible = true;
        let at = scan.segment();
        let bytes = |of: &[(u64, u64)]| of.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let all = bytes(&self.segments).max(1);
        let place = self.segments.partition_point(|(number, _)| *number < at);
        let before = bytes(self.segments.get(..place).unwrap_or_default());
        let behind = bytes(self.segments.get(place + 1..).unwrap_or_default());
        let done = if self.newest { behind } else { before };
        let scanned = scan.scanned();
        // Where standard error is closed there is nobody to tell.
        let _ = write!(
            io::stderr(),
            "\r\x1b[Keaves: {} %, {} records read, {} match",
            done * 100 / all,
            scanned.records,
            scanned.matched,
        );
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.visible) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
