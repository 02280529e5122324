//! One tap, tried: loaded, attached, and given an exchange to hear.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use eaves_common::{ConnId, Counter, Flow, Role};

use super::super::hooks::Refusal;
use super::super::uprobe::try_records;
use super::super::{Mode, Note, Options, Probe, ProbeError, State, Tap, start};
use super::{Check, Ends, Group, Status, Trial};
use crate::capture::{ConnOpen, Data, Record, Source as _, decode};
use crate::telemetry::with_causes;

/// How long an exchange may take from the socket to the reader; a busy host's is 5 ms.
const PATIENCE: Duration = Duration::from_secs(3);

/// Conns whose addresses are kept at a time.
const OPENED_MAX: usize = 4096;

/// Ends of exchanges like ours that are kept; others may run `eaves doctor` at the same time.
const ENDS_MAX: usize = 64;

/// Tries `tap`: whether it heard, and what there is to say.
pub(super) fn try_tap(tap: Tap, mode: Mode, trial: &mut Trial<'_>) -> (bool, Vec<Check>) {
    let group = match tap {
        Tap::Socket => Group::SocketTap,
        Tap::Syscall => Group::SyscallTap,
    };
    let options = Options {
        mode,
        roles: vec![Role::Server, Role::Client],
        object: trial.object.clone(),
        // Tried apart: it takes the kernel seconds.
        tls: false,
        ..Options::default()
    };
    match start(&options) {
        Ok(mut probe) => {
            let mut checks = hooks(group, probe.notes());
            let heard = hear(&mut probe, trial);
            checks.push(preemption(group, &mut probe));
            checks.push(match &heard {
                Ok(()) => Check::new(group, "an exchange", "heard at both ends, with addresses"),
                Err(why) => Check::new(group, "an exchange", why)
                    .status(Status::Bad)
                    .lost("everything")
                    .advice("report this with the output of eaves doctor --json"),
            });
            (heard.is_ok(), checks)
        }
        Err(error) => (false, refused(group, &error)),
    }
}

/// Tries whether TLS libraries can be probed, beside a tap that hears.
pub(super) fn try_tls(mode: Mode, trial: &Trial<'_>) -> Vec<Check> {
    let options = Options {
        mode,
        object: trial.object.clone(),
        tls: false,
        ..Options::default()
    };
    match start(&options) {
        Ok(probe) => {
            let mut checks = probing(&probe.try_probes());
            checks.push(recorded(&try_records()));
            checks
        }
        Err(error) => refused(Group::TlsTap, &error),
    }
}

/// What is said of the kernel's records of files that are loaded.
pub(super) fn recorded(tried: &io::Result<()>) -> Check {
    const NAME: &str = "records of loaded files";
    match tried {
        Ok(()) => Check::new(Group::TlsTap, NAME, "each as it is loaded"),
        Err(why) => Check::new(Group::TlsTap, NAME, format!("refused: {why}"))
            .status(Status::Less)
            .lost("the first half second of HTTPS by a library that nobody had in memory before")
            .advice(
                "let it open perf events: CAP_PERFMON, and a seccomp profile with perf_event_open",
            ),
    }
}

/// What is said of probes in processes.
pub(super) fn probing(tried: &Result<Vec<(&str, Refusal)>, Refusal>) -> Vec<Check> {
    let check = |name: &str, found: &str| Check::new(Group::TlsTap, name, found);
    let less = |name: &str, why: &Refusal, lost: &str| {
        let check = check(name, &format!("refused: {}", why.reason));
        check.status(Status::Less).lost(lost)
    };
    match tried {
        Ok(apart) => {
            let mut all = vec![check("a probe in a process", "attached")];
            all.extend(apart.iter().map(|(library, why)| {
                let (name, lost) = (format!("programs for {library}"), format!("HTTPS by {library}"));
                let advice = if *library == "rustls" {
                    "Linux 5.15 or later takes them; if it is one, report this with the output of eaves \
                     doctor --json"
                } else {
                    "report this with the output of eaves doctor --json"
                };
                less(&name, why, &lost).advice(advice)
            }));
            all
        }
        // perf_event_open has this number for it; CVE-2025-38466.
        Err(why) if why.is_denied() => vec![less("a probe in a process", why, "HTTPS").advice(
            "run it as root, or with CAP_SYS_ADMIN, which kernels since July 2025 want for this",
        )],
        Err(why) => vec![
            less("a probe in a process", why, "HTTPS")
                .advice("report this with the output of eaves doctor --json"),
        ],
    }
}

/// Whether programs stand in for each other, and how often the kernel passed the first over.
fn preemption(group: Group, probe: &mut Probe) -> Check {
    let counters = probe.kernel_counters().unwrap_or_default();
    let misses = counters.get(Counter::RecursionMisses);
    let found = match probe.copies() {
        1 if misses == 0 => "this kernel does not preempt programs".to_owned(),
        1 => format!("{misses} times the kernel passed a program over"),
        copies => format!(
            "this kernel preempts programs: {copies} of each; {misses} times the first was passed \
             over, {} times another stood in",
            counters.get(Counter::StoodIn)
        ),
    };
    let check = Check::new(group, "preemption", found);
    if probe.copies() == 1 && misses > 0 {
        return check
            .status(Status::Less)
            .lost("some transfers, counted as kernel missed")
            .advice("report this kernel's release to Eaves");
    }
    check
}

