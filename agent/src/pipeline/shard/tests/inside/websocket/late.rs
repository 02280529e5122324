//! WebSockets over HTTP/1 that were open before anyone listened.

use eaves_common::{EndReason, Flow, Missing};
use proptest::prelude::*;

use super::super::super::line;
use super::super::super::random::{Dice, fixed};
use super::super::{Options, Outcome, Shard, run};
use super::{TAKEOVER, Ways, recorded, socket};
use crate::capture::ConnBuilder;
use crate::exchange::{Coded, Exchange, Opcode, Seen, To};
use crate::protocol::{Opening, opening};
use crate::stream::Word;

pub(in super::super::super) const PLAIN: &str =
    include_str!("../../../../../../../tests/fixtures/websocket/plain.log");

/// What is told of the transfers of `ways` from the one of number `from` on, of whose bytes the first
/// `cut` were not heard.
fn joined(ways: &[(Flow, Vec<u8>)], from: usize, cut: usize, turned: bool) -> Option<Exchange> {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for (number, (flow, bytes)) in ways.iter().enumerate().skip(from) {
        let flow = match (*flow, turned) {
            (Flow::Sent, false) | (Flow::Received, true) => Flow::Sent,
            _ => Flow::Received,
        };
        let front = if number == from { cut } else { 0 };
        records.push(conn.data(flow, &bytes[front..]));
    }
    records.push(conn.end(EndReason::Closed));
    let (mut out, _) = run(&records);
    assert!(out.exchanges.len() <= 1);
    out.exchanges.pop()
}

/// Holds an exchange that was joined late against what was sent; how many samples of it are plain and whole.
#[track_caller]
pub(in super::super::super) fn check(exchange: &Exchange, sent: &Ways<To>) -> usize {
    let seen = [exchange.request_seen, exchange.response_seen];
    assert_eq!(seen, [Seen::JoinedLate; 2]);
    assert!(exchange.request.is_none() && exchange.response.is_none());
    let heard = socket(exchange);
    assert_eq!((heard.to_server.count, heard.to_client.count), (None, None));
    let mut count = 0;
    for to in [To::Server, To::Client] {
        let mut sent = sent.iter().filter(|one| one.0 == to);
        let samples = heard.samples.iter().filter(|one| one.to == to);
        for sample in samples.filter(|one| one.coded == Coded::No && !one.is_cut) {
            let is_it = |one: &(To, Vec<u8>)| one.1 == sample.content;
            assert!(sample.opcode == Opcode::Close || sent.any(is_it));
            count += 1;
        }
    }
    count
}

#[test]
fn frames_of_both_ends_prove_one_wherever_it_is_joined() {
    for text in [PLAIN, TAKEOVER] {
        let (ways, sent) = recorded(text);
        let mut found = 0;
        for from in 2..ways.len() {
            let cuts = [0, 1, 2, 7, ways[from].1.len() - 1];
            for cut in cuts.into_iter().filter(|cut| *cut < ways[from].1.len()) {
                let Some(exchange) = joined(&ways, from, cut, false) else {
                    if opening(&ways[from].1[cut..]) == Opening::Request {
                        // What was heard first begins as a request does.
                        continue;
                    }
                    // Too little is left to prove it: three whole frames a side are enough.
                    for flow in [Flow::Received, Flow::Sent] {
                        let left = ways[from + 1..].iter().filter(|one| one.0 == flow).count();
                        if left < 4 {
                            continue;
                        }
                        let other = ways[from + 1..].iter().filter(|one| one.0 != flow).count();
                        assert!(other < 4, "joined at {from}, byte {cut}");
                    }
                    continue;
                };
                found += 1;
                check(&exchange, &sent);
                if text == PLAIN && from == 2 && cut == 0 {
                    assert_eq!(socket(&exchange).samples.len(), 16);
                }
            }
        }
        assert!(found > 40, "{found} were found");
    }
}

