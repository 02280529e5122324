//! What a segment of a path looks like: a word that names something, or a value that varies.
//!
//! A pure function of the segment, so that the same paths in any order make the same templates.

use crate::hex;

/// Longest word, bytes. What is longer is a value.
const WORD_MAX_BYTES: usize = 64;

/// Shortest text that may be a token for its disorder alone.
const TOKEN_MIN_BYTES: usize = 16;

/// Longest ending of a file name, bytes: `woff2`, `geojson`.
const ENDING_MAX_BYTES: usize = 8;

/// Values that are told by their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Shape {
    /// A number.
    Id,
    /// A UUID.
    Uuid,
    /// Hex digits: a hash, or an id of some databases.
    Hash,
    /// A date, or a time.
    Date,
    /// An e-mail address.
    Email,
    /// An IP address.
    Address,
    /// Base64, or other text without order.
    Token,
    /// Words and numbers joined: `summer-sale-2024`.
    Slug,
    /// Whatever stands where there are too many words to tell apart.
    Name,
    /// What is masked, and looks like a word.
    Masked,
}

impl Shape {
    pub(super) const ALL: [Self; 10] = [
        Self::Id,
        Self::Uuid,
        Self::Hash,
        Self::Date,
        Self::Email,
        Self::Address,
        Self::Token,
        Self::Slug,
        Self::Name,
        Self::Masked,
    ];

    /// As it stands in a template.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Id => "{id}",
            Self::Uuid => "{uuid}",
            Self::Hash => "{hash}",
            Self::Date => "{date}",
            Self::Email => "{email}",
            Self::Address => "{address}",
            Self::Token => "{token}",
            Self::Slug => "{slug}",
            Self::Name => "{name}",
            Self::Masked => "{masked}",
        }
    }

    /// Whether what has it may as well be a name: where names vary, these are names too.
    pub(super) const fn is_vague(self) -> bool {
        matches!(self, Self::Hash | Self::Token | Self::Slug | Self::Name)
    }
}

/// What stands in a segment's place in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label<'a> {
    /// The segment itself.
    Word(&'a str),
    /// A value.
    Value(Shape),
    /// A value with a file's ending: `{id}.json`.
    File(Shape, &'a str),
}

/// What `segment` is. Parameters of a segment, behind `;` (RFC 3986 §3.3), do not count.
pub(super) fn label(segment: &[u8]) -> Label<'_> {
    let segment = segment
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or(segment);
    if segment == Shape::Masked.text().as_bytes() {
        return Label::Value(Shape::Masked);
    }
    if segment.len() > WORD_MAX_BYTES {
        // A UUID twice, or a number of a hundred digits: which does not matter.
        return Label::Value(Shape::Token);
    }
    let mut decoded = [0; WORD_MAX_BYTES];
    let plain = match segment.contains(&b'%') {
        true => decode(segment, &mut decoded),
        false => segment,
    };
    let (Ok(word), Ok(text)) = (str::from_utf8(segment), str::from_utf8(plain)) else {
        return Label::Value(Shape::Token);
    };
    if let Some(shape) = shape(text) {
        return Label::Value(shape);
    }
    if let Some((stem, ending)) = word.rsplit_once('.')
        && is_ending(ending)
        && let Some(shape) = shape(stem)
    {
        return Label::File(shape, ending);
    }
    Label::Word(word)
}

