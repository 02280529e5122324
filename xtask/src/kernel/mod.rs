//! The kernel matrix: the release binary hears real exchanges on Debian's kernels, under qemu.
//!
//! `kernel-matrix/kernel-matrix` fetches and boots the kernels, `kernel-matrix/hear.sh` runs in
//! each guest, and what the agent wrote there is judged here.

mod calls;
mod walls;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::command::{run_with_progress, say};
use crate::ebpf;
use crate::project::Project;
use crate::setup::{Package, packages};
use crate::test::Tally;
use calls::Programs;
use walls::{Has, RUN};

/// Kernels by series, with the tap that mode `auto` must take there, and what walls hang on: the oldest that
/// is supported, Debian's, and the newest there is.
const SERIES: &[(&str, &str, Has)] = &[
    (OLDEST, "syscall", OLD),
    ("6.1", "syscall", NEW),
    ("6.12", "socket", NEW),
    ("newest", "socket", NEW),
];
const OLD: Has = Has {
    landlock: false,
    open_maps: false,
};
const NEW: Has = Has {
    landlock: true,
    open_maps: true,
};

/// Its package has no module `tls`.
const OLDEST: &str = "5.10";

/// Modules that a guest loads, where its kernel has them apart: TLS of the kernel's own, and the cipher
/// that the calls are tried with.
const MODULES: &[&str] = &["tls?", "gcm?", "ctr?", "ghash-generic?", "aesni-intel?"];

/// Fewest kernels that must run for the matrix to say anything.
const KERNELS_MIN: usize = 3;

/// Modes that each kernel is tried with: what it prefers, and what all have; the former with
/// programs that log, which the verifier finds harder; and as a service, behind walls.
const MODES: &[&str] = &["auto", "syscall", LOGGING, RUN];
const LOGGING: &str = "kernel-log";

/// Rounds of requests in each mode.
const ROUNDS: usize = 3;

/// Bytes of the page that `hear.sh` has served from a file.
const PAGE_BYTES: u64 = 36;

/// Longest a guest may take, boot included. It takes a minute or two under emulation, and many times
/// that on a machine that has other work.
const TIMEOUT_S: &str = "900";

/// What a virtual machine is made of.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "qemu-system-x86",
        programs: &["qemu-system-x86_64"],
    },
    Package {
        name: "busybox-static",
        programs: &[],
    },
    Package {
        name: "python3",
        programs: &["python3"],
    },
];

/// Fetches what is missing and runs the matrix.
///
/// # Errors
/// If fewer than three kernels can be had, or the machines cannot be started.
pub(crate) fn matrix(project: &Project, binary: &Path) -> Result<Tally> {
    packages(PACKAGES, "the kernel matrix boots kernels in qemu")?;
    let logging = ebpf::build(project, ebpf::Options { kernel_log: true })?;
    let tool = project.root.join("xtask/kernel-matrix/kernel-matrix");
    let kernels = fetch(project, &tool)?;
    let out = project.target.join("matrix");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out)?;
    let programs = Programs::build(project, &out)?;
    let script = project.root.join("xtask/kernel-matrix/hear.sh");
    let mut command = Command::new(&tool);
    command.arg("run");
    for kernel in &kernels {
        command.arg("--kernel").arg(kernel);
    }
    for module in MODULES {
        command.args(["--module", *module]);
    }
    let unit = fs::read_to_string(project.root.join("xtask/dist/eaves.service"))?;
    command
        .arg("--file")
        .arg(format!("{}:/eaves", binary.display()))
        .args(["--file", "/usr/bin/setpriv:/setpriv"])
        .arg("--env")
        .arg(format!("CAPABILITIES={}", walls::capabilities(&unit)?))
        .arg("--file")
        .arg(format!("{}:/hear.sh", script.display()))
        .arg("--file")
        .arg(format!("{}:/kernel-log.o", logging.display()))
        .args(programs.arguments())
        .args(["--timeout", TIMEOUT_S, "--jobs", "2", "--out"])
        .arg(&out)
        .arg("--json")
        .arg(out.join("results.json"))
        .args(["--", "/bin/sh", "/hear.sh"])
        .args(MODES);
    // Its exit code says that some kernel failed; which, and why, is told below.
    let ran = run_with_progress(&format!("{} kernels", kernels.len()), &mut command);
    let results = fs::read_to_string(out.join("results.json"))
        .map_err(|error| ran.err().unwrap_or_else(|| error.into()))?;
    judge(&out, &serde_json::from_str(&results)?)
}

