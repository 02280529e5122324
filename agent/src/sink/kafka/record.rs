//! A batch of records as Kafka keeps them (magic 2, since 0.11), and to which partition a key belongs.
//!
//! ```text
//! first offset i64 = 0 │ bytes that follow i32 │ leader's epoch i32 = -1 │ magic u8 = 2
//! CRC-32C u32 of what follows
//! attributes i16: 1 is gzip │ records less one i32 │ first and greatest time i64, ms
//! producer i64 │ epoch i16 │ sequence of the first record i32 │ records i32 │ records, or those by gzip
//!
//! record   bytes that follow │ 0 │ time less the first │ place │ key │ value │ 2 │ name │ value │ name │ value
//! ```
//! In a record numbers and lengths are zigzag varints; a key that is not there has length -1.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::bytes::table;
use crate::sink::batch::{Item, Kind};

/// Who sends: the broker passes over a sequence of its that it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) producer: i64,
    pub(super) epoch: i16,
    pub(super) sequence: i32,
}

/// Bytes of a record beyond its id, key and value, at most.
const RECORD_MORE_BYTES: usize = 80;

/// Bytes of a batch before its records.
pub(super) const HEAD_BYTES: usize = 61;

/// No less than the bytes of the record of `item`.
pub(super) fn record_bytes(item: &Item<'_>, key: Option<&[u8]>) -> usize {
    item.record.len() + item.id.len() + key.map_or(0, <[u8]>::len) + RECORD_MORE_BYTES
}

