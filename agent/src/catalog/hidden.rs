//! Names in which something is masked: a value stands in their place, and is not kept.

use std::borrow::Cow;
use std::ops::Range;

use crate::content::{Container, Name, Side};
use crate::exchange::Marks;

/// Whether something is masked in `name`, of the request, or in one that it lies in.
pub(super) fn is_hidden(name: Name<'_, '_>, marks: &Marks) -> bool {
    let above = std::iter::successors(Some(name), |name| name.parent());
    let mut spans = above.filter_map(|name| name.span_of(0..name.word().len()));
    spans.any(|(container, range)| marks.touched(Side::Request, container)(&range))
}

/// `query`, which lies at `place` in the request's target, without those pairs whose names have
/// something masked in them.
pub(super) fn without_hidden<'q>(
    query: &'q [u8],
    place: Range<usize>,
    marks: &Marks,
) -> Cow<'q, [u8]> {
    let mut is_hidden = marks.touched(Side::Request, Container::Target);
    if !is_hidden(&place) {
        return Cow::Borrowed(query);
    }
    let mut here = place.start;
    let mut out = Vec::with_capacity(query.len());
    for pair in query.split(|byte| *byte == b'&') {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
        if !is_hidden(&(here..here + name.len())) {
            out.extend_from_slice(pair);
            out.push(b'&');
        }
        here += pair.len() + 1;
    }
    Cow::Owned(out)
}
