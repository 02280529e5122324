//! Real servers and clients of HTTP/2 and gRPC, and a server of events: what Eaves reports is what the
//! peers themselves wrote down.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::load::SIZES;
use eaves_tests::peer::{
    Call, Calls, Certificate, Mpm, Nginx, Place, Server, apache, apache_http2_tls, calls,
    event_server, go_http2_server, grpc, haproxy_http2, haproxy_http2_tls, nginx,
    node_http2_server,
};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::https::{hearing, must_be_tls};
use crate::servers::of;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("http2::servers", servers),
        under_both_taps("http2::over_tls", over_tls),
        under_both_taps("http2::joined_while_busy", joined_while_busy),
        under_both_taps("http2::grpc", every_kind_of_call),
        under_both_taps("http2::grpc_joined_while_busy", grpc_joined_while_busy),
        under_both_taps("http2::events_are_told_as_they_come", events),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Longest body of those that are asked for together: all of it is kept.
const BODY_BYTES: usize = 16_000;

/// Requests for longer ones, one after the other.
const LONG: usize = 12;

/// A file of targets at `place`, no two alike, whose bodies are as long as `fits` says.
fn targets(
    sandbox: &Sandbox,
    (name, place): (&str, &Place),
    count: usize,
    fits: impl Fn(usize) -> bool,
) -> Result<String> {
    let mut text = String::new();
    let port = place.port()?;
    let scheme = match place {
        Place::Tls(_) => "https",
        _ => "http",
    };
    let sizes: Vec<_> = SIZES.into_iter().filter(|size| fits(*size)).collect();
    for (number, size) in sizes.iter().cycle().take(count).enumerate() {
        let id = format!("{name}-{number}");
        writeln!(text, "{scheme}://127.0.0.1:{port}/size/{size}?id={id}")?;
    }
    let path = sandbox.write(&format!("{name}-{port}"), text)?;
    Ok(path.to_str().context("a path that is not text")?.to_owned())
}

/// h2load with `streams` on each of its connections.
fn h2load(sandbox: &Sandbox, place: &Place, streams: u32, more: &[&str]) -> Result<Command> {
    let targets = targets(sandbox, ("h2", place), 60, |size| size <= BODY_BYTES)?;
    let mut command = Command::new(program("h2load", "nghttp2-client")?);
    command
        .args(["-m", &streams.to_string(), "-i", &targets])
        .args(more);
    Ok(command)
}

