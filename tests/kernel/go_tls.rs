//! HTTPS of Go's own `crypto/tls`: what is reported of either end is what the servers logged, with the
//! right ports, whether the program kept its symbols or not.

use std::os::unix::fs::PermissionsExt as _;

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
    all.push(under(
        "go_tls::one_file_by_three_names",
        Mode::Socket,
        overlaid,
    ));
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

/// Two servers whose program each sees through an overlay of its own, as two containers of one image do, and
/// clients that have it as it is: nothing is heard twice.
fn overlaid(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let program = go_program(PLAIN)?;
    let (folder, file) = (program.parent(), program.file_name());
    let (folder, file) = (folder.context("no folder")?, file.context("no name")?);
    let file = file.to_str().context("a path that is not text")?.to_owned();
    let certificate = Certificate::new(sandbox)?;
    let start = |name: &str| {
        let [empty, there] = ["empty", "there"].map(|what| sandbox.file(&format!("{name}-{what}")));
        for made in [&empty, &there] {
            std::fs::create_dir_all(made)?;
        }
        let script = format!(
            "#!/bin/sh\nexec unshare -m sh -c 'mount -t overlay overlay -o lowerdir={}:{} {there} && exec {there}/{file} \"$@\"' sh \"$@\"\n",
            folder.display(),
            empty.display(),
            there = there.display(),
        );
        let script = sandbox.write(&format!("{name}.sh"), script)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        go_tls_server(sandbox, name, script, false, &certificate)
    };
    let client = Client::GoTls {
        program: program.clone(),
        http2: false,
    };
    before_and_after(sandbox, mode, &file, start, &client, |reported| {
        must_be_tls_of(reported, "go")
    })
}
