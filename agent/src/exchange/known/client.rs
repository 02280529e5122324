//! Who asked, behind proxies.

use std::net::IpAddr;

/// The furthest address that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; IPv4 in IPv6 as IPv4.
    pub address: IpAddr,
    /// Its port, where it is known.
    pub port: Option<u16>,
    /// The hops between it and this host that are believed, its neighbour first, the socket's peer
    /// last. Empty if it is the peer itself.
    pub via: Vec<IpAddr>,
}

impl Client {
    /// The socket's peer itself.
    #[must_use]
    pub const fn peer(address: IpAddr, port: u16) -> Self {
        Self {
            address: address.to_canonical(),
            port: Some(port),
            via: Vec::new(),
        }
    }

    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.via.capacity() * size_of::<IpAddr>()
    }
}
