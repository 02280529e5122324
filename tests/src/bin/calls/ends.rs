//! How conns begin before Eaves does, and how they end.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread;
use std::time::Duration;

use crate::Case;
use crate::link::{Leg, Link, Stage, request_head, response_head};
use crate::ready;
use crate::sys;
use crate::way::{Recv, Send, recv_exact, send_all, transfer};
use eaves_tests::expect::{Expected, Half, body};

/// More than the agent's patience with a response that is told before its request.
const OVERTAKEN: Duration = Duration::from_millis(100);

/// Bytes of a body of which only a part comes.
const PART: usize = 400;

pub(crate) const CASES: &[Case] = &[
    Case::new("until_close", until_close),
    Case::new("half_close", half_close),
    Case::new("reset", reset),
    Case::new("reset_before_read", reset_before_read),
    Case::new("reset_during_write", reset_during_write),
    Case::new("reset_during_read", reset_during_read),
    Case::new("closed_unread", closed_unread),
    Case::new("exit_without_close", exit_without_close),
    Case::new("exit_midway", exit_midway),
    Case::new("unseen_at_the_end", unseen_at_the_end),
    Case::early("open_before", open_before),
    Case::early("joined_midway", joined_midway),
];

/// Reads until the other end has finished.
fn drain(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut some = [0; 1000];
        match sys::read(fd, &mut some)? {
            0 => return Ok(all),
            came => all.extend(some.get(..came).unwrap_or_default()),
        }
    }
}

/// A response whose body ends with the conn.
fn until_close(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    let target = stage.target();
    let body = body(5000);
    ask_old(&link, &target)?;
    answer_old(link.server.as_fd(), &body)?;
    expect_old(stage, &link, &target, &body, link.server_pid);
    let Link { client, server, .. } = link;
    drop(server);
    drain(client.as_fd()).map(drop)
}

/// The client says that it sends no more before it is answered.
fn half_close(stage: &mut Stage) -> io::Result<()> {
    for unix in [false, true] {
        let link = if unix { stage.pair()? } else { stage.tcp()? };
        link.plain(stage)?;
        let target = stage.target();
        let body = body(5000);
        let request = format!("GET {target} HTTP/1.0\r\n\r\n");
        send_all(link.client.as_fd(), Send::Write, request.as_bytes())?;
        sys::finish(link.client.as_fd())?;
        if drain(link.server.as_fd())? != request.as_bytes() {
            return Err(io::Error::other("other bytes came than went"));
        }
        answer_old(link.server.as_fd(), &body)?;
        expect_old(stage, &link, &target, &body, link.server_pid);
        sys::finish(link.server.as_fd())?;
        drain(link.client.as_fd())?;
    }
    Ok(())
}

fn ask_old(link: &Link, target: &str) -> io::Result<()> {
    let request = format!("GET {target} HTTP/1.0\r\n\r\n");
    let (client, server) = (link.client.as_fd(), link.server.as_fd());
    transfer(
        (client, Send::Write),
        (server, Recv::Read),
        request.as_bytes(),
    )
}

fn answer_old(server: BorrowedFd<'_>, body: &[u8]) -> io::Result<()> {
    let response = [b"HTTP/1.0 200 OK\r\n\r\n", body].concat();
    send_all(server, Send::Pieces(1000), &response)
}

fn expect_old(stage: &mut Stage, link: &Link, target: &str, body: &[u8], server_pid: u32) {
    for (role, pid) in [("server", server_pid), ("client", link.client_pid)] {
        stage.expect(Expected {
            method: "GET".to_owned(),
            request: Half::whole(&[]),
            response: Half::whole(body),
            ..link.expected(role, pid, target)
        });
    }
}

