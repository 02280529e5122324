//! Calls of gRPC on a recorded connection: heard as the client made them, and with bytes lost what is
//! still said of them is true.

use std::collections::BTreeMap;

use eaves_common::Flow;

use super::super::run;
use super::{Log, check, log, records, truth};
use crate::exchange::{Exchange, Grpc, GrpcMessages};

const CALLS: &str = include_str!("../../../../../../tests/fixtures/http2/grpc.log");

/// What is said of a call.
#[track_caller]
fn call(exchange: &Exchange) -> &Grpc {
    exchange.known.spoken.grpc.as_deref().unwrap()
}

#[test]
fn recorded_calls_are_heard_as_they_were_made() {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let heard = |exchange: &Exchange| {
        let call = call(exchange);
        assert_eq!(call.service, b"shop.Cart");
        let (sent, got) = (call.request, call.response);
        let numbers = [sent.count, got.count, sent.bytes, got.bytes].map(number);
        format!(
            "= {} {} {}",
            str::from_utf8(&call.method).unwrap(),
            number(call.status.map(u64::from)),
            numbers.join(" "),
        )
    };
    let truth = truth(&log(CALLS));
    let heard: Vec<_> = truth.values().map(heard).collect();
    let made: Vec<_> = CALLS.lines().filter(|line| line.starts_with('=')).collect();
    assert_eq!(heard, made);
    let messages: Vec<_> = truth
        .values()
        .filter_map(|one| call(one).message.as_deref())
        .collect();
    assert_eq!(messages, [b"no such cart: %C3%BC 100%25"; 2]);
    let deadlines = truth.values().filter(|one| call(one).timeout_ns.is_some());
    assert_eq!(deadlines.count(), 3);
}

/// Holds what is said of messages against what was sent.
#[track_caller]
fn counted(have: GrpcMessages, want: GrpcMessages, what: &str) {
    assert!(
        have.count.is_none() || have.count == want.count,
        "{what}: {have:?}"
    );
    assert!(
        have.bytes.is_none() || have.bytes == want.bytes,
        "{what}: {have:?}"
    );
}

/// Holds what is said of each call against what it was; how many methods, statuses and counts are told.
#[track_caller]
fn compare(reported: &[Exchange], truth: &BTreeMap<u32, Exchange>, what: &str) -> [usize; 3] {
    let mut told = [0; 3];
    for exchange in reported.iter().filter(|one| !one.known.spoken.partial) {
        let Some(have) = exchange.known.spoken.grpc.as_deref() else {
            continue;
        };
        let want = call(&truth[&exchange.stream.unwrap()]);
        let what = format!("{what}, stream {}", exchange.stream.unwrap());
        for (have, want) in [(&have.service, &want.service), (&have.method, &want.method)] {
            assert!(
                have.is_empty() || have == want,
                "{what}: {}",
                have.escape_ascii()
            );
        }
        assert!(
            have.status.is_none() || have.status == want.status,
            "{what}: {:?}",
            have.status
        );
        assert!(
            have.message.is_none() || have.message == want.message,
            "{what}"
        );
        assert!(
            have.timeout_ns.is_none() || have.timeout_ns == want.timeout_ns,
            "{what}"
        );
        counted(have.request, want.request, &what);
        counted(have.response, want.response, &what);
        told[0] += usize::from(!have.method.is_empty());
        told[1] += usize::from(have.status.is_some());
        told[2] += usize::from(have.request.count.is_some() && have.response.count.is_some());
    }
    told
}

/// Bytes of a flow.
fn length(log: &Log, flow: Flow) -> usize {
    let of_flow = log.iter().filter(|(of, _)| *of == flow);
    of_flow.map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn wherever_bytes_are_lost_what_is_said_of_calls_is_true() {
    let log = log(CALLS);
    let truth = truth(&log);
    let (mut told, mut trials) = ([0; 3], 0);
    for flow in [Flow::Received, Flow::Sent] {
        for (bytes, stride) in [(1, 7), (9, 13), (40, 29), (300, 61), (2000, 211)] {
            for start in (0..length(&log, flow)).step_by(stride) {
                let range = start..start + bytes;
                let what = format!("{flow:?} without {range:?}");
                let (out, _) = run(&records(&log, Some((flow, range))));
                check(&out.exchanges, &truth, &what);
                let found = compare(&out.exchanges, &truth, &what);
                for (told, found) in told.iter_mut().zip(found) {
                    *told += found;
                }
                trials += truth.len();
            }
        }
    }
    assert!(
        told.iter().all(|told| told * 2 > trials),
        "{told:?} of {trials}"
    );
}
