//! What commands print.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Writes all of `bytes` to standard output, now.
///
/// # Errors
/// What the system said; [`is_closed_output`](super::is_closed_output) knows a reader that left.
pub(super) fn to_stdout(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .context("standard output")
}

/// Says `line` to a person, on standard error. Where that is closed there is nobody to tell.
pub(super) fn to_stderr(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
