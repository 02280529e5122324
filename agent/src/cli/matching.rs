//! An output that is given only the exchanges that a filter matches.

use std::io;

use crate::event::{ApiEvent, Finding, Notice};
use crate::filter::Filter;
use crate::pipeline::Output;
use crate::telemetry::Counters;

/// Stands before an output. Findings pass that match, or that a filter of exchanges cannot speak of;
/// notices pass: they say what of all exchanges was not heard.
pub(super) struct Matching {
    filter: Filter,
    output: Box<dyn Output>,
}

impl Matching {
    /// Before `output`; if there is no filter, `output` itself.
    pub(super) fn before(output: Box<dyn Output>, filter: Option<&Filter>) -> Box<dyn Output> {
        match filter {
            None => output,
            Some(filter) => Box::new(Self {
                filter: filter.clone(),
                output,
            }),
        }
    }
}

impl Output for Matching {
    fn wants_lines(&self) -> bool {
        true
    }

    fn exchange(&mut self, event: &ApiEvent<'_>, line: &[u8]) -> io::Result<()> {
        if self.filter.matches(line) {
            self.output.exchange(event, line)
        } else {
            Ok(())
        }
    }

    fn finding(&mut self, finding: &Finding<'_>, line: &[u8]) -> io::Result<()> {
        if self.filter.matches(line) {
            self.output.finding(finding, line)
        } else {
            Ok(())
        }
    }

    fn notice(&mut self, notice: &Notice<'_>, line: &[u8]) -> io::Result<()> {
        self.output.notice(notice, line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn reopen(&mut self) {
        self.output.reopen();
    }

    fn counters(&self) -> Counters {
        self.output.counters()
    }
}
