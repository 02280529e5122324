//! A journal of events, to be read by what is measured.

use std::path::Path;
use std::sync::Arc;

use eaves::clock::{Ktime, Moment};
use eaves::journal::{Journal, RealDisk};

use crate::events::{APART_NS, Event, options};

/// Writes `events` into a journal in `dir`.
pub(crate) fn write(dir: &Path, events: impl Iterator<Item = Event>) {
    let begun = Moment::now();
    let mut journal = Journal::open(options(dir), Arc::new(RealDisk), begun).expect("a journal");
    for (number, event) in events.enumerate() {
        let now = Moment {
            steady: Ktime(begun.steady.0 + number as u64 * APART_NS),
            date: event.date,
        };
        journal.append(&event.record(), now);
        if number.is_multiple_of(1000) {
            journal.tick(now);
        }
    }
    journal.close(Moment::now());
}
