use std::cell::Cell;

use eaves_common::{Flow, Role};

use super::{Options, Table};
use crate::capture::{ConnBuilder, ConnOpen, decode};
use crate::clock::Ktime;
use crate::stream::{Books, Chunk, Consumer, Direction, Env, Parting, Piece};
use crate::telemetry::Counters;

thread_local! {
    /// How often a consumer was asked for its deadline.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

const PATIENCE_NS: u64 = 5_000_000;

/// Wants to be woken a while after bytes came, and notes when it was.
struct Sleeper {
    open: ConnOpen,
    deadline: Option<Ktime>,
}

impl Consumer for Sleeper {
    /// Deadlines, and when they were served.
    type Context = Vec<(Ktime, Ktime)>;

    fn open(open: ConnOpen, _: Role) -> Self {
        Self {
            open,
            deadline: None,
        }
    }
    fn reopen(&mut self, open: ConnOpen) {
        self.open = open;
    }
    fn info(&self) -> ConnOpen {
        self.open.clone()
    }
    fn chunk(&mut self, chunk: Chunk<'_>, _: &mut Books<'_, Self::Context>) {
        if matches!(chunk.piece, Piece::Bytes(_)) {
            self.deadline = Some(chunk.time.plus(PATIENCE_NS));
        }
    }
    fn unneeded(&self, _: Direction, _: &Self::Context) -> u64 {
        0
    }
    fn is_over(&self) -> bool {
        false
    }
    fn is_certain(&self) -> bool {
        true
    }
    fn is_busy(&self) -> bool {
        self.deadline.is_some()
    }
    fn deadline(&self) -> Option<Ktime> {
        ASKED.set(ASKED.get() + 1);
        self.deadline
    }
    fn wake(&mut self, books: &mut Books<'_, Self::Context>) {
        let due = self.deadline.take().expect("woken without a deadline");
        books.context.push((due, books.now));
    }
    fn expire(&mut self, _: &mut Books<'_, Self::Context>) {}
    fn shed(&mut self, _: &mut Books<'_, Self::Context>) {}
    fn close(&mut self, _: Parting, _: &mut Books<'_, Self::Context>) {}
    fn bytes(&self) -> usize {
        0
    }
}

/// One record each of so many conns, 10 µs apart; twice over if `again`, so that the first deadline of
/// each is put off. Every deadline that stands must be served once, at the next record or tick, and
/// a record must cost no more where more conns wait.
#[track_caller]
fn check(conns: u64, again: bool) {
    let mut table = Table::<Sleeper>::new(Options::default());
    let (mut served, mut counters, mut words) = (Vec::new(), Counters::default(), Vec::new());
    ASKED.set(0);
    let mut now = Ktime(0);
    let mut env = Env {
        context: &mut served,
        counters: &mut counters,
        words: &mut words,
    };
    let mut pushed = 0;
    let get = b"GET / HTTP/1.1\r\n\r\n";
    for at in 0..conns {
        let mut conn = ConnBuilder::unix(4096 + at * 1088, 1);
        conn.time_ns = now.0;
        let mut records = vec![conn.open(), conn.data(Flow::Sent, get)];
        if again {
            conn.time_ns = now.0 + 1_000_000;
            records.push(conn.data(Flow::Sent, get));
        }
        for record in records {
            table.push(decode(&record).unwrap(), &mut env);
            pushed += 1;
        }
        now = now.plus(10_000);
    }
    for _ in 0..1_000 {
        now = now.plus(10_000);
        table.tick(now, &mut env);
    }
    assert_eq!(served.len(), usize::try_from(conns).unwrap());
    assert!(served.iter().all(|(due, at)| due <= at));
    assert!(served.is_sorted_by_key(|(due, _)| *due));
    let asked = ASKED.get();
    assert!(asked <= 4 * pushed, "{asked} times for {pushed} records");
}

#[test]
fn many_conns_that_wait_cost_no_more_than_few() {
    check(1, false);
    check(5_000, false);
}

#[test]
fn a_deadline_that_was_put_off_is_served_when_it_stands() {
    check(1, true);
    check(2_000, true);
}
