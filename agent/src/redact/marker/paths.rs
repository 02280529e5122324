//! What is looked for in segments of a path alone: numbers with `+` for spaces, and tokens that are
//! good once: who has one sets a password, or signs in.

use crate::content::{Part, Parts, Place};

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

/// Longest of them, with some joints.
const BEFORE_MAX_BYTES: usize = 24;

/// Shortest token.
const SHORTEST: usize = 16;

/// How often a letter follows a digit or a digit a letter in one, at least: in words joined with
/// numbers hardly ever.
const CHANGES: usize = 3;

/// `value` with a space for each `+` within: by RFC 3986 it is none, but many who write one mean it.
pub(super) fn with_spaces(value: &[u8]) -> Vec<u8> {
    let mut out = value.to_vec();
    for byte in out.iter_mut().skip(1).filter(|byte| **byte == b'+') {
        *byte = b' ';
    }
    out
}

/// Whether `part`, the one of this number, is such a token.
pub(super) fn is_good_once(parts: &Parts<'_>, at: usize, part: Part<'_, '_>) -> bool {
    part.place() == Place::Path
        && is_random(part.value())
        && at
            .checked_sub(1)
            .and_then(|before| parts.part(before))
            .is_some_and(|before| before.place() == Place::Path && announces(before.value()))
}

fn is_random(value: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~=+".contains(byte);
    let changes = value.windows(2).filter(|pair| match pair {
        [a, b] => {
            (a.is_ascii_digit() && b.is_ascii_alphabetic())
                || (a.is_ascii_alphabetic() && b.is_ascii_digit())
        }
        _ => false,
    });
    value.len() >= SHORTEST && value.iter().all(is_part) && changes.count() >= CHANGES
}

fn announces(segment: &[u8]) -> bool {
    let joined = |byte: &&u8| !matches!(byte, b'-' | b'_');
    segment.len() <= BEFORE_MAX_BYTES
        && BEFORE.iter().any(|word| {
            let letters = segment.iter().filter(joined).map(u8::to_ascii_lowercase);
            letters.eq(word.bytes())
        })
}
