//! Ways to move bytes: one variant a call, each for a whole buffer.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread;
use std::time::Duration;

use crate::sys;

/// How bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Send {
    /// write
    Write,
    /// write, so many bytes a call
    Pieces(usize),
    /// write, one byte a call, with a pause between
    Slowly(Duration),
    /// write on a non-blocking socket, waiting whenever it would block
    Nonblocking,
    /// writev of so many vectors
    Writev(usize),
    /// pwritev2 of so many vectors, offset −1
    Pwritev2(usize),
    /// sendto without an address
    Sendto,
    /// sendto with MSG_MORE, but for the last bytes
    More,
    /// sendto with MSG_ZEROCOPY, whose notices are then taken off the error queue
    ZeroCopy,
    /// sendmsg of so many vectors
    Sendmsg(usize),
    /// sendmmsg of so many messages with so many vectors each
    Sendmmsg(usize, usize),
    /// sendfile
    Sendfile,
    /// splice from a pipe
    Splice,
    /// IORING_OP_SEND
    Uring,
    /// write by a 32-bit call
    Compat,
}

/// How bytes are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recv {
    /// read
    Read,
    /// read, so many bytes a call
    Pieces(usize),
    /// readv into so many vectors
    Readv(usize),
    /// preadv2 into so many vectors, offset −1
    Preadv2(usize),
    /// recvfrom without an address
    Recvfrom,
    /// recvfrom with MSG_WAITALL
    WaitAll,
    /// recvfrom with MSG_PEEK, twice, and only then read
    PeekFirst,
    /// recvfrom with MSG_TRUNC: TCP throws the bytes away
    Away,
    /// recvmsg into so many vectors
    Recvmsg(usize),
    /// recvmmsg into so many messages with so many vectors each
    Recvmmsg(usize, usize),
    /// splice into a pipe
    Splice,
    /// IORING_OP_RECV
    Uring,
    /// read by a 32-bit call
    Compat,
    /// read on a non-blocking socket, waiting whenever it would block; once before anything came
    Nonblocking,
    /// reads of no bytes between others
    WithEmpty,
}

