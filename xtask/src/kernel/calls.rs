//! Every call, one by one, in each guest: the kernel test of that name, with the program whose
//! calls it foresees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{output, run};
use crate::project::Project;

/// The test.
const TEST: &str = "plaintext::every_call_is_reported_as_it_was";

/// Another that brings its own peers: first bytes of handshakes of TLS.
const HELLOS: &str = "plaintext::first_bytes_of_a_handshake_are_told";

/// What a case says for which the kernel refused a program.
const REFUSED: &str = "refuses a program";

/// What a case says on a kernel that does not speak TLS.
const NO_TLS: &str = "no TLS of its own";

/// The taps it goes through.
pub(super) const TAPS: &[&str] = &["socket", "syscall"];

/// What the guests need.
pub(super) struct Programs {
    /// Files here, without what is for debugging.
    folder: PathBuf,
    /// Where the test looks for the other program.
    calls: PathBuf,
}

impl Programs {
    /// Builds them.
    ///
    /// # Errors
    /// They do not build.
    pub(super) fn build(project: &Project, folder: &Path) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&project.root)
            .args(["test", "--quiet", "--package", "eaves-tests"])
            .args(["--test", "kernel", "--no-run"])
            .arg("--message-format=json-render-diagnostics");
        let messages = output(&mut cargo)?;
        let (test, calls) = (
            executable(&messages, "kernel")?,
            executable(&messages, "eaves-calls")?,
        );
        for (name, file) in [("kernel-test", &test), ("calls", &calls)] {
            let mut strip = Command::new("strip");
            strip.arg("-o").arg(folder.join(name)).arg(file);
            run(&mut strip)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            calls,
        })
    }

    /// Arguments of `kernel-matrix` that bring them into the guests.
    pub(super) fn arguments(&self) -> Vec<String> {
        let file = |name: &str, to: &Path| {
            let from = self.folder.join(name);
            [
                "--file".to_owned(),
                format!("{}:{}", from.display(), to.display()),
            ]
        };
        let test = file("kernel-test", Path::new("/kernel-test"));
        [test, file("calls", &self.calls)].concat()
    }
}

/// The executable that cargo says it built for `target`.
fn executable(messages: &str, target: &str) -> Result<PathBuf> {
    let mut found = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let name = message.pointer("/target/name")?.as_str()?;
        let file = message.pointer("/executable")?.as_str()?;
        (name == target).then(|| PathBuf::from(file))
    });
    found
        .next_back()
        .with_context(|| format!("cargo does not say where {target} is"))
}

/// What the test said of one tap: the cases that this kernel cannot do.
///
/// # Errors
/// It failed, did not come to it, or was left out although the kernel has the tap, or TLS.
pub(super) fn passed(files: &Path, tap: &str, has_tap: bool, has_tls: bool) -> Result<Vec<String>> {
    let read = |name: &str| {
        fs::read_to_string(files.join(name)).with_context(|| format!("the guest left no {name}"))
    };
    let (said, aside) = (read("calls.out")?, read("calls.err")?);
    for test in [TEST, HELLOS] {
        let begins = format!("test {test}::{tap}");
        let line = said.lines().find_map(|line| line.strip_prefix(&begins));
        if line.map(|line| line.trim_start_matches([' ', '.'])) != Some("ok") {
            bail!("{}{}", said.trim(), aside.trim());
        }
    }
    let own = format!("{TEST}::{tap}: skipped: ");
    match aside.lines().find_map(|line| line.strip_prefix(&own)) {
        Some(why) if has_tap => bail!("left out: {why}"),
        Some(_) => return Ok(vec!["this kernel has no such tap".to_owned()]),
        None => {}
    }
    let is_case = |line: &&str| !line.starts_with(TEST) && !line.starts_with(HELLOS);
    let cases = aside.lines().filter(is_case);
    let skipped = cases.filter(|line| line.contains(": skipped: "));
    let mut skipped: Vec<_> = skipped.map(str::to_owned).collect();
    skipped.sort();
    skipped.dedup();
    if let Some(refused) = skipped.iter().find(|line| line.contains(REFUSED)) {
        bail!("{refused}, though every kernel here takes one");
    }
    if has_tls && let Some(deaf) = skipped.iter().find(|line| line.contains(NO_TLS)) {
        bail!("{deaf}, though it has the module");
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use super::{executable, passed};
    use std::path::PathBuf;

    const OK: &str = "test plaintext::every_call_is_reported_as_it_was::socket  ... ok\n\
        test plaintext::first_bytes_of_a_handshake_are_told::socket  ... ok\n";

    #[track_caller]
    fn check(said: &str, aside: &str, has_tap: bool, expected: Result<&[&str], &str>) {
        let folder = std::env::temp_dir().join(format!(
            "xtask-calls-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("calls.out"), said).unwrap();
        std::fs::write(folder.join("calls.err"), aside).unwrap();
        let found = passed(&folder, "socket", has_tap, has_tap);
        std::fs::remove_dir_all(&folder).unwrap();
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected)),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn what_passed_says_what_was_left_out() {
        check(OK, "", true, Ok(&[]));
        let refused = "unix: skipped: this kernel refuses a program at an exit";
        check(OK, refused, true, Err(refused));
        let case = "mptcp: skipped: no MPTCP";
        check(OK, case, true, Ok(&[case]));
        let deaf = "kernel_tls: skipped: this kernel has no TLS of its own";
        check(OK, deaf, true, Err(deaf));
        check(OK, deaf, false, Ok(&[deaf]));
    }

    #[test]
    fn a_tap_may_be_missing_only_where_the_kernel_has_none() {
        let aside = "plaintext::every_call_is_reported_as_it_was::socket: skipped: no tracepoint";
        check(OK, aside, false, Ok(&["this kernel has no such tap"]));
        check(OK, aside, true, Err("no tracepoint"));
    }

    #[test]
    fn what_failed_or_never_ran_fails() {
        check(&OK.replace("ok", "FAILED"), "why", true, Err("why"));
        for line in OK.lines() {
            check(line, "why", true, Err("why"));
        }
        check("", "", true, Err(""));
        check(&OK.replace("socket", "syscall"), "", true, Err("syscall"));
    }

    #[test]
    fn cargo_says_where_it_built() {
        let messages = "{\"target\":{\"name\":\"kernel\"},\"executable\":\"/a/kernel-1\"}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(
            executable(messages, "kernel").unwrap(),
            PathBuf::from("/a/kernel-1")
        );
        assert!(executable(messages, "eaves-calls").is_err());
    }
}
