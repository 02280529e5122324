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
];

/// What Google's metadata service and any login answer with: it proves something only where the
/// service was asked for by name or address.
const ROLE_TOKEN: &str = "\"access_token\"";
const ROLE_SERVICES: [&str; 2] = ["metadata", "169.254.169.254"];

/// Digits of a product that does not stand in any answer.
const PRODUCT_DIGITS: usize = 3;

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
        "inj-05" => match told(METADATA) {
            "" if is_role_token(hit, body) => "a token of the host's role",
            told => told,
        },
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
    product.len() >= PRODUCT_DIGITS
        && stands(body, product.as_bytes())
        && memchr::memmem::find(body, text.get(..star).unwrap_or_default()).is_none()
}

/// Whether `number` stands in `body`, and is no part of a longer one.
fn stands(body: &[u8], number: &[u8]) -> bool {
    let is_digit = |at: Option<usize>| {
        let byte = at.and_then(|at| body.get(at));
        byte.is_some_and(u8::is_ascii_digit)
    };
    memchr::memmem::find_iter(body, number)
        .any(|at| !is_digit(at.checked_sub(1)) && !is_digit(Some(at + number.len())))
}

/// Whether the metadata service was asked for, and a token is the answer.
fn is_role_token(hit: &ScoreHit, body: &[u8]) -> bool {
    let asked = hit.fragment.to_ascii_lowercase();
    ROLE_SERVICES
        .iter()
        .any(|name| find(&asked, name).is_some())
        && find(&body.to_ascii_lowercase(), ROLE_TOKEN).is_some()
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

#[cfg(test)]
mod tests {
    use super::proof;
    use crate::clock::Ktime;
    use crate::content::{Container, Layers};
    use crate::exchange::{Body, Half, Head, ScoreHit, Span, Version};

    fn answer(fields: &[(&str, &str)], body: &str) -> Half {
        let mut head = Head::default();
        let mut keep = |text: &str| {
            let start = head.buffer.len() as u32;
            head.buffer.extend_from_slice(text.as_bytes());
            Span {
                start,
                len: text.len() as u32,
            }
        };
        let spans: Vec<_> = fields
            .iter()
            .map(|(name, value)| (keep(name), keep(value)))
            .collect();
        head.fields.extend(spans);
        Half {
            head,
            version: Version::Http11,
            status: 200,
            header_bytes: 0,
            body: Body {
                content: body.as_bytes().to_vec(),
                total_bytes: Some(body.len() as u64),
                is_decoded: false,
            },
            trailers: None,
            began: Ktime(0),
            ended: Ktime(0),
        }
    }

    #[track_caller]
    fn check(detector: &'static str, sent: &str, answered: &Half, expected: &str) {
        let hit = ScoreHit {
            detector,
            rule: "",
            score: 5,
            part: "request.query.q".into(),
            container: Container::Target,
            range: 0..0,
            fragment: sent.as_bytes().into(),
            layers: Layers::NONE,
            proof: "",
        };
        assert_eq!(proof(&hit, answered, false), expected, "{sent}");
    }

    #[test]
    fn files_and_outputs_in_the_answer_prove_it_unless_they_were_sent() {
        let accounts = answer(&[], "root:x:0:0:root:/root:/bin/sh\n");
        check(
            "inj-04",
            "../../etc/passwd",
            &accounts,
            "the host's accounts",
        );
        check(
            "inj-08",
            "file:///etc/passwd",
            &accounts,
            "the host's accounts",
        );
        check("inj-04", "../root:x:0:0:", &accounts, "");
        check(
            "inj-04",
            "../../etc/passwd",
            &answer(&[], "no such file"),
            "",
        );
        let id = answer(&[], "uid=33(www-data) gid=33(www-data)");
        check("inj-03", ";id", &id, "output of `id`");
        check(
            "inj-03",
            ";cat /etc/passwd",
            &accounts,
            "the host's accounts",
        );
        check("inj-06", "../../etc/passwd", &accounts, "");
    }

    #[test]
    fn a_script_counts_as_it_was_sent_and_in_a_page_alone() {
        let script = "<script>alert(1)</script>";
        let said = "given back unescaped in a page";
        check(
            "inj-02",
            script,
            &answer(&[], &format!("<p>{script}")),
            said,
        );
        check(
            "inj-02",
            script,
            &answer(&[], "<p>&lt;script&gt;alert(1)"),
            "",
        );
        let json = answer(&[("content-type", "application/json")], script);
        check("inj-02", script, &json, "");
    }

    #[test]
    fn a_product_counts_where_it_is_a_number_that_is_not_everywhere() {
        let said = "the result of the expression in the answer";
        check("inj-07", "{{137*911}}", &answer(&[], "Hello 124807!"), said);
        check(
            "inj-07",
            "{{137*911}}",
            &answer(&[], "Hello {{137*911}} 124807"),
            "",
        );
        check("inj-07", "{{137*911}}", &answer(&[], "id 9124807"), "");
        check("inj-07", "{{7*7}}", &answer(&[], "price 49"), "");
        check("inj-07", "{{config}}", &answer(&[], "Hello 124807!"), "");
    }

    #[test]
    fn tokens_prove_a_forged_request_only_to_the_service_that_gives_them() {
        let token = answer(&[], r#"{"access_token":"x"}"#);
        let asked = "http://metadata.google.internal/computeMetadata/v1/token";
        check("inj-05", asked, &token, "a token of the host's role");
        check("inj-05", "http://localhost:3000/callback", &token, "");
        let keys = answer(&[], r#"{"AccessKeyId":"x"}"#);
        check(
            "inj-05",
            "http://2852039166/",
            &keys,
            "credentials of the host's role",
        );
    }

    #[test]
    fn a_header_counts_with_its_value() {
        let sent = "x\r\nX-Made: up";
        check(
            "inj-11",
            sent,
            &answer(&[("x-made", "up")], ""),
            "the header in the answer",
        );
        check("inj-11", sent, &answer(&[("x-made", "down")], ""), "");
        check("inj-11", "x", &answer(&[("x-made", "up")], ""), "");
    }
}
