use eaves_common::{EndReason, Flow, Missing};

use super::{Options, Outcome, Shard};
use crate::capture::build::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::{Exchange, Seen};

/// What an exchange says, in one line: `METHOD target seen body | status seen body`.
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

#[track_caller]
fn check(records: &[Vec<u8>], expected: &[&str]) -> Outcome {
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    for record in records {
        shard.push(record, &mut out);
    }
    shard.tick(Ktime(4_000_000_000), &mut out);
    shard.finish(Ktime(5_000_000_000), &mut out);
    let lines: Vec<_> = out.exchanges.iter().map(line).collect();
    assert_eq!(lines, expected);
    out
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

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
    let out = check(
        &records,
        &[
            "GET /a 0 whole | 200 5 whole",
            "GET /a 0 whole | 200 5 whole",
        ],
    );
    assert_eq!(
        out.exchanges[0].response.as_ref().unwrap().body.content,
        b"hello"
    );
    assert!(out.words.is_empty());
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
    check(
        &records,
        &[
            "GET /a 0 whole | 200 1000 gap unseenpath",
            "GET /a 0 whole | 200 5 whole",
        ],
    );
}
