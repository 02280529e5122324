//! HTTPS of Go's own `crypto/tls`: what is reported of either end is what the servers logged, with the
//! right ports, whether the program kept its symbols or not.

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, Client, GoBuild, go_program, go_tls_server};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::{under, under_both_taps};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::https::{before_and_after, must_be_agreed, must_be_tls_of};

/// As it is built by default.
const PLAIN: GoBuild = GoBuild {
    stripped: false,
    moved: false,
    version: None,
};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let stripped = GoBuild {
        stripped: true,
        ..PLAIN
    };
    let moved = GoBuild {
        moved: true,
        ..stripped
    };
    let both = [
        trial("http1", PLAIN, false),
        trial("http2", PLAIN, true),
        trial("http1_stripped", stripped, false),
        trial("http2_stripped_and_moved", moved, true),
    ];
    let mut all: Vec<_> = both.into_iter().flatten().collect();
    // What differs between versions are a program's tables and its instructions, not its sockets.
    all.extend([
        of_version("http1_go1_19_stripped_and_moved", moved, "go1.19.13", false),
        of_version("http2_go1_21_stripped", stripped, "go1.21.13", true),
        of_version("http1_go1_24_stripped", stripped, "go1.24.11", false),
    ]);
    all
}

/// A test of programs built by that version of Go, under one tap.
fn of_version(name: &str, how: GoBuild, version: &'static str, http2: bool) -> Trial {
    let how = GoBuild {
        version: Some(version),
        ..how
    };
    under(
        &format!("go_tls::{name}"),
        Mode::Socket,
        move |sandbox, mode| both_ends(sandbox, mode, how, http2),
    )
}

fn trial(name: &str, how: GoBuild, http2: bool) -> Vec<Trial> {
    under_both_taps(&format!("go_tls::{name}"), move |sandbox, mode| {
        both_ends(sandbox, mode, how, http2)
    })
}

/// Two servers, one from before the agent and one from after, each with clients that come and go.
fn both_ends(sandbox: &Sandbox, mode: Mode, how: GoBuild, http2: bool) -> Result<()> {
    let program = go_program(how)?;
    let file = program.file_name().context("a program without a name")?;
    let file = file.to_str().context("a path that is not text")?.to_owned();
    let certificate = Certificate::new(sandbox)?;
    let start = |name: &str| go_tls_server(sandbox, name, program.clone(), http2, &certificate);
    let client = Client::GoTls {
        program: program.clone(),
        http2,
    };
    let version = if http2 { "2" } else { "1.1" };
    let is_it = |one: &Exchange| {
        let found = one.value.pointer("/network/protocol/version");
        found.and_then(Value::as_str) == Some(version)
    };
    before_and_after(sandbox, mode, &file, start, &client, |reported| {
        must_be_tls_of(reported, "go")?;
        must_be_agreed(reported)?;
        ensure!(reported.iter().all(is_it), "not all are of HTTP/{version}");
        Ok(())
    })
}