/// The kernels' folders; those not there yet are fetched.
fn fetch(project: &Project, tool: &Path) -> Result<Vec<PathBuf>> {
    let folder = project.target.join("kernels");
    let there = |series: &str| folder.join(series).join("package").is_file();
    let names = || SERIES.iter().map(|(name, ..)| *name);
    let missing: Vec<_> = names().filter(|series| !there(series)).collect();
    if !missing.is_empty() {
        say("kernels for the matrix are fetched from this machine's Debian mirror (once)");
        let mut command = Command::new(tool);
        command
            .arg("fetch")
            .arg("--dest")
            .arg(&folder)
            .args(&missing);
        if let Err(error) = run_with_progress("fetching kernels", &mut command) {
            say(format!("{error:#}"));
        }
    }
    for series in names().filter(|series| !there(series)) {
        say(format!(
            "kernel {series}: left out, since the mirror does not give it (see above)"
        ));
    }
    let kernels: Vec<_> = names()
        .filter(|series| there(series))
        .map(|series| folder.join(series))
        .collect();
    if kernels.len() < KERNELS_MIN {
        bail!(
            "only {} kernels could be had, the matrix needs {KERNELS_MIN}",
            kernels.len()
        );
    }
    Ok(kernels)
}

/// Reads what each guest left and prints a line for each mode.
fn judge(out: &Path, results: &Value) -> Result<Tally> {
    let mut tally = Tally::default();
    for result in results.as_array().context("the results are no list")? {
        let series = text(result, "/kernel");
        let release = text(result, "/release");
        for mode in MODES {
            let verdict = heard(&out.join(series).join("files"), mode, tap_of(series, mode));
            match &verdict {
                Ok(tap) => println!("kernel {series} ({release}), {mode}: ok, by {tap} tap"),
                Err(why) => println!("kernel {series} ({release}), {mode}: FAILED: {why:#}"),
            }
            tally.count(verdict.is_ok());
        }
        for tap in calls::TAPS {
            let has_tap = *tap != "socket" || tap_of(series, "auto") == "socket";
            let has_tls = series != OLDEST;
            let files = out.join(series).join("files");
            let passed = calls::passed(&files, tap, has_tap, has_tls);
            match &passed {
                Ok(skipped) => {
                    println!("kernel {series} ({release}), every call, {tap} tap: ok");
                    skipped.iter().for_each(|why| println!("  {why}"));
                }
                Err(why) => {
                    println!("kernel {series} ({release}), every call, {tap} tap: FAILED: {why:#}");
                }
            }
            tally.count(passed.is_ok());
        }
        if let Some((_, _, has)) = SERIES.iter().find(|(name, ..)| *name == series) {
            let stand = walls::stand(&out.join(series).join("files"), *has);
            match &stand {
                Ok(()) => println!("kernel {series} ({release}), walls: ok, of {has:?}"),
                Err(why) => println!("kernel {series} ({release}), walls: FAILED: {why:#}"),
            }
            tally.count(stand.is_ok());
        }
        let warnings = result.pointer("/warnings").and_then(Value::as_u64);
        if warnings != Some(0) {
            println!("kernel {series}: FAILED: it warned or crashed, see its console.txt");
            tally.count(false);
        }
        if result.pointer("/code").and_then(Value::as_i64) != Some(0) {
            println!(
                "kernel {series}: {}\n{}",
                text(result, "/why"),
                text(result, "/output")
            );
            tally.count(false);
        }
    }
    Ok(tally)
}

