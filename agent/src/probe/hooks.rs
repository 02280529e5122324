//! Table of hooks: program, point, needed or optional, and what is lost without.

use std::io;

use aya::programs::{BtfTracePoint, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf};

use super::Tap;

/// How a program hangs on its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A typed tracepoint: its arguments are kernel types.
    TypedTracepoint,
    /// A raw tracepoint: its arguments are numbers.
    RawTracepoint,
}

/// A program and where it goes.
#[derive(Debug)]
pub(super) struct Hook {
    tap: Tap,
    /// Name of the program in the object.
    pub(super) program: &'static str,
    /// Name of the tracepoint.
    pub(super) point: &'static str,
    kind: Kind,
    /// The tap is none without it.
    pub(super) needed: bool,
    lost: &'static str,
}

/// All of them, in the order in which they are attached: a tap's transfers last, so that no conn
/// is heard whose end would go unseen.
const HOOKS: [Hook; 5] = [
    Hook {
        tap: Tap::Socket,
        program: "sock_state",
        point: "inet_sock_set_state",
        kind: Kind::TypedTracepoint,
        needed: false,
        lost: "when a conn ends, other than by what is read from it",
    },
    Hook {
        tap: Tap::Socket,
        program: "sock_recv",
        point: "sock_recv_length",
        kind: Kind::TypedTracepoint,
        needed: true,
        lost: "what processes receive",
    },
    Hook {
        tap: Tap::Socket,
        program: "sock_send",
        point: "sock_send_length",
        kind: Kind::TypedTracepoint,
        needed: true,
        lost: "what processes send",
    },
    Hook {
        tap: Tap::Syscall,
        program: "sys_state",
        point: "inet_sock_set_state",
        kind: Kind::RawTracepoint,
        needed: false,
        lost: "when a conn ends, other than by what is read from it",
    },
    Hook {
        tap: Tap::Syscall,
        program: "sys_exit",
        point: "sys_exit",
        kind: Kind::RawTracepoint,
        needed: true,
        lost: "what processes send and receive",
    },
];

/// What became of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It hears.
    Attached,
    /// The kernel, or its settings, refused it.
    Refused,
    /// Another tap does its work.
    NotNeeded,
}

/// One line of what the taps can hear on this host, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Tap and point, such as `socket: tp_btf sock_send_length`.
    pub hook: String,
    /// What became of it.
    pub state: State,
    /// Why it was refused; empty if it was not.
    pub reason: String,
    /// What is not heard without it.
    pub lost: &'static str,
}

impl Hook {
    /// The hooks of `tap`.
    pub(super) fn of(tap: Tap) -> impl Iterator<Item = &'static Self> {
        HOOKS.iter().filter(move |hook| hook.tap == tap)
    }

    /// Loads and attaches it.
    ///
    /// # Errors
    /// [`Refusal`] with the end of the verifier's words, if it had any.
    pub(super) fn attach(&self, kernel: &mut Ebpf, btf: &Btf) -> Result<(), Refusal> {
        let program = kernel.program_mut(self.program).ok_or_else(|| Refusal {
            code: None,
            verifier_spoke: false,
            reason: format!("the kernel object has no program {}", self.program),
        })?;
        self.load(program, btf)
            .map_err(|error| Refusal::from(&error))
    }

    fn load(&self, program: &mut Program, btf: &Btf) -> Result<(), ProgramError> {
        match self.kind {
            Kind::TypedTracepoint => {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.load(self.point, btf)?;
                program.attach()?;
            }
            Kind::RawTracepoint => {
                let program: &mut RawTracePoint = program.try_into()?;
                program.load()?;
                program.attach(self.point)?;
            }
        }
        Ok(())
    }

    /// What to say of it.
    pub(super) fn note(&self, state: State, reason: String) -> Note {
        let kind = match self.kind {
            Kind::TypedTracepoint => "tp_btf",
            Kind::RawTracepoint => "raw_tp",
        };
        Note {
            hook: format!("{}: {kind} {}", self.tap.name(), self.point),
            state,
            reason,
            lost: self.lost,
        }
    }
}

/// Lines of the verifier's log that are kept: its verdict stands at the end.
const VERIFIER_LINES: usize = 6;

/// Why the kernel did not take a program.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The system's error number.
    code: Option<i32>,
    verifier_spoke: bool,
    /// In words.
    pub(super) reason: String,
}

impl Refusal {
    /// Whether the process may not load programs, rather than not these. What the verifier or a
    /// policy refuses can have the same number, but then has words.
    pub(super) fn is_permission(&self) -> bool {
        self.code == Some(rustix::io::Errno::PERM.raw_os_error()) && !self.verifier_spoke
    }
}

impl From<&ProgramError> for Refusal {
    fn from(error: &ProgramError) -> Self {
        let (io, log) = match error {
            ProgramError::LoadError {
                io_error,
                verifier_log,
            } => (Some(io_error), verifier_log.to_string()),
            ProgramError::SyscallError(error) => (Some(&error.io_error), String::new()),
            _ => (None, String::new()),
        };
        let mut reason = match io {
            Some(io) => io.to_string(),
            None => error.to_string(),
        };
        let lines: Vec<&str> = log.lines().filter(|line| !is_statistics(line)).collect();
        let verdict = lines.len().saturating_sub(VERIFIER_LINES);
        for line in lines.get(verdict..).unwrap_or_default() {
            reason.push_str("; ");
            reason.push_str(line.trim());
        }
        Self {
            code: io.and_then(io::Error::raw_os_error),
            verifier_spoke: !lines.is_empty(),
            reason,
        }
    }
}

/// The verifier ends its log with how hard it worked.
fn is_statistics(line: &str) -> bool {
    line.trim().is_empty()
        || line.starts_with("processed ")
        || line.starts_with("verification time")
        || line.starts_with("stack depth")
}
