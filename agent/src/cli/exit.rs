//! How the command ends.

use std::fmt;
use std::io;
use std::process::{ExitCode, Termination};

/// What the command's exit code tells scripts.
///
/// As the context of an error it says so in words, and names the code in which that error ends:
/// `Err(cause).context(Exit::Host)`. An error without one ends in [`Exit::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A check said no.
    CheckFailed = 1,
    /// Wrong arguments or a wrong configuration.
    Usage = 2,
    /// The host does not allow it.
    Host = 3,
    /// Failed under way.
    Failed = 4,
}

impl Exit {
    /// The code in which `error` ends.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        error.downcast_ref().copied().unwrap_or(Self::Failed)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::CheckFailed => "the check failed",
            Self::Usage => "wrong arguments or configuration",
            Self::Host => "this host does not allow it",
            Self::Failed => "failed",
        })
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Whether `error` says that nobody reads our output any more, as in `eaves watch | head`.
#[must_use]
pub fn is_closed_output(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = cause
            .downcast_ref::<io::Error>()
            .map(io::Error::kind)
            .or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind());
        kind == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::{Exit, is_closed_output};
    use anyhow::Context as _;
    use std::io;

    #[test]
    fn an_error_ends_in_the_code_of_its_context() {
        let denied = || Err::<(), _>(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = denied().context(Exit::Host).context("loading").unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Host);
        assert_eq!(
            format!("{error:#}"),
            "loading: this host does not allow it: permission denied"
        );
        assert_eq!(Exit::of(&denied().context("x").unwrap_err()), Exit::Failed);
    }

    #[test]
    fn a_closed_pipe_is_known_below_other_words() {
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_output(
            &anyhow::Error::new(pipe).context("writing")
        ));
        let json = serde_json::to_writer(Closed, "x").unwrap_err();
        assert!(is_closed_output(&json.into()));
        assert!(!is_closed_output(&anyhow::anyhow!("other")));
    }

    struct Closed;

    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
