//! sendfile, splice and shutdown: positioned, without bytes of a buffer.

use eaves_common::{DropReason, EndReason, Flow, Transport};

use crate::end::{end, end_now};
use crate::maps::Counters;
use crate::state::{ConnState, bit};
use crate::syscall::fd::{self, Socket};

/// The socket that a splice moved bytes on, and which way: its output, else its input.
#[inline(always)]
pub(crate) fn splice(input: u64, output: u64) -> Result<(Socket, Flow), DropReason> {
    if let Ok(socket) = fd::socket(output) {
        return Ok((socket, Flow::Sent));
    }
    fd::socket(input).map(|socket| (socket, Flow::Received))
}

/// Tells that a Unix socket sends no more. For TCP its state does.
#[inline(always)]
pub(crate) fn shutdown(sk: u64, state: &mut ConnState, counters: Counters, how: u64) {
    const SHUT_RD: u64 = 0;
    if how & 0xffff_ffff == SHUT_RD
        || state.transport != Transport::Unix as u32
        || state.announced == 0
        || state.dropped != 0
        || state.ended & bit(Flow::Sent) != 0
    {
        return;
    }
    if end(
        &end_now(sk, state, EndReason::SentFinished as u16),
        counters,
    ) {
        state.ended |= bit(Flow::Sent);
    }
}