/// Whether `text` may be the ending of a file's name.
fn is_ending(text: &str) -> bool {
    (1..=ENDING_MAX_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The form of `text`, if it is a value; `None` for a word.
fn shape(text: &str) -> Option<Shape> {
    let bytes = text.as_bytes();
    let counts = Counts::of(bytes);
    if counts.digits == 0 && counts.plain_word(bytes.len()) {
        return None;
    }
    if counts.digits > 0 && is_number(bytes) {
        return Some(Shape::Id);
    }
    if is_version(bytes) {
        return None;
    }
    if is_uuid(bytes) {
        return Some(Shape::Uuid);
    }
    if bytes.len() >= 8 && counts.digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit) {
        return Some(Shape::Hash);
    }
    if is_date(bytes) {
        return Some(Shape::Date);
    }
    if is_email(text) {
        return Some(Shape::Email);
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Some(Shape::Address);
    }
    if bytes.contains(&b'{') || bytes.contains(&b'}') {
        // Braces are what templates are written with.
        return Some(Shape::Slug);
    }
    if is_token(bytes, &counts) {
        return Some(Shape::Token);
    }
    (counts.digits > 0 && counts.joints > 0 && !text.contains('.')).then_some(Shape::Slug)
}

/// What kinds of bytes there are, and how often one kind follows another.
struct Counts {
    digits: usize,
    letters: usize,
    /// `-`, `_`, `~`, `:` and the like: what words are joined with.
    joints: usize,
    others: usize,
    /// Between upper and lower case, and between letters and digits.
    changes: usize,
}

impl Counts {
    fn of(bytes: &[u8]) -> Self {
        let mut counts = Self {
            digits: 0,
            letters: 0,
            joints: 0,
            others: 0,
            changes: 0,
        };
        let mut before = None;
        for byte in bytes {
            let kind = match byte {
                b'0'..=b'9' => {
                    counts.digits += 1;
                    0
                }
                b'a'..=b'z' => {
                    counts.letters += 1;
                    1
                }
                b'A'..=b'Z' => {
                    counts.letters += 1;
                    2
                }
                b'-' | b'_' | b'~' | b':' => {
                    counts.joints += 1;
                    3
                }
                _ => {
                    counts.others += 1;
                    4
                }
            };
            counts.changes += usize::from(kind < 3 && before.is_some_and(|b| b < 3 && b != kind));
            before = Some(kind);
        }
        counts
    }

    /// Letters without digits, not so mixed that they are no words, and nothing else.
    const fn plain_word(&self, len: usize) -> bool {
        self.others == 0 && (len < TOKEN_MIN_BYTES || self.changes * 3 < len)
    }
}

/// A whole number, with or without sign, or numbers with commas between, as in a list of ids.
fn is_number(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"-").or(bytes.strip_prefix(b"+"));
    let digits = digits.unwrap_or(bytes);
    let all = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    digits.split(|byte| *byte == b',').all(all)
}

/// `v1`, `v2.1`, `V3`, `v1beta1`, `2.0`: versions stay what they are.
fn is_version(bytes: &[u8]) -> bool {
    let (digits, named) = match bytes {
        [b'v' | b'V', rest @ ..] => (rest, true),
        _ => (bytes, false),
    };
    if digits.len() > 8 || !digits.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    if named {
        return digits
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(b));
    }
    let part = |part: &[u8]| (1..=2).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    digits.contains(&b'.')
        && digits.split(|byte| *byte == b'.').count() <= 3
        && digits.split(|byte| *byte == b'.').all(part)
}

/// RFC 9562 §4, in braces or not.
fn is_uuid(bytes: &[u8]) -> bool {
    let bytes = match bytes {
        [b'{', inside @ .., b'}'] => inside,
        _ => bytes,
    };
    hex::is_uuid(bytes)
}

/// `2024-01-15`, `2024-01`, `15.01.2024`, `2024-W03`, and with a time behind: `2024-01-15T10:00:00Z`.
fn is_date(bytes: &[u8]) -> bool {
    let number = |text: &[u8], len: usize, range: std::ops::RangeInclusive<u32>| {
        text.len() == len
            && text.iter().all(u8::is_ascii_digit)
            && range.contains(&text.iter().fold(0, |sum, d| sum * 10 + u32::from(d - b'0')))
    };
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'T' | b' '))
        .unwrap_or(bytes.len());
    let day = bytes.get(..end).unwrap_or_default();
    if day.len() > 10 {
        return false;
    }
    let mut parts = day.split(|byte| b"-._".contains(byte));
    let [first, second, third, fourth] = std::array::from_fn(|_| parts.next());
    let (Some(first), Some(second), None) = (first, second, fourth) else {
        return false;
    };
    let year = |text| number(text, 4, 1900..=2199);
    match third {
        None => {
            let month = number(second, 2, 1..=12);
            let week = second
                .strip_prefix(b"W")
                .is_some_and(|w| number(w, 2, 1..=53));
            year(first) && (month || week)
        }
        Some(third) => {
            number(second, 2, 1..=12)
                && ((year(first) && number(third, 2, 1..=31))
                    || (number(first, 2, 1..=31) && year(third)))
        }
    }
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        let plain = |c: char| c.is_alphanumeric() || "._%+-'".contains(c);
        !name.is_empty()
            && name.chars().all(plain)
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && host
                .chars()
                .all(|c| c.is_alphanumeric() || ".-".contains(c))
    })
}

