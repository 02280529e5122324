//! Tests that need no root.

#![cfg(test)]

mod cli;
mod config;
mod explain;
mod far;
mod journal;
mod peers;
mod query;
mod replay;
mod sinks;
mod standins;
mod ways;

use std::process::{Command, Output};

use eaves_tests::agent::command;
use eaves_tests::sandbox::{Skip, everything_is_required};

/// Runs `eaves` with these arguments to its end; nothing if there is no binary and none is needed.
#[track_caller]
fn eaves(arguments: &[&str]) -> Option<Output> {
    Some(eaves_command(arguments)?.output().unwrap())
}

/// As [`eaves`], not yet run.
#[track_caller]
fn eaves_command(arguments: &[&str]) -> Option<Command> {
    match command(arguments.iter().copied()) {
        Ok(command) => Some(command),
        Err(error) if error.is::<Skip>() && !everything_is_required() => {
            eprintln!("skipped: {error:#}");
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// Checks how a command ended, and that both outputs hold what they must.
#[track_caller]
fn check(arguments: &[&str], code: i32, stdout: &[&str], stderr: &[&str]) {
    let Some(output) = eaves(arguments) else {
        return;
    };
    check_output(&output, code, stdout, stderr);
}

#[track_caller]
fn check_output(output: &Output, code: i32, stdout: &[&str], stderr: &[&str]) {
    let said =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    let [out, err] = &said;
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout: {out}\nstderr: {err}"
    );
    for (text, words) in [(out, stdout), (err, stderr)] {
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text:?}");
        }
    }
    assert!(!err.contains("panicked"), "{err}");
}
