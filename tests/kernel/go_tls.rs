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
    let mut all = under_both_taps("go_tls::http1", |sandbox, mode| {
        both_ends(sandbox, mode, PLAIN, false)
    });
    // What differs are a program's tables and its instructions, not its sockets.
    let of = |how, version| GoBuild { version, ..how };
    for (name, mode, how, http2) in [
        ("http2", Mode::Syscall, PLAIN, true),
        ("http1_stripped", Mode::Socket, stripped, false),
        ("http2_stripped_and_moved", Mode::Syscall, moved, true),
        (
            "http1_go1_19_stripped_and_moved",
            Mode::Socket,
            of(moved, Some("go1.19.13")),
            false,
        ),
        (
            "http2_go1_21_stripped",
            Mode::Socket,
            of(stripped, Some("go1.21.13")),
            true,
        ),
        (
            "http1_go1_24_stripped",
            Mode::Syscall,
            of(stripped, Some("go1.24.11")),
            false,
        ),
    ] {
        let name = format!("go_tls::{name}");
        all.push(under(&name, mode, move |sandbox, mode| {
            both_ends(sandbox, mode, how, http2)
        }));
    }
    all
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
