//! Where each sink stands in the journal, read from its folder alone.

use std::path::Path;

use serde::Serialize;

use super::SinksError;
use crate::clock::WallTime;
use crate::config::{Config, Kind, SinkEntry};
use crate::event::{Severity, stamp};
use crate::filter::Filter;
use crate::journal::{Counts, Cursor, Reader, State};
use crate::sink::{DeadLetters, Head, Kept, cursor_name, is_wanted, sink_name};

/// Most events behind a cursor that a filter is asked about, one by one; a second's work.
const LOOKED_AT_MAX: u64 = 500_000;

/// Where one sink stands in the journal.
#[derive(Clone, Debug, Serialize)]
pub struct SinkStanding {
    /// Its name.
    pub sink: String,
    /// Whether the configuration names it; one it does not holds nothing back.
    pub configured: bool,
    /// Whether it fails now.
    pub failing: bool,
    /// Up to where it has everything.
    pub cursor: Cursor,
    /// Events behind the cursor that go there.
    pub lag_events: u64,
    /// Whether those beyond the first half a million are counted without their filter: then there are at
    /// most so many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lag_at_most: bool,
    /// Age of the oldest of them, seconds.
    pub lag_s: u64,
    /// Events a second, lately.
    pub rate: f64,
    /// Events it acknowledged.
    pub accepted: u64,
    /// Events it refused for good.
    pub refused: u64,
    /// Attempts after which events were left.
    pub retries: u64,
    /// Events that lie among its dead letters.
    pub dead_letters: u64,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_time: Option<String>,
}

impl SinkStanding {
    /// Those of `config`, then those that were configured once and have a cursor in `dir` still.
    ///
    /// # Errors
    /// [`SinksError`] if cursors or dead letters cannot be read.
    pub fn all(config: &Config, dir: &Path) -> Result<Vec<Self>, SinksError> {
        let mut names: Vec<String> = config.sinks.keys().cloned().collect();
        let kept = State::of(dir).names();
        let kept = kept.map_err(|source| SinksError::Journal {
            name: "*".to_owned(),
            source,
        })?;
        let left = kept.iter().filter_map(|name| sink_name(name));
        let left = left.filter(|name| !config.sinks.contains_key(*name));
        names.extend(left.map(str::to_owned));
        let each = names.iter().map(|name| standing(config, dir, name));
        each.collect()
    }
}

fn standing(config: &Config, dir: &Path, name: &str) -> Result<SinkStanding, SinksError> {
    let failed = |source| SinksError::Journal {
        name: name.to_owned(),
        source,
    };
    let saved = State::of(dir).load::<Kept>(&cursor_name(name));
    let saved = saved.map_err(failed)?;
    let (cursor, kept) = saved.map_or_else(Default::default, |saved| (saved.cursor, saved.state));
    let entry = config.sinks.get(name);
    let Lag {
        events: lag_events,
        oldest,
        at_most,
    } = behind(dir, cursor, &Wanted::of(entry));
    let now = WallTime::now().0;
    let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.0) / 1_000_000_000);
    let date = |ns| String::from_utf8_lossy(&stamp(WallTime(ns))).into_owned();
    let error = kept.error.as_ref();
    let letters = DeadLetters::of(dir, name);
    Ok(SinkStanding {
        sink: name.to_owned(),
        configured: entry.is_some(),
        failing: kept.failing,
        cursor,
        lag_events,
        lag_at_most: at_most,
        lag_s: age,
        rate: kept.rate,
        accepted: kept.accepted,
        refused: kept.refused,
        retries: kept.retries,
        dead_letters: letters.count().map_err(|source| SinksError::DeadLetters {
            name: name.to_owned(),
            source,
        })?,
        last_error: error.map(|(_, what)| what.clone()),
        last_error_time: error.map(|(time, _)| date(*time)),
    })
}

/// What goes to a sink.
struct Wanted {
    kinds: Vec<Kind>,
    least: Option<Severity>,
    filter: Option<Filter>,
}

impl Wanted {
    /// To one of the configuration; to another everything went.
    fn of(entry: Option<&SinkEntry>) -> Self {
        let all = || vec![Kind::Exchange, Kind::Finding, Kind::Notice];
        Self {
            kinds: entry.map_or_else(all, SinkEntry::kinds),
            least: entry.and_then(|entry| entry.min_severity),
            filter: entry.and_then(SinkEntry::filter),
        }
    }

    /// Whether the kind alone tells.
    fn is_plain(&self) -> bool {
        self.least.is_none() && self.filter.is_none()
    }

    fn holds(&self, line: &[u8]) -> bool {
        let head = Head::of(line);
        head.is_some_and(|head| is_wanted(&head, &self.kinds, self.least))
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(line))
    }
}

/// What lies behind a cursor.
#[derive(Debug, Default)]
struct Lag {
    events: u64,
    /// When the first of them was.
    oldest: Option<WallTime>,
    at_most: bool,
}

/// What of `wanted` lies behind `cursor`. Where kinds alone tell, indexes alone are read.
fn behind(dir: &Path, cursor: Cursor, wanted: &Wanted) -> Lag {
    let mut lag = Lag::default();
    let Ok(mut reader) = Reader::forward(dir, cursor) else {
        // There is nothing yet.
        return lag;
    };
    let mut looked_at = 0;
    loop {
        let looked = reader.next(|index| {
            let some = of_kinds(&index.counts, &wanted.kinds);
            if some == 0 {
                return false;
            }
            if !wanted.is_plain() && looked_at < LOOKED_AT_MAX {
                return true;
            }
            lag.at_most |= !wanted.is_plain();
            lag.oldest.get_or_insert(index.first);
            lag.events += some;
            false
        });
        match looked {
            Ok(None) => return lag,
            Ok(Some(frame)) => {
                let lines = frame.records().map(|(_, line)| line);
                let some = lines.filter(|line| wanted.holds(line)).count() as u64;
                looked_at += u64::from(frame.counts.total());
                if some > 0 {
                    lag.oldest.get_or_insert(frame.first);
                }
                lag.events += some;
            }
            // What cannot be read is passed over here as it is by the sink.
            Err(_) => continue,
        }
    }
}

fn of_kinds(counts: &Counts, kinds: &[Kind]) -> u64 {
    let of = |kind: &Kind| match kind {
        Kind::Exchange => counts.exchanges,
        Kind::Finding => counts.findings,
        Kind::Notice => counts.notices,
    };
    kinds.iter().map(|kind| u64::from(of(kind))).sum()
}

#[cfg(test)]
mod tests {
    use super::of_kinds;
    use crate::config::Kind;
    use crate::journal::Counts;

    #[test]
    fn only_kinds_that_go_there_are_behind() {
        let counts = Counts {
            exchanges: 5,
            findings: 2,
            notices: 1,
        };
        let check = |kinds: &[Kind], expected| assert_eq!(of_kinds(&counts, kinds), expected);
        check(&[Kind::Exchange], 5);
        check(&[Kind::Finding, Kind::Notice], 3);
        check(&[], 0);
    }
}