#[test]
fn which_end_it_is_masks_tell() {
    let (ways, sent) = recorded(PLAIN);
    let server = joined(&ways, 2, 0, false).unwrap();
    let client = joined(&ways, 2, 0, true).unwrap();
    assert_ne!(server.conn.role, client.conn.role);
    let of = |exchange: &Exchange, to: To| {
        let samples = socket(exchange).samples.iter();
        samples
            .filter(|one| one.to == to)
            .cloned()
            .collect::<Vec<_>>()
    };
    for to in [To::Server, To::Client] {
        assert!(of(&server, to).len() > 5 && of(&server, to) == of(&client, to));
    }
    check(&client, &sent);
}

/// Random bytes in transfers, some of which begin as frames do.
fn noise() -> impl Strategy<Value = Ways<Flow>> {
    let flow = prop_oneof![Just(Flow::Sent), Just(Flow::Received)];
    let bytes = prop::collection::vec(any::<u8>(), 1..200);
    let record = prop::collection::vec(any::<u8>(), 16..200)
        .prop_map(|body| [&[0x17, 3, 3, 0, body.len() as u8][..], &body].concat());
    let frame = (0x80..0x83_u8, prop::collection::vec(any::<u8>(), 4..200))
        .prop_map(|(first, body)| [&[first, 0x80 | body.len() as u8][..], &body].concat());
    // Packets of MQTT that subscribe look like frames without a mask.
    let packet = prop::collection::vec(any::<u8>(), 0..100)
        .prop_map(|body| [&[0x82, body.len() as u8][..], &body].concat());
    let transfer = prop_oneof![4 => bytes, 4 => record, 1 => frame, 2 => packet];
    prop::collection::vec((flow, transfer), 1..40)
}

/// A frame of text or what `first` says, masked where `to` is the server.
pub(in super::super::super) fn framed(first: u8, to: To, content: &[u8]) -> Vec<u8> {
    let short = content.len() as u8;
    match to {
        To::Server => {
            let content = content.iter().zip([1, 2, 3, 4].into_iter().cycle());
            let masked = content.map(|(byte, key)| byte ^ key);
            [first, 0x80 | short, 1, 2, 3, 4]
                .into_iter()
                .chain(masked)
                .collect()
        }
        To::Client => [&[first, short][..], content].concat(),
    }
}

#[test]
fn a_payload_that_begins_as_a_method_does_is_not_lost() {
    // Each end writes headers and payloads by calls of their own.
    for text in [
        "hello",
        "GET /a HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        for others_last in [false, true] {
            let mut conn = ConnBuilder::tcp(1);
            let mut records = vec![conn.open()];
            let ask = framed(0x81, To::Server, b"ask");
            let asks = |conn: &mut ConnBuilder, records: &mut Vec<Vec<u8>>| {
                records.extend((0..4).map(|_| conn.data(Flow::Received, &ask)));
            };
            if !others_last {
                asks(&mut conn, &mut records);
            }
            records.push(conn.data(Flow::Sent, &framed(0x81, To::Client, b"one")));
            records.push(conn.data(Flow::Sent, &framed(0x81, To::Client, b"two")));
            for _ in 0..6 {
                records.push(conn.data(Flow::Sent, &[0x81, text.len() as u8]));
                records.push(conn.data(Flow::Sent, text.as_bytes()));
            }
            if others_last {
                asks(&mut conn, &mut records);
            }
            records.push(conn.end(EndReason::Closed));
            let (out, _) = run(&records);
            let samples = &socket(&out.exchanges[0]).samples;
            let told = samples.iter().filter(|one| one.to == To::Client);
            let told: Vec<_> = told.map(|one| (&*one.content, one.is_cut)).collect();
            let mut sent = vec![(&b"one"[..], false), (b"two", false)];
            sent.extend([(text.as_bytes(), false); 6]);
            assert_eq!(told, sent);
        }
    }
}

