//! One exchange as one line, for people: aligned columns, coloured if asked.

use std::fmt::Write as _;

use super::{safe, safe_text};
use crate::event::{
    Address, ApiEvent, Client, Count, Detail, Endpoint, Extent, Finding, IncidentState,
    MissingReason, Notice, PortKind, ReloadState, Role, Severity, ShedCause, ShedState, ShedWhat,
    Signal, Text, stamp,
};

/// Width of the columns that never grow.
const TIME: usize = 12;
const METHOD: usize = 7;
const STATUS: usize = 3;
const SIZE: usize = 5;
const DURATION: usize = 7;

/// Most that columns grow with what they have shown: to an IPv6 address with its port, to a name
/// of 15 bytes with its process id.
const PEER_MAX: usize = 48;
const PROCESS_MAX: usize = 26;

/// Most columns for the name of a user.
const USER_MAX: usize = 32;

/// Least columns for host and path, however narrow the terminal.
const TARGET_MIN: usize = 20;

/// Columns left for marks on a wide terminal.
const MARKS: usize = 22;

/// ANSI colours (ECMA-48, SGR).
mod colour {
    pub(super) const DIM: &str = "2";
    pub(super) const BOLD: &str = "1";
    pub(super) const RED: &str = "31";
    pub(super) const GREEN: &str = "32";
    pub(super) const YELLOW: &str = "33";
    pub(super) const MAGENTA: &str = "35";
    pub(super) const CYAN: &str = "36";
}

/// Makes lines of exchanges. Columns stay where they were as far as they can.
#[derive(Clone, Debug)]
pub struct Lines {
    colours: bool,
    width: Option<usize>,
    peer: usize,
    process: usize,
    scratch: String,
}

/// Which columns a line has, and how many of them host and path take.
#[derive(Clone, Copy, Debug)]
struct Layout {
    peer: bool,
    process: bool,
    sizes: bool,
    target: Option<usize>,
}

impl Lines {
    /// Lines for a terminal `width` columns wide; for none, host and path are never cut.
    #[must_use]
    pub fn new(colours: bool, width: Option<usize>) -> Self {
        Self {
            colours,
            width,
            peer: 21,
            process: 14,
            scratch: String::new(),
        }
    }

    /// Fits the lines to come to a terminal that is now `width` columns wide.
    pub fn resize(&mut self, width: Option<usize>) {
        self.width = width;
    }

    /// The titles of the columns, with a line feed.
    #[must_use]
    pub fn header(&self) -> String {
        let layout = self.layout();
        let mut titles = format!("{:TIME$} ", "time (UTC)");
        if layout.peer {
            column("  client", self.peer + 2, &mut titles);
        }
        if layout.process {
            column("process", self.process, &mut titles);
        }
        column("method", METHOD, &mut titles);
        let target = layout.target.unwrap_or(TARGET_MIN);
        column("host and path", target, &mut titles);
        titles.push_str("st.");
        if layout.sizes {
            let _ = write!(titles, " {:>SIZE$} {:>SIZE$}", "in", "out");
        }
        let _ = write!(titles, " {:>DURATION$}", "took");
        let mut line = String::new();
        self.paint(colour::BOLD, &titles, &mut line);
        line.push('\n');
        line
    }

    /// What there is room for: on a narrow terminal the process goes first, then sizes, then client.
    fn layout(&self) -> Layout {
        let mut layout = Layout {
            peer: true,
            process: true,
            sizes: true,
            target: None,
        };
        let Some(width) = self.width else {
            return layout;
        };
        let (peer, process, sizes) = (self.peer + 3, self.process + 1, 2 * SIZE + 2);
        let mut taken = TIME + METHOD + STATUS + DURATION + 4 + peer + process + sizes;
        for (shown, columns) in [
            (&mut layout.process, process),
            (&mut layout.sizes, sizes),
            (&mut layout.peer, peer),
        ] {
            if taken + TARGET_MIN > width {
                *shown = false;
                taken -= columns;
            }
        }
        let spare = width.saturating_sub(taken);
        // Where there is much room, some is left for marks.
        let target = if spare >= 3 * MARKS {
            spare - MARKS
        } else {
            spare
        };
        layout.target = Some(target.max(TARGET_MIN));
        layout
    }

