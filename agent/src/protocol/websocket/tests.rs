//! Connections of a real library, heard as they were, cut anywhere and with any bytes lost; and what
//! no library sends.

use std::ops::Range;

use super::frame::{Form, Header};
use super::handshake::Deflate;
use super::{Coded, Extensions, Opcode, Reader, Sample, Samples, To, accepts};
use crate::protocol::Anomaly;
use crate::protocol::http1::{Asked, Limits, Parser, Side, Step};
use crate::telemetry::Counters;

const LOGS: [&str; 3] = [
    include_str!("../../../../tests/fixtures/websocket/plain.log"),
    include_str!("../../../../tests/fixtures/websocket/takeover.log"),
    include_str!("../../../../tests/fixtures/websocket/fresh.log"),
];

/// Room for all.
const ROOM: usize = 1 << 20;

/// A connection behind its handshake, and the messages that its ends sent.
struct Log {
    extensions: Extensions,
    transfers: Vec<(To, Vec<u8>)>,
    sent: Vec<(To, Opcode, Vec<u8>)>,
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn log(text: &str) -> Log {
    let mut log = Log {
        extensions: Extensions::default(),
        transfers: Vec::new(),
        sent: Vec::new(),
    };
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let to = |is_server| if is_server { To::Server } else { To::Client };
        match words[..] {
            [">" | "<", hex] => log.transfers.push((to(words[0] == ">"), bytes(hex))),
            ["=", end, kind, hex] => {
                let opcode = if kind == "text" {
                    Opcode::Text
                } else {
                    Opcode::Binary
                };
                log.sent.push((to(end == "server"), opcode, bytes(hex)));
            }
            _ => assert!(line.starts_with("= close ")),
        }
    }
    let mut handshake = log.transfers.drain(..2);
    let (_, request) = handshake.next().unwrap();
    let (_, response) = handshake.next().unwrap();
    let head = |side, mut input: &[u8]| {
        let mut parser = Parser::new(side);
        let (limits, mut counters) = (Limits::default(), Counters::default());
        match parser.step(&mut input, true, Asked::Other, &limits, &mut counters) {
            Step::Head(message) => message,
            step => panic!("{step:?}"),
        }
    };
    let (request, response) = (
        head(Side::Request, &request),
        head(Side::Response, &response),
    );
    assert!(accepts(
        Some(&request.head),
        &response.head,
        response.status
    ));
    drop(handshake);
    log.extensions = Extensions::of(&response.head);
    log
}

/// Both ends of a connection, and what was reported of its messages.
struct Heard {
    readers: [Reader; 2],
    samples: Samples,
    told: Vec<Sample>,
}

impl Heard {
    fn new(extensions: Extensions) -> Self {
        Self {
            readers: [To::Server, To::Client].map(|to| Reader::new(to, extensions)),
            samples: Samples::new(ROOM, ROOM),
            told: Vec::new(),
        }
    }

    fn push(&mut self, to: To, bytes: &[u8], first: bool) {
        self.readers[to as usize].push(bytes, first, &mut self.samples);
        self.told.extend(self.samples.take());
    }

    fn gap(&mut self, to: To, n: u64) {
        self.readers[to as usize].gap(n, &mut self.samples);
        self.told.extend(self.samples.take());
    }

    fn messages(&self, to: To) -> Vec<&Sample> {
        let is_message = |one: &&Sample| one.to == to && one.opcode != Opcode::Close;
        self.told.iter().filter(is_message).collect()
    }
}

