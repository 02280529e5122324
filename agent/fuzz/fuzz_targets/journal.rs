//! A segment file that may be anything: read in either order, recovered, proved; nothing panics, and
//! what is read is within bounds.
#![no_main]

use std::sync::Arc;

use eaves::clock::Moment;
use eaves::journal::{Cursor, Journal, KeyPlace, Options, Order, Reader, RealDisk, Trust, verify};
use libfuzzer_sys::fuzz_target;

/// Damages after which a reader must have come to the end: each goes on behind a byte at least.
const DAMAGES: usize = 1 << 16;

fuzz_target!(|segment: &[u8]| {
    let root = std::env::temp_dir().join(format!("eaves-fuzz-journal-{}", std::process::id()));
    let dir = root.join("journal");
    std::fs::create_dir_all(&dir).expect("a folder");
    std::fs::write(dir.join("000000000001.jsonl.zst"), segment).expect("a file");
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let from = match order {
            Order::OldestFirst => Cursor::default(),
            Order::NewestFirst => Cursor::END,
        };
        let mut reader = Reader::open(&dir, from, order).expect("a folder");
        let mut damages = 0;
        loop {
            match reader.next(|_| true) {
                Ok(Some(frame)) => assert!(frame.records().count() <= frame.lines.len()),
                Ok(None) => break,
                Err(_) => damages += 1,
            }
            assert!(damages < DAMAGES, "a reader comes to the end");
        }
    }
    let before = verify(&dir, &Trust::default(), |_, _| ()).expect("a folder");
    let key = KeyPlace {
        credential: None,
        file: root.join("journal.key"),
    };
    let mut options = Options::new(dir.clone(), key);
    options.threaded = false;
    options.min_free = 0;
    let mut journal = Journal::open(options, Arc::new(RealDisk), Moment::now()).expect("a journal");
    journal.close(Moment::now());
    drop(journal);
    let after = verify(&dir, &Trust::default(), |_, _| ()).expect("a folder");
    assert!(after.records <= before.records || before.found.is_some());
    std::fs::remove_dir_all(&root).expect("the folder");
});
