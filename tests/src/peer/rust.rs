//! The hyper peer over rustls, built by itself: as programs are built by default, as they are when they are
//! tried, and otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::built::Built;
use super::script::with_tls;
use super::{Certificate, Server};
use crate::sandbox::{Sandbox, program};

/// How the program is built, and with which rustls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RustBuild {
    /// `cargo build`.
    Debug,
    /// `cargo build --release`.
    Release,
    /// The same, in one piece with its libraries (`lto = "fat"`), as small programs are.
    Lto,
    /// rustls 0.22, as [`Debug`](Self::Debug), with names mangled in the newer way.
    Of0_22,
    /// rustls 0.21, as [`Debug`](Self::Debug).
    Of0_21,
}

impl RustBuild {
    /// The program's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "rust-debug",
            Self::Release => "rust-release",
            Self::Lto => "rust-lto",
            Self::Of0_22 => "rust-of-0-22",
            Self::Of0_21 => "rust-of-0-21",
        }
    }

    /// Folder and profile of cargo, and flags of the compiler.
    const fn cargo(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Debug | Self::Of0_21 => ("debug", "dev", ""),
            Self::Release => ("release", "release", ""),
            Self::Lto => ("lto", "lto", ""),
            Self::Of0_22 => ("debug", "dev", "-Csymbol-mangling-version=v0"),
        }
    }

    /// Folder of its package, what brings rustls, and what is said to it.
    const fn package(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Of0_22 => (
                "0.22",
                "tokio-rustls = { version = \"0.25.0\", default-features = false, features = [\"ring\", \"tls12\"] }",
                TLS,
            ),
            Self::Of0_21 => (
                "0.21",
                "rustls-pemfile = \"1.0.4\"\n\
                 tokio-rustls = { version = \"0.24.1\", default-features = false, features = [\"dangerous_configuration\", \"tls12\"] }",
                include_str!("rust/tls_0_21.rs"),
            ),
            _ => (
                "0.23",
                "tokio-rustls = { version = \"0.26.6\", default-features = false, features = [\"ring\", \"tls12\"] }",
                TLS,
            ),
        }
    }
}

const TLS: &str = include_str!("../bin/hyper/tls.rs");

/// Starts the server.
///
/// # Errors
/// It does not come up.
pub fn rust_tls_server(
    sandbox: &Sandbox,
    name: &str,
    program: &Path,
    tls: &Certificate,
) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg("server");
    with_tls(sandbox, name, command, tls)
}

/// The program, built once a run.
///
/// # Errors
/// It does not build.
pub fn rust_program(how: RustBuild) -> Result<PathBuf> {
    static BUILT: Built<RustBuild> = Built::new();
    BUILT.get(how, build)
}

/// The manifest; what brings rustls goes to its end.
const MANIFEST: &str = r#"[package]
name = "peer"
version = "0.0.0"
edition = "2024"

[lib]
name = "eaves_tests"

[profile.lto]
inherits = "release"
lto = "fat"
codegen-units = 1

[workspace]

[dependencies]
anyhow = "1.0.100"
http-body-util = { version = "0.1.3", default-features = false }
hyper = { version = "1.12", default-features = false, features = ["client", "http1", "server"] }
hyper-util = { version = "0.1.21", default-features = false, features = ["tokio"] }
tokio = { version = "1.54.1", default-features = false, features = ["rt-multi-thread", "net", "io-util"] }
"#;

fn build(how: RustBuild) -> Result<PathBuf> {
    let cargo = program("cargo", "rustup")?;
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("no target folder")?;
    let (version, rustls, tls) = how.package();
    let all = target.join("rust-peer");
    let folder = all.join(version);
    for (name, text) in [
        ("Cargo.toml", format!("{MANIFEST}{rustls}\n").as_str()),
        ("src/main.rs", include_str!("../bin/hyper/main.rs")),
        ("src/tls.rs", tls),
        (
            "src/lib.rs",
            "pub mod load { mod body; pub use body::body; }\n",
        ),
        ("src/load/body.rs", include_str!("../load/body.rs")),
    ] {
        write(&folder.join(name), text)?;
    }
    // Of what this project is made of too the same versions; cargo adds the rest.
    let lock = folder.join("Cargo.lock");
    if !lock.is_file() {
        write(&lock, include_str!("../../../Cargo.lock"))?;
    }
    let (place, profile, flags) = how.cargo();
    let built = folder.join("target");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--profile", profile, "--target-dir"])
        .arg(&built)
        .current_dir(&folder)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags);
    run(command)?;
    let program_file = all.join(how.name());
    std::fs::copy(built.join(place).join("peer"), &program_file)?;
    Ok(program_file)
}

/// Leaves a file alone that is as it should be: cargo goes by its time.
fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    Ok(std::fs::write(path, text)?)
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
