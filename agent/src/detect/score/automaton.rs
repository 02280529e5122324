//! One automaton that finds many words in a value in one pass, overlapping ones too, and case of
//! letters aside.

use aho_corasick::automaton::Automaton as _;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, BuildError, MatchKind};

/// The words, compiled. The iterator of the crate starts anew behind each word it finds, and values
/// are short and full of words of one byte; so the states are walked here.
#[derive(Debug)]
pub(super) struct Automaton(DFA);

impl Automaton {
    /// # Errors
    /// The words are too many: a mistake of ours, which a test finds.
    pub(super) fn new<W: AsRef<[u8]>>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, BuildError> {
        DFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(words)
            .map(Self)
    }

    /// Calls `take` with the number of each word in `value`, and where it ends.
    #[inline]
    pub(super) fn each(&self, value: &[u8], mut take: impl FnMut(usize, usize)) {
        let dfa = &self.0;
        // It is built to start anywhere, so there is such a state.
        let Ok(mut state) = dfa.start_state(Anchored::No) else {
            return;
        };
        for (at, byte) in value.iter().enumerate() {
            state = dfa.next_state(Anchored::No, state, *byte);
            if dfa.is_special(state) && dfa.is_match(state) {
                for number in 0..dfa.match_len(state) {
                    take(dfa.match_pattern(state, number).as_usize(), at + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Automaton;

    #[track_caller]
    fn check(words: &[&str], value: &str, expected: &[(usize, usize)]) {
        let mut found = Vec::new();
        let automaton = Automaton::new(words).unwrap();
        automaton.each(value.as_bytes(), |word, end| found.push((word, end)));
        assert_eq!(found, expected);
    }

    #[test]
    fn words_are_found_wherever_they_end_and_in_each_other() {
        check(
            &["or ", "for", "o"],
            "FOR OR",
            &[(2, 2), (1, 3), (0, 4), (2, 5)],
        );
        check(
            &["a", "aa"],
            "aaa",
            &[(0, 1), (1, 2), (0, 2), (1, 3), (0, 3)],
        );
        check(&["\u{a0}or"], "x\u{a0}or", &[(0, 5)]);
        check(&["abc"], "ab", &[]);
        check(&["abc"], "", &[]);
    }
}
