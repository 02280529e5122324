//! What the first messages of a TLS handshake said in clear.

use std::borrow::Cow;

use rustls::CipherSuite;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::text::Text;

/// What client and server said of a session in clear, as far as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Whom the client asked for (SNI, RFC 6066 §3).
    pub server_name: Option<Vec<u8>>,
    /// Protocols that the client offered (ALPN, RFC 7301 §3.1), in its order.
    pub offered: Vec<Vec<u8>>,
    /// Version that the server chose.
    pub version: Option<TlsVersion>,
    /// Cipher suite that the server chose.
    pub cipher: Option<Cipher>,
    /// Protocol that the server chose; in TLS 1.3 that is encrypted.
    pub chosen: Option<Vec<u8>>,
}

impl Handshake {
    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = [&self.server_name, &self.chosen].into_iter().flatten();
        let offered = self.offered.capacity() * size_of::<Vec<u8>>();
        offered + names.chain(&self.offered).map(Vec::capacity).sum::<usize>()
    }
}

/// Version of TLS that was agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.0 (RFC 2246).
    #[serde(rename = "1.0")]
    Tls10,
    /// TLS 1.1 (RFC 4346).
    #[serde(rename = "1.1")]
    Tls11,
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// The version of this number on the wire, if it is one of TLS.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            0x0301 => Some(Self::Tls10),
            0x0302 => Some(Self::Tls11),
            0x0303 => Some(Self::Tls12),
            0x0304 => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// A cipher suite by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cipher(pub u16);

impl Cipher {
    /// As IANA names it, or else its number, `0x1306`.
    #[must_use]
    pub fn to_text(self) -> Cow<'static, str> {
        // There all names begin so.
        match CipherSuite::from(self.0).as_str() {
            Some(name) => match name.strip_prefix("TLS13_") {
                Some(rest) => format!("TLS_{rest}").into(),
                None => name.into(),
            },
            None => format!("{:#06x}", self.0).into(),
        }
    }
}

impl Serialize for Cipher {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_text())
    }
}

impl JsonSchema for Cipher {
    fn schema_name() -> Cow<'static, str> {
        "Cipher".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Names of protocols, as a list.
pub(super) fn protocols<S: Serializer>(list: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|name| Text(name)))
}

#[cfg(test)]
mod tests {
    use super::{Cipher, TlsVersion};

    #[test]
    fn a_cipher_suite_has_the_name_that_iana_gave_it() {
        for (number, name) in [
            (0x1301, "TLS_AES_128_GCM_SHA256"),
            (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
            (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
            (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
            (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
            (0x0a0a, "0x0a0a"),
        ] {
            assert_eq!(Cipher(number).to_text(), name);
        }
    }

    #[test]
    fn a_version_is_one_of_tls() {
        let text = |number| serde_json::to_value(TlsVersion::from_number(number)).unwrap();
        assert_eq!([0x0301, 0x0304].map(text), ["1.0", "1.3"]);
        assert!(
            [0x0300, 0x7f1c, 0x0305]
                .map(text)
                .iter()
                .all(|one| one.is_null())
        );
    }
}
