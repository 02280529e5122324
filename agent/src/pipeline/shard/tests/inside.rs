//! What is spoken inside HTTP, and exchanges that last.

use eaves_common::{EndReason, Flow};

use super::{Options, Outcome, Shard, run};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::content::Parts;
use crate::exchange::{Exchange, Grpc};
use crate::telemetry::Counter;

pub(super) mod websocket;

/// One exchange over HTTP/1.
#[track_caller]
fn one(request: &[u8], response: &[u8]) -> Exchange {
    let mut conn = ConnBuilder::tcp(1);
    let records = [
        conn.open(),
        conn.data(Flow::Received, request),
        conn.data(Flow::Sent, response),
        conn.end(EndReason::Closed),
    ];
    let (mut out, _) = run(&records);
    assert_eq!(out.exchanges.len(), 1);
    out.exchanges.remove(0)
}

#[test]
fn bodies_are_reported_decoded_with_their_size_as_sent() {
    let plain = br#"{"name":"anna","list":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}"#;
    let coded = zstd::encode_all(&plain[..], 3).unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: {}\r\n\r\n",
        coded.len()
    );
    let response = [head.as_bytes(), &coded].concat();
    let exchange = one(b"GET / HTTP/1.1\r\n\r\n", &response);
    let body = &exchange.response.as_ref().unwrap().body;
    assert_eq!(body.content, plain);
    assert_eq!(body.total_bytes, Some(coded.len() as u64));
    assert!(body.is_decoded && exchange.anomalies.is_empty());
    let parts = exchange.parts(Parts::new());
    let name = parts.iter().find(|part| part.value() == b"anna");
    assert_eq!(
        name.unwrap().name().unwrap().to_string(),
        "response.body:$.name"
    );
    let short = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope";
    let exchange = one(b"GET / HTTP/1.1\r\n\r\n", short);
    assert_eq!(exchange.anomalies, ["invalid_coding"]);
    let body = &exchange.response.as_ref().unwrap().body;
    assert_eq!(body.content, b"nope");
    assert!(!body.is_decoded);
}

#[test]
fn a_call_of_grpc_web_is_known() {
    let request = b"POST /shop.Cart/Add HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\ngrpc-timeout: 2S\r\nContent-Length: 8\r\n\r\n\0\0\0\0\x03abc";
    let response = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 26\r\n\r\n\0\0\0\0\0\x80\0\0\0\x10grpc-status: 7\r\n";
    let exchange = one(request, response);
    let expected = Grpc {
        service: b"shop.Cart".to_vec(),
        method: b"Add".to_vec(),
        status: Some(7),
        message: None,
        timeout_ns: Some(2_000_000_000),
        request: crate::exchange::GrpcMessages {
            count: Some(1),
            bytes: Some(3),
        },
        response: crate::exchange::GrpcMessages {
            count: Some(1),
            bytes: Some(0),
        },
        ..Grpc::default()
    };
    assert_eq!(exchange.known.spoken.grpc.as_deref(), Some(&expected));
}

