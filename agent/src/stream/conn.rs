//! One conn: both flows, and which end of it this is, told by what it sends.

mod late;
mod prefix;

use eaves_common::{ConnId, EndReason, Flow, Role, Transport};

use self::late::Search;
use self::prefix::{PREFIX_MAX_BYTES, Prefix, is_request_line, is_status_line};
use super::order::{Fin, Last, Order};
use super::{Books, Chunk, Consumer, Direction, Env, Options, Parting, Piece, Word};
use crate::capture::{ConnOpen, Data, Ended};
use crate::clock::Ktime;
use crate::protocol::{Opening, opening};
use crate::telemetry::{Counter, Counters};

/// Data records of a conn that is not HTTP after which the kernel is told again: it asks for the word
/// once in 64 transfers, and its map may have had to let go of it by then.
const SAY_AGAIN_RECORDS: u32 = 256;
/// A reach shorter than this is not worth a write to the kernel's map.
const REACH_LEAST_BYTES: u64 = 32 * 1024;

/// One conn.
pub(super) struct Conn<C> {
    pub(super) id: ConnId,
    /// When anything was last heard of it.
    pub(super) last: Ktime,
    /// Whether `expire` was called since.
    pub(super) expired: bool,
    /// Its earliest deadline among those the table keeps.
    pub(super) waits: Option<Ktime>,
    sent: Order,
    received: Order,
    stage: Stage<C>,
}

enum Stage<C> {
    /// Nothing has told yet which end this is.
    Undecided(Box<Undecided>),
    Heard(C, Role),
    /// It is not HTTP, or no longer; so many data records came all the same.
    NotHttp(u32),
}

struct Undecided {
    open: ConnOpen,
    sent: Prefix,
    received: Prefix,
    /// Whether it is a WebSocket that was open before.
    search: Search,
}

impl<C: Consumer> Conn<C> {
    pub(super) fn new(open: ConnOpen) -> Self {
        Self {
            id: open.conn,
            last: open.time,
            expired: false,
            waits: None,
            sent: Order::default(),
            received: Order::default(),
            stage: Stage::Undecided(Box::new(Undecided {
                open,
                sent: Prefix::default(),
                received: Prefix::default(),
                search: Search::default(),
            })),
        }
    }

    /// Another process holds it now, or the kernel had forgotten it; it was first heard when it was.
    pub(super) fn reopen(&mut self, mut open: ConnOpen, env: &mut Env<'_, C>) {
        self.last = open.time;
        if open.afresh {
            self.count_anew(env);
        }
        match &mut self.stage {
            Stage::Undecided(undecided) => {
                goes_on(&mut open, &undecided.open);
                undecided.open = open;
            }
            Stage::Heard(consumer, _) => {
                goes_on(&mut open, &consumer.info());
                consumer.reopen(open);
            }
            Stage::NotHttp(_) => {}
        }
    }

    /// Positions that the kernel does not count itself begin anew: what passed in between is not known.
    fn count_anew(&mut self, env: &mut Env<'_, C>) {
        let (stage, context, time) = (&mut self.stage, &mut *env.context, self.last);
        for (order, flow) in [
            (&mut self.received, Flow::Received),
            (&mut self.sent, Flow::Sent),
        ] {
            order.count_anew(time, env.counters, &mut |counters, time, first, piece| {
                stage.take(flow, time, first, piece, context, counters);
            });
        }
    }

    pub(super) fn data(&mut self, data: &Data<'_>, options: &Options, env: &mut Env<'_, C>) {
        if let Stage::NotHttp(records) = &mut self.stage {
            *records = records.wrapping_add(1);
            if records.is_multiple_of(SAY_AGAIN_RECORDS) {
                env.words.push(Word::NotHttp { conn: self.id });
            }
            return env.counters.add(Counter::StreamDataNotHttp, 1);
        }
        let (this, other) = match data.flow {
            Flow::Sent => (&mut self.sent, &mut self.received),
            Flow::Received => (&mut self.received, &mut self.sent),
        };
        if this.is_ended() {
            return env.counters.add(Counter::StreamDataAfterEnd, 1);
        }
        env.counters.add(Counter::StreamData, 1);
        self.last = data.time;
        self.expired = false;
        let (stage, flow) = (&mut self.stage, data.flow);
        if let Stage::Undecided(undecided) = stage {
            let open = &mut undecided.open;
            let counted = data.sequence || open.library.is_some();
            open.upper = !counted && open.transport == Some(Transport::Tcp);
        }
        let context = &mut *env.context;
        if other.is_waiting() {
            // Bytes the other way are later than what it waits for.
            other.give_up(env.counters, &mut |counters, time, first, piece| {
                stage.take(opposite(flow), time, first, piece, context, counters);
            });
        }
        this.push(
            data,
            options,
            env.counters,
            &mut |counters, time, first, piece| {
                stage.take(flow, time, first, piece, context, counters);
            },
        );
        self.say(data.flow, env);
    }

