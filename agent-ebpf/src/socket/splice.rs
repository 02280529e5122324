//! Exits of the functions by which a splice takes bytes off a Unix or an MPTCP socket: neither fires
//! `sock_recv_length`, and neither socket has a counter that would show it. What went is a gap of
//! known length.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use eaves_common::{DropReason, Flow, Missing};

use crate::end::received_nothing;
use crate::filter::{self, offset};
use crate::maps::{Counters, storage};
use crate::sock;
use crate::state::Dropped;
use crate::transfer::{Bytes, Transfer, hear};
use crate::turn::thread_row;

/// Arguments of either function (`splice_read` in include/linux/net.h); its result stands behind.
const ARGUMENTS: usize = 5;

/// What a splice took off a Unix stream socket.
#[fexit(function = "unix_stream_splice_read")]
pub(crate) fn splice_unix(ctx: FExitContext) -> i32 {
    tap(&ctx);
    0
}

/// What a splice took off an MPTCP socket, where that is not a receive to the kernel.
#[fexit(function = "mptcp_splice_read")]
pub(crate) fn splice_mptcp(ctx: FExitContext) -> i32 {
    tap(&ctx);
    0
}

#[inline(always)]
fn tap(ctx: &FExitContext) {
    let pid_tgid = bpf_get_current_pid_tgid();
    let row = thread_row(pid_tgid);
    if let Some(counters) = Counters::of(row) {
        counters.alone(splice(ctx, counters, pid_tgid, row));
    }
}

#[inline(always)]
fn splice(ctx: &FExitContext, counters: Counters, pid_tgid: u64, row: u32) -> Result<(), Dropped> {
    if filter::is_own((pid_tgid >> 32) as u32) {
        return Err(DropReason::Own.into());
    }
    let socket: *const u8 = ctx.arg::<*const c_void>(0).cast();
    let result: i64 = ctx.arg(ARGUMENTS);
    let at = offset!(socket_sk) as usize;
    // SAFETY: a typed argument, whose member is a pointer that the verifier knows the type of.
    let sk = unsafe { socket.add(at).cast::<*mut c_void>().read_volatile() };
    if sk.is_null() || result < 0 {
        return Err(DropReason::Nothing.into());
    }
    // SAFETY: null or a value of the storage.
    let Some(state) = (unsafe { storage(sk, result > 0).as_mut() }) else {
        return Err(if result > 0 {
            DropReason::State.into()
        } else {
            DropReason::Nothing.into()
        });
    };
    if result == 0 {
        received_nothing(sk as u64, state, counters);
        return Err(DropReason::Nothing.into());
    }
    if state.transport == 0 {
        let transport = sock::transport_of(sk as u64)?.ok_or(DropReason::NotStream)?;
        sock::begin(state, sk as u64, sock::inode(sk as u64), transport)?;
    }
    let transfer = Transfer {
        sk: sk as u64,
        flow: Flow::Received,
        bytes: result as u64,
        pid_tgid,
        row,
        doubtful: false,
    };
    hear(&transfer, state, counters, || {
        Bytes::missing(Missing::UnseenPath)
    })
}
