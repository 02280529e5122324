//! Conns that turn out to carry WebSockets that were open before anyone listened.

use eaves_common::{Flow, Role};

use super::{Prefix, Stage, asked};
use crate::clock::Ktime;
use crate::protocol::http2::{Came, Late as LateHttp2};
use crate::protocol::websocket::{Kept, Late};
use crate::stream::{Books, Consumer, GapReason, Piece};
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
    /// The same within frames of HTTP/2, once some came.
    http2: Option<Box<LateHttp2>>,
    /// Bytes of each flow that were given to it, and are counted once it is over.
    given: [u64; 2],
    /// Why bytes of each flow were last lost.
    why: [Option<GapReason>; 2],
    /// Whether the first that was heard of the conn was just such a frame: for that alone the kernel
    /// asked.
    for_a_frame: Option<bool>,
    /// None begins again.
    is_over: bool,
    is_http2_over: bool,
}

/// Bytes of a flow, and when they came.
struct Taken<'a> {
    flow: Flow,
    time: Ktime,
    first: bool,
    bytes: &'a [u8],
}

impl Search {
    /// Looks for frames in bytes that say nothing else: the role, if they prove one.
    fn push(&mut self, taken: &Taken<'_>, counters: &mut Counters) -> Option<Role> {
        let Taken { first, bytes, .. } = *taken;
        let flow = number(taken.flow);
        let is_one = || first && Late::is_one_of_a_client(bytes);
        self.for_a_frame.get_or_insert_with(is_one);
        let begins = || first && !self.is_over && Late::may_begin(bytes);
        if self.http2.is_none() && self.late.is_none() && !begins() {
            counters.add(Counter::StreamBytesUndecided, bytes.len() as u64);
            return None;
        }
        if let Some(given) = self.given.get_mut(flow) {
            *given += bytes.len() as u64;
        }
        let found = if let Some(http2) = &mut self.http2 {
            http2.push(Came {
                flow,
                time: taken.time,
                first,
                bytes: bytes.to_vec(),
                left_out: 0,
                lost: false,
            })
        } else {
            let late = self.late.get_or_insert_default();
            late.push(flow, first, bytes)
        };
        found.and_then(|at| FLOWS.get(at)).map(|flow| asked(*flow))
    }

    /// Frames of HTTP/2 came that do not tell whose they are.
    pub(super) fn is_http2(&mut self, counters: &mut Counters) {
        if self.http2.is_none() {
            self.end(counters);
            if !self.is_http2_over {
                self.http2 = Some(Box::default());
            }
        }
    }

    /// Whether something speaks for frames rather than for a message of HTTP/1: the conn is heard for one,
    /// or frames of HTTP/2 came.
    pub(super) fn has_reason(&self) -> bool {
        self.for_a_frame == Some(true) || self.http2.is_some()
    }

    /// Whether what comes next in `flow` belongs to a frame, as far as several before it tell.
    pub(super) fn is_inside(&self, flow: Flow) -> bool {
        let flow = number(flow);
        let late = self.late.as_ref();
        let http2 = self.http2.as_ref();
        late.is_some_and(|late| late.is_inside(flow))
            || http2.is_some_and(|http2| http2.is_inside(flow))
    }

    /// Bytes of a flow passed that are not there: how many, and if nobody saw them, why.
    fn pass(&mut self, flow: Flow, time: Ktime, n: u64, lost: Option<GapReason>) {
        let flow = number(flow);
        if let (Some(why), Some(_)) = (self.why.get_mut(flow), lost) {
            *why = lost;
        }
        match (&mut self.late, lost) {
            (Some(late), Some(_)) => late.gap(flow, Some(n)),
            (Some(late), None) => late.skip(flow, n),
            (None, _) => {}
        }
        if let Some(http2) = &mut self.http2 {
            http2.pass(Came {
                flow,
                time,
                first: false,
                bytes: Vec::new(),
                left_out: n,
                lost: lost.is_some(),
            });
        }
    }

    /// Bytes of a flow never came, nobody knows how many.
    fn lose(&mut self, flow: Flow) {
        if let Some(late) = &mut self.late {
            late.gap(number(flow), None);
        }
        if let Some(http2) = &mut self.http2 {
            http2.lose(number(flow));
        }
    }

