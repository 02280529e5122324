//! The system calls, each as a function that makes exactly that call.

use std::ffi::c_int;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;

/// A call's answer: what it returned, or its error.
fn answer(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

fn descriptor(returned: c_int) -> io::Result<OwnedFd> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(returned) })
}

/// Number of vectors as the calls take it.
fn count(vectors: usize) -> c_int {
    c_int::try_from(vectors).unwrap_or(c_int::MAX)
}

/// write(2)
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the range is that of a slice.
    answer(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) })
}

/// read(2)
pub(crate) fn read(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the range is that of a slice nobody else has.
    answer(unsafe { libc::read(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) })
}

/// writev(2)
pub(crate) fn writev(fd: BorrowedFd<'_>, vectors: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: `IoSlice` has the layout of `iovec`, which its documentation promises.
    answer(unsafe {
        libc::writev(
            fd.as_raw_fd(),
            vectors.as_ptr().cast(),
            count(vectors.len()),
        )
    })
}

/// readv(2)
pub(crate) fn readv(fd: BorrowedFd<'_>, vectors: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    // SAFETY: `IoSliceMut` has the layout of `iovec`, which its documentation promises.
    answer(unsafe {
        libc::readv(
            fd.as_raw_fd(),
            vectors.as_mut_ptr().cast(),
            count(vectors.len()),
        )
    })
}

/// pwritev2(2) at the current position, the only one a socket has.
pub(crate) fn pwritev2(fd: BorrowedFd<'_>, vectors: &[IoSlice<'_>]) -> io::Result<usize> {
    let (at, len) = (vectors.as_ptr().cast(), count(vectors.len()));
    // SAFETY: as for `writev`.
    answer(unsafe { libc::pwritev2(fd.as_raw_fd(), at, len, -1, 0) })
}

/// preadv2(2) at the current position.
pub(crate) fn preadv2(fd: BorrowedFd<'_>, vectors: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let (at, len) = (vectors.as_mut_ptr().cast(), count(vectors.len()));
    // SAFETY: as for `readv`.
    answer(unsafe { libc::preadv2(fd.as_raw_fd(), at, len, -1, 0) })
}

/// sendto(2) without an address, which is send(2).
pub(crate) fn sendto(fd: BorrowedFd<'_>, bytes: &[u8], flags: c_int) -> io::Result<usize> {
    let (at, len) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: the range is that of a slice; there is no address.
    answer(unsafe { libc::sendto(fd.as_raw_fd(), at, len, flags, ptr::null(), 0) })
}

/// sendto(2) with an address.
pub(crate) fn sendto_at(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    flags: c_int,
    to: &Address,
) -> io::Result<usize> {
    let (at, len) = (bytes.as_ptr().cast(), bytes.len());
    let address = (&raw const to.storage).cast();
    // SAFETY: the range is that of a slice, and the storage holds an address of this length.
    answer(unsafe { libc::sendto(fd.as_raw_fd(), at, len, flags, address, to.len) })
}

/// recvfrom(2) without an address, which is recv(2).
pub(crate) fn recvfrom(fd: BorrowedFd<'_>, into: &mut [u8], flags: c_int) -> io::Result<usize> {
    let (at, len) = (into.as_mut_ptr().cast(), into.len());
    let (from, from_len) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the range is that of a slice nobody else has; no address is asked for.
    answer(unsafe { libc::recvfrom(fd.as_raw_fd(), at, len, flags, from, from_len) })
}

/// recvfrom(2) with MSG_TRUNC and no buffer: TCP throws the bytes away (tcp(7)).
pub(crate) fn recv_away(fd: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let (nobody, none) = (ptr::null_mut(), ptr::null_mut());
    let flags = libc::MSG_TRUNC;
    // SAFETY: with MSG_TRUNC a TCP socket writes nothing to the buffer.
    answer(unsafe { libc::recvfrom(fd.as_raw_fd(), ptr::null_mut(), len, flags, nobody, none) })
}

