//! All conns of a shard: found by their sock, bounded in number and bytes, forgotten when idle.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::conn::Conn;
use super::handshakes::Handshakes;
use super::{Consumer, Env, Parting, Word};
use crate::capture::{ConnOpen, Data, Ended, Record};
use crate::clock::Ktime;
use crate::telemetry::Counter;
use eaves_common::{CAPTURE_MAX_BYTES, ConnId, EndReason, PAYLOAD_CLASSES, VECTORS_MAX};

/// Conns compared when one must go. A sample of sixteen picks among the oldest tenth in four of
/// five cases, and a list in exact order would cost each record two cache misses.
const SAMPLE: usize = 16;
/// What a conn holds at least, bytes, for what is under way on it to be worth giving up where memory
/// runs short: below are heads alone, and conns that are bare.
const MUCH: usize = 16 * 1024;
/// The whole table is looked over this many times in an idle time.
const SWEEPS: u64 = 8;

/// Records that one call may give: each of its buffers in one, and once more where a record is full.
const CALL_PIECES: usize = {
    let [.., largest] = PAYLOAD_CLASSES;
    VECTORS_MAX + CAPTURE_MAX_BYTES as usize / largest
};

/// Bounds of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most conns.
    pub conns: usize,
    /// Most bytes one conn may hold, but for the pieces that wait.
    pub conn_bytes: usize,
    /// Most bytes all may hold, their own size included.
    pub bytes: usize,
    /// Nanoseconds without a byte after which what is under way on a conn is given up.
    pub idle_ns: u64,
    /// Nanoseconds without a word after which a conn is forgotten.
    pub forget_ns: u64,
    /// Nanoseconds a piece that came ahead waits for the hole before it to be filled.
    pub hold_ns: u64,
    /// Most pieces of a flow that wait: those of one call may all come before a small one's.
    pub held_pieces: usize,
    /// Most bytes of a flow that wait: those of one call.
    pub held_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            conns: 65_536,
            conn_bytes: 1024 * 1024,
            bytes: 96 * 1024 * 1024,
            idle_ns: 300 * 1_000_000_000,
            forget_ns: 24 * 3600 * 1_000_000_000,
            hold_ns: 5_000_000,
            held_pieces: CALL_PIECES,
            held_bytes: CAPTURE_MAX_BYTES as usize,
        }
    }
}

/// All conns of a shard.
pub struct Table<C> {
    options: Options,
    slots: Vec<Slot<C>>,
    free: Vec<u32>,
    /// Slots by [`key`].
    by_key: HashMap<u64, u32, BuildHasherDefault<KeyHasher>>,
    /// What TLS sessions that may come were agreed upon with.
    handshakes: Handshakes,
    /// Bytes of all slots.
    bytes: usize,
    /// Deadlines and whose they are, the earliest first. One that is no longer its conn's is passed
    /// over when its time comes.
    deadlines: BinaryHeap<Reverse<(Ktime, u32)>>,
    /// Where the look-over, and the search for something to give up, go on.
    hand: usize,
    now: Ktime,
    swept: Ktime,
}

struct Slot<C> {
    conn: Option<Box<Conn<C>>>,
    bytes: usize,
}

