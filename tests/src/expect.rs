//! What Eaves must report of a case, as `eaves-calls` says it: one JSON object on its standard
//! output; and how what was reported differs from it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::event::Exchange;

/// Bytes of a body that Eaves keeps by default (`capture.body`).
pub const KEPT_BYTES: usize = 16 * 1024;

/// What an exchange says that was paired behind a gap.
const AFTER_GAP: &str = "paired_after_gap";

/// Names to `eaves-calls` the functions of the kernel, by commas, whose exits the socket tap would
/// hang on and may not.
pub const REFUSED: &str = "EAVES_REFUSED";

/// The tap that is listening: some calls are seen by one and not by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Typed tracepoints at the socket layer.
    Socket,
    /// `sys_exit`.
    Syscall,
}

/// What a case did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its processes: whatever is reported of them must be expected.
    pub pids: Vec<u32>,
    /// What must be reported, nothing else, in any order.
    pub exchanges: Vec<Expected>,
    /// Why it could not be done here, if it could not.
    pub skipped: Option<String>,
}

/// One exchange that must be reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Which end of it.
    pub role: String,
    /// The process that moved it.
    pub pid: u32,
    /// `tcp` or `unix`.
    pub transport: String,
    /// Port of the client, unless it is a Unix socket.
    pub client_port: Option<u16>,
    /// Port of the server, unless it is a Unix socket.
    pub server_port: Option<u16>,
    /// Address of the server; of a Unix socket its path, `@` for NUL, empty without.
    pub server_address: String,
    /// The request line's method; empty if it was not seen.
    pub method: String,
    /// Its target; empty if it was not seen.
    pub target: String,
    /// The status, if it was seen.
    pub status: Option<u16>,
    /// The request.
    pub request: Half,
    /// The response.
    pub response: Half,
    /// Bytes that were never seen.
    pub missing_bytes: u64,
    /// Why, sorted.
    pub reasons: Vec<String>,
    /// The library of TLS that its plaintext comes from.
    pub library: Option<String>,
    /// The response may have a gap instead, and is then right up to it: calls overlapped.
    pub or_gap: bool,
    /// It follows a gap, and may say that its pairing is by that.
    pub after_gap: bool,
}

/// One message as it must be reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    /// `whole`, `truncated`, `gap`, …
    pub seen: String,
    /// Bytes of the body on the wire; `None` if that could not be known.
    pub bytes: Option<u64>,
    /// The body as far as it is kept.
    pub kept: String,
}

impl Half {
    /// A message of which everything was seen; its body is kept up to the limit.
    #[must_use]
    pub fn whole(body: &[u8]) -> Self {
        let within = body.len() <= KEPT_BYTES;
        Self {
            seen: if within { "whole" } else { "truncated" }.to_owned(),
            bytes: Some(body.len() as u64),
            kept: text(body.get(..KEPT_BYTES).unwrap_or(body)),
        }
    }

    /// A message whose body was seen up to `from`, and not from there on for a while.
    #[must_use]
    pub fn gap(body: &[u8], from: usize) -> Self {
        let whole = Self::whole(body);
        if from >= KEPT_BYTES {
            return Self {
                seen: "gap".to_owned(),
                ..whole
            };
        }
        Self {
            seen: "gap".to_owned(),
            kept: text(body.get(..from).unwrap_or_default()),
            ..whole
        }
    }

    /// A message that never came.
    #[must_use]
    pub fn none() -> Self {
        Self {
            seen: "none".to_owned(),
            ..Self::default()
        }
    }
}

impl From<&Exchange> for Expected {
    fn from(exchange: &Exchange) -> Self {
        let half = |side, seen: &str, bytes| Half {
            seen: seen.to_owned(),
            bytes,
            kept: exchange.body(side).unwrap_or_default().to_owned(),
        };
        let mut reasons = exchange.reasons.clone();
        reasons.sort();
        Self {
            role: exchange.role.clone(),
            pid: u32::try_from(exchange.pid).unwrap_or(0),
            transport: exchange.transport.clone(),
            client_port: exchange.client_port,
            server_port: exchange.server_port,
            server_address: exchange.server_address.clone(),
            method: exchange.method.clone(),
            target: exchange.target.clone(),
            status: exchange.status,
            request: half("request", &exchange.request_seen, exchange.request_bytes),
            response: half("response", &exchange.response_seen, exchange.response_bytes),
            missing_bytes: exchange.missing_bytes,
            reasons,
            library: exchange
                .value
                .pointer("/tls/library")
                .and_then(|library| Some(library.as_str()?.to_owned())),
            or_gap: false,
            after_gap: exchange.anomalies == [AFTER_GAP],
        }
    }
}

