//! Backticks: in a shell each pair runs what stands between, in markdown they show it.

use super::super::text::{from, slice, starts};

/// Backticks so far that no backslash takes back.
#[derive(Debug, Default)]
pub(super) struct Ticks(usize);

impl Ticks {
    /// Whether the one at `here` may begin a command: it is not the second of a pair, behind which
    /// text goes on, nor one of the three that markdown puts around lines of code.
    pub(super) fn opens(&mut self, low: &[u8], here: usize) -> bool {
        let outside = self.0.is_multiple_of(2);
        let slashes = slice(low, 0, here).iter().rev();
        if slashes.take_while(|byte| **byte == b'\\').count() % 2 == 0 {
            self.0 += 1;
        }
        let three = (0..3).any(|before| {
            let start = here.checked_sub(before);
            start.is_some_and(|start| starts(from(low, start), "```"))
        });
        outside && !three
    }
}