/// Bodies longer than what is kept, each after the one before.
fn long_bodies(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let targets = targets(sandbox, ("long", place), LONG, |size| size > BODY_BYTES)?;
    let mut command = Command::new(program("h2load", "nghttp2-client")?);
    let count = LONG.to_string();
    command.args(["-n", &count, "-c", "1", "-m", "1", "-i", &targets]);
    run(command)
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Three requests of curl over HTTP/2, as `how` says it gets there, each on a connection of its own.
fn curl(port: u16, how: &str) -> Result<()> {
    for number in 0..3 {
        let mut command = Command::new(program("curl", "curl")?);
        command.args(["-s", "-S", "-o", "/dev/null", how]);
        command.arg(format!(
            "http://127.0.0.1:{port}/size/1024?id=curl-{number}"
        ));
        run(command)?;
    }
    Ok(())
}

pub(crate) fn is_http2(one: &Exchange) -> bool {
    let version = one.value.pointer("/network/protocol/version");
    version.and_then(Value::as_str) == Some("2")
}

/// The exchanges of one role at one place that are over: beside much load some last a second, and
/// are told under way.
fn ended(reported: &[Exchange], role: &str, place: &Place) -> Vec<Exchange> {
    let all = of(reported, role, place).into_iter();
    all.filter(|one| !one.partial).collect()
}

fn servers(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let http2 = Nginx {
        http2: true,
        ..Nginx::default()
    };
    let behind = nginx(sandbox, "behind", &Nginx::default())?;
    let mut servers: Vec<(&str, Server)> = vec![
        ("nginx", nginx(sandbox, "nginx", &http2)?),
        ("apache", apache(sandbox, "apache", Mpm::Event)?),
        (
            "haproxy",
            haproxy_http2(sandbox, "haproxy", behind.place())?,
        ),
        ("node", node_http2_server(sandbox, "node")?),
        ("go", go_http2_server(sandbox, "go")?),
    ];
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    for (name, server) in &servers {
        let port = server.place().port()?;
        // Apache and Node write the frames of all their streams by one call.
        run(h2load(
            sandbox,
            server.place(),
            100,
            &["-n", "600", "-c", "3"],
        )?)?;
        long_bodies(sandbox, server.place())?;
        curl(port, "--http2-prior-knowledge")?;
        if *name == "apache" {
            // The others do not go over by Upgrade.
            curl(port, "--http2")?;
        }
    }
    let mut logs = Vec::new();
    for (name, server) in &mut servers {
        server.logged(603 + LONG)?;
        server.stop()?;
        let mut log = server.log()?;
        // Apache writes a line of its own for the answer that says it goes over.
        log.retain(|entry| entry.status != Some(101));
        logs.push((*name, server.place().clone(), without_hosts(log)));
    }
    agent.settle(|reported| {
        let mut all = logs.iter();
        all.all(|(_, place, log)| ended(reported, "server", place).len() >= log.len())
    })?;
    let report = agent.stop()?;
    for (name, place, log) in &logs {
        let reported = ended(&report.exchanges, "server", place);
        let rest = reported.iter().filter(|one| !is_http2(one)).count();
        // A request that goes over is one of HTTP/1.
        let most = if *name == "apache" { 3 } else { 0 };
        ensure!(rest <= most, "{name}: {rest} are not of HTTP/2");
        compare(&reported, log, Expect::Whole).with_context(|| (*name).to_owned())?;
    }
    report.balanced()
}

/// A log with paths alone: haproxy writes down all of the URL.
fn without_hosts(mut log: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut log {
        let url = entry.target.split_once("://");
        if let Some((_, path)) = url.and_then(|(_, rest)| rest.split_once('/')) {
            entry.target = format!("/{path}");
        }
    }
    log
}

/// HTTP/2 within TLS, heard in OpenSSL at both ends.
fn over_tls(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let options = Nginx {
        http2: true,
        tls: Some(Certificate::new(sandbox)?),
        ..Nginx::default()
    };
    let behind = nginx(sandbox, "behind", &Nginx::default())?;
    let tls = Certificate::new(sandbox)?;
    let mut servers = [
        nginx(sandbox, "nginx", &options)?,
        apache_http2_tls(sandbox, "apache", &tls)?,
        haproxy_http2_tls(sandbox, "haproxy", behind.place(), &tls)?,
    ];
    let mut agent = hearing(sandbox, mode, "libssl")?;
    let mut logs = Vec::new();
    for server in &mut servers {
        let place = server.place().clone();
        for number in 0..3 {
            let mut command = Command::new(program("curl", "curl")?);
            command.args(["-s", "-S", "-k", "--http2"]);
            for part in 0..4 {
                let port = place.port()?;
                let url = format!("https://127.0.0.1:{port}/size/4000?id=tls-{number}-{part}");
                command.args(["-o", "/dev/null"]).arg(url);
            }
            run(command)?;
        }
        run(h2load(sandbox, &place, 100, &["-n", "600", "-c", "3"])?)?;
        server.logged(612)?;
        server.stop()?;
        logs.push((place, without_hosts(server.log()?)));
    }
    let ends = ["server", "client"];
    agent.settle(|reported| {
        logs.iter().all(|(place, log)| {
            let mut ends = ends.iter();
            ends.all(|role| ended(reported, role, place).len() >= log.len())
        })
    })?;
    let report = agent.stop()?;
    for (place, log) in &logs {
        for role in ends {
            let reported = ended(&report.exchanges, role, place);
            compare(&reported, log, Expect::Whole).with_context(|| format!("{place:?} {role}"))?;
            must_be_tls(&reported)?;
            ensure!(reported.iter().all(is_http2), "not all are of HTTP/2");
        }
    }
    report.balanced()
}

/// Connections that are busy when Eaves comes: what it tells of them is true, and one that begins
/// beside them is whole.
fn joined_while_busy(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let http2 = Nginx {
        http2: true,
        ..Nginx::default()
    };
    let mut server = nginx(sandbox, "nginx", &http2)?;
    let place = server.place().clone();
    let forever = ["-n", "100000000", "-c", "2"];
    let mut command = h2load(sandbox, &place, 4, &forever)?;
    // Slow enough to be heard whole beside the load of other tests.
    command.args(["--rps", "400"]);
    let mut load = Process::start(sandbox, "h2load", command)?;
    server.logged(50)?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    curl(place.port()?, "--http2-prior-knowledge")?;
    let is_new = |one: &Exchange| one.target.contains("id=curl-2");
    agent.settle(|reported| {
        let ours = of(reported, "server", &place);
        ours.len() >= 400 && ours.iter().any(is_new)
    })?;
    load.stop()?;
    server.stop()?;
    let log = server.log()?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "server", &place);
    ensure!(reported.len() >= 400, "{} were heard only", reported.len());
    for exchange in &reported {
        let same = |entry: &&Entry| {
            entry.client_port == exchange.client_port
                && (exchange.target.is_empty() || entry.target == exchange.target)
                && (exchange.status.is_none() || entry.status == exchange.status)
        };
        let is_true = log.iter().any(|entry| same(&entry)) || exchange.response_seen != "whole";
        ensure!(is_true, "nobody asked: {}", exchange.line());
    }
    let whole = |one: &&Exchange| one.is_whole() && one.target.contains("id=curl-");
    ensure!(reported.iter().filter(whole).count() == 3, "the new ones");
    report.balanced()
}

