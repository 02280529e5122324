//! What is looked for in segments of a path alone: numbers with `+` for spaces; tokens that are good
//! once: who has one sets a password, or signs in; those by which anybody may post; and sessions.

use crate::content::{Part, Parts, Place};
use crate::hex::is_uuid;

/// Segments behind which such a token stands, without what joins their words.
const BEFORE: [&str; 26] = [
    "activate",
    "activation",
    "confirm",
    "confirmation",
    "confirmemail",
    "emailverification",
    "forgotpassword",
    "invitation",
    "invitations",
    "invite",
    "invites",
    "magic",
    "magiclink",
    "newpassword",
    "passwordreset",
    "recover",
    "recovery",
    "reset",
    "resetpassword",
    "setpassword",
    "token",
    "unlock",
    "unsubscribe",
    "verification",
    "verify",
    "verifyemail",
];

/// The same, but ids may stand there too.
const HOOKS: [&str; 4] = ["hook", "hooks", "webhook", "webhooks"];

/// Longest of them, with some joints.
const BEFORE_MAX_BYTES: usize = 24;

/// Shortest token.
const SHORTEST: usize = 16;

/// How often a letter follows a digit or a digit a letter in one, at least: in words joined with
/// numbers hardly ever.
const CHANGES: usize = 3;

/// Or great and small letters change at one place in so many: of letters by chance at every second, in
/// words of usual length that great letters join at every fourth.
const CASES_ONE_IN: usize = 3;

/// `value` with a space for each `+` within: by RFC 3986 it is none, but many who write one mean it.
pub(super) fn with_spaces(value: &[u8]) -> Vec<u8> {
    let mut out = value.to_vec();
    for byte in out.iter_mut().skip(1).filter(|byte| **byte == b'+') {
        *byte = b' ';
    }
    out
}

/// Whether `part`, the one of this number, is such a token.
pub(super) fn is_token(parts: &Parts<'_>, at: usize, part: Part<'_, '_>) -> bool {
    if part.place() != Place::Path {
        return false;
    }
    let value = part.value();
    // ASP.NET, where cookies are not to be had.
    if value.starts_with(b"(S(") {
        return true;
    }
    let before = |back: usize| {
        let before = parts.part(at.checked_sub(back)?)?;
        (before.place() == Place::Path).then(|| before.value())
    };
    let (Some(last), true) = (before(1), is_random(value)) else {
        return false;
    };
    let is_hook = || announces(last, &HOOKS) || before(2).is_some_and(|first| is_hook(first, last));
    announces(last, &BEFORE) || (!is_uuid(value) && is_hook())
}

/// Whether an address at which whoever knows it may post ends behind these two: `webhooks` and a
/// number, as of Discord, or Slack's ids of a workspace and an application.
fn is_hook(first: &[u8], last: &[u8]) -> bool {
    let is_id = |id: &[u8], kind| {
        let made = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        id.len() >= 8 && id.first() == Some(&kind) && id.iter().all(made)
    };
    (announces(first, &HOOKS) && last.iter().all(u8::is_ascii_digit))
        || (is_id(first, b'T') && is_id(last, b'B'))
}

fn is_random(value: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~=+".contains(byte);
    let pairs = || value.windows(2).filter_map(|pair| pair.first_chunk::<2>());
    let digits = pairs().filter(|[a, b]| {
        a.is_ascii_alphanumeric()
            && b.is_ascii_alphanumeric()
            && a.is_ascii_digit() != b.is_ascii_digit()
    });
    let cases = pairs().filter(|[a, b]| {
        a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
            && a.is_ascii_uppercase() != b.is_ascii_uppercase()
    });
    let (digits, cases) = (digits.count(), cases.count());
    let is_mixed = digits >= CHANGES || cases * CASES_ONE_IN >= value.len();
    value.len() >= SHORTEST && is_mixed && value.iter().all(is_part)
}

fn announces(segment: &[u8], words: &[&str]) -> bool {
    let joined = |byte: &&u8| !matches!(byte, b'-' | b'_');
    segment.len() <= BEFORE_MAX_BYTES
        && words.iter().any(|word| {
            let letters = segment.iter().filter(joined).map(u8::to_ascii_lowercase);
            letters.eq(word.bytes())
        })
}
