//! JWT-01, JWT-02, JWT-04: what a token's header, claims and signature say of themselves (RFC 7519,
//! RFC 7515), and CRED-01 for what everybody can read in it.

use serde_json::{Map, Value};

use super::text::find;
use crate::base64::value;
use crate::clock::WallTime;

/// Clocks may differ by this (DETECTION 7).
const SKEW_S: i64 = 60;

/// A token that lives longer is as good as one that never ends.
const LONGEST_S: i64 = 180 * 86_400;

/// Longest token that is read.
const TOKEN_BYTES: usize = 1 << 14;

/// Claims whose value should be known to its owner alone.
const SECRET_CLAIMS: &[&str] = &[
    "card_number",
    "credit_card",
    "cvv",
    "passwd",
    "password",
    "pin",
    "private_key",
    "pwd",
    "secret",
    "ssn",
];

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The detector.
    pub detector: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// Whether it counts only where the server accepts the token.
    pub if_accepted: bool,
}

const fn fault(detector: &'static str, rule: &'static str) -> Fault {
    Fault {
        detector,
        rule,
        if_accepted: false,
    }
}

const fn accepted(rule: &'static str) -> Fault {
    Fault {
        detector: "jwt-02",
        rule,
        if_accepted: true,
    }
}

/// A token, taken apart.
#[derive(Debug)]
pub struct Token<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Vec<u8>,
    /// What the signature is of.
    pub signed: &'a [u8],
}

impl<'a> Token<'a> {
    /// Reads `text` if it is a signed token in compact form; an encrypted one says nothing.
    #[must_use]
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let plausible = text.starts_with(b"ey") || text.starts_with(b"ew");
        if !plausible || text.len() > TOKEN_BYTES {
            return None;
        }
        let last = memchr::memrchr(b'.', text)?;
        let signed = text.get(..last)?;
        let mut parts = signed.split(|byte| *byte == b'.');
        let (header, claims) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let header: Map<String, Value> = serde_json::from_slice(&decode(header)?).ok()?;
        header.get("alg")?;
        Some(Self {
            header,
            claims: serde_json::from_slice(&decode(claims)?).unwrap_or_default(),
            signature: decode(text.get(last + 1..)?).unwrap_or_default(),
            signed,
        })
    }

    /// The algorithm, as it is written.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The signature's bytes.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Who made it, with which key: a secret belongs to both.
    #[must_use]
    pub fn issuer(&self) -> String {
        let text = |map: &Map<String, Value>, name| {
            map.get(name).map(ToString::to_string).unwrap_or_default()
        };
        format!(
            "{} {}",
            text(&self.claims, "iss"),
            text(&self.header, "kid")
        )
    }

    /// What is wrong with it at `now`.
    #[must_use]
    pub fn faults(&self, now: WallTime) -> Vec<Fault> {
        let mut faults = Vec::new();
        let algorithm = self.algorithm();
        if algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none") {
            faults.push(fault("jwt-01", "algorithm_none"));
        } else if self.signature.iter().all(|byte| *byte == 0) {
            faults.push(fault("jwt-01", "null_signature"));
        }
        self.header_faults(&mut faults);
        self.time_faults(
            i64::try_from(now.0 / 1_000_000_000).unwrap_or(i64::MAX),
            &mut faults,
        );
        if self
            .claims
            .keys()
            .any(|name| SECRET_CLAIMS.contains(&name.to_ascii_lowercase().as_str()))
        {
            faults.push(fault("cred-01", "secret_in_token"));
        }
        faults
    }

    /// Keys that come with the token, from elsewhere, or by a name that is a path or a query.
    fn header_faults(&self, faults: &mut Vec<Fault>) {
        if self.header.contains_key("jwk") {
            faults.push(fault("jwt-04", "embedded_key"));
        }
        if ["jku", "x5u"]
            .iter()
            .any(|name| self.header.contains_key(*name))
        {
            faults.push(fault("jwt-04", "key_by_address"));
        }
        let kid = self
            .header
            .get("kid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let odd = |byte: u8| {
            matches!(
                byte,
                b'\'' | b'"' | b'|' | b';' | b'`' | b'<' | b'$' | b'(' | b'\\' | 0..=0x1f
            )
        };
        if kid.bytes().any(odd)
            || kid.starts_with('/')
            || find(kid.as_bytes(), "..").is_some()
            || find(kid.as_bytes(), "://").is_some()
        {
            faults.push(fault("jwt-04", "key_name_injects"));
        }
    }

    fn time_faults(&self, now: i64, faults: &mut Vec<Fault>) {
        let claim = |name| {
            self.claims
                .get(name)
                .and_then(Value::as_f64)
                .map(|seconds| seconds as i64)
        };
        match claim("exp") {
            None if self.claims.is_empty() => {}
            None => faults.push(accepted("never_expires")),
            Some(end) if end.saturating_add(SKEW_S) < now => faults.push(accepted("expired")),
            Some(end) if end.saturating_sub(claim("iat").unwrap_or(now)) > LONGEST_S => {
                faults.push(accepted("lives_long"));
            }
            Some(_) => {}
        }
        if claim("nbf").is_some_and(|start| start.saturating_sub(SKEW_S) > now) {
            faults.push(accepted("not_yet_valid"));
        }
    }
}