/// What was told of calls, as the client writes it down.
fn told(reported: &[Exchange], place: &Place) -> Vec<Call> {
    let over = of(reported, "server", place)
        .into_iter()
        .filter(|one| !one.partial);
    let call = |exchange: Exchange| {
        let grpc = exchange.value.get("grpc")?.clone();
        let number = |name: &str| grpc.get(name).and_then(Value::as_u64);
        Some(Call {
            method: grpc.get("method")?.as_str()?.to_owned(),
            status: number("status_code"),
            request: (
                number("request_messages")?,
                number("request_message_bytes")?,
            ),
            // A call that is given up may have no response.
            response: (
                number("response_messages").unwrap_or(0),
                number("response_message_bytes").unwrap_or(0),
            ),
        })
    };
    over.filter_map(call).collect()
}

fn every_kind_of_call(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let (place, log, mut process) = grpc(sandbox, Calls::Once)?;
    process.finish()?;
    let mut said = calls(&log)?;
    agent.settle(|reported| told(reported, &place).len() >= said.len())?;
    let report = agent.stop()?;
    let mut heard = told(&report.exchanges, &place);
    for call in heard.iter_mut().filter(|call| call.method == "Sleep") {
        // Who gave up first is not settled: the status may have been on its way.
        call.status = None;
        call.response = (0, 0);
    }
    heard.sort();
    said.sort();
    ensure!(heard == said, "heard {heard:#?}\nsaid {said:#?}");
    let with_deadline = |one: &&Exchange| one.value.pointer("/grpc/timeout_ns").is_some();
    let deadlines = report.exchanges.iter().filter(with_deadline).count();
    ensure!(deadlines == 1, "{deadlines} deadlines");
    let message = |one: &Exchange| one.value.pointer("/grpc/status_message").cloned();
    let messages: Vec<_> = report.exchanges.iter().filter_map(message).collect();
    let refused = Value::from("no such cart: \u{fc} 100%");
    ensure!(messages.contains(&refused), "told {messages:?}");
    report.balanced()
}

fn grpc_joined_while_busy(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (place, log, mut process) = grpc(sandbox, Calls::UntilStopped)?;
    eaves_tests::wait::until_true("a gRPC server", || {
        process.must_live()?;
        Ok(eaves_tests::far::listens(place.port()?))
    })?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    agent.settle(|reported| of(reported, "server", &place).len() >= 40)?;
    process.stop()?;
    let said = calls(&log)?;
    let report = agent.stop()?;
    let heard = of(&report.exchanges, "server", &place);
    ensure!(heard.len() >= 40, "{} calls were heard only", heard.len());
    // What these ends say once and refer to ever after was said before: their paths and the kind of
    // their contents are unknown, and each call says so.
    for exchange in &heard {
        let path = exchange.target.strip_prefix("/shop.Cart/");
        let known = path.is_some_and(|method| said.iter().any(|one| one.method == method));
        let is_hidden = exchange
            .reasons
            .iter()
            .any(|reason| reason == "hpack_state");
        let began_before =
            exchange.request_seen == "joined_late" || exchange.request_seen == "none";
        ensure!(
            known || (exchange.target.is_empty() && (is_hidden || began_before)),
            "nobody called {}",
            exchange.line()
        );
    }
    for call in told(&report.exchanges, &place) {
        // Who gave up first is not settled of the one that sleeps.
        let has_status = call.status.is_some() && call.method != "Sleep";
        let same = |one: &&Call| {
            (call.method.is_empty() || one.method == call.method)
                && (!has_status || one.status == call.status)
        };
        ensure!(said.iter().any(|one| same(&one)), "nobody called {call:?}");
    }
    report.balanced()
}

fn events(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = event_server(sandbox, "events")?;
    let place = server.place().clone();
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let mut command = Command::new(program("curl", "curl")?);
    command.args(["-s", "-N"]);
    command.arg(format!("http://127.0.0.1:{}/news?count=50", place.port()?));
    let mut client = Process::start(sandbox, "curl", command)?;
    agent.settle(|reported| !of(reported, "server", &place).is_empty())?;
    let first = of(agent.reported()?, "server", &place);
    let first = first
        .first()
        .context("nothing was told of the stream")?
        .clone();
    client.must_live().context("it was told at its end only")?;
    ensure!(
        first.partial && first.status == Some(200),
        "{}",
        first.line()
    );
    let begun = first.response_bytes.unwrap_or(0);
    client.finish()?;
    agent.settle(|reported| {
        of(reported, "server", &place)
            .iter()
            .any(|one| !one.partial)
    })?;
    let report = agent.stop()?;
    let all = of(&report.exchanges, "server", &place);
    let last = all.iter().find(|one| !one.partial).context("no end")?;
    let names = [&last.value, &first.value].map(|value| value.get("first").cloned());
    let is_first = |name: &Option<Value>| name.as_ref().and_then(Value::as_str) == Some(&*first.id);
    ensure!(names.iter().all(is_first), "they do not name the first");
    ensure!(
        last.is_whole() && last.response_bytes > Some(begun),
        "{}",
        last.line()
    );
    ensure!(
        last.body("response")
            .is_some_and(|body| body.contains("\"number\": 49")),
        "body"
    );
    report.balanced()
}
