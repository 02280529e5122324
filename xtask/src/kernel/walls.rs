//! `eaves run` behind its walls, in each guest: what its threads have, by the kernel's own word, and where one
//! of them writes that is led elsewhere.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Its name among the modes.
pub(super) const RUN: &str = "run";

/// Threads that keep capabilities for good: `docs/security.md` says what for.
const KEEP: &[&str] = &["eaves-tls", "eaves-lookup", "eaves-quic", "eaves-reload"];

/// Some that keep none, each of another kind of work.
const BARE: &[&str] = &[
    "eaves",
    "eaves-read",
    "eaves-journal",
    "eaves-names",
    "eaves-api",
    "eaves-off",
    "sink-out",
    "sink-far",
    "sink-other",
];

/// What `eaves doctor` tries for HTTPS.
const PROBE: &str = "a probe in a process";

/// Hears; keeps none but where the kernel wants `CAP_BPF` of who reads its maps.
const CAPTURE: &str = "eaves-capture";
const BPF: u64 = 1 << 39;

/// The user it runs as, as `hear.sh` has it.
const USER: &str = "990";

/// What a kernel has that the walls hang on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Has {
    /// Landlock, switched on.
    pub(super) landlock: bool,
    /// Maps that are read by their descriptors without a capability: since Linux 5.19.
    pub(super) open_maps: bool,
}

/// The capabilities of the package's unit, in setpriv's words.
///
/// # Errors
/// It names none, or no such of its user's.
pub(super) fn capabilities(unit: &str) -> Result<String> {
    let line = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key));
    let names = line("CapabilityBoundingSet=").context("the unit has no capabilities")?;
    ensure!(
        line("AmbientCapabilities=") == Some(names),
        "its user has others"
    );
    let words = names.split(' ').map(|name| {
        let name = name.strip_prefix("CAP_").context("no capability")?;
        Ok(format!("+{}", name.to_lowercase()))
    });
    Ok(words.collect::<Result<Vec<_>>>()?.join(","))
}

/// Checks what a guest left of it.
///
/// # Errors
/// A thread has what it must not, a sink told nothing, or one was led where it must not be.
pub(super) fn stand(files: &Path, has: Has) -> Result<()> {
    let read = |name: &str| {
        let name = format!("{RUN}.{name}");
        fs::read_to_string(files.join(&name)).with_context(|| format!("the guest left no {name}"))
    };
    threads(&read("threads")?, has)?;
    let doctor: Value = serde_json::from_str(&read("doctor")?)?;
    let checks = doctor.get("checks").and_then(Value::as_array);
    let mut checks = checks.context("the doctor checked nothing")?.iter();
    let probe = checks.find(|check| check.get("name") == Some(&Value::from(PROBE)));
    let probed = probe.and_then(|check| check.get("status"));
    ensure!(probed == Some(&Value::from("good")), "for HTTPS: {probe:?}");
    for (name, sink) in [("other", "file"), ("far", "syslog")] {
        ensure!(read(name)?.contains("/cgi-bin/hello"), "no event by {sink}");
    }
    let led = files.join(format!("{RUN}.beyond")).exists();
    ensure!(led != has.landlock, "a sink was led elsewhere: {led}");
    let less = read("err")?.contains("less walls than there could be");
    ensure!(less != has.landlock, "what lacks is told: {less}");
    Ok(())
}

/// Checks `/proc/PID/task/*/status`, one behind the other.
fn threads(statuses: &str, has: Has) -> Result<()> {
    let mut seen = Vec::new();
    for status in statuses.split("Name:\t").skip(1) {
        let (name, status) = status.split_once('\n').context("a status of one line")?;
        let word = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.map(str::trim)
                .with_context(|| format!("{name}: no {field}"))
        };
        ensure!(
            word("Uid:")?.split('\t').all(|id| id == USER),
            "{name}: another user's"
        );
        ensure!(word("NoNewPrivs:")? == "1", "{name}: new privileges");
        ensure!(word("Seccomp:")? == "2", "{name}: all system calls");
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            let found = u64::from_str_radix(word(set)?, 16)?;
            let keeps = KEEP.contains(&name) && matches!(set, "CapEff:" | "CapPrm:");
            let may = name == CAPTURE && !has.open_maps && found == BPF;
            ensure!(
                keeps == (found != 0) || may,
                "{name}: {set} {found:x}, of the kernel of {has:?}"
            );
        }
        seen.push(name);
    }
    let mut all = KEEP.iter().chain(BARE).chain([&CAPTURE]);
    match all.find(|name| !seen.contains(name)) {
        Some(name) => bail!("no thread {name} among {seen:?}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{BARE, BPF, CAPTURE, Has, KEEP, capabilities, threads};

    fn status(name: &str, capabilities: u64, seccomp: u8) -> String {
        format!(
            "Name:\t{name}\nUid:\t990\t990\t990\t990\nCapInh:\t0000000000000000\nCapPrm:\t{capabilities:016x}\n\
             CapEff:\t{capabilities:016x}\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t{seccomp}\n"
        )
    }

    #[track_caller]
    fn check(capture: u64, more: &str, open_maps: bool, expected: Result<(), &str>) {
        let kept = KEEP.iter().map(|name| status(name, 1 << 2, 2));
        let bare = BARE.iter().map(|name| status(name, 0, 2));
        let mut text: String = kept.chain(bare).collect();
        text += &status(CAPTURE, capture, 2);
        text += more;
        let landlock = true;
        let found = threads(
            &text,
            Has {
                landlock,
                open_maps,
            },
        );
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn threads_with_what_they_need_pass() {
        check(0, "", true, Ok(()));
        check(0, "", false, Ok(()));
        check(BPF, "", false, Ok(()));
    }

    #[test]
    fn a_thread_with_more_fails() {
        check(BPF, "", true, Err("eaves-capture: CapEff: 8000000000"));
        check(BPF | 1, "", false, Err("eaves-capture: CapEff:"));
        let more = status("sink-more", 1 << 21, 2);
        check(0, &more, true, Err("sink-more: CapEff: 200000"));
        let open = status("sink-more", 0, 0);
        check(0, &open, true, Err("sink-more: all system calls"));
        let tls = status("eaves-tls", 0, 2);
        check(0, &tls, true, Err("eaves-tls: CapEff: 0"));
    }

    #[test]
    fn the_unit_says_which_capabilities_in_its_words() {
        let unit = |ambient: &str| {
            format!(
                "User=eaves\nCapabilityBoundingSet=CAP_BPF CAP_SYS_ADMIN\nAmbientCapabilities={ambient}\n"
            )
        };
        let found = capabilities(&unit("CAP_BPF CAP_SYS_ADMIN"));
        assert_eq!(found.unwrap(), "+bpf,+sys_admin");
        assert!(capabilities(&unit("CAP_BPF")).is_err());
        assert!(capabilities("User=eaves\n").is_err());
    }

    #[test]
    fn a_thread_that_is_not_there_fails() {
        let check = |text: &str, expected: &str| {
            let has = Has {
                landlock: true,
                open_maps: true,
            };
            let found = threads(text, has).unwrap_err();
            assert!(found.to_string().contains(expected), "{found}");
        };
        check(&status("eaves", 0, 2), "no thread eaves-tls");
        check("Name:\teaves\nUid:\t990\t0\t990\t990\n", "another user");
        check("Name:\teaves\nUid:\t990\n", "no NoNewPrivs");
    }
}
