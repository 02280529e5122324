use eaves_common::{EndReason, Flow, Missing};

use super::{Options, Outcome, Shard};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::{Exchange, Seen};
use crate::stream::Word;
use crate::telemetry::Counter;

mod bounds;
mod http2;
mod inside;
mod limits;
mod loss;
mod random;
mod records;
mod sessions;

/// What an exchange says, in one line: `METHOD target bytes seen | status bytes seen`, reasons, and
/// anomalies.
fn line(exchange: &Exchange) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let total = |total: Option<u64>| total.map_or("?".to_owned(), |n| n.to_string());
    let request = exchange.request.as_ref().map_or("-".to_owned(), |half| {
        let head = &half.head;
        let (word, target) = (text(head.get(head.word)), text(head.get(head.target)));
        format!("{word} {target} {}", total(half.body.total_bytes))
    });
    let response = exchange.response.as_ref().map_or("-".to_owned(), |half| {
        format!("{} {}", half.status, total(half.body.total_bytes))
    });
    let seen = |seen: Seen| format!("{seen:?}").to_lowercase();
    let mut line = format!(
        "{request} {} | {response} {}",
        seen(exchange.request_seen),
        seen(exchange.response_seen)
    );
    for reason in &exchange.reasons {
        line += &format!(" {reason:?}").to_lowercase();
    }
    for anomaly in &exchange.anomalies {
        line += &format!(" !{anomaly}");
    }
    line
}

/// Runs records through a shard; the ledger must balance, and nothing must be left.
#[track_caller]
fn run(records: &[Vec<u8>]) -> (Outcome, Shard) {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    for record in records {
        shard.push(record, &mut out);
    }
    shard.tick(Ktime(4_000_000_000), &mut out);
    shard.finish(Ktime(5_000_000_000), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!((shard.conns(), shard.bytes_held()), (0, 0));
    (out, shard)
}

#[track_caller]
fn check(records: &[Vec<u8>], expected: &[&str]) -> Outcome {
    let (out, _) = run(records);
    let lines: Vec<_> = out.exchanges.iter().map(line).collect();
    assert_eq!(lines, expected);
    out
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const WHOLE: &str = "GET /a 0 whole | 200 5 whole";
const AFTER_GAP: &str = "GET /a 0 whole | 200 5 whole !paired_after_gap";

/// The records of a conn's first exchange.
fn turn(conn: &mut ConnBuilder) -> Vec<Vec<u8>> {
    vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ]
}

#[test]
fn a_server_hears_a_request_and_its_response() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
        conn.end(EndReason::Closed),
    ];
    let out = check(&records, &[WHOLE, WHOLE]);
    let response = out.exchanges[1].response.as_ref().unwrap();
    assert_eq!(response.body.content, b"hello");
    assert_eq!(out.exchanges[1].ordinal, 1);
    assert_eq!(out.exchanges[1].conn.role, eaves_common::Role::Server);
    assert_eq!(response.began, Ktime(1_000_004_000));
    assert!(out.words.is_empty());
}

#[test]
fn a_client_hears_the_same_and_is_the_client() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Sent, GET),
        conn.data(Flow::Received, OK),
    ];
    let out = check(&records, &[WHOLE]);
    assert_eq!(out.exchanges[0].conn.role, eaves_common::Role::Client);
}

#[test]
fn another_process_does_not_make_another_conn() {
    let mut conn = ConnBuilder::tcp(1);
    let first = conn.open();
    let (get, ok) = (conn.data(Flow::Received, GET), conn.data(Flow::Sent, OK));
    conn.tgid = 200;
    let again = conn.open();
    let records = [
        first,
        get,
        ok,
        again,
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    let out = check(&records, &[WHOLE, WHOLE]);
    let open = |at: usize| &out.exchanges[at].conn.open;
    assert_eq!((open(0).tgid, open(1).tgid), (100, 200));
    assert_eq!(open(0).time, open(1).time);
}

#[test]
fn a_response_read_before_the_write_has_told_waits_for_its_request() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(
            Flow::Received,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        ),
        conn.data(Flow::Sent, b"HEAD /a HTTP/1.1\r\n\r\n"),
        conn.data(Flow::Received, OK),
        conn.data(Flow::Sent, GET),
    ];
    check(&records, &["HEAD /a 0 whole | 200 0 whole", WHOLE]);
}

