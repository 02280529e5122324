//! `events`: an exchange as the journal and sinks have it, put together again as far as seal left it.

use std::net::IpAddr;

use serde_json::Value;

use super::requests::fields;
use super::{Recorded, Row};
use crate::base64;
use crate::event::{parse_stamp, unescaped};

/// Reads the event of this `number`; `None` if it is no exchange that a server of the host answered.
///
/// What was masked stands there as its mask, and a body only where it was kept.
#[must_use]
pub fn event(event: &Value, number: u64) -> Option<Row> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let is = |path: &str, word: &str| text(path) == Some(word);
    if !is("/kind", "exchange") || is("/role", "client") {
        return None;
    }
    let bytes = |path: &str| text(path).map(unescaped).unwrap_or_default();
    let mut target = bytes("/url/original");
    if target.is_empty() {
        target = bytes("/url/path");
        if text("/url/query").is_some() {
            target.push(b'?');
            target.extend(bytes("/url/query"));
        }
    }
    let status = event.pointer("/http/response/status_code");
    let status = status.and_then(Value::as_u64);
    let recorded = Recorded {
        time: text("/time").and_then(|time| parse_stamp(time.as_bytes())),
        client: text("/client/address").and_then(|address| address.parse::<IpAddr>().ok()),
        method: bytes("/http/request/method"),
        target,
        fields: sent(event, "/http/request"),
        body: body(event, "/http/request/body"),
        body_bytes: length(event, "/http/request/body_bytes"),
        status: status.and_then(|status| u16::try_from(status).ok()),
        reply_fields: sent(event, "/http/response"),
        reply: body(event, "/http/response/body"),
        reply_bytes: length(event, "/http/response/body_bytes"),
        ..Recorded::default()
    };
    Some(recorded.into_row(number))
}

fn length(event: &Value, path: &str) -> Option<u64> {
    event.pointer(path).and_then(Value::as_u64)
}

/// Header fields.
fn sent(event: &Value, message: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let headers = event.pointer(message).and_then(|all| all.get("headers"));
    let all = fields(headers.cloned()).into_iter();
    all.map(|(name, value)| {
        let value = str::from_utf8(&value).map(unescaped).unwrap_or(value);
        (name, value)
    })
    .collect()
}

fn body(event: &Value, path: &str) -> Vec<u8> {
    let part = |name: &str| event.pointer(path)?.get(name)?.as_str();
    let content = part("content").unwrap_or_default();
    if part("encoding") == Some("base64") {
        return base64::decode(content).unwrap_or_default();
    }
    unescaped(content)
}
