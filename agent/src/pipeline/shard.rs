//! Keyed by conn: record in, exchanges out. Synchronous, no clock, no I/O, so tests drive it.

use std::sync::Arc;

use crate::capture::{Act, Record, decode};
use crate::clock::Ktime;
use crate::enrich::process_key;
use crate::exchange::{self, Conn, Context, Exchange};
use crate::lookup::ProcessKey;
use crate::stream::{self, Env, Table, Word};
use crate::telemetry::{Counter, Counters};

/// Bounds of a shard, and what it keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Of conns.
    pub stream: stream::Options,
    /// Of exchanges and the parsers.
    pub exchange: exchange::Options,
}

/// What comes out; the caller takes and clears it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Exchanges that are over.
    pub exchanges: Vec<Exchange>,
    /// Words for the kernel.
    pub words: Vec<Word>,
    /// Processes heard of on a conn for the first time: theirs are the exchanges to come.
    pub processes: Vec<ProcessKey>,
    /// What processes that serve did.
    pub acts: Vec<Act>,
}

/// A share of all conns. Records of one sock, whatever its inode, must go to one shard, and so must those of
/// TLS sessions and of the sockets that carry them.
pub struct Shard {
    table: Table<Conn>,
    context: Context,
    counters: Counters,
}

impl Shard {
    /// An empty one.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            table: Table::new(options.stream),
            context: Context {
                options: options.exchange.clone(),
                shorter: 0,
                out: Vec::new(),
            },
            counters: Counters::default(),
        }
    }

    /// Names the fields of gRPC's messages, and knows where people sign in, as `options` say from now on.
    pub(super) fn set(&mut self, options: &exchange::Options) {
        let own = &mut self.context.options;
        own.schema = Arc::clone(&options.schema);
        own.login_routes = Arc::clone(&options.login_routes);
    }

    /// Halves bodies so often, of messages that begin from now on.
    pub(super) const fn shorten_bodies(&mut self, times: u8) {
        self.context.shorter = times;
    }

    /// Gives up a quarter of what is held for conns.
    pub(super) fn give_up(&mut self, out: &mut Outcome) {
        self.with(out, |table, env| table.give_up(env));
    }

    /// Takes one record as it lay in the ring.
    pub fn push(&mut self, record: &[u8], out: &mut Outcome) {
        self.counters.add(Counter::RecordsRead, 1);
        match decode(record) {
            Ok(record) => {
                self.counters.add(Counter::RecordsDecoded, 1);
                match &record {
                    Record::Open(open) => out.processes.push(process_key(open)),
                    Record::Act(act) => out.acts.push(act.clone()),
                    Record::Data(_) | Record::End(_) | Record::Hello(_) => {}
                }
                self.with(out, |table, env| table.push(record, env));
            }
            Err(_) => self.counters.add(Counter::RecordsUndecodable, 1),
        }
    }

    /// Lets time pass: a few times a second, and at least once a hold time while records come.
    pub fn tick(&mut self, now: Ktime, out: &mut Outcome) {
        self.with(out, |table, env| table.tick(now, env));
    }

    /// Reports all that is open as unfinished and forgets all conns.
    pub fn finish(&mut self, now: Ktime, out: &mut Outcome) {
        self.with(out, |table, env| table.finish(now, env));
    }

    /// What was counted since it was made.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes that all conns take.
    #[must_use]
    pub const fn bytes_held(&self) -> u64 {
        self.table.bytes() as u64
    }

    /// How many conns there are.
    #[must_use]
    pub fn conns(&self) -> usize {
        self.table.len()
    }

    fn with(&mut self, out: &mut Outcome, act: impl FnOnce(&mut Table<Conn>, &mut Env<'_, Conn>)) {
        std::mem::swap(&mut self.context.out, &mut out.exchanges);
        let mut env = Env {
            context: &mut self.context,
            counters: &mut self.counters,
            words: &mut out.words,
        };
        act(&mut self.table, &mut env);
        std::mem::swap(&mut self.context.out, &mut out.exchanges);
    }
}

#[cfg(test)]
mod tests;
