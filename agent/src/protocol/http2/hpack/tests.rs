//! Against two other decoders on random blocks, against the examples of the RFC, and with lost blocks.

use super::{Broken, Decoder};
use crate::protocol::http1::Limits;
use crate::protocol::http2::Block;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A small generator of numbers (splitmix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % below.max(1)
    }
}

/// All that a block says, pseudo-header fields first.
fn fields(block: &Block) -> Fields {
    let head = &block.head;
    let mut all: Fields = Vec::new();
    let mut put = |name: &str, value: &[u8]| {
        if !value.is_empty() {
            all.push((name.into(), value.into()));
        }
    };
    put(":method", head.get(head.word));
    put(":path", head.get(head.target));
    put(":scheme", head.scheme.map_or(b"", |span| head.get(span)));
    put(
        ":authority",
        head.authority.map_or(b"", |span| head.get(span)),
    );
    if let Some(status) = block.status {
        put(":status", status.to_string().as_bytes());
    }
    all.extend(head.fields().map(|(n, v)| (n.to_vec(), v.to_vec())));
    all
}

/// The same of what another decoder found.
fn sorted(other: Fields) -> Fields {
    let order = [":method", ":path", ":scheme", ":authority", ":status"];
    let mut all: Fields = Vec::new();
    for name in order {
        all.extend(other.iter().find(|(n, _)| n == name.as_bytes()).cloned());
    }
    let plain = |(name, _): &&(Vec<u8>, Vec<u8>)| !name.starts_with(b":");
    all.extend(other.iter().filter(plain).cloned());
    all
}

fn decode(decoder: &mut Decoder, bytes: &[u8]) -> (Result<(), Broken>, Block) {
    let mut block = Block::default();
    let limits = Limits::default();
    (decoder.decode(bytes, &limits, &mut block), block)
}

#[track_caller]
fn check(blocks: &[&[u8]], expected: &[&[(&str, &str)]]) {
    let mut decoder = Decoder::new();
    for (bytes, expected) in blocks.iter().zip(expected) {
        let (decoded, block) = decode(&mut decoder, bytes);
        assert_eq!(decoded, Ok(()));
        let pair = |(name, value): &(&str, &str)| (name.as_bytes().into(), value.as_bytes().into());
        assert_eq!(
            fields(&block),
            sorted(expected.iter().map(pair).collect::<Fields>())
        );
        assert!(!block.unknown);
    }
}

#[test]
fn requests_of_the_rfc_are_read() {
    // RFC 7541 C.4.
    let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
    let third = b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";
    let common = |scheme, path| {
        [
            (":method", "GET"),
            (":scheme", scheme),
            (":path", path),
            (":authority", "www.example.com"),
        ]
    };
    let one = common("http", "/");
    let two = [&one[..], &[("cache-control", "no-cache")]].concat();
    let three = [
        &common("https", "/index.html")[..],
        &[("custom-key", "custom-value")],
    ]
    .concat();
    check(&[first, second, third], &[&one, &two, &three]);
}

#[test]
fn responses_of_the_rfc_evict_as_its_table_does() {
    // RFC 7541 C.6, whose table holds 256 bytes.
    let size = b"\x3f\xe1\x01";
    let first = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3";
    let second = b"\x48\x83\x64\x0e\xff\xc1\xc0\xbf";
    let date = "Mon, 21 Oct 2013 20:13:21 GMT";
    let of = |status| {
        vec![
            (":status", status),
            ("cache-control", "private"),
            ("date", date),
            ("location", "https://www.example.com"),
        ]
    };
    let first = [&size[..], first].concat();
    check(&[&first, second], &[&of("302"), &of("307")]);
    let mut decoder = Decoder::new();
    decode(&mut decoder, &first).0.unwrap();
    decode(&mut decoder, second).0.unwrap();
    // Four entries fit: the status that was first is gone.
    assert_eq!(decode(&mut decoder, b"\xc2").0, Err(Broken::Index));
}

