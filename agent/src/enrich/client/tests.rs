use super::{Forwarded, Identity, client, last_entry};
use crate::capture::ConnOpen;
use crate::enrich::testing::{exchange, request};
use crate::exchange::{ConnInfo, Exchange};
use eaves_common::{Role, Transport};
use proptest::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;

const PEER: &str = "10.0.0.4";

fn trusting(proxies: &[&str]) -> Identity {
    Identity {
        trusted_proxies: proxies.iter().map(|text| text.parse().unwrap()).collect(),
        ..Identity::default()
    }
}

fn heard(peer: &str, fields: &[(&str, &str)]) -> Exchange {
    let mut exchange = exchange(request("GET", "/", fields, b""), None);
    let conn = Arc::make_mut(&mut exchange.conn);
    conn.open.remote = Some((peer.parse().unwrap(), 40_112));
    exchange
}

/// The client, and the hops believed in between.
fn told(exchange: &Exchange, identity: &Identity) -> String {
    let Some(found) = client(exchange, identity) else {
        return "nobody".to_owned();
    };
    let port = found.port.map_or("-".to_owned(), |port| port.to_string());
    let via: Vec<_> = found.via.iter().map(IpAddr::to_string).collect();
    format!("{} {port} via {}", found.address, via.join(" "))
}

#[track_caller]
fn check(peer: &str, fields: &[(&str, &str)], expected: &str) {
    let identity = trusting(&["loopback", "private"]);
    assert_eq!(
        told(&heard(peer, fields), &identity),
        expected,
        "{fields:?}"
    );
}

#[test]
fn without_a_trusted_proxy_the_peer_is_the_client() {
    check("203.0.113.9", &[], "203.0.113.9 40112 via ");
    check(
        "203.0.113.9",
        &[
            ("X-Forwarded-For", "1.1.1.1"),
            ("Forwarded", "for=1.1.1.1"),
            ("X-Real-IP", "1.1.1.1"),
        ],
        "203.0.113.9 40112 via ",
    );
    let identity = trusting(&["loopback"]);
    let exchange = heard(PEER, &[("X-Forwarded-For", "1.1.1.1")]);
    assert_eq!(told(&exchange, &identity), "10.0.0.4 40112 via ");
}

#[test]
fn all_lines_are_walked_from_the_right() {
    check(
        PEER,
        &[
            ("x-forwarded-for", "1.1.1.1, 203.0.113.7"),
            ("X-Forwarded-For", "10.0.0.9,10.0.0.8"),
        ],
        "203.0.113.7 - via 10.0.0.9 10.0.0.8 10.0.0.4",
    );
    check(
        PEER,
        &[("X-Forwarded-For", "10.0.0.9")],
        "10.0.0.9 - via 10.0.0.4",
    );
    check(
        PEER,
        &[("X-Forwarded-For", "203.0.113.7, , ")],
        "203.0.113.7 - via 10.0.0.4",
    );
    check(PEER, &[("X-Forwarded-For", "")], "10.0.0.4 40112 via ");
}

#[test]
fn addresses_are_read_in_every_form() {
    for (entry, expected) in [
        ("203.0.113.7", "203.0.113.7 - via 10.0.0.4"),
        ("203.0.113.7:5000", "203.0.113.7 5000 via 10.0.0.4"),
        ("2001:db8::7", "2001:db8::7 - via 10.0.0.4"),
        ("[2001:db8::7]", "2001:db8::7 - via 10.0.0.4"),
        ("[2001:db8::7]:5000", "2001:db8::7 5000 via 10.0.0.4"),
        ("\"[2001:db8::7]:5000\"", "2001:db8::7 5000 via 10.0.0.4"),
        ("::ffff:203.0.113.7", "203.0.113.7 - via 10.0.0.4"),
        ("fe80::1%eth0", "fe80::1 - via 10.0.0.4"),
        ("203.0.113.7:_port", "203.0.113.7 - via 10.0.0.4"),
    ] {
        check(PEER, &[("X-Forwarded-For", entry)], expected);
    }
}

#[test]
fn what_is_no_address_ends_the_walk_at_the_last_that_is_known() {
    let long = "1".repeat(9000);
    for entry in [
        "unknown",
        "_hidden",
        "203.0.113.7:99999",
        "[2001:db8::7",
        "203.0.113",
        "-",
        "\"",
        "%eth0",
        "for=1.1.1.1",
        "203.0.113.7:",
        "[::1]x",
        &long,
    ] {
        let list = format!("1.1.1.1, {entry}");
        check(PEER, &[("X-Forwarded-For", &list)], "10.0.0.4 40112 via ");
        let list = format!("1.1.1.1, {entry}, 10.0.0.9");
        check(
            PEER,
            &[("X-Forwarded-For", &list)],
            "10.0.0.9 - via 10.0.0.4",
        );
    }
}

#[test]
fn forwarded_is_read_as_its_rfc_says() {
    for (value, expected) in [
        ("for=203.0.113.7", "203.0.113.7 - via 10.0.0.4"),
        (
            "For=\"[2001:db8::7]:4711\";proto=https;by=10.0.0.4",
            "2001:db8::7 4711 via 10.0.0.4",
        ),
        (
            "for=1.1.1.1, proto=http;for=203.0.113.7 , for=10.0.0.9",
            "203.0.113.7 - via 10.0.0.9 10.0.0.4",
        ),
        (
            "for=1.1.1.1;host=\"a,b;for=2.2.2.2\"",
            "1.1.1.1 - via 10.0.0.4",
        ),
        ("for=_secret", "10.0.0.4 40112 via "),
        ("for=unknown, for=10.0.0.9", "10.0.0.9 - via 10.0.0.4"),
        ("proto=https", "10.0.0.4 40112 via "),
        // What somebody wrote further left does not change what the last proxy wrote.
        (
            "for=\"1.1.1.1, for=203.0.113.7",
            "203.0.113.7 - via 10.0.0.4",
        ),
    ] {
        check(PEER, &[("Forwarded", value)], expected);
    }
}

