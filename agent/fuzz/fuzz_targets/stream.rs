//! Records of a few conns at positions that may be anything: bounds hold, the ledger balances.
#![no_main]

use eaves::capture::ConnBuilder;
use eaves::clock::Ktime;
use eaves::pipeline::{Outcome, Shard, ShardOptions};
use eaves_common::{EndReason, Flow, Missing};
use libfuzzer_sys::fuzz_target;

/// Most bytes all conns may hold here.
const BYTES: usize = 256 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let mut options = ShardOptions::default();
    options.stream.conns = 3;
    options.stream.conn_bytes = 64 * 1024;
    options.stream.bytes = BYTES;
    options.exchange.limits.head_bytes = 2048;
    let mut shard = Shard::new(&options);
    let mut out = Outcome::default();
    let mut conns: Vec<_> = (1..5).map(|sock| ConnBuilder::tcp(sock)).collect();
    conns.push(ConnBuilder::unix(9, 8));
    let mut rest = bytes;
    while let Some((&[what, how, len, by], after)) = rest.split_first_chunk() {
        let payload = &after[..usize::from(len).min(after.len())];
        rest = &after[payload.len()..];
        let at = usize::from(what >> 4) % conns.len();
        let conn = &mut conns[at];
        let flow = if how & 1 == 0 {
            Flow::Received
        } else {
            Flow::Sent
        };
        conn.after_loss = how & 2 != 0;
        conn.tid = 100 + u32::from(how >> 2 & 1);
        conn.time_ns += u64::from(by) * 1_000_000;
        let missing = Missing::from_number(u16::from(how >> 4) % 7).unwrap_or(Missing::None);
        let span = payload.len() as u64 + u64::from(by) * u64::from(how >> 4);
        let record = match what & 15 {
            0 => conn.open(),
            1 => {
                conn.end(EndReason::from_number(1 + u16::from(by) % 5).unwrap_or(EndReason::Reset))
            }
            2 => {
                let end = conn
                    .position(flow)
                    .wrapping_add(u64::from(by))
                    .wrapping_sub(128);
                conn.at(flow, end, payload, span, missing)
            }
            3 => {
                conn.pass(flow, u64::from(by) << (how >> 3));
                continue;
            }
            4 => {
                shard.tick(Ktime(conn.time_ns + (u64::from(by) << 30)), &mut out);
                continue;
            }
            5 => conn.part(flow, payload, span, missing),
            6 => {
                let end = u64::from(by) << (how >> 2);
                conn.at(flow, end, payload, span, missing)
            }
            7 => conn.hello(flow, u32::from(by), payload),
            _ => conn.data(flow, payload),
        };
        shard.push(&record, &mut out);
        // One record is taken in before anything is given up for it.
        assert!(
            shard.bytes_held() <= BYTES as u64 + 8192,
            "{}",
            shard.bytes_held()
        );
        assert!(shard.conns() <= 3);
        out.exchanges.clear();
        out.words.clear();
    }
    shard.finish(Ktime(u64::MAX), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!((shard.conns(), shard.bytes_held()), (0, 0));
});