/// Random fields, as clients and servers repeat them.
fn random_fields(dice: &mut Dice) -> Fields {
    let names = [
        ":path",
        "cookie",
        "x-request-id",
        "accept",
        "user-agent",
        "etag",
        "date",
    ];
    (0..1 + dice.roll(12))
        .map(|_| {
            let name = names[dice.roll(names.len() as u64) as usize];
            let len = [3, 20, 120, 900][dice.roll(4) as usize];
            let kind = dice.roll(3);
            let value = (0..1 + dice.roll(len))
                .map(|_| match kind {
                    0 => b'a' + dice.roll(4) as u8,
                    1 => b' ' + dice.roll(95) as u8,
                    _ => 0x80 + dice.roll(0x80) as u8,
                })
                .collect();
            (name.into(), value)
        })
        .collect()
}

/// An index of either table, but that of `accept-charset`, which the crate hpack calls `accept-`.
fn random_index(dice: &mut Dice, known: usize) -> usize {
    match 1 + dice.roll(61 + known as u64) as usize {
        15 => 16,
        index => index,
    }
}

/// Random blocks of representations, by an encoder of our own that uses all of them.
fn random_block(dice: &mut Dice, known: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, first: u8, prefix: u32, value: usize| {
        let full = (1_usize << prefix) - 1;
        if value < full {
            return out.push(first | value as u8);
        }
        out.push(first | full as u8);
        let mut rest = value - full;
        while rest >= 128 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    };
    if dice.roll(6) == 0 {
        number(&mut out, 0x20, 5, dice.roll(4097) as usize);
    }
    for (name, value) in random_fields(dice) {
        match dice.roll(4) {
            0 => number(&mut out, 0x80, 7, random_index(dice, known)),
            kind => {
                let (first, prefix) = [(0x40, 6), (0x00, 4), (0x10, 4)][kind as usize - 1];
                if dice.roll(2) == 0 {
                    number(&mut out, first, prefix, random_index(dice, known));
                } else {
                    out.push(first);
                    number(&mut out, 0, 7, name.len());
                    out.extend(name);
                }
                number(&mut out, 0, 7, value.len());
                out.extend(value);
            }
        }
    }
    out
}

#[test]
fn two_other_decoders_find_the_same_in_random_blocks() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut ours = Decoder::new();
        let mut fluke = fluke_hpack::Decoder::new();
        let mut hpack = hpack::Decoder::new();
        for _ in 0..20 {
            let known = dice.roll(6) as usize;
            let bytes = random_block(&mut dice, known);
            let (decoded, block) = decode(&mut ours, &bytes);
            let theirs = fluke.decode(&bytes);
            let others = hpack.decode(&bytes);
            assert_eq!(decoded.is_ok(), theirs.is_ok(), "{bytes:02x?} {theirs:?}");
            assert_eq!(decoded.is_ok(), others.is_ok(), "{bytes:02x?}");
            let (Ok(theirs), Ok(others)) = (theirs, others) else {
                break;
            };
            assert_eq!(theirs, others);
            let plain = |all: Fields| -> Fields {
                let pseudo = |name: &[u8]| name.starts_with(b":");
                all.into_iter().filter(|(name, _)| !pseudo(name)).collect()
            };
            assert_eq!(plain(fields(&block)), plain(theirs));
        }
    }
}

#[test]
fn what_another_encoder_writes_is_read() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut encoder = fluke_hpack::Encoder::new();
        let mut decoder = Decoder::new();
        for _ in 0..20 {
            let sent = random_fields(&mut dice);
            let pairs = sent.iter().map(|(n, v)| (n.as_slice(), v.as_slice()));
            let (decoded, block) = decode(&mut decoder, &encoder.encode(pairs));
            assert_eq!(decoded, Ok(()));
            assert_eq!(fields(&block), sorted(sent));
        }
    }
}

