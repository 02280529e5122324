//! A direction's bytes of HTTP/2, HPACK among them: the same is found whole and cut, memory is
//! bounded, every byte is counted, also behind a hole.
#![no_main]

use std::borrow::Cow;

use eaves::protocol::http1::Limits;
use eaves::protocol::http2::{Parser, Step};
use eaves::telemetry::Counters;
use eaves_fuzz::parsed;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    head_bytes: 2048,
    fields: 32,
};

/// The most that a parser may hold: its table, a block, and what is kept while it seeks.
const HELD_MAX_BYTES: usize = 512 * 1024;

/// What was found, bodies joined.
fn run(mut parser: Parser, pieces: &[&[u8]], gap: Option<u64>) -> Vec<String> {
    let mut counters = Counters::default();
    let mut found = Vec::new();
    let mut body: Option<(u32, Vec<u8>)> = None;
    let mut fed = 0;
    for piece in pieces {
        if let (Some(missing), true) = (gap, fed > 0) {
            let mut left = missing;
            while parser.gap(&mut left) != Step::More {}
        }
        let mut input = *piece;
        fed += piece.len() as u64;
        loop {
            let first = input.len() == piece.len();
            match parser.step(&mut input, first, &LIMITS, &mut counters) {
                Step::More => break,
                Step::Data { stream, bytes, .. } => match &mut body {
                    Some((of, kept)) if *of == stream => kept.extend(Cow::into_owned(bytes)),
                    _ => body = Some((stream, bytes.into_owned())),
                },
                other => {
                    found.extend(body.take().map(|body| format!("{body:?}")));
                    found.push(format!("{other:?}"));
                }
            }
        }
        assert!(input.is_empty());
        assert!(parser.bytes() < HELD_MAX_BYTES);
    }
    found.extend(body.map(|body| format!("{body:?}")));
    assert_eq!(parsed(&counters), fed);
    found
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[how, cut], bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let (front, back) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let whole = run(Parser::server(), &[bytes], None);
    let parts = run(Parser::server(), &[front, back], None);
    let is_lost = |found: &[String]| found.iter().any(|one| one.starts_with("Lost"));
    // What is sought begins where a transfer does, so only what is in step is the same.
    if !is_lost(&whole) && !is_lost(&parts) {
        assert_eq!(whole, parts);
    }
    run(Parser::server(), &[front, back], Some(u64::from(how)));
    run(Parser::late(), &[front, back], Some(u64::from(how)));
    run(Parser::client(0), &[bytes], None);
});
