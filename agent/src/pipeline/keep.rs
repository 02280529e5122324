//! Events into the journal, and what it has to tell as notices.

use std::time::Duration;

use super::asset::names_asset;
use crate::clock::Moment;
use crate::config::{Bodies, Journal as Section};
use crate::event::{
    ApiEvent, Detail, Finding, JournalWhat, Lower, Notice, Severity, Text, write_line,
};
use crate::hex;
use crate::journal::{
    Checkpoint, Cursor, Happened, Journal, Keys, Pressure, PublicKey, Record, RecordKind, Synced,
    Worth,
};
use crate::telemetry::Counters;

/// How long is waited for the disk before the last ledger is taken.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);

/// The journal of a running pipeline.
pub struct Keep {
    journal: Journal,
    bodies: Bodies,
    line: Vec<u8>,
}

impl Keep {
    /// Keeps events in `journal`, with these bodies.
    #[must_use]
    pub fn new(journal: Journal, bodies: Bodies) -> Self {
        Self {
            journal,
            bodies,
            line: Vec::with_capacity(8192),
        }
    }

    /// Keeps as `section` says from now on; `readers` are the cursors that hold segments back.
    pub(super) fn set(&mut self, section: &Section, readers: Vec<String>) {
        self.bodies = section.bodies;
        self.journal.set(section.options(readers));
    }

    /// Keeps one exchange, of which `line` is the whole, or empty if nobody wanted it yet.
    /// `about_finding`: an incident is about it.
    pub(super) fn exchange(&mut self, mut event: ApiEvent<'_>, line: &[u8], about_finding: bool) {
        let pressure = self.journal.pressure();
        let wanted = match self.bodies {
            Bodies::None => false,
            Bodies::Findings => about_finding && pressure == Pressure::None,
            Bodies::All => pressure == Pressure::None,
        };
        let mut has_body = false;
        if !wanted {
            if let Some(request) = &mut event.http.request {
                has_body |= request.body.take().is_some();
            }
            if let Some(response) = &mut event.http.response {
                has_body |= response.body.take().is_some();
            }
        }
        let as_it_is = !line.is_empty() && !has_body;
        if !as_it_is {
            self.line.clear();
            // What is no JSON is an empty line, which the journal refuses and counts.
            let _ = write_line(&event, &mut self.line);
        }
        let worth = worth(&event, about_finding);
        let address = event.client.as_ref().map(|client| client.address.to_text());
        let user = event.user.as_ref().and_then(|user| user.id);
        let user = user.map(Text::to_text);
        let domain = event.url.and_then(|url| url.domain);
        let domain = domain.map(|Lower(name)| Text(name).to_text().to_ascii_lowercase());
        let record = Record {
            kind: RecordKind::Exchange,
            worth,
            severity: None,
            time: event.time,
            line: if as_it_is { line } else { &self.line },
            keys: Keys {
                host: domain.as_deref().unwrap_or_default().as_bytes(),
                route: event.http.route.unwrap_or_default().as_bytes(),
                client: address.as_deref().unwrap_or_default().as_bytes(),
                user: user.as_deref().unwrap_or_default().as_bytes(),
                status: event
                    .http
                    .response
                    .as_ref()
                    .and_then(|response| response.status_code),
            },
        };
        self.journal.append(&record, Moment::now());
    }

    /// Keeps what a detector concluded, synced at once.
    pub(super) fn finding(&mut self, finding: &Finding<'_>) {
        self.line.clear();
        let _ = write_line(finding, &mut self.line);
        let text = |text: &Option<std::borrow::Cow<'_, str>>| {
            text.as_deref().unwrap_or_default().as_bytes().to_vec()
        };
        let (domain, route) = (text(&finding.target.domain), text(&finding.target.route));
        let (client, user) = (text(&finding.actor.client), text(&finding.actor.user));
        let record = Record {
            kind: RecordKind::Finding,
            worth: Worth::Told,
            severity: Some(finding.severity),
            time: finding.time,
            line: &self.line,
            keys: Keys {
                host: &domain,
                route: &route,
                client: &client,
                user: &user,
                status: None,
            },
        };
        self.journal.append(&record, Moment::now());
    }

    /// The place of the record that is kept next.
    pub(super) fn position(&self) -> Option<Cursor> {
        self.journal.position()
    }

    /// Keeps one notice.
    pub(super) fn notice(&mut self, notice: &Notice<'_>) {
        self.line.clear();
        let _ = write_line(notice, &mut self.line);
        let record = Record {
            kind: RecordKind::Notice,
            worth: Worth::Told,
            severity: Some(notice.severity),
            time: notice.time,
            line: &self.line,
            keys: Keys::default(),
        };
        self.journal.append(&record, Moment::now());
    }

    /// Lets time pass: what there is to tell since the last time.
    pub(super) fn tick(&mut self) -> Vec<(Severity, Detail<'static>)> {
        self.journal.tick(Moment::now());
        self.journal.happened().into_iter().map(told).collect()
    }

    /// Lets all that was given become durable, as far as that is soon: what is counted then adds up.
    pub(super) fn settle(&mut self) {
        self.journal.settle(SETTLE_WITHIN, Moment::now());
    }

    /// Ends in good order.
    pub fn close(&mut self) {
        self.journal.close(Moment::now());
    }

    /// The folder of the journal.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        self.journal.dir()
    }

    /// How far it is synced, for sinks.
    #[must_use]
    pub fn synced(&self) -> Synced {
        self.journal.synced()
    }

    /// What it counted.
    pub(super) fn counters(&self) -> &Counters {
        self.journal.counters()
    }
}

