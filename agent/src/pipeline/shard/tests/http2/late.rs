//! WebSockets within streams that were open before anyone listened.

use eaves_common::{EndReason, Flow, Missing};
use proptest::prelude::*;

use super::super::inside::websocket::late::{PLAIN, check, framed};
use super::super::inside::websocket::{TAKEOVER, Ways, recorded, socket};
use super::super::random::fixed;
use super::super::{Options, Outcome, Shard, run};
use super::made::frame;
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::{Exchange, Seen, To};

const STREAM: u32 = 5;

/// What else comes on the conn: nothing, or requests on other streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Requests,
}

/// `bytes` in a frame of DATA.
fn data(bytes: &[u8]) -> Vec<u8> {
    frame(0, 0, STREAM, bytes)
}

/// Runs transfers of whole frames, each cut into records of at most `size` bytes, and gives what is told
/// of the stream.
fn told(transfers: &[(Flow, Vec<u8>)], beside: Beside, size: usize) -> Vec<Exchange> {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for (number, (flow, bytes)) in transfers.iter().enumerate() {
        for piece in bytes.chunks(size) {
            records.push(conn.data(*flow, piece));
        }
        if beside == Beside::Requests && number % 5 == 0 {
            let stream = 101 + 2 * number as u32;
            // GET / and its answer, 204.
            records.push(conn.data(Flow::Received, &frame(1, 5, stream, b"\x82\x84\x86")));
            records.push(conn.data(Flow::Sent, &frame(1, 5, stream, b"\x89")));
        }
    }
    records.push(conn.end(EndReason::Closed));
    let (out, _) = run(&records);
    let of_stream = |one: &Exchange| one.stream == Some(STREAM);
    out.exchanges.into_iter().filter(of_stream).collect()
}

/// The transfers of a recorded WebSocket behind its handshake, as DATA.
fn within(text: &str) -> (Ways<Flow>, Ways<To>) {
    let (ways, sent) = recorded(text);
    let transfers = ways.into_iter().skip(2);
    let transfers = transfers.map(|(flow, bytes)| (flow, data(&bytes)));
    (transfers.collect(), sent)
}

#[test]
fn frames_of_both_ends_prove_one_wherever_it_is_joined() {
    for text in [PLAIN, TAKEOVER] {
        let (transfers, sent) = within(text);
        for beside in [Beside::Nothing, Beside::Requests] {
            let mut found = 0;
            for from in 0..transfers.len() {
                let exchanges = told(&transfers[from..], beside, 1 << 20);
                let left = |flow| transfers[from..].iter().filter(|one| one.0 == flow).count();
                let enough = left(Flow::Sent).min(left(Flow::Received)) >= 6;
                assert!(exchanges.len() == 1 || !enough, "{beside:?} from {from}");
                for exchange in &exchanges {
                    check(exchange, &sent);
                    found += 1;
                }
                if from == 0 && text == PLAIN {
                    assert_eq!(socket(&exchanges[0]).samples.len(), 16);
                }
            }
            assert!(found > 10, "{beside:?}: {found} were found");
        }
    }
}

#[test]
fn it_is_the_same_cut_anywhere() {
    let (transfers, sent) = within(PLAIN);
    for beside in [Beside::Nothing, Beside::Requests] {
        for size in [1, 2, 7, 9, 10, 13, 100] {
            let exchanges = told(&transfers, beside, size);
            // Who reads so little at a time may never begin where a frame does.
            let found = exchanges.iter().map(|one| check(one, &sent)).sum::<usize>();
            assert!(
                found >= 8 || size < 9,
                "{found} of {size} bytes, {beside:?}"
            );
        }
    }
}

#[test]
fn which_end_it_is_masks_tell() {
    let (transfers, sent) = within(PLAIN);
    let turned = transfers.iter().map(|(flow, bytes)| {
        let flow = match flow {
            Flow::Sent => Flow::Received,
            Flow::Received => Flow::Sent,
        };
        (flow, bytes.clone())
    });
    let turned: Vec<_> = turned.collect();
    let server = &told(&transfers, Beside::Nothing, 1 << 20)[0];
    let client = &told(&turned, Beside::Nothing, 1 << 20)[0];
    assert_ne!(server.conn.role, client.conn.role);
    assert_eq!(socket(server).samples, socket(client).samples);
    check(client, &sent);
}

#[test]
fn frames_of_websocket_are_cut_by_frames_of_data_anywhere() {
    // Peers may put any bytes of a stream into a frame of DATA.
    let (ways, sent) = recorded(PLAIN);
    for size in [61, 128, 1000] {
        let mut transfers = Vec::new();
        for (flow, bytes) in ways.iter().skip(2) {
            transfers.extend(bytes.chunks(size).map(|one| (*flow, data(one))));
        }
        let exchanges = told(&transfers, Beside::Requests, 1 << 20);
        assert!(check(&exchanges[0], &sent) >= 8);
    }
}

/// Frames of DATA with what else is streamed both ways.
fn noise() -> impl Strategy<Value = Ways<Flow>> {
    let flow = prop_oneof![Just(Flow::Sent), Just(Flow::Received)];
    let bytes = prop::collection::vec(any::<u8>(), 1..200);
    // Messages of gRPC.
    let call = prop::collection::vec(any::<u8>(), 0..200)
        .prop_map(|body| [&[0, 0, 0, 0, body.len() as u8][..], &body].concat());
    let plain =
        prop::collection::vec(any::<u8>(), 0..100).prop_map(|body| framed(0x82, To::Client, &body));
    let transfer = prop_oneof![4 => bytes, 4 => call, 4 => plain];
    let transfer = transfer.prop_map(|bytes| data(&bytes));
    prop::collection::vec((flow, transfer), 1..60)
}

