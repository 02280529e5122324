//! What is lost, refused or bent: counted, marked, and never turned into a wrong exchange.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::disk::Tmpfs;
use eaves_tests::event::Exchange;
use eaves_tests::load::{Random, body};
use eaves_tests::peer::{Nginx, nginx, python_server};
use eaves_tests::sandbox::{Sandbox, port};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use eaves_tests::wire::{connect, drip, join, read_response, read_to_end, read_until, serve};
use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::lifecycle::{at, entry, get, to_file};
use crate::place::Cgroup;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("drops::a_full_ring_is_counted_and_marked", full_ring),
        under_both_taps("drops::ends_survive_a_full_ring", ends_in_full_ring),
        under_both_taps("drops::garbage_on_an_http_port_harms_nothing", garbage),
        under_both_taps("drops::a_head_of_a_megabyte_harms_nothing", long_head),
        under_both_taps("drops::a_chunk_of_2_to_64_harms_nothing", long_chunk),
        under_both_taps("drops::single_bytes_make_whole_messages", single_bytes),
        under_both_taps("drops::what_is_excluded_is_not_heard", excluded),
        under_both_taps("drops::bodies_are_kept_to_the_limit", body_limit),
        under_both_taps("drops::a_full_disk_is_survived", full_disk),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The agent is held while a small ring fills, by small exchanges, so that what it holds unread at
/// other times does not fill it; afterwards it must tell what is missing, and hear
/// the old connections and new ones right again.
fn full_ring(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let events = sandbox.file("events.jsonl");
    let yaml = to_file(mode, "  ring: 256KiB", "", &events);
    let mut agent = Agent::run(sandbox, &yaml, &events)?;
    let mut streams = (0..8).map(|_| connect(port)).collect::<Result<Vec<_>>>()?;
    let mut ask = |round: &str, count: usize| -> Result<()> {
        for number in 0..count {
            for (which, stream) in streams.iter_mut().enumerate() {
                get(stream, &format!("/size/180?id={round}-{which}-{number}"))?;
            }
        }
        Ok(())
    };
    ask("before", 5)?;
    agent.settle(|reported| at(reported, port).len() >= 40)?;
    agent.process().signal(Signal::STOP)?;
    ask("lost", 60)?;
    agent.process().signal(Signal::CONT)?;
    // The first exchange of each conn after the loss may bear its mark; what follows is whole.
    let mut rounds = 0..;
    wait::until_true("an agent that has caught up", || {
        ask(&format!("again{}", rounds.next().unwrap_or(0)), 1)?;
        let reported = at(agent.reported()?, port);
        Ok(reported
            .iter()
            .filter(|exchange| exchange.target.contains("again"))
            .count()
            >= 16)
    })?;
    ask("after", 5)?;
    agent.settle(|reported| {
        at(reported, port)
            .iter()
            .filter(|one| one.target.contains("after"))
            .count()
            >= 40
    })?;
    let log = server.log()?;
    let report = agent.stop()?;
    let reported = at(&report.exchanges, port);
    let lost = report.ledger()?.get("kernel", "records_lost")?;
    ensure!(lost > 0, "the ring of 256 KiB did not fill");
    never_wrong(&reported, &log)?;
    for round in ["id=before", "id=after"] {
        let of_round = |target: &str| target.contains(round);
        let log: Vec<_> = log
            .iter()
            .filter(|one| of_round(&one.target))
            .cloned()
            .collect();
        let reported: Vec<_> = reported
            .iter()
            .filter(|one| of_round(&one.target))
            .cloned()
            .collect();
        compare(&reported, &log, Expect::Whole)?;
    }
    // Where none was lost in part, no exchange bears a mark: the streams tell of it in any case.
    let missing = report.ledger()?.get("stream", "gap_bytes_ring_full")?;
    ensure!(
        missing > 0,
        "no stream misses bytes that the ring had no room for"
    );
    report.balanced()
}

