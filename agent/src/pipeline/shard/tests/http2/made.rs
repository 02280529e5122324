//! Frames made by hand: what peers seldom send, and what attackers do.

use eaves_common::{EndReason, Flow, Transport};

use super::super::{Options, Outcome, Shard, run};
use super::line;
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::telemetry::Counter;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Both ends of a conn, each with its encoder.
struct Peers {
    conn: ConnBuilder,
    client: fluke_hpack::Encoder<'static>,
    server: fluke_hpack::Encoder<'static>,
    records: Vec<Vec<u8>>,
}

impl Peers {
    fn new() -> Self {
        let mut peers = Self::silent();
        peers.send(&[PREFACE, &frame(4, 0, 0, &[])].concat());
        peers.answer(&frame(4, 0, 0, &[]));
        peers
    }

    fn silent() -> Self {
        let mut conn = ConnBuilder::tcp(1);
        let records = vec![conn.open()];
        Self {
            conn,
            client: fluke_hpack::Encoder::new(),
            server: fluke_hpack::Encoder::new(),
            records,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.records.push(self.conn.data(Flow::Received, bytes));
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.records.push(self.conn.data(Flow::Sent, bytes));
    }

    fn block(encoder: &mut fluke_hpack::Encoder<'_>, fields: &[(&str, &str)]) -> Vec<u8> {
        encoder.encode(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())))
    }

    fn request(&mut self, stream: u32, flags: u8, method: &str, path: &str) {
        let fields = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", path),
            ("x-trace", "1"),
        ];
        let block = Self::block(&mut self.client, &fields);
        self.send(&frame(1, END_HEADERS | flags, stream, &block));
    }

    fn response(&mut self, stream: u32, flags: u8, status: &str) {
        let block = Self::block(&mut self.server, &[(":status", status), ("x-id", status)]);
        self.answer(&frame(1, END_HEADERS | flags, stream, &block));
    }

    #[track_caller]
    fn check(self, expected: &[&str]) -> (Outcome, Shard) {
        let (out, shard) = run(&self.records);
        let lines: Vec<_> = out.exchanges.iter().map(line).collect();
        assert_eq!(lines, expected);
        (out, shard)
    }
}

#[test]
fn frames_that_steer_the_conn_pass_by() {
    let mut peers = Peers::new();
    peers.send(&frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]));
    peers.request(1, END_STREAM, "GET", "/a");
    peers.send(&frame(2, 0, 1, &[0, 0, 0, 0, 9]));
    peers.send(&frame(8, 0, 1, &[0xff, 0xff, 0xff, 0xff]));
    peers.send(&frame(0xfa, 0xff, 0, &[7; 30]));
    peers.answer(&frame(6, 0, 0, &[1; 8]));
    peers.send(&frame(6, 1, 0, &[1; 8]));
    peers.response(1, 0, "100");
    peers.response(1, 0, "200");
    peers.answer(&frame(0, END_STREAM, 1, b"hello"));
    let (_, shard) = peers.check(&["1 GET /a 0 whole | 200 5 whole 0+0"]);
    assert_eq!(shard.counters().get(Counter::ProtocolInterims), 1);
    assert_eq!(shard.counters().get(Counter::ProtocolHttp2), 1);
}

#[test]
fn a_session_whose_socket_is_found_late_has_its_addresses() {
    let mut peers = Peers::silent();
    peers.conn = ConnBuilder::session(0x7f00_1000);
    peers.records = vec![peers.conn.open()];
    peers.send(&[PREFACE, &frame(4, 0, 0, &[])].concat());
    peers.request(1, END_STREAM, "GET", "/a");
    peers.conn.transport = Some(Transport::Tcp);
    let open = peers.conn.open();
    peers.records.push(open);
    peers.response(1, END_STREAM, "204");
    let remote = peers.conn.remote();
    let (out, _) = peers.check(&["1 GET /a 0 whole | 204 0 whole 0+0"]);
    assert_eq!(out.exchanges[0].conn.open.remote, Some(remote));
}