    /// What a record on the end of a flow or of the conn does; whether the conn is gone.
    pub(super) fn ended(&mut self, ended: &Ended, env: &mut Env<'_, C>) -> bool {
        self.last = ended.time;
        // What waits in either flow is earlier than the end of the other.
        self.give_up(env);
        let sent = |fin| {
            Some(Last {
                position: ended.sent_end,
                fin,
                lost: ended.sent_lost,
            })
        };
        let received = |fin| {
            Some(Last {
                position: ended.received_end,
                fin,
                lost: ended.received_lost,
            })
        };
        match ended.reason {
            EndReason::SentFinished => {
                // Told before the FIN goes out.
                self.end(Flow::Sent, sent(Fin::Not), true, env);
                false
            }
            EndReason::ReceivedFinished => {
                // Told when the FIN was read.
                self.end(Flow::Received, received(Fin::Counted), true, env);
                false
            }
            EndReason::Closed | EndReason::Reset => {
                let good = ended.reason == EndReason::Closed;
                self.end(Flow::Received, received(Fin::Perhaps), good, env);
                let fin = if good { Fin::Counted } else { Fin::Not };
                self.end(Flow::Sent, sent(fin), good, env);
                true
            }
            EndReason::PeerFinished => {
                self.end(Flow::Sent, None, true, env);
                false
            }
            EndReason::PeerGone => {
                self.end(Flow::Received, None, true, env);
                self.end(Flow::Sent, None, true, env);
                true
            }
        }
    }

    fn end(&mut self, flow: Flow, last: Option<Last>, good: bool, env: &mut Env<'_, C>) {
        let (stage, context, time) = (&mut self.stage, &mut *env.context, self.last);
        let order = match flow {
            Flow::Sent => &mut self.sent,
            Flow::Received => &mut self.received,
        };
        order.end(
            time,
            last,
            good,
            env.counters,
            &mut |counters, time, first, piece| {
                stage.take(flow, time, first, piece, context, counters);
            },
        );
    }

    /// Gives up holes whose time has come, and wakes the consumer.
    pub(super) fn wake(&mut self, now: Ktime, env: &mut Env<'_, C>) {
        let (stage, context) = (&mut self.stage, &mut *env.context);
        for (order, flow) in [
            (&mut self.received, Flow::Received),
            (&mut self.sent, Flow::Sent),
        ] {
            if order.deadline().is_some_and(|deadline| deadline <= now) {
                order.give_up(env.counters, &mut |counters, time, first, piece| {
                    stage.take(flow, time, first, piece, context, counters);
                });
            }
        }
        if let Stage::Heard(consumer, _) = stage
            && consumer.deadline().is_some_and(|deadline| deadline <= now)
        {
            consumer.wake(&mut env.at(now));
        }
        self.say(Flow::Sent, env);
        self.say(Flow::Received, env);
    }

    /// The earliest time at which [`Conn::wake`] has something to do.
    pub(super) fn deadline(&self) -> Option<Ktime> {
        let consumer = match &self.stage {
            Stage::Heard(consumer, _) => consumer.deadline(),
            _ => None,
        };
        let orders = [self.sent.deadline(), self.received.deadline(), consumer];
        orders.into_iter().flatten().min()
    }

    /// Whether it is to be heard.
    pub(super) const fn is_wanted(&self) -> bool {
        !matches!(self.stage, Stage::NotHttp(_))
    }

    pub(super) fn is_busy(&self) -> bool {
        match &self.stage {
            Stage::Heard(consumer, _) => consumer.is_busy(),
            _ => self.sent.is_waiting() || self.received.is_waiting(),
        }
    }

    pub(super) fn expire(&mut self, now: Ktime, env: &mut Env<'_, C>) {
        self.expired = true;
        match &mut self.stage {
            Stage::Heard(consumer, _) => consumer.expire(&mut env.at(now)),
            Stage::Undecided(undecided) => undecided.forget(env.counters),
            Stage::NotHttp(_) => {}
        }
    }