/// Hears `log` in pieces of at most `size` bytes.
#[track_caller]
fn check(log: &Log, size: usize) {
    let mut heard = Heard::new(log.extensions);
    for (to, bytes) in &log.transfers {
        for (number, piece) in bytes.chunks(size).enumerate() {
            heard.push(*to, piece, number == 0);
        }
    }
    for to in [To::Server, To::Client] {
        let sent: Vec<_> = log.sent.iter().filter(|(of, ..)| *of == to).collect();
        let told = heard.messages(to);
        assert_eq!(told.len(), sent.len());
        for (sample, (_, opcode, content)) in told.iter().zip(&sent) {
            assert_eq!((sample.opcode, &sample.content), (*opcode, content));
            assert!(!sample.is_cut);
            let coded = log.extensions.deflate.is_some();
            assert_eq!(sample.coded == Coded::TakenOff, coded);
            assert!(coded || sample.bytes == Some(content.len() as u64));
        }
        let reader = &heard.readers[to as usize];
        assert_eq!(reader.messages(), Some(sent.len() as u64));
        assert_eq!(reader.close_code(), Some(4001));
        assert_eq!(reader.anomalies(), crate::protocol::Anomalies::NONE);
        let of_all = told.iter().map(|sample| sample.bytes.unwrap());
        assert_eq!(reader.bytes(), Some(of_all.sum::<u64>()));
    }
    let fragments = |sample: &&Sample| sample.fragments > 1;
    assert!(heard.told.iter().any(|sample| fragments(&sample)));
    let reason = heard.told.iter().find(|one| one.opcode == Opcode::Close);
    assert_eq!(reason.unwrap().content, b"well then");
}

#[test]
fn a_recorded_connection_is_heard_as_it_was_cut_anywhere() {
    for text in LOGS {
        let log = log(text);
        for size in [1, 2, 7, 100, 1 << 20] {
            check(&log, size);
        }
    }
}

#[test]
fn the_handshake_says_how_windows_are_kept() {
    let deflate = |text| log(text).extensions.deflate;
    assert_eq!(deflate(LOGS[0]), None);
    assert_eq!(deflate(LOGS[1]), Some(Deflate::default()));
    let fresh = Deflate {
        client_no_context_takeover: true,
        server_no_context_takeover: true,
    };
    assert_eq!(deflate(LOGS[2]), Some(fresh));
}

/// Hears `log` without the bytes `lost` of what goes `to` one end.
fn without(log: &Log, to: To, lost: &Range<usize>) -> Heard {
    let mut heard = Heard::new(log.extensions);
    let mut passed = 0;
    for (of, bytes) in &log.transfers {
        if *of != to {
            heard.push(*of, bytes, true);
            continue;
        }
        let (start, end) = (passed, passed + bytes.len());
        passed = end;
        let hole = lost.start.clamp(start, end) - start..lost.end.clamp(start, end) - start;
        let (front, back) = (&bytes[..hole.start], &bytes[hole.end..]);
        if !front.is_empty() {
            heard.push(to, front, true);
        }
        if !hole.is_empty() {
            heard.gap(to, hole.len() as u64);
        }
        if !back.is_empty() {
            heard.push(to, back, hole.start == 0);
        }
    }
    heard
}

#[test]
fn whatever_bytes_are_lost_what_is_reported_is_true() {
    for (number, text) in LOGS.iter().enumerate() {
        let log = log(text);
        let (mut whole, mut all) = (0, 0);
        for to in [To::Server, To::Client] {
            let sent: Vec<_> = log.sent.iter().filter(|(of, ..)| *of == to).collect();
            let of_end = log.transfers.iter().filter(|(of, _)| *of == to);
            let total: usize = of_end.map(|(_, bytes)| bytes.len()).sum();
            for start in (0..total).step_by(61) {
                for len in [1, 20, 500] {
                    let lost = start..start + len;
                    let heard = without(&log, to, &lost);
                    let what = format!("log {number} {to:?} without {lost:?}");
                    let told = heard.messages(to);
                    let mut rest = sent.iter();
                    for sample in &told {
                        let is_it = |(_, opcode, content): &&&(To, Opcode, Vec<u8>)| {
                            *opcode == sample.opcode
                                && content.starts_with(&sample.content)
                                && (sample.is_cut
                                    || sample.coded == Coded::Left
                                    || content.len() == sample.content.len())
                        };
                        assert!(rest.any(|one| is_it(&one)), "{what}: {sample:?}");
                        whole += usize::from(!sample.is_cut && sample.coded != Coded::Left);
                    }
                    all += sent.len();
                    let reader = &heard.readers[to as usize];
                    let count = reader.messages();
                    assert!(count.is_none_or(|n| n == sent.len() as u64), "{what}");
                    let code = reader.close_code();
                    assert!(code.is_none_or(|code| code == 4001), "{what}");
                }
            }
        }
        // With one window for all messages, none behind a loss can be read.
        let least = if number == 1 { 3 } else { 6 };
        assert!(whole * 10 > all * least, "log {number}: {whole} of {all}");
    }
}

