//! Content codings taken off: never more than asked for, and what a cut body gives is the beginning of
//! what the whole one gives.
#![no_main]

use eaves::protocol::coding::{Ended, decode};
use libfuzzer_sys::fuzz_target;

const FIELDS: [&[u8]; 8] = [
    b"gzip",
    b"deflate",
    b"br",
    b"zstd",
    b"gzip, br",
    b"deflate, gzip",
    b"zstd, zstd, zstd",
    b"gzip, deflate, br, zstd",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&[how, cut], body)) = bytes.split_first_chunk() else {
        return;
    };
    let field = FIELDS[usize::from(how) % FIELDS.len()];
    let most = 1 << (how >> 4);
    let Some(whole) = decode(field, body, most) else {
        unreachable!("all of them are known");
    };
    assert!(whole.content.len() <= most);
    let front = body.get(..body.len().saturating_sub(usize::from(cut)));
    let part = decode(field, front.unwrap_or_default(), most);
    let part = part.expect("all of them are known");
    if whole.ended == Ended::Whole && !field.contains(&b',') {
        assert!(whole.content.starts_with(&part.content));
    }
});