#[test]
fn a_response_whose_request_never_comes_waits_no_longer_than_it_may() {
    let mut conn = ConnBuilder::tcp(1);
    let (open, early) = (conn.open(), conn.data(Flow::Received, OK));
    conn.time_ns += 6_000_000;
    let records = [
        open,
        early,
        conn.data(Flow::Sent, GET),
        conn.data(Flow::Received, OK),
    ];
    check(&records, &["- joinedlate | 200 5 whole", WHOLE]);
}

#[test]
fn requests_cut_at_each_byte_are_the_same_requests() {
    let request = b"POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for cut in 1..response.len() {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = vec![conn.open()];
        let early = cut.min(request.len() - 1);
        records.push(conn.data(Flow::Received, &request[..early]));
        records.push(conn.data(Flow::Received, &request[early..]));
        records.push(conn.data(Flow::Sent, &response[..cut]));
        records.push(conn.data(Flow::Sent, &response[cut..]));
        check(&records, &["POST /p 3 whole | 200 3 whole"]);
    }
}

#[test]
fn one_byte_a_record_is_the_same_exchange() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for _ in 0..2 {
        records.extend(GET.chunks(1).map(|byte| conn.data(Flow::Received, byte)));
        records.extend(OK.chunks(1).map(|byte| conn.data(Flow::Sent, byte)));
    }
    check(&records, &[WHOLE, WHOLE]);
}

#[test]
fn an_end_that_is_not_wanted_is_passed_over_however_slowly_it_opens() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    records.extend(GET.chunks(1).map(|byte| conn.data(Flow::Sent, byte)));
    records.push(conn.data(Flow::Received, OK));
    records.push(conn.end(EndReason::Closed));
    let mut options = Options::default();
    options.exchange.clients = false;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    for record in &records {
        shard.push(record, &mut out);
    }
    shard.finish(Ktime(5_000_000_000), &mut out);
    assert_eq!(out.exchanges, []);
    assert_eq!(out.words, [Word::NotHttp { conn: conn.conn }]);
    assert_eq!(shard.counters().check(), []);
}

#[test]
fn bytes_of_sendfile_are_a_gap_of_known_length() {
    let mut conn = ConnBuilder::tcp(1);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, head),
        conn.part(Flow::Sent, b"", 1000, Missing::UnseenPath),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    let out = check(
        &records,
        &["GET /a 0 whole | 200 1000 gap unseenpath", WHOLE],
    );
    assert_eq!(out.exchanges[0].missing_bytes, 1000);
}

#[test]
fn bytes_no_record_tells_of_are_a_gap_too() {
    let mut conn = ConnBuilder::tcp(1);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, head),
    ];
    conn.pass(Flow::Sent, 1000);
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, OK));
    check(
        &records,
        &["GET /a 0 whole | 200 1000 gap unseenpath", WHOLE],
    );
}

#[test]
fn bytes_that_never_come_at_the_end_are_a_gap_at_close() {
    let mut conn = ConnBuilder::tcp(1);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, head),
    ];
    conn.pass(Flow::Sent, 1000);
    records.push(conn.end(EndReason::SentFinished));
    conn.pass(Flow::Sent, 1);
    records.push(conn.end(EndReason::Closed));
    check(&records, &["GET /a 0 whole | 200 1000 gap unseenpath"]);
}

#[test]
fn bytes_at_the_end_that_found_the_ring_full_say_so() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for reason in [EndReason::SentFinished, EndReason::Closed, EndReason::Reset] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = turn(&mut conn);
        records.push(conn.data(Flow::Received, GET));
        records.push(conn.data(Flow::Sent, head));
        conn.pass(Flow::Sent, 1000);
        conn.after_loss = true;
        if reason == EndReason::Closed {
            conn.pass(Flow::Sent, 1);
        }
        records.push(conn.end(reason));
        let (out, shard) = run(&records);
        let told = line(&out.exchanges[1]);
        assert_eq!(told, "GET /a 0 whole | 200 1000 gap ringfull", "{reason:?}");
        assert_eq!(shard.counters().get(Counter::StreamGapBytesRing), 1000);
        assert_eq!(shard.counters().get(Counter::StreamGapBytesUnseen), 0);
    }
}