/// Moves `bytes` from one socket to another, at the same time at both ends.
///
/// # Errors
/// A call failed, or what came is not what went.
pub(crate) fn transfer(
    (from, send): (BorrowedFd<'_>, Send),
    (to, recv): (BorrowedFd<'_>, Recv),
    bytes: &[u8],
) -> io::Result<()> {
    let came = thread::scope(|scope| {
        let sender = scope.spawn(|| send_all(from, send, bytes));
        let came = recv_exact(to, recv, bytes.len());
        sender
            .join()
            .map_err(|_| io::Error::other("sender panicked"))??;
        came
    })?;
    if recv != Recv::Away && came != bytes {
        return Err(io::Error::other(format!(
            "{send:?} to {recv:?}: other bytes came than went"
        )));
    }
    Ok(())
}

/// Sends all of `bytes`.
///
/// # Errors
/// A call failed.
pub(crate) fn send_all(fd: BorrowedFd<'_>, how: Send, bytes: &[u8]) -> io::Result<()> {
    let source = match how {
        Send::Sendfile => Some(sys::file(bytes)?),
        Send::Nonblocking => {
            sys::nonblocking(fd)?;
            None
        }
        _ => None,
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = match (how, &source) {
            (Send::Sendfile, Some(file)) => sys::sendfile(fd, file.as_fd(), rest.len()),
            _ => send_some(fd, how, rest),
        };
        match sent {
            Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sys::poll(fd, libc::POLLOUT)?
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send_some(fd: BorrowedFd<'_>, how: Send, bytes: &[u8]) -> io::Result<usize> {
    let first = |len: usize| bytes.get(..len).unwrap_or(bytes);
    match how {
        Send::Write | Send::Nonblocking | Send::Sendfile => sys::write(fd, bytes),
        Send::Pieces(len) => sys::write(fd, first(len)),
        Send::Slowly(pause) => {
            thread::sleep(pause);
            sys::write(fd, first(1))
        }
        Send::Writev(count) => sys::writev(fd, &vectors(bytes, count)),
        Send::Pwritev2(count) => sys::pwritev2(fd, &vectors(bytes, count)),
        Send::Sendto => sys::sendto(fd, bytes, libc::MSG_NOSIGNAL),
        Send::More if bytes.len() > 100 => sys::sendto(fd, first(100), libc::MSG_MORE),
        Send::More => sys::sendto(fd, bytes, 0),
        Send::ZeroCopy => zero_copy(fd, bytes),
        Send::Sendmsg(count) => sys::sendmsg(fd, &vectors(bytes, count)),
        Send::Sendmmsg(messages, count) => {
            let parts = bytes.chunks(share(bytes.len(), messages));
            let messages: Vec<_> = parts.map(|part| vectors(part, count)).collect();
            sys::sendmmsg(fd, &messages)
        }
        Send::Splice => {
            let (read, write) = sys::pipe(bytes.len())?;
            let filled = sys::write(write.as_fd(), bytes)?;
            let mut left = filled;
            while left > 0 {
                left -= sys::splice(read.as_fd(), fd, left)?;
            }
            Ok(filled)
        }
        Send::Uring => uring::send(fd, bytes),
        Send::Compat => compat::send(fd, bytes),
    }
}

/// Sends without a copy, and waits for the word that the buffer is free again: it comes by a
/// receive that moves no bytes of the stream.
fn zero_copy(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    sys::set(fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1)?;
    let sent = sys::sendto(fd, bytes, libc::MSG_ZEROCOPY)?;
    let flags = libc::MSG_ERRQUEUE;
    for _ in 0..1000 {
        match sys::recvmsg(fd, &mut [IoSliceMut::new(&mut [0; 64])], flags) {
            Ok(_) => return Ok(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Receives exactly `len` bytes.
///
/// # Errors
/// A call failed, or the stream ended before.
pub(crate) fn recv_exact(fd: BorrowedFd<'_>, how: Recv, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    if how == Recv::Nonblocking {
        sys::nonblocking(fd)?;
    }
    if at_once(how) {
        await_bytes(fd, len)?;
    }
    let mut done = 0;
    while done < len {
        let rest = bytes.get_mut(done..).unwrap_or_default();
        match recv_some(fd, how, rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(came) => done += came,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sys::poll(fd, libc::POLLIN)?,
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Whether a case needs one call to take everything, so that what lies in which vector is certain.
const fn at_once(how: Recv) -> bool {
    matches!(
        how,
        Recv::Readv(_)
            | Recv::Preadv2(_)
            | Recv::Recvmsg(_)
            | Recv::Recvmmsg(..)
            | Recv::PeekFirst
            | Recv::Away
            | Recv::Uring
            | Recv::Compat
    )
}

fn recv_some(fd: BorrowedFd<'_>, how: Recv, into: &mut [u8]) -> io::Result<usize> {
    let whole = into.len();
    match how {
        Recv::Read | Recv::Nonblocking => sys::read(fd, into),
        Recv::Pieces(len) => sys::read(fd, into.get_mut(..len.min(whole)).unwrap_or_default()),
        Recv::Readv(count) => sys::readv(fd, &mut vectors_mut(into, count)),
        Recv::Preadv2(count) => sys::preadv2(fd, &mut vectors_mut(into, count)),
        Recv::Recvfrom => sys::recvfrom(fd, into, 0),
        Recv::WaitAll => sys::recvfrom(fd, into, libc::MSG_WAITALL),
        Recv::PeekFirst => {
            sys::recvfrom(fd, into, libc::MSG_PEEK)?;
            sys::recvmsg(fd, &mut vectors_mut(into, 2), libc::MSG_PEEK)?;
            sys::read(fd, into)
        }
        Recv::Away => sys::recv_away(fd, whole),
        Recv::Recvmsg(count) => sys::recvmsg(fd, &mut vectors_mut(into, count), 0),
        Recv::Recvmmsg(messages, count) => {
            let parts = into.chunks_mut(share(whole, messages));
            let mut messages: Vec<_> = parts.map(|part| vectors_mut(part, count)).collect();
            sys::recvmmsg(fd, &mut messages)
        }
        Recv::Splice => {
            let (read, write) = sys::pipe(whole)?;
            let came = sys::splice(fd, write.as_fd(), whole)?;
            sys::read(read.as_fd(), into.get_mut(..came).unwrap_or_default())
        }
        Recv::Uring => uring::recv(fd, into),
        Recv::Compat => compat::recv(fd, into),
        Recv::WithEmpty => {
            let none = into.get_mut(..0).unwrap_or_default();
            if sys::read(fd, none)? != 0 || sys::recvfrom(fd, none, 0)? != 0 {
                return Err(io::Error::other("a read of no bytes gave some"));
            }
            sys::recvmsg(fd, &mut [], 0)?;
            sys::read(fd, into.get_mut(..whole.min(7)).unwrap_or_default())
        }
    }
}

/// Waits until `len` bytes lie in the socket's buffer, five seconds at most.
fn await_bytes(fd: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    for _ in 0..5000 {
        if sys::waiting(fd)? >= len {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Length of each of `count` parts, the last of which may be shorter.
pub(crate) fn share(len: usize, count: usize) -> usize {
    len.div_ceil(count.max(1)).max(1)
}

fn vectors(bytes: &[u8], count: usize) -> Vec<IoSlice<'_>> {
    bytes
        .chunks(share(bytes.len(), count))
        .map(IoSlice::new)
        .collect()
}

fn vectors_mut(bytes: &mut [u8], count: usize) -> Vec<IoSliceMut<'_>> {
    let each = share(bytes.len(), count);
    bytes.chunks_mut(each).map(IoSliceMut::new).collect()
}

/// One operation by io_uring, on a ring made for it.
mod uring {
    use std::io;
    use std::os::fd::{AsRawFd as _, BorrowedFd};

    use io_uring::{IoUring, opcode, squeue, types};

    /// Sends once.
    pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        submit(&opcode::Send::new(types::Fd(fd.as_raw_fd()), bytes.as_ptr(), len).build())
    }

    /// Receives once.
    pub(crate) fn recv(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
        let len = u32::try_from(into.len()).unwrap_or(u32::MAX);
        submit(&opcode::Recv::new(types::Fd(fd.as_raw_fd()), into.as_mut_ptr(), len).build())
    }

    fn submit(entry: &squeue::Entry) -> io::Result<usize> {
        let mut ring = IoUring::new(2)?;
        // SAFETY: the buffer lives until the operation is complete, which is awaited here.
        unsafe { ring.submission().push(entry) }.map_err(io::Error::other)?;
        ring.submit_and_wait(1)?;
        let done = ring.completion().next();
        let result = done.map_or(-libc::EIO, |entry| entry.result());
        usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
    }
}

/// 32-bit calls, through memory that they can name.
#[cfg(target_arch = "x86_64")]
mod compat {
    use std::io;
    use std::os::fd::BorrowedFd;

    use crate::sys::{LowMemory, READ_32, WRITE_32, call_32};

    pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut memory = LowMemory::new(bytes.len())?;
        memory.bytes().copy_from_slice(bytes);
        call_32(WRITE_32, fd, memory.bytes())
    }

    pub(crate) fn recv(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
        let mut memory = LowMemory::new(into.len())?;
        let came = call_32(READ_32, fd, memory.bytes())?;
        into.copy_from_slice(memory.bytes());
        Ok(came)
    }
}

/// Elsewhere there is no such call from a 64-bit program.
#[cfg(not(target_arch = "x86_64"))]
mod compat {
    use std::io;
    use std::os::fd::BorrowedFd;

    pub(crate) fn send(_: BorrowedFd<'_>, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn recv(_: BorrowedFd<'_>, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
