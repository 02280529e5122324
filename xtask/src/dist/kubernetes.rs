//! What runs the image on every node of a cluster: a manifest, and a chart for Helm of the same objects.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::files::Entry;
use super::{Job, VERSION, archive, image, place, settle};

/// Folder of the chart in its archive: its name.
const CHART: &str = "eaves";

/// Lines that name the version, in what is given; tests hold the others against them.
const NAMED: &[(&str, &str)] = &[
    ("kubernetes/eaves.yaml", "image: @image@"),
    ("chart/Chart.yaml", "version: @version@"),
    ("chart/Chart.yaml", "appVersion: \"@version@\""),
];

/// Name of the manifest's file.
pub(super) fn manifest_name() -> String {
    format!("eaves-{VERSION}-kubernetes.yaml")
}

/// Name of the chart's archive, as Helm wants it.
pub(super) fn chart_name() -> String {
    format!("{CHART}-{VERSION}.tgz")
}

/// Leaves both in the folder `to`, by way of `work`.
///
/// # Errors
/// If they are of another version than the agent, or a file cannot be written.
pub(super) fn pack(job: &Job<'_>, files: &[Entry], work: &Path, to: &Path) -> Result<()> {
    let given = job.project.root.join("xtask/dist");
    for (name, line) in NAMED {
        of_this_version(&given.join(name), line)?;
    }
    let manifest = read(&given.join("kubernetes/eaves.yaml"))?;
    place(&to.join(manifest_name()), &manifest, 0o644)?;
    let chart = given.join("chart");
    let folder = work.join(CHART);
    for path in below(&chart)? {
        let name = path.strip_prefix(&chart)?;
        place(&folder.join(name), &read(&path)?, 0o644)?;
    }
    let license = files
        .iter()
        .find(|file| file.loose.as_deref() == Some("LICENSE"));
    place(
        &folder.join("LICENSE"),
        &license.context("no licence")?.bytes,
        0o644,
    )?;
    settle(&folder, job.dated)?;
    archive(work, CHART, job.dated, &to.join(chart_name()))
}

/// That a line of `file` names this version.
fn of_this_version(file: &Path, line: &str) -> Result<()> {
    let line = line
        .replace("@version@", VERSION)
        .replace("@image@", image::REFERENCE);
    let text = String::from_utf8(read(file)?)?;
    ensure!(
        text.lines().any(|other| other.trim() == line),
        "{} does not say `{line}`: it is of another version",
        file.display()
    );
    Ok(())
}

/// All files below a folder.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let list = fs::read_dir(&folder);
        for entry in list.with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
