//! Real WebSocket libraries: what Eaves reports of a conversation is what both ends say they said.

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Conversation, Place, Said, WebSockets, converse, converse_late};
use eaves_tests::process::text;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::servers::of;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        ("python", WebSockets::Python),
        ("node", WebSockets::Node),
        ("node_over_http2", WebSockets::NodeHttp2),
    ]
    .into_iter()
    .flat_map(|(name, library)| {
        under_both_taps(&format!("websocket::{name}"), move |sandbox, mode| {
            conversation(sandbox, mode, library)
        })
    })
    .chain(
        [
            ("python", WebSockets::Python),
            ("node", WebSockets::Node),
            ("node_over_http2", WebSockets::NodeHttp2),
        ]
        .into_iter()
        .flat_map(|(name, library)| {
            let name = format!("websocket::joined_late::{name}");
            under_both_taps(&name, move |sandbox, mode| {
                joined_late(sandbox, mode, library)
            })
        }),
    )
    .collect()
}

/// Connections that were open before the agent was; of Node the server writes headers and payloads apart.
fn joined_late(sandbox: &Sandbox, mode: Mode, library: WebSockets) -> Result<()> {
    let both = ["--role", "server", "--role", "client"];
    let join = || Agent::watch_clear(sandbox, mode, &both);
    let (truth, mut agent) = converse_late(sandbox, library, join)?;
    let opened = truth.closed.len();
    let place = Place::Tcp(truth.port);
    let ended = |reported: &[Exchange], role: &str| -> Vec<Exchange> {
        let reported = of(reported, role, &place).into_iter();
        reported.filter(|one| !one.partial).collect()
    };
    let roles = ["server", "client"];
    agent.settle(|reported| {
        roles
            .iter()
            .all(|role| ended(reported, role).len() == opened)
    })?;
    let report = agent.stop()?;
    for role in roles {
        let (mut told, reported) = (0, ended(&report.exchanges, role));
        for exchange in &reported {
            let seen = [&exchange.request_seen, &exchange.response_seen];
            ensure!(seen == ["joined_late"; 2], "{}", exchange.line());
            let code = exchange.value.pointer("/websocket/close_code");
            let (port, closed_by) = closed(&truth, exchange.client_port)?;
            ensure!(
                code == Some(&Value::from(closed_by)),
                "{role}: closed by {code:?}"
            );
            let said: Vec<_> = truth.said.iter().filter(|one| one.port == port).collect();
            let samples = exchange.value.pointer("/websocket/samples");
            let samples = samples.and_then(Value::as_array).context("no samples")?;
            // What was agreed on passed unseen: compressed messages are left as they are.
            let plain = samples.iter().filter(|one| one.get("content").is_some());
            for sample in plain {
                told += 1;
                one(sample, &said)?;
            }
        }
        ensure!(
            told >= 8 * opened,
            "{role}: {told} messages of {} were told",
            reported.len()
        );
    }
    report.balanced()
}

fn conversation(sandbox: &Sandbox, mode: Mode, library: WebSockets) -> Result<()> {
    let both = ["--role", "server", "--role", "client"];
    let mut agent = Agent::watch_clear(sandbox, mode, &both)?;
    let truth = converse(sandbox, library)?;
    let place = Place::Tcp(truth.port);
    let ended = |reported: &[Exchange], role: &str| -> Vec<Exchange> {
        let reported = of(reported, role, &place);
        let over = reported.into_iter().filter(|one| !one.partial);
        over.filter(|one| one.value.get("websocket").is_some())
            .collect()
    };
    let enough = truth.closed.len();
    agent.settle(|reported| {
        ["server", "client"]
            .iter()
            .all(|role| ended(reported, role).len() >= enough)
    })?;
    let report = agent.stop()?;
    for role in ["server", "client"] {
        let reported = ended(&report.exchanges, role);
        ensure!(reported.len() == enough, "{role}: {} ended", reported.len());
        for exchange in &reported {
            heard(exchange, &truth, library).with_context(|| exchange.line())?;
        }
    }
    if library == WebSockets::Python {
        let events = text(&sandbox.file("agent.out"));
        ensure!(!events.contains("hunter2"), "a password was written");
        let finding = |line: &&str| line.contains("inj-") && line.contains("request.message[2]");
        ensure!(events.lines().any(|line| finding(&line)), "no finding");
    }
    report.balanced()
}

/// Holds one exchange against what was said on its connection.
fn heard(exchange: &Exchange, truth: &Conversation, library: WebSockets) -> Result<()> {
    let http2 = library == WebSockets::NodeHttp2;
    // Of a message longer than what is copied of one call the rest is left out, and Node may reset a
    // stream of HTTP/2 before the answer to its close has come.
    let seen: &[&str] = if http2 {
        &["whole", "truncated", "unfinished"]
    } else {
        &["whole", "truncated"]
    };
    let is_seen = |one: &str| seen.contains(&one);
    ensure!(
        is_seen(&exchange.request_seen) && is_seen(&exchange.response_seen),
        "it is not whole"
    );
    ensure!(
        exchange.status == Some(if http2 { 200 } else { 101 }),
        "status"
    );
    let number = |name: &str| exchange.value.pointer(name).and_then(Value::as_u64);
    let (_, code) = closed(truth, exchange.client_port)?;
    ensure!(
        number("/websocket/close_code") == Some(u64::from(code)),
        "code"
    );
    let mut first: Vec<&Said> = Vec::new();
    for to in ["server", "client"] {
        let ours = |said: &&Said| {
            let own = said.port == 0 || Some(said.port) == exchange.client_port;
            said.to == to && own
        };
        let said: Vec<&Said> = truth.said.iter().filter(ours).collect();
        ensure!(said.len() > 20, "{to}: {} messages only", said.len());
        let count = number(&format!("/websocket/messages_to_{to}"));
        ensure!(count == Some(said.len() as u64), "{to}: {count:?} messages");
        first.extend(said);
    }
    let samples = exchange.value.pointer("/websocket/samples");
    let samples = samples.and_then(Value::as_array).context("no samples")?;
    ensure!(
        exchange.value.get("first").is_some() || samples.len() == 16,
        "samples"
    );
    for sample in samples {
        one(sample, &first)?;
    }
    Ok(())
}

/// The port and code that a client closed with.
fn closed(truth: &Conversation, port: Option<u16>) -> Result<(u16, u16)> {
    let mut closed = truth.closed.iter();
    let ours = closed.find(|(of, _)| *of == 0 || Some(*of) == port);
    ours.copied().context("a connection that nobody made")
}

/// A sample is one of the messages that went to its end.
fn one(sample: &Value, said: &[&Said]) -> Result<()> {
    let word = |name: &str| sample.get(name).and_then(Value::as_str).unwrap_or_default();
    if word("opcode") == "close" || word("content").contains("[masked:") {
        return Ok(());
    }
    let is_it = |one: &&&Said| {
        let content = String::from_utf8_lossy(&one.content);
        let whole = match one.opcode.as_str() {
            "binary" => word("content") == format!("[binary:{}]", one.content.len()),
            _ => word("content") == content,
        };
        one.to == word("to") && one.opcode == word("opcode") && whole
    };
    let cut = sample.get("truncated").is_some();
    ensure!(
        cut || said.iter().any(|one| is_it(&one)),
        "nobody said {sample}"
    );
    Ok(())
}
