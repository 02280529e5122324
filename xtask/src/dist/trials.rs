//! The trials of `dist`: packages are installed, upgraded and removed, the image is run, the chart is
//! rendered, each by the tools that do so elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{deb, image, kubernetes, rpm};
use crate::far;
use crate::project::Project;
use crate::setup::{Package, as_root};

/// What the trials need beside what packs.
pub(crate) const TRIED: &[Package] = &[
    Package {
        name: "systemd",
        programs: &["systemctl"],
    },
    Package {
        name: "procps",
        programs: &[],
    },
    Package {
        name: "openssl",
        programs: &["openssl"],
    },
    Package {
        name: "curl",
        programs: &["curl"],
    },
    // Debian's own, which every user may run.
    Package {
        name: "python3",
        programs: &[],
    },
    Package {
        name: "skopeo",
        programs: &["skopeo"],
    },
    // Its default profile for seccomp.
    Package {
        name: "golang-github-containers-common",
        programs: &[],
    },
    Package {
        name: "umoci",
        programs: &["umoci"],
    },
    // By name: crun is no stand-in where cgroups of both versions are mounted.
    Package {
        name: "runc",
        programs: &["runc"],
    },
];

/// All, each with the name of its log.
///
/// # Errors
/// If root cannot be had, or what judges the chart cannot be fetched.
pub(crate) fn trials(project: &Project, binary: &Path) -> Result<Vec<(&'static str, Command)>> {
    let given = project.root.join("xtask/dist");
    let packed = project.target.join("dist");
    let judges = far::judges(project)?;
    let manifest = packed.join(kubernetes::manifest_name());
    let small = project.target.join("dist-root");
    let shell = PathBuf::from("sh");
    let mut chart = Command::new(&judges.python);
    chart.args([
        &given.join("try-kubernetes.py"),
        &manifest,
        &packed.join(kubernetes::chart_name()),
        &judges.helm,
        binary,
    ]);
    Ok(vec![
        (
            "dist",
            by_root(
                &shell,
                &[
                    &given.join("try-package.sh"),
                    &packed.join(deb::name()),
                    &small,
                ],
            )?,
        ),
        (
            "dist-rpm",
            by_root(
                &shell,
                &[&given.join("try-rpm.sh"), &packed.join(rpm::name()), &small],
            )?,
        ),
        (
            "dist-unit",
            by_root(
                &shell,
                &[
                    &given.join("try-unit.sh"),
                    binary,
                    &given.join("eaves.service"),
                ],
            )?,
        ),
        (
            "dist-image",
            by_root(
                &judges.python,
                &[
                    &given.join("try-image.py"),
                    &packed.join(image::name()),
                    &manifest,
                    &project.target.join("dist-image"),
                ],
            )?,
        ),
        ("dist-chart", chart),
    ])
}

/// `program` as root, with these arguments.
fn by_root(program: &Path, arguments: &[&Path]) -> Result<Command> {
    let program = program.display().to_string();
    let words: Vec<_> = arguments
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut command = as_root(&program, &format!("{program} {}", words.join(" ")))?;
    command.args(arguments);
    Ok(command)
}