#[test]
fn a_conn_is_upgraded_and_the_request_answered_on_the_first_stream() {
    let mut peers = Peers::silent();
    peers.send(b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
    let settings = frame(4, 0, 0, &[]);
    let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    peers.answer(&[&head[..], &settings].concat());
    peers.send(&[PREFACE, &settings].concat());
    peers.response(1, 0, "200");
    peers.answer(&frame(0, END_STREAM, 1, b"up"));
    peers.request(3, END_STREAM, "GET", "/b");
    peers.response(3, END_STREAM, "404");
    let (out, _) = peers.check(&[
        "1 GET /up 0 whole | 200 2 whole 0+0",
        "3 GET /b 0 whole | 404 0 whole 0+0",
    ]);
    assert_eq!(out.exchanges[1].ordinal, 1);
}

#[test]
fn a_response_that_is_all_there_is_whole_before_its_stream_is_over() {
    let mut peers = Peers::new();
    for (stream, body) in [(1, "hello"), (3, "hell")] {
        peers.request(stream, END_STREAM, "GET", "/a");
        let fields = [(":status", "200"), ("content-length", "5")];
        let block = Peers::block(&mut peers.server, &fields);
        peers.answer(&frame(1, END_HEADERS, stream, &block));
        peers.answer(&frame(0, 0, stream, body.as_bytes()));
        peers.send(&frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    peers.check(&[
        "1 GET /a 0 whole | 200 5 whole 0+0",
        "3 GET /a 0 whole | 200 4 unfinished reset 0+0",
    ]);
}

#[test]
fn a_tunnel_ends_with_the_head_of_its_response() {
    let mut peers = Peers::new();
    peers.request(1, 0, "CONNECT", "/t");
    peers.response(1, 0, "200");
    peers.send(&frame(0, 0, 1, b"not http"));
    peers.answer(&frame(0, 0, 1, b"nor this"));
    peers.request(3, END_STREAM, "GET", "/b");
    peers.response(3, END_STREAM, "204");
    peers.check(&[
        "1 CONNECT /t 0 whole | 200 0 whole 0+0",
        "3 GET /b 0 whole | 204 0 whole 0+0",
    ]);
}

#[test]
fn a_request_that_a_goaway_leaves_out_is_over() {
    let mut peers = Peers::new();
    peers.request(1, END_STREAM, "GET", "/a");
    peers.request(3, END_STREAM, "GET", "/b");
    peers.answer(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    peers.response(1, END_STREAM, "200");
    peers.check(&[
        "3 GET /b 0 whole | - none reset 0+0",
        "1 GET /a 0 whole | 200 0 whole 0+0",
    ]);
}

#[test]
fn what_hides_in_the_table_is_left_out_and_said() {
    let mut peers = Peers::silent();
    // A field that both ends know from before.
    Peers::block(&mut peers.server, &[("x-id", "201")]);
    for stream in [11, 13, 15] {
        peers.request(stream, END_STREAM, "GET", "/");
        peers.response(stream, END_STREAM, "201");
    }
    // A status that is: its block may not be the final response's.
    peers.request(17, END_STREAM, "GET", "/");
    peers.answer(&frame(1, END_HEADERS, 17, b"\xbe"));
    peers.answer(&frame(0, END_STREAM, 17, b"abc"));
    let (out, _) = peers.check(&[
        "11 GET / 0 whole | 201 0 gap hpackstate 0+0",
        "13 GET / 0 whole | 201 0 gap hpackstate 0+0",
        "15 GET / 0 whole | 201 0 gap hpackstate 0+0",
        "17 GET / 0 whole | 0 3 gap hpackstate 0+0",
    ]);
    let response = out.exchanges[1].response.as_ref().unwrap();
    assert!(response.head.fields.is_empty());
}

#[test]
fn a_lost_block_makes_its_table_unknown_and_no_other() {
    let mut peers = Peers::new();
    peers.request(1, END_STREAM, "GET", "/a");
    peers.response(1, END_STREAM, "200");
    let block = Peers::block(&mut peers.client, &[(":method", "GET"), (":path", "/lost")]);
    let lost = frame(1, END_HEADERS | END_STREAM, 3, &block);
    peers.send(&lost[..12]);
    peers.conn.pass(Flow::Received, lost.len() as u64 - 12);
    peers.response(3, END_STREAM, "200");
    peers.request(5, END_STREAM, "GET", "/a");
    peers.response(5, END_STREAM, "200");
    peers.check(&[
        "1 GET /a 0 whole | 200 0 whole 0+0",
        "3 - gap | 200 0 whole unseenpath 0+0",
        "5 GET /a 0 gap | 200 0 whole hpackstate 0+0",
    ]);
}

#[test]
fn a_streaming_call_of_grpc_is_one_exchange() {
    let mut peers = Peers::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/shop.Cart/Watch"),
        ("content-type", "application/grpc"),
    ];
    let block = Peers::block(&mut peers.client, &fields);
    peers.send(&frame(1, END_HEADERS, 1, &block));
    peers.send(&frame(0, 0, 1, b"\0\0\0\0\x02ab\0\0"));
    let block = Peers::block(&mut peers.server, &[(":status", "200")]);
    peers.answer(&frame(1, END_HEADERS, 1, &block));
    for _ in 0..3 {
        peers.answer(&frame(0, 0, 1, b"\0\0\0\0\x04wxyz"));
    }
    peers.send(&frame(0, END_STREAM, 1, b"\0\0\x01c"));
    let trailers = [("grpc-status", "5"), ("grpc-message", "not here")];
    let block = Peers::block(&mut peers.server, &trailers);
    peers.answer(&frame(1, END_HEADERS | END_STREAM, 1, &block));
    let (out, _) = peers.check(&["1 POST /shop.Cart/Watch 13 whole | 200 27 whole 0+2"]);
    let call = out.exchanges[0].known.spoken.grpc.as_deref().unwrap();
    assert_eq!(
        (&*call.service, &*call.method),
        (&b"shop.Cart"[..], &b"Watch"[..])
    );
    assert_eq!(
        (call.status, call.message.as_deref()),
        (Some(5), Some(&b"not here"[..]))
    );
    let counted = [call.request, call.response].map(|one| (one.count, one.bytes));
    assert_eq!(counted, [(Some(2), Some(3)), (Some(3), Some(12))]);
}

#[test]
fn a_websocket_within_a_stream_is_one_exchange() {
    let mut peers = Peers::new();
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/chat"),
    ];
    let block = Peers::block(&mut peers.client, &fields);
    peers.send(&frame(1, END_HEADERS, 1, &block));
    let block = Peers::block(&mut peers.server, &[(":status", "200")]);
    peers.answer(&frame(1, END_HEADERS, 1, &block));
    peers.answer(&frame(0, 0, 1, b"\x81\x05hello\x01\x03par"));
    peers.request(3, END_STREAM, "GET", "/beside");
    peers.response(3, END_STREAM, "204");
    peers.send(&frame(0, 0, 1, b"\x81\x82\x01\x02\x03\x04ij"));
    peers.answer(&frame(0, 0, 1, b"\x80\x02ts"));
    peers.answer(&frame(0, 0, 1, b"\x88\x02\x03\xe9"));
    peers.send(&frame(0, END_STREAM, 1, b"\x88\x82\0\0\0\0\x03\xe9"));
    let (out, _) = peers.check(&[
        "3 GET /beside 0 whole | 204 0 whole 0+0",
        "1 CONNECT /chat 0 whole | 200 0 whole 0+0",
    ]);
    let socket = out.exchanges[1].known.spoken.websocket.as_deref().unwrap();
    let counts = [socket.to_server, socket.to_client].map(|one| (one.count, one.bytes));
    assert_eq!(counts, [(Some(1), Some(2)), (Some(2), Some(10))]);
    assert_eq!(socket.close_code, Some(1001));
    let samples: Vec<_> = socket.samples.iter().map(|one| &one.content[..]).collect();
    assert_eq!(samples, [&b"hello"[..], b"hh", b"parts"]);
}

/// Memory that stays within bounds while `frames` come by the hundred thousand, and another conn whose
/// exchanges are whole meanwhile.
#[track_caller]
fn flood(count: u32, mut frames: impl FnMut(&mut Peers, u32)) -> Shard {
    let mut peers = Peers::new();
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut other = ConnBuilder::tcp(2);
    shard.push(&other.open(), &mut out);
    for at in 0..count {
        frames(&mut peers, at);
        for record in peers.records.drain(..) {
            shard.push(&record, &mut out);
        }
        assert!(shard.bytes_held() < 1_100_000, "{}", shard.bytes_held());
        out.exchanges.clear();
        if at % 100 == 0 {
            let request = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n";
            shard.push(&other.data(Flow::Received, request), &mut out);
            let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            shard.push(&other.data(Flow::Sent, response), &mut out);
            let told: Vec<_> = out
                .exchanges
                .drain(..)
                .map(|one| super::super::line(&one))
                .collect();
            assert_eq!(told, ["GET /other 0 whole | 200 2 whole"]);
        }
    }
    shard.push(&peers.conn.end(EndReason::Closed), &mut out);
    shard.finish(Ktime(9_000_000_000), &mut out);
    assert_eq!(shard.counters().check(), []);
    shard
}

#[test]
fn streams_that_are_reset_at_once_are_all_reported() {
    // A million on one connection is a bench, `modern`: that takes long without optimisation.
    let shard = flood(400, |peers, at| {
        let streams = (250 * at..250 * (at + 1)).map(|number| 2 * number + 1);
        // GET, a path of one slash, http: all of the static table.
        let bytes: Vec<u8> = streams
            .flat_map(|stream| {
                let ends = END_HEADERS | END_STREAM;
                let request = frame(1, ends, stream, b"\x82\x84\x86");
                [request, frame(3, 0, stream, &[0, 0, 0, 8])]
            })
            .flatten()
            .collect();
        peers.send(&bytes);
    });
    let reported = shard.counters().get(Counter::ExchangesReported);
    assert_eq!(reported, 100_000 + 4);
}

#[test]
fn streams_that_are_never_answered_are_bounded() {
    let shard = flood(20_000, |peers, at| {
        peers.request(2 * at + 1, END_STREAM, "GET", "/");
    });
    let reported = shard.counters().get(Counter::ExchangesReported);
    assert_eq!(reported, 20_000 + 200);
}

#[test]
fn a_block_without_end_is_cut() {
    let shard = flood(5_000, |peers, at| {
        if at == 0 {
            peers.request(1, END_STREAM, "GET", "/");
            let block = Peers::block(&mut peers.client, &[(":method", "GET"), (":path", "/x")]);
            peers.send(&frame(1, END_STREAM, 3, &block));
        } else {
            let field = [&b"\x00\x7f\x81\x01"[..], &[b'n'; 256], b"\x00"].concat();
            peers.send(&frame(9, 0, 3, &field.repeat(4)));
        }
        if at == 4_999 {
            peers.send(&frame(9, END_HEADERS, 3, &[]));
        }
    });
    assert_eq!(shard.counters().get(Counter::ProtocolRequests), 2 + 50);
}

#[test]
fn bytes_that_are_no_frames_are_let_go() {
    let mut peers = Peers::new();
    for _ in 0..400 {
        peers.send(&[0xff; 1000]);
    }
    let (out, _) = run(&peers.records);
    assert_eq!(out.exchanges, []);
    assert_eq!(out.words.len(), 1);
}

#[test]
fn a_block_that_swells_is_cut() {
    // One field of 4000 bytes goes into the table, and is named a thousand times by each block.
    let shard = flood(300, |peers, at| {
        let mut block = Peers::block(
            &mut peers.client,
            &[(":method", "GET"), (":path", "/"), (":scheme", "http")],
        );
        if at == 0 {
            block.extend(b"\x40\x01b\x7f\xa1\x1e");
            block.extend([b'x'; 4000]);
        }
        block.extend([0xbe; 1000]);
        peers.send(&frame(1, END_HEADERS | END_STREAM, 2 * at + 1, &block));
        peers.response(2 * at + 1, END_STREAM, "200");
    });
    assert_eq!(shard.counters().get(Counter::ProtocolRequests), 300 + 3);
}

#[test]
fn windows_and_lengths_of_2_to_the_31_take_no_memory() {
    let shard = flood(2_000, |peers, at| {
        let largest = [0x7f, 0xff, 0xff, 0xff];
        peers.answer(&frame(8, 0, 0, &largest));
        // SETTINGS_INITIAL_WINDOW_SIZE, and the largest frame there may be.
        let settings = [&[0, 4][..], &largest, &[0, 5, 0, 0xff, 0xff, 0xff]].concat();
        peers.send(&frame(4, 0, 0, &settings));
        if at % 100 == 0 {
            let stream = at + 1;
            peers.request(stream, 0, "POST", "/large");
            let header = [0xff, 0xff, 0xff, 0, 0];
            peers.send(&[&header[..], &stream.to_be_bytes()].concat());
            peers.send(&[0; 900]);
            peers.conn.pass(Flow::Received, 0x00ff_ffff - 900);
        }
    });
    assert_eq!(shard.counters().get(Counter::ProtocolRequests), 20 + 20);
}
