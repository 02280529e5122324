//! A direction's bytes: the same is found whole and cut, memory is bounded, every byte is counted.
#![no_main]

use eaves::protocol::http1::{Asked, Limits, Message, Parser, Side, Step};
use eaves::telemetry::Counters;
use eaves_fuzz::parsed;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    head_bytes: 512,
    fields: 8,
};

/// What was found, bodies joined.
#[derive(Debug, PartialEq)]
enum Found {
    Head(Message),
    Body(Vec<u8>),
    Other(String),
}

fn run(side: Side, asked: Asked, pieces: &[&[u8]]) -> Vec<Found> {
    let mut parser = Parser::new(side);
    let mut counters = Counters::default();
    let mut found = Vec::new();
    let mut fed = 0;
    for piece in pieces {
        let mut input = *piece;
        fed += piece.len() as u64;
        loop {
            let first = fed == piece.len() as u64 && input.len() == piece.len();
            match parser.step(&mut input, first, asked, &LIMITS, &mut counters) {
                Step::More => break,
                Step::Head(message) => found.push(Found::Head(message)),
                Step::Body(bytes) => match found.last_mut() {
                    Some(Found::Body(body)) => body.extend(bytes),
                    _ => found.push(Found::Body(bytes.to_vec())),
                },
                other => found.push(Found::Other(format!("{other:?}"))),
            }
        }
        assert!(input.is_empty());
        assert!(parser.bytes() < 3 * LIMITS.head_bytes + 8192);
    }
    assert_eq!(parsed(&counters), fed);
    let ending = parser.end(true);
    found.push(Found::Other(format!("{ending:?}")));
    found
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[how, cut], bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let side = if how & 1 == 0 {
        Side::Request
    } else {
        Side::Response
    };
    let asked = [Asked::Other, Asked::Head, Asked::Connect][usize::from(how >> 1) % 3];
    let whole = run(side, asked, &[bytes]);
    let (front, back) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(whole, run(side, asked, &[front, back]));
    if how & 128 != 0 {
        let bytes: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(whole, run(side, asked, &bytes));
    }
});
