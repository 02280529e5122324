//! Arguments, exit codes, and what is said where the host does not allow something.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use eaves_tests::agent::binary;
use eaves_tests::sandbox::Sandbox;

use super::{check, check_output, eaves, eaves_command};

#[test]
fn the_version_is_told() {
    check(
        &["--version"],
        0,
        &["eaves ", env!("CARGO_PKG_VERSION")],
        &[],
    );
}

#[test]
fn help_names_every_command() {
    let commands = [
        "run",
        "watch",
        "record",
        "replay",
        "verify",
        "doctor",
        "config",
        "completions",
        "man",
    ];
    check(&["--help"], 0, &commands, &[]);
}

#[test]
fn wrong_usage_ends_with_2() {
    check(&[], 2, &[], &["Usage"]);
    check(&["listen"], 2, &[], &["listen"]);
    check(
        &["watch", "--mode", "telepathy"],
        2,
        &[],
        &["telepathy", "socket", "syscall"],
    );
    check(
        &["watch", "--role", "spy"],
        2,
        &[],
        &["spy", "server", "client"],
    );
}

#[test]
fn completions_and_the_manual_are_printed() {
    check(&["completions", "bash"], 0, &["complete"], &[]);
    check(&["man"], 0, &[".TH"], &[]);
}

/// A copy of the binary that everybody may run, as a user who may nothing.
fn as_nobody(sandbox: &Sandbox, arguments: &[&str]) -> Option<Command> {
    eaves_command(arguments)?;
    let copy = sandbox.file("eaves");
    std::fs::copy(binary().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--inh-caps=-all",
        ]);
        command.arg(copy);
        command
    } else {
        Command::new(copy)
    };
    command.args(arguments).env("NO_COLOR", "1");
    Some(command)
}

#[test]
fn without_root_hearing_ends_with_3_and_says_what_to_do() {
    let sandbox = Sandbox::new().unwrap();
    for arguments in [&["watch"][..], &["run"]] {
        let Some(mut command) = as_nobody(&sandbox, arguments) else {
            return;
        };
        check_output(&command.output().unwrap(), 3, &[], &["root", "CAP_BPF"]);
    }
}

#[test]
fn a_recording_that_cannot_begin_leaves_the_one_that_is_there() {
    let sandbox = Sandbox::new().unwrap();
    let path = sandbox.write("problem.cap", "of yesterday").unwrap();
    let Some(mut command) = as_nobody(&sandbox, &["record", path.to_str().unwrap()]) else {
        return;
    };
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    check_output(&command.output().unwrap(), 3, &[], &["root", "CAP_BPF"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"of yesterday");
}

#[test]
fn a_file_that_is_no_kernel_object_is_wrong_usage() {
    let sandbox = Sandbox::new().unwrap();
    let text = sandbox.write("object.o", "text").unwrap();
    let text = text.to_str().unwrap();
    check(
        &["watch", "--ebpf-object", text],
        2,
        &[],
        &["kernel object"],
    );
    let absent = sandbox.file("absent.o");
    let absent = absent.to_str().unwrap();
    check(&["run", "--ebpf-object", absent], 2, &[], &["absent.o"]);
}

#[test]
fn without_root_the_doctor_says_what_is_missing() {
    let sandbox = Sandbox::new().unwrap();
    let Some(mut command) = as_nobody(&sandbox, &["doctor", "--json"]) else {
        return;
    };
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&err);
    assert!(told.to_string().contains("CAP_BPF"), "{told}");
}

#[test]
fn the_schema_of_events_is_json() {
    let Some(output) = eaves(&["config", "schema", "--events"]) else {
        return;
    };
    check_output(&output, 0, &["completeness"], &[]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema.is_object());
}
