//! HTTPS of rustls, by hyper and tokio-rustls: what is reported of either end is what the servers logged,
//! with the right ports, however the program was built; and one without symbols is named.

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::compare::{Expect, compare};
use eaves_tests::peer::{Certificate, Client, RustBuild, rust_program, rust_tls_server};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::{under, under_both_taps};
use libtest_mimic::Trial;

use crate::servers::of;
use crate::tls::{drive, hearing, must_be_tls_of};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let both = |name: &str, how| {
        under_both_taps(&format!("rustls::{name}"), move |sandbox, mode| {
            both_ends(sandbox, mode, how)
        })
    };
    let mut all: Vec<_> = [
        both("debug", RustBuild::Debug),
        both("release", RustBuild::Release),
    ]
    .into_iter()
    .flatten()
    .collect();
    // What differs is where the functions are, not what they do.
    for (name, how) in [
        ("lto", RustBuild::Lto),
        ("of_0_22", RustBuild::Of0_22),
        ("of_0_21", RustBuild::Of0_21),
    ] {
        let name = format!("rustls::{name}");
        all.push(under(&name, Mode::Socket, move |sandbox, mode| {
            both_ends(sandbox, mode, how)
        }));
    }
    all
}

/// Two servers, one from before the agent and one from after, each with clients that come and go.
fn both_ends(sandbox: &Sandbox, mode: Mode, how: RustBuild) -> Result<()> {
    let program = rust_program(how)?;
    let certificate = Certificate::new(sandbox)?;
    let start = |name: &str| rust_tls_server(sandbox, name, &program, &certificate);
    let mut before = start("before")?;
    let mut agent = hearing(sandbox, mode, how.name())?;
    let mut after = start("after")?;
    let client = Client::RustTls(program.clone());
    let mut logs = Vec::new();
    for server in [&mut before, &mut after] {
        let place = server.place().clone();
        logs.push((place, drive(sandbox, server, &client)?));
    }
    let ends = ["server", "client"];
    agent.settle(|reported| {
        logs.iter().all(|(place, log)| {
            ends.iter()
                .all(|role| of(reported, role, place).len() >= log.len())
        })
    })?;
    let report = agent.stop()?;
    for (place, log) in &logs {
        for role in ends {
            let reported = of(&report.exchanges, role, place);
            compare(&reported, log, Expect::Whole).with_context(|| role.to_owned())?;
            must_be_tls_of(&reported, "rustls")?;
            ensure!(
                reported.iter().all(|one| one.value.get("client").is_some()),
                "{role}: some have no client"
            );
        }
    }
    report.balanced()
}