/// The tap that a mode must take on a kernel.
fn tap_of(series: &str, mode: &'static str) -> &'static str {
    let preferred = SERIES.iter().find(|(name, ..)| *name == series);
    match preferred {
        Some((_, tap, _)) if mode != "syscall" => tap,
        _ => mode,
    }
}

/// What a guest's agent told of one mode.
struct Told {
    exchanges: Vec<Value>,
    taps: Vec<String>,
    /// Calls that the kernel passed over and nobody stood in for.
    missed: usize,
}

impl Told {
    fn read(file: &Path) -> Result<Self> {
        let lines = fs::read_to_string(file).context("the guest left no events")?;
        let mut told = Self {
            exchanges: Vec::new(),
            taps: Vec::new(),
            missed: 0,
        };
        for line in lines.lines() {
            let event: Value =
                serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
            match (text(&event, "/kind"), text(&event, "/name")) {
                ("exchange", _) => told.exchanges.push(event),
                (_, "tap") => told.taps.push(text(&event, "/detail/tap").to_owned()),
                (_, "stop") => told.missed = missed(&event)?,
                _ => {}
            }
        }
        Ok(told)
    }
}

/// What the ledger of a stop says was missed.
fn missed(stop: &Value) -> Result<usize> {
    let ledger = stop.pointer("/detail/ledger").and_then(Value::as_array);
    let mut counts = ledger.context("no ledger in the stop notice")?.iter();
    let count = counts
        .find(|count| (text(count, "/stage"), text(count, "/name")) == ("kernel", "missed"))
        .and_then(|count| count.pointer("/count")?.as_u64())
        .context("the ledger does not say what was missed")?;
    Ok(usize::try_from(count)?)
}

/// What must be reported of one exchange.
type Right = fn(&Value) -> Result<()>;

/// The exchanges of each round, by their paths.
const EXCHANGES: &[(&str, Right)] = &[
    ("/cgi-bin/hello", |event| whole(event, 200)),
    ("/page.txt", page),
    ("/nothing-here", |event| whole(event, 404)),
];

/// Checks one mode's events; gives the tap they were heard by.
///
/// Each exchange must be reported as it was. Where the kernel passes programs over, one may be
/// short of it for each call that was missed and counted, but some of each kind must be right.
fn heard<'a>(files: &Path, mode: &str, tap: &'a str) -> Result<&'a str> {
    let told = Told::read(&files.join(format!("{mode}.jsonl")))?;
    if told.taps != [tap] {
        bail!("heard by {:?}, not by the {tap} tap", told.taps);
    }
    let (mut right, mut faults) = (0, Vec::new());
    for (path, check) in EXCHANGES {
        let found = told.exchanges.iter();
        let found: Vec<_> = found
            .filter(|event| text(event, "/url/path") == *path)
            .collect();
        if found.len() > ROUNDS {
            bail!("{} exchanges with path {path}", found.len());
        }
        let before = faults.len();
        faults.extend(found.iter().filter_map(|event| check(event).err()));
        let good = found.len() + before - faults.len();
        for _ in found.len()..ROUNDS {
            faults.push(anyhow!("no exchange with path {path}"));
        }
        if good == 0 {
            bail!("none is right: {:#}", faults.remove(before));
        }
        right += good;
    }
    let missed = told.missed;
    let odd = told.exchanges.len() - right;
    if odd > missed {
        faults.push(anyhow!("{odd} exchanges reported that were not made so"));
    }
    if faults.len() > missed {
        let faults: Vec<_> = faults.iter().map(|fault| format!("{fault:#}")).collect();
        bail!("{missed} calls missed, but {}", faults.join("; "));
    }
    Ok(tap)
}

/// An exchange of which nothing is missing.
fn whole(event: &Value, status: u16) -> Result<()> {
    expect(event, "/role", &Value::from("server"))?;
    expect(event, "/http/request/method", &Value::from("GET"))?;
    expect(event, "/http/response/status_code", &Value::from(status))?;
    expect(event, "/completeness/request", &Value::from("whole"))?;
    expect(event, "/completeness/response", &Value::from("whole"))?;
    expect(event, "/server/port", &Value::from(8080))
}

/// busybox sends a file by sendfile: counted and positioned, but not seen.
fn page(event: &Value) -> Result<()> {
    let bytes = Value::from(PAGE_BYTES);
    expect(event, "/http/response/status_code", &Value::from(200))?;
    expect(event, "/http/response/body_bytes", &bytes)?;
    expect(event, "/completeness/response", &Value::from("gap"))?;
    expect(event, "/completeness/missing_bytes", &bytes)
}

