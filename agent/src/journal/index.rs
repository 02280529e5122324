//! What is in a frame, without reading it: counts, times, and a filter of values.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

use super::bytes::Take;
use super::segment::FormatError;
use crate::clock::WallTime;
use crate::event::Severity;

/// A field by whose values frames are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// `url.domain`.
    Host = 1,
    /// `http.route`.
    Route = 2,
    /// `client.address`.
    Client = 3,
    /// `user.id`.
    User = 4,
    /// `http.response.status_code`, in decimal, and its class: `404` and `4xx`.
    Status = 5,
}

/// The values of one record by which it may be looked for; empty where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys<'a> {
    /// `url.domain`.
    pub host: &'a [u8],
    /// `http.route`.
    pub route: &'a [u8],
    /// `client.address`.
    pub client: &'a [u8],
    /// `user.id`.
    pub user: &'a [u8],
    /// `http.response.status_code`.
    pub status: Option<u16>,
}

/// What kind of record a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// One request and its response: shed first.
    Exchange,
    /// What a detector concluded: synced at once, and has a reserve.
    Finding,
    /// What the agent says of itself: has a reserve.
    Notice,
}

/// How many records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Exchanges.
    pub exchanges: u32,
    /// Findings.
    pub findings: u32,
    /// Notices.
    pub notices: u32,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.exchanges
            .wrapping_add(self.findings)
            .wrapping_add(self.notices)
    }

    pub(super) fn add(&mut self, kind: RecordKind) {
        let slot = match kind {
            RecordKind::Exchange => &mut self.exchanges,
            RecordKind::Finding => &mut self.findings,
            RecordKind::Notice => &mut self.notices,
        };
        *slot = slot.wrapping_add(1);
    }
}

/// Bytes of an index before its filter.
const FIXED_BYTES: usize = 44;

/// Bytes of an index that its own checksum is of, before the filter, which it is of too.
const SUMMED_BYTES: usize = 40;

/// Bytes of a line's check.
const CHECK_BYTES: usize = 2;

/// Bits of the filter for each value that is in it: with [`PROBES`] one value in 120 that is not
/// there seems to be (Bloom, 1970: (1 - e^(-7/10))^7 = 0.8 %).
const BITS_A_VALUE: usize = 10;

/// Bits that one value sets.
const PROBES: u64 = 7;

/// Most values of a frame's filter. A frame with more is one that anything may be in.
const VALUES_MAX: usize = 1 << 19;

/// The index of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index<'a> {
    /// Least time of a record.
    pub first: WallTime,
    /// Greatest time of a record.
    pub last: WallTime,
    /// Records by kind.
    pub counts: Counts,
    /// The worst severity of a finding or notice.
    pub severity: Option<Severity>,
    /// Bytes of the lines.
    pub raw_bytes: u32,
    /// Bits, a whole number of bytes; empty if anything may be there.
    filter: &'a [u8],
    /// Sixteen bits of each line's CRC-32, two bytes each.
    checks: &'a [u8],
}

impl<'a> Index<'a> {
    /// Whether a record of the frame may have `value` under `key`. False is certain.
    #[must_use]
    pub fn may_contain(&self, key: Key, value: &[u8]) -> bool {
        self.filter.is_empty()
            || probes(hash(key, value), self.filter.len()).all(|bit| self.is_set(bit))
    }

    fn is_set(&self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8)
            .ok()
            .and_then(|at| self.filter.get(at));
        byte.is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }

    /// The check of the line `at`, from 0.
    pub(super) fn check(&self, at: usize) -> Option<u16> {
        let pair = self.checks.chunks_exact(2).nth(at)?;
        pair.first_chunk::<2>()
            .map(|pair| u16::from_le_bytes(*pair))
    }

    /// Bytes of the front of an index of `body_bytes` in all, of `records` records: all but the checks.
    pub(super) const fn front_bytes(body_bytes: usize, records: u32) -> Option<usize> {
        body_bytes.checked_sub(CHECK_BYTES * records as usize)
    }

    /// Reads the body of a data link.
    ///
    /// # Errors
    /// [`FormatError`] if it is no index of `records` records.
    pub(super) fn decode(body: &'a [u8], records: u32) -> Result<Self, FormatError> {
        let bytes = Self::front_bytes(body.len(), records);
        let front = bytes.and_then(|bytes| body.split_at_checked(bytes));
        let (front, checks) = front.ok_or(FormatError::Altered("an index"))?;
        let index = Self::decode_front(front, records)?;
        Ok(Self { checks, ..index })
    }

    /// Reads its front alone: all that tells whether a frame is wanted.
    ///
    /// # Errors
    /// As for [`Index::decode`].
    pub(super) fn decode_front(front: &'a [u8], records: u32) -> Result<Self, FormatError> {
        let altered = FormatError::Altered("an index");
        let mut take = Take(front);
        let (first, last) = (take.u64()?, take.u64()?);
        let counts = Counts {
            exchanges: take.u32()?,
            findings: take.u32()?,
            notices: take.u32()?,
        };
        let severity = take.u32()?;
        let raw_bytes = take.u32()?;
        let filter_bytes = take.u32()? as usize;
        let sum = take.u32()?;
        let filter = take.slice(filter_bytes)?;
        let summed = front.get(..SUMMED_BYTES).unwrap_or_default();
        if counts.total() != records || !take.0.is_empty() || sum != checksum(summed, filter) {
            return Err(altered);
        }
        Ok(Self {
            first: WallTime(first),
            last: WallTime(last),
            counts,
            severity: severity_of(severity),
            raw_bytes,
            filter,
            checks: &[],
        })
    }
}

