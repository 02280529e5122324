//! Every file that is shipped, and where it lies in the package and in the tarball.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Job, sbom};
use crate::command::output;

/// A file to be packed.
pub(super) struct Entry {
    /// Below `/` of a host that it is installed on; none if the package has it not.
    pub(super) installed: Option<String>,
    /// Below the tarball's folder; none if the tarball has it not.
    pub(super) loose: Option<String>,
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

/// Folders that the package has though nothing is in them.
pub(super) const FOLDERS: &[&str] = &["etc/eaves/conf.d", "etc/eaves/rules.d"];

/// Files of `xtask/dist`, where they are installed, and their place in the tarball.
const GIVEN: &[(&str, &str, &str)] = &[
    (
        "eaves.service",
        "usr/lib/systemd/system/eaves.service",
        "eaves.service",
    ),
    (
        "sysusers.conf",
        "usr/lib/sysusers.d/eaves.conf",
        "sysusers.conf",
    ),
    ("eaves.yaml", "etc/eaves/eaves.yaml", "eaves.yaml"),
    ("alerts.yaml", "usr/share/eaves/alerts.yaml", "alerts.yaml"),
    (
        "dashboard.json",
        "usr/share/eaves/dashboard.json",
        "dashboard.json",
    ),
];

/// What the binary prints of itself, where that is installed, and its place in the tarball.
const SAID: &[(&[&str], &str, &str)] = &[
    (&["man"], "usr/share/man/man1/eaves.1", "eaves.1"),
    (
        &["completions", "bash"],
        "usr/share/bash-completion/completions/eaves",
        "completions/eaves.bash",
    ),
    (
        &["completions", "zsh"],
        "usr/share/zsh/vendor-completions/_eaves",
        "completions/_eaves",
    ),
    (
        &["completions", "fish"],
        "usr/share/fish/vendor_completions.d/eaves.fish",
        "completions/eaves.fish",
    ),
];

/// Where the package keeps pages for people.
const DOCS: &str = "usr/share/doc/eaves";

/// Reads or makes every file.
///
/// # Errors
/// If one cannot be read, or the binary does not say what it is asked for.
pub(super) fn files(job: &Job<'_>) -> Result<Vec<Entry>> {
    let root = &job.project.root;
    let mut files = vec![Entry {
        installed: Some("usr/bin/eaves".to_owned()),
        loose: Some("eaves".to_owned()),
        mode: 0o755,
        bytes: read(job.binary)?,
    }];
    for (name, installed, loose) in GIVEN {
        let bytes = read(&root.join("xtask/dist").join(name))?;
        files.push(plain(*installed, *loose, bytes));
    }
    for (arguments, installed, loose) in SAID {
        let said = output(Command::new(job.binary).args(*arguments))?;
        files.push(plain(*installed, *loose, said.into_bytes()));
    }
    let bytes = sbom::document(job)?.into_bytes();
    files.push(plain(
        "usr/share/eaves/sbom.cdx.json",
        "sbom.cdx.json",
        bytes,
    ));
    let readme = read(&root.join("README.md"))?;
    files.push(plain(format!("{DOCS}/README.md"), "README.md", readme));
    files.push(Entry {
        installed: None,
        ..plain("", "LICENSE", read(&root.join("LICENSE"))?)
    });
    files.push(Entry {
        loose: None,
        ..plain(
            format!("{DOCS}/copyright"),
            "",
            read(&root.join("xtask/dist/deb/copyright"))?,
        )
    });
    files.extend(pages(&root.join("docs"))?);
    Ok(files)
}

/// The pages of `docs/`, by name. What links to them from the README finds them there in both.
fn pages(folder: &Path) -> Result<Vec<Entry>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut pages = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.context("a page's name is not text")?;
        let place = format!("docs/{name}");
        pages.push(plain(format!("{DOCS}/{place}"), place, read(&path)?));
    }
    pages.sort_by(|a, b| a.loose.cmp(&b.loose));
    Ok(pages)
}

fn plain(installed: impl Into<String>, loose: impl Into<String>, bytes: Vec<u8>) -> Entry {
    Entry {
        installed: Some(installed.into()),
        loose: Some(loose.into()),
        mode: 0o644,
        bytes,
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
