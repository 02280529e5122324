//! tp_btf `sys_exit`: at a call's exit the argument registers still hold on x86-64, so its number,
//! arguments and result are all there. Since Linux 4.17; here for kernels before 6.3, and wherever
//! the socket tap is refused. Sees no io_uring.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use eaves_common::{Counter, DropReason, Flow, Missing, Transport};

use crate::arch::{self, Shape, reg};
use crate::cipher::HELLO;
use crate::end::{parted, received_nothing};
use crate::filter::{self, offset};
use crate::hello::{self, Side};
use crate::maps::{CONNS, Counters};
use crate::process::{eaves_opened, is_error};
use crate::read::{kernel, typed};
use crate::sock;
use crate::state::{ConnState, Dropped};
use crate::syscall::fd::{self, Socket};
use crate::syscall::path;
use crate::tls;
use crate::transfer::{Bytes, Transfer, hear};
use crate::turn::{Point, Turn};
use crate::vectors::{MMSGHDR_BYTES, Vectors, message_bytes};

/// MSG_PEEK, MSG_ERRQUEUE, MSG_OOB.
const MSG_OTHER: u64 = 0x2 | 0x2000 | 0x1;
/// MSG_OOB.
const MSG_OOB: u64 = 1;
/// ECONNRESET and EPIPE (include/uapi/asm-generic/errno.h).
const GONE: [i64; 2] = [-104, -32];
/// MSG_TRUNC.
const MSG_TRUNC: u64 = 0x20;
/// Most messages of one call (`UIO_MAXIOV`, include/uapi/linux/uio.h).
const MESSAGES_MAX: u64 = 1024;
/// Messages that are counted in one round.
const MESSAGES_ROUND: u64 = 32;

/// Every call's exit.
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    tap::<0>(&ctx);
    0
}

/// Stands in for [`sys_exit`].
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit_2(ctx: BtfTracePointContext) -> i32 {
    tap::<1>(&ctx);
    0
}

/// Stands in for both.
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit_3(ctx: BtfTracePointContext) -> i32 {
    tap::<2>(&ctx);
    0
}

#[inline(always)]
fn tap<const COPY: u32>(ctx: &BtfTracePointContext) {
    let Some(turn) = Turn::take::<COPY>(Point::Send) else {
        return;
    };
    call::<COPY>(ctx, &turn);
    Turn::end::<COPY>(Point::Send);
}

#[inline(always)]
fn call<const COPY: u32>(ctx: &BtfTracePointContext, turn: &Turn) {
    let regs: *const u8 = ctx.arg(0);
    // Most calls of a host end here, so nothing else comes before.
    // SAFETY: a typed argument.
    let number: u64 = unsafe { typed(regs, reg::ORIG_RAX) };
    let (shape, flow) = arch::shape(number & !arch::X32);
    if shape == Shape::Other && (COPY == 0 || turn.doubtful) {
        return;
    }
    let Some(counters) = Counters::of(turn.row) else {
        return;
    };
    if shape == Shape::Other {
        // The kernel counts a miss for each call of any kind.
        counters.add(Counter::StoodIn, 1);
        return;
    }
    if shape == Shape::Open {
        opens(ctx, regs, number, turn);
        if COPY > 0 && !turn.doubtful {
            counters.add(Counter::StoodIn, 1);
        }
        return;
    }
    let pid_tgid = bpf_get_current_pid_tgid();
    let call = Call {
        regs,
        number,
        shape,
        flow,
        result: ctx.arg::<u64>(1) as i64,
        pid_tgid,
    };
    counters.transfer::<COPY>(call.exit(counters, turn), turn);
}

/// A call that opens a file by its path, at its exit: the path still lies where the process had it.
/// A thread of its own may have changed it since; then nothing is proven by it.
#[inline(always)]
fn opens(ctx: &BtfTracePointContext, regs: *const u8, number: u64, turn: &Turn) {
    let at = if number == arch::OPEN {
        reg::RDI
    } else {
        reg::RSI
    };
    if !is_error(ctx.arg::<u64>(1)) {
        // SAFETY: a typed argument.
        let path = unsafe { typed(regs, at) };
        eaves_opened(path, 0, u64::from(turn.row));
    }
}

