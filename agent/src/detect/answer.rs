//! What an answer says, told apart from whom it says it to: two short answers of one shape differ at
//! most in the name that was asked for, in numbers, addresses and identifiers.

use super::value_hash;
use crate::event::Extent;
use crate::exchange::Exchange;

/// Longest answer that is read: what says yes or no to a name is a message or a page with a form.
const ANSWER_BYTES: usize = 8 * 1024;

/// Words as long as this are identifiers, whatever letters they are of.
const IDENTIFIER_BYTES: usize = 24;

/// What a word is taken for that is the name, or an address of mail with or without stars in it.
const NAME: u8 = 1;

/// What a word with digits in it is taken for.
const NUMBER: u8 = 2;

/// The shape of the answer of `exchange` to who asked for `name`; `None` where not all of it was seen,
/// where it is long, and where it is not text.
pub(super) fn shape(exchange: &Exchange, name: &[u8]) -> Option<u64> {
    let response = exchange.response.as_ref()?;
    let body = &response.body;
    let coded = response.head.field("content-encoding").is_some() && !body.is_decoded;
    let whole = exchange.response_seen == Extent::Whole;
    let short = (1..=ANSWER_BYTES).contains(&body.content.len());
    (whole && short && !coded).then(|| value_hash(&plain(&body.content, name)))
}

/// `body` without what differs from one asker to the next.
fn plain(body: &[u8], name: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(body.len());
    let mut rest = body;
    // Whether the word before says that a number is the message, as in `"code": 1002`.
    let mut numbered = false;
    while let Some(first) = rest.first().copied() {
        if !name.is_empty() && begins_with(rest, name) {
            out.push(NAME);
            rest = rest.get(name.len()..).unwrap_or_default();
            continue;
        }
        let length = word_length(rest);
        if length == 0 {
            if !first.is_ascii_whitespace() {
                out.push(first);
            } else if out.last() != Some(&b' ') {
                out.push(b' ');
            }
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (word, behind) = rest.split_at(length.min(rest.len()));
        let numeric = word.iter().any(u8::is_ascii_digit);
        let short = word.len() <= 5 && numbered;
        if word.iter().any(|byte| matches!(byte, b'@' | b'*')) {
            out.push(NAME);
        } else if numeric && !short || word.len() >= IDENTIFIER_BYTES {
            out.push(NUMBER);
        } else {
            out.extend(word.iter().map(u8::to_ascii_lowercase));
        }
        if !numeric {
            numbered = ["code", "error", "errno", "status"]
                .iter()
                .any(|end| ends_with(word, end.as_bytes()));
        }
        rest = behind;
    }
    out
}

/// Bytes of the word that `rest` begins with; signs that join words are of it.
fn word_length(rest: &[u8]) -> usize {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'*' | 0x80..);
    let joins = |byte: u8| matches!(byte, b'@' | b'.' | b'-' | b'+');
    let byte = |at: usize| rest.get(at).copied().unwrap_or(b' ');
    let mut end = 0;
    while is_word(byte(end)) || end > 0 && joins(byte(end)) && is_word(byte(end + 1)) {
        end += 1;
    }
    end
}

fn begins_with(bytes: &[u8], name: &[u8]) -> bool {
    bytes
        .get(..name.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(name))
}

fn ends_with(word: &[u8], end: &[u8]) -> bool {
    word.len()
        .checked_sub(end.len())
        .and_then(|start| word.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::plain;

    fn same(one: (&str, &str), other: (&str, &str)) -> bool {
        let shape = |(body, name): (&str, &str)| plain(body.as_bytes(), name.as_bytes());
        shape(one) == shape(other)
    }

    #[test]
    fn names_numbers_and_identifiers_are_no_difference() {
        for (one, other) in [
            (("No account anna.", "anna"), ("no account  Bert.", "bert")),
            (
                ("{\"sent\":\"a***@b.example\"}", "a@b.example"),
                ("{\"sent\":\"c***@d.example\"}", "c@d.example"),
            ),
            (
                (
                    "{\"error\":\"wrong\",\"id\":\"8f14e45f-ceea-467f-abcd-0242ac120002\"}",
                    "a",
                ),
                (
                    "{\"error\":\"wrong\",\"id\":\"c9f0f895-fb98-4b91-beef-0242ac120003\"}",
                    "b",
                ),
            ),
            (
                ("wait 12 seconds, trace ABCDEFGHIJKLMNOPQRSTUVWX", "u"),
                ("wait 9 seconds, trace XWVUTSRQPONMLKJIHGFEDCBA", "v"),
            ),
        ] {
            assert!(same(one, other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn words_and_codes_are() {
        for (one, other) in [
            ("wrong password", "unknown account"),
            ("{\"code\": 1001}", "{\"code\": 1002}"),
            ("{\"error_code\":\"E17\"}", "{\"error_code\":\"E18\"}"),
            ("Invalid user or password", "Invalid user or password."),
        ] {
            assert!(!same((one, "anna"), (other, "bert")), "{one} {other}");
        }
    }
}
