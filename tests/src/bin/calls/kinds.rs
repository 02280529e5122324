//! Kinds of sockets: those that carry streams, and what must not be taken for one.

use std::io;
use std::os::fd::AsFd as _;

use eaves_tests::expect::{Expected, Half, body};

use crate::Case;
use crate::link::{Leg, Link, Place, Stage, request_head, response_head};
use crate::sys::{self, Address};
use crate::tls;
use crate::way::{Recv, Send, recv_exact, transfer};

/// A protocol number that older headers lack (include/uapi/linux/in.h).
const IPPROTO_MPTCP: i32 = 262;

pub(crate) const CASES: &[Case] = &[
    Case::new("accept", accept),
    Case::new("fast_open", fast_open),
    Case::new("ipv6", |stage| {
        let listen = Address::loopback(libc::AF_INET6, 0);
        calls(
            stage,
            &Link::internet(libc::AF_INET6, 0, &listen, libc::AF_INET6)?,
        )
    }),
    Case::new("ipv4_in_ipv6", |stage| {
        calls(
            stage,
            &Link::internet(libc::AF_INET, 0, &Address::anywhere(), libc::AF_INET6)?,
        )
    }),
    Case::new("mptcp", mptcp),
    Case::new("unix_path", unix_path),
    Case::new("unix_abstract", unix_abstract),
    Case::new("unix_pair", |stage| calls(stage, &stage.pair()?)),
    Case::new("unix_sendfile", unix_sendfile),
    Case::new("unix_splice_from", unix_splice_from),
    Case::new("mptcp_splice_from", |stage| {
        stage.needs("mptcp_splice_read")?;
        splice_from(stage, &mptcp_link()?)
    }),
    Case::new("kernel_tls", kernel_tls),
    Case::new("no_stream", no_stream),
    Case::new("no_http", no_http),
    Case::new("excluded_port", excluded_port),
    Case::new("refused", refused),
];

/// The calls servers use most, on a conn of any kind.
fn calls(stage: &mut Stage, link: &Link) -> io::Result<()> {
    link.plain(stage)?;
    let leg = Leg::plain(15_000);
    for leg in [
        leg.sent(Send::Sendto).received(Recv::Recvfrom),
        leg.sent(Send::Sendmsg(3)).received(Recv::Recvmsg(5)),
        leg.sent(Send::Writev(3)).received(Recv::Readv(7)),
        leg.sent(Send::Sendmmsg(2, 2)).received(Recv::Pieces(1000)),
        leg.sent(Send::Pieces(1000)).received(Recv::PeekFirst),
        Leg::plain(300_000),
    ] {
        link.exchange(stage, leg, leg)?;
    }
    link.plain(stage)
}

/// The older of the two calls that accept.
fn accept(stage: &mut Stage) -> io::Result<()> {
    let listener = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    sys::bind(listener.as_fd(), &Address::loopback(libc::AF_INET, 0))?;
    sys::listen(listener.as_fd())?;
    let port = sys::name(listener.as_fd())?.port();
    let client = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    sys::connect(client.as_fd(), &Address::loopback(libc::AF_INET, port))?;
    let server = sys::accept(listener.as_fd())?;
    let place = Place {
        transport: "tcp",
        client_port: Some(sys::name(client.as_fd())?.port()),
        server_port: Some(port),
        server_address: "127.0.0.1".to_owned(),
    };
    let link = Link::new(client, server, place);
    link.plain(stage)?;
    link.plain(stage)
}