/// A frame, masked if `to` is the server.
fn frame(to: To, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let masked = if to == To::Server { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..=125 => out.push(masked | len as u8),
        len @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    if to == To::Client {
        out.extend(payload);
        return out;
    }
    let key = [7, 0, 200, 33];
    out.extend(key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
    out
}

#[test]
fn control_frames_may_stand_between_those_of_a_message() {
    let frames = [
        frame(To::Client, 0x01, b"one "),
        frame(To::Client, 0x89, b"ping"),
        frame(To::Client, 0x00, b""),
        frame(To::Client, 0x80, b"message"),
        frame(To::Client, 0x88, b""),
    ];
    let mut heard = Heard::new(Extensions::default());
    heard.push(To::Client, &frames.concat(), true);
    let told = heard.messages(To::Client);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].fragments, told[0].bytes), (3, Some(11)));
    assert_eq!(told[0].content, b"one message");
    assert_eq!(heard.readers[1].close_code(), Some(1005));
    assert_eq!(heard.readers[1].anomalies().names(), [""; 0]);
}

#[test]
fn what_no_peer_would_take_is_odd() {
    for frames in [
        frame(To::Server, 0x81, b"not masked"),
        frame(To::Client, 0xc1, b"not agreed"),
        frame(To::Client, 0x83, b"no opcode"),
        frame(To::Client, 0x80, b"goes on from nothing"),
        frame(To::Client, 0x09, b"in parts"),
        [
            frame(To::Client, 0x01, b"not over"),
            frame(To::Client, 0x81, b"and anew"),
        ]
        .concat(),
        vec![0x81, 126, 0, 5],
        vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1],
    ] {
        let mut heard = Heard::new(Extensions::default());
        heard.push(To::Client, &frames, true);
        let anomalies = heard.readers[1].anomalies();
        assert!(anomalies.has(Anomaly::InvalidFrame), "{frames:x?}");
    }
}

#[test]
fn a_bomb_is_left_and_so_is_what_refers_to_it() {
    let coded = &deflated(&vec![b'a'; 4 << 20]);
    let extensions = Extensions {
        deflate: Some(Deflate::default()),
    };
    let mut heard = Heard::new(extensions);
    heard.push(To::Client, &frame(To::Client, 0xc2, coded), true);
    heard.push(
        To::Client,
        &frame(To::Client, 0xc1, b"\x02\x13\x00\x00"),
        true,
    );
    let told = heard.messages(To::Client);
    assert!(told[0].is_cut && told[0].content.len() <= ROOM);
    assert_eq!(told[1].coded, Coded::Left);
    assert!(told[1].content.is_empty());
    let anomalies = heard.readers[1].anomalies();
    assert_eq!(anomalies.names(), ["coding_swells"]);
    assert_eq!(heard.readers[1].messages(), Some(2));
}

/// `plain` as a message is compressed that leaves its window open.
fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, plain).unwrap();
    std::io::Write::flush(&mut encoder).unwrap();
    let coded = encoder.get_ref();
    coded[..coded.len() - 4].to_vec()
}