/// By which a front is known to be as it was written where the rest of the seal is not read.
fn checksum(summed: &[u8], filter: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(summed);
    hasher.update(filter);
    hasher.finalize()
}

/// Sixteen bits by which an altered line is told from its neighbours.
pub(super) fn check_of(line: &[u8]) -> u16 {
    crc32fast::hash(line) as u16
}

const SEVERITIES: [Severity; 5] = [
    Severity::Info,
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

/// 0 for none, else one more than its place.
fn word_of(severity: Option<Severity>) -> u32 {
    severity.map_or(0, |severity| severity as u32 + 1)
}

fn severity_of(word: u32) -> Option<Severity> {
    SEVERITIES
        .into_iter()
        .find(|one| word_of(Some(*one)) == word)
}

/// SipHash-1-3 with a fixed key: readers on other hosts must find what was written here.
fn hash(key: Key, value: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6561_7665_735f_6964, key as u64);
    hasher.write(value);
    hasher.finish()
}

/// The bits of a filter of `filter_bytes` that a value of this hash sets.
fn probes(hash: u64, filter_bytes: usize) -> impl Iterator<Item = u64> {
    let bits = (filter_bytes as u64 * 8).max(1);
    let (base, step) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    (0..PROBES).map(move |probe| (base + probe * step) % bits)
}

/// Hands on a number that is a hash already.
#[derive(Default)]
struct Through(u64);

impl Hasher for Through {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Gathers the index of a frame while it fills.
#[derive(Default)]
pub(super) struct IndexBuilder {
    first: u64,
    last: u64,
    counts: Counts,
    severity: Option<Severity>,
    values: HashSet<u64, BuildHasherDefault<Through>>,
    /// The last value under each key: of most keys the next is the same.
    recent: [u64; 6],
    checks: Vec<u8>,
    filter: Vec<u8>,
}

impl IndexBuilder {
    /// Takes note of one record.
    pub(super) fn add(
        &mut self,
        kind: RecordKind,
        severity: Option<Severity>,
        time: WallTime,
        line: &[u8],
        keys: &Keys<'_>,
    ) {
        let first = self.counts.total() == 0;
        self.first = if first {
            time.0
        } else {
            self.first.min(time.0)
        };
        self.last = if first { time.0 } else { self.last.max(time.0) };
        self.counts.add(kind);
        self.severity = self.severity.max(severity);
        self.checks.extend_from_slice(&check_of(line).to_le_bytes());
        self.value(Key::Host, keys.host);
        self.value(Key::Route, keys.route);
        self.value(Key::Client, keys.client);
        self.value(Key::User, keys.user);
        if let Some(status) = keys.status {
            self.status(status);
        }
    }

    fn value(&mut self, key: Key, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let hash = hash(key, value);
        if let Some(recent) = self.recent.get_mut(key as usize)
            && std::mem::replace(recent, hash) != hash
            && self.values.len() < VALUES_MAX
        {
            self.values.insert(hash);
        }
    }

    fn status(&mut self, status: u16) {
        let digit = |place: u16| b'0' + (status / place % 10) as u8;
        let digits = [digit(100), digit(10), digit(1)];
        self.value(Key::Status, &digits);
        let [class, ..] = digits;
        // Beside the number, not in its place: each would hide that the other is known.
        let hash = hash(Key::Status, &[class, b'x', b'x']);
        if let Some(recent) = self.recent.first_mut()
            && std::mem::replace(recent, hash) != hash
        {
            self.values.insert(hash);
        }
    }

    /// Records so far.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Writes the index to `out` and begins anew.
    pub(super) fn finish(&mut self, raw_bytes: u32, out: &mut Vec<u8>) {
        let bits = self.values.len() * BITS_A_VALUE;
        self.filter.clear();
        if self.values.len() < VALUES_MAX {
            self.filter.resize(bits.div_ceil(8).max(1), 0);
        }
        for hash in self.values.drain() {
            if self.filter.is_empty() {
                continue;
            }
            for bit in probes(hash, self.filter.len()) {
                if let Some(byte) = self.filter.get_mut((bit / 8) as usize) {
                    *byte |= 1 << (bit % 8);
                }
            }
        }
        let begin = out.len();
        out.reserve(FIXED_BYTES + self.filter.len() + self.checks.len());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        for word in [
            self.counts.exchanges,
            self.counts.findings,
            self.counts.notices,
            word_of(self.severity),
            raw_bytes,
            self.filter.len() as u32,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let sum = checksum(out.get(begin..).unwrap_or_default(), &self.filter);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&self.filter);
        out.extend_from_slice(&self.checks);
        self.checks.clear();
        self.counts = Counts::default();
        self.severity = None;
        self.recent = [0; 6];
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, IndexBuilder, Key, Keys, RecordKind};
    use crate::clock::WallTime;
    use crate::event::Severity;
    use proptest::prelude::*;

