//! What a library's calls cost who has both ends of a session: a program in C with OpenSSL's shared library.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Result;

use super::linked::{OPENSSL, in_c};

/// Builds it, once a run: the program, whose source says how it is used.
///
/// # Errors
/// There is no compiler or no OpenSSL, or it does not build.
pub fn pair_program() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let source = include_str!("c/pair.c");
    let flags = ["-Wall", "-Wextra", "-lssl", "-lcrypto"];
    in_c(&BUILT, "pair", source, &flags, OPENSSL)
}
