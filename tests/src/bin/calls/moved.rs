//! Calls that move bytes, each on a TCP conn.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use eaves_tests::expect::{Expected, Half, body};

use crate::Case;
use crate::link::{Leg, Round, Stage, request_head};
use crate::sys;
use crate::way::{Recv, Send, transfer};

/// Kept whole by default, and more than a socket's smallest buffer.
const BODY: usize = 15_000;

/// Bytes that are divided among vectors, each as long as the others: what is left over is left out.
const VECTORED: usize = 13_000;

const MEGABYTE: usize = 1 << 20;

/// Far more than is kept and than one call gives before it is asked what is needed: where the size is not
/// the point.
const LARGE: usize = 200_000;

pub(crate) const CASES: &[Case] = &[
    Case::new("read_write", |stage| both(stage, Send::Write, Recv::Read)),
    Case::new("sendto_recvfrom", |stage| {
        both(stage, Send::Sendto, Recv::Recvfrom)
    }),
    Case::new("more", |stage| both(stage, Send::More, Recv::Read)),
    Case::new("zero_copy", |stage| both(stage, Send::ZeroCopy, Recv::Read)),
    Case::new("vectors_1", |stage| vectored(stage, 1)),
    Case::new("vectors_2", |stage| vectored(stage, 2)),
    Case::new("vectors_65", |stage| vectored(stage, 65)),
    Case::new("vectors_1024", |stage| vectored(stage, 1024)),
    Case::new("mmsg", |stage| {
        both(stage, Send::Sendmmsg(3, 2), Recv::Recvmmsg(3, 2))
    }),
    Case::new("mmsg_64_vectors", |stage| {
        both(stage, Send::Sendmmsg(4, 10), Recv::Recvmmsg(4, 10))
    }),
    Case::new("mmsg_80_vectors", |stage| {
        both(stage, Send::Sendmmsg(2, 40), Recv::Recvmmsg(2, 40))
    }),
    Case::new("mmsg_1100_vectors", mmsg_1100_vectors),
    Case::new("sendfile", |stage| sent(stage, Send::Sendfile)),
    Case::new("splice_to", |stage| sent(stage, Send::Splice)),
    Case::new("splice_from", |stage| received(stage, Recv::Splice)),
    Case::new("io_uring", uring),
    Case::new("compat", compat),
    Case::new("peek", |stage| both(stage, Send::Write, Recv::PeekFirst)),
    Case::new("waitall", |stage| {
        both(stage, Send::Pieces(100), Recv::WaitAll)
    }),
    Case::new("trunc", |stage| received(stage, Recv::Away)),
    Case::new("no_bytes", no_bytes),
    Case::new("out_of_band", out_of_band),
    Case::new("would_block", would_block),
    Case::new("slowly", slowly),
    Case::new("megabyte_at_once", |stage| {
        large(stage, MEGABYTE, Send::Write, Recv::Read)
    }),
    Case::new("large_in_pieces", |stage| {
        large(stage, LARGE, Send::Pieces(8192), Recv::Pieces(8192))
    }),
    Case::new("large_in_odd_pieces", |stage| {
        large(stage, LARGE, Send::Pieces(70_001), Recv::Pieces(3001))
    }),
    Case::new("large_vectors", |stage| {
        large(stage, LARGE, Send::Writev(16), Recv::Pieces(100_000))
    }),
    Case::new("large_sendfile", |stage| {
        sandwich(
            stage,
            Leg::plain(0),
            Leg::plain(LARGE).sent(Send::Sendfile).body_only(),
        )
    }),
    Case::new("duplex", duplex),
    Case::new("pipelined", pipelined),
    Case::new("pipelined_megabyte", |stage| {
        pipelined_large(stage, 100_000, Send::Write)
    }),
    Case::new("pipelined_writev", |stage| {
        pipelined_large(stage, 15_000, Send::Writev(1024))
    }),
    Case::new("pipelined_sendmsg", |stage| {
        pipelined_large(stage, 15_000, Send::Sendmsg(1024))
    }),
    Case::new("chunked_megabyte", chunked_megabyte),
];

/// One exchange between two plain ones.
fn sandwich(stage: &mut Stage, request: Leg, response: Leg) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    link.exchange(stage, request, response)?;
    link.plain(stage)
}