    /// Appends the line of `event`, with its line feed.
    pub fn exchange(&mut self, event: &ApiEvent<'_>, out: &mut String) {
        let date = stamp(event.time);
        let clock = date.get(11..11 + TIME).unwrap_or_default();
        self.paint(colour::DIM, str::from_utf8(clock).unwrap_or_default(), out);
        out.push(' ');

        let layout = self.layout();
        let mut text = std::mem::take(&mut self.scratch);
        if layout.peer {
            // The other end: an arrow tells whether it asked or was asked.
            out.push_str(match event.role {
                Role::Server => "← ",
                Role::Client => "→ ",
            });
            text.clear();
            peer(event, &mut text);
            self.peer = self.peer.max(safe::width(&text)).min(PEER_MAX);
            column(&text, self.peer, out);
        }
        if layout.process {
            text.clear();
            let process = &event.process;
            // Writing to a `String` does not fail.
            let _ = write!(text, "{}[{}]", process.name.to_text(), process.pid);
            self.process = self.process.max(safe::width(&text)).min(PROCESS_MAX);
            column(&text, self.process, out);
        }
        let request = event.http.request.as_ref();
        let method = request.and_then(|request| request.method);
        let method = method.unwrap_or(Text(b"?"));
        self.painted_column(colour::BOLD, &method.to_text(), METHOD, out);

        text.clear();
        target(event, &mut text);
        match self.layout().target {
            Some(width) => column(&text, width, out),
            None => {
                safe::push(&text, usize::MAX, out);
                out.push(' ');
            }
        }
        self.scratch = text;
        self.outcome(event, layout, out);
        out.push('\n');
    }

    /// Status, sizes, duration, marks.
    fn outcome(&self, event: &ApiEvent<'_>, layout: Layout, out: &mut String) {
        let response = event.http.response.as_ref();
        match response.and_then(|response| response.status_code) {
            Some(code) => {
                let status = match code {
                    200..=299 => colour::GREEN,
                    400..=499 => colour::YELLOW,
                    500..=599 => colour::RED,
                    _ => colour::CYAN,
                };
                self.paint(status, &format!("{code:<STATUS$}"), out);
            }
            None => out.push_str("-  "),
        }
        let request = event.http.request.as_ref();
        let size = |bytes: Option<u64>| bytes.map_or("-".to_owned(), size);
        let asked = size(request.and_then(|request| request.body_bytes));
        let answered = size(response.and_then(|response| response.body_bytes));
        if layout.sizes {
            let _ = write!(out, " {asked:>SIZE$} {answered:>SIZE$}");
        }
        let took = event.duration_ns.map_or("-".to_owned(), duration);
        let _ = write!(out, " {took:>DURATION$}");
        let marks = marks(event);
        if !marks.is_empty() {
            out.push(' ');
            self.paint(colour::MAGENTA, &marks, out);
        }
    }

    /// Appends the line of `finding`, with its line feed.
    pub fn finding(&self, finding: &Finding<'_>, out: &mut String) {
        let date = stamp(finding.time);
        let clock = date.get(11..11 + TIME).unwrap_or_default();
        self.paint(colour::DIM, str::from_utf8(clock).unwrap_or_default(), out);
        out.push_str(" ! ");
        let mut text = String::new();
        concluded(finding, &mut text);
        let mut shown = String::new();
        safe::push(&text, usize::MAX, &mut shown);
        let paint = match finding.severity {
            Severity::Info => colour::DIM,
            Severity::Low | Severity::Medium => colour::YELLOW,
            Severity::High | Severity::Critical => colour::RED,
        };
        self.paint(paint, &shown, out);
        out.push('\n');
    }

    /// Appends the line of `notice`, with its line feed.
    pub fn notice(&self, notice: &Notice<'_>, out: &mut String) {
        let date = stamp(notice.time);
        let clock = date.get(11..11 + TIME).unwrap_or_default();
        self.paint(colour::DIM, str::from_utf8(clock).unwrap_or_default(), out);
        out.push_str(" · ");
        let mut text = String::new();
        describe(&notice.detail, &mut text);
        let mut shown = String::new();
        safe::push(&text, usize::MAX, &mut shown);
        let paint = match notice.severity {
            Severity::Info => colour::DIM,
            Severity::Low | Severity::Medium => colour::YELLOW,
            Severity::High | Severity::Critical => colour::RED,
        };
        self.paint(paint, &shown, out);
        out.push('\n');
    }

    fn painted_column(&self, paint: &str, text: &str, width: usize, out: &mut String) {
        let mut cell = String::new();
        column(text, width, &mut cell);
        self.paint(paint, &cell, out);
    }

    /// Appends `text`, which is safe, in a colour if colours are wanted.
    fn paint(&self, paint: &str, text: &str, out: &mut String) {
        if self.colours {
            let _ = write!(out, "\x1b[{paint}m{text}\x1b[0m");
        } else {
            out.push_str(text);
        }
    }
}

/// Appends `text` in a column `width` wide and the space behind it.
fn column(text: &str, width: usize, out: &mut String) {
    let used = safe::push(text, width, out);
    let _ = write!(out, "{:1$}", "", width - used + 1);
}

