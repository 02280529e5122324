//! Finds or installs what is missing from the system, once, and says why.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{probe, run, run_with_progress, say};
use crate::project::which;

/// Installs packages without starting, now or at boot, the services in them: what is tested are
/// servers of the tests' own. `policy-rc.d` is what Debian asks before a package starts a service
/// (invoke-rc.d(8)); one that is already there is left alone.
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
install() {
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}
update() {
    apt-get update -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3
}
if ! apt-get install -s -q --no-install-recommends "$@" >/dev/null 2>&1; then
    echo "the package lists are missing or old"
    update
fi
install "$@" || { update; install "$@"; }
if [ -d /run/systemd/system ]; then
    for unit in nginx apache2 haproxy lighttpd rsyslog prometheus-alertmanager; do
        for package in "$@"; do
            [ "$package" = "$unit" ] && systemctl disable --quiet "$unit" || true
        done
    done
fi
"#;

/// A Debian package and what it is needed for.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where one of these programs is in `PATH` the package is not needed; empty if only the
    /// package will do.
    pub(crate) programs: &'static [&'static str],
}

/// Installs what is missing of `packages`; says so, and `why`.
///
/// # Errors
/// If the machine is no Debian, root cannot be had, or apt fails.
pub(crate) fn packages(packages: &[Package], why: &str) -> Result<()> {
    let wanted: Vec<&str> = packages
        .iter()
        .filter(|package| {
            !package
                .programs
                .iter()
                .any(|program| which(program).is_some())
        })
        .map(|package| package.name)
        .collect();
    let missing = not_installed(&wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if which("apt-get").is_none() {
        bail!("{why}: this needs the Debian packages {list}, and there is no apt-get here");
    }
    say(format!("{why}: installing {list}"));
    let mut command = as_root("sh", &format!("apt-get install {list}"))?;
    command.args(["-c", INSTALL, "sh"]).args(&missing);
    run_with_progress(
        &format!("apt-get install ({} packages)", missing.len()),
        &mut command,
    )
    .with_context(|| format!("cannot install {list}"))
}

/// Those of `names` that dpkg does not have.
fn not_installed<'a>(names: &[&'a str]) -> Vec<&'a str> {
    if names.is_empty() {
        return Vec::new();
    }
    let answer = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package}\n"])
        .args(names)
        .stderr(Stdio::null())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let there: BTreeSet<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    names
        .iter()
        .copied()
        .filter(|name| !there.contains(name))
        .collect()
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|meta| meta.uid() == 0)
}

/// A command that will run `program` as root, by sudo if need be; `what` is what a person would
/// have to type as root instead. Asks for the password now, so that no progress line hides it.
///
/// # Errors
/// If we are not root and sudo is not there or refuses.
pub(crate) fn as_root(program: &str, what: &str) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if which("sudo").is_none() {
        bail!("this needs root, and there is no sudo here; run as root:\n    {what}");
    }
    if probe(Command::new("sudo").args(["-n", "true"])).is_none() {
        say(format!("sudo, for: {what}"));
        run(Command::new("sudo").arg("-v"))
            .with_context(|| format!("sudo refuses; run as root:\n    {what}"))?;
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg(program);
    Ok(command)
}
