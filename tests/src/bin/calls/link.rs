//! A conn with both its ends in hand, and exchanges over it whose report is foreseen.

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::thread;

use crate::sys::{self, Address};
use crate::way::{Recv, Send, recv_exact, send_all, share, transfer};
use eaves_tests::expect::{Expected, Half, Outcome, REFUSED, Tap, body};

/// Vectors of one call that Eaves looks at; what lies in others is a gap of known length. The mmsg forms
/// alone may have more.
const VECTORS: usize = 1024;

/// Why bytes in vectors beyond those, and in no user buffer at all, are missing.
const UNSEEN: &str = "unseen_path";

/// One run of one case.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Which tap listens.
    pub(crate) tap: Tap,
    /// A port that Eaves is told to leave out.
    pub(crate) excluded_port: u16,
    /// A folder for Unix sockets.
    pub(crate) folder: String,
    name: &'static str,
    next: u32,
    pids: BTreeSet<u32>,
    expected: Vec<Expected>,
}

impl Stage {
    /// Of the case `name`.
    #[must_use]
    pub(crate) fn new(name: &'static str, tap: Tap, excluded_port: u16, folder: String) -> Self {
        Self {
            tap,
            excluded_port,
            folder,
            name,
            next: 0,
            pids: BTreeSet::from([std::process::id()]),
            expected: Vec::new(),
        }
    }

    /// Asks for the socket tap's hook on the exit of this function of the kernel.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if [`REFUSED`] names it.
    pub(crate) fn needs(&self, function: &str) -> io::Result<()> {
        let refused = std::env::var(REFUSED).unwrap_or_default();
        if self.tap == Tap::Syscall || !refused.split(',').any(|refused| refused == function) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("this kernel refuses a program at the exit of {function}"),
        ))
    }

    /// A target that no other exchange has.
    pub(crate) fn target(&mut self) -> String {
        self.next += 1;
        format!("/{}/{}", self.name, self.next)
    }

    /// Another process of the case.
    pub(crate) fn pid(&mut self, pid: u32) {
        self.pids.insert(pid);
    }

    /// Something more that must be reported.
    pub(crate) fn expect(&mut self, expected: Expected) {
        self.expected.push(expected);
    }

    /// How many are expected so far.
    pub(crate) fn count(&self) -> usize {
        self.expected.len()
    }

    /// Those from `from` on are heard in clear, in a library of TLS.
    pub(crate) fn in_library(&mut self, from: usize, library: &str) {
        let those = self.expected.iter_mut().skip(from);
        those.for_each(|expected| expected.library = Some(library.to_owned()));
    }

    /// Corrects the last two that were expected.
    ///
    /// # Errors
    /// There are no two.
    pub(crate) fn last_two(
        &mut self,
        correct: impl FnOnce(&mut Expected, &mut Expected),
    ) -> io::Result<()> {
        let [.., one, other] = self.expected.as_mut_slice() else {
            return Err(io::Error::other("no two were expected"));
        };
        correct(one, other);
        Ok(())
    }

    /// Does something of which nothing must be reported.
    ///
    /// # Errors
    /// Whatever it gives.
    pub(crate) fn unheard(
        &mut self,
        act: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.expected.len();
        let done = act(self);
        self.expected.truncate(before);
        done
    }

    /// Does something right after a gap: what is paired then may say so.
    ///
    /// # Errors
    /// Whatever it gives.
    pub(crate) fn after_gap(
        &mut self,
        act: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.expected.len();
        let done = act(self);
        let those = self.expected.iter_mut().skip(before);
        those.for_each(|expected| expected.after_gap = true);
        done
    }

    /// What was done.
    #[must_use]
    pub(crate) fn outcome(self) -> Outcome {
        Outcome {
            pids: self.pids.into_iter().collect(),
            exchanges: self.expected,
            skipped: None,
        }
    }

    /// A TCP conn over IPv4; the server's end by accept4.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn tcp(&self) -> io::Result<Link> {
        Link::internet(
            libc::AF_INET,
            0,
            &Address::loopback(libc::AF_INET, 0),
            libc::AF_INET,
        )
    }

    /// A conn over a pair of Unix sockets without names.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn pair(&self) -> io::Result<Link> {
        let (client, server) = sys::socketpair(libc::SOCK_STREAM)?;
        Ok(Link::new(client, server, Place::unix(String::new())))
    }
}