/// Whole messages in one way, both directions at both ends.
fn both(stage: &mut Stage, send: Send, recv: Recv) -> io::Result<()> {
    let leg = Leg::plain(BODY).sent(send).received(recv);
    sandwich(stage, leg, leg)
}

/// Bodies of so many bytes in one way, both directions at both ends.
fn bodies(stage: &mut Stage, bytes: usize, send: Send, recv: Recv) -> io::Result<()> {
    let leg = Leg::plain(bytes).sent(send).received(recv).body_only();
    sandwich(stage, leg, leg)
}

fn sent(stage: &mut Stage, send: Send) -> io::Result<()> {
    let leg = Leg::plain(BODY).sent(send).body_only();
    sandwich(stage, leg, leg)
}

fn received(stage: &mut Stage, recv: Recv) -> io::Result<()> {
    let leg = Leg::plain(BODY).received(recv).body_only();
    sandwich(stage, leg, leg)
}

/// Each call that takes vectors, with so many.
fn vectored(stage: &mut Stage, count: usize) -> io::Result<()> {
    let bytes = VECTORED / count * count;
    bodies(stage, bytes, Send::Writev(count), Recv::Readv(count))?;
    bodies(stage, bytes, Send::Sendmsg(count), Recv::Recvmsg(count))?;
    both(stage, Send::Writev(count), Recv::Readv(count))?;
    both(stage, Send::Pwritev2(count), Recv::Preadv2(count))?;
    both(stage, Send::Sendmsg(count), Recv::Recvmsg(count))
}

/// More vectors in sum than are looked at, fewer in each message.
fn mmsg_1100_vectors(stage: &mut Stage) -> io::Result<()> {
    let leg = Leg::plain(1100 * 12).body_only();
    let leg = leg
        .sent(Send::Sendmmsg(2, 550))
        .received(Recv::Recvmmsg(2, 550));
    sandwich(stage, leg, leg)
}

fn uring(stage: &mut Stage) -> io::Result<()> {
    sent(stage, Send::Uring)?;
    received(stage, Recv::Uring)
}

#[cfg(target_arch = "x86_64")]
fn compat(stage: &mut Stage) -> io::Result<()> {
    if !sys::has_32()? {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel runs no 32-bit calls",
        ));
    }
    sent(stage, Send::Compat)?;
    received(stage, Recv::Compat)
}

#[cfg(not(target_arch = "x86_64"))]
fn compat(_: &mut Stage) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "no 32-bit calls from a 64-bit program",
    ))
}

/// Sends of nothing and reads into nothing: neither bytes nor an end.
fn no_bytes(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    for _ in 0..2 {
        for end in [link.client.as_fd(), link.server.as_fd()] {
            sys::write(end, &[])?;
            sys::sendto(end, &[], 0)?;
            sys::sendmsg(end, &[])?;
            sys::writev(end, &[])?;
        }
        let leg = Leg::plain(100).received(Recv::WithEmpty);
        link.exchange(stage, leg, leg)?;
    }
    link.plain(stage)
}

/// An urgent byte (MSG_OOB, tcp(7)) takes a place in the stream, but is not in it.
fn out_of_band(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    sys::sendto(link.client.as_fd(), b"!", libc::MSG_OOB)?;
    stage.after_gap(|stage| link.plain(stage))?;
    let mut urgent = [0];
    sys::sendto(link.server.as_fd(), b"?", libc::MSG_OOB)?;
    sys::poll(link.client.as_fd(), libc::POLLPRI)?;
    sys::recvfrom(link.client.as_fd(), &mut urgent, libc::MSG_OOB)?;
    stage.after_gap(|stage| link.plain(stage))?;
    link.plain(stage)
}

/// Small buffers, so that calls would block and others move a part: only what they return counts.
fn would_block(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    for end in [link.client.as_fd(), link.server.as_fd()] {
        sys::set(end, libc::SOL_SOCKET, libc::SO_SNDBUF, 1)?;
        sys::nonblocking(end)?;
    }
    let nothing = sys::read(link.server.as_fd(), &mut [0; 10]);
    if nothing.map_err(|error| error.kind()) != Err(io::ErrorKind::WouldBlock) {
        return Err(io::Error::other(
            "a read before anything came did not say so",
        ));
    }
    let leg = Leg::plain(BODY)
        .sent(Send::Nonblocking)
        .received(Recv::Nonblocking);
    for _ in 0..3 {
        link.exchange(stage, leg, leg)?;
    }
    let leg = Leg::plain(200_000)
        .sent(Send::Nonblocking)
        .received(Recv::Nonblocking);
    link.exchange(stage, leg, leg)?;
    let leg = Leg::plain(100)
        .sent(Send::Nonblocking)
        .received(Recv::Nonblocking);
    link.exchange(stage, leg, leg)
}

