//! Conns that turn out to be WebSockets that were open before anyone listened.

use eaves_common::{Flow, Role};

use super::{Stage, Undecided, asked};
use crate::clock::Ktime;
use crate::protocol::websocket::Late;
use crate::stream::{Books, Consumer, Piece};
use crate::telemetry::{Counter, Counters};

/// The flows in the order in which a search numbers them.
const FLOWS: [Flow; 2] = [Flow::Received, Flow::Sent];

const fn number(flow: Flow) -> usize {
    match flow {
        Flow::Received => 0,
        Flow::Sent => 1,
    }
}

impl Undecided {
    /// Looks for frames of WebSocket in `bytes`, which say nothing else: the role, if they prove one.
    pub(super) fn search(
        &mut self,
        flow: Flow,
        first: bool,
        bytes: &[u8],
        counters: &mut Counters,
    ) -> Option<Role> {
        let begins = || first && Late::may_begin(bytes);
        if self.late.is_none() && !begins() {
            counters.add(Counter::StreamBytesUndecided, bytes.len() as u64);
            return None;
        }
        let late = self.late.get_or_insert_default();
        let before = late.bytes_kept() + bytes.len() as u64;
        let found = late.push(number(flow), first, bytes);
        let forgotten = before.saturating_sub(late.bytes_kept());
        counters.add(Counter::StreamBytesUndecided, forgotten);
        found.and_then(|at| FLOWS.get(at)).map(|flow| asked(*flow))
    }

    /// Bytes of a flow never came.
    pub(super) fn gap(&mut self, flow: Flow, counters: &mut Counters) {
        if let Some(late) = &mut self.late {
            let before = late.bytes_kept();
            late.gap(number(flow));
            let forgotten = before.saturating_sub(late.bytes_kept());
            counters.add(Counter::StreamBytesUndecided, forgotten);
        }
    }

    /// Gives up the search.
    pub(super) fn give_up_search(&mut self, counters: &mut Counters) {
        if let Some(late) = self.late.take() {
            counters.add(Counter::StreamBytesUndecided, late.bytes_kept());
        }
    }
}

impl<C: Consumer> Stage<C> {
    /// It is a WebSocket: what was kept of it follows.
    pub(super) fn join_websocket(
        &mut self,
        role: Role,
        time: Ktime,
        context: &mut C::Context,
        counters: &mut Counters,
    ) {
        let Self::Undecided(undecided) = self else {
            return;
        };
        undecided.sent.forget(counters);
        undecided.received.forget(counters);
        let open = std::mem::take(&mut undecided.open);
        let kept = undecided.late.take().map(|late| late.take());
        let mut consumer = C::open(open, role);
        consumer.is_websocket(&mut Books {
            now: time,
            context,
            counters,
        });
        *self = Self::Heard(consumer, role);
        for (flow, bytes) in FLOWS.into_iter().zip(kept.into_iter().flatten()) {
            self.take(flow, time, true, Piece::Bytes(&bytes), context, counters);
        }
    }
}
