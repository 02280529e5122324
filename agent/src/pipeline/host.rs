//! The sealing side: exchanges in the order they ended, as events to the outputs, on one thread.

mod change;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::board::{Board, Poster};
use super::learnt::Learnt;
use super::queue::{Message, QueueOut};
use super::unheard::UnheardWatch;
use super::{Counted, Detect, Keep, Ledger, NewSinks, Requests};
use crate::catalog::Catalog;
use crate::clock::WallTime;
use crate::detect::Told;
use crate::enrich::{Enrich, Joined, locate, place};
use crate::event::{
    self, ApiEvent, Count, Detail, Finding, Notice, PortKind, RoomFate, Severity, write_line,
};
use crate::exchange::Exchange;
use crate::lookup::{Asking, Atlas, Lookup, Places, QuicWatch};
use crate::probe::Unheard;
use crate::redact::{Masked, SealContext, seal};
use crate::telemetry::{Counter, Counters, Falls, Fate};
use eaves_common::Role;

/// How long is waited for exchanges before requests are looked at.
const WAIT: Duration = Duration::from_millis(200);

/// How often the journal is let time pass: it closes a frame after 250 ms.
const KEEP_EVERY: Duration = Duration::from_millis(50);

/// How often losses are told.
const LOSS_EVERY: Duration = Duration::from_secs(60);

/// Where events go: a file, standard output, a person.
pub trait Output {
    /// Whether it wants events as JSON lines; the cost of making them is spared where nobody does.
    fn wants_lines(&self) -> bool;

