//! The journal as a pump's feed.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batch::Kind;
use crate::journal::{Counts, Cursor, Damage, JournalError, Reader, State, Synced};

/// Where a pump's events come from, and where its cursor lies.
pub trait Feed: Send {
    /// Hands over the lines of the next frame that is durable: whether there was one.
    ///
    /// # Errors
    /// A part of the journal cannot be read.
    fn next(&mut self, line: &mut dyn FnMut(&[u8])) -> Result<bool, Unread>;

    /// Moves the cursor behind all that was handed over, or passed over, so far: whether it moved.
    fn advance(&mut self) -> bool;

    /// Waits until there may be more, but not longer than `wait`.
    fn wait(&self, wait: Duration);

    /// Keeps the cursor, and what goes with it, durably.
    ///
    /// # Errors
    /// It cannot be written; what was kept before still is.
    fn keep(&self, kept: &Kept) -> Result<(), String>;
}

/// A part of the journal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Which, and why.
    pub what: String,
    /// Whether the next call goes on behind it, and does not try the same again.
    pub passed: bool,
}

/// What lies with a sink's cursor: for the sink after a restart, and for `eaves sinks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Events acknowledged since the sink was first there.
    pub accepted: u64,
    /// Events refused for good.
    pub refused: u64,
    /// Attempts that failed.
    pub retries: u64,
    /// Places in the journal that could not be read.
    pub damaged: u64,
    /// Events a second, over about the last minute.
    pub rate: f64,
    /// When this was kept, nanoseconds since 1970.
    pub at: u64,
    /// When the last event that was acknowledged happened, nanoseconds since 1970.
    pub event_time: u64,
    /// Whether it is failing now.
    pub failing: bool,
    /// What last went wrong, and when, nanoseconds since 1970.
    pub error: Option<(u64, String)>,
    /// What the sink itself remembers.
    pub memory: Value,
}

/// What stands before a sink's name in the name of its cursor: others keep states there too.
const PREFIX: &str = "sink.";

/// The name under which the cursor of the sink `name` is kept.
#[must_use]
pub fn cursor_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The sink whose cursor is kept under `name`, if it is one's.
#[must_use]
pub fn sink_name(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)
}

/// Reads the journal for one sink.
pub struct JournalFeed {
    reader: Reader,
    synced: Option<Synced>,
    state: State,
    name: String,
    kinds: Vec<Kind>,
    place: Cursor,
}

impl JournalFeed {
    /// The journal in `dir` for the sink `name`, and what was kept with its cursor. A sink that has none
    /// begins at `begin`. With `synced` it reads no further than what is synced.
    ///
    /// # Errors
    /// The journal or the cursor cannot be read.
    pub fn open(
        dir: &Path,
        name: &str,
        kinds: &[Kind],
        synced: Option<Synced>,
        begin: Cursor,
    ) -> Result<(Self, Kept), JournalError> {
        let state = State::of(dir);
        let name = cursor_name(name);
        let (place, kept) = match state.load::<Kept>(&name)? {
            Some(saved) => (saved.cursor, saved.state),
            None => (begin, Kept::default()),
        };
        let mut reader = Reader::forward(dir, place)?;
        if let Some(synced) = &synced {
            reader = reader.only_synced(synced.clone());
        }
        let feed = Self {
            reader,
            synced,
            state,
            name,
            kinds: kinds.to_vec(),
            place,
        };
        // From now on it holds segments back, though nothing has been delivered.
        feed.state.save(&feed.name, feed.place, &kept)?;
        Ok((feed, kept))
    }
}

fn holds(counts: &Counts, kinds: &[Kind]) -> bool {
    kinds.iter().any(|kind| match kind {
        Kind::Exchange => counts.exchanges > 0,
        Kind::Finding => counts.findings > 0,
        Kind::Notice => counts.notices > 0,
    })
}

/// The damage with its cause.
fn told(damage: &Damage) -> String {
    format!("{damage}: {}", damage.source)
}

