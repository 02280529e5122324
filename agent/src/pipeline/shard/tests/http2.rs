//! Recorded HTTP/2 connections: heard as they were, cut anywhere, joined anywhere, and with any
//! bytes lost: then every field that is still reported is what it was.

use std::collections::BTreeMap;

use eaves_common::{EndReason, Flow};

use super::random::Dice;
use super::run;
use crate::capture::ConnBuilder;
use crate::exchange::{Exchange, Half, Seen};

mod grpc;
mod late;
mod made;

/// A connection, transfer by transfer.
type Log = Vec<(Flow, Vec<u8>)>;

const LOGS: [&str; 3] = [
    include_str!("../../../../../tests/fixtures/http2/hyper-h2.log"),
    include_str!("../../../../../tests/fixtures/http2/nghttp-nginx.log"),
    include_str!("../../../../../tests/fixtures/http2/h2load-nginx.log"),
];

fn log(text: &str) -> Log {
    text.lines()
        .filter(|line| !line.starts_with('='))
        .map(|line| {
            let (mark, hex) = line.split_once(' ').unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let flow = if mark == ">" {
                Flow::Received
            } else {
                Flow::Sent
            };
            (flow, (0..hex.len()).step_by(2).map(byte).collect())
        })
        .collect()
}

/// What an exchange says: `stream METHOD target bytes seen | status bytes seen trailers`.
fn line(exchange: &Exchange) -> String {
    let trailers = |half: &Option<Half>| {
        let half = half.as_ref();
        half.and_then(|half| half.trailers.as_ref())
            .map_or(0, |head| head.fields.len())
    };
    format!(
        "{} {} {}+{}",
        exchange.stream.unwrap(),
        super::line(exchange),
        trailers(&exchange.request),
        trailers(&exchange.response),
    )
}

/// All of `log` in transfers as they were, but for the parts of `flow` within `lost`.
fn records(log: &Log, lost: Option<(Flow, std::ops::Range<usize>)>) -> Vec<Vec<u8>> {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    let mut passed = [0, 0];
    for (flow, bytes) in log {
        let start = passed[*flow as usize % 2];
        let end = start + bytes.len();
        passed[*flow as usize % 2] = end;
        let hole = match &lost {
            Some((of, range)) if of == flow => {
                range.start.clamp(start, end)..range.end.clamp(start, end)
            }
            _ => end..end,
        };
        let front = &bytes[..hole.start - start];
        let back = &bytes[hole.end - start..];
        if !front.is_empty() {
            records.push(conn.data(*flow, front));
        }
        conn.pass(*flow, hole.len() as u64);
        if !back.is_empty() {
            // What follows a hole inside a transfer does not begin one.
            let mut record = conn.data(*flow, back);
            if !hole.is_empty() && hole.start > start {
                record[2] &= !(eaves_common::data_flag::FIRST as u8);
            }
            records.push(record);
        }
    }
    records.push(conn.end(EndReason::Closed));
    records
}

/// The truth by stream.
fn truth(log: &Log) -> BTreeMap<u32, Exchange> {
    let (out, _) = run(&records(log, None));
    let by_stream = |exchange: Exchange| (exchange.stream.unwrap(), exchange);
    out.exchanges.into_iter().map(by_stream).collect()
}

/// Every field of `half` is one that `truth` has, in its order.
#[track_caller]
fn agrees(half: &Half, truth: &Half, what: &str) {
    let part = |half: &Half, span| half.head.get(span).to_vec();
    for (have, want) in [
        (part(half, half.head.word), part(truth, truth.head.word)),
        (part(half, half.head.target), part(truth, truth.head.target)),
    ] {
        assert!(have.is_empty() || have == want, "{what}");
    }
    let spans = |half: &Half| {
        [half.head.scheme, half.head.authority].map(|span| span.map(|span| part(half, span)))
    };
    for (have, want) in spans(half).into_iter().zip(spans(truth)) {
        assert!(have.is_none() || have == want, "{what}");
    }
    assert!(half.status == 0 || half.status == truth.status, "{what}");
    let mut rest = truth.head.fields();
    for field in half.head.fields() {
        assert!(
            rest.any(|one| one == field),
            "{what}: {:?}",
            field.0.escape_ascii()
        );
    }
    let content = &truth.body.content;
    assert!(content.starts_with(&half.body.content), "{what}: body");
    let total = half.body.total_bytes;
    assert!(
        total.is_none() || total == truth.body.total_bytes,
        "{what}: length"
    );
    if let Some(trailers) = &half.trailers {
        let mut rest = truth.trailers.as_ref().unwrap().fields();
        assert!(
            trailers.fields().all(|field| rest.any(|one| one == field)),
            "{what}"
        );
    }
}

/// Each exchange that is reported is one that was; a half that says it is whole is whole.
#[track_caller]
fn check(reported: &[Exchange], truth: &BTreeMap<u32, Exchange>, what: &str) {
    let mut halves = std::collections::HashSet::new();
    for exchange in reported.iter().filter(|e| !e.known.spoken.partial) {
        let stream = exchange.stream.unwrap();
        let true_one = truth
            .get(&stream)
            .unwrap_or_else(|| panic!("{what}: {stream} was none"));
        let what = format!("{what}, stream {stream}: {}", line(exchange));
        for (half, want, seen, side) in [
            (
                &exchange.request,
                &true_one.request,
                exchange.request_seen,
                0,
            ),
            (
                &exchange.response,
                &true_one.response,
                exchange.response_seen,
                1,
            ),
        ] {
            let Some(half) = half else {
                assert_ne!(seen, Seen::Whole, "{what}");
                continue;
            };
            assert!(halves.insert((stream, side)), "{what}: twice");
            let want = want.as_ref().unwrap_or_else(|| panic!("{what}: was none"));
            agrees(half, want, &what);
            if seen == Seen::Whole {
                assert_eq!(half.head.fields.len(), want.head.fields.len(), "{what}");
                assert_eq!(half.body, want.body, "{what}");
                assert_eq!(half.status, want.status, "{what}");
            }
        }
    }
}

