//! Record bytes to exchanges: a GET with ten fields and 350 bytes of JSON back, keep-alive.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::exchange::{REQUEST, against_httparse, response};
use crate::measure::{Cost, allocations};
use eaves::capture::ConnBuilder;
use eaves::pipeline::{Outcome, Shard, ShardOptions};
use eaves_common::Flow;

/// Exchanges of one pass.
const EXCHANGES: u64 = 20_000;

pub(crate) fn main() {
    let response = response();
    let bench = against_httparse(&response);
    for conns in [1u64, 1_000, 10_000] {
        bench.step(&format!("records to an exchange, {conns} conns"), || {
            through_a_shard(conns, &response)
        });
    }
}

/// Small exchanges over so many conns in turn, by one shard.
fn through_a_shard(conns: u64, response: &[u8]) -> Cost {
    let mut shard = Shard::new(&ShardOptions::default());
    let mut out = Outcome::default();
    let mut builders: Vec<_> = (0..conns)
        .map(|at| ConnBuilder::unix(4096 + at * 1088, 1))
        .collect();
    for builder in &mut builders {
        shard.push(&builder.open(), &mut out);
    }
    let mut cost = Cost {
        ns: f64::INFINITY,
        allocations: 0.0,
    };
    let begun = Instant::now();
    let mut exchanges = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        let mut records = Vec::new();
        for _ in 0..EXCHANGES / conns {
            for builder in &mut builders {
                records.push(builder.data(Flow::Received, REQUEST));
                records.push(builder.data(Flow::Sent, response));
            }
        }
        let before = allocations();
        let start = Instant::now();
        for record in &records {
            shard.push(record, &mut out);
            exchanges += out.exchanges.len() as u64;
            out.exchanges.clear();
        }
        let ns = start.elapsed().as_nanos() as f64 / EXCHANGES as f64;
        cost.ns = cost.ns.min(ns);
        cost.allocations = (allocations() - before) as f64 / EXCHANGES as f64;
    }
    assert_eq!(exchanges % EXCHANGES, 0, "exchanges are missing");
    assert_eq!(shard.counters().check(), []);
    black_box(shard.bytes_held());
    cost
}
