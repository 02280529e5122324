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
        Kind::Text => !part.signs().may_have(Signs::TELLING) && is_below(SHORTEST_WORDS),
        Kind::Binary => false,
    };
    is_bare && !matches!(part.place(), Place::Header | Place::Cookie)
}
