//! An exchange of any bytes: finding who asked for what neither panics nor believes what stands in
//! front of the trusted proxy's own words, and what was learnt is known again.
#![no_main]

use std::net::IpAddr;
use std::sync::Arc;

use eaves::capture::ConnOpen;
use eaves::catalog::Catalog;
use eaves::clock::{BootTime, WallTime};
use eaves::enrich::{Enrich, Identity};
use eaves::exchange::{ConnInfo, Exchange, Half, Seen};
use eaves::keyed::HashKey;
use eaves_common::Role;
use eaves_fuzz::half;
use libfuzzer_sys::fuzz_target;

const CLIENT: &str = "203.0.113.7";
const BOOT: BootTime = BootTime(WallTime(1_795_240_000_000_000_000));

/// A message of lines: method and target, or a status; then fields; then, behind an empty line, a body.
fn message(text: &[u8], status: u16, more: &[u8]) -> Half {
    let mut lines = text.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let space = first.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let (word, target) = first.split_at(space);
    let mut fields = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let mut value = value.to_vec();
        if line[..colon].eq_ignore_ascii_case(b"x-forwarded-for") {
            value.extend_from_slice(more);
        }
        fields.push((&line[..colon], value));
    }
    let body = lines.collect::<Vec<_>>().join(&b'\n');
    half(word, target, fields, body, status)
}

fn exchange(request: &[u8], response: &[u8], status: u16) -> Exchange {
    let more = format!(", {CLIENT}");
    let conn = ConnInfo {
        open: ConnOpen {
            remote: Some((IpAddr::from([127, 0, 0, 1]), 5000)),
            ..ConnOpen::default()
        },
        role: Role::Server,
        proxied: None,
    };
    Exchange {
        request: Some(message(request, 0, more.as_bytes())),
        response: Some(message(response, status, b"")),
        request_seen: Seen::Whole,
        response_seen: Seen::Whole,
        ..Exchange::of(Arc::new(conn))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut pieces = bytes.splitn(2, |byte| *byte == 0);
    let request = pieces.next().unwrap_or_default();
    let response = pieces.next().unwrap_or_default();
    let mut enrich = Enrich::new(Identity::default(), HashKey::new(b"key"));
    let mut catalog = Catalog::default();
    for status in [404, 401, 200, 302, 200] {
        let mut heard = exchange(request, response, status);
        enrich.exchange(&mut heard, BOOT);
        catalog.exchange(&mut heard, BOOT.0);
        let client = heard
            .known
            .client
            .as_ref()
            .map(|client| client.address.to_string());
        let forwarded = heard
            .request
            .as_ref()
            .is_some_and(|half| half.head.field("x-forwarded-for").is_some());
        if forwarded {
            assert_eq!(client.as_deref(), Some(CLIENT));
        }
    }
    let templates = enrich.templates();
    let mut again = Enrich::new(Identity::default(), HashKey::new(b"key"));
    again.recall(&templates);
    assert_eq!(again.templates(), templates);
    assert_eq!(Catalog::of(catalog.kept()).kept(), catalog.kept());
});