#[test]
fn whatever_blocks_are_lost_no_value_is_wrong_and_new_entries_are_known() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut encoder = fluke_hpack::Encoder::new();
        let mut whole = Decoder::new();
        let mut lossy = if seed % 2 == 0 {
            Decoder::late()
        } else {
            Decoder::new()
        };
        let (mut told, mut hidden) = (0, 0);
        for _ in 0..40 {
            let sent = random_fields(&mut dice);
            let pairs = sent.iter().map(|(n, v)| (n.as_slice(), v.as_slice()));
            let bytes = encoder.encode(pairs);
            let (_, truth) = decode(&mut whole, &bytes);
            if dice.roll(8) == 0 {
                lossy.forget();
                continue;
            }
            let (decoded, block) = decode(&mut lossy, &bytes);
            assert_eq!(decoded, Ok(()));
            let (truth, found) = (fields(&truth), fields(&block));
            let mut rest = truth.iter();
            for one in &found {
                let is_path = |field: &(Vec<u8>, Vec<u8>)| field.0 == b":path";
                // Of several the first is kept, which may be hidden here.
                assert!(is_path(one) || rest.any(|true_one| true_one == one));
            }
            assert!(block.unknown || found == truth);
            told += found.len();
            hidden += usize::from(block.unknown);
        }
        assert!(told > hidden);
    }
}

#[test]
fn a_size_of_zero_shows_that_the_table_is_empty() {
    let mut decoder = Decoder::late();
    let (decoded, block) = decode(&mut decoder, b"\xbe");
    assert_eq!((decoded, block.unknown), (Ok(()), true));
    assert!(!decoder.is_whole());
    assert_eq!(decode(&mut decoder, b"\x20\x3f\xe1\x1f").0, Ok(()));
    assert!(decoder.is_whole());
    assert_eq!(decode(&mut decoder, b"\xbe").0, Err(Broken::Index));
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::late();
    assert_eq!(decode(&mut decoder, b"\x3f\x09").0, Ok(()));
    assert!(!decoder.is_whole());
    let large = [&b"\x40\x01a\x14"[..], &[b'v'; 20]].concat();
    let (decoded, block) = decode(&mut decoder, &large);
    assert_eq!(decoded, Ok(()));
    assert_eq!(block.head.field("a"), Some(&[b'v'; 20][..]));
    assert!(decoder.is_whole());
}

#[test]
fn an_unknown_name_stays_unknown_and_counts_as_an_entry() {
    let mut decoder = Decoder::late();
    // A literal under an unseen name, then one under a name of its own: indices count from the newest.
    let (decoded, block) = decode(&mut decoder, b"\x7f\x05\x01v\x40\x01n\x01w\xbf\xbe");
    assert_eq!((decoded, block.unknown), (Ok(()), true));
    let found: Vec<_> = block.head.fields().collect();
    assert_eq!(found, [(&b"n"[..], &b"w"[..]), (b"n", b"w")]);
}

#[test]
fn a_bomb_takes_no_more_than_the_limits() {
    let mut decoder = Decoder::new();
    let entry = [&b"\x40\x01n\x7f\xb1\x1e"[..], &[b'v'; 4016]].concat();
    assert_eq!(decode(&mut decoder, &entry).0, Ok(()));
    let (decoded, block) = decode(&mut decoder, &vec![0xbe; 60_000]);
    assert_eq!(decoded, Ok(()));
    assert!(block.head.bytes() < 160 * 1024, "{}", block.head.bytes());
    assert_eq!(block.anomalies.names(), ["head_too_long"]);
    // However large its owner makes the table, no more than 64 KiB of it are kept.
    let mut decoder = Decoder::new();
    assert_eq!(decode(&mut decoder, b"\x3f\xe1\xff\xff\x0f").0, Ok(()));
    for at in 0..200_u32 {
        let entry = [
            b"\x40\x01n\x7f\xb1\x1e",
            &[b'v'; 4012][..],
            &at.to_be_bytes(),
        ]
        .concat();
        assert_eq!(decode(&mut decoder, &entry).0, Ok(()));
    }
    assert!(decoder.bytes() < 80 * 1024, "{}", decoder.bytes());
    let (decoded, block) = decode(&mut decoder, b"\xff\x20");
    assert_eq!((decoded, block.unknown), (Ok(()), true));
}
