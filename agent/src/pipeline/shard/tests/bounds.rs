//! Conns, bytes and time: what they are bounded by, and what is told of what had to go.

use eaves_common::{EndReason, Flow};

use super::{GET, OK, Options, Outcome, Shard, WHOLE, line};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::Exchange;
use crate::stream::Word;
use crate::telemetry::Counter;

const SECOND: u64 = 1_000_000_000;

/// Pushes records and says how the exchanges read.
fn push(shard: &mut Shard, out: &mut Outcome, records: &[Vec<u8>]) -> Vec<String> {
    for record in records {
        shard.push(record, out);
    }
    out.exchanges
        .drain(..)
        .filter(|exchange| !exchange.known.spoken.partial)
        .map(|exchange| line(&exchange))
        .collect()
}

/// Closes all; the ledger must balance.
fn finish(mut shard: Shard, out: &mut Outcome) -> Shard {
    shard.finish(Ktime(u64::MAX), out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!((shard.conns(), shard.bytes_held()), (0, 0));
    shard
}

#[test]
fn ten_thousand_idle_conns_take_a_few_kilobytes_each() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    for sock in 1..=10_000 {
        let mut conn = ConnBuilder::tcp(sock);
        let records = [
            conn.open(),
            conn.data(Flow::Received, GET),
            conn.data(Flow::Sent, OK),
        ];
        assert_eq!(push(&mut shard, &mut out, &records), [WHOLE]);
    }
    assert_eq!(shard.conns(), 10_000);
    let each = shard.bytes_held() / 10_000;
    assert!(each < 3072, "{each} bytes a conn");
    finish(shard, &mut out);
}

#[test]
fn a_flood_of_half_requests_stays_within_the_budget() {
    let mut options = Options::default();
    options.stream.bytes = 2 << 20;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let body = [b'x'; 12_000];
    for sock in 1..=3_000 {
        let mut conn = ConnBuilder::tcp(sock);
        let half: &[u8] = match sock % 3 {
            0 => b"GET / HTTP/1.1\r\nHost: x\r\nLong: yyyyyyyyyyyyyyyyyyyyyyyyy",
            1 => b"POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n",
            _ => b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        };
        let records = [
            conn.open(),
            conn.data(Flow::Received, half),
            conn.data(Flow::Received, &body),
        ];
        for record in &records {
            shard.push(record, &mut out);
            assert!(shard.bytes_held() <= options.stream.bytes as u64);
        }
    }
    let shard = finish(shard, &mut out);
    assert!(shard.counters().get(Counter::StreamSheds) > 0);
    let shed = out
        .exchanges
        .iter()
        .filter(|one| line(one).contains("shed"));
    assert!(shed.count() > 1000);
}

#[test]
fn bare_conns_make_room_by_the_dozen() {
    let mut options = Options::default();
    options.stream.bytes = 1 << 20;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let mut evictions = Vec::new();
    for sock in 1..=5_000 {
        shard.push(&ConnBuilder::tcp(sock).open(), &mut out);
        assert!(shard.bytes_held() <= options.stream.bytes as u64);
        evictions.push(shard.counters().get(Counter::StreamConnsEvicted));
    }
    let at_once: Vec<_> = evictions.windows(2).map(|two| two[1] - two[0]).collect();
    let had_to = at_once.iter().filter(|gone| **gone > 0).count();
    assert!(had_to > 0 && had_to < 500, "{had_to} searches");
    assert_eq!(out.words.len() as u64, evictions[4_999]);
    finish(shard, &mut out);
}