/// The first bytes go with the call that connects (MSG_FASTOPEN, tcp(7)).
fn fast_open(stage: &mut Stage) -> io::Result<()> {
    let listener = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    sys::bind(listener.as_fd(), &Address::loopback(libc::AF_INET, 0))?;
    sys::listen(listener.as_fd())?;
    let to = sys::name(listener.as_fd())?;
    let client = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let target = stage.target();
    let request = request_head(&target, 0);
    sys::sendto_at(client.as_fd(), &request, libc::MSG_FASTOPEN, &to)?;
    let server = sys::accept4(listener.as_fd())?;
    let place = Place {
        transport: "tcp",
        client_port: Some(sys::name(client.as_fd())?.port()),
        server_port: Some(to.port()),
        server_address: "127.0.0.1".to_owned(),
    };
    let link = Link::new(client, server, place);
    recv_exact(link.server.as_fd(), Recv::Read, request.len())?;
    let response = [response_head(10), body(10)].concat();
    let there = (link.client.as_fd(), Recv::Read);
    transfer((link.server.as_fd(), Send::Write), there, &response)?;
    for (role, pid) in [("server", link.server_pid), ("client", link.client_pid)] {
        stage.expect(Expected {
            request: Half::whole(&[]),
            response: Half::whole(&body(10)),
            ..link.expected(role, pid, &target)
        });
    }
    link.plain(stage)
}

fn mptcp(stage: &mut Stage) -> io::Result<()> {
    calls(stage, &mptcp_link()?)
}

fn mptcp_link() -> io::Result<Link> {
    if let Err(error) = sys::socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("no MPTCP: {error}"),
        ));
    }
    let listen = Address::loopback(libc::AF_INET, 0);
    Link::internet(libc::AF_INET, IPPROTO_MPTCP, &listen, libc::AF_INET)
}

/// A conn to a Unix listener of this name.
fn unix(name: &[u8], shown: String) -> io::Result<Link> {
    let address = Address::unix(name);
    let listener = sys::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    sys::bind(listener.as_fd(), &address)?;
    sys::listen(listener.as_fd())?;
    let client = sys::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    sys::connect(client.as_fd(), &address)?;
    let server = sys::accept4(listener.as_fd())?;
    Ok(Link::new(client, server, Place::unix(shown)))
}

fn unix_path(stage: &mut Stage) -> io::Result<()> {
    let path = format!("{}/calls.sock", stage.folder);
    calls(stage, &unix(path.as_bytes(), path.clone())?)
}

fn unix_abstract(stage: &mut Stage) -> io::Result<()> {
    let name = format!("calls-{}", std::process::id());
    calls(
        stage,
        &unix(format!("\0{name}").as_bytes(), format!("@{name}"))?,
    )
}

/// Bytes that go to a Unix socket without a buffer: it has no counter of its own, so only the
/// call itself tells how many.
fn unix_sendfile(stage: &mut Stage) -> io::Result<()> {
    let link = stage.pair()?;
    link.plain(stage)?;
    for send in [Send::Sendfile, Send::Splice] {
        let leg = Leg::plain(5000).sent(send).body_only();
        link.exchange(stage, leg, leg)?;
        link.plain(stage)?;
    }
    Ok(())
}

/// No tracepoint at the socket layer tells of it, and there is no counter to show it.
fn unix_splice_from(stage: &mut Stage) -> io::Result<()> {
    stage.needs("unix_stream_splice_read")?;
    let link = stage.pair()?;
    splice_from(stage, &link)
}

/// Bodies that go from a socket into a pipe, on conns that have no counter of their own.
fn splice_from(stage: &mut Stage, link: &Link) -> io::Result<()> {
    link.plain(stage)?;
    let leg = Leg::plain(5000).received(Recv::Splice).body_only();
    link.exchange(stage, Leg::plain(0), leg)?;
    link.plain(stage)?;
    link.exchange(stage, leg, Leg::plain(100))?;
    link.plain(stage)?;
    link.plain(stage)
}

/// Conns whose TLS the kernel itself speaks, of either version: what the process gives and takes is
/// plaintext, and TCP's bytes are not.
fn kernel_tls(stage: &mut Stage) -> io::Result<()> {
    for version in [0x0303, 0x0304] {
        let link = stage.tcp()?;
        // Before the keys are there, as a handshake is.
        transfer(
            (link.client.as_fd(), Send::Write),
            (link.server.as_fd(), Recv::Read),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        )?;
        let keys = |fill| tls::Keys::of(version, fill);
        for (end, sends, receives) in [(&link.client, 1, 2), (&link.server, 2, 1)] {
            tls::speak(end.as_fd(), &keys(sends), &keys(receives))?;
        }
        let before = stage.count();
        link.plain(stage)?;
        let leg = Leg::plain(15_000);
        for leg in [
            leg.sent(Send::Sendto).received(Recv::Recvfrom),
            leg.sent(Send::Writev(3)).received(Recv::Pieces(1000)),
            leg.sent(Send::Sendmsg(3)),
            leg.sent(Send::Pieces(1000)),
            Leg::plain(300_000),
        ] {
            link.exchange(stage, leg, leg)?;
        }
        // As SSL_sendfile(3) does.
        let file = Leg::plain(5000).sent(Send::Sendfile).body_only();
        link.exchange(stage, Leg::plain(0), file)?;
        link.plain(stage)?;
        stage.in_library(before, "kernel");
    }
    Ok(())
}