#[test]
fn a_fin_is_no_gap() {
    let head = b"HTTP/1.0 200 OK\r\n\r\nuntil close";
    for ends in [
        &[
            EndReason::SentFinished,
            EndReason::ReceivedFinished,
            EndReason::Closed,
        ][..],
        &[
            EndReason::ReceivedFinished,
            EndReason::SentFinished,
            EndReason::Closed,
        ],
        &[EndReason::ReceivedFinished, EndReason::Closed],
        &[EndReason::Closed],
    ] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
        records.push(conn.data(Flow::Sent, head));
        for end in ends {
            if *end == EndReason::ReceivedFinished {
                conn.pass(Flow::Received, 1);
            } else if *end == EndReason::Closed {
                conn.pass(Flow::Sent, 1);
            }
            records.push(conn.end(*end));
        }
        let (out, shard) = run(&records);
        assert_eq!(
            line(&out.exchanges[0]),
            "GET /a 0 whole | 200 11 whole",
            "{ends:?}"
        );
        assert_eq!(shard.counters().get(Counter::StreamGaps), 0, "{ends:?}");
    }
}

#[test]
fn a_reset_leaves_what_is_under_way_unfinished() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(
            Flow::Sent,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        ),
        conn.end(EndReason::Reset),
    ];
    check(&records, &["GET /a 0 whole | 200 5 unfinished reset"]);
}

#[test]
fn pipelined_requests_get_their_responses_in_order() {
    let mut conn = ConnBuilder::tcp(1);
    let requests = [GET, b"HEAD /b HTTP/1.1\r\n\r\n", b"GET /c HTTP/1.0\r\n\r\n"].concat();
    let responses = [
        OK,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\nuntil close",
    ]
    .concat();
    let records = [
        conn.open(),
        conn.data(Flow::Received, &requests),
        conn.data(Flow::Sent, &responses),
        conn.end(EndReason::Closed),
    ];
    check(
        &records,
        &[
            WHOLE,
            "HEAD /b 0 whole | 204 0 whole",
            "GET /c 0 whole | 404 11 whole",
        ],
    );
}

#[test]
fn a_response_may_come_before_its_request_ended() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(
            Flow::Received,
            b"PUT /u HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc",
        ),
        conn.data(
            Flow::Sent,
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n",
        ),
        conn.data(Flow::Received, b"def"),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    check(&records, &["PUT /u 6 whole | 413 0 whole", WHOLE]);
}

#[test]
fn upgrade_and_connect_end_http() {
    for (request, response, expected) in [
        (
            &b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"[..],
            &b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01a"[..],
            "GET /ws 0 whole | 101 0 whole",
        ),
        (
            b"CONNECT h:443 HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            "CONNECT h:443 0 whole | 200 0 whole",
        ),
    ] {
        let mut conn = ConnBuilder::tcp(1);
        let records = [
            conn.open(),
            conn.data(Flow::Received, request),
            conn.data(Flow::Sent, response),
            conn.data(Flow::Received, b"\x16\x03\x01"),
        ];
        let out = check(&records, &[expected]);
        assert_eq!(out.words, [Word::NotHttp { conn: conn.conn }]);
    }
}

#[test]
fn a_conn_that_goes_on_after_it_was_http_is_named_again() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = turn(&mut conn);
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    records.extend((0..600).map(|_| conn.data(Flow::Received, b"\x81\x01a")));
    let (out, shard) = run(&records);
    assert_eq!(out.words, [Word::NotHttp { conn: conn.conn }; 3]);
    assert_eq!(shard.counters().get(Counter::StreamDataNotHttp), 600);
}