    fn index(records: &[(&str, &str, Option<u16>)]) -> Vec<u8> {
        let mut builder = IndexBuilder::default();
        for (at, (host, client, status)) in records.iter().enumerate() {
            let keys = Keys {
                host: host.as_bytes(),
                client: client.as_bytes(),
                status: *status,
                ..Keys::default()
            };
            let time = WallTime(1000 - at as u64);
            builder.add(RecordKind::Exchange, None, time, host.as_bytes(), &keys);
        }
        let mut out = Vec::new();
        builder.finish(77, &mut out);
        out
    }

    #[test]
    fn what_is_there_is_found_by_value_and_class() {
        let body = index(&[
            ("a", "10.0.0.1", Some(404)),
            ("b", "", Some(200)),
            ("", "::1", None),
        ]);
        let index = Index::decode(&body, 3).unwrap();
        assert_eq!((index.first, index.last), (WallTime(998), WallTime(1000)));
        assert_eq!((index.counts.exchanges, index.raw_bytes), (3, 77));
        for (key, value) in [
            (Key::Host, "a"),
            (Key::Host, "b"),
            (Key::Client, "10.0.0.1"),
            (Key::Client, "::1"),
            (Key::Status, "404"),
            (Key::Status, "4xx"),
            (Key::Status, "200"),
            (Key::Status, "2xx"),
        ] {
            assert!(index.may_contain(key, value.as_bytes()), "{key:?} {value}");
        }
    }

    #[test]
    fn an_index_without_values_excludes_every_value() {
        let body = index(&[("", "", None)]);
        let index = Index::decode(&body, 1).unwrap();
        assert!(!index.may_contain(Key::Status, b"404"));
    }

    #[test]
    fn a_front_tells_what_the_whole_does_and_when_it_is_altered() {
        let body = index(&[("a", "10.0.0.1", Some(404)), ("b", "", Some(200))]);
        let front = Index::front_bytes(body.len(), 2).unwrap();
        let front = &body[..front];
        let whole = Index::decode(&body, 2).unwrap();
        let index = Index::decode_front(front, 2).unwrap();
        assert_eq!((index.first, index.counts), (whole.first, whole.counts));
        assert!(index.may_contain(Key::Client, b"10.0.0.1"));
        assert_eq!(
            (index.check(0), whole.check(0)),
            (None, Some(super::check_of(b"a")))
        );
        for bit in 0..front.len() * 8 {
            let mut altered = front.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(Index::decode_front(&altered, 2).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn of_values_that_are_not_there_few_seem_to_be() {
        let clients: Vec<_> = (0..400)
            .map(|n| format!("10.1.{}.{}", n / 250, n % 250))
            .collect();
        let records: Vec<_> = clients
            .iter()
            .map(|one| ("a", one.as_str(), Some(200)))
            .collect();
        let body = index(&records);
        let index = Index::decode(&body, 400).unwrap();
        let seem = (0..20_000).filter(|n| {
            index.may_contain(
                Key::Client,
                format!("192.168.{}.{}", n / 250, n % 250).as_bytes(),
            )
        });
        let seem = seem.count();
        assert!(seem < 400, "{seem} of 20000");
        assert!(
            clients
                .iter()
                .all(|one| index.may_contain(Key::Client, one.as_bytes()))
        );
        // A client is none of the hosts.
        assert!(
            !clients
                .iter()
                .take(20)
                .all(|one| index.may_contain(Key::Host, one.as_bytes()))
        );
    }

    #[test]
    fn the_worst_severity_is_told_and_each_frame_begins_anew() {
        let mut builder = IndexBuilder::default();
        let mut add = |severity| {
            builder.add(
                RecordKind::Notice,
                severity,
                WallTime(5),
                b"x",
                &Keys::default(),
            );
        };
        add(Some(Severity::Info));
        add(Some(Severity::High));
        add(None);
        let mut out = Vec::new();
        builder.finish(3, &mut out);
        let index = Index::decode(&out, 3).unwrap();
        assert_eq!(
            (index.severity, index.counts.notices),
            (Some(Severity::High), 3)
        );
        let mut out = Vec::new();
        builder.finish(0, &mut out);
        let index = Index::decode(&out, 0).unwrap();
        assert_eq!((index.severity, index.counts.total()), (None, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>, records in 0..9_u32) {
            if let Ok(index) = Index::decode(&body, records) {
                let _ = (index.may_contain(Key::Host, b"a"), index.check(3));
            }
        }
    }
}