/// A request answered in part: the head, and of the body what comes before the end.
fn half_answered(stage: &mut Stage, link: &Link, server_pid: u32, reasons: &[&str]) -> Vec<u8> {
    let target = stage.target();
    for (role, pid) in [("server", server_pid), ("client", link.client_pid)] {
        stage.expect(Expected {
            request: Half::whole(&[]),
            response: Half {
                seen: "unfinished".to_owned(),
                ..Half::whole(&body(PART))
            },
            reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
            ..link.expected(role, pid, &target)
        });
    }
    request_head(&target, 0)
}

fn part_of_answer() -> Vec<u8> {
    [response_head(1000), body(PART)].concat()
}

/// The server resets the conn in the middle of a body (SO_LINGER of 0).
fn reset(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    let request = half_answered(stage, &link, link.server_pid, &["reset"]);
    let (client, server) = (link.client.as_fd(), link.server.as_fd());
    transfer((client, Send::Write), (server, Recv::Read), &request)?;
    transfer(
        (server, Send::Write),
        (client, Recv::Read),
        &part_of_answer(),
    )?;
    sys::reset_on_close(server)?;
    let Link { client, server, .. } = link;
    drop(server);
    let after = sys::read(client.as_fd(), &mut [0; 10]);
    if after.map_err(|error| error.kind()) != Err(io::ErrorKind::ConnectionReset) {
        return Err(io::Error::other("the conn was not reset"));
    }
    Ok(())
}

/// As [`reset`], but the client reads what came before only when the conn is gone.
fn reset_before_read(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    let request = half_answered(stage, &link, link.server_pid, &["reset"]);
    let (client, server) = (link.client.as_fd(), link.server.as_fd());
    transfer((client, Send::Write), (server, Recv::Read), &request)?;
    let answer = part_of_answer();
    send_all(server, Send::Write, &answer)?;
    sys::reset_on_close(server)?;
    let Link { client, server, .. } = link;
    drop(server);
    sys::poll(client.as_fd(), libc::POLLHUP)?;
    recv_exact(client.as_fd(), Recv::Read, answer.len())?;
    let after = sys::read(client.as_fd(), &mut [0; 10]);
    if after.map_err(|error| error.kind()) != Err(io::ErrorKind::ConnectionReset) {
        return Err(io::Error::other("the conn was not reset"));
    }
    Ok(())
}

/// The client hangs up while the server is in the middle of a write: the call is told when the conn
/// is gone, and has sent a part.
fn reset_during_write(stage: &mut Stage) -> io::Result<()> {
    const BUFFER: i32 = 64 * 1024;
    const MORE_THAN_FITS: usize = 2 << 20;
    let link = stage.tcp()?;
    link.plain(stage)?;
    // What lies in both is at most twice as much each (socket(7)).
    sys::set(
        link.server.as_fd(),
        libc::SOL_SOCKET,
        libc::SO_SNDBUF,
        BUFFER,
    )?;
    sys::set(
        link.client.as_fd(),
        libc::SOL_SOCKET,
        libc::SO_RCVBUF,
        BUFFER,
    )?;
    let target = stage.target();
    let request = request_head(&target, 0);
    let (to, from) = (link.client.as_fd(), link.server.as_fd());
    transfer((to, Send::Write), (from, Recv::Read), &request)?;
    let (head, body) = (response_head(MORE_THAN_FITS), body(MORE_THAN_FITS));
    let response = [&*head, &body].concat();
    for (role, pid) in [("server", link.server_pid), ("client", link.client_pid)] {
        stage.expect(Expected {
            request: Half::whole(&[]),
            reasons: vec!["reset".to_owned()],
            ..link.expected(role, pid, &target)
        });
    }
    let Link { client, server, .. } = link;
    let sent = thread::scope(|scope| {
        let writer = scope.spawn(|| sys::write(server.as_fd(), &response));
        await_standstill(client.as_fd())?;
        sys::reset_on_close(client.as_fd())?;
        drop(client);
        let sent = writer.join();
        sent.map_err(|_| io::Error::other("the writer panicked"))?
    })?;
    let part = sent.checked_sub(head.len()).and_then(|len| body.get(..len));
    let part = part.ok_or_else(|| io::Error::other("not even a head was sent"))?;
    stage.last_two(|server, client| {
        server.response = Half {
            seen: "unfinished".to_owned(),
            ..Half::whole(part)
        };
        server.reasons.insert(0, "body_limit".to_owned());
        (client.status, client.response) = (None, Half::none());
    })
}

