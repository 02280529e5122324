//! `eaves status`: how the running agent does.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::output::{self, safe_text};
use super::{Exit, config};
use crate::config::{Api, Listen};

/// How long the agent may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Bytes of an answer.
const ANSWER_MAX_BYTES: u64 = 4 << 20;

/// Columns of a reason.
const REASON_COLUMNS: usize = 200;

/// Show how the running agent does, room by room
///
/// Asks the agent where section `api` of its configuration says; while that has mistakes, where an
/// agent answers by default. Exit code 0 if it hears, 1 if it runs and hears nothing, 4 if none can be
/// asked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves status
  eaves status --json | jq '.rooms[] | select(.state != \"ok\")'
  eaves status --listen tcp://127.0.0.1:9180")]
pub struct Args {
    /// Configuration file; by default /etc/eaves/eaves.yaml
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Ask there: `unix:/PATH` or `tcp://127.0.0.1:PORT`; no configuration is read
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    listen: Option<String>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Asks, and shows.
///
/// # Errors
/// The agent cannot be asked.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (place, wrong) = place(args)?;
    let listen = Listen::parse(&place)
        .with_context(|| {
            format!("{place} is neither unix:/PATH nor tcp:// and a port of this host")
        })
        .context(Exit::Usage)?;
    let answered = match (ask(&listen), wrong) {
        (Ok(answered), None) => answered,
        (Ok(answered), Some(_)) => {
            output::to_stderr(format_args!(
                "eaves: the configuration has mistakes (`eaves config check` names them): this is the \
                 agent at {place}"
            ));
            answered
        }
        // Where it would be asked is among what cannot be read.
        (Err(_), Some(wrong)) => return Err(wrong),
        (Err(error), None) => {
            return Err(error
                .context(format!("no agent answers at {place}: is it running?"))
                .context(Exit::Failed));
        }
    };
    let status: Value = serde_json::from_slice(&answered)
        .context("its answer is no JSON")
        .context(Exit::Failed)?;
    if args.json {
        output::to_stdout(format!("{status}\n").as_bytes())?;
    } else {
        output::to_stdout(shown(&status).as_bytes())?;
    }
    let failed = status.get("state").and_then(Value::as_str) == Some("failed");
    Ok(if failed {
        Exit::CheckFailed
    } else {
        Exit::Done
    })
}

/// Where to ask, and what is wrong with the configuration, if that is why it is asked there.
fn place(args: &Args) -> anyhow::Result<(String, Option<anyhow::Error>)> {
    if let Some(listen) = &args.listen {
        return Ok((listen.clone(), None));
    }
    match config::load(args.config.as_deref()) {
        Ok(config) => {
            let api = config.api.context(
                "the configuration has no section api: add `api: {}` and restart the agent",
            );
            Ok((api.context(Exit::Usage)?.listen, None))
        }
        Err(wrong) => Ok((Api::default().listen, Some(wrong))),
    }
}

/// The body of the answer.
fn ask(listen: &Listen) -> anyhow::Result<Vec<u8>> {
    match listen {
        Listen::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(WITHIN))?;
            exchange(stream, "localhost")
        }
        Listen::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, WITHIN)?;
            stream.set_read_timeout(Some(WITHIN))?;
            exchange(stream, &address.to_string())
        }
    }
}

