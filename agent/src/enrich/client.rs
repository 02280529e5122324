//! The client behind proxies: from the socket's peer leftwards, while the hop is trusted.
//!
//! Who stands left of a hop is that hop's word, so the first that is not trusted is the client, and
//! nothing left of it is read. What a trusted hop does not say in a way that can be read (`unknown`,
//! an obfuscated name, noise) ends the walk there: the client is then that hop, the furthest address
//! that is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eaves_common::{Role, Transport};

use super::options::{Forwarded, Identity};
use crate::exchange::{Client, Exchange, Head};

/// Most hops that are walked.
const HOPS_MAX: usize = 32;

/// Most bytes of one entry of a list: beyond, it names no address. An IPv6 address with its zone and port,
/// quoted, takes less than 100; a `Forwarded` entry names a host and a protocol too.
const ENTRY_MAX_BYTES: usize = 512;

/// Who asked. `None` if the socket has no address and nobody is believed.
pub(super) fn client(exchange: &Exchange, identity: &Identity) -> Option<Client> {
    let open = &exchange.conn.open;
    if exchange.conn.role == Role::Client {
        return open.local.map(|(ip, port)| Client::peer(ip, port));
    }
    let unix = open.transport == Some(Transport::Unix);
    let peer = open.remote.filter(|_| !unix);
    let mut walk = Walk {
        identity,
        client: peer.map(|(ip, port)| Client::peer(ip, port)),
        hops: 0,
        // A Unix socket's peer is a process of this host.
        trusted: identity.trusts(
            peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |(ip, _)| ip),
            0,
        ) && (unix || peer.is_some()),
    };
    if let Some((ip, port)) = exchange.conn.proxied
        && walk.trusted
    {
        walk.step(ip, Some(port));
    }
    if walk.trusted
        && let Some(request) = &exchange.request
    {
        walk.head(&request.head);
    }
    let mut client = walk.client?;
    client.via.reverse();
    Some(client)
}

struct Walk<'a> {
    identity: &'a Identity,
    /// The furthest hop so far; those behind it in `via`, the nearest to us first.
    client: Option<Client>,
    hops: usize,
    /// Whether the furthest hop is trusted.
    trusted: bool,
}

impl Walk<'_> {
    /// The furthest hop says that it was asked by this one.
    fn step(&mut self, address: IpAddr, port: Option<u16>) {
        let address = address.to_canonical();
        self.hops += 1;
        self.trusted = self.hops < HOPS_MAX && self.identity.trusts(address, self.hops);
        match &mut self.client {
            Some(client) => {
                client.via.push(client.address);
                client.address = address;
                client.port = port;
            }
            None => {
                let via = Vec::new();
                self.client = Some(Client { address, port, via });
            }
        }
    }

    /// Walks through the first of the fields that are read which is there.
    fn head(&mut self, head: &Head) {
        for forwarded in &self.identity.forwarded {
            let name = forwarded.field();
            if head.field(name).is_none() {
                continue;
            }
            for (have, value) in head.fields().rev() {
                if !have.eq_ignore_ascii_case(name.as_bytes()) {
                    continue;
                }
                let mut rest = Some(value);
                while let Some(list) = rest
                    && self.trusted
                {
                    let (before, entry) = last_entry(list);
                    rest = before;
                    let entry = entry.trim_ascii();
                    if entry.is_empty() && !list.is_empty() {
                        // Empty elements of a list say nothing (RFC 9110 §5.6.1).
                        continue;
                    }
                    let node = match forwarded {
                        Forwarded::Forwarded => node_of(entry),
                        Forwarded::XForwardedFor | Forwarded::XRealIp => Some(entry),
                    };
                    match node.and_then(node_address) {
                        Some((address, port)) => self.step(address, port),
                        None => self.trusted = false,
                    }
                }
            }
            return;
        }
    }
}

/// What stands before the last comma outside quotes, if there is one, and what stands behind it.
///
/// Read from the right, so that nothing further left, which others may have written, changes what the
/// last entry is.
fn last_entry(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    let earliest = list.len().saturating_sub(ENTRY_MAX_BYTES);
    for at in (earliest..list.len()).rev() {
        match list.get(at) {
            Some(b'"') => quoted = !quoted,
            Some(b',') if !quoted => {
                return (list.get(..at), list.get(at + 1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (None, list)
}

/// The value of `for` in one element of a Forwarded field (RFC 7239 §4).
fn node_of(element: &[u8]) -> Option<&[u8]> {
    let mut quoted = false;
    let pairs = element.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == b';' && !quoted
    });
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    })
}

/// Address and port of a node: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, quoted or not.
fn node_address(node: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    if node.len() > ENTRY_MAX_BYTES {
        return None;
    }
    let text = str::from_utf8(node).ok()?;
    let text = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?.trim(),
        None => text,
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, behind) = rest.split_once(']')?;
        let port = match behind.strip_prefix(':') {
            Some(port) => self::port(port)?,
            None if behind.is_empty() => None,
            None => return None,
        };
        return Some((v6(address)?.into(), port));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some((address.into(), None));
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => {
            let address: Ipv4Addr = address.parse().ok()?;
            Some((address.into(), self::port(port)?))
        }
        _ => Some((v6(text)?.into(), None)),
    }
}

/// An IPv6 address, its zone left out.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => address,
        Some(_) => return None,
        None => text,
    };
    address.parse().ok()
}

/// A port, or an obfuscated one, which is not known (RFC 7239 §6.2).
fn port(text: &str) -> Option<Option<u16>> {
    if text.starts_with('_') {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port: u16 = text.parse().ok()?;
    Some((port != 0).then_some(port))
}

#[cfg(test)]
mod tests;
