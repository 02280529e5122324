//! Conns that several descriptors, processes or threads hold.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::thread;

use eaves_tests::expect::{Expected, Half};

use crate::Case;
use crate::link::{Leg, Link, Stage, request_head};
use crate::sys;
use crate::way::{Recv, Send, recv_exact, send_all, transfer};

pub(crate) const CASES: &[Case] = &[
    Case::new("dup", dup),
    Case::new("passed", passed),
    Case::new("forked", forked),
    Case::new("two_processes", two_processes),
    Case::new("threads", threads),
    Case::new("overlapping", overlapping),
    Case::new("reused", reused),
];

/// A descriptor's copy lives on when the first is closed.
fn dup(stage: &mut Stage) -> io::Result<()> {
    let mut link = stage.tcp()?;
    link.plain(stage)?;
    for _ in 0..3 {
        link.server = link.server.try_clone()?;
        link.client = link.client.try_clone()?;
        stage.after_gap(|stage| link.plain(stage))?;
    }
    Ok(())
}

/// A server in a process of its own, which `prepare` gives its end; `count` exchanges.
fn served(
    stage: &mut Stage,
    link: &Link,
    count: usize,
    end: impl FnOnce() -> io::Result<std::os::fd::OwnedFd>,
) -> io::Result<()> {
    let rounds = link.rounds(stage, count);
    let child = sys::fork(|| {
        let end = end()?;
        rounds
            .iter()
            .try_for_each(|round| round.answer(end.as_fd()))
    })?;
    stage.pid(child);
    for round in &rounds {
        round.ask(link.client.as_fd())?;
        link.expect(stage, round, child);
    }
    sys::wait(child)
}

/// Accepted here, handed to another process over a Unix socket (SCM_RIGHTS) before and after it
/// was used.
fn passed(stage: &mut Stage) -> io::Result<()> {
    for used in [false, true] {
        let link = stage.tcp()?;
        if used {
            link.plain(stage)?;
        }
        let (ours, theirs) = sys::socketpair(libc::SOCK_STREAM)?;
        sys::pass(ours.as_fd(), link.server.as_fd())?;
        served(stage, &link, 3, || sys::take(theirs.as_fd()))?;
    }
    Ok(())
}

/// Accepted here, served by a copy of this process.
fn forked(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    served(stage, &link, 3, || link.server.try_clone())?;
    // Back to the process that accepted it.
    link.plain(stage)
}

/// Two copies of this process answer in turn on one conn.
fn two_processes(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    for _ in 0..2 {
        served(stage, &link, 1, || link.server.try_clone())?;
    }
    Ok(())
}

/// Several threads share a socket: each part of each message by another one.
fn threads(stage: &mut Stage) -> io::Result<()> {
    let link = stage.tcp()?;
    link.plain(stage)?;
    for round in link.rounds(stage, 3) {
        by_threads(&round.request, |part| {
            send_all(link.client.as_fd(), Send::Write, part)
        })?;
        by_threads(&round.request, |part| came(link.server.as_fd(), part))?;
        by_threads(&round.response, |part| {
            send_all(link.server.as_fd(), Send::Write, part)
        })?;
        by_threads(&round.response, |part| came(link.client.as_fd(), part))?;
        link.expect(stage, &round, link.server_pid);
    }
    link.plain(stage)
}

fn came(fd: BorrowedFd<'_>, part: &[u8]) -> io::Result<()> {
    if recv_exact(fd, Recv::Read, part.len())? != part {
        return Err(io::Error::other("other bytes came than went"));
    }
    Ok(())
}

/// Each part in a new thread, one after the other.
fn by_threads(bytes: &[u8], each: impl Fn(&[u8]) -> io::Result<()> + Sync) -> io::Result<()> {
    for part in bytes.chunks(bytes.len().div_ceil(5)) {
        let done = thread::scope(|scope| scope.spawn(|| each(part)).join());
        done.map_err(|_| io::Error::other("a thread panicked"))??;
    }
    Ok(())
}

/// The same two numbers for one conn after the other, with other files under them between.
fn reused(stage: &mut Stage) -> io::Result<()> {
    let mut numbers = None;
    for round in 0..50 {
        let link = stage.tcp()?;
        let both = [link.client.as_raw_fd(), link.server.as_raw_fd()];
        if *numbers.get_or_insert(both) != both {
            return Err(io::Error::other("the numbers were not used again"));
        }
        link.exchange(stage, Leg::plain(0), Leg::plain(100 + round))?;
        drop(link);
        // Under the same numbers files that hold HTTP's words.
        let file = sys::file(b"")?;
        let other = sys::file(b"HTTP/1.1 200 OK\r\n\r\n")?;
        sys::write(file.as_fd(), b"GET /reused/file HTTP/1.1\r\n\r\n")?;
        sys::read(other.as_fd(), &mut [0; 50])?;
    }
    Ok(())
}

/// Threads that write one conn at the same time, each whole chunks, so that whatever order they go
/// in is a message: where positions tell that order it must be reported, and where not a gap.
fn overlapping(stage: &mut Stage) -> io::Result<()> {
    const THREADS: usize = 8;
    const EACH: usize = 10;
    const CHUNK: usize = 90;
    let link = stage.tcp()?;
    link.plain(stage)?;
    for _ in 0..5 {
        let target = stage.target();
        let (client, server) = (link.client.as_fd(), link.server.as_fd());
        transfer(
            (client, Send::Write),
            (server, Recv::Read),
            &request_head(&target, 0),
        )?;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        transfer((server, Send::Write), (client, Recv::Read), head)?;
        // Words: of digits that end at a gap, some would be masked as the number of a card.
        let word = |number: usize| ["a", "be", "see", "de", "ea", "ef", "gee", "I"].get(number % 8);
        let word = |number| word(number).copied().unwrap_or_default();
        let chunk = |thread: usize, number: usize| {
            let text = format!("{} {} ", word(thread), word(number)).repeat(CHUNK);
            let text = text.get(..CHUNK).unwrap_or_default();
            format!("{CHUNK:x}\r\n{text}\r\n").into_bytes()
        };
        let chunk_bytes = chunk(0, 0).len();
        let came = thread::scope(|scope| {
            let write = |thread| {
                let mut chunks = (0..EACH).map(|number| chunk(thread, number));
                chunks.try_for_each(|chunk| send_all(server, Send::Write, &chunk))
            };
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || write(thread)))
                .collect();
            let came = recv_exact(client, Recv::Read, THREADS * EACH * chunk_bytes);
            for thread in threads {
                let wrote = thread.join();
                wrote.map_err(|_| io::Error::other("a thread panicked"))??;
            }
            came
        })?;
        transfer((server, Send::Write), (client, Recv::Read), b"0\r\n\r\n")?;
        let text = came.chunks(chunk_bytes).flat_map(|chunk| {
            let text = chunk.get(chunk.len().saturating_sub(CHUNK + 2)..);
            text.and_then(|text| text.get(..CHUNK)).unwrap_or_default()
        });
        let body: Vec<u8> = text.copied().collect();
        for (role, pid) in [("server", link.server_pid), ("client", link.client_pid)] {
            stage.expect(Expected {
                request: Half::whole(&[]),
                response: Half::whole(&body),
                or_gap: role == "server",
                ..link.expected(role, pid, &target)
            });
        }
        stage.after_gap(|stage| link.plain(stage))?;
    }
    Ok(())
}