    /// Takes one exchange; `line` is empty if no output wants lines.
    ///
    /// # Errors
    /// Only if nobody will ever read on: the agent then stops. What can be mended is counted.
    fn exchange(&mut self, event: &ApiEvent<'_>, line: &[u8]) -> io::Result<()>;

    /// Takes what a detector concluded.
    ///
    /// # Errors
    /// As for an exchange.
    fn finding(&mut self, finding: &Finding<'_>, line: &[u8]) -> io::Result<()>;

    /// Takes one notice.
    ///
    /// # Errors
    /// As for an exchange.
    fn notice(&mut self, notice: &Notice<'_>, line: &[u8]) -> io::Result<()>;

    /// All that was ready has been handed over.
    ///
    /// # Errors
    /// As for an exchange.
    fn flush(&mut self) -> io::Result<()>;

    /// Opens its file anew.
    fn reopen(&mut self) {}

    /// Goes on with these sinks, if it has any; no event is missed or told twice for it.
    fn change(&mut self, _: &mut NewSinks) {}

    /// What it has to say of itself, to everybody, since the last call.
    fn news(&mut self) -> Vec<(Severity, Detail<'static>)> {
        Vec::new()
    }

    /// Nothing comes any more, and the journal has all of it: ends in good order.
    fn close(&mut self) {}

    /// What it counted.
    fn counters(&self) -> Counters;
}

/// The sealing side.
pub struct Host<'a> {
    outputs: Vec<Box<dyn Output + 'a>>,
    enrich: Enrich,
    catalog: Catalog,
    learnt: Option<Learnt>,
    keep: Option<Keep>,
    detect: Option<Detect>,
    kept: Instant,
    places: Option<Places>,
    atlas: Option<Atlas>,
    quic: Option<QuicWatch>,
    unheard: Option<UnheardWatch>,
    asking: Option<Asking>,
    context: SealContext,
    masked: Masked,
    counters: Counters,
    counted: Counted,
    told: Vec<Count>,
    poster: Option<Poster>,
    /// What fell of the agent's threads, where that is told.
    falls: Option<&'static Falls>,
    /// The records come from a file: its time is theirs.
    recorded: bool,
    notices: u64,
    line: Vec<u8>,
    lines: bool,
}

impl<'a> Host<'a> {
    /// Says of each exchange what `enrich` knows, and seals in `context`, for `outputs`.
    #[must_use]
    pub fn new(outputs: Vec<Box<dyn Output + 'a>>, enrich: Enrich, context: &SealContext) -> Self {
        let lines = outputs.iter().any(|output| output.wants_lines());
        Self {
            outputs,
            enrich,
            catalog: Catalog::default(),
            learnt: None,
            keep: None,
            detect: None,
            kept: Instant::now(),
            places: None,
            atlas: None,
            quic: None,
            unheard: None,
            asking: None,
            context: context.clone(),
            masked: Masked::new(),
            counters: Counters::default(),
            counted: Counted::default(),
            told: Vec::new(),
            poster: None,
            falls: None,
            recorded: false,
            notices: 0,
            line: Vec::with_capacity(8192),
            lines,
        }
    }

    /// Tells of a recording: each replay says the same, so its time is that of the last record, and
    /// losses are told at the end alone.
    #[must_use]
    pub fn of_recording(self) -> Self {
        Self {
            recorded: true,
            ..self
        }
    }

    /// Posts how it stands to `board`; there are these sinks.
    #[must_use]
    pub fn posting(self, board: Arc<Board>, sinks: impl Iterator<Item = String>) -> Self {
        Self {
            poster: Some(Poster::new(board, sinks)),
            ..self
        }
    }

    /// Tells of threads that fell.
    #[must_use]
    pub fn telling(self, falls: &'static Falls) -> Self {
        Self {
            falls: Some(falls),
            ..self
        }
    }

    /// What exchanges are sealed with.
    pub(super) const fn context(&self) -> &SealContext {
        &self.context
    }

    /// Keeps all events in a journal too.
    #[must_use]
    pub fn keeping(mut self, keep: Option<Keep>) -> Self {
        self.keep = keep;
        self
    }

    /// Says of each exchange what the host knows of its process.
    #[must_use]
    pub fn looking_up(mut self, lookup: Option<Lookup>) -> Self {
        if let Some(Lookup {
            places,
            asking,
            atlas,
            quic,
        }) = lookup
        {
            (self.places, self.asking, self.atlas) = (Some(places), Some(asking), atlas);
            self.quic = Some(quic);
        }
        self
    }

    /// Tells of the TLS that `unheard` says is not heard.
    #[must_use]
    pub fn told_of(mut self, unheard: Option<Receiver<Unheard>>) -> Self {
        self.unheard = unheard.map(UnheardWatch::new);
        self
    }

    /// What asks for processes as soon as they are heard of; once.
    pub(super) fn take_asking(&mut self) -> Option<Asking> {
        self.asking.take()
    }

    /// Lets the journal take in all it was given, so that a ledger that is taken now adds up.
    pub fn settle(&mut self) {
        if let Some(keep) = &mut self.keep {
            keep.settle();
        }
    }

    /// Goes on with what was learnt of endpoints when the journal in `dir` was written to last, and
    /// keeps it there.
    #[must_use]
    pub fn learning(mut self, dir: Option<&Path>) -> Self {
        self.learnt = dir.map(|dir| Learnt::begin(dir, &mut self.enrich, &mut self.catalog));
        self
    }

    /// The endpoints that were seen.
    #[must_use]
    pub fn into_catalog(self) -> Catalog {
        self.catalog
    }

    /// Has detectors look at every exchange.
    #[must_use]
    pub fn detecting(mut self, detect: Option<Detect>) -> Self {
        self.detect = detect;
        self
    }

    /// Ends the journal in good order, with all it was given, and then the outputs.
    pub fn close(&mut self) {
        if let Some(keep) = &mut self.keep {
            keep.tick();
            let position = keep.position();
            if let (Some(detect), Some(position)) = (&mut self.detect, position) {
                detect.save(position);
            }
            keep.close();
        }
        self.keep_learnt();
        self.outputs.iter_mut().for_each(|output| output.close());
    }

    /// Keeps what was learnt, as far as it stands for what the journal has for certain.
    fn keep_learnt(&mut self) {
        if let (Some(learnt), Some(keep)) = (&mut self.learnt, &self.keep) {
            learnt.keep(&self.enrich, &self.catalog, keep.synced().before());
        }
    }

    /// Lets time pass for rules and the journal, and tells what that has to tell.
    fn keep_on(&mut self) -> io::Result<()> {
        if self.kept.elapsed() < KEEP_EVERY {
            return Ok(());
        }
        self.kept = Instant::now();
        if let Some(detect) = &mut self.detect {
            detect.tick(self.kept);
        }
        let Some(keep) = self.keep.as_mut() else {
            return Ok(());
        };
        if let Some(detect) = &mut self.detect {
            detect.save_if_due(|| keep.position());
        }
        let due = self.learnt.as_ref().is_some_and(Learnt::is_due);
        let mut told = keep.tick();
        told.extend(self.outputs.iter_mut().flat_map(|output| output.news()));
        if due {
            self.keep_learnt();
        }
        told.into_iter()
            .try_for_each(|(severity, detail)| self.notice(severity, detail))
    }

    /// Tells of threads that fell.
    fn fallen(&mut self) -> io::Result<()> {
        let fallen = self.falls.map(Falls::take).unwrap_or_default();
        fallen.into_iter().try_for_each(|(thread, fate)| {
            let (severity, state) = match fate {
                Fate::BegunAgain => (Severity::Medium, RoomFate::BegunAgain),
                Fate::Fallen => (Severity::High, RoomFate::Fallen),
            };
            self.notice(severity, Detail::Room { thread, state })
        })
    }

    /// Finds out who asked for what, and what is new about it.
    fn enrich(&mut self, exchange: &mut Exchange) {
        let boot = self.context.boot();
        self.enrich.exchange(exchange, boot);
        for Joined { host, from, to } in self.enrich.take_joined() {
            self.catalog.joined(&host, &from, &to);
        }
        // What this host asks of others is no endpoint of its own.
        // One that goes on was counted when it was told first.
        let first = exchange.known.spoken.report == 0;
        if let (true, Role::Server, Some(request)) = (first, exchange.conn.role, &exchange.request)
        {
            let time = boot.date(request.began);
            self.catalog.exchange(exchange, time);
        }
    }

    /// Runs until the capture side has ended and all it sent is handed over.
    ///
    /// # Errors
    /// That of the output nobody reads any more. A stop has then been asked for.
    pub(super) fn run(&mut self, mut queue: QueueOut, requests: &Requests) -> io::Result<()> {
        let ended = self.pump(&mut queue, requests);
        if ended.is_err() {
            requests.stop();
            // What still comes is counted as not delivered: somebody must take it.
            while let Ok(message) = queue.next(Duration::from_secs(60)) {
                match message {
                    Message::Exchanges(exchanges, _) => {
                        self.counters
                            .add(Counter::SealUndelivered, exchanges.len() as u64);
                    }
                    Message::Counted(counted) => self.counted = *counted,
                    Message::Acts(_) | Message::Change(_) | Message::Shed(_) => {}
                }
            }
        }
        self.counters.absorb(queue.counters());
        ended
    }

    fn pump(&mut self, queue: &mut QueueOut, requests: &Requests) -> io::Result<()> {
        let mut told = Instant::now();
        loop {
            self.fallen()?;
            let wait = self.keep.as_ref().map_or(WAIT, |_| KEEP_EVERY);
            match queue.next(wait) {
                Ok(Message::Exchanges(exchanges, _)) => self.exchanges(exchanges)?,
                Ok(Message::Counted(counted)) => {
                    self.counted = *counted;
                    self.post();
                }
                Ok(Message::Acts(_)) => {}
                Ok(Message::Change(change)) => self.change(*change)?,
                Ok(Message::Shed(news)) => self.notice(news.severity, news.detail)?,
                Err(RecvTimeoutError::Timeout) => self.each(|output| output.flush())?,
                Err(RecvTimeoutError::Disconnected) => return self.each(|output| output.flush()),
            }
            self.keep_on()?;
            if let Some(unheard) = &mut self.unheard {
                let told = unheard.take(Instant::now());
                told.into_iter()
                    .try_for_each(|(severity, detail)| self.notice(severity, detail))?;
            }
            if requests.take_reopen() {
                self.outputs.iter_mut().for_each(|output| output.reopen());
            }
            if let Some(refusal) = requests.take_refusal() {
                self.refused(refusal)?;
            }
            if !self.recorded && told.elapsed() >= LOSS_EVERY {
                let window_ns = u64::try_from(told.elapsed().as_nanos()).unwrap_or(u64::MAX);
                told = Instant::now();
                self.losses(window_ns)?;
            }
        }
    }

    /// Posts how it stands.
    fn post(&mut self) {
        if self.poster.is_none() {
            return;
        }
        let counted = self.counted();
        if let Some(poster) = &mut self.poster {
            if let Some(detect) = &self.detect {
                poster.learnt(detect.sizes());
            }
            poster.counted(counted, Instant::now());
        }
    }

    fn exchanges(&mut self, exchanges: Vec<Exchange>) -> io::Result<()> {
        let mut left = exchanges.len();
        let now = Instant::now();
        if let Some(atlas) = &mut self.atlas {
            atlas.take();
        }
        let may_be_quic = self.quic.as_mut().is_some_and(QuicWatch::take);
        for mut exchange in exchanges {
            if may_be_quic {
                self.quic_beside(&exchange)?;
            }
            if let Some(unheard) = &mut self.unheard {
                unheard.heard(&exchange.conn.open, exchange.conn.role, now);
            }
            let open = &exchange.conn.open;
            if open.library.is_some() && open.transport.is_none() {
                self.counters.add(Counter::SealUntied, 1);
            }
            self.enrich(&mut exchange);
            if let Some(places) = &mut self.places {
                place(&mut exchange, places, now);
            }
            if let Some(atlas) = &mut self.atlas {
                locate(&mut exchange, atlas);
            }
            if let Err(error) = self.exchange(&exchange) {
                self.counters.add(Counter::SealUndelivered, left as u64);
                return Err(error);
            }
            left -= 1;
            self.counters.add(Counter::Sealed, 1);
        }
        self.each(|output| output.flush())
    }

    /// Tells of the QUIC that the server of an exchange may speak beside it.
    fn quic_beside(&mut self, exchange: &Exchange) -> io::Result<()> {
        if exchange.conn.role != Role::Server {
            return Ok(());
        }
        let serves = |quic: &mut QuicWatch| quic.serves(exchange.conn.open.tgid);
        let Some(found) = self.quic.as_mut().and_then(serves) else {
            return Ok(());
        };
        let detail = Detail::Tls {
            process: found.name,
            pid: found.pid,
            port: found.port,
            transport: PortKind::Udp,
            role: Some(event::Role::Server),
            library: None,
            library_version: None,
            reason: "open beside its TCP listener: if it is QUIC, HTTP/3 over it is not heard"
                .into(),
            advice: None,
        };
        self.notice(Severity::Low, detail)
    }

    fn exchange(&mut self, exchange: &Exchange) -> io::Result<()> {
        self.masked.fill(exchange, self.context.redactor());
        let mut event = seal(exchange, &self.masked, &self.context);
        let mut about_finding = false;
        let mut told = Vec::new();
        if let Some(detect) = &mut self.detect {
            let incidents = detect.look(exchange, &event, &mut self.line).to_vec();
            about_finding = !incidents.is_empty();
            event.findings = incidents;
            told = detect.take_told();
            let left_out = detect.take_left_out();
            self.counters
                .add(Counter::FindingsSuppressed, left_out.suppressed);
            self.counters
                .add(Counter::FindingsOverLimit, left_out.over_limit);
        }
        self.line.clear();
        if self.lines {
            write_line(&event, &mut self.line).map_err(io::Error::other)?;
        }
        for output in &mut self.outputs {
            output.exchange(&event, &self.line)?;
        }
        match &mut self.keep {
            Some(keep) => keep.exchange(event, &self.line, about_finding),
            None => drop(event),
        }
        told.iter().try_for_each(|told| self.finding(told))
    }

    /// Hands over what a detector concluded, behind the exchange that led to it.
    fn finding(&mut self, told: &Told) -> io::Result<()> {
        let finding = told.finding(self.context.host());
        self.counters.add(Counter::Findings, 1);
        self.line.clear();
        if self.lines {
            write_line(&finding, &mut self.line).map_err(io::Error::other)?;
        }
        for output in &mut self.outputs {
            output.finding(&finding, &self.line)?;
        }
        if let Some(keep) = &mut self.keep {
            keep.finding(&finding);
        }
        Ok(())
    }

    /// Tells what was lost since the last time, if anything was.
    fn losses(&mut self, window_ns: u64) -> io::Result<()> {
        let counters = self.all_counters();
        let now = Ledger {
            kernel: self.counted.kernel.as_ref(),
            counters: &counters,
        }
        .losses();
        let before = |count: &Count| {
            let same = self
                .told
                .iter()
                .find(|old| (old.stage, old.name) == (count.stage, count.name));
            same.map_or(0, |old| old.count)
        };
        let rose = now.iter().map(|count| Count {
            count: count.count.saturating_sub(before(count)),
            ..*count
        });
        let counts: Vec<Count> = rose.filter(|count| count.count > 0).collect();
        self.told = now;
        if let Some(poster) = &mut self.poster {
            let each = counts
                .iter()
                .map(|count| format!("{} {}", count.count, count.name));
            let reason = each.collect::<Vec<_>>().join(", ");
            poster
                .lossy((!counts.is_empty()).then(|| format!("lost in the last minute: {reason}")));
        }
        if counts.is_empty() {
            return Ok(());
        }
        self.notice(Severity::Medium, Detail::Loss { window_ns, counts })
    }

    /// Hands one notice to every output, now.
    ///
    /// # Errors
    /// That of an output nobody reads any more.
    pub fn notice(&mut self, severity: Severity, detail: Detail<'_>) -> io::Result<()> {
        let time = if self.recorded {
            self.context.boot().date(self.counted.last)
        } else {
            WallTime::now()
        };
        let id = self.context.ids().notice(time, self.notices);
        self.notices += 1;
        if let Some(poster) = &mut self.poster {
            poster.hear(&detail);
        }
        let notice = Notice::new(id, time, self.context.host(), severity, detail);
        self.line.clear();
        if self.lines {
            write_line(&notice, &mut self.line).map_err(io::Error::other)?;
        }
        for output in &mut self.outputs {
            output.notice(&notice, &self.line)?;
        }
        if let Some(keep) = &mut self.keep {
            keep.notice(&notice);
        }
        self.each(|output| output.flush())
    }

    /// What was counted, by both sides and all outputs.
    #[must_use]
    pub fn counted(&self) -> Counted {
        Counted {
            counters: self.all_counters(),
            ..self.counted.clone()
        }
    }

    fn all_counters(&self) -> Counters {
        let mut counters = self.counted.counters.clone();
        counters.absorb(&self.counters);
        if let Some(places) = &self.places {
            counters.absorb(places.counters());
        }
        for output in &self.outputs {
            counters.absorb(&output.counters());
        }
        if let Some(keep) = &self.keep {
            counters.absorb(keep.counters());
        }
        counters
    }

    fn each(&mut self, act: impl Fn(&mut dyn Output) -> io::Result<()>) -> io::Result<()> {
        self.outputs
            .iter_mut()
            .try_for_each(|output| act(output.as_mut()))
    }
}
