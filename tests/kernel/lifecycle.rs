//! Conns that were there before, ends that nobody announces, and the agent's own start and stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use anyhow::{Context, Result, bail, ensure};
use eaves_tests::agent::{Agent, Mode, Output, command};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::{Exchange, parse};
use eaves_tests::load::plan;
use eaves_tests::peer::{Client, Manner, Nginx, nginx};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use eaves_tests::wire::{connect, join, read_response, read_until, serve};
use libtest_mimic::Trial;
use rustix::process::Signal;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("lifecycle::kept_connections_are_joined", kept_connections),
        under_both_taps(
            "lifecycle::a_request_is_joined_in_its_middle",
            request_joined,
        ),
        under_both_taps(
            "lifecycle::a_response_is_joined_in_its_middle",
            response_joined,
        ),
        under_both_taps(
            "lifecycle::a_killed_client_leaves_its_exchange",
            killed_client,
        ),
        under_both_taps(
            "lifecycle::a_killed_server_leaves_its_exchange",
            killed_server,
        ),
        under_both_taps("lifecycle::a_stop_delivers_what_was_heard", stop_under_load),
        under_both_taps("lifecycle::files_are_opened_anew", reopen),
        under_both_taps("lifecycle::a_closed_output_ends_it", closed_output),
        under_both_taps("lifecycle::a_recording_gives_the_same_exchanges", recording),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Sends a GET and reads its answer, which has a length.
pub(crate) fn get(stream: &mut TcpStream, target: &str) -> Result<Vec<u8>> {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    read_response(stream).with_context(|| format!("answer to {target}"))
}

/// The exchanges with a server on `port`.
pub(crate) fn at(reported: &[Exchange], port: u16) -> Vec<Exchange> {
    let there = |exchange: &&Exchange| exchange.server_port == Some(port);
    reported.iter().filter(there).cloned().collect()
}

fn kept_connections(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let mut streams = (0..40).map(|_| connect(port)).collect::<Result<Vec<_>>>()?;
    for (number, stream) in streams.iter_mut().enumerate() {
        // Half of them have been used, half are merely open.
        if number % 2 == 0 {
            get(stream, &format!("/size/600?id=before-{number}"))?;
        }
    }
    let before = server.logged(streams.len() / 2)?.len();
    let mut agent = Agent::watch(sandbox, mode, &[])?;
    for round in 0..5 {
        for (number, stream) in streams.iter_mut().enumerate() {
            get(stream, &format!("/size/4000?id=after-{number}-{round}"))?;
        }
    }
    let log = server.logged(before + 200)?.split_off(before);
    agent.settle(|reported| at(reported, port).len() >= log.len())?;
    let report = agent.stop()?;
    compare(&at(&report.exchanges, port), &log, Expect::Whole)?;
    report.balanced()
}

/// The half that was sent before is not seen: that exchange is not whole, the next one is.
fn request_joined(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let mut stream = connect(port)?;
    // nginx must have read the first half before the agent comes: it does when asked once more.
    stream.write_all(b"GET /size/13?id=first HTTP/1.1\r\nHost: localh")?;
    get(&mut connect(port)?, "/size/1?id=before")?;
    let mut agent = Agent::watch(sandbox, mode, &[])?;
    stream.write_all(b"ost\r\n\r\n")?;
    read_response(&mut stream)?;
    for number in 0..3 {
        get(&mut stream, &format!("/size/600?id=next-{number}"))?;
    }
    let next = server.logged(5)?.split_off(2);
    agent.settle(|reported| at(reported, port).len() >= 3)?;
    let report = agent.stop()?;
    let (cut, whole): (Vec<_>, Vec<_>) = at(&report.exchanges, port)
        .into_iter()
        .partition(|exchange| !exchange.is_whole());
    compare(&whole, &next, Expect::Whole)?;
    for exchange in &cut {
        ensure!(
            exchange.request_seen == "joined_late" || exchange.request_seen == "none",
            "{}",
            exchange.line()
        );
    }
    ensure!(cut.len() <= 1, "{} exchanges out of one half", cut.len());
    report.balanced()
}

