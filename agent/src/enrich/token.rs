//! Credentials that were shown, and what they say of themselves.
//!
//! A client shows the same one with each request, so what was found is remembered by the bytes
//! themselves: found again it costs one comparison, and no hash.

use std::sync::Arc;

use crate::base64;
use crate::content::{Body, Message, Parts, Place, Side};
use crate::keyed::{HashKey, KeyedHash};

/// Places for credentials that were shown lately. Two that want the same place take turns.
const PLACES: usize = 1024;

/// Longest credential that is remembered, bytes. Longer ones are hashed each time.
const REMEMBERED_MAX_BYTES: usize = 2048;

/// Longest credential that is looked into, bytes.
const READ_MAX_BYTES: usize = 16 * 1024;

/// Longest name of a user, bytes.
const USER_MAX_BYTES: usize = 256;

/// A credential.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// What stands for it.
    pub(super) hash: KeyedHash,
    /// What each of the claims asked for says; empty if it is no JSON Web Token.
    pub(super) claims: Box<[Option<Arc<[u8]>>]>,
}

/// Credentials that were shown lately.
pub(super) struct Tokens {
    key: HashKey,
    /// Claims that name a user.
    claims: Box<[Box<str>]>,
    places: Vec<Option<(Box<[u8]>, Token)>>,
}

impl Tokens {
    /// Hashes with `key`, and reads these claims.
    pub(super) fn new(key: HashKey, claims: Box<[Box<str>]>) -> Self {
        Self {
            key,
            claims,
            places: Vec::new(),
        }
    }

    /// What credentials are hashed with.
    pub(super) const fn key(&self) -> &HashKey {
        &self.key
    }

    /// What is to be known of `token`.
    pub(super) fn read(&mut self, token: &[u8]) -> Token {
        if token.len() > REMEMBERED_MAX_BYTES {
            return self.look(token);
        }
        self.places.resize(PLACES, None);
        let at = place(token);
        if let Some(Some((bytes, known))) = self.places.get(at)
            && **bytes == *token
        {
            return known.clone();
        }
        let found = self.look(token);
        if let Some(place) = self.places.get_mut(at) {
            *place = Some((token.into(), found.clone()));
        }
        found
    }

    /// The hash of a credential that nobody shows again and again.
    pub(super) fn hash(&self, token: &[u8]) -> KeyedHash {
        self.key.hash(token)
    }

    fn look(&self, token: &[u8]) -> Token {
        Token {
            hash: self.key.hash(token),
            claims: claims(token, &self.claims),
        }
    }
}

/// Which place `token` has: tokens differ at their ends.
fn place(token: &[u8]) -> usize {
    let last = token.last_chunk::<8>().copied().unwrap_or_default();
    let mixed = u64::from_le_bytes(last) ^ token.len() as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % PLACES
}

/// The values of the claims `names` in a JSON Web Token (RFC 7519), read and not verified.
pub(super) fn claims(token: &[u8], names: &[Box<str>]) -> Box<[Option<Arc<[u8]>>]> {
    let dots = || token.iter().filter(|byte| **byte == b'.').count();
    // A header begins with a brace and a quote, or white space between: `ey` or `ew` in base64.
    if token.len() > READ_MAX_BYTES || !token.starts_with(b"e") || dots() != 2 {
        return Box::default();
    }
    let mut parts = Parts::new();
    parts.take(Message {
        side: Side::Request,
        target: b"",
        fields: Some((&b"authorization"[..], token)).into_iter(),
        trailers: None.into_iter(),
        body: Body::default(),
    });
    let mut found: Box<[_]> = names.iter().map(|_| None).collect();
    let mut any = false;
    for part in parts.iter().filter(|part| part.place() == Place::Jwt) {
        let Some(name) = part.name() else { continue };
        any = true;
        let spelled = name.parent().map(|parent| parent.to_string());
        let top = spelled.is_some_and(|parent| parent.ends_with(":jwt.claims"));
        let place = names.iter().position(|want| want.as_bytes() == name.word());
        if let Some(place) = place.filter(|_| top)
            && let Some(slot) = found.get_mut(place)
            && let Some(user) = user(part.value())
        {
            slot.get_or_insert(user);
        }
    }
    if any { found } else { Box::default() }
}

