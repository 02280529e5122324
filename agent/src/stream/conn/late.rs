//! Conns that turn out to be WebSockets that were open before anyone listened.

use eaves_common::{Flow, Role};

use super::{Stage, asked};
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

/// The search for frames of WebSocket on a conn of which nothing told yet what it is.
#[derive(Default)]
pub(super) struct Search {
    /// The frames, once some transfer began as one.
    late: Option<Box<Late>>,
    /// Whether the first that was heard of the conn was just such a frame: for that alone the kernel
    /// asked.
    for_a_frame: Option<bool>,
    /// None begins again.
    is_over: bool,
}

impl Search {
    /// Looks for frames in `bytes`, which say nothing else: the role, if they prove one.
    fn push(
        &mut self,
        flow: Flow,
        first: bool,
        bytes: &[u8],
        counters: &mut Counters,
    ) -> Option<Role> {
        let is_one = || first && Late::is_one_of_a_client(bytes);
        self.for_a_frame.get_or_insert_with(is_one);
        let begins = || first && !self.is_over && Late::may_begin(bytes);
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

    /// Whether what comes next in `flow` belongs to a frame, as far as several before it tell.
    pub(super) fn is_inside(&self, flow: Flow) -> bool {
        let late = self.late.as_ref();
        late.is_some_and(|late| late.is_inside(number(flow)))
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

    /// Whether so much came that the conn is none, and is not heard for anything else. One that is heard
    /// for something else, which may be HTTP whose next head is still to come, is searched no longer.
    pub(super) fn is_in_vain(&mut self, counters: &mut Counters) -> bool {
        if !self.late.as_ref().is_some_and(|late| late.is_hopeless()) {
            return false;
        }
        self.end(counters);
        self.for_a_frame == Some(true)
    }

    /// Ends it for good: the conn is something else.
    pub(super) fn end(&mut self, counters: &mut Counters) {
        self.give_up(counters);
        self.is_over = true;
    }

    /// Gives up what it has.
    pub(super) fn give_up(&mut self, counters: &mut Counters) {
        if let Some(late) = self.late.take() {
            counters.add(Counter::StreamBytesUndecided, late.bytes_kept());
        }
    }

    /// Memory it holds beyond its own size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.late.as_ref().map_or(0, |late| late.bytes())
    }
}

impl<C: Consumer> Stage<C> {
    /// Takes what is next in `flow` and says nothing else: frames of WebSocket, perhaps.
    pub(super) fn seek(
        &mut self,
        flow: Flow,
        time: Ktime,
        first: bool,
        bytes: &[u8],
        context: &mut C::Context,
        counters: &mut Counters,
    ) {
        let Self::Undecided(undecided) = self else {
            return self.take(flow, time, first, Piece::Bytes(bytes), context, counters);
        };
        let Some(role) = undecided.search.push(flow, first, bytes, counters) else {
            return;
        };
        let open = std::mem::take(&mut undecided.open);
        // What was set aside of the other flow goes on behind what the search keeps of it.
        let aside = [undecided.received.take(), undecided.sent.take()];
        let kept = undecided.search.late.take().map(|late| late.take());
        let mut consumer = C::open(open, role);
        consumer.is_websocket(&mut Books {
            now: time,
            context,
            counters,
        });
        *self = Self::Heard(consumer, role);
        for ((flow, mut bytes), aside) in
            FLOWS.into_iter().zip(kept.into_iter().flatten()).zip(aside)
        {
            bytes.extend(aside.bytes);
            self.take(flow, time, true, Piece::Bytes(&bytes), context, counters);
        }
    }
}