/// Conns that end while the ring has no room are over all the same: what was under way on them is
/// told at once and says what is missing, and nothing that was lost is taken for their end.
fn ends_in_full_ring(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const CONNS: usize = 100;
    let filler = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = port()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let events = sandbox.file("events.jsonl");
    let yaml = to_file(mode, "  ring: 256KiB", "", &events);
    let mut agent = Agent::run(sandbox, &yaml, &events)?;
    let mut conns = Vec::new();
    for number in 0..CONNS {
        let mut client = connect(port)?;
        let (mut server, _) = listener.accept()?;
        write!(client, "GET /{number} HTTP/1.0\r\n\r\n")?;
        read_until(&mut server, b"\r\n\r\n")?;
        server.write_all(b"HTTP/1.0 200 OK\r\n\r\nthis much is heard")?;
        conns.push((client, server));
    }
    agent.process().signal(Signal::STOP)?;
    let mut fill = connect(filler.place().port()?)?;
    for number in 0..600 {
        get(&mut fill, &format!("/size/180?id=fill-{number}"))?;
    }
    for (mut client, mut server) in conns {
        server.write_all(b", and this is not")?;
        drop(server);
        read_to_end(&mut client)?;
    }
    agent.process().signal(Signal::CONT)?;
    agent.settle(|reported| at(reported, port).len() >= CONNS)?;
    let reported = at(agent.reported()?, port);
    ensure!(reported.len() == CONNS, "{} reported", reported.len());
    let lost = reported
        .iter()
        .filter(|one| one.reasons.iter().any(|reason| reason == "ring_full"))
        .count();
    ensure!(lost > CONNS / 2, "{lost} say that bytes were lost");
    for exchange in &reported {
        let seen = (exchange.response_seen.as_str(), exchange.response_bytes);
        ensure!(
            matches!(seen, ("gap", Some(35)) | ("whole", Some(35))),
            "{}",
            exchange.line()
        );
    }
    let report = agent.stop()?;
    let ledger = report.ledger()?;
    ensure!(
        ledger.get("kernel", "records_lost")? > 0,
        "the ring of 256 KiB did not fill"
    );
    report.balanced()
}

/// What an exchange says must be in the log; what it does not know it must not say.
fn never_wrong(reported: &[Exchange], log: &[Entry]) -> Result<()> {
    let mut logged: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in log {
        logged.insert(&entry.target, entry);
    }
    let mut seen = BTreeMap::new();
    for exchange in reported {
        let line = exchange.line();
        if exchange.target.is_empty() {
            ensure!(
                exchange.request_seen != "whole",
                "a whole request of nothing: {line}"
            );
            continue;
        }
        let entry = logged.get(exchange.target.as_str());
        let entry = entry.with_context(|| format!("not in the log: {line}"))?;
        let twice = seen.insert(&exchange.target, ()).is_some();
        ensure!(!twice, "reported twice: {line}");
        ensure!(
            entry.client_port == exchange.client_port,
            "another client: {line}"
        );
        ensure!(
            exchange.status.is_none() || exchange.status == entry.status,
            "{line}"
        );
        let id = eaves_tests::load::marks(&exchange.target).0;
        let own = exchange.status.is_none() || exchange.header("response", "x-id") == id;
        ensure!(own, "another request's response: {line}");
        let sized = exchange
            .response_bytes
            .is_none_or(|bytes| bytes == entry.body_bytes);
        let ended = !matches!(exchange.response_seen.as_str(), "unfinished" | "none");
        ensure!(sized || !ended, "a wrong size: {line}");
    }
    Ok(())
}

fn garbage(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let mut random = Random::new("garbage");
    for number in 0..100 {
        let mut stream = connect(port)?;
        let mut bytes: Vec<u8> = (0..random.below(3000) + 20)
            .map(|_| u8::try_from(random.below(256)).unwrap_or(0))
            .collect();
        if number % 3 == 0 {
            // As if it were a request, for a while.
            let front = b"GET /garbage HTTP/1.1\r\nHost: \x00\xff";
            bytes.splice(..front.len().min(bytes.len()), front.iter().copied());
        }
        // nginx may answer and close before all of it is sent.
        let _ = stream.write_all(&bytes);
        let _ = stream.write_all(b"\r\n\r\n");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = read_to_end(&mut stream);
    }
    right_afterwards(&mut agent, port, 50)?;
    let log = server.log()?;
    let report = agent.stop()?;
    let good = |target: &str| target.contains("id=right");
    let log: Vec<_> = log.into_iter().filter(|one| good(&one.target)).collect();
    let reported: Vec<_> = at(&report.exchanges, port)
        .into_iter()
        .filter(|one| good(&one.target))
        .collect();
    compare(&reported, &log, Expect::Whole)?;
    report.balanced()
}

/// Well-formed requests on a new connection are heard right, whatever went before.
fn right_afterwards(agent: &mut Agent, port: u16, count: usize) -> Result<()> {
    let mut stream = connect(port)?;
    for number in 0..count {
        get(&mut stream, &format!("/size/600?id=right-{number}"))?;
    }
    agent.settle(|reported| {
        at(reported, port)
            .iter()
            .filter(|one| one.target.contains("id=right"))
            .count()
            >= count
    })
}

