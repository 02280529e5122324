//! The combined log format of Apache and nginx (httpd `mod_log_config`), one line an exchange.
//!
//! ```text
//! client - user [21/Nov/2026:06:02:11 +0000] "GET /users/42?verbose=1 HTTP/1.1" 200 512 "referer" "agent"
//! ```
//!
//! Whatever came over the wire is escaped, so that no request writes a line, a field or a terminal's
//! escape sequence of its own: quotes and backslashes by a backslash, other bytes that are not printed
//! as `\xNN`. The format has no place for more: this one projection does not tell everything.

use super::FormatError;
use super::event::{Event, Kind};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The exchange as a line of an access log.
pub(super) fn project(event: Event, out: &mut Vec<u8>) -> Result<(), FormatError> {
    if event.kind != Kind::Exchange {
        return Err(FormatError::NoPlace);
    }
    let text = |path: &str| event.text(path);
    bare(text("client.address").or(text("peer.address")), out);
    out.extend_from_slice(b" - ");
    bare(text("user.id"), out);
    out.push(b' ');
    date(text("time").unwrap_or_default(), out);
    out.extend_from_slice(b" \"");
    escaped(text("http.request.method").unwrap_or("-"), out);
    if let Some(target) = text("url.original").or(text("url.path")) {
        out.push(b' ');
        escaped(target, out);
        if text("url.original").is_none()
            && let Some(query) = text("url.query")
        {
            out.push(b'?');
            escaped(query, out);
        }
    }
    if let Some(version) = text("network.protocol.version") {
        out.extend_from_slice(b" HTTP/");
        escaped(version, out);
    }
    out.extend_from_slice(b"\" ");
    number(event.number("http.response.status_code"), out);
    out.push(b' ');
    let body = event.number("http.response.body_bytes");
    number(body.filter(|bytes| *bytes > 0), out);
    let agent = text("user_agent.original").or(event.request_header("user-agent"));
    for quoted in [event.request_header("referer"), agent] {
        out.extend_from_slice(b" \"");
        escaped(quoted.unwrap_or("-"), out);
        out.push(b'"');
    }
    Ok(())
}

fn number(number: Option<u64>, out: &mut Vec<u8>) {
    match number {
        Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
        None => out.push(b'-'),
    }
}

/// A field that stands without quotes: spaces are escaped too.
fn bare(text: Option<&str>, out: &mut Vec<u8>) {
    let text = text.filter(|text| !text.is_empty()).unwrap_or("-");
    let mut escaped_text = Vec::new();
    escaped(text, &mut escaped_text);
    for byte in escaped_text {
        match byte {
            b' ' => out.extend_from_slice(b"\\x20"),
            byte => out.push(byte),
        }
    }
}

/// A text of an event, whose `\xNN` are bytes, as Apache escapes it.
fn escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x") {
        printed(before, out);
        let digits = behind.get(..2);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte < 0x80 => printed(char::from(byte).encode_utf8(&mut [0; 4]), out),
            Some(byte) => hex(byte, out),
            None => printed("\\x", out),
        }
        rest = if byte.is_some() {
            behind.get(2..).unwrap_or_default()
        } else {
            behind
        };
    }
    printed(rest, out);
}

fn printed(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            c if c.is_control() => c
                .encode_utf8(&mut [0; 4])
                .bytes()
                .for_each(|byte| hex(byte, out)),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
}

/// `2026-11-21T06:02:11.123456789Z` as `[21/Nov/2026:06:02:11 +0000]`.
fn date(stamp: &str, out: &mut Vec<u8>) {
    let part = |from: usize, to: usize| stamp.get(from..to).unwrap_or("-");
    let month = part(5, 7).parse::<usize>().unwrap_or_default();
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"-");
    let text = format!(
        "[{}/{month}/{}:{} +0000]",
        part(8, 10),
        part(0, 4),
        part(11, 19)
    );
    out.extend_from_slice(text.as_bytes());
}
