//! What one hit of a tap costs the process that is heard: `cargo xtask hits`.
//!
//! Every step is a call into the system or into a TLS library, or a batch of them, timed by the process that makes it: without
//! Eaves, then with each tap, in turn and round by round in one run, so that what changes on the
//! machine meanwhile changes both. Ratios are what counts. Eaves reads and counts what comes
//! (`eaves record --raw`), so that nothing but the hit, and the reader beside it, differs.

mod calls;
mod session;
mod table;
mod transfers;
mod wake;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use eaves_tests::agent::{Agent, Mode, command};
use eaves_tests::peer::Certificate;
use eaves_tests::process::Process;
use eaves_tests::sandbox::Sandbox;

use table::Table;

/// Measures what one hit of a tap costs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of every step, without Eaves and with each tap.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds that a step is repeated for in one round.
    #[arg(long, default_value_t = 40)]
    milliseconds: u64,
    /// One short round of everything: shows that it works, measures little.
    #[arg(long)]
    quick: bool,
    /// Kernel object for the policies of waking the reader; without it they are left out.
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// Makes exchanges with itself for so many milliseconds and prints how many a second.
    #[arg(long, hide = true, value_name = "MILLISECONDS")]
    load: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hits: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(time) = arguments.load {
        println!("{}", wake::load(Duration::from_millis(time))?);
        return Ok(());
    }
    let (rounds, time) = if arguments.quick {
        (1, 4)
    } else {
        (arguments.rounds, arguments.milliseconds)
    };
    let time = Duration::from_millis(time);
    let taps = Mode::present();
    let sandbox = Sandbox::new()?;
    let tls = Certificate::new(&sandbox)?;
    let mut table = Table::new(&taps);
    for round in 1..=rounds {
        eprintln!("hits: round {round} of {rounds}");
        for tap in [None].into_iter().chain(taps.iter().copied().map(Some)) {
            let mut agent = tap.map(|tap| start(&sandbox, tap)).transpose()?;
            for mut step in calls::steps()? {
                let ns = step.measure(time)?;
                table.add(&step.name, step.plan, tap, ns);
            }
            for step in transfers::steps()? {
                for (name, plan, ns) in step.measure(time)? {
                    table.add(&name, plan, tap, ns);
                }
            }
            for (name, plan, ns) in session::measure(&tls, agent.as_mut(), time)? {
                table.add(&name, plan, tap, ns);
            }
            if let Some(mut agent) = agent {
                let stopped = agent.process().stop();
                stopped.context("Eaves does not stop")?;
            }
        }
    }
    table.print();
    if let Some(object) = &arguments.object {
        let load = if arguments.quick {
            Duration::from_millis(200)
        } else {
            Duration::from_secs(1)
        };
        for tap in taps {
            wake::policies(tap, object, rounds, load)?;
        }
    }
    Ok(())
}

/// Eaves with one tap, reading and counting.
fn start(sandbox: &Sandbox, tap: Mode) -> Result<Agent> {
    let command = command([
        "record",
        "--raw",
        "--log",
        "info",
        "--mode",
        tap.name(),
        "/dev/null",
    ])?;
    let process = Process::start(sandbox, "agent", command)?;
    Agent::hearing(process, sandbox.file("nothing"))
}