#[test]
fn a_payload_set_aside_goes_on_where_the_search_stands() {
    // Nothing speaks for the first frame when its payload comes, and it is set aside; once more where the
    // other end proves it meanwhile.
    for count in [1, 6] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = vec![conn.open()];
        for _ in 0..count {
            records.push(conn.data(Flow::Sent, b"\x81\x05"));
            records.push(conn.data(Flow::Sent, b"hello"));
        }
        for _ in 0..6 {
            records.push(conn.data(Flow::Received, &framed(0x81, To::Server, b"ask")));
        }
        records.push(conn.data(Flow::Sent, &[0x81, 2, b'h', b'i'].repeat(4)));
        records.push(conn.end(EndReason::Closed));
        let (out, _) = run(&records);
        let samples = &socket(&out.exchanges[0]).samples;
        let told = samples.iter().filter(|one| one.to == To::Client);
        let told: Vec<_> = told.map(|one| &*one.content).collect();
        let sent: Vec<&[u8]> = [&b"hello"[..]]
            .repeat(count)
            .into_iter()
            .chain([&b"hi"[..]; 4])
            .collect();
        assert_eq!(told, sent);
    }
}

/// What is heard first of so many, once heads come, of a conn that was joined late by `transfers`.
#[track_caller]
fn heard_after(transfers: &[Vec<u8>], heads: &[&[u8]], count: usize) -> Exchange {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    records.extend(transfers.iter().map(|one| conn.data(Flow::Received, one)));
    records.extend(heads.iter().map(|one| conn.data(Flow::Received, one)));
    records.push(conn.end(EndReason::Closed));
    let (mut out, _) = run(&records);
    assert!(
        !out.words
            .iter()
            .any(|word| matches!(word, Word::NotHttp { .. }))
    );
    assert_eq!(out.exchanges.len(), count);
    out.exchanges.remove(0)
}

#[test]
fn bodies_of_http_are_no_frames_and_its_next_head_is_heard() {
    // Bodies of uploads, the one in frames of DATA, which as frames of WebSocket go on a message.
    let mut dice = Dice(7);
    let mut body = |front: &[u8]| {
        let noise = std::iter::repeat_with(|| dice.roll(256) as u8);
        front
            .iter()
            .copied()
            .chain(noise.take(16 * 1024))
            .collect::<Vec<u8>>()
    };
    let data: Vec<_> = (0..17).map(|_| body(b"\0\x40\0\0\0\0\0\0\x01")).collect();
    let heads = [3, 5, 7].map(|stream| {
        let front = [0, 0, 3, 1, 5, 0, 0, 0, stream];
        [&front[..], b"\x82\x84\x86"].concat()
    });
    let exchange = heard_after(&data, &heads.each_ref().map(Vec::as_slice), 3);
    assert_eq!(exchange.stream, Some(3));
    assert!(exchange.known.spoken.websocket.is_none());
    for at in [0, 1, 9] {
        let mut upload: Vec<_> = (0..40).map(|_| body(b"\xfe")).collect();
        upload[at][..2].copy_from_slice(b"\0\x33");
        let exchange = heard_after(&upload, &[b"GET /next HTTP/1.1\r\n\r\n"], 1);
        assert_eq!(line(&exchange), "GET /next 0 whole | - none");
    }
}

#[test]
fn noise_is_none_and_is_given_up() {
    proptest!(fixed(1000), |(ways in noise())| {
        if let Some(exchange) = joined(&ways, 0, 0, false) {
            prop_assert!(exchange.known.spoken.websocket.is_none());
        }
    });
    let mut conn = ConnBuilder::tcp(1);
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    shard.push(&conn.open(), &mut out);
    // For one frame of a client the kernel asks, and it never comes again.
    shard.push(
        &conn.data(Flow::Received, &framed(0x81, To::Server, b"x")),
        &mut out,
    );
    for number in 0..400_u32 {
        let mut bytes = vec![b'.'; 1024];
        bytes[..2].copy_from_slice(&[0x81, 0x80 | (number % 100) as u8]);
        shard.push(&conn.data(Flow::Received, &bytes), &mut out);
    }
    assert!(matches!(out.words[..], [Word::NotHttp { .. }, ..]));
    assert!(out.exchanges.is_empty());
    assert_eq!(shard.counters().check(), []);
}

/// What ends said, all of it in the order in which it was heard, of a conn whose flows were heard from
/// the start of `flows` on in transfers of these.
fn heard(transfers: &[(Flow, Vec<u8>)]) -> Option<Exchange> {
    joined(transfers, 0, 0, false)
}

