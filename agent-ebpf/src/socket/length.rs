//! `sock_send_length` and `sock_recv_length`: fired once a transfer on any socket, whichever call
//! moves it; since Linux 6.3. Where the bytes lie the task's saved registers say, by the call's
//! number. Sees no splice from a socket and, up to 6.4, no sendfile to one; io_uring and the
//! kernel's own threads are heard as lengths.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use eaves_common::{DropReason, Flow, Missing, Transport};

use crate::arch::{self, Shape, reg};
use crate::cipher::HELLO;
use crate::end::{parted, received_nothing};
use crate::filter::{self, offset};
use crate::hello::{self, Side};
use crate::maps::{Counters, MMSG, Progress, storage};
use crate::read::{typed, user};
use crate::sock;
use crate::state::Dropped;
use crate::tls;
use crate::transfer::{Bytes, Transfer, hear};
use crate::turn::{Point, Turn};
use crate::vectors::{self, MMSGHDR_BYTES, Vectors};

/// Bytes taken up without being received (include/linux/socket.h).
const MSG_TRUNC: u32 = 0x20;
/// Flags of a receive that takes nothing off the stream: MSG_PEEK, MSG_ERRQUEUE, MSG_OOB.
pub(crate) const MSG_OTHER: u32 = 0x2 | 0x2000 | MSG_OOB;
/// An urgent byte, which has a place in the stream but is not in it.
const MSG_OOB: u32 = 0x1;

/// What processes send.
#[btf_tracepoint(function = "sock_send_length")]
pub(crate) fn sock_send(ctx: BtfTracePointContext) -> i32 {
    tap::<0>(&ctx, Flow::Sent);
    0
}

/// Stands in for [`sock_send`].
#[btf_tracepoint(function = "sock_send_length")]
pub(crate) fn sock_send_2(ctx: BtfTracePointContext) -> i32 {
    tap::<1>(&ctx, Flow::Sent);
    0
}

/// Stands in for both.
#[btf_tracepoint(function = "sock_send_length")]
pub(crate) fn sock_send_3(ctx: BtfTracePointContext) -> i32 {
    tap::<2>(&ctx, Flow::Sent);
    0
}

/// What processes receive.
#[btf_tracepoint(function = "sock_recv_length")]
pub(crate) fn sock_recv(ctx: BtfTracePointContext) -> i32 {
    tap::<0>(&ctx, Flow::Received);
    0
}

/// Stands in for [`sock_recv`].
#[btf_tracepoint(function = "sock_recv_length")]
pub(crate) fn sock_recv_2(ctx: BtfTracePointContext) -> i32 {
    tap::<1>(&ctx, Flow::Received);
    0
}

/// Stands in for both.
#[btf_tracepoint(function = "sock_recv_length")]
pub(crate) fn sock_recv_3(ctx: BtfTracePointContext) -> i32 {
    tap::<2>(&ctx, Flow::Received);
    0
}

#[inline(always)]
fn tap<const COPY: u32>(ctx: &BtfTracePointContext, flow: Flow) {
    let point = match flow {
        Flow::Sent => Point::Send,
        Flow::Received => Point::Receive,
    };
    let Some(turn) = Turn::take::<COPY>(point) else {
        return;
    };
    if let Some(counters) = Counters::of(turn.row) {
        counters.transfer::<COPY>(length(ctx, flow, counters, &turn), &turn);
    }
    Turn::end::<COPY>(point);
}

