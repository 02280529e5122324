//! The package for distributions that have rpm.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::files::{Entry, FOLDERS};
use super::{Job, VERSION, place, settle};
use crate::command::run;

/// What rpmbuild is told on how to build: nothing of this machine or this minute gets into the
/// package, nothing that is packed is changed, and a quick form of zstd compresses it.
const MACROS: &[&str] = &[
    "_buildhost eaves.invalid",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "_binary_payload w3.zstdio",
    "_build_id_links none",
    "debug_package %{nil}",
    "__os_install_post %{nil}",
];

/// Where Debian and others want a file, and where the distributions with rpm do.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "usr/share/zsh/vendor-completions/",
        "usr/share/zsh/site-functions/",
    ),
    // It speaks of Debian's places.
    ("usr/share/doc/eaves/copyright", ""),
];

/// Folders of ours: others are of who uses them.
const OURS: &[&str] = &[
    "etc/eaves",
    "usr/share/eaves",
    "usr/share/doc/eaves",
    "usr/share/licenses/eaves",
];

const LICENSE: &str = "usr/share/licenses/eaves/LICENSE";

/// Name of the package's file.
pub(super) fn name() -> String {
    format!("eaves-{}-1.x86_64.rpm", version(VERSION))
}

/// Cargo's version as rpm sorts it: `1.0.0~rc.1` comes before `1.0.0`, and there is no `-` in it.
fn version(cargo: &str) -> String {
    cargo.replacen('-', "~", 1).replace('-', "_")
}

/// Lays the files out below `work` and makes `package` of them.
///
/// # Errors
/// If a file cannot be written or rpmbuild fails.
pub(super) fn package(job: &Job<'_>, files: &[Entry], work: &Path, package: &Path) -> Result<()> {
    let tree = work.join("tree");
    let list = lay_out(files, &tree)?;
    settle(&tree, job.dated)?;
    let given = job.project.root.join("xtask/dist/rpm/eaves.spec");
    let spec = fs::read_to_string(&given)
        .with_context(|| format!("cannot read {}", given.display()))?
        .replace("@version@", &version(VERSION))
        .replace("@tree@", tree.to_str().context("a path is not text")?)
        .replace("@files@", &list);
    let filled = work.join("eaves.spec");
    place(&filled, spec.as_bytes(), 0o644)?;
    let mut build = Command::new("rpmbuild");
    build
        .args(["-bb", "--quiet", "--nodeps", "--target", "x86_64-linux"])
        .args(["--define", &format!("_topdir {}", work.display())])
        .args(["--define", "_rpmfilename eaves.rpm"]);
    for told in MACROS {
        build.args(["--define", told]);
    }
    build
        .arg(&filled)
        // Nobody's own macros.
        .env("HOME", work)
        .env("LC_ALL", "C")
        .env("SOURCE_DATE_EPOCH", job.dated.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let built = build.output().context("cannot run rpmbuild")?;
    anyhow::ensure!(
        built.status.success(),
        "rpmbuild failed: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    fs::rename(work.join("RPMS/eaves.rpm"), package)
        .with_context(|| format!("rpmbuild left no {}", package.display()))
}

/// Places the files below `tree`; what the spec says of them, a line each.
fn lay_out(files: &[Entry], tree: &Path) -> Result<String> {
    let mut lines = BTreeSet::new();
    for file in files {
        let Some(path) = at(file) else {
            continue;
        };
        place(&tree.join(&path), &file.bytes, file.mode)?;
        let mut listed = format!("/{path}");
        if path.starts_with("usr/share/man/") {
            run(Command::new("gzip")
                .args(["-9n", "--"])
                .arg(tree.join(&path)))?;
            listed.push_str(".gz");
        }
        lines.insert(format!("{}{listed}", kind(&path)));
        // Folders above it, as far as they are ours.
        let above = Path::new(&path).ancestors().skip(1);
        for folder in above.filter(|folder| OURS.iter().any(|ours| folder.starts_with(ours))) {
            lines.insert(format!("%dir /{}", folder.display()));
        }
    }
    for folder in FOLDERS {
        fs::create_dir_all(tree.join(folder))?;
        lines.insert(format!("%dir /{folder}"));
    }
    Ok(lines.into_iter().collect::<Vec<_>>().join("\n"))
}

/// Where a file is installed; nothing if it is not.
fn at(file: &Entry) -> Option<String> {
    let Some(path) = &file.installed else {
        return (file.loose.as_deref() == Some("LICENSE")).then(|| LICENSE.to_owned());
    };
    for (here, there) in ELSEWHERE {
        if let Some(rest) = path.strip_prefix(here) {
            return (!there.is_empty()).then(|| format!("{there}{rest}"));
        }
    }
    Some(path.clone())
}

/// What rpm is to know of a file beside its path.
fn kind(path: &str) -> &'static str {
    match path {
        LICENSE => "%license ",
        _ if path.starts_with("etc/") => "%config(noreplace) ",
        _ if path.starts_with("usr/share/doc/") => "%doc ",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Entry;
    use super::{at, kind, version};

    #[track_caller]
    fn check(installed: Option<&str>, loose: Option<&str>, expected: Option<&str>) {
        let file = Entry {
            installed: installed.map(str::to_owned),
            loose: loose.map(str::to_owned),
            mode: 0o644,
            bytes: Vec::new(),
        };
        assert_eq!(at(&file).as_deref(), expected);
    }

    #[test]
    fn files_lie_where_these_distributions_have_them() {
        check(Some("usr/bin/eaves"), Some("eaves"), Some("usr/bin/eaves"));
        check(
            Some("usr/share/zsh/vendor-completions/_eaves"),
            None,
            Some("usr/share/zsh/site-functions/_eaves"),
        );
        check(Some("usr/share/doc/eaves/copyright"), None, None);
        let license = Some("usr/share/licenses/eaves/LICENSE");
        check(None, Some("LICENSE"), license);
        check(None, Some("other"), None);
        assert_eq!(kind("etc/eaves/eaves.yaml"), "%config(noreplace) ");
    }

    #[test]
    fn a_candidate_comes_before_its_release() {
        assert_eq!(version("1.0.0-rc.1"), "1.0.0~rc.1");
        assert_eq!(version("1.0.0-rc-1"), "1.0.0~rc_1");
        assert_eq!(version("0.1.0"), "0.1.0");
    }
}
