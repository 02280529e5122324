//! ArcSight Common Event Format, version 0 (CEF Implementation Standard 25): one line an event.
//!
//! ```text
//! CEF:0|Eaves|Eaves|version|what|name|0-10|key=value key=value …
//! ```
//!
//! What CEF has no key for is JSON under `cs6` (label `eaves`). Receivers may cut values there: the
//! standard asks for 4000 characters.

use super::FormatError;
use super::event::{Event, Kind, as_text, is_ip, milliseconds};

/// The event as CEF.
pub(super) fn project(mut event: Event, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let mut line = Line {
        text: String::with_capacity(512),
    };
    let (what, name, severity) = head(&event);
    line.text.push_str("CEF:0|Eaves|Eaves|");
    line.header(env!("CARGO_PKG_VERSION"));
    line.header(&what);
    line.header(&name);
    line.text.push_str(&severity.to_string());
    line.text.push('|');
    if let Some(time) = event.text("time").and_then(milliseconds) {
        // The nanoseconds stay in the rest.
        line.pair("rt", &time.to_string());
    }
    line.move_text("externalId", "id", &mut event);
    line.move_text("dvchost", "host.name", &mut event);
    match event.kind {
        Kind::Exchange => exchange(&mut event, &mut line),
        Kind::Finding => finding(&mut event, &mut line),
        Kind::Notice => line.pair("msg", &event.message()),
    }
    let rest = serde_json::to_string(&event.into_rest()).map_err(FormatError::Json)?;
    line.labelled("cs6", "eaves", &rest);
    out.extend_from_slice(line.text.trim_end().as_bytes());
    Ok(())
}

/// Signature, name and severity of the header.
fn head(event: &Event) -> (String, String, u8) {
    let severity = match event.text("severity") {
        Some("low") => 3,
        Some("medium") => 5,
        Some("high") => 8,
        Some("critical") => 10,
        _ => 1,
    };
    match event.kind {
        Kind::Exchange => {
            let method = event.text("http.request.method").unwrap_or("-");
            let place = event.text("http.route").or(event.text("url.path"));
            let name = format!("{method} {}", place.unwrap_or("-"));
            ("exchange".to_owned(), name, severity)
        }
        Kind::Finding => {
            let id = event.text("detector.id").unwrap_or("finding").to_owned();
            (id, event.message(), severity)
        }
        Kind::Notice => {
            let name = event.text("name").unwrap_or("notice");
            (format!("notice-{name}"), event.message(), severity)
        }
    }
}

fn exchange(event: &mut Event, line: &mut Line) {
    if let Some(url) = event.url() {
        line.pair("request", &url);
    }
    line.move_text("requestMethod", "http.request.method", event);
    line.move_address("src", "shost", "client.address", event);
    line.move_text("spt", "client.port", event);
    line.move_address("dst", "dhost", "server.address", event);
    line.move_text("dpt", "server.port", event);
    line.move_text("in", "http.request.body_bytes", event);
    line.move_text("out", "http.response.body_bytes", event);
    line.move_text("suser", "user.id", event);
    line.move_text("requestClientApplication", "user_agent.original", event);
    line.move_text("sproc", "process.name", event);
    line.move_text("spid", "process.pid", event);
    line.move_text("app", "network.protocol.name", event);
    line.move_text("proto", "network.transport", event);
    let outcome = match event.number("http.response.status_code") {
        Some(status) if status < 400 => "success",
        Some(_) => "failure",
        None => "unknown",
    };
    line.pair("outcome", outcome);
    line.move_labelled("cs1", "route", "http.route", event);
    line.move_labelled("cs2", "tlsServerName", "tls.server_name", event);
    line.move_labelled("cs3", "domain", "url.domain", event);
    line.move_labelled("cn1", "durationNs", "duration_ns", event);
    line.move_labelled("cn2", "statusCode", "http.response.status_code", event);
    let sides = ["request", "response"].map(|side| {
        let seen = event.text(&format!("completeness.{side}")).unwrap_or("-");
        format!("{side} {seen}")
    });
    line.pair("msg", &sides.join(", "));
}

fn finding(event: &mut Event, line: &mut Line) {
    line.move_text("msg", "title", event);
    line.move_text("act", "outcome", event);
    line.move_text("cnt", "count", event);
    line.move_address("src", "shost", "actor.client", event);
    line.move_text("suser", "actor.user", event);
    line.move_text("requestMethod", "target.method", event);
    line.move_text("sproc", "target.process", event);
    line.move_text("dhost", "target.domain", event);
    line.move_labelled("cs1", "route", "target.route", event);
    line.move_labelled("cs2", "incident", "incident", event);
    line.move_labelled("cs3", "state", "state", event);
    line.move_labelled("cs4", "advice", "advice", event);
    for (key, field) in [("start", "first_seen"), ("end", "last_seen")] {
        if let Some(time) = event.text(field).and_then(milliseconds) {
            line.pair(key, &time.to_string());
        }
    }
}

struct Line {
    text: String,
}

impl Line {
    /// A field of the header, and the bar behind it.
    fn header(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' | '|' => self.text.extend(['\\', c]),
                // The header is one line, and has no escape for another.
                c if c.is_control() => self.text.push(' '),
                c => self.text.push(c),
            }
        }
        self.text.push('|');
    }

    /// A key and its value, escaped, with a space behind.
    fn pair(&mut self, key: &str, value: &str) {
        self.text.push_str(key);
        self.text.push('=');
        for c in value.chars() {
            match c {
                '\\' | '=' => self.text.extend(['\\', c]),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                // A syslog line with them in it is another to some receivers.
                c if c.is_control() => self.text.push_str(&format!("\\\\u{:04x}", c as u32)),
                c => self.text.push(c),
            }
        }
        self.text.push(' ');
    }

    fn labelled(&mut self, key: &str, label: &str, value: &str) {
        self.pair(&format!("{key}Label"), label);
        self.pair(key, value);
    }

    fn move_text(&mut self, key: &str, path: &str, event: &mut Event) {
        if let Some(value) = event.take(path) {
            self.pair(key, &as_text(&value));
        }
    }

    fn move_labelled(&mut self, key: &str, label: &str, path: &str, event: &mut Event) {
        if let Some(value) = event.take(path) {
            self.labelled(key, label, &as_text(&value));
        }
    }

    /// An address under `ip`, or what is none, as the path of a Unix socket, under `name`.
    fn move_address(&mut self, ip: &str, name: &str, path: &str, event: &mut Event) {
        if let Some(address) = event.take_text(path) {
            let key = if is_ip(&address) { ip } else { name };
            self.pair(key, &address);
        }
    }
}
