//! The log: `tracing` to standard error, for people or for machines.

use std::error::Error;
use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: time, level, fields, message
    #[default]
    Text,
    /// For machines: one JSON object a line
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// A level, or several by room: `warn,eaves::stream=debug`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
    /// Whether text is coloured.
    pub colours: bool,
}

/// Why the log was not set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error(
        "--log {given}: not a level (error, warn, info, debug, trace, off) nor a list of room=level"
    )]
    Filter {
        /// What was given.
        given: String,
    },
    /// Somebody else did before.
    #[error("the log is already set up")]
    Twice(#[from] TryInitError),
}

/// Sends the log of this process to standard error from now on.
///
/// # Errors
/// [`LogError::Filter`] if the filter is no filter, [`LogError::Twice`] the second time.
pub fn log_to_stderr(options: &LogOptions) -> Result<(), LogError> {
    let filter = filter(&options.filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_ansi(options.colours)
        .with_writer(io::stderr);
    match options.format {
        LogFormat::Text => log.finish().try_init()?,
        LogFormat::Json => log.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

fn filter(given: &str) -> Result<EnvFilter, LogError> {
    let refused = || LogError::Filter {
        given: given.to_owned(),
    };
    // A lone word that is no level would be taken for a room, an empty one for a level.
    let lone = !given.contains(['=', ',']);
    if lone && given.parse::<LevelFilter>().is_err()
        || given.split([',', '=']).any(|word| word.trim().is_empty())
    {
        return Err(refused());
    }
    EnvFilter::try_new(given).map_err(|_| refused())
}

/// An error with its causes, in one line. A cause that the words before it end with is not said
/// again: some libraries put it into their own text.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !words.ends_with(&said) {
            words.push_str(": ");
            words.push_str(&said);
        }
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{filter, with_causes};

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Layer {
        said: &'static str,
        source: io::Error,
    }

    #[test]
    fn each_cause_is_said_once() {
        let told = |said, cause| {
            let source = io::Error::other(cause);
            with_causes(&Layer { said, source })
        };
        assert_eq!(told("map RING", "no memory"), "map RING: no memory");
        assert_eq!(
            told("map RING: no memory", "no memory"),
            "map RING: no memory"
        );
    }

    #[test]
    fn levels_and_rooms_are_taken_other_words_refused() {
        for good in ["info", "off", "TRACE", "warn,eaves::stream=debug"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "loud", "eaves::stream=loud", "=,="] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
