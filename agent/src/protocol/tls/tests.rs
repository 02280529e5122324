//! Hellos of OpenSSL and Go as they were sent (`tests/fixtures/tls`), of rustls as it makes them now, and
//! such as are made here.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::{
    CLIENT_HELLO, PROTOCOLS, Reading, SERVER_HELLO, SERVER_NAME, VERSIONS, hello, is_grease,
};
use crate::event::{Cipher, Handshake, TlsVersion};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/tls/", $name))
    };
}

/// What the front of a flow says. Cut at each byte, it says nothing else: of a part the same or less.
#[track_caller]
fn check(flow: &[u8], expected: &Handshake) {
    let mut whole = Handshake::default();
    assert_eq!(hello(flow, &mut whole), Reading::Done);
    assert_eq!(&whole, expected);
    let mut grown = Handshake::default();
    for cut in 0..flow.len() {
        let mut part = Handshake::default();
        let reading = hello(&flow[..cut], &mut part);
        assert_ne!(reading, Reading::Other, "cut at byte {cut}");
        assert!(is_less(&part, expected), "cut at byte {cut}: {part:?}");
        // What goes on from there comes to the same.
        assert_eq!(
            hello(&flow[..cut], &mut grown),
            reading,
            "cut at byte {cut}"
        );
        assert_eq!(grown, part, "cut at byte {cut}");
    }
    hello(flow, &mut grown);
    assert_eq!(&grown, expected);
}

fn is_less(part: &Handshake, whole: &Handshake) -> bool {
    fn is<T: PartialEq>(part: Option<&T>, whole: Option<&T>) -> bool {
        part.is_none() || part == whole
    }
    is(part.server_name.as_ref(), whole.server_name.as_ref())
        && is(part.chosen.as_ref(), whole.chosen.as_ref())
        && is(part.version.as_ref(), whole.version.as_ref())
        && is(part.cipher.as_ref(), whole.cipher.as_ref())
        && (part.offered.is_empty() || part.offered == whole.offered)
}

fn client(server_name: Option<&str>, offered: &[&str]) -> Handshake {
    Handshake {
        server_name: server_name.map(|name| name.as_bytes().to_vec()),
        offered: offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect(),
        ..Handshake::default()
    }
}

fn server(version: TlsVersion, cipher: u16, chosen: Option<&str>) -> Handshake {
    Handshake {
        version: Some(version),
        cipher: Some(Cipher(cipher)),
        chosen: chosen.map(|name| name.as_bytes().to_vec()),
        ..Handshake::default()
    }
}

const NAME: Option<&str> = Some("api.example.com");
const BOTH: &[&str] = &["h2", "http/1.1"];

#[test]
fn what_openssl_sent_is_read() {
    check(fixture!("openssl-tls12.client"), &client(NAME, BOTH));
    check(fixture!("openssl-tls13.client"), &client(NAME, BOTH));
    check(fixture!("openssl-bare.client"), &client(None, &[]));
    let chose = server(TlsVersion::Tls12, 0xc02c, Some("h2"));
    check(fixture!("openssl-tls12.server"), &chose);
    let chose = server(TlsVersion::Tls13, 0x1302, None);
    check(fixture!("openssl-tls13.server"), &chose);
    let chose = server(TlsVersion::Tls12, 0xc02c, None);
    check(fixture!("openssl-bare.server"), &chose);
}

#[test]
fn what_go_sent_with_keys_against_quantum_computers_is_read() {
    check(fixture!("go-tls13.client"), &client(NAME, BOTH));
    let chose = server(TlsVersion::Tls13, 0x1301, None);
    check(fixture!("go-tls13.server"), &chose);
}

/// What rustls sends first for a client of this version.
fn of_rustls(version: &'static SupportedProtocolVersion, name: &'static str) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = BOTH.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name).unwrap();
    let mut conn = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut sent = Vec::new();
    conn.write_tls(&mut sent).unwrap();
    sent
}

#[test]
fn what_rustls_sends_is_read() {
    check(&of_rustls(&TLS12, "api.example.com"), &client(NAME, BOTH));
    check(&of_rustls(&TLS13, "api.example.com"), &client(NAME, BOTH));
    // An address is no name, and is not sent as one.
    check(&of_rustls(&TLS13, "192.0.2.1"), &client(None, BOTH));
}

/// A field behind `N` bytes that count it.
fn counted<const N: usize>(field: &[u8]) -> Vec<u8> {
    let len = field.len().to_be_bytes();
    [&len[len.len() - N..], field].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), counted::<2>(data)].concat()
}

fn names(of: &[(u8, &[u8])]) -> Vec<u8> {
    let one = |(kind, name): &(u8, &[u8])| [vec![*kind], counted::<2>(name)].concat();
    let list: Vec<u8> = of.iter().flat_map(one).collect();
    extension(SERVER_NAME, &counted::<2>(&list))
}

fn protocols(of: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = of.iter().flat_map(|name| counted::<1>(name)).collect();
    extension(PROTOCOLS, &counted::<2>(&list))
}