/// Who asked, where proxies in between are believed; else the other end; on a Unix socket, which one it
/// is.
fn peer(event: &ApiEvent<'_>, text: &mut String) {
    let asked = event.client.filter(|client| {
        event.role == Role::Server && event.peer.is_none_or(|peer| peer.address != client.address)
    });
    let asked = asked.map(|Client { address, port, .. }| Endpoint { address, port });
    match asked.or(event.peer).or(event.server) {
        Some(Endpoint {
            address: Address::Unix(name),
            ..
        }) => text.push_str(&Address::Unix(name).to_text()),
        Some(Endpoint { address, port }) => {
            let address = address.to_text();
            let _ = match port {
                Some(port) if address.contains(':') => write!(text, "[{address}]:{port}"),
                Some(port) => write!(text, "{address}:{port}"),
                None => write!(text, "{address}"),
            };
        }
        None => text.push('-'),
    }
}

/// Host and path as asked for.
fn target(event: &ApiEvent<'_>, text: &mut String) {
    let Some(url) = &event.url else {
        text.push_str("(request not seen)");
        return;
    };
    if let Some(domain) = url.domain {
        text.push_str(&Text(domain.0).to_text().to_ascii_lowercase());
    }
    if let Some(port) = url.port {
        let _ = write!(text, ":{port}");
    }
    if let Some(path) = url.path {
        text.push_str(&path.to_text());
    }
    if let Some(query) = url.query {
        text.push('?');
        text.push_str(&query.to_text());
    }
}

/// Who it was and what went wrong, what is not whole and what was odd, in words; empty if there is
/// nothing to say.
fn marks(event: &ApiEvent<'_>) -> String {
    let mut marks: Vec<String> = Vec::new();
    if let Some(id) = event.user.and_then(|user| user.id) {
        marks.push(format!("@{}", safe_text(&id.to_text(), USER_MAX)));
    }
    let signals = event.signals.iter().map(Signal::name);
    marks.extend(
        signals
            .filter(|name| !name.contains(':'))
            .map(str::to_owned),
    );
    let seen = &event.completeness;
    for (half, extent) in [("request", seen.request), ("response", seen.response)] {
        let word = match extent {
            Extent::Whole => continue,
            // The rule for large bodies: said, but short.
            Extent::Truncated => {
                marks.push(format!("{half}~"));
                continue;
            }
            Extent::Gap => "gap",
            Extent::JoinedLate => "joined late",
            Extent::Unfinished => "unfinished",
            Extent::None => "none",
        };
        marks.push(format!("{half}: {word}"));
    }
    if seen.missing_bytes > 0 {
        marks.push(format!("missing {}", size(seen.missing_bytes)));
    }
    let reasons = seen.reasons.iter().filter_map(|reason| match reason {
        MissingReason::BodyLimit => None,
        MissingReason::HeadLimit => Some("head limit"),
        MissingReason::RingFull => Some("ring full"),
        MissingReason::ReadFault => Some("read fault"),
        MissingReason::UnseenPath => Some("unseen path"),
        MissingReason::Shed => Some("shed"),
        MissingReason::Timeout => Some("timeout"),
        MissingReason::Reset => Some("reset"),
        MissingReason::HpackState => Some("hpack"),
    });
    marks.extend(reasons.map(|reason| format!("({reason})")));
    marks.extend(event.anomalies.iter().map(|anomaly| format!("!{anomaly}")));
    marks.join(" ")
}

/// What a notice says, in words.
fn describe(detail: &Detail<'_>, text: &mut String) {
    let _ = match detail {
        Detail::Start { version, kernel } => match kernel {
            Some(kernel) => write!(text, "eaves {version} listens on Linux {kernel}"),
            None => write!(text, "eaves {version} reads a capture"),
        },
        Detail::Stop {
            reason, drained, ..
        } => {
            let rest = if *drained { "all" } else { "not all" };
            write!(text, "stopped: {reason}; {rest} that was heard is told")
        }
        Detail::Tap { tap, state, reason } => {
            let state = format!("{state:?}").to_lowercase();
            match reason {
                Some(reason) => write!(text, "tap {tap} {state}: {reason}"),
                None => write!(text, "tap {tap} {state}"),
            }
        }
        Detail::Tls { .. } => tls(detail, text),
        Detail::Loss { counts, .. } => {
            text.push_str("lost:");
            counts.iter().try_for_each(|count| {
                write!(text, " {}.{} {}", count.stage, count.name, count.count)
            })
        }
        Detail::Sink {
            sink,
            state,
            reason,
            events,
        } => {
            let state = format!("{state:?}").to_lowercase();
            let events = events.map(|count| format!(" {count}")).unwrap_or_default();
            let reason = reason.as_deref().unwrap_or_default();
            write!(text, "sink {sink} {state}{events}: {reason}")
        }
        Detail::Shed {
            state,
            what,
            cause,
            counts,
        } => shed(text, *state, what, *cause, counts),
        Detail::Room { thread, state } => write!(text, "thread {thread}: {}", state.text()),
        Detail::Reload {
            state,
            changed,
            restart,
            reason,
        } => reload(text, *state, changed, restart, reason.as_deref()),
        Detail::Checkpoint { sequence, .. } => write!(text, "journal signed up to link {sequence}"),
        Detail::Journal { what, reason, .. } => {
            let what = format!("{what:?}").to_lowercase();
            match reason {
                Some(reason) => write!(text, "journal {what}: {reason}"),
                None => write!(text, "journal {what}"),
            }
        }
    };
}

