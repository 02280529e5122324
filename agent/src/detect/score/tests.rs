//! What all grammars share in tests: the score of one value, and that a value fires nothing.

use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Class, Place, Scorer, THRESHOLD};

/// Building the grammars is dear: once for all tests.
static SCORER: LazyLock<Mutex<Scorer>> = LazyLock::new(|| Mutex::new(Scorer::new().unwrap()));

/// Calls `act` with the grammars.
pub(super) fn with<T>(act: impl FnOnce(&mut Scorer) -> T) -> T {
    act(&mut SCORER.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(super) fn score_in(class: Class, place: Place, name: &str, value: &str) -> u8 {
    let mut score = 0;
    with(|scorer| {
        scorer.value(place, name.as_bytes(), value.as_bytes(), |found, told| {
            if found == class {
                score = told.score;
            }
        });
    });
    score
}

pub(super) fn score(class: Class, value: &str) -> u8 {
    score_in(class, Place::Query, "q", value)
}

pub(super) fn score_named(class: Class, name: &str, value: &str) -> u8 {
    score_in(class, Place::Query, name, value)
}

pub(super) fn score_at(class: Class, place: Place, value: &str) -> u8 {
    score_in(class, place, "q", value)
}

/// Fires nothing, in a parameter and in a body.
#[track_caller]
pub(super) fn quiet(value: &str) {
    with(|scorer| {
        for place in [Place::Query, Place::Body] {
            scorer.value(place, b"text", value.as_bytes(), |class, told| {
                assert!(
                    told.score < THRESHOLD,
                    "{value:?} fires {class:?} by {}",
                    told.rule
                );
            });
        }
    });
}

pub(super) fn score_name(class: Class, name: &str) -> u8 {
    let mut score = 0;
    with(|scorer| {
        scorer.name(name.as_bytes(), |found, told| {
            if found == class {
                score = score.max(told.score);
            }
        });
    });
    score
}