/// Against nginx, which refuses it, and against a server that reads it all.
fn long_head(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let (patient, thread) = serve(1, |mut stream| {
        read_until(&mut stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhallo")?;
        read_until(&mut stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhallo")?;
        Ok(())
    })?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let mut head = b"GET /long HTTP/1.1\r\nHost: localhost\r\nX-Long: ".to_vec();
    head.extend(std::iter::repeat_n(b'a', 1 << 20));
    head.extend_from_slice(b"\r\n\r\n");
    let mut stream = connect(port)?;
    let _ = stream.write_all(&head);
    let _ = read_to_end(&mut stream);
    let mut stream = connect(patient)?;
    stream.write_all(&head)?;
    read_response(&mut stream)?;
    get(&mut stream, "/next")?;
    join(thread)?;
    right_afterwards(&mut agent, port, 20)?;
    let log: Vec<_> = server
        .log()?
        .into_iter()
        .filter(|one| one.target.contains("id=right"))
        .collect();
    agent.settle(|reported| !at(reported, patient).is_empty())?;
    let report = agent.stop()?;
    let reported: Vec<_> = at(&report.exchanges, port)
        .into_iter()
        .filter(|one| one.target.contains("id=right"))
        .collect();
    compare(&reported, &log, Expect::Whole)?;
    let reported = at(&report.exchanges, patient);
    for exchange in reported.iter().filter(|one| one.target != "/next") {
        ensure!(
            exchange.request_seen != "whole",
            "a megabyte of head is kept: {}",
            exchange.line()
        );
    }
    report.balanced()
}

fn long_chunk(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let sizes = [
        "10000000000000000",
        "FFFFFFFFFFFFFFFF",
        "ffffffffffffffffffffffff",
        "-1",
    ];
    let mut next = sizes.into_iter();
    let (odd, thread) = serve(sizes.len(), move |mut stream| {
        read_until(&mut stream, b"\r\n\r\n")?;
        let size = next.next().context("one connection too many")?;
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nabc");
        stream.write_all(answer.as_bytes())?;
        Ok(())
    })?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    for size in sizes {
        let mut stream = connect(port)?;
        let head = "POST /take?id=odd HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked";
        stream.write_all(format!("{head}\r\n\r\n{size}\r\nabc\r\n0\r\n\r\n").as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let _ = read_to_end(&mut stream);
        let mut stream = connect(odd)?;
        stream.write_all(b"GET /odd HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        read_to_end(&mut stream)?;
    }
    join(thread)?;
    right_afterwards(&mut agent, port, 20)?;
    agent.settle(|reported| at(reported, odd).len() >= sizes.len())?;
    let log: Vec<_> = server
        .log()?
        .into_iter()
        .filter(|one| one.target.contains("id=right"))
        .collect();
    let report = agent.stop()?;
    let reported: Vec<_> = at(&report.exchanges, port)
        .into_iter()
        .filter(|one| one.target.contains("id=right"))
        .collect();
    compare(&reported, &log, Expect::Whole)?;
    let reported = at(&report.exchanges, odd);
    ensure!(reported.len() == sizes.len(), "{} reported", reported.len());
    for exchange in reported {
        ensure!(exchange.status == Some(200), "{}", exchange.line());
        ensure!(exchange.response_seen != "whole", "{}", exchange.line());
    }
    report.balanced()
}

/// A request and a response, byte by byte.
fn single_bytes(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let pause = Duration::from_millis(2);
    let (port, server) = serve(1, move |mut stream| {
        for _ in 0..2 {
            read_until(&mut stream, b"0\r\n\r\n")?;
            let answer = b"HTTP/1.1 200 OK\r\nx-id: a\r\nContent-Length: 40\r\n\r\n";
            drip(&mut stream, answer, pause)?;
            drip(&mut stream, &body(40), pause)?;
        }
        Ok(())
    })?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let mut stream = connect(port)?;
    for _ in 0..2 {
        let head =
            b"GET /size/40?id=a&b=12 HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n";
        drip(&mut stream, head, pause)?;
        drip(&mut stream, b"5\r\n", pause)?;
        drip(&mut stream, &body(12)[..5], pause)?;
        drip(&mut stream, b"\r\n7;x=y\r\n", pause)?;
        drip(&mut stream, &body(12)[5..], pause)?;
        drip(&mut stream, b"\r\n0\r\n\r\n", pause)?;
        read_response(&mut stream)?;
    }
    join(server)?;
    agent.settle(|reported| at(reported, port).len() >= 2)?;
    let report = agent.stop()?;
    let log = entry("/size/40?id=a&b=12", 200, 40, &stream)?;
    compare(
        &at(&report.exchanges, port),
        &[log.clone(), log],
        Expect::Whole,
    )?;
    report.balanced()
}

fn excluded(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let heard = nginx(sandbox, "heard", &Nginx::default())?;
    let by_port = nginx(sandbox, "by-port", &Nginx::default())?;
    let by_name = python_server(sandbox, "by-name")?;
    let path = format!("eaves-drops-{}.slice/{mode:?}.service", std::process::id());
    let cgroup = Cgroup::make(&path)?;
    let mut by_cgroup = nginx(sandbox, "by-cgroup", &Nginx::default())?;
    cgroup.take(by_cgroup.process().pid())?;
    let events = sandbox.file("events.jsonl");
    let exclude = format!(
        "  exclude:\n    ports: [{}]\n    processes: [python3]\n    cgroups: [/{path}]",
        by_port.place().port()?
    );
    let mut agent = Agent::run(sandbox, &to_file(mode, &exclude, "", &events), &events)?;
    for server in [&by_port, &by_name, &by_cgroup, &heard] {
        let mut stream = connect(server.place().port()?)?;
        for number in 0..50 {
            get(&mut stream, &format!("/size/600?id=x-{number}"))?;
        }
    }
    let log = heard.logged(50)?;
    let port = heard.place().port()?;
    agent.settle(|reported| at(reported, port).len() >= log.len())?;
    let report = agent.stop()?;
    compare(&at(&report.exchanges, port), &log, Expect::Whole)?;
    let excluded = [
        (&by_port, "excluded_port"),
        (&by_name, "excluded_process"),
        (&by_cgroup, "excluded_cgroup"),
    ];
    for (server, reason) in excluded {
        let reported = at(&report.exchanges, server.place().port()?);
        ensure!(reported.is_empty(), "{reason}: {} heard", reported.len());
        let dropped = report.ledger()?.get("kernel", reason)?;
        ensure!(
            dropped >= 100,
            "{reason} was counted {dropped} times for 100 transfers"
        );
    }
    report.balanced()
}

fn body_limit(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let events = sandbox.file("events.jsonl");
    let limit = "  body:\n    request: 100B\n    response: 1KiB";
    let mut agent = Agent::run(sandbox, &to_file(mode, limit, "", &events), &events)?;
    let mut stream = connect(port)?;
    for size in [600, 1024, 4000, 300_000] {
        get(&mut stream, &format!("/size/{size}?id={size}"))?;
    }
    let content = body(1000);
    let head =
        "POST /take?id=take&b=1000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
    stream.write_all(&[head.as_bytes(), &content].concat())?;
    read_response(&mut stream)?;
    agent.settle(|reported| at(reported, port).len() >= 5)?;
    let report = agent.stop()?;
    let reported = at(&report.exchanges, port);
    ensure!(reported.len() == 5, "{} reported", reported.len());
    for exchange in &reported {
        let line = exchange.line();
        let (side, limit, bytes, seen) = match exchange.method.as_str() {
            "POST" => (
                "request",
                100,
                exchange.request_bytes,
                &exchange.request_seen,
            ),
            _ => (
                "response",
                1024,
                exchange.response_bytes,
                &exchange.response_seen,
            ),
        };
        let bytes = usize::try_from(bytes.with_context(|| format!("no size: {line}"))?)?;
        let kept = exchange.body(side).unwrap_or_default();
        ensure!(
            kept.as_bytes() == &body(bytes)[..bytes.min(limit)],
            "{} kept: {line}",
            kept.len()
        );
        let expected = if bytes > limit { "truncated" } else { "whole" };
        ensure!(seen == expected, "{line}");
    }
    report.balanced()
}

/// A file sink on a file system that fills up goes on once there is room; no line is torn.
fn full_disk(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let disk = Tmpfs::mount(sandbox, "256k")?;
    let filler = disk.path.join("filler");
    std::fs::write(&filler, vec![0; 128 * 1024])?;
    let events = disk.path.join("events.jsonl");
    let mut agent = Agent::run(sandbox, &to_file(mode, "", "", &events), &events)?;
    let mut stream = connect(port)?;
    for number in 0..200 {
        get(&mut stream, &format!("/size/4000?id=full-{number}"))?;
    }
    wait::until_true("a full disk", || Ok(disk.free()? < 16_384))?;
    std::fs::remove_file(&filler)?;
    let heard = wait::until("events on a disk with room again", || {
        get(&mut stream, "/size/13?id=right")?;
        let reported = at(agent.reported()?, port);
        let there = reported.iter().any(|one| one.target.contains("id=right"));
        Ok(there.then_some(reported.len()))
    })?;
    let report = agent.stop()?;
    ensure!(heard < 200, "everything fitted");
    each_once(&report.exchanges)?;
    let ledger = report.ledger()?;
    let sink = |name: &str| ledger.get("sink", name);
    ensure!(sink("lines_failed")? > 0, "no line is said to have failed");
    ensure!(
        sink("lines_in")? == sink("lines_written")? + sink("lines_failed")?,
        "the sink's ledger: {ledger:?}"
    );
    report.balanced()
}

/// Every exchange that is there is there once.
fn each_once(reported: &[Exchange]) -> Result<()> {
    let mut ids: Vec<_> = reported.iter().map(|exchange| &exchange.id).collect();
    ids.sort();
    let before = ids.len();
    ids.dedup();
    ensure!(
        ids.len() == before,
        "{} events came twice",
        before - ids.len()
    );
    Ok(())
}