/// The contents of the messages to the client.
fn told(exchange: &Exchange) -> Vec<Vec<u8>> {
    let samples = socket(exchange).samples.iter();
    let ours = samples.filter(|one| one.to == To::Client && !one.is_cut);
    ours.map(|one| one.content.clone()).collect()
}

#[test]
fn payloads_that_begin_as_frames_do_are_none() {
    // Each is written by a call of its own, behind its header: texts that begin as compressed frames,
    // a map of MessagePack that begins as a masked one, a frame within a frame.
    for payload in [
        &b"A request for you"[..],
        b"Bold",
        b"\x82\xa4type\xa4word",
        b"\x81\x05hello",
        b"\x02\x01abc",
    ] {
        let mut transfers = Vec::new();
        for _ in 0..8 {
            transfers.push((Flow::Received, framed(0x81, To::Server, b"ask")));
            transfers.push((Flow::Sent, vec![0x82, payload.len() as u8]));
            transfers.push((Flow::Sent, payload.to_vec()));
        }
        let exchange = heard(&transfers).unwrap();
        let told = told(&exchange);
        assert!(
            told.len() >= 6,
            "{} of {}",
            told.len(),
            payload.escape_ascii()
        );
        assert!(told.iter().all(|one| one == payload), "{told:?}");
    }
}

#[test]
fn what_could_be_read_either_way_is_not_told() {
    // A payload by calls of its own that is made of frames, of which the last takes the next header for
    // its content: both ways are as good, and nothing says which end made them up.
    let payload = b"\x81\x01x\x82\x02";
    let mut transfers = Vec::new();
    for _ in 0..20 {
        transfers.push((Flow::Received, framed(0x81, To::Server, b"ask")));
        transfers.push((Flow::Sent, vec![0x82, payload.len() as u8]));
        transfers.push((Flow::Sent, payload.to_vec()));
    }
    if let Some(exchange) = heard(&transfers) {
        assert!(told(&exchange).iter().all(|one| one == payload));
    }
}

/// A long message of a server.
fn long(number: u8, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let length = (bytes as u64).to_be_bytes();
    let header = [&[0x82, 127][..], &length].concat();
    (header, vec![b'a' + number; bytes])
}

#[test]
fn messages_longer_than_what_is_kept_prove_one_too() {
    // Header and payload apart and in records of 16 KiB, as they are copied; then small ones.
    for payload_apart in [false, true] {
        let mut transfers = Vec::new();
        for number in 0..6 {
            transfers.push((Flow::Received, framed(0x81, To::Server, b"more")));
            let (mut front, payload) = long(number, 200_000);
            if payload_apart {
                transfers.push((Flow::Sent, front));
                front = Vec::new();
            }
            let all = [front, payload].concat();
            transfers.extend(all.chunks(16 * 1024).map(|one| (Flow::Sent, one.to_vec())));
        }
        for _ in 0..3 {
            transfers.push((Flow::Sent, framed(0x81, To::Client, b"over")));
        }
        let exchange = heard(&transfers).unwrap();
        let samples = socket(&exchange).samples.iter();
        let ours: Vec<_> = samples.filter(|one| one.to == To::Client).collect();
        let long = ours.iter().filter(|one| one.bytes == Some(200_000));
        let over = ours.iter().filter(|one| one.bytes == Some(4));
        assert!(long.clone().count() >= 4, "{ours:?}");
        assert_eq!(over.count(), 3);
        for sample in long {
            let first = sample.content.first();
            assert!(sample.content.iter().all(|byte| Some(byte) == first));
        }
    }
}

#[test]
fn a_flow_of_which_transfers_never_begin_with_a_frame_proves_one_too() {
    let texts: Vec<String> = (0..200)
        .map(|at| format!("price {at} of something"))
        .collect();
    let frames = texts
        .iter()
        .map(|text| framed(0x81, To::Client, text.as_bytes()));
    let sent: Vec<u8> = frames.flatten().collect();
    for size in [61, 128, 500] {
        let mut transfers = Vec::new();
        for (at, bytes) in sent[5..].chunks(size).enumerate() {
            if at % 3 == 0 {
                transfers.push((Flow::Received, framed(0x81, To::Server, b"ask")));
            }
            transfers.push((Flow::Sent, bytes.to_vec()));
        }
        let exchange = heard(&transfers).unwrap_or_else(|| panic!("none of {size} bytes"));
        let told = told(&exchange);
        assert!(told.len() >= 8, "{} of {size} bytes", told.len());
        for one in told {
            let text = String::from_utf8(one).unwrap();
            assert!(texts.contains(&text), "{text}");
        }
    }
}

