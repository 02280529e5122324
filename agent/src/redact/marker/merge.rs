//! Finds in order, none in another.

use super::Found;
use crate::redact::rules::Rule;

/// Puts finds in order and takes out those that lie in others; two that overlap become one.
pub(super) fn merge(found: &mut Vec<Found>) {
    if !found.windows(2).all(are_apart) {
        merge_all(found);
    }
}

/// Whether the second of two begins behind the first, as most do. One that is empty may belong behind a
/// longer one.
#[inline]
fn are_apart(two: &[Found]) -> bool {
    let [one, next] = two else { return true };
    let (one, next) = (&one.mark, &next.mark);
    if (one.side, one.container) == (next.side, next.container) {
        return one.start < one.end && one.end <= next.start;
    }
    (one.side, one.container) < (next.side, next.container)
}

fn merge_all(found: &mut Vec<Found>) {
    let key = |found: &Found| {
        let mark = &found.mark;
        (mark.side, mark.container, mark.start, u32::MAX - mark.end)
    };
    found.sort_by_key(key);
    found.dedup_by(|later, earlier| {
        let (mark, next) = (&mut earlier.mark, later.mark);
        let is_in =
            (mark.side, mark.container) == (next.side, next.container) && next.start < mark.end;
        if is_in && later.rule == Rule::Name && (mark.start, mark.end) == (next.start, next.end) {
            // A part within another has the more telling name.
            std::mem::swap(earlier, later);
        } else if is_in {
            mark.is_bare &= next.end <= mark.end;
            mark.end = mark.end.max(next.end);
        }
        is_in
    });
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::{merge, merge_all};
    use crate::content::{Container, Side};
    use crate::exchange::{Mark, Secret};
    use crate::keyed::KeyedHash;
    use crate::redact::rules::Rule;
    use proptest::prelude::*;

    fn told(found: &[Found]) -> Vec<(Side, Container, u32, u32, usize)> {
        let told = |found: &Found| {
            let mark = &found.mark;
            (mark.side, mark.container, mark.start, mark.end, found.name)
        };
        found.iter().map(told).collect()
    }

    proptest! {
        #[test]
        fn what_is_apart_need_not_be_sorted(
            finds in prop::collection::vec((any::<bool>(), 0_u16..3, 0_u32..30, 0_u32..9), 0..6),
        ) {
            let find = |(name, (is_request, field, start, len)): (usize, (bool, u16, u32, u32))| Found {
                mark: Mark {
                    side: if is_request { Side::Request } else { Side::Response },
                    container: Container::Field(field),
                    start,
                    end: start + len,
                    secret: Secret::Email,
                    hash: KeyedHash(0),
                    is_bare: false,
                },
                name,
                rule: Rule::Shape,
            };
            let all: Vec<_> = finds.into_iter().enumerate().map(find).collect();
            let (mut one, mut other) = (all.clone(), all);
            merge(&mut one);
            merge_all(&mut other);
            prop_assert_eq!(told(&one), told(&other));
            // What is merged is apart.
            merge(&mut one);
            prop_assert_eq!(told(&one), told(&other));
        }
    }
}
