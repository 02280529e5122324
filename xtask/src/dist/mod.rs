//! What is shipped: `cargo xtask dist` leaves a tarball, packages for Debian and rpm, an image for
//! containers, a manifest and a chart for Kubernetes, and their checksums.
//!
//! In: the release binary, the pages of `docs/`, the files of `xtask/dist/`. Out: the same bytes
//! from the same in, whenever and by whomever it is run. It signs and uploads nothing.

mod check;
mod deb;
mod files;
mod image;
mod kubernetes;
mod linked;
mod rpm;
mod sbom;
mod trials;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::build::{self, Parts};
use crate::command::{output, probe, run, say};
use crate::ebpf;
use crate::project::Project;
use crate::setup::{Package, packages};

pub(crate) use check::{CHECKED, check};
pub(crate) use trials::{TRIED, trials};

/// What packs, beside what is on every Debian.
pub(crate) const PACKERS: &[Package] = &[
    Package {
        name: "binutils",
        programs: &["readelf"],
    },
    Package {
        name: "rpm",
        programs: &["rpmbuild"],
    },
];

/// What is packed itself.
pub(crate) const PACKED: &[Package] = image::PACKAGES;

/// The version of everything in the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The tarball's folder, and the sums of all other files.
const TARBALL: &str = concat!("eaves-", env!("CARGO_PKG_VERSION"), "-x86_64");
const SUMS: &str = "SHA256SUMS";

/// What is shipped is built with: what a host does not configure costs it a few megabytes.
const SHIPPED: Parts = Parts {
    kernel_log: false,
    kubernetes: true,
};

/// What something is made of, and where.
struct Job<'a> {
    project: &'a Project,
    binary: &'a Path,
    /// What it was built with.
    parts: Parts,
    /// Seconds since 1970 that every file of a package is dated.
    dated: u64,
}

/// The `dist` command: builds and packs.
///
/// # Errors
/// If anything cannot be built, or the binary must not be shipped.
pub(crate) fn command(project: &Project) -> Result<()> {
    for needed in [PACKERS, PACKED] {
        packages(needed, "packages are made with them")?;
    }
    let binary = build::build(project, SHIPPED)?;
    let to = project.target.join("dist");
    pack(project, &binary, SHIPPED, &to)?;
    for name in shipped().into_iter().chain([SUMS.to_owned()]) {
        say(format!("packed {}", to.join(name).display()));
    }
    Ok(())
}

/// Names of the files that are shipped, beside their sums.
fn shipped() -> Vec<String> {
    vec![
        format!("{TARBALL}.tar.gz"),
        deb::name(),
        rpm::name(),
        image::name(),
        kubernetes::manifest_name(),
        kubernetes::chart_name(),
    ]
}

/// Packs `binary` into the folder `to`, which afterwards holds nothing else.
///
/// # Errors
/// If the binary has no kernel object in it, is for another machine, or needs libraries that the
/// package does not name; if a file is missing or a tool fails.
fn pack(project: &Project, binary: &Path, parts: Parts, to: &Path) -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        bail!("packages are for x86-64, and this machine is not");
    }
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    refuse_deaf(project, binary)?;
    let job = Job {
        project,
        binary,
        parts,
        dated: dated(project)?,
    };
    let files = files::files(&job)?;
    let work = to.join("work");
    tarball(&job, &files, &work, to)?;
    deb::package(&job, &files, &work.join("deb"), &to.join(deb::name()))?;
    rpm::package(&job, &files, &work.join("rpm"), &to.join(rpm::name()))?;
    image::archive(&job, &files, &work.join("image"), &to.join(image::name()))?;
    kubernetes::pack(&job, &files, &work.join("kubernetes"), to)?;
    fs::remove_dir_all(&work)?;
    let mut sums = Command::new("sha256sum");
    let sums = output(sums.current_dir(to).arg("--").args(shipped()))?;
    fs::write(to.join(SUMS), sums)?;
    Ok(())
}

/// Refuses a binary that has no kernel object in it, or not the one that users are to have.
fn refuse_deaf(project: &Project, binary: &Path) -> Result<()> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let object = read(&ebpf::object(project, ebpf::Options::default()))?;
    ensure!(
        holds(&read(binary)?, &object),
        "{} does not have the kernel object in it and would hear nothing: it is not packed",
        binary.display()
    );
    Ok(())
}

/// Whether all of `part` stands in `whole`. Nothing holds nothing.
fn holds(whole: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else {
        return false;
    };
    let mut rest = whole;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(part) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// The date of all that is packed: that of `SOURCE_DATE_EPOCH` or else of the commit.
fn dated(project: &Project) -> Result<u64> {
    let told = env::var("SOURCE_DATE_EPOCH").ok();
    let told = told.or_else(|| {
        let mut git = Command::new("git");
        git.current_dir(&project.root);
        probe(git.args(["log", "-1", "--format=%ct"]))
    });
    let told = told.context("no commit here dates the packages: set SOURCE_DATE_EPOCH")?;
    told.trim()
        .parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH is no number of seconds: {told}"))
}

/// Packs the files as they are used without a package manager.
fn tarball(job: &Job<'_>, files: &[files::Entry], work: &Path, to: &Path) -> Result<()> {
    let folder = work.join(TARBALL);
    for file in files {
        if let Some(path) = &file.loose {
            place(&folder.join(path), &file.bytes, file.mode)?;
        }
    }
    settle(&folder, job.dated)?;
    archive(
        work,
        TARBALL,
        job.dated,
        &to.join(format!("{TARBALL}.tar.gz")),
    )
}

/// Packs a folder of `work` with its name.
fn archive(work: &Path, folder: &str, dated: u64, to: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.current_dir(work)
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--format=gnu", "--use-compress-program=gzip -6n"])
        .arg(format!("--mtime=@{dated}"))
        .arg("--create")
        .arg("--file")
        .arg(to)
        .arg(folder);
    run(&mut tar)
}

/// Writes a file and the folders above it.
fn place(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    fs::write(path, bytes).with_context(cannot)?;
    set_mode(path, mode).with_context(cannot)
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Gives every folder below `top` its mode, whatever the umask is, and everything its date.
fn settle(top: &Path, dated: u64) -> Result<()> {
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(dated);
    let mut waiting: Vec<PathBuf> = vec![top.to_path_buf()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            set_mode(&path, 0o755)?;
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        }
        fs::File::open(&path)?
            .set_modified(date)
            .with_context(|| format!("cannot date {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn an_object_is_found_whole_or_not_at_all() {
        let object = b"\x7fELF object";
        assert!(holds(b"..\x7fELF o\x7fELF object..", object));
        assert!(holds(object, object));
        assert!(!holds(b"..\x7fELF obj..\x7fELF", object));
        assert!(!holds(b"", object));
        assert!(!holds(b"anything", b""), "nothing is no object");
    }
}
