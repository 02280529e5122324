//! A sock's name, addresses, protocol and counters, read at BTF offsets.

use eaves_common::{Address, ConnId, DropReason, Flow, Offsets, Transport, UNIX_PATH_BYTES};

use crate::filter::{self, offset};
use crate::read::{clamp, kernel, kernel_bytes};
use crate::state::{ConnState, Dropped};

/// AF_UNIX.
pub(crate) const AF_UNIX: u16 = 1;
/// AF_INET.
pub(crate) const AF_INET: u16 = 2;
/// AF_INET6.
pub(crate) const AF_INET6: u16 = 10;

const SOCK_STREAM: u16 = 1;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_MPTCP: u16 = 262;

/// Bit of `sk_shutdown`: nothing more will be received (include/net/sock.h).
pub(crate) const RCV_SHUTDOWN: u8 = 1;
/// Bit of `sk_shutdown`: nothing more will be sent.
const SEND_SHUTDOWN: u8 = 2;

/// States of a conn (include/net/tcp_states.h), which Unix sockets share.
pub(crate) mod tcp {
    /// ESTABLISHED.
    pub(crate) const ESTABLISHED: u32 = 1;
    /// SYN_SENT.
    pub(crate) const SYN_SENT: u32 = 2;
    /// FIN_WAIT1: a FIN is about to be sent.
    pub(crate) const FIN_WAIT1: u32 = 4;
    /// CLOSE.
    pub(crate) const CLOSE: u32 = 7;
    /// CLOSE_WAIT: the other end's FIN came.
    pub(crate) const CLOSE_WAIT: u32 = 8;
    /// LAST_ACK: as FIN_WAIT1, after the other's.
    pub(crate) const LAST_ACK: u32 = 9;
    /// CLOSING: both FINs are under way.
    pub(crate) const CLOSING: u32 = 11;
}

/// What a stream socket's bytes are carried by, from three of its fields; `None` for any other.
#[inline(always)]
pub(crate) fn transport(family: u16, kind: u16, protocol: u16) -> Option<Transport> {
    if kind != SOCK_STREAM {
        return None;
    }
    match family {
        AF_UNIX => Some(Transport::Unix),
        AF_INET | AF_INET6 => match protocol {
            IPPROTO_TCP => Some(Transport::Tcp),
            IPPROTO_MPTCP => Some(Transport::Mptcp),
            _ => None,
        },
        _ => None,
    }
}

/// As [`transport`], reading the fields.
#[inline(always)]
pub(crate) fn transport_of(sk: u64) -> Result<Option<Transport>, DropReason> {
    let family = family(sk)?;
    let kind = kernel(sk + u64::from(offset!(sock_sk_type)))?;
    let protocol = kernel(sk + u64::from(offset!(sock_sk_protocol)))?;
    Ok(transport(family, kind, protocol))
}

/// Its address family.
#[inline(always)]
pub(crate) fn family(sk: u64) -> Result<u16, DropReason> {
    kernel(sk + u64::from(offset!(skc_family)))
}

/// Inode number of the socket that holds `sk`; 0 if it has none (yet, or any more).
#[inline(always)]
pub(crate) fn inode(sk: u64) -> u64 {
    let Ok(socket) = kernel::<u64>(sk + u64::from(offset!(sock_sk_socket))) else {
        return 0;
    };
    if socket == 0 {
        return 0;
    }
    let inode = socket - u64::from(offset!(socket_alloc_socket))
        + u64::from(offset!(socket_alloc_vfs_inode));
    kernel(inode + u64::from(offset!(inode_i_ino))).unwrap_or(0)
}

/// Own port and the other's, host order.
#[inline(always)]
pub(crate) fn ports(sk: u64) -> Result<(u16, u16), DropReason> {
    let local: u16 = kernel(sk + u64::from(offset!(skc_num)))?;
    let remote: u16 = kernel(sk + u64::from(offset!(skc_dport)))?;
    Ok((local, u16::from_be(remote)))
}

/// Fills a state of which nothing is known: name, transport, and whether the conn is heard at all.
#[inline(always)]
pub(crate) fn begin(
    state: &mut ConnState,
    sk: u64,
    inode: u64,
    transport: Transport,
) -> Result<(), Dropped> {
    state.inode = inode;
    if transport as u32 != Transport::Unix as u32 {
        let (local, remote) = ports(sk)?;
        if let Err(reason) = filter::ports(local, remote) {
            state.drop_for(reason);
        }
    }
    let kern: u8 = kernel(sk + u64::from(offset!(sock_kern_byte)))?;
    if u32::from(kern) & offset!(sock_kern_mask) != 0 {
        state.drop_for(DropReason::KernelSocket);
    }
    state.transport = transport as u32;
    Ok(())
}

/// Whether TCP's counters are positions of what the process moves: not where the kernel itself
/// speaks TLS on the conn.
#[inline(always)]
pub(crate) fn has_sequence(sk: u64, transport: u32) -> u32 {
    if transport != Transport::Tcp as u32 {
        return 0;
    }
    let ulp = kernel::<u64>(sk + u64::from(offset!(icsk_ulp_ops))).unwrap_or(0);
    u32::from(ulp == 0)
}

/// `write_seq` or `copied_seq`, the other end's FIN not counted.
#[inline(always)]
pub(crate) fn sequence(sk: u64, flow: Flow) -> Result<u32, DropReason> {
    match flow {
        Flow::Sent => kernel(sk + u64::from(offset!(tcp_write_seq))),
        Flow::Received => {
            let copied: u32 = kernel(sk + u64::from(offset!(tcp_copied_seq)))?;
            let shut: u8 = kernel(sk + u64::from(offset!(sock_sk_shutdown)))?;
            if shut & RCV_SHUTDOWN == 0 {
                Ok(copied)
            } else {
                before_fin(sk, copied)
            }
        }
    }
}