/// A batch of `records`, each with its key.
///
/// # Errors
/// Compression failed, which it does not in memory.
pub(super) fn batch<'a>(
    records: impl Iterator<Item = (Item<'a>, Option<&'a [u8]>)>,
    sender: Sender,
    gzip: bool,
) -> io::Result<Vec<u8>> {
    let (mut body, mut one, mut count) = (Vec::new(), Vec::new(), 0_i32);
    let (mut first, mut last) = (None, 0);
    for (item, key) in records {
        let ms = i64::try_from(item.time_ns / 1_000_000).unwrap_or(i64::MAX);
        let first = *first.get_or_insert(ms);
        last = ms.max(last);
        one.clear();
        record(&item, key, ms - first, count, &mut one);
        varint(one.len() as i64, &mut body);
        body.extend_from_slice(&one);
        count = count.wrapping_add(1);
    }
    if gzip {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        encoder.write_all(&body)?;
        body = encoder.finish()?;
    }
    let mut sealed = Vec::with_capacity(body.len() + HEAD_BYTES);
    sealed.extend_from_slice(&i16::from(gzip).to_be_bytes());
    sealed.extend_from_slice(&count.wrapping_sub(1).to_be_bytes());
    sealed.extend_from_slice(&first.unwrap_or_default().to_be_bytes());
    sealed.extend_from_slice(&last.to_be_bytes());
    sealed.extend_from_slice(&sender.producer.to_be_bytes());
    sealed.extend_from_slice(&sender.epoch.to_be_bytes());
    sealed.extend_from_slice(&sender.sequence.to_be_bytes());
    sealed.extend_from_slice(&count.to_be_bytes());
    sealed.extend_from_slice(&body);
    let mut out = Vec::with_capacity(sealed.len() + 21);
    out.extend_from_slice(&[0; 8]);
    let rest = i32::try_from(sealed.len() + 9).unwrap_or(i32::MAX);
    out.extend_from_slice(&rest.to_be_bytes());
    out.extend_from_slice(&[255, 255, 255, 255, 2]);
    out.extend_from_slice(&crc32c(&sealed).to_be_bytes());
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn record(item: &Item<'_>, key: Option<&[u8]>, delta_ms: i64, place: i32, out: &mut Vec<u8>) {
    out.push(0);
    varint(delta_ms, out);
    varint(place.into(), out);
    match key {
        Some(key) => text(key, out),
        None => varint(-1, out),
    }
    text(item.record, out);
    varint(2, out);
    let kind: &[u8] = match item.kind {
        Kind::Exchange => b"exchange",
        Kind::Finding => b"finding",
        Kind::Notice => b"notice",
    };
    for (name, value) in [
        (&b"eaves.id"[..], item.id.as_bytes()),
        (b"eaves.kind", kind),
    ] {
        text(name, out);
        text(value, out);
    }
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// Zigzag, then seven bits a byte, the low ones first.
fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// CRC-32 by Castagnoli's polynomial (RFC 3720 §12.1), byte by byte from a table.
fn crc32c(bytes: &[u8]) -> u32 {
    let next = |crc: u32, byte: &u8| {
        let at = (crc ^ u32::from(*byte)) & 0xff;
        crc >> 8 ^ CRC_TABLE.get(at as usize).copied().unwrap_or_default()
    };
    !bytes.iter().fold(!0, next)
}

static CRC_TABLE: [u32; 256] = table!(u32, { byte => crc_of(byte) });

const fn crc_of(byte: u8) -> u32 {
    let (mut crc, mut bit) = (byte as u32, 0);
    while bit < 8 {
        crc = crc >> 1 ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        bit += 1;
    }
    crc
}

/// The partition of a key, of so many: that in which Kafka's own clients put it (murmur2, Appleby 2008,
/// with the seed of `org.apache.kafka.common.utils.Utils`).
pub(super) fn partition(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word = (word ^ word >> 24).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !tail.is_empty() {
        let bytes = tail.iter().rev();
        hash ^= bytes.fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::{Sender, batch, crc32c, murmur2, partition, record_bytes, varint};
    use crate::sink::batch::{Part, batch as events};
    use crate::sink::format::Format;
    use std::io::Read as _;

    #[track_caller]
    fn check(value: i64, expected: &[u8]) {
        let mut out = Vec::new();
        varint(value, &mut out);
        assert_eq!(out, expected, "{value}");
    }

    #[test]
    fn numbers_are_zigzag_varints() {
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(63, &[126]);
        check(64, &[128, 1]);
        check(-65, &[129, 1]);
        check(i64::MAX, &[254, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }

    #[test]
    fn hashes_are_those_of_others() {
        // RFC 3720 §B.4; and Kafka's UtilsTest.testMurmur2.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert!(partition(b"21", 3) < 3);
        assert_eq!(partition(b"21", 0), 0);
    }

    #[test]
    fn a_batch_says_who_sends_and_holds_each_event() {
        let lines = [
            r#"{"kind":"exchange","id":"a","time":"1970-01-01T00:00:01.000000000Z"}"#,
            r#"{"kind":"finding","id":"b","time":"1970-01-01T00:00:00.500000000Z","severity":"low"}"#,
        ];
        let events = events(Format::Eaves, &lines);
        let keys = [Some(&b"k"[..]), None];
        let sender = Sender {
            producer: 7,
            epoch: 1,
            sequence: 40,
        };
        let sealed = |gzip| {
            let items = Part::new(&events, &[0, 1]);
            batch(items.items().zip(keys), sender, gzip).unwrap()
        };
        let plain = sealed(false);
        assert_eq!(plain[8..12], (plain.len() as u32 - 12).to_be_bytes());
        assert_eq!(plain[17..21], crc32c(&plain[21..]).to_be_bytes());
        let head = [
            &[0, 0, 0, 0, 0, 1][..],
            &1000_i64.to_be_bytes(),
            &1000_i64.to_be_bytes(),
            &7_i64.to_be_bytes(),
            &[0, 1, 0, 0, 0, 40, 0, 0, 0, 2],
        ];
        assert_eq!(plain[21..61], head.concat()[..40]);
        let (first, rest) = (lines[0].len() as u8, &plain[61..]);
        // Length of two bytes, attributes, time, place, key of one byte, value of 69.
        assert_eq!(rest[2..7], [0, 0, 0, 2, b'k']);
        assert_eq!(rest[7..9], [(first << 1) | 0x80, 1]);
        assert!(rest[9..].starts_with(lines[0].as_bytes()));
        assert!(rest.ends_with(b"\x14eaves.kind\x0efinding"));
        let packed = sealed(true);
        assert_eq!(packed[21..23], [0, 1]);
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&packed[61..]);
        decoder.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, rest);
        let sum = Part::new(&events, &[0, 1]).items().zip(keys);
        let sum: usize = sum.map(|(item, key)| record_bytes(&item, key)).sum();
        assert!(sum >= rest.len());
    }
}
