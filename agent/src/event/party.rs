//! Who takes part: ends of a connection, host.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::handshake::{Cipher, Handshake, TlsVersion, protocols};
use super::http::Protocol;
use super::id::EventId;
use super::place::{AutonomousSystem, Geo};
use super::text::{Lower, Text};

/// Which side of a connection was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The end that answers.
    Server,
    /// The end that asks.
    Client,
}

/// The connection, and what was spoken on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Network {
    /// What carried it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// What was spoken.
    pub protocol: Protocol,
    /// Names the connection: its exchanges share it.
    pub connection: EventId,
    /// The exchange's stream on it, in HTTP/2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
}

/// What carried a connection. Multipath TCP counts as TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP, over IPv4 or IPv6.
    Tcp,
    /// A Unix stream socket.
    Unix,
}

/// TLS on the connection, as far as it was seen: all but `library` is what the handshake said in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tls<'a> {
    /// Where on this host the plaintext was heard: in a library of the process, or at the kernel.
    pub library: TlsLibrary,
    /// Whom the client asked for (SNI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<Lower<'a>>,
    /// Version that the server chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<TlsVersion>,
    /// Cipher suite that the server chose, as IANA names it; the number of one that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher: Option<Cipher>,
    /// Protocol that the server chose (ALPN). TLS 1.3 encrypts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_protocol: Option<Text<'a>>,
    /// Protocols that the client offered (ALPN), in its order.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "protocols")]
    #[schemars(with = "Vec<Text<'a>>")]
    pub offered_protocols: &'a [Vec<u8>],
}

impl<'a> Tls<'a> {
    /// What was heard in `library`, behind this handshake if that was seen.
    #[must_use]
    pub fn of(library: TlsLibrary, handshake: Option<&'a Handshake>) -> Self {
        Self {
            library,
            server_name: handshake.and_then(|said| said.server_name.as_deref().map(Lower)),
            version: handshake.and_then(|said| said.version),
            cipher: handshake.and_then(|said| said.cipher),
            next_protocol: handshake.and_then(|said| said.chosen.as_deref().map(Text)),
            offered_protocols: handshake.map_or(&[], |said| &said.offered),
        }
    }
}

/// What speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsLibrary {
    /// OpenSSL, or one with its functions: BoringSSL, LibreSSL.
    Openssl,
    /// GnuTLS.
    Gnutls,
    /// Go's own, `crypto/tls`.
    Go,
    /// rustls.
    Rustls,
    /// NSS.
    Nss,
    /// The kernel's (kTLS): the socket itself takes and gives plaintext.
    Kernel,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Endpoint<'a> {
    /// IP address; for a Unix socket its path, `@name` if that is abstract.
    pub address: Address<'a>,
    /// Port. A Unix socket has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Client<'a> {
    /// IP address: the furthest one that is believed; for a Unix socket its path.
    pub address: Address<'a>,
    /// Port, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The proxies between it and this host that were believed, its neighbour first.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "addresses")]
    #[schemars(with = "Vec<Address<'a>>")]
    pub via: &'a [IpAddr],
    /// Where its address is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo: Option<Geo<'a>>,
    /// The network its address belongs to.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub network: Option<AutonomousSystem<'a>>,
}

impl<'a> From<Endpoint<'a>> for Client<'a> {
    fn from(end: Endpoint<'a>) -> Self {
        Self {
            address: end.address,
            port: end.port,
            via: &[],
            geo: None,
            network: None,
        }
    }
}

fn addresses<S: Serializer>(list: &[IpAddr], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|ip| Address::Ip(*ip)))
}

/// An IP address or the name of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// Written in its canonical form; IPv4 in IPv6 as IPv4.
    Ip(IpAddr),
    /// As the kernel has it: an abstract name begins with NUL, written `@`.
    Unix(&'a [u8]),
}

impl Address<'_> {
    /// As it is written.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Ip(ip) => ip.to_canonical().to_string().into(),
            Self::Unix([0, name @ ..]) => format!("@{}", Text(name).to_text()).into(),
            Self::Unix(path) => Text(path).to_text(),
        }
    }
}

impl Serialize for Address<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ip(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => {
                    let (text, len) = dotted(ip.octets());
                    let text = text.get(..len).unwrap_or_default();
                    to.serialize_str(str::from_utf8(text).unwrap_or_default())
                }
                IpAddr::V6(ip) => to.collect_str(&ip),
            },
            Self::Unix([0, ..]) => to.serialize_str(&self.to_text()),
            Self::Unix(path) => Text(path).serialize(to),
        }
    }
}

/// Four numbers with dots between, and how many bytes they take.
fn dotted(octets: [u8; 4]) -> ([u8; 15], usize) {
    let mut text = [b'.'; 15];
    let mut len = 0;
    for octet in octets {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let leading = digits.iter().take(2).take_while(|d| **d == 0).count();
        for digit in digits.into_iter().skip(leading) {
            if let Some(place) = text.get_mut(len) {
                *place = b'0' + digit;
            }
            len += 1;
        }
        len += 1;
    }
    (text, len - 1)
}

impl JsonSchema for Address<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// This host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Host<'a> {
    /// Its name; in a pod that is told `NODE_NAME`, the name of its node.
    pub name: &'a str,
    /// Its machine id.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::{Address, dotted};
    use std::net::{IpAddr, Ipv4Addr};

    #[track_caller]
    fn check(address: Address<'_>, expected: &str) {
        assert_eq!(serde_json::to_value(address).unwrap(), expected);
    }

    #[test]
    fn addresses_are_written_canonically() {
        for ip in ["127.0.0.1", "::1", "2001:db8::1", "255.255.255.255"] {
            check(Address::Ip(ip.parse().unwrap()), ip);
        }
        check(Address::Ip("::ffff:10.0.0.5".parse().unwrap()), "10.0.0.5");
    }

    #[test]
    fn unix_names_are_paths_or_begin_with_at() {
        check(Address::Unix(b"/run/app.sock"), "/run/app.sock");
        check(Address::Unix(b"\0app"), "@app");
        check(Address::Unix(b"\0a\0b\xff"), "@a\0b\\xff");
        check(Address::Unix(b"/run/\xff"), "/run/\\xff");
    }

    #[test]
    fn dotted_agrees_with_the_standard_library() {
        for a in 0..=255 {
            let ip = Ipv4Addr::new(a, 0, 255 - a, a / 2);
            let (text, len) = dotted(ip.octets());
            assert_eq!(
                str::from_utf8(&text[..len]).unwrap(),
                IpAddr::V4(ip).to_string()
            );
        }
    }
}