fn message(kind: u8, extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0x5a; 32]);
    body.extend(counted::<1>(&[0xa5; 32]));
    if kind == CLIENT_HELLO {
        body.extend(counted::<2>(&[0x0a, 0x0a, 0x13, 0x01]));
        body.extend(counted::<1>(&[0]));
    } else {
        body.extend([0x13, 0x01, 0]);
    }
    body.extend(counted::<2>(&extensions.concat()));
    [vec![kind], counted::<3>(&body)].concat()
}

/// A message in records of at most so many bytes.
fn records(message: &[u8], most: usize) -> Vec<u8> {
    let pieces = message.chunks(most);
    let record = |piece: &[u8]| [b"\x16\x03\x01".to_vec(), counted::<2>(piece)].concat();
    pieces.flat_map(record).collect()
}

#[test]
fn a_hello_in_several_records_is_one() {
    let message = message(
        CLIENT_HELLO,
        &[
            names(&[(0, b"api.example.com")]),
            protocols(&[b"h2", b"http/1.1"]),
        ],
    );
    for most in [1, 5, 40, 16_384] {
        check(&records(&message, most), &client(NAME, BOTH));
    }
}

#[test]
fn keys_against_quantum_computers_may_lie_in_front() {
    let keys = extension(51, &counted::<2>(&[0x11; 1220]));
    let extensions = [
        extension(0x0a0a, b""),
        keys.clone(),
        protocols(&[b"\x1a\x1a", b"h2", b"http/1.1", b"\xfa\xfa"]),
        extension(43, &counted::<1>(&[0x3a, 0x3a, 3, 4, 3, 3])),
        names(&[(0, b"api.example.com")]),
        extension(0x4a4a, b"\0"),
    ];
    let sent = records(&message(CLIENT_HELLO, &extensions), 16_384);
    check(&sent, &client(NAME, BOTH));
    let chose = [keys, extension(VERSIONS, &[3, 4])];
    let sent = records(&message(SERVER_HELLO, &chose), 16_384);
    check(&sent, &server(TlsVersion::Tls13, 0x1301, None));
}

#[test]
fn what_a_record_of_something_else_cuts_is_read_as_far_as_it_goes() {
    let extensions = [names(&[(0, b"api.example.com")]), protocols(&[b"h2"])];
    let message = message(CLIENT_HELLO, &extensions);
    let mut sent = records(&message[..message.len() - 2], 16_384);
    sent.extend(b"\x15\x03\x03\x00\x02\x02\x28");
    check(&sent, &client(NAME, &[]));
}

#[test]
fn lists_have_limits() {
    let long = vec![b'a'; 256];
    let name = |name: &[u8]| message(CLIENT_HELLO, &[names(&[(0, name)])]);
    check(&records(&name(&long), 16_384), &client(None, &[]));
    check(&records(&name(b""), 16_384), &client(None, &[]));
    // Names of a kind that nobody knows are passed over.
    let other = message(CLIENT_HELLO, &[names(&[(7, b"x"), (0, b"a"), (0, b"b")])]);
    check(&records(&other, 16_384), &client(Some("a"), &[]));
    let many = message(CLIENT_HELLO, &[protocols(&[b"x".as_slice(); 40])]);
    check(&records(&many, 16_384), &client(None, &["x"; 8]));
    let wide = message(
        CLIENT_HELLO,
        &[protocols(&[&long[..200], &long[..60], b"h2"])],
    );
    let kept = "a".repeat(200);
    check(&records(&wide, 16_384), &client(None, &[&kept]));
}

#[test]
fn the_first_extension_of_a_kind_counts() {
    let twice = [
        names(&[(0, b"api.example.com")]),
        names(&[(0, b"other")]),
        protocols(&[b"h2", b"http/1.1"]),
        protocols(&[b"spdy/1"]),
    ];
    let sent = records(&message(CLIENT_HELLO, &twice), 16_384);
    check(&sent, &client(NAME, BOTH));
}

#[test]
fn what_is_no_hello_is_told() {
    let other = |flow: &[u8]| {
        let mut known = Handshake::default();
        assert_eq!(
            hello(flow, &mut known),
            Reading::Other,
            "{}",
            flow.escape_ascii()
        );
        assert_eq!(known, Handshake::default());
    };
    other(b"GET / HTTP/1.1\r\n\r\n");
    other(b"\x17\x03\x03\x00\x20");
    other(b"\x16\x02\x03\x00\x20");
    other(b"\x16\x03\x05\x00\x20");
    other(b"\x16\x03\x03\x00\x00");
    other(b"\x16\x03\x03\x40\x01");
    // A ClientKeyExchange, and a message that is encrypted.
    other(b"\x16\x03\x03\x00\x06\x10\x00\x00\x02\xaa\xbb");
    other(b"\x16\x03\x03\x00\x06\x9c\x00\x00\x02\xaa\xbb");
}

#[test]
fn names_made_up_to_try_servers_are_known() {
    let is = |name: &[u8]| is_grease(name);
    assert!(is(b"\x0a\x0a") && is(b"\xfa\xfa") && is(b"ZZ"));
    assert!(!is(b"h2") && !is(b"\x0a\x1a") && !is(b"\x0a") && !is(b"\x0b\x0b"));
}
