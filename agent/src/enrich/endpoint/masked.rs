//! What is masked in a path is no word of a template, whatever it looks like.

use std::borrow::Cow;

use super::shape::{Label, Shape, label};
use crate::content::{Container, Side};
use crate::exchange::Marks;

/// `path`, which stands in the request's target from `start` on, with `{masked}` in the place of
/// each segment in which something is masked and that would be a word.
pub(super) fn without_masked<'p>(path: &'p [u8], start: usize, marks: &Marks) -> Cow<'p, [u8]> {
    let mut marks = marks
        .within(Side::Request, Container::Target)
        .map(|mark| mark.start as usize..mark.end as usize)
        .skip_while(|mark| mark.end <= start)
        .peekable();
    if marks
        .peek()
        .is_none_or(|mark| mark.start >= start + path.len())
    {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut here = start;
    for (number, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if number > 0 {
            out.push(b'/');
        }
        let end = here + segment.len();
        while marks.next_if(|mark| mark.end <= here).is_some() {}
        let masked = marks.peek().is_some_and(|mark| mark.start < end);
        let word = masked && matches!(label(segment), Label::Word(_));
        out.extend_from_slice(if word {
            Shape::Masked.text().as_bytes()
        } else {
            segment
        });
        here = end + 1;
    }
    Cow::Owned(out)
}
