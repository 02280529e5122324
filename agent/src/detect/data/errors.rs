//! DATA-03: answers that tell how the service is made. `score` finds it in a single answer.

use crate::detect::row::{Family, Id, Row};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Data03,
    name: "secrets and errors in answers",
    family: Family::Data,
    version: 1,
    impact: Severity::Medium,
    threshold: 1,
    window_s: 300,
    owasp: &["API8:2023", "API7:2019"],
    cwe: &[209],
    attack: &["T1552"],
    means: "An answer holds a stack trace, an error of a database, or a secret.",
    decides: "The forms of stack traces of common languages, of errors of databases, and of keys, in the answer.",
    fools: "Forms that are not known.",
    advice: "Answer errors with an id, and log the rest. Replace a secret that was given out.",
};