/// Where a conn is, as events say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// `tcp` or `unix`.
    pub(crate) transport: &'static str,
    /// The client's port.
    pub(crate) client_port: Option<u16>,
    /// The server's port.
    pub(crate) server_port: Option<u16>,
    /// The server's address.
    pub(crate) server_address: String,
}

impl Place {
    /// A Unix socket of this name.
    #[must_use]
    pub(crate) const fn unix(server_address: String) -> Self {
        Self {
            transport: "unix",
            client_port: None,
            server_port: None,
            server_address,
        }
    }
}

/// Both ends of a conn.
#[derive(Debug)]
pub(crate) struct Link {
    /// The end that asks.
    pub(crate) client: OwnedFd,
    /// The end that answers.
    pub(crate) server: OwnedFd,
    /// Where it is.
    pub(crate) place: Place,
    /// Process that moves the client's bytes.
    pub(crate) client_pid: u32,
    /// Process that moves the server's bytes.
    pub(crate) server_pid: u32,
}

/// How one message of an exchange moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    bytes: usize,
    send: Send,
    recv: Recv,
    head_too: bool,
}

impl Leg {
    /// A body of `bytes` bytes, all by write and read.
    #[must_use]
    pub(crate) const fn plain(bytes: usize) -> Self {
        Self {
            bytes,
            send: Send::Write,
            recv: Recv::Read,
            head_too: true,
        }
    }

    /// Head and body sent in another way.
    #[must_use]
    pub(crate) const fn sent(self, send: Send) -> Self {
        Self { send, ..self }
    }

    /// Head and body received in another way.
    #[must_use]
    pub(crate) const fn received(self, recv: Recv) -> Self {
        Self { recv, ..self }
    }

    /// Only the body in that way, the head by write and read.
    #[must_use]
    pub(crate) const fn body_only(self) -> Self {
        Self {
            head_too: false,
            ..self
        }
    }

    fn run(
        self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        head: &[u8],
        body: &[u8],
    ) -> io::Result<()> {
        let way = ((from, self.send), (to, self.recv));
        if self.head_too {
            return transfer(way.0, way.1, &[head, body].concat());
        }
        transfer((from, Send::Write), (to, Recv::Read), head)?;
        transfer(way.0, way.1, body)
    }
}