#[test]
fn one_conn_gives_up_what_is_beyond_its_share_and_goes_on() {
    let mut options = Options::default();
    options.stream.conn_bytes = 8 * 1024;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    let mut body = b"PUT /big HTTP/1.1\r\nContent-Length: 10000\r\n\r\n".to_vec();
    body.extend([b'x'; 9_990]);
    let records = [
        conn.open(),
        conn.data(Flow::Received, &body),
        conn.data(Flow::Received, b"0123456789"),
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    let told = push(&mut shard, &mut out, &records);
    assert_eq!(told, ["PUT /big 10000 truncated | 200 5 whole shed", WHOLE]);
    assert_eq!(shard.counters().get(Counter::StreamSheds), 1);
    finish(shard, &mut out);
}

#[test]
fn what_holds_little_goes_on_where_memory_runs_short() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut small = ConnBuilder::tcp(1);
    let mut large = ConnBuilder::tcp(2);
    let head: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 40000\r\n\r\n";
    let records = [
        small.open(),
        small.data(Flow::Received, GET),
        large.open(),
        large.data(Flow::Received, head),
        large.data(Flow::Received, &[b'x'; 30_000]),
    ];
    assert!(push(&mut shard, &mut out, &records).is_empty());
    let held = shard.bytes_held();
    shard.give_up(&mut out);
    assert!(shard.bytes_held() < held - 15_000, "{held}");
    assert_eq!(shard.counters().get(Counter::StreamSheds), 1);
    let answered = [small.data(Flow::Sent, OK)];
    assert_eq!(push(&mut shard, &mut out, &answered), [WHOLE]);
    finish(shard, &mut out);
}

#[test]
fn the_conn_quiet_longest_makes_room_and_rather_one_with_nothing_under_way() {
    let mut options = Options::default();
    options.stream.conns = 3;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let mut conns: Vec<_> = (1..=4).map(ConnBuilder::tcp).collect();
    for (at, conn) in conns.iter_mut().enumerate() {
        conn.time_ns += at as u64 * SECOND;
    }
    let waiting = [conns[0].open(), conns[0].data(Flow::Received, GET)];
    assert!(push(&mut shard, &mut out, &waiting).is_empty());
    for conn in &mut conns[1..] {
        let records = [
            conn.open(),
            conn.data(Flow::Received, GET),
            conn.data(Flow::Sent, OK),
        ];
        assert_eq!(push(&mut shard, &mut out, &records), [WHOLE]);
    }
    assert_eq!(shard.conns(), 3);
    let late = [conns[0].data(Flow::Sent, OK)];
    assert_eq!(push(&mut shard, &mut out, &late), [WHOLE]);
    assert_eq!(shard.counters().get(Counter::StreamConnsEvicted), 1);
    let unknown = Word::Unknown {
        conn: conns[1].conn,
    };
    assert_eq!(out.words, [unknown]);
    finish(shard, &mut out);
}

#[test]
fn a_conn_that_had_to_go_is_opened_anew_when_it_speaks() {
    let mut options = Options::default();
    options.stream.conns = 1;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let (mut gone, mut other) = (ConnBuilder::tcp(1), ConnBuilder::tcp(2));
    push(&mut shard, &mut out, &[gone.open(), other.open()]);
    let unknown = Word::Unknown { conn: gone.conn };
    assert_eq!(std::mem::take(&mut out.words), [unknown]);
    // The word had not reached the kernel yet: it is said again, once a transfer.
    let mut rest = gone.data(Flow::Received, b"tail of an upload");
    rest[2..4].copy_from_slice(&eaves_common::data_flag::SEQUENCE.to_ne_bytes());
    let lost = [gone.data(Flow::Received, GET), rest];
    assert!(push(&mut shard, &mut out, &lost).is_empty());
    assert_eq!(std::mem::take(&mut out.words), [unknown]);
    assert_eq!(shard.counters().get(Counter::StreamDataUnknown), 2);
    let records = [
        gone.open(),
        gone.data(Flow::Sent, OK),
        gone.data(Flow::Received, GET),
        gone.data(Flow::Sent, OK),
    ];
    let told = push(&mut shard, &mut out, &records);
    assert_eq!(told, ["- joinedlate | 200 5 whole", WHOLE]);
    assert_eq!(out.words, [Word::Unknown { conn: other.conn }]);
    finish(shard, &mut out);
}

#[test]
fn a_conn_that_is_not_http_is_let_go_without_a_word() {
    let mut options = Options::default();
    options.stream.conns = 1;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let mut upgraded = ConnBuilder::tcp(1);
    let records = [
        upgraded.open(),
        upgraded.data(Flow::Received, GET),
        upgraded.data(Flow::Sent, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        ConnBuilder::tcp(2).open(),
    ];
    assert_eq!(push(&mut shard, &mut out, &records).len(), 1);
    let conn = upgraded.conn;
    assert_eq!(out.words, [Word::NotHttp { conn }]);
    finish(shard, &mut out);
}

#[test]
fn a_pair_in_doubt_that_goes_on_is_neither_told_nor_waited_for() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    conn.pass(Flow::Sent, 300);
    conn.after_loss = true;
    let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n";
    records.push(conn.data(Flow::Sent, endless));
    assert!(push(&mut shard, &mut out, &records).is_empty());
    for seconds in [2, 70, u64::MAX / SECOND / 2] {
        shard.tick(Ktime(conn.time_ns + seconds * SECOND), &mut out);
        assert!(
            out.exchanges
                .iter()
                .all(|exchange| !exchange.known.spoken.partial)
        );
    }
    shard.finish(Ktime(u64::MAX), &mut out);
    assert!(!out.exchanges.is_empty());
}

