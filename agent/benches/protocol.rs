//! One small exchange through the two parsers of a conn, against httparse and a copy.

use std::hint::black_box;

use crate::exchange::{REQUEST, against_httparse, response};
use crate::measure::cost;
use eaves::protocol::http1::{Asked, Limits, Parser, Side, Step};
use eaves::telemetry::Counters;

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

pub(crate) fn main() {
    let response = response();
    let bench = against_httparse(&response);
    let mut parsers = [Parser::new(Side::Request), Parser::new(Side::Response)];
    let mut counters = Counters::default();
    let both = || {
        let [requests, responses] = &mut parsers;
        (0..1000)
            .map(|_| {
                run(requests, REQUEST, &mut counters) + run(responses, &response, &mut counters)
            })
            .sum::<usize>()
    };
    bench.step("both messages parsed", || cost(1000, both));
    let large = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n".to_vec(),
        vec![b'x'; 1 << 20],
    ]
    .concat();
    let mut counters = Counters::default();
    let mut responses = Parser::new(Side::Response);
    let pass = || {
        (0..16)
            .map(|_| run(&mut responses, &large, &mut counters))
            .sum::<usize>()
    };
    bench.step("a body of 1 MiB passed over", || cost(16, pass));
}