/// A line for each hook.
fn hooks(group: Group, notes: &[Note]) -> Vec<Check> {
    let check = |note: &Note| {
        let name = note
            .hook
            .split_once(": ")
            .map_or(&*note.hook, |(_, hook)| hook);
        match note.state {
            State::Attached => Check::new(group, name, "attached"),
            State::NotNeeded => Check::new(group, name, "not needed"),
            State::Refused => Check::new(group, name, format!("refused: {}", note.reason))
                .status(Status::Less)
                .lost(note.lost),
        }
    };
    notes.iter().map(check).collect()
}

/// Why there is no tap, and what to do.
fn refused(group: Group, error: &ProbeError) -> Vec<Check> {
    let bad = |found: String| {
        let check = Check::new(group, "load and attach", found);
        check.status(Status::Bad).lost("everything")
    };
    match error {
        ProbeError::Refused { tap, notes, .. } => {
            let mut checks = hooks(group, notes);
            let check = bad(format!(
                "the kernel refuses the {tap} tap, by the last hook named"
            ));
            checks.push(check.advice("report this with the output of eaves doctor --json"));
            checks
        }
        // These say themselves what to do.
        ProbeError::NotPermitted { .. } => vec![bad(with_causes(error))],
        error if error.is_usage() => vec![bad(with_causes(error))],
        ProbeError::Btf(_) => {
            vec![bad(with_causes(error)).advice("see what is said of the kernel's structures")]
        }
        _ => vec![
            bad(with_causes(error)).advice("report this with the output of eaves doctor --json"),
        ],
    }
}

/// Has an exchange made, and looks for it in the records meanwhile: a busy host fills the ring.
///
/// # Errors
/// In words: what of it was not heard.
fn hear(probe: &mut Probe, trial: &mut Trial<'_>) -> Result<(), String> {
    let exchange = &mut trial.exchange;
    let mut heard = Heard::default();
    thread::scope(|scope| {
        let mut making = Some(scope.spawn(exchange));
        let mut ends = None;
        let mut made = Instant::now();
        loop {
            probe
                .read(Duration::from_millis(20), &mut |bytes| heard.record(bytes))
                .map_err(|error| format!("the ring cannot be read: {error}"))?;
            if let Some(thread) = making.take_if(|thread| thread.is_finished()) {
                let result = thread
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("panicked")));
                ends = Some(result.map_err(|error| format!("could not be made: {error}"))?);
                made = Instant::now();
            }
            let Some(ends) = ends else {
                continue;
            };
            match heard.missing(ends) {
                None => return Ok(()),
                Some(what) if made.elapsed() > PATIENCE => {
                    return Err(format!("{what}; {} records came", heard.records));
                }
                Some(_) => {}
            }
        }
    })
}

/// One end of a conn, and what of an exchange for [`Trial::TARGET`] it moved.
#[derive(Clone, Copy, Debug)]
struct End {
    conn: ConnId,
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    /// Which way the request went.
    asked: Flow,
    answered: bool,
}

/// What was heard of exchanges for [`Trial::TARGET`] so far, ours or others'.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Addresses of the last conns that were announced: this end, the other.
    opened: HashMap<ConnId, [Option<SocketAddr>; 2]>,
    ends: Vec<End>,
    records: u64,
}

impl Heard {
    /// Looks at one record.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        self.records += 1;
        match decode(bytes) {
            Ok(Record::Open(open)) => self.open(&open),
            Ok(Record::Data(data)) => self.data(&data),
            _ => {}
        }
    }

    fn open(&mut self, open: &ConnOpen) {
        if self.opened.len() >= OPENED_MAX {
            // A conn is announced right before its bytes: those of before are of no use.
            self.opened.clear();
        }
        let ends = [open.local, open.remote].map(|end| end.map(SocketAddr::from));
        self.opened.insert(open.conn, ends);
    }

    fn data(&mut self, data: &Data<'_>) {
        let asks = data
            .payload
            .strip_prefix(b"GET ")
            .and_then(|rest| rest.strip_prefix(Trial::TARGET.as_bytes()))
            .is_some_and(|rest| rest.starts_with(b" HTTP/1.1\r\n"));
        if asks && self.ends.len() < ENDS_MAX {
            let [local, remote] = self.opened.get(&data.conn).copied().unwrap_or_default();
            self.ends.push(End {
                conn: data.conn,
                local,
                remote,
                asked: data.flow,
                answered: false,
            });
        } else if data.payload.starts_with(b"HTTP/1.1 200 ") {
            let mut ends = self.ends.iter_mut();
            if let Some(end) = ends.find(|end| end.conn == data.conn && end.asked != data.flow) {
                end.answered = true;
            }
        }
    }

    /// What was not heard of the exchange between these two, in words; `None` if all was.
    pub(super) fn missing(&self, Ends { client, server }: Ends) -> Option<&'static str> {
        let find = |asked, local, remote| {
            let mut ends = self.ends.iter();
            ends.find(|end| {
                (end.asked, end.local, end.remote) == (asked, Some(local), Some(remote))
            })
        };
        match (
            find(Flow::Received, server, client),
            find(Flow::Sent, client, server),
        ) {
            (None, _) => Some("the server's end did not hear the request"),
            (_, None) => Some("the client's end did not hear the request"),
            (Some(end), _) if !end.answered => Some("the server's end did not hear the response"),
            (_, Some(end)) if !end.answered => Some("the client's end did not hear the response"),
            _ => None,
        }
    }
}
