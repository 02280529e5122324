//! Large calls: one gives as many records as it takes, and no more than are needed.

use std::io::{IoSlice, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::load::body;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use eaves_tests::wire::{connect, join, read_response, read_until, serve};
use libtest_mimic::Trial;

use crate::lifecycle::{at, to_file};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("records::a_megabyte_in_one_call_is_kept_whole", kept_whole),
        under_both_taps(
            "records::a_long_body_in_one_call_is_copied_as_far_as_it_is_kept",
            copied_as_far_as_kept,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const MEBIBYTE: usize = 1 << 20;

/// Most buffers of one call (`UIO_MAXIOV`, include/uapi/linux/uio.h).
const BUFFERS: usize = 1024;

/// Sends all of `bytes` by one call, in so many buffers.
fn send(stream: &mut TcpStream, bytes: &[u8], buffers: usize) -> Result<()> {
    let parts: Vec<_> = bytes
        .chunks(bytes.len().div_ceil(buffers))
        .map(IoSlice::new)
        .collect();
    let sent = stream.write_vectored(&parts)?;
    ensure!(sent == bytes.len(), "one call sent {sent} bytes only");
    Ok(())
}

fn head(first: &str, bytes: usize) -> Vec<u8> {
    format!("{first}\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n").into_bytes()
}

/// A request and a response of a mebibyte, each by one call in this many buffers, and all of both kept.
fn kept_whole(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const WAYS: [usize; 3] = [1, 16, BUFFERS];
    let mut ways = WAYS.into_iter();
    let (port, thread) = serve(WAYS.len(), move |mut stream| {
        let buffers = ways.next().unwrap_or(1);
        let asked = read_response(&mut stream)?;
        ensure!(asked.ends_with(&body(MEBIBYTE)), "another request");
        let answer = [head("HTTP/1.1 200 OK", MEBIBYTE), body(MEBIBYTE)].concat();
        send(&mut stream, &answer, buffers)
    })?;
    let events = sandbox.file("events.jsonl");
    let capture = "  roles: [server, client]\n  body: { request: 1MiB, response: 1MiB }";
    let limits = "limits:\n  connection: 8MiB";
    let yaml = to_file(mode, capture, limits, &events);
    let mut agent = Agent::run(sandbox, &yaml, &events)?;
    for buffers in WAYS {
        let mut stream = connect(port)?;
        let ask = head(&format!("POST /{buffers} HTTP/1.1"), MEBIBYTE);
        send(&mut stream, &[ask, body(MEBIBYTE)].concat(), buffers)?;
        let answer = read_response(&mut stream)?;
        ensure!(answer.ends_with(&body(MEBIBYTE)), "another response");
    }
    join(thread)?;
    agent.settle(|reported| at(reported, port).len() >= 2 * WAYS.len())?;
    let report = agent.stop()?;
    let reported = at(&report.exchanges, port);
    ensure!(reported.len() == 2 * WAYS.len(), "{} told", reported.len());
    let whole = body(MEBIBYTE);
    for exchange in &reported {
        ensure!(exchange.is_whole(), "{}", exchange.line());
        for side in ["request", "response"] {
            let kept = exchange.body(side).unwrap_or_default().as_bytes();
            ensure!(kept == whole, "another {side}: {}", exchange.line());
        }
    }
    ensure!(report.ledger()?.get("stream", "bytes_copy_limit")? == 0);
    report.balanced()
}

/// Downloads of many mebibytes in one call, whose lengths are said in front of them: no more is copied
/// than as if only the first 64 KiB of a call were, and what comes behind them is heard.
fn copied_as_far_as_kept(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const DOWNLOAD: usize = 10 * MEBIBYTE;
    const NEAR: u64 = 64 << 10;
    /// What heads and a last small exchange may take.
    const BESIDE: u64 = 4 << 10;
    let mut number = 0;
    let (port, thread) = serve(4, move |mut stream| {
        read_until(&mut stream, b"\r\n\r\n")?;
        let body = body(DOWNLOAD);
        let head = head("HTTP/1.1 200 OK", DOWNLOAD);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let line = format!("{DOWNLOAD:x}\r\n").into_bytes();
        number += 1;
        match number {
            1 => send(&mut stream, &[head, body].concat(), 1)?,
            2 => send(&mut stream, &[head, body].concat(), 100)?,
            3 => {
                send(&mut stream, &head, 1)?;
                send(&mut stream, &body, 1)?;
            }
            _ => {
                let end = b"\r\n0\r\n\r\n".to_vec();
                send(&mut stream, &[chunked, line, body, end].concat(), 1)?;
            }
        }
        read_until(&mut stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        Ok(())
    })?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    for number in 1..=4 {
        let mut stream = connect(port)?;
        write!(stream, "GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let last = body(DOWNLOAD).split_off(DOWNLOAD - 100);
        let end: &[u8] = if number == 4 { b"\r\n0\r\n\r\n" } else { &last };
        read_until_last(&mut stream, end)?;
        write!(stream, "GET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        read_until(&mut stream, b"\r\n\r\n")?;
    }
    join(thread)?;
    agent.settle(|reported| at(reported, port).len() >= 8)?;
    let report = agent.stop()?;
    let reported = at(&report.exchanges, port);
    let behind = |one: &&Exchange| one.target == "/behind" && one.is_whole();
    ensure!(
        reported.iter().filter(behind).count() == 4,
        "what is behind"
    );
    for exchange in reported.iter().filter(|one| one.target != "/behind") {
        let is_right = exchange.response_seen == "truncated"
            && exchange.response_bytes == Some(DOWNLOAD as u64)
            && exchange.missing_bytes == 0;
        ensure!(is_right, "{}", exchange.line());
    }
    let copied = report.ledger()?.get("kernel", "bytes_copied")?;
    ensure!(copied <= 4 * NEAR + BESIDE, "{copied} bytes were copied");
    report.balanced()
}

/// Reads until what came last is `end`.
fn read_until_last(stream: &mut TcpStream, end: &[u8]) -> Result<()> {
    use std::io::Read as _;
    let mut last = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while !last.ends_with(end) {
        let read = stream.read(&mut piece)?;
        ensure!(read > 0, "closed before its end");
        last.extend_from_slice(piece.get(..read).unwrap_or_default());
        let old = last.len().saturating_sub(2 * end.len());
        last.drain(..old);
    }
    Ok(())
}
