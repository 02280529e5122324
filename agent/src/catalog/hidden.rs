//! Names in which something is masked: a value stands in their place, and is not kept.

use std::borrow::Cow;
use std::ops::Range;

use crate::content::{Container, Name, Side};
use crate::exchange::Marks;

fn touches(marks: &Marks, container: Container, range: &Range<usize>) -> bool {
    marks
        .within(Side::Request, container)
        .any(|mark| (mark.start as usize) < range.end && range.start < mark.end as usize)
}

/// Whether something is masked in `name`, of the request, or in one that it lies in.
pub(super) fn is_hidden(name: Name<'_, '_>, marks: &Marks) -> bool {
    let above = std::iter::successors(Some(name), |name| name.parent());
    let mut spans = above.filter_map(|name| name.span_of(0..name.word().len()));
    spans.any(|(container, range)| touches(marks, container, &range))
}

/// `query`, which stands in the request's target from `start` on, without those pairs whose names have
/// something masked in them.
pub(super) fn without_hidden<'q>(query: &'q [u8], start: usize, marks: &Marks) -> Cow<'q, [u8]> {
    if !touches(marks, Container::Target, &(start..start + query.len())) {
        return Cow::Borrowed(query);
    }
    let mut here = start;
    let mut out = Vec::with_capacity(query.len());
    for pair in query.split(|byte| *byte == b'&') {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
        if !touches(marks, Container::Target, &(here..here + name.len())) {
            out.extend_from_slice(pair);
            out.push(b'&');
        }
        here += pair.len() + 1;
    }
    Cow::Owned(out)
}