/// Base64 in the alphabet of URLs, without padding (RFC 7515 §2); the other alphabet is read too.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.iter().filter(|byte| **byte != b'=') {
        bits = bits << 6 | value(*byte)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::Token;
    use crate::base64;
    use crate::clock::WallTime;

    const NOW: WallTime = WallTime(1_773_053_000_000_000_000);

    fn encode(text: &str) -> String {
        let text = base64::encode(text.as_bytes());
        text.trim_end_matches('=').to_owned()
    }

    #[track_caller]
    fn check(header: &str, claims: &str, signature: &str, expected: &[&str]) {
        let text = format!("{}.{}.{signature}", encode(header), encode(claims));
        let faults = Token::read(text.as_bytes()).unwrap().faults(NOW);
        let rules: Vec<_> = faults.iter().map(|fault| fault.rule).collect();
        assert_eq!(rules, expected, "{header} {claims}");
    }

    const GOOD: &str = r#"{"iss":"a","iat":1773052900,"exp":1773056000}"#;

    #[test]
    fn a_sound_token_has_no_fault() {
        check(r#"{"alg":"HS256","kid":"key-1"}"#, GOOD, "c2ln", &[]);
        check(
            r#"{"alg":"HS256"}"#,
            r#"{"iat":1773050000,"exp":1773052950}"#,
            "c2ln",
            &[],
        );
    }

    #[test]
    fn tokens_that_nobody_signed_are_told() {
        for alg in ["none", "NONE", "nOnE", ""] {
            check(
                &format!(r#"{{"alg":"{alg}"}}"#),
                GOOD,
                "",
                &["algorithm_none"],
            );
        }
        check(r#"{"alg":"HS256"}"#, GOOD, "", &["null_signature"]);
        check(r#"{"alg":"ES256"}"#, GOOD, "AAAAAAAA", &["null_signature"]);
    }

    #[test]
    fn keys_that_the_sender_chose_are_told() {
        check(
            r#"{"alg":"RS256","jwk":{}}"#,
            GOOD,
            "c2ln",
            &["embedded_key"],
        );
        check(
            r#"{"alg":"RS256","jku":"https://h/"}"#,
            GOOD,
            "c2ln",
            &["key_by_address"],
        );
        for kid in [
            "../../dev/null",
            "/dev/null",
            "x' union select 'k",
            "k|id",
            "http://h/k",
        ] {
            check(
                &format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
                GOOD,
                "c2ln",
                &["key_name_injects"],
            );
        }
    }

    #[test]
    fn times_are_held_against_the_event() {
        let head = r#"{"alg":"HS256"}"#;
        check(head, r#"{"exp":1773052939}"#, "c2ln", &["expired"]);
        check(head, r#"{"sub":"a"}"#, "c2ln", &["never_expires"]);
        check(
            head,
            r#"{"iat":1773052900,"exp":2088413000}"#,
            "c2ln",
            &["lives_long"],
        );
        check(
            head,
            r#"{"exp":1773056000,"nbf":1773053061}"#,
            "c2ln",
            &["not_yet_valid"],
        );
        check(
            head,
            r#"{"exp":1773056000,"Password":"x"}"#,
            "c2ln",
            &["secret_in_token"],
        );
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in [
            "",
            "eyJ",
            "a.b.c",
            "eyJhIjoxfQ.e30.x",
            "ey.ey.ey.ey.ey",
            "www.example.com",
        ] {
            assert!(Token::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