    /// What stands for `n` bytes of a flow that are not there.
    fn absent(&self, flow: usize, n: u64, lost: bool) -> Piece<'static> {
        let why = self.why.get(flow).copied().flatten();
        if lost {
            Piece::Gap(n, why.unwrap_or(GapReason::UnseenPath))
        } else {
            Piece::Skip(n)
        }
    }

    /// Whether so much came that the conn is none, and is not heard for anything else. One that is heard
    /// for something else, which may be HTTP whose next head is still to come, is searched no longer.
    pub(super) fn is_in_vain(&mut self, counters: &mut Counters) -> bool {
        if self.http2.as_ref().is_some_and(|one| one.is_hopeless()) {
            self.is_http2_over = true;
            self.end(counters);
        }
        if !self.late.as_ref().is_some_and(|late| late.is_hopeless()) {
            return false;
        }
        self.end(counters);
        self.for_a_frame == Some(true)
    }

    /// Ends it for good: the conn is something else.
    fn end(&mut self, counters: &mut Counters) {
        self.give_up(counters);
        self.is_over = true;
    }

    /// Gives up what it has.
    pub(super) fn give_up(&mut self, counters: &mut Counters) {
        (self.late, self.http2) = (None, None);
        for given in std::mem::take(&mut self.given) {
            counters.add(Counter::StreamBytesUndecided, given);
        }
    }

    /// Memory it holds beyond its own size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let late = self.late.as_ref().map_or(0, |late| late.bytes());
        late + self.http2.as_ref().map_or(0, |http2| http2.bytes())
    }

    /// What was given to it and is not among the bytes `kept`.
    fn forgotten(&mut self, kept: u64) -> u64 {
        let given: u64 = std::mem::take(&mut self.given).iter().sum();
        given.saturating_sub(kept)
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
        let taken = Taken {
            flow,
            time,
            first,
            bytes,
        };
        let Some(role) = undecided.search.push(&taken, counters) else {
            return;
        };
        let open = std::mem::take(&mut undecided.open);
        // What was set aside of the other flow goes on behind what the search keeps of it.
        let aside = [undecided.received.take(), undecided.sent.take()];
        let mut search = std::mem::take(&mut undecided.search);
        let mut books = Books {
            now: time,
            context,
            counters,
        };
        let mut consumer = C::open(open, role);
        let websocket = search.late.take().map(|late| late.take());
        let http2 = search.http2.take().map(|http2| http2.take());
        if websocket.is_some() {
            consumer.is_websocket(&mut books);
        } else {
            consumer.is_http2(&mut books);
        }
        *self = Self::Heard(consumer, role);
        let mut kept_bytes = 0;
        for (flow, kept) in FLOWS.into_iter().zip(websocket.into_iter().flatten()) {
            kept_bytes += (kept.front.len() + kept.rest.len()) as u64;
            let absent = |n, lost| search.absent(number(flow), n, lost);
            let skipped = absent(kept.left_out.saturating_sub(kept.lost), false);
            let lost = absent(kept.lost, true);
            self.take_kept(flow, time, &kept, [skipped, lost], context, counters);
        }
        for came in http2.into_iter().flatten() {
            kept_bytes += came.bytes.len() as u64;
            let Some(flow) = FLOWS.get(came.flow) else {
                continue;
            };
            let piece = match came.left_out {
                0 => Piece::Bytes(&came.bytes),
                n => search.absent(came.flow, n, came.lost),
            };
            self.take(*flow, came.time, came.first, piece, context, counters);
        }
        for (flow, aside) in FLOWS.into_iter().zip(aside) {
            if !aside.bytes.is_empty() {
                let piece = Piece::Bytes(&aside.bytes);
                self.take(flow, aside.time, true, piece, context, counters);
            }
        }
        let forgotten = search.forgotten(kept_bytes);
        counters.add(Counter::StreamBytesUndecided, forgotten);
    }

    /// Bytes that are not there are next in `flow`, of which some are set `aside`.
    pub(super) fn missing(
        &mut self,
        flow: Flow,
        time: Ktime,
        aside: &Prefix,
        piece: Piece<'_>,
        context: &mut C::Context,
        counters: &mut Counters,
    ) {
        if !aside.bytes.is_empty() {
            self.seek(flow, aside.time, true, &aside.bytes, context, counters);
        }
        let Self::Undecided(undecided) = self else {
            return self.take(flow, time, false, piece, context, counters);
        };
        match piece {
            Piece::Skip(n) => undecided.search.pass(flow, time, n, None),
            Piece::Gap(n, why) => undecided.search.pass(flow, time, n, Some(why)),
            Piece::Lost(_) | Piece::End(_) => undecided.search.lose(flow),
            Piece::Bytes(_) => {}
        }
    }

    /// Takes what a search kept of a flow, of which `absent` stands for what is left out.
    fn take_kept(
        &mut self,
        flow: Flow,
        time: Ktime,
        kept: &Kept,
        absent: [Piece<'_>; 2],
        context: &mut C::Context,
        counters: &mut Counters,
    ) {
        let front = Piece::Bytes(&kept.front);
        self.take(flow, time, true, front, context, counters);
        if kept.left_out > 0 {
            let is_some = |piece: &Piece<'_>| !matches!(piece, Piece::Skip(0) | Piece::Gap(0, _));
            for piece in absent.into_iter().filter(is_some) {
                self.take(flow, time, false, piece, context, counters);
            }
            let rest = Piece::Bytes(&kept.rest);
            self.take(flow, time, false, rest, context, counters);
        }
    }
}