fn expect(event: &Value, pointer: &str, expected: &Value) -> Result<()> {
    let found = event.pointer(pointer);
    if found == Some(expected) {
        return Ok(());
    }
    bail!(
        "{pointer} is {}, not {expected}: {event}",
        found.unwrap_or(&Value::Null)
    )
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::{ROUNDS, heard, tap_of};

    const TAP: &str = r#"{"kind":"notice","name":"tap","detail":{"tap":"socket"}}"#;

    fn event(path: &str, status: u16, completeness: &str) -> String {
        format!(
            r#"{{"kind":"exchange","role":"server","server":{{"port":8080}},"url":{{"path":"{path}"}},"http":{{"request":{{"method":"GET"}},"response":{{"status_code":{status},"body_bytes":36}}}},"completeness":{{"request":"whole","response":"{completeness}","missing_bytes":36}}}}"#
        )
    }

    #[track_caller]
    fn check(events: &[String], expected: Result<&str, &str>) {
        let folder = std::env::temp_dir().join(format!(
            "xtask-heard-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("auto.jsonl"), events.join("\n")).unwrap();
        let found = heard(&folder, "auto", "socket");
        std::fs::remove_dir_all(&folder).unwrap();
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => {
                assert!(
                    found.to_string().contains(expected),
                    "{found} does not say {expected}"
                );
            }
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    fn stop(missed: u32) -> String {
        format!(
            r#"{{"kind":"notice","name":"stop","detail":{{"ledger":[{{"stage":"kernel","name":"missed","count":{missed}}}]}}}}"#
        )
    }

    fn good() -> Vec<String> {
        let mut events = vec![TAP.to_owned(), stop(0)];
        for _ in 0..ROUNDS {
            events.extend([
                event("/cgi-bin/hello", 200, "whole"),
                event("/page.txt", 200, "gap"),
                event("/nothing-here", 404, "whole"),
            ]);
        }
        events
    }

    #[test]
    fn right_exchanges_pass() {
        check(&good(), Ok("socket"));
    }

    #[test]
    fn what_is_missing_doubled_or_holed_fails() {
        let mut missing = good();
        missing.remove(2);
        check(&missing, Err("no exchange with path /cgi-bin/hello"));
        let mut doubled = good();
        doubled.push(event("/page.txt", 200, "gap"));
        check(&doubled, Err("4 exchanges with path /page.txt"));
        let mut invented = good();
        invented.push(event("/other", 200, "whole"));
        check(&invented, Err("1 exchanges reported that were not made so"));
        let mut holed = good();
        holed[2] = event("/cgi-bin/hello", 200, "gap");
        check(&holed, Err("/completeness/response is \"gap\""));
    }

    #[test]
    fn what_was_missed_and_counted_may_be_short() {
        let mut short = good();
        short[2] = event("/cgi-bin/hello", 200, "gap");
        short.remove(4);
        check(&short, Err("0 calls missed"));
        short[1] = stop(1);
        check(&short, Err("1 calls missed"));
        short[1] = stop(2);
        check(&short, Ok("socket"));
    }

    #[test]
    fn of_each_kind_one_must_be_right() {
        let mut none = good();
        none.retain(|event| !event.contains("nothing-here"));
        none[1] = stop(100);
        check(
            &none,
            Err("none is right: no exchange with path /nothing-here"),
        );
        let mut unsaid = good();
        unsaid.remove(1);
        unsaid.push(r#"{"kind":"notice","name":"stop","detail":{}}"#.to_owned());
        check(&unsaid, Err("no ledger"));
    }

    #[test]
    fn a_lesser_tap_than_the_kernel_has_fails() {
        let mut degraded = good();
        degraded[0] = TAP.replace("socket", "syscall");
        check(&degraded, Err("not by the socket tap"));
        assert_eq!(tap_of("5.10", "auto"), "syscall");
        assert_eq!(tap_of("newest", "auto"), "socket");
        assert_eq!(tap_of("newest", "syscall"), "syscall");
        assert_eq!(tap_of("newest", "kernel-log"), "socket");
    }
}
