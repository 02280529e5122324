//! BOLA-03: one id in two places, which differ. `score` finds it in a single request.

use crate::detect::row::{Family, Id, Row};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Bola03,
    name: "id in two places",
    family: Family::Access,
    version: 1,
    impact: Severity::Medium,
    threshold: 1,
    window_s: 0,
    owasp: &["API1:2023", "API1:2019"],
    cwe: &[235],
    attack: &["T1190"],
    means: "A request names one object twice, with different ids: the check may read the one, the work the other.",
    decides: "A parameter that stands twice with different values, in the query, in the body, or in both.",
    fools: "Different names for the two places.",
    advice: "See which of the two was answered. Refuse parameters that stand twice.",
};