fn exchange(
    mut stream: impl std::io::Read + std::io::Write,
    host: &str,
) -> anyhow::Result<Vec<u8>> {
    write!(stream, "GET /status HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut bytes)?;
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = head.parse(&bytes)? else {
        bail!("it answered in part");
    };
    match head.code {
        Some(200) => Ok(bytes.split_off(len)),
        code => bail!("it answered with status {}", code.unwrap_or(0)),
    }
}

/// For people.
fn shown(status: &Value) -> String {
    let text = |value: &Value, key: &str| {
        let word = value.get(key).and_then(Value::as_str).unwrap_or_default();
        safe_text(word, REASON_COLUMNS)
    };
    let number = |pointer: &str| {
        status
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(0.0)
    };
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "eaves {}, process {}, since {}: {} ({} tap, Linux {})",
        text(status, "version"),
        number("/pid"),
        text(status, "since"),
        text(status, "state"),
        text(status, "tap"),
        text(status, "kernel"),
    );
    let _ = writeln!(
        out,
        "{} exchanges, {} findings, {} connections; {:.1} s of processor, {:.0} MiB resident",
        number("/exchanges"),
        number("/findings"),
        number("/connections"),
        number("/usage/cpu_s"),
        number("/usage/resident_bytes") / f64::from(1 << 20),
    );
    let rooms = status.get("rooms").and_then(Value::as_array);
    for room in rooms.into_iter().flatten() {
        let (name, state, reason) = (
            text(room, "room"),
            text(room, "state"),
            text(room, "reason"),
        );
        let _ = writeln!(
            out,
            "{}",
            format!("  {name:<20} {state:<9} {reason}").trim_end()
        );
    }
    let sinks = status.get("sinks").and_then(Value::as_array);
    for sink in sinks.into_iter().flatten() {
        let number = |key: &str| sink.get(key).and_then(Value::as_u64).unwrap_or(0);
        let _ = writeln!(
            out,
            "  {:<20} {} events behind, {} delivered, {} dead",
            format!("sink {}", text(sink, "sink")),
            number("lag_events"),
            number("accepted"),
            number("dead_letters"),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Args, exchange, place, shown};

    #[test]
    fn while_the_configuration_is_wrong_it_is_asked_where_agents_answer_by_default() {
        let args = |config: Option<&str>, listen: Option<&str>| Args {
            config: config.map(Into::into),
            listen: listen.map(str::to_owned),
            json: false,
        };
        let (at, wrong) = place(&args(Some("/no/such/file.yaml"), None)).unwrap();
        assert_eq!(at, "unix:/run/eaves/eaves.sock");
        assert!(wrong.is_some());
        let (at, wrong) = place(&args(None, Some("unix:/x"))).unwrap();
        assert_eq!((at.as_str(), wrong.is_none()), ("unix:/x", true));
    }

    #[test]
    fn a_status_is_shown_room_by_room() {
        let status = serde_json::json!({
            "version": "1.0", "pid": 7, "since": "2026-01-01T00:00:00Z", "state": "degraded",
            "tap": "socket", "kernel": "6.18", "exchanges": 3, "findings": 0, "connections": 1,
            "usage": { "cpu_s": 1.25, "resident_bytes": 47 << 20 },
            "rooms": [{ "room": "capture", "state": "ok" },
                { "room": "journal", "state": "degraded", "reason": "disk full\u{1b}[2J" }],
            "sinks": [{ "sink": "siem", "lag_events": 5, "accepted": 9, "dead_letters": 0 }],
        });
        assert_eq!(
            shown(&status),
            "eaves 1.0, process 7, since 2026-01-01T00:00:00Z: degraded (socket tap, Linux 6.18)\n\
             3 exchanges, 0 findings, 1 connections; 1.2 s of processor, 47 MiB resident\n  \
             capture              ok\n  \
             journal              degraded  disk full\\u{1b}[2J\n  \
             sink siem            5 events behind, 9 delivered, 0 dead\n"
        );
    }

    #[test]
    fn answers_that_are_none_are_refused() {
        use std::io::Write as _;
        let check = |answer: &str, expected: Option<&str>| {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            theirs.write_all(answer.as_bytes()).unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            let answered = exchange(ours, "localhost").ok();
            assert_eq!(answered.as_deref(), expected.map(str::as_bytes), "{answer}");
        };
        check("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}", Some("{}"));
        check("HTTP/1.0 503 No\r\n\r\n{}", None);
        check("HTTP/1.0 200 OK\r\n", None);
        check("rubbish\r\n\r\n", None);
        check("", None);
    }
}