/// What an exchange is worth when there is not room for all.
fn worth(event: &ApiEvent<'_>, about_finding: bool) -> Worth {
    let status = event.http.response.as_ref().and_then(|r| r.status_code);
    let worked = status.is_some_and(|status| status < 400);
    if about_finding || !worked || !event.signals.is_empty() {
        return Worth::Important;
    }
    let request = event.http.request.as_ref();
    let method = request.and_then(|request| request.method);
    let fetched = method.is_some_and(|Text(method)| matches!(method, b"GET" | b"HEAD"));
    let path = event.url.and_then(|url| url.path);
    let is_asset = path.is_some_and(|Text(path)| names_asset(path));
    if fetched && is_asset {
        Worth::Asset
    } else {
        Worth::Common
    }
}

/// What happened, as it is reported, and how much it matters.
fn told(happened: Happened) -> (Severity, Detail<'static>) {
    use JournalWhat as What;

    let of = |what, segment, records, reason| Detail::Journal {
        what,
        segment,
        records,
        reason,
    };
    // What is missing for good is worth a look.
    let by_loss = |lost: u64| {
        if lost > 0 {
            Severity::Medium
        } else {
            Severity::Info
        }
    };
    match happened {
        Happened::Checkpoint(checkpoint) => (Severity::Info, signed(&checkpoint)),
        Happened::Started {
            clean,
            cut_records,
            cut_bytes,
        } => {
            let reason = match (cut_bytes, clean) {
                (0, true) => "the last stop was in good order".to_owned(),
                (0, false) => {
                    "the last stop was not in good order, or this is the first start".to_owned()
                }
                (bytes, _) => format!("{bytes} bytes of a torn frame were cut off"),
            };
            let detail = of(What::Started, None, Some(cut_records), Some(reason));
            (by_loss(cut_records), detail)
        }
        Happened::Damaged { segment } => {
            let detail = of(What::Damaged, Some(segment), None, None);
            (Severity::High, detail)
        }
        Happened::Rewound { known, found } => {
            let reason =
                format!("link {known} was signed, the chain was found to end before {found}");
            (Severity::High, of(What::Rewound, None, None, Some(reason)))
        }
        Happened::Retired {
            segment,
            unsent,
            reason,
            ..
        } => {
            let reason = Some(reason.name().to_owned());
            let detail = of(What::Retired, Some(segment), Some(unsent), reason);
            (by_loss(unsent), detail)
        }
        Happened::Degraded { reason } => {
            let detail = of(What::Degraded, None, None, Some(reason));
            (Severity::High, detail)
        }
        Happened::Resumed { shed } => {
            let detail = of(What::Resumed, None, Some(shed), None);
            (Severity::Info, detail)
        }
        Happened::Lost { records } => {
            let detail = of(What::Lost, None, Some(records), None);
            (Severity::High, detail)
        }
        Happened::KeyChanged {
            from,
            to,
            handed_over,
        } => {
            let (severity, reason) = changed(from, to, handed_over);
            (severity, of(What::KeyChanged, None, None, Some(reason)))
        }
        Happened::ClockSet { by_ns } => {
            let reason = format!("by {} s", by_ns / 1_000_000_000);
            (Severity::Low, of(What::ClockSet, None, None, Some(reason)))
        }
    }
}

/// Who signs now, and how much that matters.
fn changed(from: PublicKey, to: PublicKey, handed_over: bool) -> (Severity, String) {
    let (severity, how) = if handed_over {
        (Severity::Info, "the one before signed it")
    } else {
        (Severity::High, "the one before did not sign it")
    };
    (severity, format!("{to} signs after {from}: {how}"))
}

/// A checkpoint, as it is told to the world outside.
fn signed(checkpoint: &Checkpoint) -> Detail<'static> {
    let [seal, key] = [checkpoint.seal, checkpoint.key].map(|bytes| hex::encode(&bytes));
    Detail::Checkpoint {
        what: JournalWhat::Checkpoint,
        segment: checkpoint.segment,
        sequence: checkpoint.sequence,
        records: checkpoint.records,
        seal,
        signature: hex::encode(&checkpoint.signature),
        key,
    }
}