impl Expected {
    /// Whether `found` is what was expected.
    fn allows(&self, found: &Self) -> bool {
        // Most are of other targets, and need no look at their bodies.
        if (&self.target, &self.role) != (&found.target, &found.role) {
            return false;
        }
        let mut exact = Self {
            or_gap: false,
            after_gap: self.after_gap && found.after_gap,
            ..self.clone()
        };
        let gap = &found.response;
        if self.or_gap && gap.seen == "gap" && self.response.kept.starts_with(&gap.kept) {
            // How much is missing depends on how the calls overlapped.
            exact.response = gap.clone();
            exact.missing_bytes = found.missing_bytes;
            exact.reasons = found.reasons.clone();
        }
        exact == *found
    }

    /// One line for a failure; of bodies only what is kept at both ends of them.
    fn line(&self) -> String {
        let half = |half: &Half| {
            let bytes = half.kept.as_bytes();
            let last = bytes.get(bytes.len().saturating_sub(8)..);
            format!(
                "{} {:?} bytes, {} kept to {:?}",
                half.seen,
                half.bytes,
                bytes.len(),
                String::from_utf8_lossy(last.unwrap_or_default()),
            )
        };
        format!(
            "{} pid {} {} {:?} -> {}:{:?} {} {} {:?}, request {}, response {}, missing {} {:?}{}",
            self.role,
            self.pid,
            self.transport,
            self.client_port,
            self.server_address,
            self.server_port,
            self.method,
            self.target,
            self.status,
            half(&self.request),
            half(&self.response),
            self.missing_bytes,
            self.reasons,
            if self.after_gap { ", after a gap" } else { "" },
        )
    }
}

