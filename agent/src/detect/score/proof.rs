//! What of an answer proves that an attempt worked (DETECTION 1.4): the file that was asked for, an
//! error of the database, the script as it was sent, the result of the expression, the header. Looked
//! at only where a detector has fired, so it costs plain traffic nothing.

use super::text::{find, trim};
use crate::exchange::{Half, ScoreHit};

/// Bytes of an answer that are looked at.
const ANSWER_BYTES: usize = 1 << 16;

/// Shortest fragment whose return means something.
const ECHO_BYTES: usize = 8;

/// Beginnings of files that traversal and entities ask for, in lower case.
const FILES: &[(&str, &str)] = &[
    ("root:x:0:0:", "the host's accounts"),
    ("daemon:x:1:1:", "the host's accounts"),
    ("root:!:", "the host's passwords"),
    ("root:$", "the host's passwords"),
    ("[boot loader]", "boot.ini"),
    ("; for 16-bit app support", "win.ini"),
    ("# localhost name resolution", "the hosts file"),
    ("127.0.0.1\tlocalhost", "the hosts file"),
    ("127.0.0.1 localhost", "the hosts file"),
    ("linux version ", "the kernel's version"),
    ("<?php", "source code"),
    ("aws_secret_access_key", "keys of a cloud"),
    ("begin openssh private key", "a private key"),
    ("begin rsa private key", "a private key"),
];

/// What programs that injected commands call print, in lower case.
const OUTPUTS: &[(&str, &str)] = &[
    ("uid=0(", "output of `id`"),
    ("uid=33(", "output of `id`"),
    ("uid=1000(", "output of `id`"),
    ("uid=65534(", "output of `id`"),
    ("gnu/linux", "output of `uname`"),
    ("volume serial number", "output of `dir`"),
    ("nt authority\\", "output of `whoami`"),
];

/// Answers of the metadata services of clouds, in lower case.
const METADATA: &[(&str, &str)] = &[
    ("\"accesskeyid\"", "credentials of the host's role"),
    ("ami-id", "the cloud's metadata"),
    ("computemetadata", "the cloud's metadata"),
    ("\"access_token\"", "a token of the host's role"),
];

/// What `response` holds that proves `hit`; empty if nothing does.
pub(super) fn proof(hit: &ScoreHit, response: &Half, database_error: bool) -> &'static str {
    let content = &response.body.content;
    let body = content.get(..ANSWER_BYTES).unwrap_or(content);
    let told = |table: &[(&str, &'static str)]| {
        let low = body.to_ascii_lowercase();
        let here = table
            .iter()
            .find(|(needle, _)| find(&low, needle).is_some());
        // What was sent and is given back proves nothing.
        let sent = hit.fragment.to_ascii_lowercase();
        here.filter(|(needle, _)| find(&sent, needle).is_none())
            .map_or("", |(_, told)| told)
    };
    match hit.detector {
        "inj-01" if database_error => "an error of the database in the answer",
        "inj-02" if is_page(response) && reflected(hit, body) => "given back unescaped in a page",
        "inj-03" | "inj-14" => match told(OUTPUTS) {
            "" => told(FILES),
            output => output,
        },
        "inj-04" | "inj-08" => told(FILES),
        "inj-05" => told(METADATA),
        "inj-07" if evaluated(hit, body) => "the result of the expression in the answer",
        "inj-11" if header_came(hit, response) => "the header in the answer",
        _ => "",
    }
}

/// Whether a browser reads the answer as a page.
fn is_page(response: &Half) -> bool {
    response.head.field("content-type").is_none_or(|value| {
        let low = value.to_ascii_lowercase();
        ["html", "xml", "svg"]
            .iter()
            .any(|kind| find(&low, kind).is_some())
    })
}

/// Whether what was found stands in the answer as it was meant, angle brackets and all.
fn reflected(hit: &ScoreHit, body: &[u8]) -> bool {
    let fragment = trim(&hit.fragment);
    let tag = memchr::memchr(b'<', fragment).and_then(|at| fragment.get(at..));
    let from = tag.unwrap_or(fragment);
    let piece = from.get(..64).unwrap_or(from);
    piece.len() >= ECHO_BYTES
        && piece.iter().any(|byte| matches!(byte, b'<' | b'"' | b'\''))
        && memchr::memmem::find(body, piece).is_some()
}

/// Whether the product of two numbers in the expression stands in the answer, and not the expression.
fn evaluated(hit: &ScoreHit, body: &[u8]) -> bool {
    let text = &hit.fragment;
    let Some(star) = memchr::memchr(b'*', text) else {
        return false;
    };
    let digits = |bytes: &mut dyn Iterator<Item = &u8>| -> Vec<u8> {
        bytes
            .skip_while(|byte| matches!(byte, b' ' | b'\''))
            .take_while(|byte| byte.is_ascii_digit())
            .copied()
            .collect()
    };
    let mut left = digits(&mut text.iter().take(star).rev());
    left.reverse();
    let right = digits(&mut text.iter().skip(star + 1));
    let number = |digits: &[u8]| str::from_utf8(digits).ok()?.parse::<u64>().ok();
    let (Some(left), Some(right)) = (number(&left), number(&right)) else {
        return false;
    };
    let Some(product) = left.checked_mul(right).map(|product| product.to_string()) else {
        return false;
    };
    // Two digits stand in any answer.
    product.len() >= 2
        && memchr::memmem::find(body, product.as_bytes()).is_some()
        && memchr::memmem::find(body, text.get(..star).unwrap_or_default()).is_none()
}

/// Whether the answer has a header field of the name and value that stood behind the line end.
fn header_came(hit: &ScoreHit, response: &Half) -> bool {
    let text = &hit.fragment;
    let line = text
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .skip(1)
        .find(|line| line.contains(&b':'));
    let Some((name, value)) = line.and_then(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((trim(line.get(..colon)?), trim(line.get(colon + 1..)?)))
    }) else {
        return false;
    };
    !value.is_empty()
        && response
            .head
            .fields()
            .any(|(have, is)| have.eq_ignore_ascii_case(name) && trim(is) == value)
}
