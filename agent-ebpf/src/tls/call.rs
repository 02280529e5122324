//! Ways into a TLS library's functions, and out of them.
//!
//! | program | at | arguments |
//! | --- | --- | --- |
//! | `tls_read`, `tls_write` | way in: the count is what the function returns | session, buffer, length |
//! | `tls_read_out`, `tls_write_out` | way in: the count is where the fourth argument points, if more than 0 is returned | the same, and that pointer |
//! | `nss_read`, `nss_write` | way in of NSS's own | session, buffer, length, flags |
//! | `tls_back` | way out | result |
//! | `tls_shake` | way in of the function that moves a handshake on | session |
//! | `tls_free` | way in of the function that ends a session | session |
//!
//! A way in is an instruction at which the arguments are where the calling convention of x86-64 has
//! them: the function's first, or one soon behind that the kernel need not single-step, or its call
//! of an inner function that has the same arguments. A way out is one at which the result is in
//! `rax`. Which, the agent decides (`probe/uprobe`). No cookies: those are since Linux 5.15.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use eaves_common::{DropReason, EndReason, Flow, TlsLibrary};

use super::tie::{self, Session};
use crate::filter;
use crate::maps::{Counters, TLS_CALLS, TLS_CONNS, TLS_LOOSE};
use crate::read::user;
use crate::state::Dropped;
use crate::transfer::{Bytes, Transfer, hear_session};
use crate::turn::thread_row;

/// A call into a TLS library.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// Address of the session.
    pub(crate) session: u64,
    /// Address of the plaintext.
    buffer: u64,
    /// Where the count of bytes will stand; 0 if it is what the function returns.
    count_at: u64,
    /// The stack pointer on the way in: it is no lower on the way out, unless that is of another
    /// call within this one.
    stack: u64,
    /// A [`Flow`] as its number.
    flow: u32,
    /// A [`TlsLibrary`] as its number.
    pub(crate) library: u32,
}

impl Call {
    /// One that moves the records of a session and no plaintext.
    #[inline(always)]
    pub(super) const fn around(session: u64, stack: u64, library: TlsLibrary) -> Self {
        Self {
            session,
            buffer: 0,
            count_at: 0,
            stack,
            flow: Flow::Sent as u32,
            library: library as u32,
        }
    }

    /// Whether it is one into this library, and over where the stack pointer is `stack`.
    #[inline(always)]
    pub(super) const fn is_over(&self, library: TlsLibrary, stack: u64) -> bool {
        self.library == library as u32 && stack >= self.stack
    }
}

/// `SSL_read` and its like, whose result is the count.
#[uprobe]
pub(crate) fn tls_read(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Received, TlsLibrary::OpenSsl, None)
}

/// `SSL_write` and its like.
#[uprobe]
pub(crate) fn tls_write(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Sent, TlsLibrary::OpenSsl, None)
}

/// `SSL_read_ex` and the inner function of both.
#[uprobe]
pub(crate) fn tls_read_out(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Received, TlsLibrary::OpenSsl, Some(3))
}

/// `SSL_write_ex` and the inner function of both.
#[uprobe]
pub(crate) fn tls_write_out(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Sent, TlsLibrary::OpenSsl, Some(3))
}

/// The inner function of both since OpenSSL 3.3: the fifth argument points to the count.
#[uprobe]
pub(crate) fn tls_write_out5(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Sent, TlsLibrary::OpenSsl, Some(4))
}

/// `gnutls_record_recv`.
#[uprobe]
pub(crate) fn gnutls_read(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Received, TlsLibrary::GnuTls, None)
}

/// `gnutls_record_send`.
#[uprobe]
pub(crate) fn gnutls_write(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Sent, TlsLibrary::GnuTls, None)
}

/// `ssl_SecureRecv` of NSS.
#[uprobe]
pub(crate) fn nss_read(ctx: ProbeContext) -> u32 {
    if ctx.arg::<u64>(3).unwrap_or(0) & PR_MSG_PEEK != 0 {
        // It comes again.
        let _ = TLS_CALLS.remove(bpf_get_current_pid_tgid());
        return 0;
    }
    enter(&ctx, Flow::Received, TlsLibrary::Nss, None)
}

/// `ssl_SecureSend` of NSS.
#[uprobe]
pub(crate) fn nss_write(ctx: ProbeContext) -> u32 {
    enter(&ctx, Flow::Sent, TlsLibrary::Nss, None)
}

/// Flag of a read that takes nothing (nspr/prio.h).
const PR_MSG_PEEK: u64 = 2;