/// Text in the alphabets of base64 and the like whose kinds of bytes follow one another without order.
fn is_token(bytes: &[u8], counts: &Counts) -> bool {
    if bytes.len() < TOKEN_MIN_BYTES || counts.letters == 0 {
        return false;
    }
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+=~.".contains(byte);
    // Words change case once a word and end in a number at most: one change in five bytes and more is
    // none of them. Random base64 changes at 60 of 100.
    bytes.iter().all(alphabet)
        && counts.changes * 5 > bytes.len()
        && counts.joints * 8 < bytes.len()
}

/// Takes percent-encoding off as far as `out` has room.
fn decode<'o>(text: &[u8], out: &'o mut [u8]) -> &'o [u8] {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut len = 0;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let high_low = (digit(text.get(at + 1)), digit(text.get(at + 2)));
        let (value, taken) = match (byte, high_low) {
            (b'%', (Some(high), Some(low))) => ((high * 16 + low) as u8, 3),
            _ => (*byte, 1),
        };
        if let Some(place) = out.get_mut(len) {
            *place = value;
            len += 1;
        }
        at += taken;
    }
    out.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Label, label};

    #[track_caller]
    fn check(expected: &str, segments: &[&str]) {
        for segment in segments {
            let found = match label(segment.as_bytes()) {
                Label::Word(word) => format!("word {word}"),
                Label::Value(shape) => shape.text().to_owned(),
                Label::File(shape, ending) => format!("{}.{ending}", shape.text()),
            };
            let expected = match expected {
                "word" => format!("word {segment}"),
                other => other.to_owned(),
            };
            assert_eq!(found, expected, "{segment}");
        }
    }

    #[test]
    fn words_versions_and_files_stay() {
        check(
            "word",
            &[
                "users",
                "v1",
                "v2.1",
                "V3",
                "v1beta1",
                "1.0",
                "2.1.3",
                "oauth2",
                "s3",
                "index.html",
                "app.js",
                "robots.txt",
                ".well-known",
                "getUserAccountInformation",
                "internationalization",
                "sign-in",
                "well-known_things",
                "",
                "me",
                "facade",
                "shop.Cart",
                "favicon.ico",
                "sha256",
                "@types",
                "AbstractSingletonProxyFactoryBean",
                "main.min.css",
                "x509",
                "caf\u{e9}",
                "caf%C3%A9",
            ],
        );
    }

    #[test]
    fn values_are_told_by_their_form() {
        check(
            "{id}",
            &[
                "1",
                "42",
                "-7",
                "00000000001",
                "99999999999999999999",
                "1,2,3",
                "2024",
            ],
        );
        check(
            "{uuid}",
            &[
                "550e8400-e29b-41d4-a716-446655440000",
                "550E8400-E29B-41D4-A716-446655440000",
                "%7B550e8400-e29b-41d4-a716-446655440000%7D",
            ],
        );
        check(
            "{hash}",
            &[
                "507f1f77bcf86cd799439011",
                "d41d8cd98f00b204e9800998ecf8427e",
                "deadbee1",
            ],
        );
        check(
            "{date}",
            &[
                "2024-01-15",
                "2024-01",
                "15.01.2024",
                "2024-W03",
                "2024-01-15T10:00:00Z",
                "2024_12_31",
                "2024-01-15T10%3A00",
            ],
        );
        check(
            "{email}",
            &[
                "bob@example.com",
                "bob%40example.com",
                "a.b+c@sub.example.org",
            ],
        );
        check("{address}", &["10.0.0.1", "2001:db8::1", "192.168.100.200"]);
        check(
            "{token}",
            &[
                "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
                "01HQ3V6Z9KX8T7W5R2Y4N6M8P0",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
                "V1StGXR8Z5jdHi6Bmy",
                &"x".repeat(65),
            ],
        );
        check(
            "{slug}",
            &[
                "order-123",
                "summer-sale-2024",
                "iphone-13-pro",
                "{id}",
                "cus_9x",
            ],
        );
        check("{id}.json", &["42.json"]);
        check("{uuid}.pdf", &["550e8400-e29b-41d4-a716-446655440000.pdf"]);
        check("{id}", &["42;jsessionid=9"]);
    }

    #[test]
    fn what_is_no_text_is_a_value() {
        assert!(matches!(label(b"\xff\xfe"), Label::Value(_)));
        assert!(matches!(label(b"%ff%fe"), Label::Value(_)));
    }
}