/// A message header over vectors of either kind.
fn header(vectors: *mut libc::iovec, len: usize) -> libc::msghdr {
    // SAFETY: zero is a value of every field.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = vectors;
    header.msg_iovlen = len;
    header
}

/// sendmsg(2)
pub(crate) fn sendmsg(fd: BorrowedFd<'_>, vectors: &[IoSlice<'_>]) -> io::Result<usize> {
    let header = header(vectors.as_ptr().cast_mut().cast(), vectors.len());
    // SAFETY: `header` points to the vectors, which the call only reads.
    answer(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) })
}

/// recvmsg(2)
pub(crate) fn recvmsg(
    fd: BorrowedFd<'_>,
    vectors: &mut [IoSliceMut<'_>],
    flags: c_int,
) -> io::Result<usize> {
    let mut header = header(vectors.as_mut_ptr().cast(), vectors.len());
    // SAFETY: `header` points to the vectors, which nobody else has.
    answer(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) })
}

/// sendmmsg(2); bytes that went, in all.
pub(crate) fn sendmmsg(fd: BorrowedFd<'_>, messages: &[Vec<IoSlice<'_>>]) -> io::Result<usize> {
    let mut headers: Vec<libc::mmsghdr> = messages
        .iter()
        .map(|vectors| libc::mmsghdr {
            msg_hdr: header(vectors.as_ptr().cast_mut().cast(), vectors.len()),
            msg_len: 0,
        })
        .collect();
    let len = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    let flags = libc::MSG_NOSIGNAL;
    // SAFETY: each header points to its vectors, which the call only reads.
    let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), len, flags) };
    moved(sent, &headers)
}

/// recvmmsg(2); bytes that came, in all. It waits for the first message only.
pub(crate) fn recvmmsg(
    fd: BorrowedFd<'_>,
    messages: &mut [Vec<IoSliceMut<'_>>],
) -> io::Result<usize> {
    let mut headers: Vec<libc::mmsghdr> = messages
        .iter_mut()
        .map(|vectors| libc::mmsghdr {
            msg_hdr: header(vectors.as_mut_ptr().cast(), vectors.len()),
            msg_len: 0,
        })
        .collect();
    let len = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    let (at, flags) = (headers.as_mut_ptr(), libc::MSG_WAITFORONE);
    // SAFETY: each header points to its vectors, which nobody else has; there is no timeout.
    let came = unsafe { libc::recvmmsg(fd.as_raw_fd(), at, len, flags, ptr::null_mut()) };
    moved(came, &headers)
}

fn moved(messages: c_int, headers: &[libc::mmsghdr]) -> io::Result<usize> {
    let messages = usize::try_from(messages).map_err(|_| io::Error::last_os_error())?;
    Ok(headers
        .iter()
        .take(messages)
        .map(|header| header.msg_len as usize)
        .sum())
}

/// sendfile(2) from the file's own position.
pub(crate) fn sendfile(to: BorrowedFd<'_>, from: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let (to, from) = (to.as_raw_fd(), from.as_raw_fd());
    // SAFETY: no offset is given.
    answer(unsafe { libc::sendfile(to, from, ptr::null_mut(), len) })
}

/// splice(2); one of the two is a pipe.
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let (from, to, none) = (from.as_raw_fd(), to.as_raw_fd(), ptr::null_mut());
    // SAFETY: no offsets are given.
    answer(unsafe { libc::splice(from, none, to, none, len, 0) })
}

/// pipe2(2), with room for `len` bytes: its read and its write end.
pub(crate) fn pipe(len: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the array has room for the two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let [read, write] = ends;
    let (read, write) = (descriptor(read)?, descriptor(write)?);
    // SAFETY: an ioctl-like call on a descriptor of ours.
    answer(unsafe { libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, count(len)) } as isize)?;
    Ok((read, write))
}

