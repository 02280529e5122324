//! DATA-03, what no answer should hold: errors of databases, traces of the program's stack, keys,
//! accounts of the host.

use super::ScorerError;
use super::rules::{Rule, Rules, rule};
use crate::content::{Container, Layers};
use crate::exchange::{Exchange, ScoreHit};

/// Bytes of an answer's body that are looked at.
const BODY_BYTES: usize = 1 << 14;

/// The rule of an error of a database, which proves that SQL reached it.
pub(super) const DATABASE_ERROR: &str = "database_error";

const RULES: &[Rule] = &[
    rule(
        DATABASE_ERROR,
        5,
        r"you have an error in your sql syntax|warning: (?:mysqli?|pg|sqlite|oci)_|unclosed quotation mark after|quoted string not properly terminated|ora-\d{5}: |pg::\w*error|psqlexception|postgresql.{0,20}error|syntax error at or near \x22|sqlstate\[\w+\]|sqlite3?\.(?:operationalerror|exception)|microsoft ole db provider|odbc (?:sql server|microsoft access) driver|org\.hibernate\.(?:exception|query)|java\.sql\.sql\w*exception|mongo(?:server)?error:|com\.mysql\.(?:cj\.)?jdbc",
    ),
    rule(
        "stack_trace",
        5,
        r"traceback \(most recent call last\)|(?:\bat [\w$.]+\([\w$]+\.(?:java|kt|scala):\d+\)\s*(?:\\[nrt])*){2}|\bat (?:async )?[\w.<>$ ]+ \((?:/|[a-z]:\\|file:|node:)[^)]{1,200}:\d+:\d+\)|goroutine \d+ \[running\]|in /[\w./-]+\.php(?: on line |:)\d+|#0 /[\w./-]+\.php\(\d+\)|system\.\w+exception: .{0,200}\s+at [\w.]+\(|thread '[\w-]+' panicked at|/usr/lib/ruby/|actioncontroller::",
    ),
    rule(
        "private_key",
        6,
        r"-----begin (?:rsa |ec |dsa |openssh |encrypted |pgp )?private key",
    ),
    rule(
        "cloud_key",
        5,
        r"(?-i:\bAKIA[0-9A-Z]{16}\b|\bghp_[0-9A-Za-z]{36}|\bsk_live_[0-9A-Za-z]{16,}|\bAIza[0-9A-Za-z_-]{35}|\bxox[bp]-[0-9A-Za-z-]{20,})",
    ),
    rule(
        "accounts_of_host",
        6,
        r"root:[^:\n]{0,100}:0:0:|\[boot loader\]|\[extensions\]\s",
    ),
];

/// The rules.
#[derive(Debug)]
pub(super) struct Answer {
    rules: Rules,
}

impl Answer {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Adds what the response holds.
    pub(super) fn look(&self, exchange: &Exchange, hits: &mut Vec<ScoreHit>) {
        let Some(response) = exchange.response.as_ref() else {
            return;
        };
        let content = &response.body.content;
        let body = content.get(..BODY_BYTES).unwrap_or(content);
        if body.is_empty() {
            return;
        }
        let mut first = None;
        self.rules.each_match(body, |rule, start, end| {
            first.get_or_insert((rule.name, rule.score, start..end));
        });
        let Some((rule, score, range)) = first else {
            return;
        };
        // A key that was found is not written down once more.
        let secret = matches!(rule, "private_key" | "cloud_key");
        let shown = if secret {
            &b"[masked]"[..]
        } else {
            body.get(range.clone()).unwrap_or_default()
        };
        hits.push(ScoreHit {
            detector: "data-03",
            rule,
            score,
            part: "response.body".into(),
            container: Container::Body,
            range,
            fragment: shown.get(..200).unwrap_or(shown).into(),
            layers: Layers::NONE,
            proof: "",
        });
    }
}