#[test]
fn what_gets_no_byte_for_the_idle_time_is_told_and_the_conn_stays() {
    let options = Options::default();
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    push(
        &mut shard,
        &mut out,
        &[conn.open(), conn.data(Flow::Received, GET)],
    );
    let begun = conn.time_ns;
    for seconds in 1..290 {
        shard.tick(Ktime(begun + seconds * SECOND), &mut out);
    }
    let is_partial = |exchange: &Exchange| exchange.known.spoken.partial;
    assert!(
        out.exchanges.iter().all(is_partial),
        "a long poll is waited for"
    );
    for seconds in 290..400 {
        shard.tick(Ktime(begun + seconds * SECOND), &mut out);
    }
    assert_eq!(
        push(&mut shard, &mut out, &[]),
        ["GET /a 0 whole | - none timeout"]
    );
    conn.time_ns = begun + 8 * 3600 * SECOND;
    let records = [
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    assert_eq!(
        push(&mut shard, &mut out, &records),
        ["- none | 200 5 whole", WHOLE]
    );
    finish(shard, &mut out);
}

#[test]
fn a_byte_a_second_is_no_timeout() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    let slow = [GET, GET, GET].concat();
    for byte in slow.chunks(1) {
        conn.time_ns += 60 * SECOND;
        records.push(conn.data(Flow::Received, byte));
    }
    for record in &records {
        shard.push(record, &mut out);
        shard.tick(Ktime(conn.time_ns - 30 * SECOND), &mut out);
    }
    records.clear();
    conn.time_ns += SECOND;
    let told = push(
        &mut shard,
        &mut out,
        &[conn.data(Flow::Sent, &[OK, OK, OK].concat())],
    );
    assert_eq!(told, [WHOLE, WHOLE, WHOLE]);
    finish(shard, &mut out);
}

#[test]
fn a_conn_is_forgotten_after_the_longest_quiet() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    push(
        &mut shard,
        &mut out,
        &[conn.open(), conn.data(Flow::Received, GET)],
    );
    for hour in 1..30 {
        shard.tick(Ktime(conn.time_ns + hour * 3600 * SECOND), &mut out);
    }
    assert_eq!(shard.conns(), 0);
    assert_eq!(shard.counters().get(Counter::StreamConnsForgotten), 1);
    assert_eq!(out.words, [Word::Unknown { conn: conn.conn }]);
    finish(shard, &mut out);
}

#[test]
fn what_is_open_at_the_stop_is_unfinished() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(
            Flow::Sent,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        ),
    ];
    push(&mut shard, &mut out, &records);
    finish(shard, &mut out);
    assert_eq!(
        push(&mut Shard::new(&Options::default()), &mut out, &[]),
        ["GET /a 0 whole | 200 3 unfinished"]
    );
}

#[test]
fn a_hole_is_waited_for_no_longer_than_it_may() {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let mut conn = ConnBuilder::tcp(1);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, head),
    ];
    conn.pass(Flow::Sent, 4);
    records.push(conn.data(Flow::Sent, b"tail"));
    assert!(push(&mut shard, &mut out, &records).is_empty());
    shard.tick(Ktime(conn.time_ns + 4_000_000), &mut out);
    assert!(out.exchanges.is_empty());
    shard.tick(Ktime(conn.time_ns + 6_000_000), &mut out);
    let told = push(&mut shard, &mut out, &[]);
    assert_eq!(told, ["GET /a 0 whole | 200 8 gap unseenpath"]);
    push(&mut shard, &mut out, &[conn.end(EndReason::Closed)]);
    assert_eq!(shard.counters().get(Counter::StreamGapBytesUnseen), 4);
    finish(shard, &mut out);
}