/// memfd_create(2): a file that holds `bytes`, at its beginning.
pub(crate) fn file(bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::io::{Seek as _, Write as _};
    // SAFETY: the name ends in NUL.
    let fd = descriptor(unsafe { libc::memfd_create(c"calls".as_ptr(), libc::MFD_CLOEXEC) })?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// socket(2)
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    descriptor(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })
}

/// socketpair(2) of Unix sockets.
pub(crate) fn socketpair(kind: c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let [one, other] = ends;
    Ok((descriptor(one)?, descriptor(other)?))
}

/// A socket's address in the form of the calls.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl Address {
    /// No address yet, with room for any.
    fn room() -> Self {
        Self {
            // SAFETY: zero is a value of every field.
            storage: unsafe { zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    /// The loopback address of the family with `port`, 0 for any.
    #[must_use]
    pub(crate) fn loopback(family: c_int, port: u16) -> Self {
        let mut address = Self::room();
        let storage = &raw mut address.storage;
        if family == libc::AF_INET6 {
            let v6: *mut libc::sockaddr_in6 = storage.cast();
            // SAFETY: the storage is larger than any address, and aligned for each.
            unsafe {
                (*v6).sin6_family = libc::AF_INET6 as libc::sa_family_t;
                (*v6).sin6_port = port.to_be();
                (*v6).sin6_addr.s6_addr = std::net::Ipv6Addr::LOCALHOST.octets();
            }
            address.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        } else {
            let v4: *mut libc::sockaddr_in = storage.cast();
            // SAFETY: as above.
            unsafe {
                (*v4).sin_family = libc::AF_INET as libc::sa_family_t;
                (*v4).sin_port = port.to_be();
                (*v4).sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
            }
            address.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        address
    }

    /// The IPv6 address of no host in particular, to listen on for both versions.
    #[must_use]
    pub(crate) fn anywhere() -> Self {
        let mut address = Self::loopback(libc::AF_INET6, 0);
        let v6: *mut libc::sockaddr_in6 = (&raw mut address.storage).cast();
        // SAFETY: `loopback` has made it one.
        unsafe { (*v6).sin6_addr.s6_addr = [0; 16] };
        address
    }

    /// A Unix address: a path, or an abstract name that begins with NUL.
    #[must_use]
    pub(crate) fn unix(name: &[u8]) -> Self {
        let mut address = Self::room();
        let unix: *mut libc::sockaddr_un = (&raw mut address.storage).cast();
        let len = name.len().min(path_max_bytes());
        // SAFETY: the storage is larger than any address and zeroed; `len` is bounded.
        unsafe {
            (*unix).sun_family = libc::AF_UNIX as libc::sa_family_t;
            ptr::copy_nonoverlapping(name.as_ptr(), (&raw mut (*unix).sun_path).cast(), len);
        }
        let head = size_of::<libc::sa_family_t>();
        address.len = libc::socklen_t::try_from(head + len).unwrap_or(0);
        address
    }

    /// The port of an Internet address.
    #[must_use]
    pub(crate) fn port(&self) -> u16 {
        let v4: *const libc::sockaddr_in = (&raw const self.storage).cast();
        // SAFETY: both Internet families have the port in the same place.
        u16::from_be(unsafe { (*v4).sin_port })
    }
}

/// Bytes of `sun_path`.
const fn path_max_bytes() -> usize {
    size_of::<libc::sockaddr_un>() - size_of::<libc::sa_family_t>()
}

/// bind(2)
pub(crate) fn bind(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    let at = (&raw const address.storage).cast();
    // SAFETY: the storage holds an address of this length.
    answer(unsafe { libc::bind(fd.as_raw_fd(), at, address.len) } as isize).map(drop)
}

/// listen(2)
pub(crate) fn listen(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: numbers only.
    answer(unsafe { libc::listen(fd.as_raw_fd(), 16) } as isize).map(drop)
}

/// connect(2)
pub(crate) fn connect(fd: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    let at = (&raw const address.storage).cast();
    // SAFETY: the storage holds an address of this length.
    answer(unsafe { libc::connect(fd.as_raw_fd(), at, address.len) } as isize).map(drop)
}

/// accept(2), the older call.
pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: no address is asked for.
    descriptor(unsafe { libc::accept(fd.as_raw_fd(), ptr::null_mut(), ptr::null_mut()) })
}

/// accept4(2)
pub(crate) fn accept4(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (none, flags) = (ptr::null_mut(), libc::SOCK_CLOEXEC);
    // SAFETY: no address is asked for.
    descriptor(unsafe { libc::accept4(fd.as_raw_fd(), none, ptr::null_mut(), flags) })
}

/// getsockname(2)
pub(crate) fn name(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let mut address = Address::room();
    let at = (&raw mut address.storage).cast();
    // SAFETY: the storage has room for `len` bytes.
    answer(unsafe { libc::getsockname(fd.as_raw_fd(), at, &raw mut address.len) } as isize)?;
    Ok(address)
}

/// setsockopt(2) of a number.
pub(crate) fn set(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    set_to(fd, level, option, &value)
}

/// SO_LINGER of zero: close(2) then resets the conn.
pub(crate) fn reset_on_close(fd: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    set_to(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger)
}

/// setsockopt(2)
pub(crate) fn set_to<T: Copy>(
    fd: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    let (at, len) = (
        ptr::from_ref(value).cast(),
        size_of::<T>() as libc::socklen_t,
    );
    // SAFETY: `at` points to `len` bytes.
    answer(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, at, len) } as isize).map(drop)
}