#[inline(always)]
fn length(
    ctx: &BtfTracePointContext,
    flow: Flow,
    counters: Counters,
    turn: &Turn,
) -> Result<(), Dropped> {
    let sk: *mut c_void = ctx.arg(0);
    let result: i32 = ctx.arg(1);
    let flags: i32 = ctx.arg(2);
    let flags = flags as u32;
    // SAFETY: a typed argument.
    let transport = unsafe { transport(sk.cast()) }.ok_or(DropReason::NotStream)?;
    let known = storage(sk, false);
    // SAFETY: no arguments.
    let pid_tgid = bpf_get_current_pid_tgid();
    // SAFETY: null or a value of the storage.
    if let Some(state) = unsafe { known.as_mut() }
        && result > 0
    {
        if tls::carries(sk as u64, state, pid_tgid) && flow as u32 == Flow::Sent as u32 {
            let (buffer, bytes) = Call::current().first(flow, result as u64);
            tls::carried(state, buffer, bytes);
        }
        if state.dropped != 0 {
            if state.cipher & HELLO != 0 && flags & MSG_OTHER == 0 {
                let bytes = result as u64;
                let (buffer, count) = Call::current().first(flow, bytes);
                hello::within(state, buffer, count, bytes, Side::of(flow, turn.row));
            }
            return Err(Dropped(state.dropped));
        }
    }
    if filter::is_own((pid_tgid >> 32) as u32) {
        return Err(DropReason::Own.into());
    }
    let call = Call::current();
    // The tracepoint is told no flags of what is sent.
    let other = if flow as u32 == Flow::Received as u32 {
        flags & MSG_OTHER
    } else {
        call.send_flags() & MSG_OOB
    };
    if other != 0 {
        return Err(DropReason::NotStreamData.into());
    }
    let state = if known.is_null() && result > 0 {
        storage(sk, true)
    } else {
        known
    };
    let message = call.message(flow, pid_tgid, result);
    // SAFETY: null or a value of the storage.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return Err(if result > 0 {
            DropReason::State.into()
        } else {
            DropReason::Nothing.into()
        });
    };
    if result <= 0 {
        if result < 0 {
            // What is left in the queue can be read when nothing can be sent any more.
            if state.parting != 0 && flow as u32 == Flow::Received as u32 {
                parted(sk as u64, state, counters);
            }
        } else if flow as u32 == Flow::Received as u32 {
            received_nothing(sk as u64, state, counters);
        }
        return Err(DropReason::Nothing.into());
    }
    if state.transport == 0 {
        sock::begin(state, sk as u64, sock::inode(sk as u64), transport)?;
    }
    let transfer = Transfer {
        sk: sk as u64,
        flow,
        bytes: result as u64,
        pid_tgid,
        row: turn.row,
        doubtful: turn.doubtful,
    };
    let dry = flags & MSG_TRUNC != 0 && transport as u32 != Transport::Unix as u32;
    hear(&transfer, state, counters, || {
        if dry && flow as u32 == Flow::Received as u32 {
            Bytes::missing(Missing::UnseenPath)
        } else {
            call.bytes(flow, transfer.bytes, message)
        }
    })
}

/// As [`sock::transport_of`], by plain loads.
///
/// # Safety
/// `sk` is a typed argument.
#[inline(always)]
unsafe fn transport(sk: *const u8) -> Option<Transport> {
    let (family, kind) = (offset!(skc_family), offset!(sock_sk_type));
    let protocol = offset!(sock_sk_protocol);
    // SAFETY: the caller vouches.
    unsafe { sock::transport(typed(sk, family), typed(sk, kind), typed(sk, protocol)) }
}

/// The system call that the current task is in.
struct Call {
    regs: *const u8,
    number: u64,
    shape: Shape,
    sends: bool,
    compat: bool,
}

impl Call {
    /// Reads the task's saved registers.
    ///
    /// Work that was put off until a call returns, as io_uring's, runs with the registers of a
    /// call it has nothing to do with; by then the result register holds that call's result.
    #[inline(always)]
    fn current() -> Self {
        // SAFETY: no arguments; the second takes what the first gives.
        let (task, regs) = unsafe {
            let task = bpf_get_current_task_btf();
            (task as *const u8, bpf_task_pt_regs(task) as *const u8)
        };
        let status = offset!(task_thread_info) + offset!(thread_info_status);
        // SAFETY: the helpers return typed pointers.
        let (number, result, status) = unsafe {
            (
                typed::<u64>(regs, reg::ORIG_RAX),
                typed::<u64>(regs, reg::RAX),
                typed::<u32>(task, status),
            )
        };
        let (shape, flow) = if result == arch::IN_CALL {
            arch::shape(number)
        } else {
            (Shape::Other, Flow::Sent)
        };
        Self {
            regs,
            number,
            shape,
            sends: flow as u32 == Flow::Sent as u32,
            compat: status & arch::TS_COMPAT != 0 || number & arch::X32 != 0,
        }
    }

