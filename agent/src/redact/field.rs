//! Header fields that hold credentials, or say who somebody is.

use std::ops::Range;

use super::shape::{self, Text};
use crate::exchange::Secret;

/// Whether a header field holds credentials behind the name of their scheme (RFC 9110 §11.6.2).
pub(super) fn is_credentials(name: &[u8]) -> bool {
    let is = |one: &[u8]| name.len() == one.len() && name.eq_ignore_ascii_case(one);
    is(b"authorization") || is(b"proxy-authorization")
}

/// Whether a header field says who the client is.
pub(super) fn names_client(name: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"x-forwarded-for",
        b"forwarded",
        b"x-real-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"fastly-client-ip",
    ];
    names.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether a field says who the user is.
pub(super) fn names_user(name: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"user",
        b"username",
        b"user_name",
        b"user_id",
        b"userid",
        b"login",
        b"x-user-id",
        b"x-remote-user",
    ];
    names.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Which bytes of the value are the credentials, and of what type they are. The scheme stays.
pub(super) fn credentials(value: &[u8]) -> (Range<usize>, Secret) {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(end) = value.iter().position(blank) else {
        return (0..value.len(), Secret::Credential);
    };
    let scheme = value.get(..end).unwrap_or_default();
    let behind = value.get(end..).unwrap_or_default();
    let from = end + behind.iter().take_while(|byte| blank(byte)).count();
    let secret = if scheme.eq_ignore_ascii_case(b"bearer") {
        Secret::Bearer
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        Secret::Basic
    } else {
        Secret::Credential
    };
    // A scheme is short and a token of letters; what is not may be the secret itself.
    let is_scheme = scheme.len() <= 32
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && !has_shape(scheme);
    if is_scheme {
        (from..value.len(), secret)
    } else {
        (0..value.len(), secret)
    }
}

/// Whether a word has the shape of a secret.
fn has_shape(word: &[u8]) -> bool {
    let mut hits = Vec::new();
    let text = Text {
        bytes: word,
        is_cut: false,
        addresses: false,
    };
    shape::scan(text, &mut hits);
    !hits.is_empty()
}
