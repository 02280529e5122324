//! What the agent needs of a system, taken from Debian's packages on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::super::{Job, linked, place};
use crate::command::probe;
use crate::setup::Package;

/// What the image is made of beside the binary.
pub(in crate::dist) const PACKAGES: &[Package] = &[
    Package {
        name: "libc6",
        programs: &[],
    },
    Package {
        name: "libgcc-s1",
        programs: &[],
    },
    Package {
        name: "ca-certificates",
        programs: &[],
    },
    Package {
        name: "base-files",
        programs: &[],
    },
];

/// Where Debian keeps libraries, and where the loader looks without being told.
const LIBRARIES: &str = "lib/x86_64-linux-gnu";

/// The loader, at the path that every binary names.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";

/// Certificates one by one, and together, as `sink` looks for them.
const CERTIFICATES: &str = "/usr/share/ca-certificates/mozilla";
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Files that are the same in every image.
const FIXED: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/:/nologin\n"),
    ("etc/group", "root:x:0:\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// Folders on which a runtime mounts.
const FOLDERS: &[&str] = &["dev", "proc", "run", "sys"];

/// A package of Debian that something in the image is of.
pub(super) struct Installed {
    pub(super) name: String,
    pub(super) version: String,
}

/// Places all of it below `tree`; the packages it is of.
///
/// # Errors
/// If the machine is no Debian, or a library was altered since it was installed.
pub(super) fn lay_out(job: &Job<'_>, tree: &Path) -> Result<Vec<Installed>> {
    let mut packages = Vec::new();
    for package in PACKAGES {
        packages.push(record(package.name, tree)?);
    }
    unaltered()?;
    for library in linked::libraries(job.binary, &Path::new("/").join(LIBRARIES))? {
        let path = match library.as_str() {
            "ld-linux-x86-64.so.2" => LOADER.to_owned(),
            _ => format!("{LIBRARIES}/{library}"),
        };
        let mode = if path == LOADER { 0o755 } else { 0o644 };
        place(&tree.join(&path), &read(&Path::new("/").join(&path))?, mode)?;
    }
    place(&tree.join(BUNDLE), &certificates()?, 0o644)?;
    // By this a scanner knows whose packages these are.
    place(
        &tree.join("etc/os-release"),
        &read(Path::new("/usr/lib/os-release"))?,
        0o644,
    )?;
    for (path, text) in FIXED {
        place(&tree.join(path), text.as_bytes(), 0o644)?;
    }
    for folder in FOLDERS {
        fs::create_dir_all(tree.join(folder))?;
    }
    Ok(packages)
}

/// Leaves a package's record where scanners of images without dpkg look for it, and its licences.
fn record(name: &str, tree: &Path) -> Result<Installed> {
    let ask = |name: &str| probe(Command::new("dpkg-query").args(["--status", name]));
    let said = ask(&format!("{name}:amd64")).or_else(|| ask(name));
    let said = said.with_context(|| format!("the image has Debian's {name}, and dpkg does not"))?;
    let version = said.lines().find_map(|line| line.strip_prefix("Version: "));
    let version = version.context("dpkg says no version")?.to_owned();
    place(
        &tree.join("var/lib/dpkg/status.d").join(name),
        said.as_bytes(),
        0o644,
    )?;
    let copyright = format!("usr/share/doc/{name}/copyright");
    let text = read(&Path::new("/").join(&copyright))?;
    place(&tree.join(copyright), &text, 0o644)?;
    let name = name.to_owned();
    Ok(Installed { name, version })
}

/// That what dpkg installed is what is there; pages that an image leaves out are missed by nobody.
fn unaltered() -> Result<()> {
    let names = PACKAGES.iter().map(|package| package.name);
    // It fails where it found something.
    let verified = Command::new("dpkg").arg("--verify").args(names).output();
    let said = String::from_utf8(verified.context("cannot run dpkg")?.stdout)?;
    let altered: Vec<_> = said.lines().filter(|line| is_altered(line)).collect();
    ensure!(
        altered.is_empty(),
        "altered since they were installed: {altered:?}"
    );
    Ok(())
}

/// Whether a line of `dpkg --verify` tells of a file that is another one, and no conffile.
fn is_altered(line: &str) -> bool {
    let conffile = line.split_whitespace().nth(1) == Some("c");
    !conffile && line.starts_with("??5")
}

/// Mozilla's certificates, without those that this machine's owner trusts beside.
fn certificates() -> Result<Vec<u8>> {
    let mut paths = BTreeSet::new();
    let list = fs::read_dir(CERTIFICATES).with_context(|| format!("cannot list {CERTIFICATES}"))?;
    for entry in list {
        paths.insert(entry?.path());
    }
    let mut bundle = Vec::new();
    for path in &paths {
        bundle.extend(read(path)?);
        if !bundle.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        bail!("no certificate is in {CERTIFICATES}");
    }
    Ok(bundle)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::is_altered;

    #[test]
    fn libraries_that_were_altered_are_told_from_pages_that_are_left_out() {
        assert!(is_altered("??5??????   /lib/x86_64-linux-gnu/libc.so.6"));
        assert!(!is_altered("??5?????? c /etc/issue"));
        assert!(!is_altered("missing     /usr/share/doc/libc6/NEWS.gz"));
    }
}
