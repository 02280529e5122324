//! What need not be looked at: most values of JSON.

use crate::content::{Kind, Part, Place, Signs};
use crate::redact::Redactor;
use crate::redact::rules::Ruleset;
use crate::redact::shape::{SHORTEST, SHORTEST_WORDS};

/// Whether neither the configuration's rules nor its options ask for more than names and shapes.
pub(super) fn is_quick(redactor: &Redactor, rules: &Ruleset) -> bool {
    !rules.says_something() && !redactor.pseudonymises_user() && !redactor.masks_addresses()
}

/// Whether nothing can be in a part by what it is and the bytes it has, if its name says nothing and
/// nobody asks for more. Most values of JSON are such.
#[inline]
pub(super) fn is_quiet(part: Part<'_, '_>) -> bool {
    let is_below = |most| part.value().len() < most && !part.is_cut();
    let is_bare = match part.kind() {
        Kind::Word => true,
        Kind::Number => is_below(SHORTEST),
        Kind::Text if part.signs().is_time() => !part.is_cut(),
        Kind::Text => !part.signs().may_have(Signs::TELLING) && is_below(SHORTEST_WORDS),
        Kind::Binary => false,
    };
    is_bare && !matches!(part.place(), Place::Header | Place::Cookie)
}

#[cfg(test)]
mod tests {
    use super::is_quiet;
    use crate::content::{Body, Decoder, Message, Parts, Side};
    use crate::redact::names::Meanings;
    use crate::redact::shape::{Text, pairs, scan};
    use proptest::prelude::*;
    use std::iter::empty;

    /// Dates and times, and what is nearly one.
    const TIMES: &str = "(19|20|2)[0-9]{2}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([.][0-9]{1,4})?(Z|[-+][0-9]{2}:?[0-9]{2}|[a-z@=]{1,8})?)?";

    /// Takes `values` apart as JSON; how many of them are quiet. Nothing is in those.
    #[track_caller]
    fn check(values: &[String]) -> usize {
        let json = format!("[\"{}\"", values.join("\",\""));
        let mut parts = Parts::new();
        parts.take(Message {
            side: Side::Response,
            target: b"",
            fields: empty(),
            trailers: empty(),
            body: Body {
                content: json.as_bytes(),
                media_type: Some(b"application/json"),
                is_whole: true,
                is_coded: false,
            },
        });
        let is_quiet = |part: &crate::content::Part<'_, '_>| is_quiet(*part);
        let quiet: Vec<_> = parts.iter().filter(is_quiet).collect();
        for part in &quiet {
            let text = Text {
                bytes: part.value(),
                is_cut: part.is_cut(),
                addresses: false,
            };
            let mut hits = Vec::new();
            scan(text, &mut hits);
            pairs(text, &mut Meanings::default(), &mut hits);
            assert_eq!(hits, [], "{}", part.value().escape_ascii());
            Decoder::new().forms(part.value(), part.layers(), |form, _| {
                panic!(
                    "{} has a form {}",
                    part.value().escape_ascii(),
                    form.escape_ascii()
                );
            });
        }
        quiet.len()
    }

    #[test]
    fn dates_and_times_are_quiet() {
        let times = ["2026-11-21", "2026-11-21 06:02", "2026-11-21T06:02:11.123Z"];
        assert_eq!(check(&times.map(str::to_owned)), 3);
        let other = ["2026-11-21 06:02 a@b.co", "203-555-0147", "Ada Lovelace"];
        assert_eq!(check(&other.map(str::to_owned)), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_in_what_is_quiet(
            times in prop::collection::vec(TIMES, 1..9),
            others in prop::collection::vec("[a-z0-9@:.=%& +-]{0,18}", 1..9),
        ) {
            check(&times);
            check(&others);
        }
    }
}
