//! What is lost, late, repeated or disputed, and the exchanges after it.

use eaves_common::{EndReason, Flow, Missing};

use super::{AFTER_GAP, GET, OK, WHOLE, check, line, run, turn};
use crate::capture::ConnBuilder;
use crate::telemetry::Counter;

#[test]
fn records_out_of_order_are_put_in_order() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = turn(&mut conn);
    records.push(conn.data(Flow::Received, GET));
    let (first, second) = OK.split_at(20);
    let first = conn.data(Flow::Sent, first);
    let second = conn.data(Flow::Sent, second);
    records.extend([second.clone(), first, second]);
    let (out, shard) = run(&records);
    assert_eq!(line(&out.exchanges[1]), WHOLE);
    let duplicate = shard.counters().get(Counter::StreamBytesDuplicate);
    assert_eq!(duplicate, OK.len() as u64 - 20);
}

#[test]
fn of_pieces_that_claim_the_same_bytes_none_is_believed() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
    records.push(conn.data(Flow::Sent, head));
    // Two threads wrote `aaaa` and `bbbb`; the first read the position after both.
    conn.pass(Flow::Sent, 8);
    let end = conn.position(Flow::Sent);
    conn.tid = 101;
    records.push(conn.at(Flow::Sent, end, b"aaaa", 4, Missing::None));
    conn.tid = 102;
    records.push(conn.at(Flow::Sent, end, b"bbbb", 4, Missing::None));
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, OK));
    let out = check(&records, &["GET /a 0 whole | 200 8 gap unseenpath", WHOLE]);
    assert_eq!(
        out.exchanges[0].response.as_ref().unwrap().body.content,
        b""
    );
}

#[test]
fn after_a_full_ring_the_next_exchange_is_right_again() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    // The tail of the first response, the second request and the second response are lost.
    records.push(conn.data(Flow::Sent, &OK[..OK.len() - 2]));
    conn.pass(Flow::Sent, 2);
    conn.pass(Flow::Received, GET.len() as u64);
    conn.pass(Flow::Sent, OK.len() as u64);
    conn.after_loss = true;
    records.push(conn.data(Flow::Received, b"GET /c HTTP/1.1\r\n\r\n"));
    conn.after_loss = true;
    records.push(conn.data(Flow::Sent, OK));
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, OK));
    check(
        &records,
        &[
            "GET /a 0 whole | 200 5 gap ringfull",
            "GET /c 0 whole | 200 5 whole !paired_after_gap",
            WHOLE,
        ],
    );
}

#[test]
fn a_lost_response_is_not_taken_from_the_next_request() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = turn(&mut conn);
    records.push(conn.data(Flow::Received, b"GET /1 HTTP/1.1\r\n\r\n"));
    records.push(conn.data(Flow::Sent, OK));
    records.push(conn.data(Flow::Received, GET));
    conn.pass(Flow::Sent, OK.len() as u64);
    records.push(conn.data(Flow::Received, b"GET /b HTTP/1.1\r\n\r\n"));
    conn.after_loss = true;
    records.push(conn.data(Flow::Sent, OK));
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, OK));
    check(
        &records,
        &[
            WHOLE,
            "GET /1 0 whole | 200 5 whole",
            "GET /a 0 whole | - gap ringfull",
            "GET /b 0 whole | 200 5 whole !paired_after_gap",
            WHOLE,
        ],
    );
}

#[test]
fn without_a_turn_seen_a_response_after_a_loss_is_nobodys() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open(), conn.data(Flow::Received, GET)];
    conn.pass(Flow::Sent, OK.len() as u64);
    records.push(conn.data(Flow::Received, b"GET /b HTTP/1.1\r\n\r\n"));
    conn.after_loss = true;
    records.push(conn.data(Flow::Sent, OK));
    check(
        &records,
        &[
            "- none | 200 5 whole",
            "GET /a 0 whole | - gap ringfull",
            "GET /b 0 whole | - gap ringfull",
        ],
    );
}

#[test]
fn a_lost_request_leaves_its_response_alone() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
    ];
    conn.pass(Flow::Received, 30);
    records.push(conn.data(Flow::Sent, OK));
    conn.after_loss = true;
    records.push(conn.data(Flow::Received, GET));
    records.push(conn.data(Flow::Sent, OK));
    check(&records, &[WHOLE, "- none | 200 5 whole", AFTER_GAP]);
}

#[test]
fn on_a_conn_that_pipelines_nothing_is_paired_after_a_loss() {
    let mut conn = ConnBuilder::tcp(1);
    let two = [GET, b"GET /b HTTP/1.1\r\n\r\n"].concat();
    let mut records = vec![conn.open(), conn.data(Flow::Received, &two)];
    conn.pass(Flow::Sent, OK.len() as u64);
    conn.after_loss = true;
    records.push(conn.data(Flow::Sent, OK));
    let (out, _) = run(&records);
    let mut lines: Vec<_> = out.exchanges.iter().map(line).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "- none | 200 5 whole",
            "GET /a 0 whole | - gap ringfull",
            "GET /b 0 whole | - gap ringfull",
        ]
    );
}

#[test]
fn positions_that_begin_anew_are_a_loss_and_no_repetition() {
    let mut conn = ConnBuilder::unix(1, 2);
    let mut records = turn(&mut conn);
    records.push(conn.data(Flow::Received, GET));
    // The kernel programs had to forget the conn, and count from here on.
    conn.positions = [0, 0];
    conn.afresh = true;
    records.push(conn.open());
    records.push(conn.data(Flow::Sent, OK));
    for _ in 0..2 {
        records.push(conn.data(Flow::Received, GET));
        records.push(conn.data(Flow::Sent, OK));
    }
    records.push(conn.end(EndReason::Closed));
    let (out, shard) = run(&records);
    let lines: Vec<_> = out.exchanges.iter().map(line).collect();
    let expected = [
        WHOLE,
        "- gap | 200 5 whole shed",
        "GET /a 0 whole | - gap shed",
        AFTER_GAP,
        WHOLE,
    ];
    assert_eq!(lines, expected);
    assert_eq!(shard.counters().get(Counter::StreamBytesOverlap), 0);
    assert_eq!(shard.counters().get(Counter::StreamReopens), 1);
}

#[test]
fn positions_of_the_kernel_stay_whoever_forgot_the_conn() {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = turn(&mut conn);
    records.push(conn.data(Flow::Received, GET));
    conn.afresh = true;
    records.extend([conn.open(), conn.data(Flow::Sent, OK)]);
    check(&records, &[WHOLE, WHOLE]);
}
