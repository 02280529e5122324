//! A run of events on their way to one sink.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format::{Format, FormatError};
use crate::event::Severity;

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One request and its response
    Exchange,
    /// What a detector concluded
    Finding,
    /// What the agent says of itself
    Notice,
}

/// What a sink must know of a line without reading all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// What kind of event.
    pub kind: Kind,
    /// Its id.
    pub id: Cow<'a, str>,
    /// When it was, RFC 3339.
    pub time: Cow<'a, str>,
    /// How much it matters; exchanges have none.
    pub severity: Option<Severity>,
}

impl<'a> Head<'a> {
    /// Reads the head of an event's line; `None` if it is none.
    #[must_use]
    pub fn of(line: &'a [u8]) -> Option<Self> {
        Self::quick(line).or_else(|| Self::whole(line))
    }

    /// Of an exchange whose first fields stand as `event` writes them: no further byte is looked at.
    fn quick(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_prefix(b"{\"kind\":\"exchange\",\"schema\":1,\"id\":\"")?;
        let (id, rest) = word(line)?;
        let (time, _) = word(rest.strip_prefix(b",\"time\":\"")?)?;
        Some(Self {
            kind: Kind::Exchange,
            id: id.into(),
            time: time.into(),
            severity: None,
        })
    }

    fn whole(line: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            kind: Kind,
            #[serde(borrow)]
            id: Cow<'a, str>,
            #[serde(borrow)]
            time: Cow<'a, str>,
            severity: Option<Severity>,
        }
        let Fields {
            kind,
            id,
            time,
            severity,
        } = serde_json::from_slice(line).ok()?;
        Some(Self {
            kind,
            id,
            time,
            severity,
        })
    }
}

/// Text up to a quote, if it is short and needs no unescaping, and what follows the quote.
fn word(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().take(64).position(|byte| *byte == b'"')?;
    let word = text.get(..end)?;
    if word.contains(&b'\\') {
        return None;
    }
    Some((str::from_utf8(word).ok()?, text.get(end + 1..)?))
}

/// One event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'b> {
    /// What kind of event.
    pub kind: Kind,
    /// Its id.
    pub id: &'b str,
    /// When it was, nanoseconds since 1970; 0 if that cannot be read.
    pub time_ns: u64,
    /// The event's own line, without a line feed.
    pub line: &'b [u8],
    /// The event in the words of the sink's format, without a line feed.
    pub record: &'b [u8],
}

/// A run of events, in the journal's order, each in the words its sink is told.
#[derive(Clone, Debug)]
pub struct Batch {
    format: Format,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    time_ns: u64,
    start: usize,
    /// Where the id ends, and the line begins.
    id_end: usize,
    line_end: usize,
    /// Equal to `line_end` where the record is the line itself.
    record_end: usize,
}

impl Batch {
    /// An empty one, whose records will be of `format`.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            bytes: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Adds the event `line`, whose head is `head`.
    ///
    /// # Errors
    /// [`FormatError`] if it cannot be told in this format; the batch is then as before.
    pub fn push(&mut self, head: &Head<'_>, line: &[u8]) -> Result<(), FormatError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head.id.as_bytes());
        let id_end = self.bytes.len();
        let line = line.trim_ascii_end();
        self.bytes.extend_from_slice(line);
        let line_end = self.bytes.len();
        if self.format != Format::Eaves
            && let Err(error) = self.format.project(line, &mut self.bytes)
        {
            self.bytes.truncate(start);
            return Err(error);
        }
        self.entries.push(Entry {
            kind: head.kind,
            time_ns: super::format::nanoseconds(&head.time).unwrap_or_default(),
            start,
            id_end,
            line_end,
            record_end: self.bytes.len(),
        });
        Ok(())
    }

    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes all events out; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// The event at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        let entry = self.entries.get(index)?;
        let part = |from, to| self.bytes.get(from..to).unwrap_or_default();
        let line = part(entry.id_end, entry.line_end);
        let record = if self.format == Format::Eaves {
            line
        } else {
            part(entry.line_end, entry.record_end)
        };
        Some(Item {
            kind: entry.kind,
            id: str::from_utf8(part(entry.start, entry.id_end)).unwrap_or_default(),
            time_ns: entry.time_ns,
            line,
            record,
        })
    }
}