impl Feed for JournalFeed {
    fn next(&mut self, line: &mut dyn FnMut(&[u8])) -> Result<bool, Unread> {
        let Self { reader, kinds, .. } = self;
        let before = reader.cursor();
        match reader.next(|index| holds(&index.counts, kinds)) {
            Ok(None) => Ok(false),
            Ok(Some(frame)) => {
                for (_, text) in frame.records() {
                    line(text);
                }
                Ok(true)
            }
            Err(damage) => Err(Unread {
                what: told(&damage),
                passed: reader.cursor() != before,
            }),
        }
    }

    fn advance(&mut self) -> bool {
        let before = std::mem::replace(&mut self.place, self.reader.cursor());
        before != self.place
    }

    fn wait(&self, wait: Duration) {
        match &self.synced {
            Some(synced) => {
                let _ = synced.wait(self.reader.cursor().frame, wait);
            }
            None => std::thread::sleep(wait),
        }
    }

    fn keep(&self, kept: &Kept) -> Result<(), String> {
        self.state
            .save(&self.name, self.place, kept)
            .map_err(|error| match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{Feed as _, Kept};
    use super::{JournalFeed, cursor_name, sink_name};
    use crate::clock::{Ktime, Moment, WallTime};
    use crate::journal::{
        Cursor, Journal, KeyPlace, Keys, Options, RealDisk, Record, RecordKind, State, Worth,
    };
    use crate::sink::batch::Kind;
    use std::fs;
    use std::sync::Arc;

    fn moment(s: u64) -> Moment {
        Moment {
            steady: Ktime(s * 1_000_000_000),
            date: WallTime(s * 1_000_000_000),
        }
    }

    #[test]
    fn frames_are_handed_over_once_and_the_cursor_is_where_it_was_kept() {
        let dir = std::env::temp_dir().join(format!("eaves-feed-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let key = KeyPlace {
            credential: None,
            file: dir.join("key"),
        };
        let options = Options {
            threaded: false,
            min_free: 0,
            ..Options::new(dir.join("journal"), key)
        };
        let folder = options.dir.clone();
        let mut journal = Journal::open(options, Arc::new(RealDisk), moment(1)).unwrap();
        for (second, kind) in [(2, RecordKind::Exchange), (3, RecordKind::Notice)] {
            let line = format!("{{\"n\":{second}}}\n");
            let record = Record {
                kind,
                worth: Worth::default(),
                severity: None,
                time: WallTime(0),
                line: line.as_bytes(),
                keys: Keys::default(),
            };
            journal.append(&record, moment(second));
            journal.tick(moment(second + 1));
        }
        journal.close(moment(9));
        let open = |kinds: &[Kind]| {
            let synced = Some(journal.synced());
            JournalFeed::open(&folder, "siem", kinds, synced, Cursor::default()).unwrap()
        };
        let (mut feed, _) = open(&[Kind::Exchange, Kind::Notice]);
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
        assert!(feed.next(&mut take).unwrap());
        feed.advance();
        let kept = Kept {
            accepted: 7,
            ..Kept::default()
        };
        feed.keep(&kept).unwrap();
        assert!(feed.next(&mut take).unwrap());
        assert!(!feed.next(&mut take).unwrap());
        assert_eq!(lines, ["{\"n\":2}", "{\"n\":3}"]);
        let (mut feed, kept) = open(&[Kind::Notice]);
        assert_eq!(kept.accepted, 7);
        let mut again = Vec::new();
        while feed.next(&mut |line| again.push(line.to_vec())).unwrap() {}
        assert_eq!(again, [b"{\"n\":3}"]);
        let (mut feed, _) = open(&[Kind::Finding]);
        assert!(!feed.next(&mut |_| panic!("no finding is there")).unwrap());
        assert_eq!(State::of(&folder).names().unwrap(), [cursor_name("siem")]);
        assert_eq!(sink_name("sink.siem"), Some("siem"));
        fs::remove_dir_all(dir).unwrap();
    }
}