/// A call at its exit.
struct Call {
    regs: *const u8,
    number: u64,
    shape: Shape,
    flow: Flow,
    result: i64,
    pid_tgid: u64,
}

impl Call {
    #[inline(always)]
    fn arg(&self, offset: u32) -> u64 {
        // SAFETY: a typed argument of the tracepoint.
        unsafe { typed(self.regs, offset) }
    }

    #[inline(always)]
    fn exit(&self, counters: Counters, turn: &Turn) -> Result<(), Dropped> {
        if filter::is_own((self.pid_tgid >> 32) as u32) {
            return Err(DropReason::Own.into());
        }
        if self.result < 0 && self.result != GONE[0] && self.result != GONE[1] {
            return Err(DropReason::Nothing.into());
        }
        let first = self.arg(reg::RDI);
        let (socket, flow) = if self.number == arch::SPLICE {
            path::splice(first, self.arg(reg::RDX))?
        } else {
            (fd::socket(first)?, self.flow)
        };
        // What the numbers and registers of such a call mean is another table's. Asked of sockets
        // alone: files are read and written far more often, and are none either way.
        if self.compat()? {
            return Err(DropReason::Compat.into());
        }
        let known = known(socket);
        if self.shape == Shape::Shutdown || self.result <= 0 {
            return self.quiet(socket, known, flow, counters);
        }
        // SAFETY: null or a value of the map.
        if let Some(state) = unsafe { known.as_mut() } {
            if tls::carries(socket.sk, state, self.pid_tgid) && flow as u32 == Flow::Sent as u32 {
                let (buffer, bytes) = self.first();
                tls::carried(state, buffer, bytes);
            }
            if state.dropped != 0 {
                if state.cipher & HELLO != 0 && self.flags() & MSG_OTHER == 0 {
                    let (buffer, count) = self.first();
                    let side = Side::of(flow, turn.row);
                    hello::within(state, buffer, count, self.result as u64, side);
                }
                return Err(Dropped(state.dropped));
            }
        }
        let flags = self.flags();
        if flags & MSG_OTHER != 0 {
            return Err(DropReason::NotStreamData.into());
        }
        let bytes = self.moved();
        if bytes == 0 {
            return self.quiet(socket, known, flow, counters);
        }
        let state = if known.is_null() {
            begin(socket)?
        } else {
            known
        };
        // SAFETY: a value of the map.
        let state = unsafe { &mut *state };
        let transfer = Transfer {
            sk: socket.sk,
            flow,
            bytes,
            pid_tgid: self.pid_tgid,
            row: turn.row,
            doubtful: turn.doubtful,
        };
        let dry = flags & MSG_TRUNC != 0 && state.transport != Transport::Unix as u32;
        hear(&transfer, state, counters, || {
            if dry {
                Bytes::missing(Missing::UnseenPath)
            } else {
                self.bytes(transfer.bytes)
            }
        })
    }

    /// A call that moved nothing, but may say that a stream ended: `known` is its conn's state.
    #[inline(always)]
    fn quiet(
        &self,
        socket: Socket,
        known: *mut ConnState,
        flow: Flow,
        counters: Counters,
    ) -> Result<(), Dropped> {
        // SAFETY: null or a value of the map.
        if let Some(state) = unsafe { known.as_mut() } {
            if self.result < 0 {
                // What is left in the queue can be read when nothing can be sent any more.
                if state.parting != 0 && flow as u32 == Flow::Received as u32 {
                    parted(socket.sk, state, counters);
                }
            } else if self.shape == Shape::Shutdown {
                path::shutdown(socket.sk, state, counters, self.arg(reg::RSI));
            } else if flow as u32 == Flow::Received as u32 && self.flags() & MSG_OTHER == 0 {
                received_nothing(socket.sk, state, counters);
            }
        }
        Err(DropReason::Nothing.into())
    }

