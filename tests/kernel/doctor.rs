//! `eaves doctor` as root and as nobody.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Mode, binary, command, refused_exits};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under;
use libtest_mimic::Trial;
use serde_json::Value;

/// User and group of nobody on Debian and most others.
const NOBODY: u32 = 65_534;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let hears = |mode| {
        under("doctor::a_tap_hears_what_it_is_given", mode, |_, mode| {
            hears(mode)
        })
    };
    let unprivileged = "doctor::missing_privileges_are_named";
    let nobody = under(unprivileged, Mode::Syscall, |sandbox, _| nobody(sandbox));
    let without = under("doctor::probes_are_tried", Mode::Socket, |_, _| probes());
    let others = [nobody, without];
    Mode::ALL.map(hears).into_iter().chain(others).collect()
}

/// The tap is among those that heard, nothing is said to be lost by it, and the command says so.
fn hears(mode: Mode) -> Result<()> {
    let output = command(["doctor", "--json"])?.output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let hears = report.pointer("/hears").and_then(Value::as_array);
    let heard = hears.is_some_and(|taps| taps.iter().any(|tap| tap == mode.name()));
    ensure!(heard, "the {} tap does not hear: {report:#}", mode.name());
    let group = format!("{}_tap", mode.name());
    let mut checks = checks(&report)?
        .iter()
        .filter(|check| check["group"] == group.as_str());
    // The exits of functions are the one thing that a kernel which can be heard may refuse.
    let refused = refused_exits()?;
    let good = |check: &Value| {
        let exit = refused
            .iter()
            .any(|name| check["name"] == format!("fexit {name}"));
        check["status"] == if exit { "less" } else { "good" }
    };
    ensure!(checks.all(good), "{report:#}");
    ensure!(
        output.status.code() == Some(0),
        "it ended with {}",
        output.status
    );
    let words = command(["doctor"])?.output()?;
    let words = String::from_utf8(words.stdout)?;
    ensure!(
        words.starts_with("Eaves can hear HTTP on this host"),
        "{words}"
    );
    ensure!(!words.contains('\x1b'), "colours without a terminal");
    Ok(())
}

/// Run by nobody it hears nothing, says which privileges it wants, and ends in 3.
fn nobody(sandbox: &Sandbox) -> Result<()> {
    let copy = sandbox.file("eaves");
    std::fs::copy(binary()?, &copy)?;
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
    let mut doctor = Command::new(&copy);
    let output = doctor
        .args(["doctor", "--json"])
        .uid(NOBODY)
        .gid(NOBODY)
        .output()?;
    ensure!(
        output.status.code() == Some(3),
        "it ended with {}",
        output.status
    );
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        report["hears"].as_array().is_some_and(Vec::is_empty),
        "{report:#}"
    );
    for name in ["CAP_BPF", "CAP_PERFMON"] {
        let check = checks(&report)?.iter().find(|check| check["name"] == name);
        let check = check.with_context(|| format!("nothing is said of {name}"))?;
        ensure!(
            check["status"] == "bad" && check["advice"].is_string(),
            "{check:#}"
        );
    }
    let loads = checks(&report)?
        .iter()
        .filter(|check| check["name"] == "load and attach");
    for check in loads {
        let found = check["found"].as_str().unwrap_or_default();
        ensure!(
            found.contains("root"),
            "it does not say what to do: {found}"
        );
    }
    Ok(())
}

/// A probe in a process is tried: root has it, and lacks it without the capability that this kernel wants.
fn probes() -> Result<()> {
    let tried = |mut command: Command| -> Result<Value> {
        let output = command.output()?;
        ensure!(output.status.code() == Some(0), "{}", output.status);
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let mut all = checks(&report)?.iter();
        let check = all.find(|check| check["group"] == "tls_tap");
        check.cloned().context("no probe was tried")
    };
    let with = tried(command(["doctor", "--json"])?)?;
    ensure!(with["status"] == "good", "{with:#}");
    let mut without = Command::new("setpriv");
    without
        .args(["--bounding-set", "-sys_admin", "--inh-caps", "-all"])
        .arg(binary()?)
        .args(["doctor", "--json"]);
    let without = tried(without)?;
    let advice = without["advice"].as_str().unwrap_or_default();
    ensure!(
        without["status"] == "less" && advice.contains("CAP_SYS_ADMIN"),
        "{without:#}"
    );
    Ok(())
}

fn checks(report: &Value) -> Result<&Vec<Value>> {
    report["checks"].as_array().context("no checks")
}