#[test]
fn a_damaged_message_is_decoded_as_far_wherever_it_is_cut() {
    let words = (0..24).map(|n| format!("{{\"n\":{n},\"at\":\"{:x}\"}}", n * 7919 % 1013));
    let coded = deflated(words.collect::<String>().as_bytes());
    let extensions = Extensions {
        deflate: Some(Deflate::default()),
    };
    let (mut broken, mut in_part) = (0, 0);
    for damaged in 0..coded.len() {
        let mut coded = coded.clone();
        coded[damaged] ^= 0x5a;
        let message = frame(To::Client, 0xc2, &coded);
        let told = |cut: usize| {
            let mut heard = Heard::new(extensions);
            let (front, back) = message.split_at(cut);
            heard.push(To::Client, front, true);
            heard.push(To::Client, back, false);
            (heard.told, heard.readers[1].anomalies())
        };
        let whole = told(0);
        for cut in 1..message.len() {
            assert_eq!(told(cut), whole, "byte {damaged} damaged, cut at {cut}");
        }
        broken += usize::from(whole.1.names() == ["invalid_coding"]);
        in_part += usize::from(whole.0[0].is_cut && !whole.0[0].content.is_empty());
    }
    assert!(broken > 10 && in_part > 0, "{broken}, {in_part}");
}

#[test]
fn what_is_kept_is_bounded_and_what_is_not_kept_is_counted() {
    let mut samples = Samples::new(100, 100);
    let mut reader = Reader::new(To::Client, Extensions::default());
    for _ in 0..40 {
        let message = frame(To::Client, 0x81, &[b'x'; 30]);
        reader.push(&message, true, &mut samples);
    }
    let large = frame(To::Client, 0x82, &vec![0; 100_000]);
    reader.push(&large[..1000], true, &mut samples);
    assert_eq!(reader.unneeded(), 100_010 - 1000);
    reader.gap(100_010 - 1000, &mut samples);
    let told = samples.take();
    assert_eq!(told.len(), 16);
    let kept: Vec<_> = told.iter().map(|one| one.content.len()).collect();
    assert_eq!(kept[..5], [30, 30, 30, 10, 0]);
    assert!(told[3].is_cut && told[4].is_cut);
    assert_eq!(
        (reader.messages(), reader.bytes()),
        (Some(41), Some(101_200))
    );
    reader.push(&frame(To::Client, 0x81, b"after"), true, &mut samples);
    assert_eq!(samples.take()[0].content, b"after");
    // A length that nobody waits for takes no memory.
    let huge = [0x82, 127, 0x3f, 0, 0, 0, 0, 0, 0, 0];
    reader.push(&huge, true, &mut samples);
    reader.push(&[0; 5000], false, &mut samples);
    reader.end(&mut samples);
    let told = samples.take();
    assert_eq!((told[0].bytes, told[0].content.len()), (None, 100));
    assert!(reader.held_bytes() < 1000);
}

#[test]
fn random_bytes_begin_no_frame() {
    let mut dice = 1_u64;
    let mut random = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 56) as u8
    };
    let mut samples = Samples::new(ROOM, ROOM);
    let mut reader = Reader::new(To::Server, Extensions::default());
    reader.lose(&mut samples);
    for _ in 0..2000 {
        let transfer: Vec<u8> = (0..200).map(|_| random()).collect();
        reader.push(&transfer, true, &mut samples);
        assert!(reader.held_bytes() < 70_000);
    }
    assert_eq!(samples.take(), []);
    for number in 0..6 {
        let message = frame(To::Server, 0x81, format!("message {number}").as_bytes());
        reader.push(&message, true, &mut samples);
    }
    let told = samples.take();
    assert_eq!(told.last().unwrap().content, b"message 5");
    assert!(told.len() >= 4, "{told:?}");
    assert_eq!(reader.messages(), None);
}

#[test]
fn a_header_is_read_once_it_is_whole() {
    let form = Form {
        masked: true,
        compressed: false,
    };
    for len in [0, 125, 126, 0xffff, 0x1_0000] {
        let whole = frame(To::Server, 0x82, &vec![1; len]);
        let header = Header::read(&whole).unwrap();
        assert_eq!((header.length, header.is_valid(form)), (len as u64, true));
        assert_eq!(header.bytes, whole.len() - len);
        for cut in 0..header.bytes {
            assert_eq!(Header::read(&whole[..cut]), None);
        }
    }
}
