//! A compiler whose LLVM fits the linker.
//!
//! The linker reads the bitcode that the compiler writes, so its LLVM must not be the older one
//! ("Invalid record" is what it says otherwise). Two routes lead to a fitting pair:
//!
//! 1. A rustup toolchain, the active one first, that has `rust-src` and whose LLVM is not newer
//!    than the linker's; core is then built along.
//! 2. Debian's `rustc-web` with the prebuilt core for BPF (Debian 12, security suite).
//!
//! What was found is written down with the size and time of each program, so that the next call
//! looks at two files and starts none.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};

use crate::command::{probe, run_with_progress, say};
use crate::project::{Project, cargo, is_executable, which};
use crate::setup::{Package, packages};

/// Version of the linker that this project is built with.
const LINKER_VERSION: &str = "0.13.0";

/// Where Debian's LLVM 22 lies.
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// Where Debian's compiler lies.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// LLVM 22 and what the linker is built of it with.
const LLVM_PACKAGES: &[Package] = &[
    Package {
        name: "llvm-22-dev",
        programs: &[],
    },
    Package {
        name: "libpolly-22-dev",
        programs: &[],
    },
    Package {
        name: "zlib1g-dev",
        programs: &[],
    },
    Package {
        name: "libzstd-dev",
        programs: &[],
    },
    Package {
        name: "g++",
        programs: &["g++", "c++"],
    },
];

/// The compiler with core for BPF.
const RUSTC_PACKAGES: &[Package] = &[
    Package {
        name: "rustc-web",
        programs: &[],
    },
    Package {
        name: "rust-web-src",
        programs: &[],
    },
    Package {
        name: "libstd-rust-web-dev-bpf",
        programs: &[],
    },
];

/// Major and minor version of an LLVM, within which bitcode does not change; or of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Where the compiler comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A rustup toolchain with `rust-src`.
    Rustup,
    /// Debian's packages.
    Debian,
}

/// Programs that build the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    pub(super) route: Route,
    pub(super) cargo: PathBuf,
    pub(super) rustc: PathBuf,
    pub(super) linker: PathBuf,
}

/// A fitting pair: the one noted, one found, or one installed.
///
/// # Errors
/// If the packages or the linker cannot be installed.
pub(super) fn find_or_install(project: &Project) -> Result<Toolchain> {
    let note = project.tools().join("ebpf-toolchain");
    if let Some(noted) = read_note(&note) {
        return Ok(noted);
    }
    let (linker, llvm) = match find_linker(project) {
        Some(found) => found,
        None => install_linker(project)?,
    };
    say(format!(
        "kernel programs: linker {} has LLVM {llvm}",
        linker.display()
    ));
    let toolchain = match find_rustup(&linker, llvm) {
        Some(found) => found,
        None => debian(linker, llvm)?,
    };
    fs::create_dir_all(project.tools())?;
    fs::write(
        &note,
        note_text(&toolchain).context("a program vanished while it was noted")?,
    )?;
    Ok(toolchain)
}

/// Our own linker, or one in `PATH`, of the right version and with an LLVM that can be told.
fn find_linker(project: &Project) -> Option<(PathBuf, Version)> {
    let own = project.tools().join("bin/bpf-linker");
    let candidates = [Some(own), which("bpf-linker")];
    candidates.into_iter().flatten().find_map(|linker| {
        let version = probe(Command::new(&linker).arg("--version"))?;
        if version.split_whitespace().last() != Some(LINKER_VERSION) {
            say(format!(
                "{} is {}, not {LINKER_VERSION}: passed over",
                linker.display(),
                version.trim()
            ));
            return None;
        }
        let libraries = probe(Command::new("ldd").arg(&linker))?;
        let llvm = linked_llvm(&libraries)?;
        Some((linker, llvm))
    })
}

/// The version in `libLLVM.so.22.1`, or `libLLVM-17.so.1`, of what ldd prints.
fn linked_llvm(libraries: &str) -> Option<Version> {
    libraries.split_whitespace().find_map(|word| {
        let rest = word.strip_prefix("libLLVM")?;
        let version = rest
            .strip_prefix(".so.")
            .or_else(|| rest.strip_prefix('-'))?;
        parse_version(version.trim_end_matches(".so.1"))
    })
}

