//! Whether a client waits for each response before it sends the next request.
//!
//! Nearly all do. After a loss that is what tells which requests were answered unseen, so it is
//! believed only while nothing speaks against it.

/// Turns in a row that outweigh a request that came while another was unanswered.
const AFTER_DOUBT: u32 = 3;
/// Turns in a row that outweigh pipelining seen for certain.
const AFTER_PIPELINING: u32 = 32;

/// What a conn has shown so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    seen: u32,
    needed: u32,
    requests: u32,
    /// Final responses begun since the last request.
    responses: u32,
}

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    /// It began where a transfer began.
    pub(super) first: bool,
    /// An earlier request had not got its whole response.
    pub(super) unanswered: bool,
    /// A loss may be why.
    pub(super) uncertain: bool,
}

impl Turns {
    /// Whether this client is believed to wait.
    pub(super) const fn hold(self) -> bool {
        self.seen >= self.needed
    }

    /// A request came.
    pub(super) fn request(&mut self, how: Arriving) {
        let alternates = self.responses == 1;
        self.responses = 0;
        self.requests = self.requests.saturating_add(1);
        if self.requests == 1 {
            return;
        }
        if how.unanswered && !how.first {
            // It lay in one transfer with a request before it.
            return self.pipelined();
        }
        if !how.unanswered || (how.uncertain && alternates) {
            self.seen = self.seen.saturating_add(1);
        } else if !how.uncertain && self.seen == 0 {
            self.needed = self.needed.max(AFTER_DOUBT);
        }
    }

    /// A final response began.
    pub(super) const fn response(&mut self) {
        self.responses = self.responses.saturating_add(1);
    }

    /// A request was certainly sent before the response to another.
    pub(super) const fn pipelined(&mut self) {
        self.seen = 0;
        self.needed = AFTER_PIPELINING;
    }
}

#[cfg(test)]
mod tests {
    use super::{Arriving, Turns};

    /// `.` a request in turn, `?` one while another is unanswered, `+` one in the same transfer,
    /// `~` one after a loss and one response, `!` one after a loss and none.
    #[track_caller]
    fn check(story: &str, expected: bool) {
        let mut turns = Turns::default();
        for one in story.chars() {
            if one == '~' {
                turns.response();
            }
            turns.request(Arriving {
                first: one != '+',
                unanswered: one != '.',
                uncertain: matches!(one, '~' | '!'),
            });
        }
        assert_eq!(turns.hold(), expected, "{story}");
    }

    #[test]
    fn turns_are_believed_until_something_speaks_against_them() {
        check("", true);
        check("..", true);
        check(".?", false);
        check(".?~~~", true);
        check(".?~~", false);
        check("..?", true);
        check(".!!", true);
        check(".....+", false);
        check(".+...", false);
        check(&format!(".+{}", ".".repeat(32)), true);
    }
}