    /// Gives up what it holds, to keep within the budget.
    pub(super) fn shed(&mut self, now: Ktime, env: &mut Env<'_, C>) {
        env.counters.add(Counter::StreamSheds, 1);
        self.give_up(env);
        match &mut self.stage {
            Stage::Heard(consumer, _) => consumer.shed(&mut env.at(now)),
            Stage::Undecided(undecided) => undecided.forget(env.counters),
            Stage::NotHttp(_) => {}
        }
    }

    pub(super) fn close(&mut self, parting: Parting, now: Ktime, env: &mut Env<'_, C>) {
        self.give_up(env);
        match &mut self.stage {
            Stage::Heard(consumer, _) => consumer.close(parting, &mut env.at(now)),
            Stage::Undecided(undecided) => undecided.forget(env.counters),
            Stage::NotHttp(_) => {}
        }
        self.stage = Stage::NotHttp(0);
    }

    /// Memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let stage = match &self.stage {
            Stage::Undecided(undecided) => {
                size_of::<Undecided>()
                    + undecided.sent.bytes.capacity()
                    + undecided.received.bytes.capacity()
                    + undecided.search.bytes()
            }
            Stage::Heard(consumer, _) => consumer.bytes(),
            Stage::NotHttp(_) => 0,
        };
        size_of::<Self>() + self.sent.bytes() + self.received.bytes() + stage
    }

    /// What of that pieces take that wait for a hole before them to be filled.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.sent.bytes() + self.received.bytes()
    }

    fn give_up(&mut self, env: &mut Env<'_, C>) {
        let (stage, context) = (&mut self.stage, &mut *env.context);
        for (order, flow) in [
            (&mut self.received, Flow::Received),
            (&mut self.sent, Flow::Sent),
        ] {
            order.give_up(env.counters, &mut |counters, time, first, piece| {
                stage.take(flow, time, first, piece, context, counters);
            });
        }
    }

    /// Tells the kernel what it need not copy.
    fn say(&mut self, flow: Flow, env: &mut Env<'_, C>) {
        let conn = self.id;
        if let Stage::Undecided(undecided) = &mut self.stage
            && undecided.search.is_in_vain(env.counters)
        {
            env.counters.add(Counter::StreamConnsNotHttp, 1);
            env.words.push(Word::NotHttp { conn });
            return self.close(Parting::Ended, self.last, env);
        }
        let Stage::Heard(consumer, role) = &mut self.stage else {
            return;
        };
        if consumer.is_over() {
            env.counters.add(Counter::StreamConnsNotHttp, 1);
            env.words.push(Word::NotHttp { conn });
            return self.close(Parting::Ended, self.last, env);
        }
        let order = match flow {
            Flow::Sent => &mut self.sent,
            Flow::Received => &mut self.received,
        };
        let unneeded = consumer.unneeded(direction(flow, *role), env.context);
        if let Some(until) = order.reach(unneeded, REACH_LEAST_BYTES) {
            env.words.push(Word::SkipTo { conn, flow, until });
        }
    }
}

impl<C: Consumer> Stage<C> {
    /// Takes what is next in `flow`.
    fn take(
        &mut self,
        flow: Flow,
        time: Ktime,
        first: bool,
        piece: Piece<'_>,
        context: &mut C::Context,
        counters: &mut Counters,
    ) {
        if let Piece::Bytes(bytes) = piece
            && first
        {
            self.correct(
                flow,
                bytes,
                &mut Books {
                    now: time,
                    context,
                    counters,
                },
            );
        }
        match self {
            Self::Heard(consumer, role) => {
                if let Piece::Bytes(bytes) = piece {
                    counters.add(Counter::StreamBytesDelivered, bytes.len() as u64);
                }
                let chunk = Chunk {
                    time,
                    direction: direction(flow, *role),
                    first,
                    piece,
                };
                let now = time;
                consumer.chunk(
                    chunk,
                    &mut Books {
                        now,
                        context,
                        counters,
                    },
                );
            }
            Self::Undecided(_) => self.decide(flow, time, first, piece, context, counters),
            Self::NotHttp(_) => {
                if let Piece::Bytes(bytes) = piece {
                    counters.add(Counter::StreamBytesNotHttp, bytes.len() as u64);
                }
            }
        }
    }