/// `22.1.8` and `22.1` alike; a lone major stands for its first release.
fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.trim().split('.').map(str::parse);
    let major = numbers.next()?.ok()?;
    let minor = numbers.next().and_then(Result::ok).unwrap_or(0);
    Some(Version(major, minor))
}

/// Builds the linker for this project alone; the user's own programs stay as they are.
fn install_linker(project: &Project) -> Result<(PathBuf, Version)> {
    packages(
        LLVM_PACKAGES,
        "bpf-linker, which links the kernel programs, is built with LLVM 22",
    )?;
    say(format!(
        "building bpf-linker {LINKER_VERSION} into {} (once, about two minutes)",
        project.tools().display()
    ));
    let mut install = Command::new(cargo());
    install
        .args([
            "install",
            "bpf-linker",
            "--version",
            LINKER_VERSION,
            "--locked",
        ])
        .args(["--no-default-features", "--features", "llvm-22", "--force"])
        .arg("--root")
        .arg(project.tools())
        .env("LLVM_PREFIX", LLVM_PREFIX)
        .env("CARGO_TARGET_DIR", project.tools().join("build"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run_with_progress("cargo install bpf-linker", &mut install)?;
    let _ = fs::remove_dir_all(project.tools().join("build"));
    find_linker(project).context("bpf-linker was built, but its LLVM cannot be told")
}

/// The first rustup toolchain that fits: the active one, then the others.
fn find_rustup(linker: &Path, llvm: Version) -> Option<Toolchain> {
    let active = probe(Command::new(cargo().with_file_name("rustc")).args(["--print", "sysroot"]))
        .or_else(|| probe(Command::new("rustc").args(["--print", "sysroot"])))
        .map(|sysroot| PathBuf::from(sysroot.trim()));
    let listed = probe(Command::new("rustup").args(["toolchain", "list", "--verbose"]));
    let others = listed
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| {
            // NAME (active, default) /path/of/toolchain
            line.find('/')
                .and_then(|at| line.get(at..))
                .map(|path| PathBuf::from(path.trim()))
        });
    let mut newer = Vec::new();
    for sysroot in active.into_iter().chain(others) {
        // Debian's own has core for BPF ready-made: the other route.
        if sysroot == Path::new("/usr") {
            continue;
        }
        let rustc = sysroot.join("bin/rustc");
        let cargo = sysroot.join("bin/cargo");
        let source = sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml");
        if !(is_executable(&rustc) && is_executable(&cargo) && source.is_file()) {
            continue;
        }
        let (Some(has), Some(release)) = (compiler_llvm(&rustc), compiler_release(&rustc)) else {
            continue;
        };
        // One older than the workspace asks for does not build it.
        if Some(release) < parse_version(env!("CARGO_PKG_RUST_VERSION")) {
            continue;
        }
        if has <= llvm {
            say(format!(
                "kernel programs: compiler {} has rust-src and LLVM {has}, which fits",
                rustc.display()
            ));
            let linker = linker.to_path_buf();
            return Some(Toolchain {
                route: Route::Rustup,
                cargo,
                rustc,
                linker,
            });
        }
        newer.push(format!("{} has LLVM {has}", rustc.display()));
    }
    say(if newer.is_empty() {
        "no rustup toolchain has rust-src, so core cannot be built for BPF with one".to_owned()
    } else {
        format!(
            "no rustup toolchain with rust-src fits LLVM {llvm}: {}",
            newer.join(", ")
        )
    });
    None
}

/// LLVM version of a compiler.
fn compiler_llvm(rustc: &Path) -> Option<Version> {
    compiler_says(rustc, "LLVM version: ")
}

/// Its own version.
fn compiler_release(rustc: &Path) -> Option<Version> {
    compiler_says(rustc, "release: ")
}

fn compiler_says(rustc: &Path, field: &str) -> Option<Version> {
    let text = probe(
        Command::new(rustc)
            .arg("-vV")
            .env_remove("RUSTUP_TOOLCHAIN"),
    )?;
    text.lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(parse_version)
}

/// Debian's compiler, installed if need be.
fn debian(linker: PathBuf, llvm: Version) -> Result<Toolchain> {
    packages(
        RUSTC_PACKAGES,
        "the kernel programs need a compiler with core for BPF whose LLVM fits the linker's: Debian's",
    )?;
    let rustc = PathBuf::from(DEBIAN_RUSTC);
    let has = compiler_llvm(&rustc).context("cannot tell the LLVM version of /usr/bin/rustc")?;
    if has > llvm {
        bail!(
            "{DEBIAN_RUSTC} has LLVM {has}, newer than {}'s {llvm}; remove that linker, or `rustup component add rust-src` for a compiler with LLVM {llvm} or older",
            linker.display()
        );
    }
    say(format!(
        "kernel programs: compiler {DEBIAN_RUSTC} has core for BPF and LLVM {has}"
    ));
    Ok(Toolchain {
        route: Route::Debian,
        cargo: cargo(),
        rustc,
        linker,
    })
}

/// What is written down: a line a program, with what tells that it changed.
fn note_text(toolchain: &Toolchain) -> Option<String> {
    let route = match toolchain.route {
        Route::Rustup => "rustup",
        Route::Debian => "debian",
    };
    let mut text = format!("{route}\n");
    for program in [&toolchain.cargo, &toolchain.rustc, &toolchain.linker] {
        text.push_str(&note_line(program)?);
    }
    Some(text)
}

fn note_line(program: &Path) -> Option<String> {
    let meta = program.metadata().ok()?;
    let changed = meta
        .modified()
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?
        .as_nanos();
    Some(format!("{} {changed} {}\n", meta.len(), program.to_str()?))
}

/// The toolchain written down, if none of its programs changed since.
fn read_note(note: &Path) -> Option<Toolchain> {
    let text = fs::read_to_string(note).ok()?;
    let mut lines = text.lines();
    let route = match lines.next()? {
        "rustup" => Route::Rustup,
        "debian" => Route::Debian,
        _ => return None,
    };
    let mut program = || lines.next()?.splitn(3, ' ').nth(2).map(PathBuf::from);
    let toolchain = Toolchain {
        route,
        cargo: program()?,
        rustc: program()?,
        linker: program()?,
    };
    (note_text(&toolchain)? == text).then_some(toolchain)
}

#[cfg(test)]
mod tests {
    use super::{Route, Toolchain, Version, linked_llvm, note_text, parse_version, read_note};

    #[test]
    fn llvm_of_the_linker_is_read_from_the_names_of_its_libraries() {
        let new = "\tlibLLVM.so.22.1 => /usr/lib/llvm-22/lib/libLLVM.so.22.1 (0x00007f)\n";
        assert_eq!(linked_llvm(new), Some(Version(22, 1)));
        let old = "\tlibc.so.6 => /lib/libc.so.6 (0x7)\n\tlibLLVM-17.so.1 => /lib/x (0x8)\n";
        assert_eq!(linked_llvm(old), Some(Version(17, 0)));
        assert_eq!(linked_llvm("\tlibc.so.6 => /lib/libc.so.6 (0x7)\n"), None);
    }

    #[test]
    fn patch_levels_do_not_part_compiler_and_linker() {
        assert_eq!(parse_version("22.1.8"), parse_version("22.1.2\n"));
        assert!(parse_version("23.1.0") > parse_version("22.1"));
        assert_eq!(parse_version("trunk"), None);
    }

    #[test]
    fn a_note_holds_until_a_program_changes() {
        let folder = std::env::temp_dir().join(format!("xtask-note-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [cargo, rustc, linker] = ["cargo", "the rustc", "linker"].map(|name| {
            let file = folder.join(name);
            std::fs::write(&file, name).unwrap();
            file
        });
        let toolchain = Toolchain {
            route: Route::Debian,
            cargo,
            rustc,
            linker,
        };
        let note = folder.join("note");
        std::fs::write(&note, note_text(&toolchain).unwrap()).unwrap();
        assert_eq!(read_note(&note), Some(toolchain.clone()));
        std::fs::write(&toolchain.rustc, "another compiler").unwrap();
        assert_eq!(read_note(&note), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
