//! What the configuration says of who is who.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Addresses;

/// How it is known who asked: the client behind proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Proxies whose word is believed on who asked them: addresses, networks such as `10.0.0.0/8`,
    /// `loopback`, `private`. Peers on Unix sockets are on this host, and count as `127.0.0.1`. What is
    /// given here takes the default's place.
    #[schemars(length(max = 1024))]
    pub trusted_proxies: Vec<Addresses>,
    /// So many hops are believed whatever their address, counted from the socket's peer: for proxies
    /// whose addresses change.
    #[schemars(range(max = 16))]
    pub trusted_hops: u32,
    /// Header fields in which proxies say who asked them. The first of the list that a request has is
    /// read, and no other: a proxy passes on the fields that it does not know, whoever wrote them. The
    /// PROXY protocol, at the head of a connection, comes before all of them.
    #[schemars(extend("uniqueItems" = true))]
    pub forwarded: Vec<Forwarded>,
}

/// A header field in which proxies say who asked them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forwarded {
    /// `X-Forwarded-For`: addresses, each proxy adding its own peer behind, in as many fields as there
    /// are
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
    /// `X-Real-IP`: one address
    XRealIp,
}

impl Forwarded {
    /// The field's name.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::XRealIp => "x-real-ip",
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            trusted_proxies: vec![Addresses::Loopback],
            trusted_hops: 0,
            forwarded: vec![
                Forwarded::XForwardedFor,
                Forwarded::Forwarded,
                Forwarded::XRealIp,
            ],
        }
    }
}

impl Identity {
    /// Whether the word of the proxy at `address` is believed, the `hop`th from here, from 0.
    pub(super) fn trusts(&self, address: IpAddr, hop: usize) -> bool {
        hop < self.trusted_hops as usize
            || self
                .trusted_proxies
                .iter()
                .any(|proxies| proxies.contains(address))
    }
}
