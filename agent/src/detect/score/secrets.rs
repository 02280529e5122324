//! JWT-03, secrets of HMAC that everybody knows: the list is tried once for each issuer and key, off
//! the hot path, since it takes a tenth of a second.

use std::collections::HashSet;

use ring::hmac;

use super::token::Token;
use crate::detect::value_hash;

/// The list: github.com/wallarm/jwt-secrets, MIT, one secret a line, compressed by zstd.
const LIST: &[u8] = include_bytes!("secrets.zst");

/// Bytes that the list may have once it is unpacked.
const LIST_BYTES: usize = 4 << 20;

/// Issuers and keys that are remembered; beyond, all are forgotten and tried again.
const ISSUERS: usize = 4096;

/// Tokens that are remembered; beyond, all are forgotten.
const TOKENS: usize = 16_384;

/// Which tokens, issuers and keys were seen already.
#[derive(Debug, Default)]
pub struct Untried {
    tokens: HashSet<u64>,
    issuers: HashSet<String>,
}

impl Untried {
    /// Whether `token`, as it was sent, is one that a list of secrets could sign, and the first of its
    /// issuer and key. A token that was seen before costs one look.
    pub(super) fn is_first(&mut self, token: &[u8]) -> bool {
        if self.tokens.len() >= TOKENS || self.issuers.len() >= ISSUERS {
            self.forget();
        }
        self.tokens.insert(value_hash(token))
            && Token::read(token).is_some_and(|token| {
                algorithm(&token).is_some() && self.issuers.insert(token.issuer())
            })
    }

    /// Forgets all: some could not be tried.
    pub fn forget(&mut self) {
        self.tokens.clear();
        self.issuers.clear();
    }
}

/// Tries secrets.
#[derive(Debug, Default)]
pub struct Secrets {
    list: Vec<u8>,
    tried: HashSet<String>,
}

impl Secrets {
    /// Unpacks the list; an empty one if it is damaged, which a test finds.
    #[must_use]
    pub fn new() -> Self {
        Self {
            list: zstd::bulk::decompress(LIST, LIST_BYTES).unwrap_or_default(),
            tried: HashSet::new(),
        }
    }

    /// The secret that signed `token`, masked, if it is a known one and its issuer and key are new.
    #[must_use]
    pub fn known(&mut self, token: &Token<'_>) -> Option<String> {
        let issuer = token.issuer();
        // Whatever comes of it: a strong secret is not tried again with the next token either.
        if self.tried.contains(&issuer) {
            return None;
        }
        if self.tried.len() >= ISSUERS {
            self.tried.clear();
        }
        self.tried.insert(issuer);
        self.signed_by(token).map(masked)
    }

    /// The secret of the list that signed `token`, as it was sent, masked.
    #[must_use]
    pub fn weak(&self, token: &[u8]) -> Option<String> {
        self.signed_by(&Token::read(token)?).map(masked)
    }

    /// The secret of the list that signed `token`.
    #[must_use]
    pub fn signed_by(&self, token: &Token<'_>) -> Option<&[u8]> {
        let algorithm = algorithm(token)?;
        let signs = |secret: &&[u8]| {
            let key = hmac::Key::new(algorithm, secret);
            hmac::verify(&key, token.signed, token.signature()).is_ok()
        };
        self.list.split(|byte| *byte == b'\n').find(signs)
    }
}

/// The algorithm of a token that is signed with a secret.
fn algorithm(token: &Token<'_>) -> Option<hmac::Algorithm> {
    match token.algorithm() {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// Its first byte and its length.
fn masked(secret: &[u8]) -> String {
    let first = secret.first().map_or(' ', |byte| char::from(*byte));
    format!("{first}… ({} bytes)", secret.len())
}

#[cfg(test)]
mod tests {
    use super::{LIST, LIST_BYTES, Secrets};
    use crate::detect::score::Token;

    #[test]
    fn the_list_is_whole() {
        let list = zstd::bulk::decompress(LIST, LIST_BYTES).unwrap();
        assert_eq!(memchr::memchr_iter(b'\n', &list).count(), 103_979);
        assert!(
            list.split(|byte| *byte == b'\n')
                .any(|line| line == b"secret")
        );
    }

    #[test]
    fn a_secret_of_the_list_is_found_once() {
        // Signed with `secret` (jwt.io's own example of a bad one).
        let text = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.XbPfbIHMI6arZ3Y922BhjWgQzWXcXNrz0ogtVhfEd2o";
        let token = Token::read(text).unwrap();
        let mut secrets = Secrets::new();
        assert_eq!(secrets.known(&token).as_deref(), Some("s… (6 bytes)"));
        assert_eq!(secrets.known(&token), None);
    }

    #[test]
    fn a_strong_secret_is_not() {
        let text = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        assert!(
            Secrets::new()
                .signed_by(&Token::read(text).unwrap())
                .is_none()
        );
    }
}