#[test]
fn a_recorded_connection_is_heard_as_it_was() {
    let lines = |text| -> Vec<_> {
        let exchanges = truth(&log(text));
        exchanges.values().map(line).collect()
    };
    let hyper = lines(LOGS[0]);
    assert_eq!(
        hyper,
        [
            "1 GET /items/0?v=0 0 whole | 200 30 whole 0+0",
            "2 GET /pushed.css 0 whole | 200 3 whole 0+0",
            "3 POST /items/1?v=1 940 whole | 201 100 whole 0+0",
            "5 PUT /items/2?v=2 940 whole | 204 0 whole 0+0",
            "7 GET /items/3?v=3 0 whole | 404 240 whole 0+0",
            "9 GET /slow/3 0 whole | 202 4 whole 0+0",
            "11 DELETE /items/0?v=4 0 whole | 500 310 whole 0+0",
            "13 HEAD /items/1?v=5 0 whole | 200 0 whole 0+0",
            "15 PATCH /items/2?v=6 940 whole | 201 450 whole 0+0",
            "17 GET /items/3?v=7 0 whole | 204 0 whole 0+0",
            "19 POST /items/0?v=8 940 whole | 404 590 whole 1+0",
            "21 PUT /items/1?v=9 940 whole | 500 660 whole 0+0",
            "23 GET /items/2?v=10 0 whole | 200 730 whole 0+2",
            "25 DELETE /items/3?v=11 0 whole | 201 800 whole 0+0",
            "27 HEAD /items/0?v=12 0 whole | 204 0 whole 0+0",
            "29 PATCH /items/1?v=13 940 whole | 404 940 whole 0+0",
            "31 GET /cancelled 0 whole | - none reset 0+0",
            "33 GET /last 0 whole | 200 0 whole 0+0",
        ]
    );
    assert_eq!(lines(LOGS[1]).len(), 5);
    assert!(lines(LOGS[1])[1].ends_with("GET /made 0 whole | 201 8 whole 0+0"));
    assert_eq!(lines(LOGS[2]).len(), 24);
    assert!(
        lines(LOGS[2])
            .iter()
            .all(|line| line.contains(" whole | 20"))
    );
}

#[test]
fn it_is_the_same_cut_anywhere() {
    for text in LOGS {
        let whole = log(text);
        let want: Vec<_> = truth(&whole).values().cloned().map(timeless).collect();
        for size in [1, 3, 10, 1000] {
            let cut: Log = whole
                .iter()
                .flat_map(|(flow, bytes)| bytes.chunks(size).map(|part| (*flow, part.to_vec())))
                .collect();
            let have: Vec<_> = truth(&cut).values().cloned().map(timeless).collect();
            assert_eq!(have, want, "in pieces of {size}");
        }
    }
}

/// The exchange without its times.
fn timeless(mut exchange: Exchange) -> Exchange {
    let halves = [&mut exchange.request, &mut exchange.response];
    for half in halves.into_iter().flatten() {
        half.began = crate::clock::Ktime(0);
        half.ended = crate::clock::Ktime(0);
        half.head.buffer.shrink_to_fit();
    }
    exchange.ordinal = 0;
    exchange
}

#[test]
fn whatever_bytes_are_lost_what_is_reported_is_true() {
    for (number, text) in LOGS.iter().enumerate() {
        let log = log(text);
        let truth = truth(&log);
        let mut dice = Dice(number as u64);
        let (mut reported, mut trials) = (0, 0);
        for flow in [Flow::Received, Flow::Sent] {
            let of_flow = log.iter().filter(|(of, _)| *of == flow);
            let total: usize = of_flow.map(|(_, bytes)| bytes.len()).sum();
            for _ in 0..60 {
                let start = dice.roll(total as u64) as usize;
                let most = [2, 20, 200, 3000][dice.roll(4) as usize];
                let range = start..start + 1 + dice.roll(most) as usize;
                let what = format!("log {number} {flow:?} without {range:?}");
                let (out, _) = run(&records(&log, Some((flow, range))));
                check(&out.exchanges, &truth, &what);
                reported += out
                    .exchanges
                    .iter()
                    .filter(|one| one.request.is_some())
                    .count();
                trials += truth.len();
            }
        }
        assert!(reported * 2 > trials, "{reported} of {trials}");
    }
}

#[test]
fn joined_anywhere_what_is_reported_is_true() {
    for (number, text) in LOGS.iter().enumerate() {
        let log = log(text);
        let truth = truth(&log);
        let mut most = 0;
        for skipped in 1..log.len() {
            let mut conn = ConnBuilder::tcp(1);
            let mut records = vec![conn.open()];
            for (flow, bytes) in &log[skipped..] {
                records.push(conn.data(*flow, bytes));
            }
            let (out, _) = run(&records);
            check(
                &out.exchanges,
                &truth,
                &format!("log {number} from {skipped}"),
            );
            most = most.max(out.exchanges.len());
        }
        assert!(
            most * 2 > truth.len() || truth.len() < 7,
            "{most} of {}",
            truth.len()
        );
    }
}
