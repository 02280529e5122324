//! Under which name a find is told, and how that is spelled.

use crate::content::{Name, Parts};

/// The number of the name that a find under this one is told under: the nearest above it that has
/// nothing sensitive in its words, if there is one. `hidden` are those that have, in order.
#[inline]
pub(super) fn told_name(parts: &Parts<'_>, number: usize, hidden: &[usize]) -> Option<usize> {
    match hidden {
        [] => parts.name(number).map(Name::number),
        _ => above_hidden(parts, number, hidden),
    }
}

fn above_hidden(parts: &Parts<'_>, number: usize, hidden: &[usize]) -> Option<usize> {
    let mut name = parts.name(number);
    let mut above = name;
    // The highest one that is hidden hides all below it.
    while let Some(one) = above {
        if hidden.binary_search(&one.number()).is_ok() {
            name = one.parent();
        }
        above = one.parent();
    }
    name.map(Name::number)
}

/// Whether two names are spelled alike.
#[inline]
pub(super) fn is_like(parts: &Parts<'_>, one: Option<usize>, other: Option<usize>) -> bool {
    let name = |number: Option<usize>| number.and_then(|number| parts.name(number));
    match (name(one), name(other)) {
        (Some(one), Some(other)) => one.is_like(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Spells the name of this number.
pub(super) fn tell(out: &mut String, parts: &Parts<'_>, number: Option<usize>) {
    if let Some(name) = number.and_then(|number| parts.name(number)) {
        // Writing to a `String` does not fail.
        let _ = name.spell(out, false);
    }
}
