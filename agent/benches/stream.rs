//! Records put in order: one small exchange is two of them.

use std::hint::black_box;

use crate::exchange::{REQUEST, against_httparse, response};
use crate::measure::{Cost, cost};
use eaves::capture::ConnBuilder;
use eaves::capture::{ConnOpen, decode};
use eaves::clock::Ktime;
use eaves::stream::{Books, Chunk, Consumer, Direction, Env, Options, Parting, Piece, Table};
use eaves::telemetry::Counters;
use eaves_common::{Flow, Role};

/// Takes chunks and keeps nothing.
struct Sink(ConnOpen);

impl Consumer for Sink {
    type Context = u64;

    fn open(open: ConnOpen, _: Role) -> Self {
        Self(open)
    }
    fn reopen(&mut self, open: ConnOpen) {
        self.0 = open;
    }
    fn info(&self) -> ConnOpen {
        self.0.clone()
    }
    fn chunk(&mut self, chunk: Chunk<'_>, books: &mut Books<'_, u64>) {
        if let Piece::Bytes(bytes) = chunk.piece {
            *books.context += black_box(bytes).len() as u64;
        }
    }
    fn unneeded(&self, _: Direction, _: &u64) -> u64 {
        0
    }
    fn is_over(&self) -> bool {
        false
    }
    fn is_certain(&self) -> bool {
        true
    }
    fn is_busy(&self) -> bool {
        false
    }
    fn deadline(&self) -> Option<Ktime> {
        None
    }
    fn wake(&mut self, _: &mut Books<'_, u64>) {}
    fn expire(&mut self, _: &mut Books<'_, u64>) {}
    fn shed(&mut self, _: &mut Books<'_, u64>) {}
    fn close(&mut self, _: Parting, _: &mut Books<'_, u64>) {}
    fn bytes(&self) -> usize {
        0
    }
}

pub(crate) fn main() {
    let response = response();
    let bench = against_httparse(&response);
    for conns in [1u64, 1_000, 10_000] {
        let name = format!("two records built and put in order, {conns} conns");
        bench.step(&name, || through_a_table(conns, &response));
    }
}

/// Two records a conn, over so many conns in turn.
fn through_a_table(conns: u64, response: &[u8]) -> Cost {
    let mut table = Table::<Sink>::new(Options::default());
    let (mut context, mut counters, mut words) = (0, Counters::default(), Vec::new());
    let mut push = |table: &mut Table<Sink>, record: &[u8]| {
        let mut env = Env {
            context: &mut context,
            counters: &mut counters,
            words: &mut words,
        };
        if let Ok(record) = decode(record) {
            table.push(record, &mut env);
        }
    };
    let mut builders: Vec<_> = (0..conns)
        .map(|at| ConnBuilder::unix(4096 + at * 1088, 1))
        .collect();
    for builder in &mut builders {
        push(&mut table, &builder.open());
    }
    let rounds = 10_000 / conns;
    cost(rounds * conns, || {
        let mut built = Vec::new();
        for _ in 0..rounds {
            for builder in &mut builders {
                built.push(builder.data(Flow::Received, REQUEST));
                built.push(builder.data(Flow::Sent, response));
            }
        }
        let start = std::time::Instant::now();
        for record in &built {
            push(&mut table, record);
        }
        black_box(start.elapsed())
    })
}