/// Some events of a batch, by their places in it: what one attempt sends.
#[derive(Clone, Copy, Debug)]
pub struct Part<'b> {
    batch: &'b Batch,
    places: &'b [usize],
}

impl<'b> Part<'b> {
    /// Those at `places`.
    #[must_use]
    pub fn new(batch: &'b Batch, places: &'b [usize]) -> Self {
        Self { batch, places }
    }

    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Its events, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'b>> + use<'b> {
        let batch = self.batch;
        self.places.iter().filter_map(|place| batch.get(*place))
    }

    /// Its records, each with `end` behind.
    #[must_use]
    pub fn joined(&self, end: &[u8]) -> Vec<u8> {
        let bytes = self.items().map(|item| item.record.len() + end.len());
        let mut out = Vec::with_capacity(bytes.sum());
        for item in self.items() {
            out.extend_from_slice(item.record);
            out.extend_from_slice(end);
        }
        out
    }
}

/// A batch of these lines; for tests of what is sent.
#[cfg(test)]
pub(super) fn batch(format: Format, lines: &[&str]) -> Batch {
    let mut batch = Batch::new(format);
    for line in lines {
        let head = Head::of(line.as_bytes()).unwrap();
        batch.push(&head, line.as_bytes()).unwrap();
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::{Batch, Format, Head, Kind, Part, batch};
    use crate::event::Severity;

    const EXCHANGE: &str = r#"{"kind":"exchange","schema":1,"id":"a-1","time":"1970-01-01T00:00:01.000000002Z","x":1}"#;
    const NOTICE: &str = r#"{"kind":"notice","schema":1,"id":"b","time":"1970-01-01T00:00:02Z","name":"loss","severity":"high"}"#;

    #[track_caller]
    fn check(line: &str, expected: Option<(Kind, &str, Option<Severity>)>) {
        let head = Head::of(line.as_bytes());
        let head = head.as_ref().map(|h| (h.kind, h.id.as_ref(), h.severity));
        assert_eq!(head, expected, "{line}");
    }

    #[test]
    fn heads_are_read_wherever_the_fields_stand() {
        check(EXCHANGE, Some((Kind::Exchange, "a-1", None)));
        check(NOTICE, Some((Kind::Notice, "b", Some(Severity::High))));
        check(
            r#"{"severity":"low","time":"t","id":"a\"b","kind":"finding"}"#,
            Some((Kind::Finding, "a\"b", Some(Severity::Low))),
        );
        check(
            r#"{"kind":"exchange","schema":1,"id":"a\u0041","time":"t"}"#,
            Some((Kind::Exchange, "aA", None)),
        );
        for none in ["", "{}", "[]", r#"{"kind":"dream","id":"a","time":"t"}"#] {
            check(none, None);
        }
    }

    #[test]
    fn a_part_holds_the_events_of_its_places() {
        let batch = batch(Format::Eaves, &[EXCHANGE, NOTICE]);
        let both = [0, 1];
        let part = Part::new(&batch, &both);
        let told: Vec<_> = part.items().map(|item| (item.id, item.time_ns)).collect();
        assert_eq!(told, [("a-1", 1_000_000_002), ("b", 2_000_000_000)]);
        assert_eq!(
            part.joined(b"\n"),
            format!("{EXCHANGE}\n{NOTICE}\n").into_bytes()
        );
        let second = Part::new(&batch, &[1, 7]);
        assert_eq!(second.joined(b""), NOTICE.as_bytes());
    }

    #[test]
    fn an_event_the_format_has_no_place_for_leaves_the_batch_as_it_was() {
        let mut batch = Batch::new(Format::Combined);
        let head = Head::of(EXCHANGE.as_bytes()).unwrap();
        batch.push(&head, EXCHANGE.as_bytes()).unwrap();
        let bytes = batch.bytes();
        let head = Head::of(NOTICE.as_bytes()).unwrap();
        assert!(batch.push(&head, NOTICE.as_bytes()).is_err());
        assert_eq!((batch.len(), batch.bytes()), (1, bytes));
        let item = batch.get(0).unwrap();
        assert_eq!(item.line, EXCHANGE.as_bytes());
        assert!(item.record.starts_with(b"- - - ["));
    }
}