/// `name`, if it can be a user's.
pub(super) fn user(name: &[u8]) -> Option<Arc<[u8]>> {
    let name = name.trim_ascii();
    (!name.is_empty() && name.len() <= USER_MAX_BYTES).then(|| name.into())
}

/// The user of a Basic credential (RFC 7617 §2), padded or not.
pub(super) fn basic(token: &[u8]) -> Option<Arc<[u8]>> {
    let text = str::from_utf8(token.get(..token.len().min(READ_MAX_BYTES))?).ok()?;
    let text = text.trim_end_matches('=');
    let padded = format!("{text:=<0$}", text.len().next_multiple_of(4));
    let pair = base64::decode(&padded)?;
    let end = pair.iter().position(|byte| *byte == b':')?;
    user(pair.get(..end)?)
}

#[cfg(test)]
mod tests {
    use super::{HashKey, Tokens, basic, claims};
    use proptest::prelude::*;

    #[track_caller]
    fn check(token: &str, expected: &[Option<&str>]) {
        let found = claims(token.as_bytes(), &["sub".into(), "email".into()]);
        let found: Vec<_> = found
            .iter()
            .map(|one| one.as_deref().map(|one| str::from_utf8(one).unwrap()))
            .collect();
        assert_eq!(found, expected, "{token}");
    }

    #[test]
    fn claims_are_read_from_whatever_is_a_token() {
        // {"alg":"HS256"}.{"sub":"alice","email":"a@b.c","x":{"sub":"no"}}
        let payload = "eyJzdWIiOiJhbGljZSIsImVtYWlsIjoiYUBiLmMiLCJ4Ijp7InN1YiI6Im5vIn19";
        check(
            &format!("eyJhbGciOiJIUzI1NiJ9.{payload}.c2ln"),
            &[Some("alice"), Some("a@b.c")],
        );
        // {"alg":"none"}.{"sub":42}
        check("eyJhbGciOiJub25lIn0.eyJzdWIiOjQyfQ.", &[Some("42"), None]);
    }

    #[test]
    fn what_is_none_has_no_claims() {
        for token in [
            "",
            "abc",
            "e.e.e",
            "eyJhbGciOiJub25lIn0.%%%.x",
            "a.b.c.d.e",
            "eyJ...",
        ] {
            check(token, &[]);
        }
        check(&"e.".repeat(40_000), &[]);
    }

    #[test]
    fn basic_names_its_user() {
        let check = |token: &str, expected: Option<&str>| {
            let found = basic(token.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes));
        };
        check("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some("Aladdin"));
        check("QWxhZGRpbjpvcGVuIHNlc2FtZQ", Some("Aladdin"));
        check("QWxhZGRpbg==", None);
        check("Ong=", None);
        check("!!", None);
    }

    #[test]
    fn one_that_was_shown_before_is_the_same() {
        let mut tokens = Tokens::new(HashKey::new(b"key"), Box::default());
        let first = tokens.read(b"secret").hash;
        assert_eq!(tokens.read(b"secret").hash, first);
        assert_eq!(tokens.hash(b"secret"), first);
        for n in 0..5000 {
            let token = format!("token-{n}");
            assert_eq!(
                tokens.read(token.as_bytes()).hash,
                tokens.hash(token.as_bytes())
            );
        }
        let long = vec![b'x'; 5000];
        assert_eq!(tokens.read(&long).hash, tokens.hash(&long));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(token: Vec<u8>) {
            let _ = claims(&token, &["sub".into()]);
            let _ = basic(&token);
        }
    }
}