#[test]
fn an_exchange_that_lasts_is_reported_as_it_goes() {
    let mut conn = ConnBuilder::tcp(1);
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    let second = 1_000_000_000;
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let get = b"GET /events HTTP/1.1\r\n\r\n";
    for record in [
        conn.open(),
        conn.data(Flow::Received, get),
        conn.data(Flow::Sent, head),
    ] {
        shard.push(&record, &mut out);
    }
    let mut told = Vec::new();
    for at in 1..=200 {
        conn.time_ns = second * (1 + at);
        shard.push(&conn.data(Flow::Sent, b"4\r\na: 1\r\n"), &mut out);
        shard.tick(Ktime(conn.time_ns), &mut out);
        told.extend(out.exchanges.drain(..).map(|exchange| (at, exchange)));
    }
    shard.push(&conn.data(Flow::Sent, b"0\r\n\r\n"), &mut out);
    told.extend(out.exchanges.drain(..).map(|exchange| (201, exchange)));
    let lines: Vec<_> = told
        .iter()
        .map(|(at, exchange)| {
            let spoken = &exchange.known.spoken;
            let bytes = exchange.response.as_ref().unwrap().body.total_bytes;
            (*at, spoken.report, spoken.partial, bytes.unwrap())
        })
        .collect();
    assert_eq!(
        lines,
        [
            (2, 0, true, 4),
            (62, 1, true, 244),
            (122, 2, true, 484),
            (182, 3, true, 724),
            (201, 4, false, 800),
        ]
    );
    shard.finish(Ktime(conn.time_ns), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!(shard.counters().get(Counter::ExchangesPartial), 4);
}

/// When a request that lasts is told, and how much of its body had come, while every ten seconds `more` of
/// it comes, until it is answered after 200.
fn told_while(head: &[u8], more: &[u8], end: &[u8]) -> Vec<(u64, bool, u64)> {
    let mut conn = ConnBuilder::tcp(1);
    let mut shard = Shard::new(&Options::default());
    let (mut out, mut told) = (Outcome::default(), Vec::new());
    let second = 1_000_000_000;
    shard.push(&conn.open(), &mut out);
    shard.push(&conn.data(Flow::Received, head), &mut out);
    for at in 1..=200 {
        conn.time_ns = second * (1 + at);
        if at % 10 == 0 && !more.is_empty() {
            shard.push(&conn.data(Flow::Received, more), &mut out);
        }
        if at == 200 {
            if !end.is_empty() {
                shard.push(&conn.data(Flow::Received, end), &mut out);
            }
            let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            shard.push(&conn.data(Flow::Sent, response), &mut out);
        }
        shard.tick(Ktime(conn.time_ns), &mut out);
        told.extend(out.exchanges.drain(..).map(|exchange| {
            let body = &exchange.request.as_ref().unwrap().body;
            let partial = exchange.known.spoken.partial;
            (at, partial, body.total_bytes.unwrap())
        }));
    }
    shard.finish(Ktime(conn.time_ns), &mut out);
    assert_eq!(shard.counters().check(), []);
    told
}

#[test]
fn uploads_and_polls_of_minutes_are_told_each_minute() {
    let upload = b"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let told = told_while(upload, b"4\r\nabcd\r\n", b"0\r\n\r\n");
    let expected = [
        (61, true, 24),
        (121, true, 48),
        (181, true, 72),
        (200, false, 80),
    ];
    assert_eq!(told, expected);
    let told = told_while(b"GET /poll HTTP/1.1\r\n\r\n", b"", b"");
    let expected = [
        (61, true, 0),
        (121, true, 0),
        (181, true, 0),
        (200, false, 0),
    ];
    assert_eq!(told, expected);
}

#[test]
fn fields_of_messages_of_grpc_are_told() {
    let request = b"POST /a.B/C HTTP/1.1\r\nContent-Type: application/grpc-web\r\nContent-Length: 9\r\n\r\n\0\0\0\0\x04\x08\x01\x12\0";
    let response = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0";
    let exchange = one(request, response);
    let call = exchange.known.spoken.grpc.as_deref().unwrap();
    let paths: Vec<_> = call.request_fields.iter().map(|one| &*one.path).collect();
    assert_eq!((paths, call.response_fields.len()), (vec!["1", "2"], 0));
}

#[test]
fn fields_go_by_names_where_the_user_gave_a_descriptor_file() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/grpc");
    let order = std::fs::read(format!("{fixtures}/order.bin")).unwrap();
    let mut config = crate::config::Config::default();
    config.identity.protobuf = vec![format!("{fixtures}/shop.pb").into()];
    let options = crate::pipeline::Options::of(&config).unwrap().shard;
    let length = [0, 0, 0, 0, order.len() as u8];
    let body = [&length[..], &order, &length, &order].concat();
    let mut fields = Vec::new();
    for method in ["Add", "Watch", "Take"] {
        let head = format!(
            "POST /shop.Cart/{method} HTTP/1.1\r\nContent-Type: application/grpc-web\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut conn = ConnBuilder::tcp(1);
        let (mut shard, mut out) = (Shard::new(&options), Outcome::default());
        shard.push(&conn.open(), &mut out);
        let request = [head.as_bytes(), &body].concat();
        shard.push(&conn.data(Flow::Received, &request), &mut out);
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        shard.push(&conn.data(Flow::Sent, response), &mut out);
        let call = out.exchanges[0].known.spoken.grpc.as_deref().unwrap();
        let two = &call.request_fields[1];
        let name = two.named.as_deref().map(|named| named.name.clone());
        fields.push((two.path.clone(), name, two.times));
    }
    let items = |name: Option<&str>| ("2".to_owned(), name.map(str::to_owned), 4);
    assert_eq!(
        fields,
        [items(Some("items")), items(Some("items")), items(None)]
    );
}