/// shutdown(2) of the sending half.
pub(crate) fn finish(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: numbers only.
    answer(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) } as isize).map(drop)
}

/// Switches O_NONBLOCK on.
pub(crate) fn nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: numbers only.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    // SAFETY: numbers only.
    let set = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) };
    answer(set as isize).map(drop)
}

/// Bytes that wait to be read (FIONREAD).
pub(crate) fn waiting(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: c_int = 0;
    // SAFETY: FIONREAD writes one int.
    answer(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) } as isize)?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// poll(2) for one event, a second at most.
pub(crate) fn poll(fd: BorrowedFd<'_>, events: i16) -> io::Result<()> {
    let mut one = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one entry.
    answer(unsafe { libc::poll(&raw mut one, 1, 1000) } as isize).map(drop)
}

/// Room for one descriptor beside a message, aligned as `cmsghdr` wants it.
#[repr(C)]
union Rights {
    bytes: [u8; 64],
    _aligned: libc::cmsghdr,
}

/// Sends `passed` over a Unix socket (SCM_RIGHTS, unix(7)).
pub(crate) fn pass(over: BorrowedFd<'_>, passed: BorrowedFd<'_>) -> io::Result<()> {
    let word = [IoSlice::new(b"!")];
    let mut room = Rights { bytes: [0; 64] };
    let mut header = header(word.as_ptr().cast_mut().cast(), word.len());
    header.msg_control = (&raw mut room).cast();
    // SAFETY: sizes only.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as usize;
    // SAFETY: the room holds one header with one descriptor behind it, aligned.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_RIGHTS;
        (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
        ptr::write_unaligned(libc::CMSG_DATA(first).cast(), passed.as_raw_fd());
    }
    // SAFETY: everything `header` points to lives.
    answer(unsafe { libc::sendmsg(over.as_raw_fd(), &raw const header, 0) }).map(drop)
}

/// Takes the descriptor that [`pass`] sent.
pub(crate) fn take(over: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut word = [IoSliceMut::new(&mut byte)];
    let mut room = Rights { bytes: [0; 64] };
    let mut header = header(word.as_mut_ptr().cast(), word.len());
    header.msg_control = (&raw mut room).cast();
    header.msg_controllen = size_of::<Rights>();
    let flags = libc::MSG_CMSG_CLOEXEC;
    // SAFETY: everything `header` points to lives and is nobody else's.
    answer(unsafe { libc::recvmsg(over.as_raw_fd(), &raw mut header, flags) })?;
    // SAFETY: the kernel has written whole control messages, or none, which gives null.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    if first.is_null() {
        return Err(io::Error::other("no descriptor came"));
    }
    // SAFETY: the sender puts exactly one descriptor into the one message.
    descriptor(unsafe { ptr::read_unaligned(libc::CMSG_DATA(first).cast()) })
}

