//! One small exchange through the two parsers of a conn, against httparse and a copy.

mod measure;

use std::hint::black_box;

use eaves::protocol::http1::{Asked, Limits, Parser, Side, Step};
use eaves::telemetry::Counters;
use measure::{REQUEST, baseline, cost, response, tell};

fn run(parser: &mut Parser, bytes: &[u8], counters: &mut Counters) -> usize {
    let limits = Limits::default();
    let mut input = bytes;
    let mut body = 0;
    loop {
        let first = input.len() == bytes.len();
        match parser.step(&mut input, first, Asked::Other, &limits, counters) {
            Step::More => return body,
            Step::Body(bytes) => body += bytes.len(),
            step => drop(black_box(step)),
        }
    }
}

fn main() {
    let response = response();
    let base = baseline(&response);
    tell("httparse and a copy", base, base);
    let mut parsers = [Parser::new(Side::Request), Parser::new(Side::Response)];
    let mut counters = Counters::default();
    let parsed = cost(1000, || {
        let [requests, responses] = &mut parsers;
        (0..1000)
            .map(|_| {
                run(requests, REQUEST, &mut counters) + run(responses, &response, &mut counters)
            })
            .sum::<usize>()
    });
    tell("both messages parsed", parsed, base);
    let large = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n".to_vec(),
        vec![b'x'; 1 << 20],
    ]
    .concat();
    let mut counters = Counters::default();
    let mut responses = Parser::new(Side::Response);
    let passed = cost(16, || {
        (0..16)
            .map(|_| run(&mut responses, &large, &mut counters))
            .sum::<usize>()
    });
    tell("a body of 1 MiB passed over", passed, base);
}