fn response_joined(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (go_on, told) = channel();
    let (port, server) = serve(1, move |mut stream| {
        read_until(&mut stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n0123456789")?;
        told.recv()?;
        stream.write_all(&[b'x'; 50])?;
        for _ in 0..3 {
            read_until(&mut stream, b"\r\n\r\n")?;
            stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhallo")?;
        }
        Ok(())
    })?;
    let mut stream = connect(port)?;
    stream.write_all(b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    read_until(&mut stream, b"0123456789")?;
    let mut agent = Agent::watch(sandbox, mode, &[])?;
    go_on.send(())?;
    stream.read_exact(&mut [0; 50])?;
    for number in 0..3 {
        get(&mut stream, &format!("/next/{number}"))?;
    }
    join(server)?;
    agent.settle(|reported| at(reported, port).len() >= 3)?;
    let report = agent.stop()?;
    let (cut, whole): (Vec<_>, Vec<_>) = at(&report.exchanges, port)
        .into_iter()
        .partition(|exchange| !exchange.is_whole());
    ensure!(cut.len() <= 1, "{} exchanges out of one half", cut.len());
    let next = (0..3).map(|number| entry(&format!("/next/{number}"), 201, 5, &stream));
    compare(&whole, &next.collect::<Result<Vec<_>>>()?, Expect::Whole)?;
    report.balanced()
}

/// What a server would have logged of an answer on `stream`.
pub(crate) fn entry(
    target: &str,
    status: u16,
    body_bytes: u64,
    stream: &TcpStream,
) -> Result<Entry> {
    Ok(Entry {
        method: "GET".to_owned(),
        target: target.to_owned(),
        status: Some(status),
        body_bytes,
        client_port: Some(stream.local_addr()?.port()),
    })
}

/// A client that reads the beginning of an answer, says so, and waits to be killed.
const READER: &str = "
import socket, sys, time
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.sendall(b'GET /endless HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
s.recv(100)
open(sys.argv[2], 'w').close()
time.sleep(1000)
";

fn killed_client(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (port, server) = serve(1, |mut stream| {
        read_until(&mut stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")?;
        // Until the other end is gone.
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
        Ok(())
    })?;
    let mut agent = Agent::watch(sandbox, mode, &[])?;
    let script = sandbox.write("reader.py", READER)?;
    let sign = sandbox.file("has-read");
    let mut python = Command::new(program("python3", "python3")?);
    python.arg(script).arg(port.to_string()).arg(&sign);
    let mut client = Process::start(sandbox, "reader", python)?;
    wait::until_true("a client that reads", || {
        client.must_live()?;
        Ok(sign.exists())
    })?;
    client.signal(Signal::KILL)?;
    client.wait()?;
    join(server)?;
    one_unfinished(&mut agent, port)?;
    agent.stop()?.balanced()
}

/// A server that answers a part, and waits to be killed.
const WRITER: &str = "
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen()
open(sys.argv[2], 'w').close()
c, _ = s.accept()
c.recv(1000)
c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 900000000\\r\\n\\r\\n' + b'x' * 500)
time.sleep(1000)
";

fn killed_server(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let port = eaves_tests::sandbox::port()?;
    let script = sandbox.write("writer.py", WRITER)?;
    let sign = sandbox.file("listens");
    let mut python = Command::new(program("python3", "python3")?);
    python.arg(script).arg(port.to_string()).arg(&sign);
    let mut server = Process::start(sandbox, "writer", python)?;
    wait::until_true("a server that listens", || {
        server.must_live()?;
        Ok(sign.exists())
    })?;
    let mut agent = Agent::watch(sandbox, mode, &[])?;
    let mut stream = connect(port)?;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    read_until(&mut stream, b"xxxxxxxxxx")?;
    server.signal(Signal::KILL)?;
    server.wait()?;
    one_unfinished(&mut agent, port)?;
    agent.stop()?.balanced()
}

/// Exactly one exchange comes, while the agent goes on: asked whole, answered in part.
fn one_unfinished(agent: &mut Agent, port: u16) -> Result<()> {
    agent.settle(|reported| at(reported, port).iter().any(|exchange| !exchange.partial))?;
    let mut reported = at(agent.reported()?, port);
    reported.retain(|exchange| !exchange.partial);
    let [exchange] = reported.as_slice() else {
        bail!("{} exchanges", reported.len());
    };
    ensure!(
        exchange.target == "/endless"
            && exchange.status == Some(200)
            && exchange.request_seen == "whole"
            && exchange.response_seen == "unfinished",
        "{}",
        exchange.line()
    );
    Ok(())
}

/// Whatever was answered before the signal is delivered before the end.
fn stop_under_load(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let agent = Agent::watch(sandbox, mode, &[])?;
    let mut stream = connect(port)?;
    for number in 0..1000 {
        get(&mut stream, &format!("/size/180?id=load-{number}"))?;
    }
    // nginx writes its log after its answer, so everything it did is behind it.
    let log = server.logged(1000)?;
    let report = agent.stop()?;
    compare(&at(&report.exchanges, port), &log, Expect::Whole)?;
    let names: Vec<_> = report
        .notices
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    ensure!(names.first() == Some(&"start"), "notices {names:?}");
    ensure!(names.last() == Some(&"stop"), "notices {names:?}");
    report.balanced()
}

fn reopen(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let events = sandbox.file("events.jsonl");
    let moved = sandbox.file("events.jsonl.moved");
    let mut agent = Agent::run(sandbox, &to_file(mode, "", "", &events), &events)?;
    let mut stream = connect(port)?;
    for number in 0..50 {
        get(&mut stream, &format!("/size/13?id=old-{number}"))?;
    }
    agent.settle(|reported| at(reported, port).len() >= 50)?;
    std::fs::rename(&events, &moved)?;
    agent.process().signal(Signal::USR1)?;
    wait::until_true("a new file", || Ok(events.exists()))?;
    for number in 0..50 {
        get(&mut stream, &format!("/size/13?id=new-{number}"))?;
    }
    let log = server.logged(100)?;
    agent.process().stop()?;
    let (old, new) = (Output::read_all(&moved)?, Output::read_all(&events)?);
    let (old, new) = (at(&old, port), at(&new, port));
    ensure!(
        !new.is_empty() && old.len() >= 50,
        "{} and {}",
        old.len(),
        new.len()
    );
    compare(&[old, new].concat(), &log, Expect::Whole)
}

/// A configuration with one file sink; `capture` and `more` are lines of YAML.
pub(crate) fn to_file(mode: Mode, capture: &str, more: &str, events: &std::path::Path) -> String {
    format!(
        "capture:\n  mode: {}\n{capture}\n{more}\nsinks:\n  events:\n    file:\n      path: {}\n",
        mode.name(),
        events.display()
    )
}

/// As `eaves watch --json | head -n 1` does.
fn closed_output(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let mut watch = command(["watch", "--json", "--mode", mode.name()])?;
    watch.stdout(Stdio::piped());
    let mut process = Process::start_with_output(sandbox, "agent", watch)?;
    let stdout = process.child().stdout.take().context("no pipe")?;
    let mut agent = Agent::hearing(process, sandbox.file("nothing"))?;
    let mut first = String::new();
    BufReader::new(stdout).read_line(&mut first)?;
    parse(first.trim_end())?;
    let mut stream = connect(port)?;
    let mut number = 0;
    let status = wait::until("the agent's end", || {
        number += 1;
        get(&mut stream, &format!("/size/13?id={number}"))?;
        Ok(agent.process().child().try_wait()?)
    })?;
    ensure!(status.code().is_some(), "it ended by {status}");
    let said = agent.process().stderr();
    ensure!(!said.contains("panicked"), "{said}");
    Ok(())
}

/// What was recorded is replayed as it was heard, each time with the same ids.
fn recording(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let file = sandbox.file("recording.cap");
    let name = file.to_str().context("path is not UTF-8")?;
    let mut watch = Agent::watch(sandbox, mode, &[])?;
    let record = command(["record", "--mode", mode.name(), name])?;
    let record = Process::start(sandbox, "recorder", record)?;
    let mut record = Agent::hearing(record, sandbox.file("nothing"))?;
    let client = Client::Python;
    let manner = Manner {
        connections: 4,
        keep: true,
    };
    let wants = plan("recorded", 400, server.features());
    client.run(sandbox, "client", server.place(), &wants, manner)?;
    let log = server.logged(wants.len())?;
    watch.settle(|reported| at(reported, port).len() >= log.len())?;
    record.process().stop()?;
    let report = watch.stop()?;
    let watched = at(&report.exchanges, port);
    compare(&watched, &log, Expect::Whole)?;
    let once = replay(sandbox, "once", &["replay", "--json", name])?;
    let again = replay(sandbox, "again", &["replay", "--json", name])?;
    ensure!(once == again, "two replays differ");
    let replayed = at(&once, port);
    compare(&replayed, &log, Expect::Whole)?;
    for one in &replayed {
        let same = watched.iter().find(|other| other.target == one.target);
        let same = same.with_context(|| format!("not watched: {}", one.line()))?;
        ensure!(said(one) == said(same), "{} and {}", one.value, same.value);
    }
    Ok(())
}

fn replay(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Result<Vec<Exchange>> {
    let mut process = Process::start(sandbox, name, command(arguments.iter().copied())?)?;
    process.finish()?;
    Output::read_all(&sandbox.file(&format!("{name}.out")))
}

/// What an event says but for what differs between two agents that hear the same: ids, which hold
/// the run, times of records, which each takes for itself, and dates reckoned from its own boot.
fn said(exchange: &Exchange) -> serde_json::Value {
    let mut value = serde_json::Value::clone(&exchange.value);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| {
            !matches!(name.as_str(), "id" | "time" | "findings") && !name.ends_with("_ns")
        });
        if let Some(network) = fields.get_mut("network").and_then(|it| it.as_object_mut()) {
            network.remove("connection");
        }
        if let Some(process) = fields.get_mut("process").and_then(|it| it.as_object_mut()) {
            // The rest is asked of this host, and a replay asks nothing.
            process.retain(|name, _| matches!(name.as_str(), "pid" | "name"));
        }
    }
    value
}
