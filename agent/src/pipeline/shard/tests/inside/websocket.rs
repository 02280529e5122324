//! Exchanges that go over to WebSocket: over HTTP/1 as a library spoke it, over HTTP/2 as made here.

pub(in super::super) mod late;

use eaves_common::{EndReason, Flow, Missing};

use super::super::line;
use super::{Options, Outcome, Shard, run};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::{Exchange, Opcode, To, WebSocket};
use crate::stream::Word;
use crate::telemetry::Counter;

pub(in super::super) const TAKEOVER: &str =
    include_str!("../../../../../../tests/fixtures/websocket/takeover.log");

/// Bytes, each piece with the way it went.
pub(in super::super) type Ways<W> = Vec<(W, Vec<u8>)>;

/// The transfers of a recorded connection, and the messages that its ends sent.
pub(in super::super) fn recorded(text: &str) -> (Ways<Flow>, Ways<To>) {
    let bytes = |hex: &str| {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>()
    };
    let (mut transfers, mut sent) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [">", hex] => transfers.push((Flow::Received, bytes(hex))),
            ["<", hex] => transfers.push((Flow::Sent, bytes(hex))),
            ["=", "server", _, hex] => sent.push((To::Server, bytes(hex))),
            ["=", "client", _, hex] => sent.push((To::Client, bytes(hex))),
            _ => {}
        }
    }
    (transfers, sent)
}

pub(in super::super) fn socket(exchange: &Exchange) -> &WebSocket {
    exchange.known.spoken.websocket.as_deref().unwrap()
}

#[test]
fn a_connection_of_a_library_is_one_exchange_with_its_first_messages() {
    let (transfers, sent) = recorded(TAKEOVER);
    for size in [3, 1 << 20] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = vec![conn.open()];
        for (flow, bytes) in &transfers {
            for piece in bytes.chunks(size) {
                records.push(conn.data(*flow, piece));
            }
        }
        records.push(conn.end(EndReason::Closed));
        let (out, _) = run(&records);
        let lines: Vec<_> = out.exchanges.iter().map(line).collect();
        assert_eq!(lines, ["GET /chat?room=7 0 whole | 101 0 whole"]);
        assert!(!out.exchanges[0].known.spoken.partial);
        let heard = socket(&out.exchanges[0]);
        assert_eq!(heard.close_code, Some(4001));
        assert_eq!(heard.to_server.count, Some(12));
        assert_eq!(heard.to_client.count, Some(12));
        assert_eq!(heard.samples.len(), 16);
        for to in [To::Server, To::Client] {
            let samples = heard.samples.iter().filter(|one| one.to == to);
            let sent = sent.iter().filter(|one| one.0 == to);
            for (sample, (_, content)) in samples.zip(sent) {
                assert_eq!((&sample.content, sample.is_cut), (content, false));
            }
        }
    }
}

const ASK: &[u8] = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const GO: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n";

/// A conn that went over.
fn open() -> (ConnBuilder, Vec<Vec<u8>>) {
    let mut conn = ConnBuilder::tcp(1);
    let records = vec![
        conn.open(),
        conn.data(Flow::Received, ASK),
        conn.data(Flow::Sent, GO),
    ];
    (conn, records)
}

/// Runs `records` of a conn that is closed then.
#[track_caller]
fn check(mut conn: ConnBuilder, mut records: Vec<Vec<u8>>, expected: &str) -> (WebSocket, Outcome) {
    records.push(conn.end(EndReason::Closed));
    let (out, _) = run(&records);
    let lines: Vec<_> = out.exchanges.iter().map(line).collect();
    assert_eq!(lines, [expected]);
    (socket(&out.exchanges[0]).clone(), out)
}

#[test]
fn one_that_nobody_closes_is_unfinished() {
    let (mut conn, mut records) = open();
    records.push(conn.data(Flow::Sent, b"\x81\x02hi\x81\x05no"));
    let expected = "GET /ws 0 unfinished | 101 0 unfinished";
    let (heard, _) = check(conn, records, expected);
    assert_eq!(heard.samples.len(), 2);
    let last = &heard.samples[1];
    assert_eq!((&last.content[..], last.bytes), (&b"no"[..], None));
    assert_eq!((last.opcode, last.is_cut), (Opcode::Text, true));
}