#[test]
fn other_streams_are_none() {
    proptest!(fixed(500), |(ways in noise())| {
        for beside in [Beside::Nothing, Beside::Requests] {
            for exchange in told(&ways, beside, 1 << 20) {
                prop_assert!(exchange.known.spoken.websocket.is_none());
            }
        }
    });
    // Frames that both ends mask, and that neither does.
    for to in [To::Server, To::Client] {
        let one = data(&framed(0x81, to, b"hello"));
        let flows = [Flow::Sent, Flow::Received].into_iter().cycle();
        let transfers: Vec<_> = flows.take(40).map(|flow| (flow, one.clone())).collect();
        for beside in [Beside::Nothing, Beside::Requests] {
            assert!(told(&transfers, beside, 1 << 20).is_empty());
        }
    }
}

#[test]
fn a_head_that_hides_its_method_does_not_hide_the_websocket() {
    // The method stands in the part of the table that nobody saw.
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    records.push(conn.data(Flow::Received, &frame(1, 5, 3, b"\x82\x84\x86")));
    records.push(conn.data(Flow::Sent, &frame(1, 5, 3, b"\x89")));
    records.push(conn.data(Flow::Received, &frame(1, 4, STREAM, b"\xbe\x84\x86")));
    records.push(conn.data(Flow::Sent, &frame(1, 4, STREAM, b"\x88")));
    for _ in 0..6 {
        let ask = data(&framed(0x81, To::Server, b"ask"));
        records.push(conn.data(Flow::Received, &ask));
        let hello = data(&framed(0x81, To::Client, b"hello"));
        records.push(conn.data(Flow::Sent, &hello));
    }
    let close = data(&framed(0x88, To::Client, b"\x03\xe8"));
    records.push(conn.data(Flow::Sent, &close));
    records.push(conn.end(EndReason::Closed));
    let (out, _) = run(&records);
    let mut ours = out
        .exchanges
        .iter()
        .filter(|one| one.stream == Some(STREAM));
    let exchange = ours.next().unwrap();
    assert!(ours.next().is_none());
    let heard = socket(exchange);
    assert_eq!((heard.samples.len(), heard.close_code), (12, Some(1000)));
    assert_eq!(exchange.request_seen, Seen::JoinedLate);
    let halves = [&exchange.request, &exchange.response];
    for half in halves.into_iter().flatten() {
        assert!(half.body.content.is_empty());
    }
}

#[test]
fn bytes_that_never_came_leave_the_search() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for number in 0..5 {
        let ask = data(&framed(0x81, To::Server, b"ask"));
        records.push(conn.data(Flow::Received, &ask));
        let message = data(&framed(0x81, To::Client, &[b'm'; 100]));
        // Two transfers tell where frames of HTTP/2 begin, and too little of those of WebSocket.
        let copied = if number < 2 { message.len() } else { 40 };
        let all = message.len() as u64;
        records.push(conn.part(Flow::Sent, &message[..copied], all, Missing::Limit));
    }
    let last = data(&framed(0x81, To::Client, b"last"));
    records.push(conn.data(Flow::Sent, &last));
    records.push(conn.end(EndReason::Closed));
    let (out, _) = run(&records);
    let samples = &socket(&out.exchanges[0]).samples;
    assert!(samples.iter().any(|one| one.content == b"last"));
}

#[test]
fn uploads_and_downloads_of_which_no_head_came_take_little_memory() {
    let mut conn = ConnBuilder::tcp(1);
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    shard.push(&conn.open(), &mut out);
    // The first are frames of WebSocket without end, the others nothing of the kind.
    for (byte, held) in [(0x82, 1_100_000), (b'.', 1_100_000), (b'.', 100_000)] {
        let body = vec![byte; 16_000];
        for number in 0..1100_u32 {
            let bytes = frame(0, 0, 1 + 2 * (number % 50), &body);
            shard.push(&conn.data(Flow::Received, &bytes), &mut out);
            assert!(shard.bytes_held() < 1_100_000, "{}", shard.bytes_held());
        }
        assert!(shard.bytes_held() < held, "{}", shard.bytes_held());
    }
    shard.finish(Ktime(9_000_000_000), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert!(out.exchanges.is_empty());
}

#[test]
fn one_that_is_idle_stays() {
    let mut conn = ConnBuilder::tcp(1);
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    shard.push(&conn.open(), &mut out);
    let (transfers, _) = within(PLAIN);
    for (flow, bytes) in transfers.iter().take(24) {
        shard.push(&conn.data(*flow, bytes), &mut out);
    }
    conn.time_ns += 400_000_000_000;
    shard.tick(Ktime(conn.time_ns), &mut out);
    assert!(out.exchanges.iter().all(|one| one.known.spoken.partial));
    out.exchanges.clear();
    let close = framed(0x88, To::Client, b"\x03\xe8");
    shard.push(&conn.data(Flow::Sent, &data(&close)), &mut out);
    let close = framed(0x88, To::Server, b"\x03\xe8");
    shard.push(&conn.data(Flow::Received, &data(&close)), &mut out);
    assert_eq!(out.exchanges.len(), 1);
    assert_eq!(socket(&out.exchanges[0]).close_code, Some(1000));
    shard.finish(Ktime(conn.time_ns), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!(shard.bytes_held(), 0);
}