/// What a reload of the configuration came to.
fn reload(
    text: &mut String,
    state: ReloadState,
    changed: &[String],
    restart: &[String],
    reason: Option<&str>,
) -> std::fmt::Result {
    let named = |word: &str, keys: &[String]| match keys {
        [] => String::new(),
        keys => format!("; {word}: {}", keys.join(", ")),
    };
    let state = format!("{state:?}").to_lowercase();
    let changed = named("changed", changed);
    let restart = named("needs a restart", restart);
    let reason = reason.map(|reason| format!(": {reason}"));
    let reason = reason.unwrap_or_default();
    write!(
        text,
        "configuration reload {state}{changed}{restart}{reason}"
    )
}

/// What is left out, and why.
fn shed(
    text: &mut String,
    state: ShedState,
    what: &[ShedWhat],
    cause: ShedCause,
    counts: &[Count],
) -> std::fmt::Result {
    let what: Vec<&str> = what.iter().map(|what| what.name()).collect();
    let (cause, what) = (cause.text(), what.join(", "));
    match state {
        ShedState::Begun => write!(text, "{cause}; left out: {what}")?,
        ShedState::More => write!(text, "{cause}; left out by now: {what}")?,
        ShedState::Ended => text.push_str("all is told again"),
    }
    counts
        .iter()
        .try_for_each(|count| write!(text, "; {} {}", count.count, count.name))
}

/// TLS or QUIC that is not heard.
fn tls(detail: &Detail<'_>, text: &mut String) -> std::fmt::Result {
    let Detail::Tls {
        process,
        pid,
        port,
        transport,
        role,
        reason,
        advice,
        ..
    } = detail
    else {
        return Ok(());
    };
    if *transport == PortKind::Udp {
        return write!(text, "{process} ({pid}), UDP port {port}: {reason}");
    }
    let to = if *role == Some(Role::Client) {
        "to "
    } else {
        ""
    };
    write!(
        text,
        "{process} ({pid}), TLS {to}port {port} is not heard: {reason}"
    )?;
    advice.map_or(Ok(()), |advice| write!(text, "; {advice}"))
}

/// Bytes in at most five columns.
fn size(bytes: u64) -> String {
    scaled(bytes, &["", "k", "M", "G", "T", "P", "E"])
}

/// A duration in at most seven columns.
pub(in super::super) fn duration(ns: u64) -> String {
    match ns {
        0..1_000_000_000 => scaled(ns, &["ns", "µs", "ms"]),
        1_000_000_000..60_000_000_000 => {
            let ms = ns / 1_000_000;
            format!("{}.{:02}s", ms / 1000, ms % 1000 / 10)
        }
        _ => {
            let s = ns / 1_000_000_000;
            match s {
                0..3600 => format!("{}m{:02}s", s / 60, s % 60),
                _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
            }
        }
    }
}

/// A number in at most three digits with the unit of its thousands, a tenth beside two of them.
fn scaled(number: u64, units: &[&str]) -> String {
    let (mut whole, mut tenth, mut at) = (number, 0, 0);
    while whole >= 1000 && at + 1 < units.len() {
        (whole, tenth, at) = (whole / 1000, whole % 1000 / 100, at + 1);
    }
    let unit = units.get(at).copied().unwrap_or_default();
    if at > 0 && whole < 100 {
        format!("{whole}.{tenth}{unit}")
    } else {
        format!("{whole}{unit}")
    }
}

/// A finding in words: how bad, which detector, what, who, and where.
fn concluded(finding: &Finding<'_>, text: &mut String) {
    let severity = match finding.severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    };
    let state = match finding.state {
        IncidentState::Open => "",
        IncidentState::Updated => " goes on",
        IncidentState::Closed => " is over",
    };
    let _ = write!(
        text,
        "{severity} {}{state}: {}",
        finding.detector.id, finding.title
    );
    let actor = &finding.actor;
    for who in [&actor.user, &actor.client].into_iter().flatten() {
        let _ = write!(text, ", {who}");
    }
    let target = &finding.target;
    if let Some(user) = &target.user {
        let _ = write!(text, ", account {user}");
    }
    if let (Some(method), Some(route)) = (&target.method, &target.route) {
        let _ = write!(text, ", {method} {route}");
    }
}

#[cfg(test)]
mod tests;