#[test]
fn messages_may_come_with_the_head_and_after_a_close_nothing_does() {
    let mut conn = ConnBuilder::tcp(1);
    let together = [GO, b"\x81\x02hi\x88\x02\x03\xe8"].concat();
    let records = vec![
        conn.open(),
        conn.data(Flow::Received, ASK),
        conn.data(Flow::Sent, &together),
        conn.data(Flow::Received, b"\x88\x82\0\0\0\0\x03\xe8"),
        conn.data(Flow::Received, b"GET / HTTP/1.1\r\n\r\n"),
    ];
    let (heard, out) = check(conn, records, "GET /ws 0 whole | 101 0 whole");
    assert_eq!((heard.close_code, heard.samples.len()), (Some(1000), 1));
    assert!(matches!(out.words[..], [Word::NotHttp { .. }]));
}

#[test]
fn missing_bytes_within_a_message_leave_the_count() {
    let (mut conn, mut records) = open();
    records.push(conn.data(Flow::Sent, b"\x81\x0aabc"));
    records.push(conn.part(Flow::Sent, b"", 7, Missing::UnseenPath));
    records.push(conn.data(Flow::Sent, b"\x81\x02hi"));
    let expected = "GET /ws 0 unfinished | 101 0 gap unseenpath";
    let (heard, _) = check(conn, records, expected);
    assert_eq!(heard.to_client.count, Some(2));
    assert_eq!(heard.to_client.bytes, Some(12));
    let first = &heard.samples[0];
    assert_eq!((&first.content[..], first.is_cut), (&b"abc"[..], true));
}

#[test]
fn a_frame_is_found_again_behind_missing_bytes() {
    let (mut conn, mut records) = open();
    conn.pass(Flow::Sent, 5);
    for number in 0..4 {
        let message = format!("message {number}");
        let frame = [b"\x81\x09", message.as_bytes()].concat();
        records.push(conn.data(Flow::Sent, &frame));
    }
    let expected = "GET /ws 0 unfinished | 101 0 gap unseenpath";
    let (heard, _) = check(conn, records, expected);
    assert_eq!(
        (heard.to_client.count, heard.to_server.count),
        (None, Some(0))
    );
    let contents: Vec<_> = heard.samples.iter().map(|one| &one.content[..]).collect();
    let sent = ["message 0", "message 1", "message 2", "message 3"];
    assert_eq!(contents, sent.map(str::as_bytes));
}

#[test]
fn it_is_reported_as_it_goes_each_message_once() {
    let (mut conn, records) = open();
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    for record in records {
        shard.push(&record, &mut out);
    }
    let mut told = Vec::new();
    for at in 1..=70_u64 {
        conn.time_ns = 1_000_000_000 * (1 + at);
        shard.push(&conn.data(Flow::Sent, b"\x81\x02hi"), &mut out);
        shard.tick(Ktime(conn.time_ns), &mut out);
        for exchange in out.exchanges.drain(..) {
            let heard = socket(&exchange);
            told.push((at, heard.to_client.count.unwrap(), heard.samples.len()));
            assert!(exchange.known.spoken.partial);
        }
    }
    assert_eq!(told, [(2, 1, 1), (62, 61, 16)]);
    // Nothing comes for longer than an exchange may take: it is still there.
    conn.time_ns += 400_000_000_000;
    shard.tick(Ktime(conn.time_ns), &mut out);
    out.exchanges.clear();
    shard.push(&conn.data(Flow::Sent, b"\x88\0"), &mut out);
    shard.push(&conn.data(Flow::Received, b"\x88\x80\0\0\0\0"), &mut out);
    assert_eq!(out.exchanges.len(), 1);
    let last = &out.exchanges[0];
    assert_eq!(line(last), "GET /ws 0 whole | 101 0 whole");
    assert_eq!(socket(last).to_client.count, Some(70));
    assert_eq!(socket(last).close_code, Some(1005));
    shard.finish(Ktime(conn.time_ns), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!(shard.bytes_held(), 0);
    assert!(shard.counters().get(Counter::ExchangesPartial) > 2);
}