/// Bytes of a body that were not seen: from where on, how many, and why.
type Blind = Option<(usize, usize, &'static str)>;

impl Link {
    /// Of two ends that are connected.
    #[must_use]
    pub(crate) fn new(client: OwnedFd, server: OwnedFd, place: Place) -> Self {
        let own = std::process::id();
        Self {
            client,
            server,
            place,
            client_pid: own,
            server_pid: own,
        }
    }

    /// A conn to a listener on `listen`, from a socket of `family`; both of `protocol`.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn internet(
        family: c_int,
        protocol: c_int,
        listen: &Address,
        of: c_int,
    ) -> io::Result<Self> {
        let listener = sys::socket(of, libc::SOCK_STREAM, protocol)?;
        sys::set(listener.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        sys::bind(listener.as_fd(), listen)?;
        sys::listen(listener.as_fd())?;
        let port = sys::name(listener.as_fd())?.port();
        let client = sys::socket(family, libc::SOCK_STREAM, protocol)?;
        sys::connect(client.as_fd(), &Address::loopback(family, port))?;
        let server = sys::accept4(listener.as_fd())?;
        let address = if family == libc::AF_INET6 {
            "::1"
        } else {
            "127.0.0.1"
        };
        let place = Place {
            transport: "tcp",
            client_port: Some(sys::name(client.as_fd())?.port()),
            server_port: Some(port),
            server_address: address.to_owned(),
        };
        Ok(Self::new(client, server, place))
    }

    /// One exchange by write and read.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn plain(&self, stage: &mut Stage) -> io::Result<()> {
        self.exchange(stage, Leg::plain(0), Leg::plain(100))
    }

    /// One exchange; both ends' reports are foreseen from how it moves.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn exchange(
        &self,
        stage: &mut Stage,
        request: Leg,
        response: Leg,
    ) -> io::Result<()> {
        let target = stage.target();
        let (asked, answered) = (body(request.bytes), body(response.bytes));
        let (client, server) = (self.client.as_fd(), self.server.as_fd());
        request.run(client, server, &request_head(&target, asked.len()), &asked)?;
        response.run(server, client, &response_head(answered.len()), &answered)?;
        let tap = stage.tap;
        let at_server = [recv_blind(tap, request), send_blind(tap, response)];
        let at_client = [send_blind(tap, request), recv_blind(tap, response)];
        for (role, pid, blinds) in [
            ("server", self.server_pid, at_server),
            ("client", self.client_pid, at_client),
        ] {
            let mut expected = self.expected(role, pid, &target);
            let [first, second] = blinds;
            expected.request = half(first, &asked);
            expected.response = half(second, &answered);
            expected.missing_bytes = blinds.iter().flatten().map(|blind| blind.1 as u64).sum();
            expected.reasons = reasons(&blinds, [&expected.request, &expected.response]);
            stage.expect(expected);
        }
        Ok(())
    }

    /// One exchange whose response is sent while the request's body, as long, still comes.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn crossing(&self, stage: &mut Stage, len: usize) -> io::Result<()> {
        let target = stage.target();
        let body = body(len);
        let (client, server) = (self.client.as_fd(), self.server.as_fd());
        let both = ((client, Send::Write), (server, Recv::Read));
        transfer(both.0, both.1, &request_head(&target, len))?;
        thread::scope(|scope| {
            let there = scope.spawn(|| transfer(both.0, (server, Recv::Pieces(5000)), &body));
            let response = [response_head(len), body.clone()].concat();
            transfer(
                (server, Send::Pieces(7000)),
                (client, Recv::Read),
                &response,
            )?;
            there
                .join()
                .map_err(|_| io::Error::other("request panicked"))?
        })?;
        for (role, pid) in [("server", self.server_pid), ("client", self.client_pid)] {
            let half = Half::whole(&body);
            stage.expect(Expected {
                reasons: reasons(&[], [&half, &half]),
                request: half.clone(),
                response: half,
                ..self.expected(role, pid, &target)
            });
        }
        Ok(())
    }

    /// The messages of `count` exchanges, for ends that are in different processes or threads.
    #[must_use]
    pub(crate) fn rounds(&self, stage: &mut Stage, count: usize) -> Vec<Round> {
        self.rounds_of(stage, count, 2000)
    }

    /// The same with responses whose bodies are of `answered` bytes each.
    #[must_use]
    pub(crate) fn rounds_of(&self, stage: &mut Stage, count: usize, answered: usize) -> Vec<Round> {
        let asked = body(300);
        let answered = body(answered);
        (0..count)
            .map(|_| {
                let target = stage.target();
                let request = [request_head(&target, asked.len()), asked.clone()].concat();
                let response = [response_head(answered.len()), answered.clone()].concat();
                Round {
                    target,
                    request,
                    response,
                    answered: answered.len(),
                }
            })
            .collect()
    }

    /// Expects a round at both ends, whole.
    pub(crate) fn expect(&self, stage: &mut Stage, round: &Round, server_pid: u32) {
        let halves = [300, round.answered].map(|bytes| Half::whole(&body(bytes)));
        for (role, pid) in [("server", server_pid), ("client", self.client_pid)] {
            let [request, response] = halves.clone();
            stage.expect(Expected {
                reasons: reasons(&[], [&request, &response]),
                request,
                response,
                ..self.expected(role, pid, &round.target)
            });
        }
    }

    /// What both ends of any exchange of this conn have in common.
    #[must_use]
    pub(crate) fn expected(&self, role: &str, pid: u32, target: &str) -> Expected {
        Expected {
            role: role.to_owned(),
            pid,
            transport: self.place.transport.to_owned(),
            client_port: self.place.client_port,
            server_port: self.place.server_port,
            server_address: self.place.server_address.clone(),
            method: "POST".to_owned(),
            target: target.to_owned(),
            status: Some(200),
            ..Expected::default()
        }
    }
}

