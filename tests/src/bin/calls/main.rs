//! Every way in which a process can move an HTTP exchange over a socket, one by one.
//!
//! `eaves-calls CASE socket|syscall EXCLUDED_PORT FOLDER` plays both ends of real conns and says on
//! its standard output, as one JSON object, what Eaves must report of them under that tap.
//! `eaves-calls --list` names the cases. `tests/kernel/plaintext.rs` runs and compares. Most cases do
//! one odd thing between two plain exchanges of the same conn, so that what comes after is checked
//! too.

mod ends;
mod kinds;
mod link;
mod moved;
mod shared;
mod sys;
mod tls;
mod way;

use std::io;

use anyhow::{Context as _, bail};
use eaves_tests::expect::{Outcome, Tap};

use link::Stage;

/// One case.
#[derive(Clone, Copy)]
struct Case {
    /// Its name, the first part of its targets.
    name: &'static str,
    /// What it does.
    run: fn(&mut Stage) -> io::Result<()>,
    /// Whether it begins before Eaves is started: it waits, when its conns are open, for a line on
    /// its standard input.
    early: bool,
}

impl Case {
    const fn new(name: &'static str, run: fn(&mut Stage) -> io::Result<()>) -> Self {
        Self {
            name,
            run,
            early: false,
        }
    }

    const fn early(name: &'static str, run: fn(&mut Stage) -> io::Result<()>) -> Self {
        Self {
            name,
            run,
            early: true,
        }
    }
}

/// All cases.
fn cases() -> impl Iterator<Item = Case> {
    [moved::CASES, kinds::CASES, shared::CASES, ends::CASES]
        .into_iter()
        .flatten()
        .copied()
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [list] if list == "--list" => {
            for case in cases() {
                println!("{}{}", case.name, if case.early { " early" } else { "" });
            }
            Ok(())
        }
        [name, tap, port, folder] => {
            let tap = match tap.as_str() {
                "socket" => Tap::Socket,
                "syscall" => Tap::Syscall,
                _ => bail!("no such tap"),
            };
            run(name, tap, port.parse()?, folder)
        }
        _ => bail!("wants --list, or CASE socket|syscall EXCLUDED_PORT FOLDER"),
    }
}

fn run(name: &str, tap: Tap, excluded_port: u16, folder: &str) -> anyhow::Result<()> {
    let case = cases()
        .find(|case| case.name == name)
        .context("no such case")?;
    let mut stage = Stage::new(case.name, tap, excluded_port, folder.to_owned());
    let outcome = match (case.run)(&mut stage) {
        Ok(()) => stage.outcome(),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Outcome {
            skipped: Some(error.to_string()),
            ..stage.outcome()
        },
        Err(error) => return Err(error).context(name.to_owned()),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

/// Says that everything is open, and waits for the word to go on (early cases only).
///
/// # Errors
/// Nobody says it.
fn ready() -> io::Result<()> {
    use std::io::Write as _;
    let mut out = io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