/// Waits until no more bytes come to lie in a socket's buffer.
fn await_standstill(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut before = 0;
    for _ in 0..500 {
        thread::sleep(Duration::from_millis(20));
        let waiting = sys::waiting(fd)?;
        if waiting > 0 && waiting == before {
            return Ok(());
        }
        before = waiting;
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The client hangs up while the server waits for the rest of a body: the call is told when the
/// conn is gone, and has read a part.
fn reset_during_read(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    let target = stage.target();
    let asked = [request_head(&target, 1000), body(PART)].concat();
    for (role, pid) in [("server", link.server_pid), ("client", link.client_pid)] {
        stage.expect(Expected {
            status: None,
            request: Half {
                seen: "unfinished".to_owned(),
                ..Half::whole(&body(PART))
            },
            response: Half::none(),
            reasons: vec!["reset".to_owned()],
            ..link.expected(role, pid, &target)
        });
    }
    let Link { client, server, .. } = link;
    let came = thread::scope(|scope| {
        let mut into = [0; 2000];
        let fd = server.as_fd();
        let reader = scope.spawn(move || sys::recvfrom(fd, &mut into, libc::MSG_WAITALL));
        send_all(client.as_fd(), Send::Write, &asked)?;
        // Until the reader has taken it.
        while sys::waiting(server.as_fd())? > 0 {
            thread::yield_now();
        }
        sys::reset_on_close(client.as_fd())?;
        drop(client);
        let came = reader.join();
        came.map_err(|_| io::Error::other("the reader panicked"))?
    })?;
    if came == asked.len() {
        return Ok(());
    }
    Err(io::Error::other("the reader did not get what was sent"))
}

/// The server answers before it has read all of the request, and closes: what it never read it
/// never got, and the close is a reset (RFC 9112 §9.6).
fn closed_unread(stage: &mut Stage) -> io::Result<()> {
    const READ: usize = 500;
    let link = stage.tcp()?;
    link.plain(stage)?;
    let target = stage.target();
    let (asked, answered) = (body(5000), body(10));
    let head = request_head(&target, asked.len());
    send_all(link.client.as_fd(), Send::Write, &[&*head, &asked].concat())?;
    recv_exact(link.server.as_fd(), Recv::Read, READ)?;
    let response = [response_head(answered.len()), answered.clone()].concat();
    let there = (link.client.as_fd(), Recv::Read);
    transfer((link.server.as_fd(), Send::Write), there, &response)?;
    let read = asked.get(..READ - head.len()).unwrap_or_default();
    let half = Half {
        seen: "unfinished".to_owned(),
        ..Half::whole(read)
    };
    stage.expect(Expected {
        request: half,
        response: Half::whole(&answered),
        reasons: vec!["reset".to_owned()],
        ..link.expected("server", link.server_pid, &target)
    });
    stage.expect(Expected {
        request: Half::whole(&asked),
        response: Half::whole(&answered),
        ..link.expected("client", link.client_pid, &target)
    });
    drop(link.server);
    Ok(())
}

/// The server's process answers and ends, closing nothing itself.
fn exit_without_close(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    let target = stage.target();
    let body = body(5000);
    let Link { client, server, .. } = &link;
    let child = sys::fork(|| {
        sys::read(server.as_fd(), &mut [0; 1000])?;
        answer_old(server.as_fd(), &body)
    })?;
    stage.pid(child);
    expect_old(stage, &link, &target, &body, child);
    let request = format!("GET {target} HTTP/1.0\r\n\r\n");
    send_all(client.as_fd(), Send::Write, request.as_bytes())?;
    sys::wait(child)?;
    let Link { client, server, .. } = link;
    drop(server);
    drain(client.as_fd()).map(drop)
}

/// The server's process ends in the middle of a body, and it alone held the conn.
fn exit_midway(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    let (ours, theirs) = sys::socketpair(libc::SOCK_STREAM)?;
    let Link {
        client,
        server,
        place,
        ..
    } = link;
    let child = sys::fork(|| {
        sys::read(theirs.as_fd(), &mut [0])?;
        let mut request = [0; 1000];
        sys::read(server.as_fd(), &mut request)?;
        send_all(server.as_fd(), Send::Write, &part_of_answer())
    })?;
    stage.pid(child);
    drop(server);
    let (client, place) = (client, place);
    let link = Link::new(client.try_clone()?, client, place);
    let request = half_answered(stage, &link, child, &[]);
    send_all(link.client.as_fd(), Send::Write, &request)?;
    sys::write(ours.as_fd(), b"!")?;
    drain(link.client.as_fd())?;
    sys::wait(child)
}

/// The last bytes of a conn move unseen, and no call comes after them that could tell: only the
/// conn's end does.
fn unseen_at_the_end(stage: &mut Stage) -> io::Result<()> {
    for send in [Send::Uring, Send::Sendfile] {
        let link = stage.tcp()?;
        link.plain(stage)?;
        let leg = Leg::plain(5000)
            .sent(send)
            .received(Recv::Splice)
            .body_only();
        link.exchange(stage, Leg::plain(0), leg)?;
    }
    Ok(())
}

/// Conns that were open, idle or busy, before Eaves was started.
fn open_before(stage: &mut Stage) -> io::Result<()> {
    let links = [stage.tcp()?, stage.tcp()?, stage.pair()?];
    let [used, fresh, unix] = &links;
    stage.unheard(|stage| {
        used.plain(stage)?;
        unix.plain(stage)
    })?;
    ready()?;
    for link in [used, fresh, unix] {
        link.plain(stage)?;
        link.exchange(stage, Leg::plain(15_000), Leg::plain(15_000))?;
        link.plain(stage)?;
    }
    Ok(())
}

/// Conns that were in the middle of a message when Eaves was started: what comes next is right.
fn joined_midway(stage: &mut Stage) -> io::Result<()> {
    let (in_request, in_response) = (stage.tcp()?, stage.tcp()?);
    let (early, late) = (body(5000), body(700));
    let response = [response_head(100), body(100)].concat();
    let there = |link: &Link, bytes: &[u8]| {
        transfer(
            (link.client.as_fd(), Send::Write),
            (link.server.as_fd(), Recv::Read),
            bytes,
        )
    };
    let back = |link: &Link, bytes: &[u8]| {
        transfer(
            (link.server.as_fd(), Send::Write),
            (link.client.as_fd(), Recv::Read),
            bytes,
        )
    };
    there(
        &in_request,
        &[request_head("/early", 5700), early.clone()].concat(),
    )?;
    there(&in_response, &request_head("/early", 0))?;
    back(&in_response, &[response_head(5700), early].concat())?;
    ready()?;
    there(&in_request, &late)?;
    back(&in_request, &response)?;
    for (role, pid) in [
        ("server", in_request.server_pid),
        ("client", in_request.client_pid),
    ] {
        stage.expect(Expected {
            method: String::new(),
            request: Half {
                seen: "joined_late".to_owned(),
                ..Half::default()
            },
            response: Half::whole(&body(100)),
            ..in_request.expected(role, pid, "")
        });
    }
    // Longer than the agent waits for a request that its response has overtaken on the way to it.
    thread::sleep(OVERTAKEN);
    in_request.plain(stage)?;
    back(&in_response, &late)?;
    in_response.plain(stage)?;
    in_response.plain(stage)
}
