//! A capture file, truncated or altered: read to its end or refused, and its records pass the
//! pipeline with a ledger that balances.
#![no_main]

use eaves::capture::Reader;
use eaves::clock::Ktime;
use eaves::pipeline::{Outcome, Shard, ShardOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(bytes) else {
        return;
    };
    let mut shard = Shard::new(&ShardOptions::default());
    let mut out = Outcome::default();
    while let Ok(Some(record)) = reader.next_record() {
        shard.push(record, &mut out);
    }
    shard.finish(Ktime(u64::MAX), &mut out);
    assert_eq!(shard.counters().check(), []);
    assert_eq!(shard.bytes_held(), 0);
});
