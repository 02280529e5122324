//! First messages of TLS handshakes, by the socket that carried them, until its session asks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use eaves_common::{CLIENT_HELLO_BYTES, ConnId, Flow};

use crate::capture::{ConnOpen, Hello};
use crate::event::Handshake;
use crate::protocol::tls::{Reading, hello};

/// Sockets of which something is kept. Most sessions are heard of within milliseconds; a browser opens
/// conns that it uses minutes later, and ciphertext that nobody hears leaves something here too.
const SOCKETS_MAX: usize = 8192;
/// Bytes of all that is kept: of most sockets some two hundred.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// What is known of handshakes; what came first goes first.
#[derive(Default)]
pub(super) struct Handshakes {
    by_socket: HashMap<ConnId, Entry>,
    order: VecDeque<ConnId>,
    bytes: usize,
}

#[derive(Default)]
struct Entry {
    known: Arc<Handshake>,
    sent: Front,
    received: Front,
}

/// The first bytes of a flow, as long as its message is not whole.
#[derive(Default)]
struct Front {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Front {
    /// Takes what lies `offset` bytes from the flow's first on.
    fn push(&mut self, offset: usize, bytes: &[u8], known: &mut Arc<Handshake>) {
        let fits = offset + bytes.len() <= CLIENT_HELLO_BYTES as usize;
        if self.is_over || bytes.is_empty() || offset != self.bytes.len() || !fits {
            return self.end();
        }
        self.bytes.extend_from_slice(bytes);
        if hello(&self.bytes, Arc::make_mut(known)) != Reading::More {
            self.end();
        }
    }

    fn end(&mut self) {
        *self = Self {
            bytes: Vec::new(),
            is_over: true,
        };
    }
}

impl Entry {
    /// Memory it takes, in bytes.
    fn bytes(&self) -> usize {
        let own = size_of::<(ConnId, Self)>() + size_of::<ConnId>() + size_of::<Handshake>();
        let fronts = self.sent.bytes.capacity() + self.received.bytes.capacity();
        own + fronts + self.known.bytes()
    }
}

impl Handshakes {
    /// Takes first bytes of a flow.
    pub(super) fn push(&mut self, told: &Hello<'_>) {
        let entry = self.by_socket.entry(told.conn).or_insert_with(|| {
            self.order.push_back(told.conn);
            let entry = Entry::default();
            self.bytes += entry.bytes();
            entry
        });
        let before = entry.bytes();
        let front = match told.flow {
            Flow::Sent => &mut entry.sent,
            Flow::Received => &mut entry.received,
        };
        front.push(told.offset_bytes, told.payload, &mut entry.known);
        self.bytes = self.bytes - before + entry.bytes();
        while self.bytes > BYTES_MAX || self.by_socket.len() > SOCKETS_MAX {
            let Some(first) = self.order.pop_front() else {
                return;
            };
            if let Some(entry) = self.by_socket.remove(&first) {
                self.bytes -= entry.bytes();
            }
        }
    }

    /// What was said on the socket that carries a conn, or on the conn itself, whose plaintext the
    /// kernel gives.
    pub(super) fn of(&self, open: &ConnOpen) -> Option<Arc<Handshake>> {
        let socket = match open.library {
            Some(_) => open.carrier?,
            None => open.conn,
        };
        let known = &self.by_socket.get(&socket)?.known;
        (**known != Handshake::default()).then(|| Arc::clone(known))
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use eaves_common::{ConnId, Flow};

    use super::{BYTES_MAX, Handshakes, SOCKETS_MAX};
    use crate::capture::{ConnOpen, Hello};
    use crate::clock::Ktime;
    use crate::event::Handshake;

    const CLIENT: &[u8] = include_bytes!("../../../tests/fixtures/tls/openssl-tls12.client");
    const SERVER: &[u8] = include_bytes!("../../../tests/fixtures/tls/openssl-tls12.server");

    const fn socket(sock: u64) -> ConnId {
        ConnId { sock, inode: 7 }
    }

    fn told(conn: ConnId, flow: Flow, offset_bytes: usize, payload: &[u8]) -> Hello<'_> {
        Hello {
            conn,
            time: Ktime(1),
            flow,
            offset_bytes,
            payload,
            tgid: 1,
        }
    }

    fn carried_by(carrier: Option<ConnId>) -> ConnOpen {
        ConnOpen {
            carrier,
            library: Some(eaves_common::TlsLibrary::OpenSsl),
            local: Some((Ipv4Addr::LOCALHOST.into(), 443)),
            ..ConnOpen::default()
        }
    }