#[inline(always)]
fn enter(ctx: &ProbeContext, flow: Flow, library: TlsLibrary, count_at: Option<usize>) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    if filter::is_own((pid_tgid >> 32) as u32) {
        return 0;
    }
    let (Some(session), Some(buffer)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else {
        return 0;
    };
    let call = Call {
        session,
        buffer,
        count_at: match count_at {
            Some(argument) => ctx.arg(argument).unwrap_or(0),
            None => 0,
        },
        // SAFETY: the context is the task's registers.
        stack: unsafe { (*ctx.regs).rsp },
        flow: flow as u32,
        library: library as u32,
    };
    let _ = TLS_CALLS.insert(pid_tgid, call, 0);
    0
}

/// What moves a handshake of OpenSSL's on: all it writes is its session's.
#[uprobe]
pub(crate) fn tls_shake(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    if filter::is_own((pid_tgid >> 32) as u32) {
        return 0;
    }
    let Some(session) = ctx.arg::<u64>(0) else {
        return 0;
    };
    // SAFETY: the context is the task's registers.
    let stack = unsafe { (*ctx.regs).rsp };
    if let Some(call) = TLS_CALLS.get_ptr(pid_tgid) {
        // SAFETY: a value of the map, which this thread alone writes.
        let (of, over) = unsafe { ((*call).session, (*call).stack) };
        if of == session && over > stack {
            // Within a call that reads or writes.
            return 0;
        }
    }
    let call = Call::around(session, stack, TlsLibrary::OpenSsl);
    let _ = TLS_CALLS.insert(pid_tgid, call, 0);
    0
}

/// The call is over.
#[uprobe]
pub(crate) fn tls_back(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let Some(call) = TLS_CALLS.get_ptr(pid_tgid) else {
        return 0;
    };
    // SAFETY: a value of the map, which this thread alone writes.
    let call = unsafe { *call };
    // SAFETY: the context is the task's registers.
    let (stack, result) = unsafe { ((*ctx.regs).rsp, (*ctx.regs).rax as i64) };
    if stack < call.stack {
        return 0;
    }
    let _ = TLS_CALLS.remove(pid_tgid);
    let row = thread_row(pid_tgid);
    if let Some(counters) = super::counters(row) {
        counters.alone(over(&call, result, pid_tgid, row, counters));
    }
    0
}

#[inline(always)]
fn over(
    call: &Call,
    result: i64,
    pid_tgid: u64,
    row: u32,
    counters: Counters,
) -> Result<(), Dropped> {
    // OpenSSL's functions and those of NSS give an `int`.
    let is_short =
        call.library == TlsLibrary::OpenSsl as u32 || call.library == TlsLibrary::Nss as u32;
    let result = if is_short {
        i64::from(result as i32)
    } else {
        result
    };
    let bytes = if result <= 0 || call.buffer == 0 {
        0
    } else if call.count_at != 0 {
        user::<u64>(call.count_at).unwrap_or(0)
    } else {
        result as u64
    };
    let session = Session::of(call.session, pid_tgid);
    if bytes == 0 {
        tie::nothing(session, counters);
        return Err(DropReason::Nothing.into());
    }
    let state = match TLS_CONNS.get_ptr_mut(session) {
        // SAFETY: a value of the map.
        Some(state) if unsafe { (*state).renewed != 0 } => tie::renew(session, counters),
        Some(state) => Some(state),
        None => tie::begin(session),
    };
    let state = state.ok_or(DropReason::State)?;
    // SAFETY: a value of the map.
    let state = unsafe { &mut *state };
    let flow = if call.flow == Flow::Sent as u32 {
        Flow::Sent
    } else {
        Flow::Received
    };
    let transfer = Transfer {
        sk: call.session,
        flow,
        bytes,
        pid_tgid,
        row,
        doubtful: false,
    };
    hear_session(
        &transfer,
        state,
        counters,
        call.library,
        Bytes::buffer(call.buffer, bytes),
    )?;
    let is_openssl = call.library == TlsLibrary::OpenSsl as u32;
    if is_openssl && state.tied == 0 && state.sock == 0 && state.transfers > 1 {
        loose((pid_tgid >> 32) as u32);
    }
    Ok(())
}

/// Lets the agent know of a process whose library moved plaintext twice, and nothing on a socket.
#[inline(always)]
fn loose(tgid: u32) {
    if TLS_LOOSE.get_ptr(tgid).is_none() {
        let _ = TLS_LOOSE.insert(tgid, 1, 0);
    }
}

/// `SSL_free`, `gnutls_deinit`, `ssl_SecureClose` of NSS: the address may come back as another session's.
#[uprobe]
pub(crate) fn tls_free(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let row = thread_row(pid_tgid);
    if let (Some(session), Some(counters)) = (ctx.arg::<u64>(0), super::counters(row)) {
        tie::end(
            Session::of(session, pid_tgid),
            EndReason::Closed as u16,
            counters,
        );
    }
    0
}