impl<C: Consumer> Table<C> {
    /// An empty one.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::default(),
            handshakes: Handshakes::default(),
            bytes: 0,
            deadlines: BinaryHeap::new(),
            hand: 0,
            now: Ktime::default(),
            swept: Ktime::default(),
        }
    }

    /// How many conns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Bytes that all conns take, their own size included; not those of handshakes, which have a limit of
    /// their own.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes one record.
    pub fn push(&mut self, record: Record<'_>, env: &mut Env<'_, C>) {
        env.counters.add(Counter::StreamRecords, 1);
        match record {
            Record::Data(data) => {
                self.pass_time(data.time, env);
                self.data(&data, env);
            }
            Record::Open(open) => {
                self.pass_time(open.time, env);
                self.open(*open, env);
            }
            Record::End(ended) => {
                self.pass_time(ended.time, env);
                self.ended(&ended, env);
            }
            Record::Act(act) => {
                self.pass_time(act.time, env);
                env.counters.add(Counter::StreamActs, 1);
            }
            Record::Hello(hello) => {
                self.pass_time(hello.time, env);
                env.counters.add(Counter::StreamHellos, 1);
                self.handshakes.push(&hello);
            }
        }
    }

    /// Lets time pass: gives up holes, expires what is idle, forgets conns.
    pub fn tick(&mut self, now: Ktime, env: &mut Env<'_, C>) {
        self.pass_time(now, env);
        let since = self.now.since(self.swept);
        let lap = (self.options.idle_ns / SWEEPS).max(1);
        let share = u128::from(since) * self.slots.len() as u128 / u128::from(lap);
        let steps = usize::try_from(share)
            .unwrap_or(usize::MAX)
            .min(self.slots.len());
        if steps == 0 && since < lap {
            return;
        }
        self.swept = self.now;
        for _ in 0..steps {
            let at = self.advance();
            self.look_over(at, env);
        }
    }

    /// Closes all conns.
    pub fn finish(&mut self, now: Ktime, env: &mut Env<'_, C>) {
        self.now = self.now.max(now);
        for at in 0..self.slots.len() {
            self.remove(at, Parting::Stop, env);
        }
        self.handshakes.clear();
    }

    fn data(&mut self, data: &Data<'_>, env: &mut Env<'_, C>) {
        let Some(at) = self.find(data.conn) else {
            if data.first {
                // It had to go while it spoke, or the word that it had did not arrive.
                env.words.push(Word::Unknown { conn: data.conn });
            }
            return env.counters.add(Counter::StreamDataUnknown, 1);
        };
        let options = self.options;
        self.with(at, env, |conn, env| conn.data(data, &options, env));
        self.keep_within(at, env);
    }

    fn open(&mut self, mut open: ConnOpen, env: &mut Env<'_, C>) {
        let key = key(open.conn);
        open.handshake = self.handshakes.of(&open);
        if let Some(at) = self.find(open.conn) {
            env.counters.add(Counter::StreamReopens, 1);
            self.with(at, env, |conn, env| conn.reopen(open, env));
            return;
        }
        env.counters.add(Counter::StreamOpens, 1);
        if let Some(at) = self.by_key.get(&key).copied() {
            // A sock's address comes back only when the one before it is gone.
            env.counters.add(Counter::StreamConnsReplaced, 1);
            self.remove(at as usize, Parting::Unheard, env);
        }
        if self.by_key.len() >= self.options.conns {
            self.evict(env);
        }
        let at = self.insert(Box::new(Conn::new(open)));
        if let Ok(slot) = u32::try_from(at) {
            self.by_key.insert(key, slot);
        }
        self.with(at, env, |_, _| ());
        self.keep_within(at, env);
    }

    fn ended(&mut self, ended: &Ended, env: &mut Env<'_, C>) {
        // The kernel may have taken the inode from a sock whose end it tells.
        let found = match (ended.conn.inode, ended.reason) {
            (0, _) | (_, EndReason::PeerGone | EndReason::PeerFinished) => {
                self.by_key.get(&ended.conn.sock).copied()
            }
            _ => self.find(ended.conn).and_then(|at| u32::try_from(at).ok()),
        };
        let Some(at) = found.map(|at| at as usize) else {
            return env.counters.add(Counter::StreamEndsUnknown, 1);
        };
        env.counters.add(Counter::StreamEnds, 1);
        let gone = self.with(at, env, |conn, env| conn.ended(ended, env));
        if gone == Some(true) {
            let parting = match ended.reason {
                EndReason::Reset => Parting::Reset,
                _ => Parting::Ended,
            };
            self.remove(at, parting, env);
        }
    }

    fn find(&self, id: ConnId) -> Option<usize> {
        let at = *self.by_key.get(&key(id))? as usize;
        let conn = self.slots.get(at)?.conn.as_ref()?;
        (conn.id == id).then_some(at)
    }

    /// Does something with the conn at `at`, and keeps the books on its bytes and its deadline.
    fn with<T>(
        &mut self,
        at: usize,
        env: &mut Env<'_, C>,
        act: impl FnOnce(&mut Conn<C>, &mut Env<'_, C>) -> T,
    ) -> Option<T> {
        let slot = self.slots.get_mut(at)?;
        let conn = slot.conn.as_mut()?;
        let result = act(conn, env);
        let bytes = conn.bytes();
        self.bytes = self.bytes - slot.bytes + bytes;
        slot.bytes = bytes;
        if let Some(deadline) = conn.deadline()
            && conn.waits.is_none_or(|until| deadline < until)
            && let Ok(at) = u32::try_from(at)
        {
            conn.waits = Some(deadline);
            self.deadlines.push(Reverse((deadline, at)));
        }
        Some(result)
    }

    fn insert(&mut self, conn: Box<Conn<C>>) -> usize {
        let slot = Slot {
            conn: Some(conn),
            bytes: 0,
        };
        if let Some(at) = self.free.pop() {
            let at = at as usize;
            if let Some(place) = self.slots.get_mut(at) {
                *place = slot;
            }
            return at;
        }
        self.slots.push(slot);
        self.slots.len() - 1
    }

    fn remove(&mut self, at: usize, parting: Parting, env: &mut Env<'_, C>) {
        let now = self.now;
        self.with(at, env, |conn, env| conn.close(parting, now, env));
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let Some(conn) = slot.conn.take() else {
            return;
        };
        self.bytes -= slot.bytes;
        slot.bytes = 0;
        self.by_key.remove(&key(conn.id));
        self.free.extend(u32::try_from(at));
    }

    /// Moves the clock on and serves deadlines.
    fn pass_time(&mut self, now: Ktime, env: &mut Env<'_, C>) {
        self.now = self.now.max(now);
        let now = self.now;
        while let Some(Reverse((deadline, at))) = self.deadlines.peek().copied()
            && deadline <= now
        {
            self.deadlines.pop();
            let at = at as usize;
            let conn = self.slots.get_mut(at).and_then(|slot| slot.conn.as_mut());
            if let Some(conn) = conn
                && conn.waits == Some(deadline)
            {
                // On the heap again only if a deadline is left.
                conn.waits = None;
                self.with(at, env, |conn, env| conn.wake(now, env));
            }
        }
    }

    /// Sees to one conn that may be idle.
    fn look_over(&mut self, at: usize, env: &mut Env<'_, C>) {
        let now = self.now;
        let Some(conn) = self.slots.get(at).and_then(|slot| slot.conn.as_ref()) else {
            return;
        };
        let quiet = now.since(conn.last);
        if quiet >= self.options.forget_ns {
            env.counters.add(Counter::StreamConnsForgotten, 1);
            self.forget(at, Parting::Unheard, env);
        } else if quiet >= self.options.idle_ns && !conn.expired {
            self.with(at, env, |conn, env| conn.expire(now, env));
        }
    }

    /// Keeps the conn at `at`, and all together, within their bytes.
    fn keep_within(&mut self, at: usize, env: &mut Env<'_, C>) {
        let now = self.now;
        let slot = self.slots.get(at);
        let held = slot.map_or(0, |slot| slot.bytes);
        let conn = slot.and_then(|slot| slot.conn.as_ref());
        let waiting = conn.map_or(0, |conn| conn.waiting_bytes());
        if held.saturating_sub(waiting) > self.options.conn_bytes {
            self.with(at, env, |conn, env| conn.shed(now, env));
        }
        if self.bytes <= self.options.bytes {
            return;
        }
        // A little below, so that the next record does not search again.
        let bare = size_of::<Conn<C>>() + 1024;
        self.shed_to(self.options.bytes - self.options.bytes / 8, bare, env);
        // As many at once as make the search above worth its while: where bare conns fill the
        // table, each new one would come to search it all.
        let enough = self.options.bytes - self.options.bytes / 32;
        while self.bytes > enough && !self.is_empty() {
            self.evict(env);
        }
    }

    /// Lets conns that hold much give it up until all together hold a quarter less, as far as they can.
    pub fn give_up(&mut self, env: &mut Env<'_, C>) {
        self.shed_to(self.bytes - self.bytes / 4, MUCH, env);
    }

    /// Lets conns of more than `least` bytes give up what they hold until all together hold no more than
    /// `enough`, as far as they can.
    fn shed_to(&mut self, enough: usize, least: usize, env: &mut Env<'_, C>) {
        let now = self.now;
        for _ in 0..self.slots.len() * 2 {
            if self.bytes <= enough {
                return;
            }
            let at = self.advance();
            if self.slots.get(at).is_some_and(|slot| slot.bytes > least) {
                self.with(at, env, |conn, env| conn.shed(now, env));
            }
        }
    }

    /// Lets go of the conn that is quiet longest among a few, rather one with nothing under way.
    fn evict(&mut self, env: &mut Env<'_, C>) {
        let mut victim: Option<(bool, Ktime, usize)> = None;
        let mut seen = 0;
        for _ in 0..self.slots.len() {
            let at = self.advance();
            let Some(conn) = self.slots.get(at).and_then(|slot| slot.conn.as_ref()) else {
                continue;
            };
            let one = (conn.is_busy(), conn.last, at);
            victim = Some(victim.map_or(one, |best| best.min(one)));
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        if let Some((_, _, at)) = victim {
            env.counters.add(Counter::StreamConnsEvicted, 1);
            self.forget(at, Parting::Evicted, env);
        }
    }

    /// Removes a conn that is not over: the kernel must open it again should it speak.
    fn forget(&mut self, at: usize, parting: Parting, env: &mut Env<'_, C>) {
        let conn = self.slots.get(at).and_then(|slot| slot.conn.as_ref());
        if let Some(conn) = conn
            && conn.is_wanted()
        {
            env.words.push(Word::Unknown { conn: conn.id });
        }
        self.remove(at, parting, env);
    }

    fn advance(&mut self) -> usize {
        self.hand = if self.hand + 1 < self.slots.len() {
            self.hand + 1
        } else {
            0
        };
        self.hand
    }
}

/// What a conn is found by: its sock, whose address comes back only when the one before it is gone.
///
/// Of a TLS session it is not the address alone: processes forked from one have theirs at the same.
const fn key(id: ConnId) -> u64 {
    if id.inode & ConnId::SESSION == 0 {
        id.sock
    } else {
        id.sock ^ id.inode
    }
}

/// Hashes a [`key`]. The kernel chooses it, not a peer.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // Fibonacci hashing (Knuth, TAOCP 6.4); both halves of the product are used.
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
