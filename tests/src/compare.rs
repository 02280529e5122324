//! What was reported against what the server logged: as multisets, none missing, none invented.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::event::Exchange;
use crate::load::{body, marks, size_of_target};

/// Bytes of a body that are kept by default, each way.
pub const BODY_LIMIT: u64 = 16 * 1024;

/// Bytes of one call that are copied: framing that lies beyond in the same call is not seen.
const COPIED_BYTES: u64 = 64 * 1024;

/// Lines of each kind that a failure shows.
const SHOWN: usize = 8;

/// One line of a server's access log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Method.
    pub method: String,
    /// Target.
    pub target: String,
    /// Status; `None` where the answer was not seen to its head.
    pub status: Option<u16>,
    /// Bytes of response body, after transfer coding.
    pub body_bytes: u64,
    /// The client's port; `None` on a Unix socket.
    pub client_port: Option<u16>,
}

impl Entry {
    /// A line of tab-separated method, target, status, body bytes, client port (`-` for none).
    #[must_use]
    pub fn from_tsv(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let entry = Self {
            method: fields.next()?.to_owned(),
            target: fields.next()?.to_owned(),
            status: Some(fields.next()?.parse().ok()?),
            body_bytes: match fields.next()? {
                "-" => 0,
                bytes => bytes.parse().ok()?,
            },
            client_port: match fields.next()? {
                "-" | "" | "0" => None,
                port => Some(port.parse().ok()?),
            },
        };
        fields.next().is_none().then_some(entry)
    }
}

impl From<&Exchange> for Entry {
    fn from(exchange: &Exchange) -> Self {
        let hidden = hides_framing(exchange, "response");
        let bytes = if hidden {
            size_of_target(&exchange.target)
        } else {
            None
        };
        Self {
            method: exchange.method.clone(),
            target: exchange.target.clone(),
            status: exchange.status,
            body_bytes: exchange.response_bytes.or(bytes).unwrap_or(u64::MAX),
            client_port: exchange.client_port,
        }
    }
}

/// How complete the reported exchanges must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Whole; truncated just where a body is longer than what is kept.
    #[default]
    Whole,
    /// As [`Expect::Whole`], but response bodies may have gone by sendfile: then a gap of just
    /// those bytes, with the size still exact.
    Sendfile,
}

