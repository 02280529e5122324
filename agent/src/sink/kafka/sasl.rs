//! Who we are, told to a broker by SASL: PLAIN (RFC 4616) or SCRAM (RFC 5802, RFC 7677). Pure.
//!
//! By SCRAM the password is not sent, and the broker must prove that it knows it too.

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base64;

/// How a password is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mechanism {
    /// As it is: by TLS alone
    #[serde(rename = "plain")]
    Plain,
    /// SCRAM with SHA-256
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// SCRAM with SHA-512
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

impl Mechanism {
    /// Its name on the wire.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Most rounds of hashing that a broker may ask of us: about a second's work.
const ROUNDS_MAX: u32 = 1_000_000;

/// Why a broker does not know us, or we not it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SaslError {
    #[error("the broker's word in SCRAM is none")]
    Form,
    #[error("the broker asks for more than {ROUNDS_MAX} rounds of SCRAM")]
    Rounds,
    #[error("the broker does not prove that it knows the password")]
    Impostor,
}

/// The one message of PLAIN.
pub(super) fn plain(user: &str, password: &str) -> Vec<u8> {
    [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat()
}

/// SCRAM between its first message and its second.
pub(super) struct Scram {
    mechanism: Mechanism,
    /// The first message without what goes before its name.
    first: String,
    nonce: String,
}

impl Scram {
    /// Begins with a `nonce` that was never used, of printable characters without commas.
    pub(super) fn new(mechanism: Mechanism, user: &str, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            mechanism,
            first: format!("n={user},r={nonce}"),
            nonce: nonce.to_owned(),
        }
    }

    /// The first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.first).into_bytes()
    }

    /// The second message, and what the broker must answer to it.
    ///
    /// # Errors
    /// [`SaslError`] if the broker's answer to the first is none.
    pub(super) fn second(
        &self,
        password: &str,
        answer: &[u8],
    ) -> Result<(Vec<u8>, String), SaslError> {
        let answer = str::from_utf8(answer).map_err(|_| SaslError::Form)?;
        let mut parts = answer.split(',');
        let mut part = |name: &str| parts.next()?.strip_prefix(name);
        let nonce = part("r=").filter(|nonce| nonce.starts_with(&self.nonce));
        let nonce = nonce.ok_or(SaslError::Form)?;
        let salt = part("s=").and_then(base64::decode).ok_or(SaslError::Form)?;
        let rounds = part("i=").and_then(|rounds| rounds.parse().ok());
        let rounds: NonZeroU32 = rounds.ok_or(SaslError::Form)?;
        if rounds.get() > ROUNDS_MAX {
            return Err(SaslError::Rounds);
        }
        let (kdf, mac, hash) = match self.mechanism {
            Mechanism::ScramSha512 => (
                pbkdf2::PBKDF2_HMAC_SHA512,
                hmac::HMAC_SHA512,
                &digest::SHA512,
            ),
            _ => (
                pbkdf2::PBKDF2_HMAC_SHA256,
                hmac::HMAC_SHA256,
                &digest::SHA256,
            ),
        };
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(kdf, rounds, &salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(mac, key), text);
        let client = sign(&salted, b"Client Key");
        let stored = digest::digest(hash, client.as_ref());
        let bare = format!("c=biws,r={nonce}");
        let all = format!("{},{answer},{bare}", self.first);
        let signature = sign(stored.as_ref(), all.as_bytes());
        let pairs = client.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = pairs.map(|(key, signature)| key ^ signature).collect();
        let server = sign(sign(&salted, b"Server Key").as_ref(), all.as_bytes());
        let second = format!("{bare},p={}", base64::encode(&proof));
        let expected = format!("v={}", base64::encode(server.as_ref()));
        Ok((second.into_bytes(), expected))
    }
}

/// Whether the broker's last answer proves that it knows the password.
///
/// # Errors
/// [`SaslError::Impostor`] if not.
pub(super) fn proved(answer: &[u8], expected: &str) -> Result<(), SaslError> {
    let first = answer.split(|byte| *byte == b',').next();
    if first == Some(expected.as_bytes()) {
        Ok(())
    } else {
        Err(SaslError::Impostor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mechanism, SaslError, Scram, plain, proved};

    /// The exchange of RFC 7677 §3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const ANSWER: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[track_caller]
    fn check(answer: &str, expected: SaslError) {
        let scram = Scram::new(Mechanism::ScramSha256, "user", NONCE);
        assert_eq!(
            scram.second("pencil", answer.as_bytes()),
            Err(expected),
            "{answer}"
        );
    }

    #[test]
    fn scram_is_that_of_the_rfc() {
        let scram = Scram::new(Mechanism::ScramSha256, "user", NONCE);
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (second, expected) = scram.second("pencil", ANSWER.as_bytes()).unwrap();
        let text = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8(second).unwrap(), text);
        assert_eq!(expected, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(proved(expected.as_bytes(), &expected), Ok(()));
        assert_eq!(proved(b"v=AAAA", &expected), Err(SaslError::Impostor));
        assert_eq!(
            proved(b"e=other-error", &expected),
            Err(SaslError::Impostor)
        );
    }

    #[test]
    fn a_broker_that_says_something_else_is_not_answered() {
        check("", SaslError::Form);
        check("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", SaslError::Form);
        check(&ANSWER.replace("i=4096", "i=0"), SaslError::Form);
        check(&ANSWER.replace("i=4096", "i=4000000000"), SaslError::Rounds);
        check(&ANSWER.replace("s=W22", "s=W2!"), SaslError::Form);
    }

    #[test]
    fn names_are_escaped() {
        let scram = Scram::new(Mechanism::ScramSha512, "a=b,c", "n");
        assert_eq!(scram.first(), b"n,,n=a=3Db=2Cc,r=n");
        assert_eq!(plain("u", "p"), b"\0u\0p");
    }
}
