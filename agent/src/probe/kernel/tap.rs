//! One tap, tried: loaded, attached, and given an exchange to hear.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use eaves_common::{ConnId, Flow, Role};

use super::super::{Mode, Note, Options, Probe, ProbeError, State, Tap, start};
use super::{Check, Ends, Group, Status, Trial};
use crate::capture::{ConnOpen, Data, Record, Source as _, decode};

/// How long an exchange may take from the socket to the reader; a busy host's is 5 ms.
const PATIENCE: Duration = Duration::from_secs(3);

/// A ring for one exchange, and what others say meanwhile.
const RING_BYTES: u32 = 4 << 20;

/// Tries `tap`: whether it heard, and what there is to say.
pub(super) fn try_tap(tap: Tap, mode: Mode, trial: &mut Trial<'_>) -> (bool, Vec<Check>) {
    let group = match tap {
        Tap::Socket => Group::SocketTap,
        Tap::Syscall => Group::SyscallTap,
    };
    let options = Options {
        mode,
        roles: vec![Role::Server, Role::Client],
        ring_bytes: RING_BYTES,
        object: trial.object.clone(),
        ..Options::default()
    };
    match start(&options) {
        Ok(mut probe) => {
            let mut checks = hooks(group, probe.notes());
            let heard = hear(&mut probe, trial);
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
        ProbeError::NotPermitted { .. } | ProbeError::NoObject => vec![bad(words(error))],
        ProbeError::Btf(_) => {
            vec![bad(words(error)).advice("see what is said of the kernel's structures")]
        }
        _ => vec![bad(words(error)).advice("report this with the output of eaves doctor --json")],
    }
}

/// An error with its causes, in one line.
pub(super) fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

/// Has an exchange made, and looks for it in the records.
///
/// # Errors
/// In words: what of it was not heard.
fn hear(probe: &mut Probe, trial: &mut Trial<'_>) -> Result<(), String> {
    let ends = (trial.exchange)().map_err(|error| format!("could not be made: {error}"))?;
    let mut heard = Heard::new(ends);
    let began = Instant::now();
    while began.elapsed() < PATIENCE && heard.missing().is_some() {
        probe
            .read(Duration::from_millis(20), &mut |bytes| heard.record(bytes))
            .map_err(|error| format!("the ring cannot be read: {error}"))?;
    }
    match heard.missing() {
        None => Ok(()),
        Some(what) => Err(format!("{what}, {} records came", heard.records)),
    }
}

/// What of the exchange was heard so far.
pub(super) struct Heard {
    ends: Ends,
    /// The server's and the client's end, once they are known by their addresses.
    server: Option<ConnId>,
    client: Option<ConnId>,
    records: u64,
    /// Request and response as the server's end, then as the client's end moved them.
    parts: [bool; 4],
}

impl Heard {
    pub(super) const fn new(ends: Ends) -> Self {
        Self {
            ends,
            server: None,
            client: None,
            records: 0,
            parts: [false; 4],
        }
    }

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
        let Ends { client, server } = self.ends;
        let is = |local: SocketAddr, remote: SocketAddr| {
            open.local == Some((local.ip(), local.port()))
                && open.remote == Some((remote.ip(), remote.port()))
        };
        if is(server, client) {
            self.server = Some(open.conn);
        } else if is(client, server) {
            self.client = Some(open.conn);
        }
    }

    fn data(&mut self, data: &Data<'_>) {
        let asks = data
            .payload
            .strip_prefix(b"GET ")
            .and_then(|rest| rest.strip_prefix(Trial::TARGET.as_bytes()))
            .is_some_and(|rest| rest.starts_with(b" HTTP/1.1\r\n"));
        let answers = data.payload.starts_with(b"HTTP/1.1 200 ");
        let [server_asked, server_answered, client_asked, client_answered] = &mut self.parts;
        let conn = Some(data.conn);
        match data.flow {
            Flow::Received if conn == self.server => *server_asked |= asks,
            Flow::Sent if conn == self.server => *server_answered |= answers,
            Flow::Sent if conn == self.client => *client_asked |= asks,
            Flow::Received if conn == self.client => *client_answered |= answers,
            _ => {}
        }
    }

    /// What was not heard yet, in words; `None` if nothing is missing.
    pub(super) fn missing(&self) -> Option<&'static str> {
        let names = [
            "the server's end did not hear the request",
            "the server's end did not hear the response",
            "the client's end did not hear the request",
            "the client's end did not hear the response",
        ];
        let mut parts = self.parts.iter().zip(names);
        parts.find_map(|(heard, name)| (!heard).then_some(name))
    }
}