/// Checks that `reported` is what `log` says, and each exchange as complete and as consistent as
/// it must be.
///
/// # Errors
/// Everything that differs, the first few of each kind.
pub fn compare(reported: &[Exchange], log: &[Entry], expect: Expect) -> Result<()> {
    let mut faults = differences(reported, log);
    let odd: Vec<_> = reported
        .iter()
        .filter_map(|exchange| fault(exchange, expect).map(|why| (why, exchange)))
        .collect();
    if !odd.is_empty() {
        let _ = writeln!(faults, "{} not as they should be:", odd.len());
        for (why, exchange) in odd.iter().take(SHOWN) {
            let _ = writeln!(faults, "  {why}: {}", exchange.line());
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{} reported, {} in the log\n{faults}",
        reported.len(),
        log.len()
    )
}

/// Missing and invented exchanges, in words; empty if there are none.
#[must_use]
pub fn differences(reported: &[Exchange], log: &[Entry]) -> String {
    let mut balance: BTreeMap<Entry, i64> = BTreeMap::new();
    for entry in log {
        *balance.entry(entry.clone()).or_default() += 1;
    }
    for exchange in reported {
        *balance.entry(exchange.into()).or_default() -= 1;
    }
    balance.retain(|_, count| *count != 0);
    let mut words = String::new();
    for (name, sign) in [("missing", 1), ("invented", -1)] {
        let those: Vec<_> = balance
            .iter()
            .filter(|(_, count)| **count * sign > 0)
            .collect();
        if those.is_empty() {
            continue;
        }
        let sum: i64 = those.iter().map(|(_, count)| **count * sign).sum();
        let _ = writeln!(words, "{sum} {name}:");
        for (entry, _) in those.iter().take(SHOWN) {
            let reported = reported
                .iter()
                .find(|exchange| sign < 0 && Entry::from(*exchange) == **entry);
            let line = reported.map_or_else(|| format!("{entry:?}"), Exchange::line);
            let _ = writeln!(words, "  {line}");
        }
    }
    words
}

/// Whether the length of a body is not known, as it must be where one call moved several chunks and
/// more than is copied of it. Nothing else excuses that a length is not told.
fn hides_framing(exchange: &Exchange, side: &str) -> bool {
    let (told, seen, bytes) = match side {
        "request" => (
            exchange.request_bytes,
            &exchange.request_seen,
            marks(&exchange.target).1,
        ),
        _ => (
            exchange.response_bytes,
            &exchange.response_seen,
            size_of_target(&exchange.target),
        ),
    };
    told.is_none()
        && seen == "gap"
        && exchange.missing_bytes > 0
        && exchange.reasons.iter().any(|reason| reason == "body_limit")
        && bytes.is_some_and(|bytes| bytes >= COPIED_BYTES)
        && chunked(exchange, side)
}

/// Whether a message says that its body is chunked.
fn chunked(exchange: &Exchange, side: &str) -> bool {
    exchange.header(side, "transfer-encoding") == Some("chunked")
}

/// What is wrong with an exchange in itself.
fn fault(exchange: &Exchange, expect: Expect) -> Option<&'static str> {
    let (id, request_bytes) = marks(&exchange.target);
    if exchange.partial {
        return Some("reported as partial");
    }
    if id.is_some() && exchange.status.is_some() && exchange.header("response", "x-id") != id {
        return Some("the response is another request's");
    }
    let sent = request_bytes.unwrap_or(0);
    let hidden = ["request", "response"].map(|side| hides_framing(exchange, side));
    let [request_hidden, response_hidden] = hidden;
    if exchange.request_bytes != Some(sent) && !request_hidden {
        return Some("the request body has another size");
    }
    if exchange.request_seen != seen(sent) && !request_hidden {
        return Some("the request is not as complete as it was");
    }
    if wrong_text(exchange.body("request"), Some(sent)) {
        return Some("the request body holds other bytes");
    }
    let got = exchange.response_bytes.unwrap_or(0);
    let by_sendfile = expect == Expect::Sendfile && exchange.response_seen == "gap";
    if by_sendfile {
        if exchange.missing_bytes != got || exchange.reasons != ["unseen_path"] {
            return Some("the gap is not the body");
        }
    } else if exchange.response_seen != seen(got) && !response_hidden {
        return Some("the response is not as complete as it was");
    } else if exchange.missing_bytes != 0 && hidden == [false; 2] {
        return Some("bytes are said to be missing");
    }
    if wrong_text(exchange.body("response"), size_of_target(&exchange.target)) {
        return Some("the response body holds other bytes");
    }
    None
}

/// Completeness of a message with a body of so many bytes, all of them heard.
fn seen(body_bytes: u64) -> &'static str {
    if body_bytes > BODY_LIMIT {
        "truncated"
    } else {
        "whole"
    }
}