    /// Changes the role if what told it was no message and `bytes` are one that speaks against it.
    fn correct(&mut self, flow: Flow, bytes: &[u8], books: &mut Books<'_, C::Context>) {
        let Self::Heard(consumer, role) = self else {
            return;
        };
        if consumer.is_certain() {
            return;
        }
        let said = match opening(bytes) {
            Opening::Response if is_status_line(bytes) => asked(opposite(flow)),
            Opening::Request if is_request_line(bytes) => asked(flow),
            _ => return,
        };
        if said != *role {
            let open = consumer.info();
            consumer.close(Parting::Ended, books);
            *self = Self::Heard(C::open(open, said), said);
        }
    }

    /// Looks whether `piece` tells which end this is.
    fn decide(
        &mut self,
        flow: Flow,
        time: Ktime,
        first: bool,
        piece: Piece<'_>,
        context: &mut C::Context,
        counters: &mut Counters,
    ) {
        let Self::Undecided(undecided) = self else {
            return;
        };
        let prefix = match flow {
            Flow::Sent => &mut undecided.sent,
            Flow::Received => &mut undecided.received,
        };
        let Piece::Bytes(bytes) = piece else {
            let aside = prefix.take();
            return self.missing(flow, time, &aside, piece, context, counters);
        };
        if prefix.bytes.is_empty() {
            prefix.time = time;
        }
        let fits = prefix.bytes.len() + bytes.len() <= PREFIX_MAX_BYTES;
        let opening = if undecided.search.is_inside(flow) {
            Opening::Other
        } else {
            prefix.look(bytes, first, undecided.search.has_reason())
        };
        let role = match opening {
            Opening::Request | Opening::Http2 | Opening::Proxy | Opening::FramesToServer => {
                asked(flow)
            }
            Opening::Response | Opening::FramesToClient => asked(opposite(flow)),
            Opening::Short | Opening::Settings if fits => {
                return prefix.bytes.extend_from_slice(bytes);
            }
            Opening::Frames | Opening::Settings | Opening::Short | Opening::Other => {
                let aside = prefix.take();
                if matches!(opening, Opening::Frames | Opening::Settings) {
                    undecided.search.is_http2(counters);
                }
                if !aside.bytes.is_empty() {
                    self.seek(flow, aside.time, true, &aside.bytes, context, counters);
                }
                return self.seek(flow, time, first, bytes, context, counters);
            }
        };
        undecided.search.give_up(counters);
        let open = std::mem::take(&mut undecided.open);
        let (sent, received) = (undecided.sent.take(), undecided.received.take());
        *self = Self::Heard(C::open(open, role), role);
        let prefixes = match role {
            Role::Server => [(Flow::Received, received), (Flow::Sent, sent)],
            Role::Client => [(Flow::Sent, sent), (Flow::Received, received)],
        };
        // Requests go first, and the bytes that decided follow on their own flow's prefix.
        let mut rest = Some(bytes);
        let mut begins = true;
        for (on, prefix) in prefixes {
            if on == flow {
                begins = prefix.bytes.is_empty();
            }
            if !prefix.bytes.is_empty() {
                let piece = Piece::Bytes(&prefix.bytes);
                self.take(on, prefix.time, true, piece, context, counters);
            }
            if on == flow
                && let Some(rest) = rest.take()
            {
                self.take(on, time, begins, Piece::Bytes(rest), context, counters);
            }
        }
    }
}

/// Puts on a conn that is told anew what is known of it from before.
fn goes_on(open: &mut ConnOpen, before: &ConnOpen) {
    (open.time, open.upper) = (before.time, before.upper);
    if open.handshake.is_none() && open.carrier == before.carrier {
        open.handshake.clone_from(&before.handshake);
    }
}

impl Undecided {
    fn forget(&mut self, counters: &mut Counters) {
        self.sent.forget(counters);
        self.received.forget(counters);
        self.search.give_up(counters);
    }
}

/// The role of an end on which requests go by `flow`.
const fn asked(flow: Flow) -> Role {
    match flow {
        Flow::Received => Role::Server,
        Flow::Sent => Role::Client,
    }
}

const fn opposite(flow: Flow) -> Flow {
    match flow {
        Flow::Sent => Flow::Received,
        Flow::Received => Flow::Sent,
    }
}

const fn direction(flow: Flow, role: Role) -> Direction {
    match (flow, role) {
        (Flow::Received, Role::Server) | (Flow::Sent, Role::Client) => Direction::ToServer,
        (Flow::Sent, Role::Server) | (Flow::Received, Role::Client) => Direction::ToClient,
    }
}
