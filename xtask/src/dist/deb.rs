//! The Debian package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::files::{Entry, FOLDERS};
use super::{Job, VERSION, linked, place, settle};
use crate::command::{output, run};

/// Scripts and lists of `xtask/dist/deb` that go into the package's control part, with their modes.
const CONTROL: &[(&str, u32)] = &[
    ("conffiles", 0o644),
    ("postinst", 0o755),
    ("prerm", 0o755),
    ("postrm", 0o755),
];

/// Files that Debian wants compressed: its manual, §12.1.
const COMPRESSED: &str = "usr/share/man/";

/// Name of the package's file.
pub(super) fn name() -> String {
    format!("eaves_{}_amd64.deb", version(VERSION))
}

/// Cargo's version as Debian sorts it: `1.0.0~rc.1` comes before `1.0.0`.
fn version(cargo: &str) -> String {
    cargo.replacen('-', "~", 1)
}

/// Lays the files out below `tree` and makes `package` of them.
///
/// # Errors
/// If a file cannot be written or a tool fails.
pub(super) fn package(job: &Job<'_>, files: &[Entry], tree: &Path, package: &Path) -> Result<()> {
    for file in files {
        let Some(path) = &file.installed else {
            continue;
        };
        let at = tree.join(path);
        place(&at, &file.bytes, file.mode)?;
        if path.starts_with(COMPRESSED) {
            run(Command::new("gzip").args(["-9n", "--"]).arg(&at))?;
        }
    }
    for folder in FOLDERS {
        fs::create_dir_all(tree.join(folder))?;
    }
    control(job, files, tree)?;
    settle(tree, job.dated)?;
    let mut build = Command::new("dpkg-deb");
    build
        // One thread: more of them cut what is compressed elsewhere. Level 2 takes a third of the
        // time of 6 and makes a tenth more bytes.
        .args(["--root-owner-group", "--threads-max=1", "-Zxz", "-z2"])
        .arg("--build")
        .args([tree, package])
        .env("SOURCE_DATE_EPOCH", job.dated.to_string())
        .stdout(std::process::Stdio::null());
    run(&mut build)
}

/// The control part: what the package is, what it needs, its scripts and sums.
fn control(job: &Job<'_>, files: &[Entry], tree: &Path) -> Result<()> {
    let given = job.project.root.join("xtask/dist/deb");
    let read = |name: &str| {
        fs::read_to_string(given.join(name)).with_context(|| format!("cannot read deb/{name}"))
    };
    let bytes: usize = files
        .iter()
        .filter(|file| file.installed.is_some())
        .map(|file| file.bytes.len().next_multiple_of(1024))
        .sum();
    let text = read("control")?
        .replace("@version@", &version(VERSION))
        .replace("@kibibytes@", &(bytes / 1024).to_string())
        .replace("@depends@", &linked::depends(job.binary)?);
    let folder = tree.join("DEBIAN");
    // Before the folder is there, which has no sums.
    let sums = sums(tree)?;
    place(&folder.join("md5sums"), sums.as_bytes(), 0o644)?;
    place(&folder.join("control"), text.as_bytes(), 0o644)?;
    for (name, mode) in CONTROL {
        place(&folder.join(name), read(name)?.as_bytes(), *mode)?;
    }
    Ok(())
}

/// Sums by which `dpkg --verify` tells what was altered; conffiles have theirs elsewhere.
fn sums(tree: &Path) -> Result<String> {
    let script = "find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum --";
    output(Command::new("sh").current_dir(tree).args(["-c", script]))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_candidate_comes_before_its_release() {
        assert_eq!(version("1.0.0-rc.1"), "1.0.0~rc.1");
        assert_eq!(version("0.1.0"), "0.1.0");
    }
}
