//! An exchange that lasts is told by several reports (EVENTS.md, note 4 of an exchange): what of it has
//! counted already.
//!
//! The first report comes with the head of the response. So what a caller did counts then, what the
//! answer holds counts once it is there, and its bytes count as they grow.

use serde::{Deserialize, Serialize};

use super::facts::{Facts, Hit};
use super::incident::mix;
use super::table::{Table, Worth};
use super::value_hash;

/// Hits of one exchange that are remembered; more count each time.
const HITS_MAX: usize = 16;

/// What earlier reports of an exchange told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Before {
    bytes: u64,
    content: bool,
    hits: Vec<u64>,
}

impl Worth for Before {
    fn worth(&self) -> u64 {
        self.bytes + 1
    }
}

/// What of a report is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// What was done: it is the first report.
    pub(super) call: bool,
    /// What the answer holds, as far as it will be seen.
    pub(super) content: bool,
    /// The size of the answer: it is the last report.
    pub(super) whole: bool,
    /// Bytes of the answer that no report before it told of.
    pub(super) grown_bytes: Option<u64>,
    hits: Vec<u64>,
}

impl Report {
    /// Whether an earlier report showed this already.
    pub(super) fn has_shown(&self, hit: &Hit<'_>) -> bool {
        self.hits.contains(&hash(hit))
    }
}

/// Exchanges that are told by several reports, and are not over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reports {
    open: Table<Before, 4096, 86_400>,
}

impl Reports {
    /// Takes the report of `facts`.
    pub(super) fn take(&mut self, facts: &Facts<'_>, now_s: u32) -> Report {
        let mut report = Report {
            call: true,
            content: true,
            whole: true,
            grown_bytes: facts.response_bytes,
            hits: Vec::new(),
        };
        let Some(first) = facts.first else {
            return report;
        };
        let key = value_hash(&first.to_text());
        report.call = !facts.told_before();
        report.whole = !facts.partial;
        let before = self.open.get(key, now_s);
        // The bytes of a start that was not heard, or had to make room, count for nobody.
        report.grown_bytes = facts
            .response_bytes
            .filter(|_| before.is_some() || report.call)
            .map(|bytes| bytes.saturating_sub(before.map_or(0, |before| before.bytes)));
        // A minute after its head an answer that goes on has given what there is to keep of it.
        let shown = before.is_some_and(|before| before.content);
        report.content = !shown && (report.whole || !report.call);
        report.hits = before.map_or_else(Vec::new, |before| before.hits.clone());
        if report.whole {
            self.open.remove(key);
        } else if let Some(before) = self.open.entry(key, now_s) {
            before.bytes = before.bytes.max(facts.response_bytes.unwrap_or(0));
            before.content |= report.content;
            for hit in facts.hits.iter().map(hash) {
                if before.hits.len() < HITS_MAX && !before.hits.contains(&hit) {
                    before.hits.push(hit);
                }
            }
        }
        report
    }
}

fn hash(hit: &Hit<'_>) -> u64 {
    let texts = [hit.detector, &hit.part, &hit.excerpt];
    let texts = texts.map(|text| value_hash(text.as_bytes()));
    texts.into_iter().fold(hit.outcome as u64, mix)
}
