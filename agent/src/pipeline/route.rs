//! Which event goes to which sink, in batches.

use std::collections::BTreeMap;
use std::io;

use super::sinks::Opened;
use super::{NewSinks, Output};
use crate::clock::WallTime;
use crate::config::{Config, Kind, SinkEntry, SinkKind};
use crate::event::{ApiEvent, Finding, Notice, Severity};
use crate::filter::Filter;
use crate::sink::{FileOptions, FileSink, Format, Sink, SinkError, StdoutSink};
use crate::telemetry::Counters;

/// Bytes of lines after which a batch is written though more are ready.
const BATCH_BYTES: usize = 256 << 10;

/// A sink, and what goes there.
pub struct Route {
    name: String,
    sink: Box<dyn Sink + Send>,
    kinds: Vec<Kind>,
    format: Format,
    min_severity: Option<Severity>,
    filter: Option<Filter>,
    lines: Vec<u8>,
    records: u64,
    /// Whether the last batch arrived: the log tells changes, not every failure.
    well: bool,
}

impl Route {
    /// `kinds` of events, a line each in the words of `format`, to `sink`.
    #[must_use]
    pub fn new(name: &str, sink: Box<dyn Sink + Send>, kinds: &[Kind], format: Format) -> Self {
        let lines = Vec::with_capacity(BATCH_BYTES + (BATCH_BYTES >> 2));
        Self {
            name: name.to_owned(),
            sink,
            kinds: kinds.to_vec(),
            format,
            min_severity: None,
            filter: None,
            lines,
            records: 0,
            well: true,
        }
    }

    /// To the sink of `entry`; `file` opens one.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn of(
        name: &str,
        entry: &SinkEntry,
        file: impl FnOnce(FileOptions) -> Result<FileSink, SinkError>,
    ) -> Result<Option<Self>, SinkError> {
        let format = entry.format();
        let sink: Box<dyn Sink + Send> = match entry.kind() {
            Some(SinkKind::Stdout(_)) => Box::new(StdoutSink::new()),
            Some(SinkKind::File(options)) => Box::new(file(options.options(format))?),
            // The others are told from a journal alone, which the configuration was checked for.
            _ => return Ok(None),
        };
        let mut route = Self::new(name, sink, &entry.kinds(), format);
        route.min_severity = entry.min_severity;
        route.filter = entry.filter();
        Ok(Some(route))
    }

    fn line(&mut self, kind: Kind, line: &[u8]) -> io::Result<()> {
        let wanted = |filter: &Filter| filter.matches(line);
        if !self.kinds.contains(&kind) || !self.filter.as_ref().is_none_or(wanted) {
            return Ok(());
        }
        self.format
            .project(line, &mut self.lines)
            .map_err(io::Error::other)?;
        self.lines.push(b'\n');
        self.records += 1;
        if self.lines.len() >= BATCH_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Says in the log when a sink begins to fail, and when it is well again.
    fn tell(&mut self, problem: Option<&SinkError>, failed: u64) {
        let sink = &self.name;
        match problem {
            Some(problem) => {
                let cause = std::error::Error::source(problem)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                tracing::error!(%sink, failed, cause, "{problem}");
                self.well = false;
            }
            None if failed == 0 && !self.well => {
                tracing::info!(%sink, "sink is well again");
                self.well = true;
            }
            None => {}
        }
    }
}

impl Output for Route {
    fn wants_lines(&self) -> bool {
        true
    }

    fn exchange(&mut self, _: &ApiEvent<'_>, line: &[u8]) -> io::Result<()> {
        self.line(Kind::Exchange, line)
    }

    fn finding(&mut self, finding: &Finding<'_>, line: &[u8]) -> io::Result<()> {
        if self
            .min_severity
            .is_some_and(|least| finding.severity < least)
        {
            return Ok(());
        }
        self.line(Kind::Finding, line)
    }

    fn notice(&mut self, notice: &Notice<'_>, line: &[u8]) -> io::Result<()> {
        if self
            .min_severity
            .is_some_and(|least| notice.severity < least)
        {
            return Ok(());
        }
        self.line(Kind::Notice, line)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let written = self.sink.write(&self.lines, self.records, WallTime::now());
        self.lines.clear();
        self.records = 0;
        match written {
            Ok(delivery) => {
                self.tell(delivery.problem.as_ref(), delivery.failed);
                Ok(())
            }
            Err(SinkError::Closed) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn reopen(&mut self) {
        if let Err(error) = self.sink.reopen(WallTime::now()) {
            self.tell(Some(&error), 0);
        }
    }

    fn counters(&self) -> Counters {
        self.sink.counters().clone()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.sink.close();
    }
}

/// The sinks of a configuration without a journal: told as events come.
#[derive(Default)]
pub struct Routes {
    each: BTreeMap<String, Route>,
    /// What those counted that are there no more.
    past: Counters,
}

impl Routes {
    /// A route for every sink of `config`.
    ///
    /// # Errors
    /// The first sink that cannot be opened.
    pub fn of(config: &Config) -> Result<Self, SinkError> {
        let mut routes = Self::default();
        for (name, entry) in &config.sinks {
            let open = |options| FileSink::open(options, WallTime::now());
            if let Some(route) = Route::of(name, entry, open)? {
                routes.each.insert(name.clone(), route);
            }
        }
        Ok(routes)
    }

    fn all(&mut self, act: impl FnMut(&mut Route) -> io::Result<()>) -> io::Result<()> {
        self.each.values_mut().try_for_each(act)
    }
}

impl Output for Routes {
    fn wants_lines(&self) -> bool {
        true
    }

    fn exchange(&mut self, event: &ApiEvent<'_>, line: &[u8]) -> io::Result<()> {
        self.all(|route| route.exchange(event, line))
    }

    fn finding(&mut self, finding: &Finding<'_>, line: &[u8]) -> io::Result<()> {
        self.all(|route| route.finding(finding, line))
    }

    fn notice(&mut self, notice: &Notice<'_>, line: &[u8]) -> io::Result<()> {
        self.all(|route| route.notice(notice, line))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.all(Output::flush)
    }

    fn reopen(&mut self) {
        self.each.values_mut().for_each(Output::reopen);
    }

    fn change(&mut self, new: &mut NewSinks) {
        let Self { each, past } = self;
        // Each was flushed; a file is closed before another sink opens it.
        each.retain(|name, route| {
            let stays = new.keeps(name);
            if !stays {
                past.absorb(&route.counters());
            }
            stays
        });
        for (name, (_, opened)) in std::mem::take(&mut new.opened) {
            if let Opened::Route(route) = opened {
                each.insert(name, *route);
            }
        }
    }

    fn counters(&self) -> Counters {
        let mut counters = self.past.clone();
        for route in self.each.values() {
            counters.absorb(&route.counters());
        }
        counters
    }
}
