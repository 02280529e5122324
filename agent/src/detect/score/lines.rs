//! INJ-11, line ends that begin a header, a response or a command of another protocol. In text that
//! has lines anyway only what no letter holds counts.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, Place, ScorerError, THRESHOLD, Told, View};

/// What opens this grammar; a line end does too.
pub(super) const GATE: &[&str] = &[
    "\r",
    "\n",
    "%0a",
    "%0d",
    "\\r\\n",
    "http/1",
    "http/2",
    "%u000a",
    "set-cookie:",
    "\u{560a}",
    "%e5%98%8a",
    "\\n",
];

const RULES: &[Rule] = &[
    rule(
        "header_after_line",
        6,
        r"(?:[\r\n]|%0[ad]|%u000[ad]|\\r\\n|\xe5\x98\x8a|%e5%98%8a)[\s%\w]{0,3}?(?:set-cookie2?|location|content-(?:length|type|disposition|encoding|security-policy)|x-[\w-]{2,30}|access-control-[\w-]+|refresh|transfer-encoding|status|host|remote-addr|referer|cookie|user-agent|www-authenticate|link|cache-control|expires|last-modified|etag|pragma)\s*:",
    ),
    rule(
        "header_of_mail",
        5,
        r"(?:[\r\n]|%0[ad])\s*(?:b?cc|to|from|subject|reply-to|mime-version|content-transfer-encoding)\s*:\s*\S+@|(?:[\r\n]|%0[ad])\s*b?cc\s*:",
    ),
    rule(
        "response_split",
        6,
        r"(?:[\r\n]|%0[ad])\s*http/[012](?:\.\d)?\s+\d{3}",
    ),
    rule(
        "request_smuggled",
        6,
        r"(?:[\r\n]|%0[ad]|^|\w)\s*(?:get|post|head|put|delete|options|connect|patch|trace)\s+(?:/\S*|\w+://\S+)\s+http/[\d.]+",
    ),
    rule(
        "page_after_lines",
        6,
        r"(?:[\r\n]|%0[ad]){2,}\s*<(?:html|script|body|iframe|svg)",
    ),
    rule(
        "mail_command",
        5,
        r"(?:[\r\n]|%0[ad])\s*(?:mail from:|rcpt to:|ehlo \w|helo \w|auth \w+ \S|vrfy \w|list \d|retr \d|dele \d|[\w]{1,8} (?:append|fetch|search|uid|store|select|login|logout|create|delete|rename|expunge)\b|quit\b|xdele|a\d+ |top \d+ \d|apop \w+ [0-9a-f]{32})",
    ),
    // IMAP: a tag, a command and how many bytes follow (RFC 9051 §6.3.12).
    rule(
        "mail_appended",
        6,
        r"(?:^|[\r\n]|%0[ad])\s*\w{1,8} append [^\r\n]{1,80}\{\d{1,9}\+?\}\s*[\r\n]",
    ),
    // What ends its lines by a carriage return alone is no form of this century.
    rule("return_alone", 5, r"\r[\w-]{2,30}[=:]\s?[^\s\r\n]"),
    rule("line_in_parameter", 3, r"[\r\n]+[\w-]{3,20}:\s?\S"),
    rule(
        "header_in_value",
        4,
        r"(?:^|[/?#\s])(?:set-cookie)\s*:\s*\w+=",
    ),
];

/// A line end at `at` in a name.
pub(super) const fn in_name(at: usize) -> Told {
    Told {
        rule: "line_in_name",
        best: THRESHOLD,
        score: THRESHOLD,
        start: at,
        end: at + 1,
    }
}

/// The rules.
#[derive(Debug)]
pub(super) struct Lines {
    rules: Rules,
}

impl Lines {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for what stands behind line ends.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if view.place == Place::Agent {
            return;
        }
        let text = view.place == Place::Body;
        // No path has a line end.
        if view.place == Place::Path
            && let Some(at) = memchr::memchr2(b'\r', b'\n', view.bytes)
        {
            found.add(Class::Lines, "line_in_path", 5, at, at + 1);
        }
        let lines = memchr::memchr_iter(b'\n', view.bytes).take(8).count();
        self.rules.each_match(view.bytes, |rule, start, end| {
            // Mails, logs and documents have such lines: there the break itself must be odd.
            let score = match rule.name {
                "mail_appended" => rule.score,
                "return_alone" if text || lines > 0 || view.prose >= 4 => 0,
                _ if view.prose >= 8 => rule.score / 3,
                "response_split" => rule.score,
                _ if text && lines >= 6 => rule.score / 3,
                "header_of_mail" | "line_in_parameter" if text => 2,
                "header_after_line" if text && view.prose >= 3 => 3,
                _ => rule.score,
            };
            found.add(Class::Lines, rule.name, score, start, end);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{quiet, score_at};
    use super::super::{Class, Place};

    #[test]
    fn headers_behind_a_line_end_are_found() {
        for value in [
            "/x\r\nSet-Cookie: a=b",
            "x%0d%0aLocation: http://h/",
            "a\nContent-Length: 0\n\nHTTP/1.1 200 OK",
            "x\r\n\r\n<script>",
            "a\nbcc: all@example.com",
            "a\rnext=more",
            "\r\nA003 APPEND box (\\Seen) {310}\r\nDate: Mon\r\n\r\nHello to all of you who read this long mail today",
        ] {
            assert!(
                score_at(Class::Lines, Place::Query, value) >= 5,
                "{value:?}"
            );
        }
    }

    #[test]
    fn letters_are_not() {
        for value in [
            "Dear Anna,\n\nthank you for the order.\nShip to: 12 Main Street\nNote: leave it with the neighbour.\n",
            "12:01 started\n12:02 done\n",
            "line one\r\nline two",
        ] {
            quiet(value);
        }
    }
}
