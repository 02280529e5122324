//! What is masked in a path is no word of a template, whatever it looks like.

use std::borrow::Cow;
use std::ops::Range;

use super::shape::{Label, Shape, label};
use crate::content::{Container, Side};
use crate::exchange::Marks;

/// `path`, which lies at `place` in the request's target, with `{masked}` in the place of
/// each segment in which something is masked and that would be a word.
pub(super) fn without_masked<'p>(
    path: &'p [u8],
    place: Range<usize>,
    marks: &Marks,
) -> Cow<'p, [u8]> {
    let mut is_masked = marks.touched(Side::Request, Container::Target);
    if !is_masked(&place) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut here = place.start;
    for (number, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if number > 0 {
            out.push(b'/');
        }
        let end = here + segment.len();
        let word = is_masked(&(here..end)) && matches!(label(segment), Label::Word(_));
        out.extend_from_slice(if word {
            Shape::Masked.text().as_bytes()
        } else {
            segment
        });
        here = end + 1;
    }
    Cow::Owned(out)
}