    /// Flags of a send; 0 if the call is none, or has none.
    #[inline(always)]
    fn send_flags(&self) -> u32 {
        if self.compat || !self.sends || self.shape == Shape::Other {
            return 0;
        }
        arch::flags(self.number).map_or(0, |register| self.arg(register) as u32)
    }

    #[inline(always)]
    fn arg(&self, offset: u32) -> u64 {
        // SAFETY: a typed pointer from the helper.
        unsafe { typed(self.regs, offset) }
    }

    /// The message of a sendmmsg or recvmmsg that this event is about: its address, or 0 if that
    /// cannot be told. Keeps account of the thread's progress.
    #[inline(always)]
    fn message(&self, flow: Flow, pid_tgid: u64, result: i32) -> u64 {
        if self.compat
            || self.shape != Shape::Messages
            || self.sends != (flow as u32 == Flow::Sent as u32)
        {
            return 0;
        }
        self.progress(pid_tgid, result)
    }

    #[inline(always)]
    fn progress(&self, pid_tgid: u64, result: i32) -> u64 {
        let messages = self.arg(reg::RSI);
        let count = self.arg(reg::RDX) & 0xffff_ffff;
        if !self.sends && self.arg(reg::R8) != 0 {
            // With a timeout the call may end after any message, and nothing says so.
            return 0;
        }
        let mut done = 0;
        if let Some(last) = MMSG.get_ptr(pid_tgid) {
            // SAFETY: a value of the map.
            let last = unsafe { *last };
            let before = messages + (last.done.wrapping_sub(1)) * MMSGHDR_BYTES;
            // The kernel has written the length of the message before, unless that was of
            // another call, which ended early.
            if last.messages == messages
                && last.done < count
                && vectors::message_bytes(before).map(u64::from) == Some(last.bytes)
            {
                done = last.done;
            }
        }
        let partial = self.sends && !is_full(messages + done * MMSGHDR_BYTES, result);
        if result < 0 || done + 1 >= count || partial {
            let _ = MMSG.remove(pid_tgid);
        } else {
            let progress = Progress {
                messages,
                done: done + 1,
                bytes: result as u64,
            };
            let _ = MMSG.insert(pid_tgid, progress, 0);
        }
        messages + done * MMSGHDR_BYTES
    }

    /// The first buffer of a transfer of `bytes` bytes; none, if that is not known.
    #[inline(always)]
    fn first(&self, flow: Flow, bytes: u64) -> (u64, u64) {
        if self.compat || self.sends != (flow as u32 == Flow::Sent as u32) {
            return (0, 0);
        }
        match self.shape {
            Shape::Buffer => (self.arg(reg::RSI), bytes),
            Shape::Vectors => tls::first(self.arg(reg::RSI), bytes),
            Shape::Message => tls::first(Vectors::first_of(self.arg(reg::RSI)), bytes),
            _ => (0, 0),
        }
    }

    /// Where the bytes of a transfer lie.
    #[inline(always)]
    fn bytes(&self, flow: Flow, bytes: u64, message: u64) -> Bytes {
        if self.compat {
            return Bytes::missing(Missing::Compat);
        }
        if self.sends != (flow as u32 == Flow::Sent as u32) {
            return Bytes::missing(Missing::UnseenPath);
        }
        match self.shape {
            Shape::Buffer if self.arg(reg::RDX) >= bytes => {
                Bytes::buffer(self.arg(reg::RSI), bytes)
            }
            Shape::Vectors => Bytes::vectors(Vectors::row(self.arg(reg::RSI), self.arg(reg::RDX))),
            Shape::Message => Bytes::vectors(Vectors::message(self.arg(reg::RSI))),
            Shape::Messages if message != 0 => Bytes::vectors(Vectors::message(message)),
            _ => Bytes::missing(Missing::UnseenPath),
        }
    }
}

/// Whether a message's only vector is no longer than what was sent of it. Of several vectors it
/// is taken for granted: what follows is checked by the length the kernel writes.
#[inline(always)]
fn is_full(message: u64, result: i32) -> bool {
    const MSG_IOV: u64 = 16;
    let Some([next, count]) = user::<[u64; 2]>(message + MSG_IOV) else {
        return false;
    };
    if count != 1 {
        return true;
    }
    user::<[u64; 2]>(next).is_some_and(|[_, len]| len <= result as i64 as u64)
}