/// Whether kept text is not the front of the body that has so many bytes.
fn wrong_text(kept: Option<&str>, bytes: Option<u64>) -> bool {
    let (Some(kept), Some(bytes)) = (kept, bytes) else {
        return false;
    };
    let whole = body(usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 24));
    !kept.is_empty() && !whole.starts_with(kept.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Entry, Expect, compare};
    use crate::event::{Event, Exchange, parse};

    fn reported(target: &str, status: u16, bytes: u64, port: u16, seen: &str) -> Exchange {
        let id = super::marks(target).0.unwrap_or_default();
        let event = json!({
            "kind": "exchange", "schema": 1, "id": "1", "role": "server",
            "network": {"transport": "tcp"}, "client": {"port": port}, "url": {"path": target},
            "http": {"request": {"method": "GET", "body_bytes": 0},
                "response": {"status_code": status, "headers": [["x-id", id]], "body_bytes": bytes}},
            "completeness": {"request": "whole", "response": seen},
        });
        match parse(&event.to_string()).unwrap() {
            Event::Exchange(exchange) => *exchange,
            Event::Notice(..) | Event::Finding(_) => panic!("no exchange"),
        }
    }

    fn logged(line: &str) -> Entry {
        Entry::from_tsv(line).unwrap()
    }

    #[test]
    fn the_same_set_in_another_order_is_equal() {
        let log = [
            logged("GET\t/a?id=1\t200\t5\t9"),
            logged("GET\t/b?id=2\t404\t0\t9"),
        ];
        let seen = [
            reported("/b?id=2", 404, 0, 9, "whole"),
            reported("/a?id=1", 200, 5, 9, "whole"),
        ];
        compare(&seen, &log, Expect::Whole).unwrap();
    }

    #[track_caller]
    fn check_refused(seen: &[Exchange], log: &[Entry], word: &str) {
        let error = compare(seen, log, Expect::Whole).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }

    #[test]
    fn each_difference_is_told() {
        let log = [logged("GET\t/a?id=1\t200\t5\t9")];
        let same = reported("/a?id=1", 200, 5, 9, "whole");
        check_refused(&[], &log, "1 missing");
        check_refused(&[same.clone(), same.clone()], &log, "1 invented");
        for other in [
            reported("/a?id=2", 200, 5, 9, "whole"),
            reported("/a?id=1", 201, 5, 9, "whole"),
            reported("/a?id=1", 200, 6, 9, "whole"),
            reported("/a?id=1", 200, 5, 8, "whole"),
        ] {
            check_refused(&[other], &log, "invented");
        }
        let gap = reported("/a?id=1", 200, 5, 9, "gap");
        check_refused(&[gap], &log, "not as complete");
        let mut swapped = same;
        std::sync::Arc::make_mut(&mut swapped.value)["http"]["response"]["headers"] =
            json!([["x-id", "7"]]);
        check_refused(&[swapped], &log, "another request's");
    }

    #[test]
    fn a_long_body_must_be_truncated_and_a_short_one_not() {
        let log = [logged("GET\t/a\t200\t20000\t9")];
        compare(
            &[reported("/a", 200, 20_000, 9, "truncated")],
            &log,
            Expect::Whole,
        )
        .unwrap();
        check_refused(
            &[reported("/a", 200, 20_000, 9, "whole")],
            &log,
            "not as complete",
        );
    }

    #[test]
    fn a_length_is_unknown_only_where_one_call_hides_chunks() {
        let log = [logged("GET\t/chunked/70001\t200\t70001\t9")];
        let mut exchange = reported("/chunked/70001", 200, 0, 9, "gap");
        exchange.response_bytes = None;
        exchange.missing_bytes = 5000;
        exchange.reasons = vec!["body_limit".to_owned()];
        check_refused(&[exchange.clone()], &log, "invented");
        std::sync::Arc::make_mut(&mut exchange.value)["http"]["response"]["headers"] =
            json!([["transfer-encoding", "chunked"]]);
        compare(&[exchange.clone()], &log, Expect::Whole).unwrap();
        exchange.reasons = vec!["ring_full".to_owned()];
        check_refused(&[exchange], &log, "invented");
    }

    #[test]
    fn foreign_bytes_in_a_body_are_told() {
        let log = [logged("GET\t/size/40\t200\t40\t9")];
        let mut exchange = reported("/size/40", 200, 40, 9, "whole");
        std::sync::Arc::make_mut(&mut exchange.value)["http"]["response"]["body"] =
            json!({"encoding": "text", "content": "x"});
        check_refused(&[exchange], &log, "other bytes");
    }

    #[test]
    fn log_lines_are_read_whole_or_not_at_all() {
        assert_eq!(logged("GET\t/\t304\t-\t-").client_port, None);
        assert_eq!(Entry::from_tsv("GET\t/\t200\t1"), None);
        assert_eq!(Entry::from_tsv("GET\t/\t200\t1\t2\t3"), None);
        assert_eq!(Entry::from_tsv("GET\t/\tx\t1\t2"), None);
    }
}