    /// What is known once `pieces` came, in the words of the tests here: name, version, protocol.
    fn known(pieces: &[(Flow, usize, &[u8])]) -> String {
        let mut all = Handshakes::default();
        for (flow, offset, bytes) in pieces {
            all.push(&told(socket(1), *flow, *offset, bytes));
        }
        let text =
            |bytes: &Option<Vec<u8>>| bytes.as_deref().unwrap_or(b"-").escape_ascii().to_string();
        let said = |said: &Handshake| {
            let (name, chosen) = (text(&said.server_name), text(&said.chosen));
            format!("{name} {:?} {chosen}", said.version)
        };
        let found = all.of(&carried_by(Some(socket(1))));
        found.map_or_else(|| "nothing".to_owned(), |found| said(&found))
    }

    const ALL: &str = "api.example.com Some(Tls12) h2";

    #[test]
    fn both_flows_are_put_together() {
        let (client, server) = (Flow::Received, Flow::Sent);
        assert_eq!(known(&[(client, 0, CLIENT), (server, 0, SERVER)]), ALL);
        assert_eq!(known(&[(server, 0, SERVER), (client, 0, CLIENT)]), ALL);
        let (head, body) = CLIENT.split_at(5);
        let pieces = [(client, 0, head), (client, 5, body), (server, 0, SERVER)];
        assert_eq!(known(&pieces), ALL);
        assert_eq!(known(&[(client, 0, CLIENT)]), "api.example.com None -");
    }

    #[test]
    fn a_hole_or_what_came_twice_ends_a_flow() {
        let (head, body) = CLIENT.split_at(5);
        let flow = Flow::Sent;
        assert_eq!(known(&[(flow, 0, head), (flow, 6, &body[1..])]), "nothing");
        assert_eq!(known(&[(flow, 0, head), (flow, 0, CLIENT)]), "nothing");
        assert_eq!(
            known(&[(flow, 0, head), (flow, 5, b""), (flow, 5, body)]),
            "nothing"
        );
        assert_eq!(
            known(&[(flow, 0, b"GET / HTTP/1.1"), (flow, 0, CLIENT)]),
            "nothing"
        );
        assert_eq!(
            known(&[(flow, 0, CLIENT), (flow, 0, SERVER)]),
            "api.example.com None -"
        );
    }

    #[test]
    fn a_session_has_that_of_its_own_socket() {
        let mut all = Handshakes::default();
        all.push(&told(socket(1), Flow::Sent, 0, CLIENT));
        let found = |open: &ConnOpen| all.of(open).is_some();
        assert!(found(&carried_by(Some(socket(1)))));
        assert!(!found(&carried_by(None)));
        assert!(!found(&carried_by(Some(socket(2)))));
        assert!(!found(&carried_by(Some(ConnId { sock: 1, inode: 8 }))));
        // The kernel's own TLS: the conn is the socket.
        let open = |conn| ConnOpen {
            conn,
            ..ConnOpen::default()
        };
        assert!(found(&open(socket(1))) && !found(&open(socket(2))));
    }

    #[test]
    fn what_is_kept_has_limits() {
        let mut all = Handshakes::default();
        for sock in 0..SOCKETS_MAX as u64 + 100 {
            all.push(&told(socket(sock), Flow::Sent, 0, SERVER));
        }
        let has = |all: &Handshakes, sock| all.of(&carried_by(Some(socket(sock)))).is_some();
        assert_eq!(all.by_socket.len(), all.order.len());
        assert!(all.by_socket.len() <= SOCKETS_MAX && all.bytes <= BYTES_MAX);
        assert!(!has(&all, 0) && has(&all, SOCKETS_MAX as u64 + 99));
        // First bytes without end.
        for sock in 0..2000 {
            let mut front = b"\x16\x03\x01\x40\x00\x01\x00\x3f\x00".to_vec();
            front.resize(4096, 0);
            all.push(&told(socket(1 << 20 | sock), Flow::Sent, 0, &front));
        }
        assert!(all.bytes <= BYTES_MAX);
        let sum: usize = all.by_socket.values().map(super::Entry::bytes).sum();
        assert_eq!(all.bytes, sum);
        all.clear();
        assert_eq!((all.bytes, all.by_socket.len(), all.order.len()), (0, 0, 0));
    }
}