/// One byte at a time, with pauses: what no client does but attackers.
fn slowly(stage: &mut Stage) -> io::Result<()> {
    let leg = Leg::plain(20).sent(Send::Slowly(Duration::from_millis(5)));
    sandwich(stage, leg, leg)
}

/// Far more than is kept and, in one call, more than is copied of a body.
fn large(stage: &mut Stage, bytes: usize, send: Send, recv: Recv) -> io::Result<()> {
    let large = Leg::plain(bytes).sent(send).received(recv);
    let link = stage.tcp()?;
    link.plain(stage)?;
    link.exchange(stage, Leg::plain(0), large)?;
    link.exchange(stage, large, Leg::plain(10))?;
    link.exchange(stage, large, large)?;
    link.plain(stage)
}

/// Both directions of one conn busy at the same time: a response that begins before its request
/// has ended.
fn duplex(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    link.crossing(stage, BODY)?;
    link.crossing(stage, LARGE)?;
    link.plain(stage)
}

/// Several requests in one call, and their responses in one.
fn pipelined(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    let rounds = link.rounds(stage, 5);
    let all = |part: fn(&Round) -> &[u8]| rounds.iter().map(part).collect::<Vec<_>>().concat();
    let (client, server) = (link.client.as_fd(), link.server.as_fd());
    let requests = all(|round| &round.request);
    transfer((client, Send::Write), (server, Recv::Read), &requests)?;
    let responses = all(|round| &round.response);
    transfer((server, Send::Writev(7)), (client, Recv::Read), &responses)?;
    for round in &rounds {
        link.expect(stage, round, link.server_pid);
    }
    link.plain(stage)
}

/// Responses to many requests in one call, small ones and as many of `bytes` each: each is heard.
fn pipelined_large(stage: &mut Stage, bytes: usize, send: Send) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    let mut rounds = link.rounds_of(stage, 12, 500);
    rounds.extend(link.rounds_of(stage, 12, bytes));
    let all = |part: fn(&Round) -> &[u8]| rounds.iter().map(part).collect::<Vec<_>>().concat();
    let (client, server) = (link.client.as_fd(), link.server.as_fd());
    let requests = all(|round| &round.request);
    transfer(
        (client, Send::Write),
        (server, Recv::Pieces(8192)),
        &requests,
    )?;
    let responses = all(|round| &round.response);
    transfer((server, send), (client, Recv::Pieces(8192)), &responses)?;
    for round in &rounds {
        link.expect(stage, round, link.server_pid);
    }
    link.plain(stage)
}

/// A body in chunks, all of it in one call: how long it is stands between them.
fn chunked_megabyte(stage: &mut Stage) -> io::Result<()> {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let link = stage.tcp()?;
    link.plain(stage)?;
    let whole = body(MEGABYTE);
    let (client, server) = (link.client.as_fd(), link.server.as_fd());
    // Many, and one that is longer than what is copied before it is asked how far it reaches.
    for chunk in [10_000, MEGABYTE] {
        let target = stage.target();
        let request = request_head(&target, 0);
        transfer((client, Send::Write), (server, Recv::Read), &request)?;
        let mut response = HEAD.to_vec();
        for part in whole.chunks(chunk) {
            response.extend(format!("{:x}\r\n", part.len()).into_bytes());
            response.extend_from_slice(part);
            response.extend_from_slice(b"\r\n");
        }
        response.extend_from_slice(b"0\r\n\r\n");
        let there = (client, Recv::Pieces(8192));
        transfer((server, Send::Write), there, &response)?;
        for (role, pid) in [("server", link.server_pid), ("client", link.client_pid)] {
            stage.expect(Expected {
                request: Half::whole(&[]),
                response: Half::whole(&whole),
                reasons: vec!["body_limit".to_owned()],
                ..link.expected(role, pid, &target)
            });
        }
        link.plain(stage)?;
    }
    Ok(())
}