/// The messages of one exchange.
#[derive(Debug)]
pub(crate) struct Round {
    /// The request's target.
    pub(crate) target: String,
    /// The whole request.
    pub(crate) request: Vec<u8>,
    /// The whole response.
    pub(crate) response: Vec<u8>,
    /// Bytes of its body.
    answered: usize,
}

impl Round {
    /// Sends the request and receives the response, by write and read.
    ///
    /// # Errors
    /// A call failed, or another response came.
    pub(crate) fn ask(&self, client: BorrowedFd<'_>) -> io::Result<()> {
        send_all(client, Send::Write, &self.request)?;
        same(
            &recv_exact(client, Recv::Read, self.response.len())?,
            &self.response,
        )
    }

    /// Receives the request and sends the response, by read and write.
    ///
    /// # Errors
    /// A call failed, or another request came.
    pub(crate) fn answer(&self, server: BorrowedFd<'_>) -> io::Result<()> {
        same(
            &recv_exact(server, Recv::Read, self.request.len())?,
            &self.request,
        )?;
        send_all(server, Send::Write, &self.response)
    }
}

fn same(came: &[u8], went: &[u8]) -> io::Result<()> {
    if came != went {
        return Err(io::Error::other("other bytes came than went"));
    }
    Ok(())
}

/// A request's head.
#[must_use]
pub(crate) fn request_head(target: &str, len: usize) -> Vec<u8> {
    format!("POST {target} HTTP/1.1\r\nhost: calls\r\ncontent-length: {len}\r\n\r\n").into_bytes()
}

/// A response's head.
#[must_use]
pub(crate) fn response_head(len: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len}\r\n\r\n")
        .into_bytes()
}

fn half(blind: Blind, body: &[u8]) -> Half {
    blind.map_or_else(|| Half::whole(body), |(from, _, _)| Half::gap(body, from))
}

/// What the sending end's tap cannot see of a body.
fn send_blind(tap: Tap, leg: Leg) -> Blind {
    match leg.send {
        Send::Writev(count) | Send::Pwritev2(count) | Send::Sendmsg(count) => {
            beyond(leg.bytes, share(leg.bytes, count))
        }
        Send::Sendmmsg(messages, count) => many(tap, leg.bytes, messages, count),
        Send::Sendfile | Send::Splice | Send::Uring | Send::Compat => all(leg.bytes),
        _ => None,
    }
}

/// What the receiving end's tap cannot see of a body.
fn recv_blind(tap: Tap, leg: Leg) -> Blind {
    match leg.recv {
        Recv::Readv(count) | Recv::Preadv2(count) | Recv::Recvmsg(count) => {
            beyond(leg.bytes, share(leg.bytes, count))
        }
        Recv::Recvmmsg(messages, count) => many(tap, leg.bytes, messages, count),
        Recv::Away | Recv::Splice | Recv::Uring | Recv::Compat => all(leg.bytes),
        _ => None,
    }
}

/// Everything, by a call whose bytes lie in no user buffer.
const fn all(bytes: usize) -> Blind {
    Some((0, bytes, UNSEEN))
}

/// What lies in vectors beyond those that are looked at.
fn beyond(bytes: usize, vector: usize) -> Blind {
    let seen = vector * VECTORS;
    (bytes > seen).then(|| (seen, bytes - seen, UNSEEN))
}

/// As [`beyond`], of several messages in one call: the syscall tap is called once for all of
/// them, and looks at as many vectors in sum; the socket tap is called for each.
fn many(tap: Tap, bytes: usize, messages: usize, count: usize) -> Blind {
    let message = share(bytes, messages);
    match tap {
        Tap::Syscall => beyond(bytes, share(message, count)),
        // The cases have no message of more vectors than that.
        Tap::Socket => None,
    }
}

/// Reasons of both halves, sorted, each once.
fn reasons(blinds: &[Blind], halves: [&Half; 2]) -> Vec<String> {
    let named = blinds.iter().flatten().map(|blind| blind.2);
    let cut = halves.iter().filter(|half| half.seen == "truncated");
    let all: BTreeSet<&str> = named.chain(cut.map(|_| "body_limit")).collect();
    all.into_iter().map(str::to_owned).collect()
}