/// `copied`, less the other end's FIN if that was read along with the last bytes.
#[inline(always)]
fn before_fin(sk: u64, copied: u32) -> Result<u32, DropReason> {
    let next: u32 = kernel(sk + u64::from(offset!(tcp_rcv_nxt)))?;
    let state = u32::from(kernel::<u8>(sk + u64::from(offset!(skc_state)))?);
    let error: u32 = kernel(sk + u64::from(offset!(sock_sk_err)))?;
    // Before a FIN came rcv_nxt does not count one; after a reset there may have been none.
    let fin_came = match state {
        tcp::CLOSE_WAIT | tcp::LAST_ACK | tcp::CLOSING => true,
        tcp::CLOSE => error == 0,
        _ => false,
    };
    Ok(if fin_came && next == copied {
        copied.wrapping_sub(1)
    } else {
        copied
    })
}

/// Whether a process holds the sock, if only in the middle of closing it.
#[inline(always)]
pub(crate) fn is_held(sk: u64) -> bool {
    kernel::<u64>(sk + u64::from(offset!(sock_sk_socket))).unwrap_or(0) != 0
}

/// Whether nothing more will be received.
#[inline(always)]
pub(crate) fn receives_no_more(sk: u64) -> bool {
    kernel::<u8>(sk + u64::from(offset!(sock_sk_shutdown))).unwrap_or(0) & RCV_SHUTDOWN != 0
}

/// The other end of a Unix socket; 0 if there is none, or this kernel's BTF does not say.
#[inline(always)]
pub(crate) fn unix_peer(sk: u64) -> u64 {
    if offset!(unix_peer) == Offsets::ABSENT {
        return 0;
    }
    kernel(sk + u64::from(offset!(unix_peer))).unwrap_or(0)
}

/// Whether a sock will send no more.
#[inline(always)]
pub(crate) fn sends_no_more(sk: u64) -> bool {
    kernel::<u8>(sk + u64::from(offset!(sock_sk_shutdown))).unwrap_or(0) & SEND_SHUTDOWN != 0
}

/// Whether a Unix sock is closed for good: its state is CLOSE from its release on.
#[inline(always)]
pub(crate) fn unix_is_closed(sk: u64) -> bool {
    kernel::<u8>(sk + u64::from(offset!(skc_state)))
        .is_ok_and(|state| u32::from(state) == tcp::CLOSE)
}

/// Copies the name of a Unix sock; how many bytes it has, 0 for none.
///
/// # Safety
/// `path` has room for [`UNIX_PATH_BYTES`].
#[inline(always)]
pub(crate) unsafe fn unix_path(sk: u64, path: *mut u8) -> u16 {
    if offset!(unix_addr) == Offsets::ABSENT {
        return 0;
    }
    let Ok(address) = kernel::<u64>(sk + u64::from(offset!(unix_addr))) else {
        return 0;
    };
    if address == 0 {
        return 0;
    }
    let len: i32 = kernel(address + u64::from(offset!(unix_address_len))).unwrap_or(0);
    // The family comes first.
    let Some(len) = u64::try_from(len).ok().and_then(|len| len.checked_sub(2)) else {
        return 0;
    };
    if len == 0 {
        return 0;
    }
    let name = address + u64::from(offset!(unix_address_name)) + 2;
    // A path is counted with the NUL behind it, an abstract name begins with one.
    let len = match kernel::<u8>(name) {
        Ok(0) => len,
        Ok(_) => len - 1,
        Err(_) => return 0,
    };
    let len = clamp::<{ UNIX_PATH_BYTES as u64 }>(len);
    // SAFETY: the caller vouches for `path`, and `len` is bounded right here.
    if unsafe { kernel_bytes(path, len, name) } {
        len as u16
    } else {
        0
    }
}

/// Both ends' addresses, into ring memory that is zero.
///
/// # Safety
/// Both point to an [`Address`] each.
#[inline(always)]
pub(crate) unsafe fn addresses(sk: u64, family: u16, local: *mut Address, remote: *mut Address) {
    let (own, other, len) = if family == AF_INET {
        (offset!(skc_rcv_saddr), offset!(skc_daddr), 4)
    } else {
        (offset!(skc_v6_rcv_saddr), offset!(skc_v6_daddr), 16)
    };
    let len = clamp::<16>(len);
    let (local_port, remote_port) = ports(sk).unwrap_or((0, 0));
    // SAFETY: the caller vouches for both; an address is 16 bytes long.
    unsafe {
        kernel_bytes(local.cast(), len, sk + u64::from(own));
        kernel_bytes(remote.cast(), len, sk + u64::from(other));
        (&raw mut (*local).port).write(local_port);
        (&raw mut (*remote).port).write(remote_port);
    }
}

/// Inode number of its network namespace.
#[inline(always)]
pub(crate) fn netns(sk: u64) -> u32 {
    if offset!(skc_net) == Offsets::ABSENT {
        return 0;
    }
    let Ok(net) = kernel::<u64>(sk + u64::from(offset!(skc_net))) else {
        return 0;
    };
    kernel(net + u64::from(offset!(net_ns_inum))).unwrap_or(0)
}

/// The conn's name.
#[inline(always)]
pub(crate) const fn id(sk: u64, state: &ConnState) -> ConnId {
    ConnId {
        sock: sk,
        inode: state.inode,
    }
}
