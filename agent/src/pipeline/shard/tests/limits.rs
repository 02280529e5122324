//! What is kept of bodies, what the kernel is told to skip, what a call moves beyond what is copied, and what
//! the kernel has between.

use eaves_common::{Flow, Missing};

use super::super::{Options, Outcome, Shard};
use super::{AFTER_GAP, GET, OK, WHOLE, check, line, turn};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::Exchange;
use crate::stream::Word;
use crate::telemetry::Counter;

#[test]
fn long_bodies_are_kept_to_the_limit_and_the_kernel_told_to_skip() {
    let mut conn = ConnBuilder::tcp(1);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, head),
    ];
    records.push(conn.part(Flow::Sent, &[b'x'; 65_536], 900_000, Missing::Limit));
    let begin = conn.position(Flow::Sent);
    records.push(conn.part(Flow::Sent, b"", 100_000, Missing::Skipped));
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, OK));
    let out = check(
        &records,
        &["GET /a 0 whole | 200 1000000 truncated bodylimit", WHOLE],
    );
    let response = out.exchanges[0].response.as_ref().unwrap();
    assert_eq!(response.body.content.len(), 16 * 1024);
    assert_eq!(out.exchanges[0].missing_bytes, 0);
    let word = Word::SkipTo {
        conn: conn.conn,
        flow: Flow::Sent,
        until: (begin + 100_000) & 0xFFFF_FFFF,
    };
    assert_eq!(out.words, [word]);
}

#[test]
fn framing_beyond_what_is_copied_of_a_call_is_lost_by_the_limit_on_the_body() {
    let mut conn = ConnBuilder::tcp(1);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [&b"8000\r\n"[..], &[b'x'; 0x8000], b"\r\n"].concat();
    let body = [&chunk[..], &chunk[..]].concat();
    let (copied, _) = body.split_at(65_536 - head.len());
    let all = [head, copied].concat();
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.part(Flow::Sent, &all, 200_000, Missing::Limit),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    let gap = "GET /a 0 whole | 200 ? gap bodylimit";
    let out = check(&records, &[gap, AFTER_GAP, WHOLE]);
    // Up to the end of the second chunk's data the framing holds.
    let framed = head.len() + body.len() - 2;
    assert_eq!(out.exchanges[0].missing_bytes, 200_000 - framed as u64);
}

#[test]
fn a_head_beyond_what_is_copied_of_a_call_is_lost_by_the_limit_on_heads() {
    let mut conn = ConnBuilder::tcp(1);
    let head = [&GET[..GET.len() - 2], b"x: ", &[b'x'; 60_000]].concat();
    let records = [
        conn.open(),
        conn.part(Flow::Received, &head, 100_000, Missing::Limit),
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    check(&records, &["- gap | 200 5 whole headlimit", AFTER_GAP]);
}

#[test]
fn a_large_chunk_is_skipped_to_its_end() {
    let mut conn = ConnBuilder::unix(1, 2);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n";
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, head),
    ];
    records.push(conn.data(Flow::Sent, &[b'x'; 0x8000]));
    let until = conn.position(Flow::Sent) + 0x18000;
    records.push(conn.part(Flow::Sent, b"", 0x18000, Missing::Skipped));
    records.push(conn.data(Flow::Sent, b"\r\n2\r\nyy\r\n0\r\n\r\n"));
    let out = check(
        &records,
        &["GET /a 0 whole | 200 131074 truncated bodylimit"],
    );
    let (conn, flow) = (conn.conn, Flow::Sent);
    assert_eq!(out.words, [Word::SkipTo { conn, flow, until }]);
}

/// What is heard of a conn whose end that answers, and process, are told anew.
#[track_caller]
fn is_upper(mut conn: ConnBuilder, expected: bool) {
    let mut records = turn(&mut conn);
    conn.tgid += 1;
    records.extend(turn(&mut conn));
    let out = check(&records, &[WHOLE, WHOLE]);
    let upper = out.exchanges.iter().map(|one| one.conn.open.upper);
    assert_eq!(upper.collect::<Vec<_>>(), [expected; 2]);
}

#[test]
fn what_tcp_does_not_count_passed_through_a_protocol_of_the_kernel() {
    is_upper(ConnBuilder::tcp(1), false);
    let encrypted = ConnBuilder {
        upper: true,
        positions: [0, 0],
        ..ConnBuilder::tcp(1)
    };
    is_upper(encrypted, true);
    is_upper(ConnBuilder::unix(1, 2), false);
}

/// What is heard of a conn while bodies are halved so often.
#[track_caller]
fn shortened(records: &[Vec<u8>], times: u8, expected: &[&str], shed: u64) -> Vec<usize> {
    let mut shard = Shard::new(&Options::default());
    shard.shorten_bodies(times);
    let mut out = Outcome::default();
    for record in records {
        shard.push(record, &mut out);
    }
    shard.finish(Ktime(5_000_000_000), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!(shard.counters().get(Counter::ExchangesBodiesShed), shed);
    let lines: Vec<_> = out.exchanges.iter().map(line).collect();
    assert_eq!(lines, expected);
    let kept = |one: &Exchange| one.response.as_ref().unwrap().body.content.len();
    out.exchanges.iter().map(kept).collect()
}

#[test]
fn bodies_are_shortened_but_for_who_comes_in_and_errors() {
    let mut conn = ConnBuilder::tcp(1);
    let body = vec![b'x'; 600];
    let answer = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 600\r\n\r\n");
        [head.as_bytes(), &body].concat()
    };
    let login = b"POST /login HTTP/1.1\r\nContent-Length: 7\r\n\r\nuser=me";
    let post = b"POST /items HTTP/1.1\r\nContent-Length: 7\r\n\r\nname=me";
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, &answer("200 OK")),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, &answer("404 Not Found")),
        conn.data(Flow::Received, login),
        conn.data(Flow::Sent, &answer("200 OK")),
        conn.data(Flow::Received, post),
        conn.data(Flow::Sent, &answer("500 Oh")),
    ];
    let (whole, error) = (
        "GET /a 0 whole | 200 600 whole",
        "GET /a 0 whole | 404 600 whole",
    );
    let login = "POST /login 7 whole | 200 600 whole";
    let failed = "POST /items 7 whole | 500 600 whole";
    let kept = shortened(&records, 4, &[whole, error, login, failed], 0);
    assert_eq!(kept, [600; 4], "all of these fit");
    let cut = "GET /a 0 whole | 200 600 truncated shed";
    let kept = shortened(&records, 6, &[cut, error, login, failed], 1);
    assert_eq!(kept, [256, 600, 600, 600]);
    let failed = "POST /items 7 truncated | 500 600 whole shed";
    let kept = shortened(&records, 8, &[cut, error, login, failed], 2);
    assert_eq!(kept, [0, 600, 600, 600]);
}