/// fork(2): runs `child` in a copy of this process, which must have one thread, and ends the copy
/// without running anything else; gives its process id.
pub(crate) fn fork(child: impl FnOnce() -> io::Result<()>) -> io::Result<u32> {
    // SAFETY: callers have joined their threads, so no lock is held in the copy.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = c_int::from(child().is_err());
            // SAFETY: ends the copy; nothing of it is used afterwards.
            unsafe { libc::_exit(code) }
        }
        pid => Ok(u32::try_from(pid).unwrap_or(0)),
    }
}

/// waitpid(2); an error if the child failed.
pub(crate) fn wait(pid: u32) -> io::Result<()> {
    let mut status = 0;
    let pid = libc::pid_t::try_from(pid).unwrap_or(-1);
    // SAFETY: writes one int.
    answer(unsafe { libc::waitpid(pid, &raw mut status, 0) } as isize)?;
    if status != 0 {
        return Err(io::Error::other("a child failed"));
    }
    Ok(())
}

/// Memory below 4 GiB, which 32-bit calls can name.
#[cfg(target_arch = "x86_64")]
pub(crate) struct LowMemory {
    at: *mut u8,
    len: usize,
}

#[cfg(target_arch = "x86_64")]
impl LowMemory {
    /// `len` bytes of zeros.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: a new mapping that replaces none.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { at: at.cast(), len })
    }

    /// The bytes.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is ours, initialised by the kernel, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.len) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for LowMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody can have a slice of it any more.
        unsafe { libc::munmap(self.at.cast(), self.len) };
    }
}

/// `read` of the 32-bit calls (arch/x86/entry/syscalls/syscall_32.tbl).
#[cfg(target_arch = "x86_64")]
pub(crate) const READ_32: u32 = 3;

/// `write` of the 32-bit calls.
#[cfg(target_arch = "x86_64")]
pub(crate) const WRITE_32: u32 = 4;

/// A 32-bit call on `memory` by `int 0x80`; ENOSYS where the kernel has none.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_32(call: u32, fd: BorrowedFd<'_>, memory: &mut [u8]) -> io::Result<usize> {
    let mut returned = u64::from(call);
    let fd = u64::try_from(fd.as_raw_fd()).unwrap_or(u64::MAX);
    // SAFETY: the call takes a descriptor and a range that is that of a slice below 4 GiB; rbx,
    // which the compiler keeps for itself, is put back; r8 to r11 are told as lost.
    unsafe {
        std::arch::asm!(
            "xchg {fd}, rbx",
            "int 0x80",
            "xchg {fd}, rbx",
            fd = inout(reg) fd => _,
            inlateout("rax") returned,
            in("rcx") memory.as_mut_ptr(),
            in("rdx") memory.len(),
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    let returned = i64::from(returned as u32 as i32);
    usize::try_from(returned)
        .map_err(|_| io::Error::from_raw_os_error(i32::try_from(-returned).unwrap_or(libc::EIO)))
}

/// Whether the kernel runs 32-bit calls: without them `int 0x80` is a fault, so a copy of this
/// process, which must have one thread, tries.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_32() -> io::Result<bool> {
    let copy = fork(|| {
        let mut memory = LowMemory::new(1)?;
        let (read, _write) = pipe(4096)?;
        // Nothing is asked for, so nothing comes: all that counts is that the call comes back.
        let none = memory.bytes().get_mut(..0).unwrap_or_default();
        call_32(READ_32, read.as_fd(), none).map(drop)
    })?;
    Ok(wait(copy).is_ok())
}
