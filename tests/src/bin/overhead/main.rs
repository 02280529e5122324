//! What Eaves costs the host it hears: `cargo xtask overhead`.
//!
//! nginx with one worker serves a small JSON answer over kept connections, wrk asks; in turn with
//! and without Eaves, pair by pair in one run, so that what changes on the machine meanwhile
//! changes both. Ratios are what counts; DESIGN's goals stand beside them.

mod agent;
mod fixed_rate;
mod measure;
mod report;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use eaves_tests::agent::Mode;
use eaves_tests::sandbox::Sandbox;

use agent::{Depth, Setting};
use measure::Bench;
use report::Report;

/// Measures what Eaves costs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Pairs with and without Eaves, for each setting.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds of load in each half of a pair.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// One short pair of everything: shows that it works, measures little.
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overhead: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let (pairs, seconds) = if arguments.quick {
        (1, 1)
    } else {
        (arguments.pairs, arguments.seconds)
    };
    let sandbox = Sandbox::new()?;
    let bench = Bench::start(&sandbox, Duration::from_secs(seconds)).context("cannot set up")?;
    let settings = settings();
    let mut report = Report::new(&settings);

    saturation(&bench, &mut report, pairs, &settings)?;
    let half = report.saturation_per_s() / 2.0;
    eprintln!("overhead: latency at half load, {half:.0} a second");
    for _ in 0..pairs {
        for &setting in &settings {
            report.latency(
                setting,
                &bench.at_rate(None, half)?,
                &bench.at_rate(Some(setting), half)?,
            );
        }
    }
    eprintln!("overhead: 5 000 exchanges a second");
    for &setting in &settings {
        for _ in 0..pairs {
            report.steady(setting, &bench.at_rate(Some(setting), 5_000.0)?);
        }
    }
    eprintln!("overhead: reported against the server's own log");
    for &setting in settings
        .iter()
        .filter(|setting| setting.depth == Depth::Everything)
    {
        report.counted(setting, bench.counted(setting)?);
    }
    eprintln!("overhead: at rest, byte-wise files, connections");
    for &setting in &settings {
        report.rest(setting, bench.at_rest(setting)?);
        for _ in 0..pairs {
            report.files(
                setting,
                bench.byte_wise(None)?,
                bench.byte_wise(Some(setting))?,
            );
        }
    }
    for &setting in settings
        .iter()
        .filter(|setting| setting.depth == Depth::Everything)
    {
        for connections in [1, 1_000, 10_000] {
            report.connections(
                setting,
                connections,
                bench.connections(setting, connections)?,
            );
        }
    }
    report.print();
    Ok(())
}

/// As many exchanges as go, in clear and over HTTPS.
fn saturation(
    bench: &Bench<'_>,
    report: &mut Report,
    pairs: usize,
    settings: &[Setting],
) -> Result<()> {
    eprintln!(
        "overhead: saturation, {pairs} pairs of for each of {} settings",
        settings.len()
    );
    for _ in 0..pairs {
        for &setting in settings {
            report.saturated(
                setting,
                &bench.saturated(None)?,
                &bench.saturated(Some(setting))?,
            );
        }
    }
    eprintln!("overhead: saturation over HTTPS");
    for _ in 0..pairs {
        for &setting in settings {
            report.saturated_tls(
                setting,
                &bench.saturated_tls(None)?,
                &bench.saturated_tls(Some(setting))?,
            );
        }
    }
    Ok(())
}

/// Both taps, capture alone and everything.
fn settings() -> Vec<Setting> {
    let both = [Depth::Capture, Depth::Everything];
    Mode::present()
        .into_iter()
        .flat_map(|mode| both.map(|depth| Setting { mode, depth }))
        .collect()
}
