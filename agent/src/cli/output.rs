//! What commands print: JSON for machines on standard output, lines for people.

#[cfg(test)]
mod leaks;
mod line;
pub(super) mod safe;

use std::io::{self, Write as _};

use anyhow::Context as _;

pub use line::Lines;
pub(super) use line::duration;

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

/// Foreign text for a terminal, in at most `width` columns.
pub(super) fn safe_text(text: &str, width: usize) -> String {
    let mut out = String::new();
    safe::push(text, width, &mut out);
    out
}

/// Says `line` to a person, on standard error. Where that is closed there is nobody to tell.
pub(super) fn to_stderr(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Columns of the terminal that standard output is; `None` if it is none.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}
