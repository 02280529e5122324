//! What a finding shows of what a detector saw: the decoded text, if nothing in the value it stood
//! in is masked, and without what its own shape calls sensitive.
//!
//! A detector reads a value decoded, so the marks, which count in the bytes as they were sent, do not
//! tell what of a text is masked. Therefore a value with a mark in it is not shown at all, and its mask is.

use std::ops::Range;

use super::marker::Marker;
use super::rules::Ruleset;
use super::{Redactor, masked};
use crate::content::{Container, Parts, Side};
use crate::exchange::{Mark, Marks, ScoreHit};

/// What may be shown of what `hit` saw.
pub(super) fn excerpt(
    hit: &ScoreHit,
    parts: &Parts<'_>,
    marks: &Marks,
    (redactor, rules): (&Redactor, &Ruleset),
    marker: &mut Marker,
) -> String {
    let side = if hit.part.starts_with("response.") {
        Side::Response
    } else {
        Side::Request
    };
    if marks.is_binary(side) && hit.container == Container::Body && !redactor.keeps_binary() {
        return "[binary]".to_owned();
    }
    let within = value_around(hit, side, parts);
    let touches = |mark: &&Mark| {
        within.as_ref().is_none_or(|within| {
            (mark.start as usize) < within.end && (mark.end as usize) > within.start
        })
    };
    if let Some(mark) = marks.within(side, hit.container).find(touches) {
        let mut out = Vec::new();
        masked::stand_in(&mut out, redactor.type_name(mark.secret), mark.hash);
        return String::from_utf8_lossy(&out).into_owned();
    }
    marker.mask_text(redactor, rules, &hit.fragment)
}

/// The bytes of the hit and of the values that it lies in; `None` if that is not known.
fn value_around(hit: &ScoreHit, side: Side, parts: &Parts<'_>) -> Option<Range<usize>> {
    let spans = parts.iter().filter(|part| part.side() == side);
    let spans = spans.map(crate::content::Part::span);
    let touching = spans.filter(|(container, span)| {
        *container == hit.container && span.start <= hit.range.end && span.end >= hit.range.start
    });
    let own = Some(hit.range.clone()).filter(|range| !range.is_empty());
    touching
        .map(|(_, span)| span)
        .chain(own)
        .reduce(|one, other| one.start.min(other.start)..one.end.max(other.end))
}

#[cfg(test)]
mod tests;