#[test]
fn what_only_looks_like_a_request_is_not_http() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Sent, b"220 mail.example ESMTP\r\n"),
        conn.data(Flow::Received, b"EHLO client.example\r\n"),
        conn.data(Flow::Sent, b"250 mail.example\r\n"),
        conn.data(Flow::Received, b"QUIT\r\n"),
    ];
    let out = check(&records, &[]);
    assert_eq!(out.words, [Word::NotHttp { conn: conn.conn }]);
}

#[test]
fn garbage_on_an_http_port_is_told_with_its_answer() {
    let bad = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Received, b"GET nonsense\r\n\r\n"),
        conn.data(Flow::Sent, bad),
        conn.end(EndReason::Closed),
    ];
    let out = check(&records, &["- none | 400 0 whole !invalid_head"]);
    assert!(out.words.is_empty());
    let mut conn = ConnBuilder::tcp(2);
    let records = [
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, b"\x16\x03\x01\x00\x05"),
        conn.data(Flow::Sent, bad),
    ];
    check(&records, &[WHOLE, "- none | 400 0 whole !invalid_head"]);
}

#[test]
fn the_head_of_a_proxy_is_passed_over() {
    for head in [
        &b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\x88\0\x50",
    ] {
        let bytes = [head, GET].concat();
        for cut in 1..bytes.len() {
            let mut conn = ConnBuilder::tcp(1);
            let records = [
                conn.open(),
                conn.data(Flow::Received, &bytes[..cut]),
                conn.data(Flow::Received, &bytes[cut..]),
                conn.data(Flow::Sent, OK),
            ];
            check(&records, &[WHOLE]);
        }
    }
}

#[test]
fn joining_in_the_middle_hears_the_next_exchange() {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Sent, b"tail of a body"),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    check(&records, &[WHOLE]);
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Received, b"tail of an upload"),
        conn.data(Flow::Sent, OK),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    check(&records, &["- joinedlate | 200 5 whole", WHOLE]);
}

#[test]
fn a_conn_without_an_open_record_is_dropped_and_counted() {
    let mut conn = ConnBuilder::tcp(1);
    let (out, shard) = run(&[conn.data(Flow::Received, GET), conn.end(EndReason::Closed)]);
    assert!(out.exchanges.is_empty());
    assert_eq!(shard.counters().get(Counter::StreamDataUnknown), 1);
    assert_eq!(shard.counters().get(Counter::StreamEndsUnknown), 1);
}

#[test]
fn a_sock_whose_address_comes_back_is_another_conn() {
    let mut conn = ConnBuilder::unix(1, 2);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    let mut next = ConnBuilder::unix(1, 2);
    next.conn.inode = 8;
    records.extend([
        next.open(),
        next.data(Flow::Received, GET),
        next.data(Flow::Sent, OK),
        conn.data(Flow::Sent, OK),
    ]);
    check(&records, &["GET /a 0 whole | - none", WHOLE]);
}

#[test]
fn an_end_that_nobody_told_does_not_make_a_response_whole() {
    let mut conn = ConnBuilder::unix(1, 2);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    records.push(conn.data(Flow::Sent, b"HTTP/1.0 200 OK\r\n\r\nabc"));
    let mut next = ConnBuilder::unix(1, 2);
    next.conn.inode = 8;
    records.push(next.open());
    check(&records, &["GET /a 0 whole | 200 3 unfinished"]);
}

#[test]
fn the_end_of_a_unix_conn_is_told_by_its_sock_alone() {
    let mut conn = ConnBuilder::unix(1, 2);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    records.push(conn.data(Flow::Sent, b"HTTP/1.0 200 OK\r\n\r\nabc"));
    conn.conn.inode = 0;
    records.push(conn.end(EndReason::PeerGone));
    check(&records, &["GET /a 0 whole | 200 3 whole"]);
}

#[test]
fn another_process_on_a_conn_is_told_with_what_follows() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    conn.tgid = 200;
    records.extend([
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ]);
    let out = check(&records, &[WHOLE, WHOLE]);
    let tgids = out.exchanges.iter().map(|exchange| exchange.conn.open.tgid);
    assert_eq!(tgids.collect::<Vec<_>>(), [100, 200]);
}
