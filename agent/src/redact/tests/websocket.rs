//! Messages of WebSocket are searched and masked as bodies are.

use serde_json::{Value, json};

use super::{context, exchange, get, ok};
use crate::capture::Origin;
use crate::event::write_line;
use crate::exchange::{Coded, GrpcMessages, Opcode, Sample, To, WebSocket};
use crate::redact::{Masked, SealContext, seal};

fn sample(to: To, opcode: Opcode, content: &[u8]) -> Sample {
    Sample {
        to,
        opcode,
        bytes: Some(content.len() as u64),
        fragments: 1,
        content: content.to_vec(),
        is_cut: false,
        coded: Coded::No,
    }
}

#[track_caller]
fn check(samples: Vec<Sample>, context: &SealContext, expected: &Value) {
    let mut exchange = exchange(Some(get(b"/chat")), Some(ok(b"")));
    exchange.known.spoken.websocket = Some(Box::new(WebSocket {
        to_server: GrpcMessages {
            count: Some(2),
            bytes: Some(60),
        },
        to_client: GrpcMessages::default(),
        close_code: Some(1000),
        samples,
    }));
    let mut masked = Masked::new();
    masked.fill(&exchange, context.redactor());
    let mut line = Vec::new();
    write_line(&seal(&exchange, &masked, context), &mut line).unwrap();
    let event: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(&event["websocket"], expected);
}

#[test]
fn what_is_sensitive_in_a_message_is_masked_and_bytes_are_left_out() {
    let context = SealContext::new(&Origin::default());
    let login = br#"{"user":"anna","password":"hunter2-hunter2"}"#;
    let samples = vec![
        sample(To::Server, Opcode::Text, b"hello"),
        sample(To::Server, Opcode::Text, login),
        sample(To::Client, Opcode::Binary, b"\0\x01\x02\x03\xff"),
    ];
    let mut exchange = exchange(Some(get(b"/chat")), Some(ok(b"")));
    let socket = WebSocket {
        samples,
        ..WebSocket::default()
    };
    exchange.known.spoken.websocket = Some(Box::new(socket));
    let mut masked = Masked::new();
    masked.fill(&exchange, context.redactor());
    let mut line = Vec::new();
    write_line(&seal(&exchange, &masked, &context), &mut line).unwrap();
    let event: Value = serde_json::from_slice(&line).unwrap();
    let content = |at: usize| {
        event["websocket"]["samples"][at]["content"]
            .as_str()
            .unwrap()
    };
    assert_eq!(content(0), "hello");
    assert!(content(1).starts_with(r#"{"user":"anna","password":"[masked:password:hmac:"#));
    assert_eq!(content(2), "[binary:5]");
    assert_eq!(
        event["sensitive"],
        json!(["request.message[*]:$.password:password"])
    );
}

#[test]
fn messages_are_written_as_they_were() {
    let mut cut = sample(To::Client, Opcode::Text, b"{\"a\":");
    cut.is_cut = true;
    cut.bytes = None;
    cut.coded = Coded::TakenOff;
    let mut left = sample(To::Client, Opcode::Binary, b"");
    left.bytes = Some(9);
    left.fragments = 3;
    left.coded = Coded::Left;
    check(
        vec![
            sample(To::Server, Opcode::Binary, b"\xff\xfe"),
            cut,
            left,
            sample(To::Client, Opcode::Close, b"bye"),
        ],
        &context(),
        &json!({
            "messages_to_server": 2, "bytes_to_server": 60, "close_code": 1000,
            "samples": [
                { "to": "server", "opcode": "binary", "bytes": 2, "content": "//4=", "encoding": "base64" },
                { "to": "client", "opcode": "text", "content": "{\"a\":", "encoding": "text",
                  "truncated": true, "decoded_from": "permessage-deflate" },
                { "to": "client", "opcode": "binary", "bytes": 9, "fragments": 3 },
                { "to": "client", "opcode": "close", "bytes": 3, "content": "bye", "encoding": "text" },
            ],
        }),
    );
}