#[test]
fn only_the_first_field_of_the_list_is_read() {
    let fields = [
        ("Forwarded", "for=1.1.1.1"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Real-IP", "2.2.2.2"),
    ];
    check(PEER, &fields, "203.0.113.7 - via 10.0.0.4");
    let identity = Identity {
        forwarded: vec![Forwarded::XRealIp],
        ..trusting(&["private"])
    };
    assert_eq!(
        told(&heard(PEER, &fields), &identity),
        "2.2.2.2 - via 10.0.0.4"
    );
    let identity = Identity {
        forwarded: vec![],
        ..trusting(&["private"])
    };
    assert_eq!(
        told(&heard(PEER, &fields), &identity),
        "10.0.0.4 40112 via "
    );
}

#[test]
fn hops_may_be_counted_instead() {
    let identity = Identity {
        trusted_hops: 2,
        ..trusting(&[])
    };
    let list = [("X-Forwarded-For", "1.1.1.1, 203.0.113.7, 198.51.100.2")];
    assert_eq!(
        told(&heard("198.51.100.1", &list), &identity),
        "203.0.113.7 - via 198.51.100.2 198.51.100.1"
    );
}

#[test]
fn the_head_of_a_proxy_comes_before_fields() {
    let mut exchange = heard(PEER, &[("X-Forwarded-For", "1.1.1.1")]);
    Arc::make_mut(&mut exchange.conn).proxied = Some(("203.0.113.7".parse().unwrap(), 5000));
    let identity = trusting(&["private"]);
    assert_eq!(told(&exchange, &identity), "203.0.113.7 5000 via 10.0.0.4");
    Arc::make_mut(&mut exchange.conn).proxied = Some(("10.0.0.9".parse().unwrap(), 5000));
    assert_eq!(
        told(&exchange, &identity),
        "1.1.1.1 - via 10.0.0.9 10.0.0.4"
    );
    let nobody = trusting(&[]);
    assert_eq!(told(&exchange, &nobody), "10.0.0.4 40112 via ");
}

#[test]
fn peers_on_unix_sockets_count_as_loopback() {
    let mut exchange = heard(PEER, &[("X-Forwarded-For", "1.1.1.1, 203.0.113.7")]);
    let conn = Arc::make_mut(&mut exchange.conn);
    conn.open = ConnOpen {
        transport: Some(Transport::Unix),
        remote: None,
        local: None,
        ..conn.open.clone()
    };
    assert_eq!(told(&exchange, &Identity::default()), "203.0.113.7 - via ");
    assert_eq!(told(&exchange, &trusting(&[])), "nobody");
    let long = [("X-Forwarded-For", "203.0.113.7, 127.0.0.1, ::1")];
    exchange.request = heard(PEER, &long).request;
    assert_eq!(
        told(&exchange, &Identity::default()),
        "203.0.113.7 - via 127.0.0.1 ::1"
    );
}

#[test]
fn where_this_host_asks_it_is_the_client() {
    let mut exchange = heard(PEER, &[("X-Forwarded-For", "1.1.1.1")]);
    let conn: &mut ConnInfo = Arc::make_mut(&mut exchange.conn);
    conn.role = Role::Client;
    conn.open.local = Some(("10.0.0.5".parse().unwrap(), 8080));
    assert_eq!(
        told(&exchange, &trusting(&["private"])),
        "10.0.0.5 8080 via "
    );
}

#[test]
fn a_chain_without_end_is_cut() {
    let list = "10.0.0.9, ".repeat(500);
    let exchange = heard(PEER, &[("X-Forwarded-For", &list)]);
    let found = client(&exchange, &trusting(&["private"])).unwrap();
    assert!(found.via.len() <= super::HOPS_MAX);
}

proptest! {
    /// Whatever somebody writes in front: the client is what the last trusted proxy said, or nearer.
    #[test]
    fn nothing_left_of_an_untrusted_hop_is_believed(
        noise in "[ -~]{0,60}",
        left in proptest::collection::vec("(10\\.0\\.0\\.[0-9]|1\\.1\\.1\\.1|for=|\"|,|;|unknown){1,4}", 0..4),
        forwarded: bool,
    ) {
        let front = format!("{noise}{}", left.join(", "));
        let (name, real) = if forwarded {
            ("Forwarded", "for=203.0.113.7")
        } else {
            ("X-Forwarded-For", "203.0.113.7")
        };
        let one = heard(PEER, &[(name, &format!("{front}, {real}"))]);
        let two = heard(PEER, &[(name, &front), (name, real)]);
        let identity = trusting(&["private"]);
        prop_assert_eq!(told(&one, &identity), "203.0.113.7 - via 10.0.0.4");
        prop_assert_eq!(told(&two, &identity), "203.0.113.7 - via 10.0.0.4");
    }

    #[test]
    fn no_bytes_make_it_panic(value: Vec<u8>) {
        let mut rest = Some(&value[..]);
        while let Some(list) = rest {
            let (before, entry) = last_entry(list);
            let _ = super::node_of(entry).and_then(super::node_address);
            let _ = super::node_address(entry);
            rest = before;
        }
    }
}
