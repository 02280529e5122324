//! Process, container and pod, from the table of processes; where the client is, from the atlas.

use std::net::IpAddr;
use std::time::Instant;

use crate::capture::ConnOpen;
use crate::exchange::Exchange;
use crate::lookup::{Atlas, Places, ProcessKey};
use eaves_common::Role;

/// The process that last moved bytes of a conn, as its kernel record names it.
#[must_use]
pub fn process_key(open: &ConnOpen) -> ProcessKey {
    ProcessKey::new(open.tgid, open.process_start, open.cgroup, &open.comm)
}

/// Adds the process and where it runs; waits for `places` as long as they allow.
pub fn place(exchange: &mut Exchange, places: &mut Places, now: Instant) {
    exchange.known.place = places.of(&process_key(&exchange.conn.open), now);
}

/// Adds where the client's address is: the furthest one that is believed.
pub fn locate(exchange: &mut Exchange, atlas: &mut Atlas) {
    if let Some(ip) = client(exchange) {
        exchange.known.geo = atlas.of(ip);
    }
}

fn client(exchange: &Exchange) -> Option<IpAddr> {
    if let Some(client) = &exchange.known.client {
        return Some(client.address);
    }
    let open = &exchange.conn.open;
    let end = match exchange.conn.role {
        Role::Server => open.remote,
        Role::Client => open.local,
    };
    end.map(|(ip, _)| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::client;
    use crate::capture::ConnOpen;
    use crate::exchange::{Client, ConnInfo, Exchange};
    use eaves_common::Role;

    #[track_caller]
    fn check(role: Role, believed: Option<&str>, expected: &str) {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let open = ConnOpen {
            local: Some((ip("10.0.0.5"), 443)),
            remote: Some((ip("::ffff:203.0.113.7"), 51_322)),
            ..ConnOpen::default()
        };
        let mut exchange = Exchange::of(Arc::new(ConnInfo {
            open,
            role,
            proxied: None,
        }));
        exchange.known.client = believed.map(|address| Client::peer(ip(address), 1));
        assert_eq!(client(&exchange), Some(ip(expected)));
    }

    #[test]
    fn the_client_is_who_is_believed_or_else_the_end_that_asked() {
        check(Role::Server, Some("198.51.100.1"), "198.51.100.1");
        check(Role::Server, None, "203.0.113.7");
        check(Role::Client, None, "10.0.0.5");
    }
}
