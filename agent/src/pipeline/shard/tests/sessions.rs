//! TLS sessions: whose they are, and what becomes of those whose socket shows late or never.

use eaves_common::{ConnId, EndReason, Flow, Transport};

use super::{GET, OK, WHOLE, check, turn};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use crate::exchange::Exchange;
use crate::pipeline::shard::{Options, Outcome, Shard};

#[test]
fn a_session_whose_socket_is_found_late_has_its_addresses() {
    let mut conn = ConnBuilder::session(0x7f00_1000);
    let mut records = vec![
        conn.open(),
        conn.data(Flow::Received, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    conn.transport = Some(Transport::Tcp);
    records.extend([
        conn.open(),
        conn.data(Flow::Sent, b"HTTP/1.1 204 No Content\r\n\r\n"),
        conn.end(EndReason::Closed),
    ]);
    let out = check(&records, &["GET /a 0 whole | 204 0 whole"]);
    let open = &out.exchanges[0].conn.open;
    assert_eq!(open.remote, Some(conn.remote()));
    assert_eq!(open.library, conn.library);
}

#[test]
fn a_session_whose_socket_is_never_found_has_no_addresses() {
    let mut conn = ConnBuilder::session(0x7f00_1000);
    let records = [
        conn.open(),
        conn.data(Flow::Received, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
        conn.data(Flow::Sent, b"HTTP/1.1 204 No Content\r\n\r\n"),
        conn.end(EndReason::Closed),
    ];
    let out = check(&records, &["GET /a 0 whole | 204 0 whole"]);
    let open = &out.exchanges[0].conn.open;
    let ends = (open.transport, open.local, open.remote);
    assert_eq!(ends, (None, None, None));
}

#[test]
fn sessions_at_one_address_in_two_processes_are_two() {
    let mut conns = [1, 2].map(|process| {
        let mut conn = ConnBuilder::session(0x7f00_1000);
        conn.conn.inode ^= process << 46;
        conn
    });
    let mut records = Vec::new();
    for bytes in [(Flow::Received, GET), (Flow::Sent, OK)] {
        for conn in &mut conns {
            if bytes.0 == Flow::Received {
                records.push(conn.open());
            }
            records.push(conn.data(bytes.0, bytes.1));
        }
    }
    records.extend(conns.iter_mut().map(|conn| conn.end(EndReason::Closed)));
    check(&records, &[WHOLE, WHOLE]);
}

#[test]
fn what_is_over_waits_for_its_sessions_socket() {
    let mut conn = ConnBuilder::session(0x7f00_1000);
    let mut records = turn(&mut conn);
    records.extend([conn.data(Flow::Received, GET), conn.data(Flow::Sent, OK)]);
    conn.transport = Some(Transport::Tcp);
    records.extend([
        conn.open(),
        conn.data(Flow::Received, GET),
        conn.data(Flow::Sent, OK),
        conn.end(EndReason::Closed),
    ]);
    let out = check(&records, &[WHOLE, WHOLE, WHOLE]);
    for exchange in &out.exchanges {
        assert_eq!(exchange.conn.open.remote, Some(conn.remote()));
    }
    let ordinals = out.exchanges.iter().map(|exchange| exchange.ordinal);
    assert!(ordinals.is_sorted());
}

#[test]
fn nobody_waits_for_a_socket_for_long() {
    let mut conn = ConnBuilder::session(0x7f00_1000);
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    for record in turn(&mut conn) {
        shard.push(&record, &mut out);
    }
    assert!(out.exchanges.is_empty(), "it waits");
    shard.tick(Ktime(conn.time_ns + 200_000_000), &mut out);
    assert_eq!(out.exchanges.len(), 1, "it waits no more");
    for record in [conn.data(Flow::Received, GET), conn.data(Flow::Sent, OK)] {
        shard.push(&record, &mut out);
    }
    assert_eq!(out.exchanges.len(), 2, "nor does the next");
}

#[test]
fn what_waits_for_a_socket_has_a_limit() {
    let mut conn = ConnBuilder::session(0x7f00_1000);
    let mut shard = Shard::new(&Options::default());
    let mut out = Outcome::default();
    shard.push(&conn.open(), &mut out);
    for _ in 0..1_000 {
        shard.push(&conn.data(Flow::Received, GET), &mut out);
        shard.push(&conn.data(Flow::Sent, OK), &mut out);
    }
    assert_eq!(out.exchanges.len(), 1_000);
    assert!(shard.bytes_held() < 256 * 1024);
}

const CLIENT: &[u8] = include_bytes!("../../../../../tests/fixtures/tls/openssl-tls12.client");
const SERVER: &[u8] = include_bytes!("../../../../../tests/fixtures/tls/openssl-tls12.server");

/// The records of a handshake on a server's socket, as OpenSSL reads: header and message apart.
fn handshake(socket: &mut ConnBuilder) -> Vec<Vec<u8>> {
    let (head, message) = CLIENT.split_at(5);
    vec![
        socket.hello(Flow::Received, 0, head),
        socket.hello(Flow::Received, 5, message),
        socket.hello(Flow::Sent, 0, SERVER),
    ]
}

/// A session, the socket that carries it, and the records of the handshake.
fn agreed() -> (ConnBuilder, ConnId, Vec<Vec<u8>>) {
    let mut socket = ConnBuilder::tcp(0x9000);
    let records = handshake(&mut socket);
    let mut conn = ConnBuilder::session(0x7f00_1000);
    conn.time_ns = socket.time_ns;
    (conn, socket.conn, records)
}

/// Whom the client asked for.
fn name_of(exchange: &Exchange) -> Option<&str> {
    let said = exchange.conn.open.handshake.as_ref()?;
    str::from_utf8(said.server_name.as_ref()?).ok()
}

const NAME: Option<&str> = Some("api.example.com");

#[test]
fn a_session_bears_what_the_handshake_on_its_socket_said() {
    let (mut conn, socket, mut records) = agreed();
    conn.transport = Some(Transport::Tcp);
    conn.carrier = Some(socket);
    records.extend(turn(&mut conn));
    records.extend([conn.data(Flow::Received, GET), conn.data(Flow::Sent, OK)]);
    let out = check(&records, &[WHOLE, WHOLE]);
    assert!(out.exchanges.iter().all(|one| name_of(one) == NAME));
}

#[test]
fn a_session_whose_socket_is_found_late_bears_it_too() {
    let (mut conn, socket, mut records) = agreed();
    records.extend(turn(&mut conn));
    conn.transport = Some(Transport::Tcp);
    conn.carrier = Some(socket);
    records.extend(turn(&mut conn));
    // Another process of the same session knows the same.
    conn.tgid = 200;
    records.extend(turn(&mut conn));
    let out = check(&records, &[WHOLE, WHOLE, WHOLE]);
    assert!(out.exchanges.iter().all(|one| name_of(one) == NAME));
}

#[test]
fn a_session_bears_nothing_of_other_sockets() {
    let (mut conn, socket, mut records) = agreed();
    conn.transport = Some(Transport::Tcp);
    conn.carrier = Some(ConnId {
        inode: socket.inode + 1,
        ..socket
    });
    records.extend(turn(&mut conn));
    let out = check(&records, &[WHOLE]);
    assert_eq!(name_of(&out.exchanges[0]), None);
}

#[test]
fn what_was_believed_of_a_socket_is_not_kept_when_it_is_not_believed_any_more() {
    let (mut conn, socket, mut records) = agreed();
    conn.transport = Some(Transport::Tcp);
    conn.carrier = Some(socket);
    records.extend(turn(&mut conn));
    (conn.transport, conn.carrier) = (None, None);
    records.extend(turn(&mut conn));
    let out = check(&records, &[WHOLE, WHOLE]);
    let names: Vec<_> = out.exchanges.iter().map(name_of).collect();
    assert_eq!(names, [NAME, None]);
}

#[test]
fn where_the_kernel_gives_plaintext_the_conn_itself_had_the_handshake() {
    let mut conn = ConnBuilder {
        upper: true,
        positions: [0, 0],
        ..ConnBuilder::tcp(0x9000)
    };
    let mut records = handshake(&mut conn);
    records.extend(turn(&mut conn));
    let out = check(&records, &[WHOLE]);
    assert_eq!(name_of(&out.exchanges[0]), NAME);
}