    /// Whether it came by the 32-bit or the x32 interface.
    #[inline(always)]
    fn compat(&self) -> Result<bool, DropReason> {
        // SAFETY: no arguments.
        let task = unsafe { bpf_get_current_task() };
        let status: u32 = kernel(
            task + u64::from(offset!(task_thread_info)) + u64::from(offset!(thread_info_status)),
        )?;
        Ok(status & arch::TS_COMPAT != 0 || self.number & arch::X32 != 0)
    }

    /// Flags of the call that say something of its bytes; of a send MSG_OOB alone does.
    #[inline(always)]
    fn flags(&self) -> u64 {
        let flags = arch::flags(self.number).map_or(0, |register| self.arg(register));
        if self.flow as u32 == Flow::Sent as u32 {
            flags & MSG_OOB
        } else {
            flags
        }
    }

    /// Bytes it moved: its result, but that of the mmsg calls counts messages.
    #[inline(always)]
    fn moved(&self) -> u64 {
        if self.shape != Shape::Messages {
            return self.result as u64;
        }
        eaves_messages(self.arg(reg::RSI), self.result as u64)
    }

    /// The first buffer of what it moved; none, if that is not known.
    #[inline(always)]
    fn first(&self) -> (u64, u64) {
        match self.shape {
            Shape::Buffer => (self.arg(reg::RSI), self.result as u64),
            Shape::Vectors => tls::first(self.arg(reg::RSI), self.result as u64),
            Shape::Message => tls::first(Vectors::first_of(self.arg(reg::RSI)), self.result as u64),
            _ => (0, 0),
        }
    }

    /// Where its bytes lie; so many were moved.
    #[inline(always)]
    fn bytes(&self, bytes: u64) -> Bytes {
        match self.shape {
            Shape::Buffer => Bytes::buffer(self.arg(reg::RSI), bytes),
            Shape::Vectors => Bytes::vectors(Vectors::row(self.arg(reg::RSI), self.arg(reg::RDX))),
            Shape::Message => Bytes::vectors(Vectors::message(self.arg(reg::RSI))),
            Shape::Messages => {
                Bytes::vectors(Vectors::messages(self.arg(reg::RSI), self.result as u64))
            }
            _ => Bytes::missing(Missing::UnseenPath),
        }
    }
}

/// Bytes that the first `count` of the messages at `message` moved.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_messages(message: u64, count: u64) -> u64 {
    let (mut message, mut count) = (message, count);
    let mut sum = 0;
    let mut round = 0;
    while round < MESSAGES_MAX / MESSAGES_ROUND {
        sum += eaves_some_messages(message, count);
        if count <= MESSAGES_ROUND {
            break;
        }
        message += MESSAGES_ROUND * MMSGHDR_BYTES;
        count -= MESSAGES_ROUND;
        round += 1;
    }
    sum
}

/// As [`eaves_messages`], at most [`MESSAGES_ROUND`] of them.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_some_messages(message: u64, count: u64) -> u64 {
    let mut message = message;
    let mut sum = 0;
    let mut at = 0;
    while at < MESSAGES_ROUND {
        if at >= count {
            break;
        }
        sum += u64::from(message_bytes(message).unwrap_or(0));
        message += MMSGHDR_BYTES;
        at += 1;
    }
    sum
}

/// The state of a socket's conn; null if there is none, or that of another socket that had the
/// same address.
#[inline(always)]
fn known(socket: Socket) -> *mut ConnState {
    match CONNS.get_ptr_mut(socket.sk) {
        // SAFETY: a value of the map.
        Some(state) if unsafe { (*state).inode } == socket.inode => state,
        _ => core::ptr::null_mut(),
    }
}

/// A new state for a socket's conn.
#[inline(always)]
fn begin(socket: Socket) -> Result<*mut ConnState, Dropped> {
    let transport = sock::transport_of(socket.sk)?.ok_or(DropReason::NotStream)?;
    let mut new = ConnState::NEW;
    sock::begin(&mut new, socket.sk, socket.inode, transport)?;
    if CONNS.insert(socket.sk, new, 0).is_err() {
        return Err(DropReason::State.into());
    }
    CONNS
        .get_ptr_mut(socket.sk)
        .ok_or_else(|| DropReason::State.into())
}