#[test]
fn what_was_lost_before_it_was_found_is_told_as_a_gap() {
    for (missing, expected) in [
        (
            Missing::Fault,
            "- joinedlate | - joinedlate bodylimit readfault",
        ),
        (
            Missing::UnseenPath,
            "- joinedlate | - joinedlate bodylimit unseenpath",
        ),
        (Missing::Limit, "- joinedlate | - joinedlate bodylimit"),
        (Missing::Skipped, "- joinedlate | - joinedlate bodylimit"),
    ] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = vec![conn.open()];
        for _ in 0..4 {
            records.push(conn.data(Flow::Sent, &framed(0x81, To::Client, b"one")));
        }
        let (header, payload) = long(7, 100_000);
        let all = [header, payload].concat();
        records.push(conn.part(Flow::Sent, &all[..1000], all.len() as u64, missing));
        for _ in 0..4 {
            records.push(conn.data(Flow::Received, &framed(0x81, To::Server, b"more")));
        }
        records.push(conn.data(Flow::Sent, &framed(0x81, To::Client, b"over")));
        records.push(conn.end(EndReason::Closed));
        let (out, _) = run(&records);
        let exchange = &out.exchanges[0];
        assert_eq!(line(exchange), expected, "{missing:?}");
        let lost = match missing {
            Missing::Limit | Missing::Skipped => 0,
            _ => all.len() as u64 - 1000,
        };
        assert_eq!(exchange.missing_bytes, lost, "{missing:?}");
        let samples = socket(exchange).samples.iter();
        let ours: Vec<_> = samples.filter(|one| one.to == To::Client).collect();
        assert_eq!(ours.last().unwrap().content, b"over");
        assert!(ours.iter().any(|one| one.bytes == Some(100_000)));
    }
}

#[test]
fn a_request_of_http_on_a_conn_heard_for_a_frame_is_heard_however_it_comes() {
    for parts in [
        &[&b"GET /next HTTP/1.1\r\n\r\n"[..]][..],
        &[b"GET /ne", b"xt HTTP/1.1\r\nHost: x\r\n\r\n"],
        &[b"GET /next HTTP/1.1", b"\r\n\r\n"],
        &[b"\r\nGET /next HTTP/1.1\r\n\r\n"],
        &[b"\r\n", b"GET /next HTTP/1.1\r\n\r\n"],
        &[b"\r\nGET /ne", b"xt HTTP/1.1\r\n\r\n"],
    ] {
        let exchange = heard_after(&[framed(0x81, To::Server, b"word")], parts, 1);
        assert_eq!(line(&exchange), "GET /next 0 whole | - none", "{parts:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(400));
    let parts = [&long.as_bytes()[..100], &long.as_bytes()[100..]];
    let exchange = heard_after(&[framed(0x81, To::Server, b"word")], &parts, 1);
    assert!(line(&exchange).starts_with("GET /aaa"));
}

#[test]
fn what_is_left_out_of_a_long_message_leaves_the_search() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for number in 0..6 {
        records.push(conn.data(Flow::Received, &framed(0x81, To::Server, b"more")));
        let (header, payload) = long(number, 100_000);
        let all = [header, payload].concat();
        let copied = &all[..16 * 1024];
        records.push(conn.part(Flow::Sent, copied, all.len() as u64, Missing::Limit));
    }
    records.push(conn.data(Flow::Sent, &framed(0x81, To::Client, b"over")));
    records.push(conn.end(EndReason::Closed));
    let (out, _) = run(&records);
    let samples = socket(&out.exchanges[0]).samples.iter();
    let ours = samples.filter(|one| one.to == To::Client);
    let bytes: Vec<_> = ours.map(|one| one.bytes).collect();
    assert!(
        bytes.len() >= 5 && bytes.ends_with(&[Some(100_000), Some(4)]),
        "{bytes:?}"
    );
}
