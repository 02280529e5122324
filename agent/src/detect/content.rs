//! What the values of an exchange ask for and give out, read while they are at hand:
//! ids in the body, names of fields, records, one-time codes, the cost of GraphQL.

use crate::content::{self, Kind, Name, Part, Parts, Side};
use crate::exchange::{Content, Words};

use super::read::is_id_name;
use super::score::cost;
use super::value_hash;

/// Ids that are taken from a request's body.
const IDS: usize = 8;

/// Ids that are remembered of those a response gives out.
const GIVEN: usize = 256;

/// Names of fields that are taken from a body.
const FIELDS: usize = 64;

/// Names of a message that are looked at.
const NAMES: usize = 1024;

/// Elements of a list whose fields are looked at: the others look alike.
const ELEMENTS: u32 = 4;

/// Longest name or id that is taken.
const WORD_BYTES: usize = 128;

/// Names under which one-time codes are sent.
const CODES: &[&[u8]] = &[
    b"otp",
    b"code",
    b"pin",
    b"totp",
    b"mfacode",
    b"otpcode",
    b"smscode",
    b"verificationcode",
    b"onetimecode",
    b"twofactorcode",
];

/// Digits and letters that a one-time code has.
const CODE_BYTES: std::ops::RangeInclusive<usize> = 4..=10;

/// Reads `parts` of an exchange.
#[must_use]
pub fn content(parts: &Parts<'_>) -> Content {
    let mut content = Content::default();
    let mut fields = Distinct::default();
    let mut reply_fields = Distinct::default();
    let (mut asked, mut told) = (0_usize, 0_usize);
    for name in parts.names() {
        let looked = match name.side() {
            Side::Request => &mut asked,
            Side::Response => &mut told,
        };
        *looked += 1;
        if *looked > NAMES || !in_body(name) {
            continue;
        }
        if name.side() == Side::Request {
            fields.take(name, &mut content.fields);
        } else {
            reply_fields.take(name, &mut content.reply_fields);
            content.records = content.records.max(record(name));
        }
    }
    for part in parts.iter().filter(|part| !part.is_nested()) {
        value(part, &mut content);
    }
    let cost = cost::of(parts);
    (content.depth, content.aliases, content.batch) = (cost.depth, cost.aliases, cost.documents);
    content
}

/// Names of fields that were taken, by their hash.
#[derive(Default)]
struct Distinct {
    hashes: Vec<u64>,
}

impl Distinct {
    fn take(&mut self, name: Name<'_, '_>, words: &mut Words) {
        let word = name.word();
        let named = name.is_free() && !word.is_empty() && word.len() <= WORD_BYTES;
        if !named || words.len() >= FIELDS || beyond_first_elements(name) {
            return;
        }
        let hash = value_hash(word);
        if !self.hashes.contains(&hash) {
            self.hashes.push(hash);
            words.push(word);
        }
    }
}

/// Takes an id or a code.
fn value(part: Part<'_, '_>, content: &mut Content) {
    let (Some(name), value) = (part.name(), part.value()) else {
        return;
    };
    let kept = matches!(part.kind(), Kind::Text | Kind::Number) && !part.is_cut();
    if !kept || value.is_empty() || value.len() > WORD_BYTES {
        return;
    }
    let structured = matches!(
        part.place(),
        content::Place::Json
            | content::Place::Form
            | content::Place::Multipart
            | content::Place::Xml
            | content::Place::GraphQl
    );
    let word = name.last_word();
    match part.side() {
        Side::Response if structured && content.given.len() < GIVEN && is_id_name(word) => {
            content.given.push(value_hash(value));
        }
        Side::Request if structured || part.place() == content::Place::Query => {
            if structured && content.ids.len() < 2 * IDS && is_id_name(word) {
                content.ids.push(word);
                content.ids.push(value);
            }
            if content.code.is_none() && is_code(word, value) {
                content.code = Some(value_hash(value));
            }
        }
        _ => {}
    }
}

fn is_code(word: &[u8], value: &[u8]) -> bool {
    if !CODE_BYTES.contains(&value.len()) || !value.iter().any(u8::is_ascii_digit) {
        return false;
    }
    let letters = word.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let letters = letters.map(u8::to_ascii_lowercase);
    let named = CODES
        .iter()
        .any(|code| letters.clone().eq(code.iter().copied()));
    named && value.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether a name lies in a body, not in the target or a header field.
fn in_body(name: Name<'_, '_>) -> bool {
    let mut root = name;
    while let Some(parent) = root.parent() {
        root = parent;
    }
    root.is_body()
}

/// Whether it lies in an element of a list that is not among the first.
fn beyond_first_elements(name: Name<'_, '_>) -> bool {
    let mut next = name.parent();
    while let Some(above) = next {
        if above.is_json() && above.index().is_some_and(|at| at >= ELEMENTS) {
            return true;
        }
        next = above.parent();
    }
    false
}

/// How many elements a list has at least, if `name` is one of the outermost list.
fn record(name: Name<'_, '_>) -> Option<u32> {
    let at = name.index().filter(|_| name.is_json())?;
    let mut next = name.parent();
    while let Some(above) = next {
        if above.index().is_some() {
            return None;
        }
        next = above.parent();
    }
    Some(at.saturating_add(1))
}