impl Outcome {
    /// How what was reported of this case's processes differs from what must be: as multisets, and
    /// nothing odd on it; empty if it does not.
    #[must_use]
    pub fn differences(&self, reported: &[Exchange]) -> String {
        let mut words = String::new();
        let mut missing = self.exchanges.clone();
        let own =
            |exchange: &&Exchange| self.pids.iter().any(|pid| exchange.pid == u64::from(*pid));
        // Where a case takes a minute, as one may in an emulator, what is told meanwhile is not all there is.
        let is_told_meanwhile = |exchange: &&Exchange| {
            let place = |one: &Exchange| (one.pid, one.role.clone(), one.target.clone());
            let mut last = reported.iter().filter(|one| !one.partial);
            exchange.partial && last.any(|one| place(one) == place(exchange))
        };
        for exchange in reported
            .iter()
            .filter(own)
            .filter(|one| !is_told_meanwhile(one))
        {
            let found = Expected::from(exchange);
            let odd = !exchange.anomalies.is_empty() && !found.after_gap;
            if exchange.partial || odd {
                let _ = writeln!(words, "  odd:      {}", exchange.line());
            }
            match missing.iter().position(|expected| expected.allows(&found)) {
                Some(at) => drop(missing.swap_remove(at)),
                None => drop(writeln!(words, "  reported: {}", found.line())),
            }
        }
        for expected in missing {
            let _ = writeln!(words, "  expected: {}", expected.line());
        }
        words
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A body of `len` bytes in which each eight say where they are, so that nothing can move unseen.
#[must_use]
pub fn body(len: usize) -> Vec<u8> {
    let mut whole = Vec::with_capacity(len.next_multiple_of(8));
    let mut word = *b"0000000\n";
    while whole.len() < len {
        whole.extend_from_slice(&word);
        // The next number: nines at its end become noughts, and the digit before them one more.
        for digit in word.iter_mut().take(7).rev() {
            if *digit != b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
    }
    whole.truncate(len);
    whole
}

#[cfg(test)]
mod tests {
    use super::{Expected, Half, KEPT_BYTES, Outcome, body};
    use crate::event::{Event, Exchange, parse};

    fn reported(seen: &str) -> Exchange {
        let line = serde_json::json!({
            "kind": "exchange", "schema": 1, "id": "1", "role": "server",
            "network": {"transport": "tcp"}, "client": {"port": 4},
            "server": {"address": "127.0.0.1", "port": 80}, "url": {"path": "/a/1"},
            "http": {"request": {"method": "POST", "body_bytes": 0},
                "response": {"status_code": 200, "body_bytes": 3,
                    "body": {"encoding": "text", "content": "000"}}},
            "process": {"pid": 7}, "completeness": {"request": "whole", "response": seen},
        });
        match parse(&line.to_string()).unwrap() {
            Event::Exchange(exchange) => *exchange,
            Event::Notice(..) | Event::Finding(_) => panic!("no exchange"),
        }
    }

    fn outcome() -> Outcome {
        let exchange = Expected {
            role: "server".to_owned(),
            pid: 7,
            transport: "tcp".to_owned(),
            client_port: Some(4),
            server_port: Some(80),
            server_address: "127.0.0.1".to_owned(),
            method: "POST".to_owned(),
            target: "/a/1".to_owned(),
            status: Some(200),
            request: Half::whole(b""),
            response: Half::whole(b"000"),
            ..Expected::default()
        };
        Outcome {
            pids: vec![7],
            exchanges: vec![exchange],
            skipped: None,
        }
    }

    #[test]
    fn each_difference_is_told() {
        let outcome = outcome();
        assert_eq!(outcome.differences(&[reported("whole")]), "");
        assert!(outcome.differences(&[]).contains("expected:"));
        assert!(
            outcome
                .differences(&[reported("gap")])
                .contains("reported:")
        );
        let twice = [reported("whole"), reported("whole")];
        assert!(outcome.differences(&twice).contains("reported:"));
        let odd = Exchange {
            anomalies: vec!["x".to_owned()],
            ..reported("whole")
        };
        assert!(outcome.differences(&[odd]).contains("odd:"));
        let meanwhile = Exchange {
            partial: true,
            ..reported("unfinished")
        };
        let alone = outcome.differences(std::slice::from_ref(&meanwhile));
        assert!(alone.contains("odd:"), "{alone}");
        assert_eq!(outcome.differences(&[meanwhile, reported("whole")]), "");
        let after_gap = Exchange {
            anomalies: vec!["paired_after_gap".to_owned()],
            ..reported("whole")
        };
        assert_ne!(outcome.differences(std::slice::from_ref(&after_gap)), "");
        let mut may_be = outcome.clone();
        may_be.exchanges[0].after_gap = true;
        assert_eq!(may_be.differences(&[after_gap]), "");
        assert_eq!(may_be.differences(&[reported("whole")]), "");
        let of_others = Exchange {
            pid: 8,
            ..reported("gap")
        };
        assert_eq!(outcome.differences(&[reported("whole"), of_others]), "");
    }

    #[test]
    fn a_gap_that_may_be_is_right_up_to_it() {
        let mut outcome = outcome();
        assert_ne!(outcome.differences(&[reported("gap")]), "");
        outcome.exchanges[0].or_gap = true;
        assert_eq!(outcome.differences(&[reported("gap")]), "");
        assert_eq!(outcome.differences(&[reported("whole")]), "");
        outcome.exchanges[0].response = Half::whole(b"100");
        assert_ne!(outcome.differences(&[reported("gap")]), "");
    }

    #[test]
    fn bodies_say_where_their_bytes_are() {
        assert_eq!(body(20), b"0000000\n0000001\n0000");
        assert_eq!(Half::whole(&body(20_000)).kept.len(), KEPT_BYTES);
        assert_eq!(Half::gap(&body(100), 8).kept, "0000000\n");
        assert_eq!(Half::gap(&body(100), 8).bytes, Some(100));
    }
}
