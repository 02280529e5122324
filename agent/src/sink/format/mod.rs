//! One event's JSON line → the bytes another product expects.
//!
//! In: a line as EVENTS has it, of an exchange, a finding or a notice. Out: one record of the chosen
//! [`Format`], without a line feed. Nothing of an event is lost: what a projection takes it takes out
//! of the event, and what is left then goes to the field that the target's schema has for extensions.
//! The one exception is [`Format::Combined`], which has no such field. Pure: no clock, no I/O.

mod cef;
mod combined;
mod ecs;
mod event;
mod ocsf;
mod otel;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use event::nanoseconds;
pub(super) use otel::{LogRecord, log_record};

/// One line that tells a person what the event `line` is about.
pub(super) fn message(line: &[u8]) -> String {
    match event::Event::parse(line) {
        Ok(event) => event.message(),
        Err(error) => error.to_string(),
    }
}

/// In which words an event is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As the events page has it
    #[default]
    Eaves,
    /// Elastic Common Schema 9
    Ecs,
    /// Open Cybersecurity Schema Framework 1.8
    Ocsf,
    /// OpenTelemetry log records, as OTLP JSON
    Otel,
    /// ArcSight Common Event Format
    Cef,
    /// The access log of Apache and nginx; exchanges only
    Combined,
}

/// Why a line has no projection.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is not JSON.
    #[error("not a JSON object")]
    Json(#[source] serde_json::Error),
    /// It names no kind that is known.
    #[error("no event of a kind that is known")]
    Kind,
    /// The format has no place for events of this kind.
    #[error("the format has no place for events of this kind")]
    NoPlace,
}

impl Format {
    /// Appends the projection of `line` to `out`, without a line feed.
    ///
    /// # Errors
    /// [`FormatError`] if the line is no event, or one that the format has no place for; `out` is
    /// then as before.
    pub fn project(self, line: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let json = match self {
            Self::Eaves => {
                out.extend_from_slice(line.trim_ascii_end());
                return Ok(());
            }
            Self::Cef => return cef::project(event::Event::parse(line)?, out),
            Self::Combined => return combined::project(event::Event::parse(line)?, out),
            Self::Ecs => ecs::project(event::Event::parse(line)?),
            Self::Ocsf => ocsf::project(event::Event::parse(line)?),
            Self::Otel => otel::project(event::Event::parse(line)?),
        };
        let before = out.len();
        serde_json::to_writer(&mut *out, &json).map_err(|error| {
            out.truncate(before);
            FormatError::Json(error)
        })
    }

    /// How every record begins, so that one that was torn is known again; `None` if they differ.
    #[must_use]
    pub const fn beginning(self) -> Option<&'static [u8]> {
        Some(match self {
            Self::Eaves => b"{\"kind\":\"",
            Self::Ecs => b"{\"@timestamp\":\"",
            Self::Ocsf => b"{\"category_uid\":",
            Self::Otel => b"{\"resourceLogs\":[",
            Self::Cef => b"CEF:0|Eaves|Eaves|",
            Self::Combined => return None,
        })
    }
}

#[cfg(test)]
mod tests;