const REQUEST: &[u8] = b"GET /no_stream HTTP/1.1\r\nhost: calls\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// HTTP's words where no HTTP is: datagrams, packets, a pipe, a file.
fn no_stream(_: &mut Stage) -> io::Result<()> {
    let mut into = [0; 100];
    for kind in [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let (one, other) = sys::socketpair(kind)?;
        sys::write(one.as_fd(), REQUEST)?;
        sys::read(other.as_fd(), &mut into)?;
        sys::write(other.as_fd(), RESPONSE)?;
        sys::read(one.as_fd(), &mut into)?;
    }
    let server = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    sys::bind(server.as_fd(), &Address::loopback(libc::AF_INET, 0))?;
    let client = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    sys::connect(client.as_fd(), &sys::name(server.as_fd())?)?;
    sys::connect(server.as_fd(), &sys::name(client.as_fd())?)?;
    sys::write(client.as_fd(), REQUEST)?;
    sys::recvfrom(server.as_fd(), &mut into, 0)?;
    sys::sendto(server.as_fd(), RESPONSE, 0)?;
    sys::read(client.as_fd(), &mut into)?;
    let (read, write) = sys::pipe(4096)?;
    sys::write(write.as_fd(), REQUEST)?;
    sys::read(read.as_fd(), &mut into)?;
    let file = sys::file(REQUEST)?;
    sys::read(file.as_fd(), &mut into)?;
    sys::write(file.as_fd(), RESPONSE).map(drop)
}

/// Other protocols on a stream, and words of HTTP in the middle of them.
fn no_http(stage: &mut Stage) -> io::Result<()> {
    let heads: [&[u8]; 3] = [
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n",
    ];
    let mut into = [0; 100];
    for head in heads {
        let link = stage.tcp()?;
        for _ in 0..30 {
            sys::write(link.client.as_fd(), head)?;
            sys::read(link.server.as_fd(), &mut into)?;
            sys::write(
                link.server.as_fd(),
                b"-ERR unknown command 'GET / HTTP/1.1'\r\n",
            )?;
            sys::read(link.client.as_fd(), &mut into)?;
        }
    }
    Ok(())
}

fn excluded_port(stage: &mut Stage) -> io::Result<()> {
    let listen = Address::loopback(libc::AF_INET, stage.excluded_port);
    let link = Link::internet(libc::AF_INET, 0, &listen, libc::AF_INET)?;
    stage.unheard(|stage| {
        for _ in 0..3 {
            link.exchange(stage, Leg::plain(0), Leg::plain(15_000))?;
        }
        Ok(())
    })
}

/// A connect that nobody answers, and one more that somebody does.
fn refused(stage: &mut Stage) -> io::Result<()> {
    let listener = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    sys::bind(listener.as_fd(), &Address::loopback(libc::AF_INET, 0))?;
    let client = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let refused = sys::connect(client.as_fd(), &sys::name(listener.as_fd())?);
    if refused.map_err(|error| error.kind()) != Err(io::ErrorKind::ConnectionRefused) {
        return Err(io::Error::other("a connect to nobody did not fail"));
    }
    // Not connected: these fail or are signalled, and move nothing.
    let _ = sys::sendto(client.as_fd(), REQUEST, libc::MSG_NOSIGNAL);
    let _ = sys::recvfrom(client.as_fd(), &mut [0; 10], 0);
    stage.tcp()?.plain(stage)
}
