//! Table of hooks: program, point, needed or optional, and what is lost without.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;

use aya::programs::{BtfTracePoint, FExit, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf};
use aya_obj::btf::BtfKind;

use super::Tap;

/// How a program hangs on its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A typed tracepoint: its arguments are kernel types.
    TypedTracepoint,
    /// A raw tracepoint: its arguments are numbers.
    RawTracepoint,
    /// The exit of a function.
    Exit,
}

/// A program and where it goes.
#[derive(Debug)]
pub(super) struct Hook {
    tap: Tap,
    /// Names of the program and its copies in the object, in the order in which they are attached:
    /// the kernel runs them in that order.
    programs: &'static [&'static str],
    /// Name of the tracepoint or function.
    pub(super) point: &'static str,
    /// What newer kernels call the function.
    renamed: Option<&'static str>,
    kind: Kind,
    /// The tap is none without it.
    pub(super) needed: bool,
    lost: &'static str,
}

/// All of them, in the order in which they are attached: a tap's transfers last, so that no conn
/// is heard whose end would go unseen.
const HOOKS: [Hook; 12] = [
    Hook {
        tap: Tap::Socket,
        programs: &["splice_unix"],
        point: "unix_stream_splice_read",
        renamed: None,
        kind: Kind::Exit,
        needed: false,
        lost: "what a splice takes off a Unix socket: an exchange it is part of may be wrong",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["splice_mptcp"],
        point: "mptcp_splice_read",
        renamed: None,
        kind: Kind::Exit,
        needed: false,
        lost: "what a splice takes off an MPTCP socket: an exchange it is part of may be wrong",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["act_exec"],
        point: "sched_process_exec",
        renamed: None,
        kind: Kind::TypedTracepoint,
        needed: false,
        lost: "programs that servers run: no attack is confirmed by one",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["act_open"],
        point: "do_filp_open",
        renamed: Some("do_file_open"),
        kind: Kind::Exit,
        needed: false,
        lost: "files that servers open: no attack is confirmed by one",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["sock_destroy", "sock_destroy_2", "sock_destroy_3"],
        point: "tcp_destroy_sock",
        renamed: None,
        kind: Kind::TypedTracepoint,
        needed: false,
        lost: "when a conn ends that was reset, other than by what is read from it",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["sock_state", "sock_state_2", "sock_state_3"],
        point: "inet_sock_set_state",
        renamed: None,
        kind: Kind::TypedTracepoint,
        needed: false,
        lost: "when a conn ends, other than by what is read from it",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["sock_recv", "sock_recv_2", "sock_recv_3"],
        point: "sock_recv_length",
        renamed: None,
        kind: Kind::TypedTracepoint,
        needed: true,
        lost: "what processes receive",
    },
    Hook {
        tap: Tap::Socket,
        programs: &["sock_send", "sock_send_2", "sock_send_3"],
        point: "sock_send_length",
        renamed: None,
        kind: Kind::TypedTracepoint,
        needed: true,
        lost: "what processes send",
    },
    Hook {
        tap: Tap::Syscall,
        programs: &["act_exec"],
        point: "sched_process_exec",
        renamed: None,
        kind: Kind::TypedTracepoint,
        needed: false,
        lost: "programs that servers run: no attack is confirmed by one",
    },
    Hook {
        tap: Tap::Syscall,
        programs: &["sys_destroy", "sys_destroy_2", "sys_destroy_3"],
        point: "tcp_destroy_sock",
        renamed: None,
        kind: Kind::RawTracepoint,
        needed: false,
        lost: "when a conn ends that was reset, other than by what is read from it",
    },
    Hook {
        tap: Tap::Syscall,
        programs: &["sys_state", "sys_state_2", "sys_state_3"],
        point: "inet_sock_set_state",
        renamed: None,
        kind: Kind::RawTracepoint,
        needed: false,
        lost: "when a conn ends, other than by what is read from it",
    },
    Hook {
        tap: Tap::Syscall,
        programs: &["sys_exit", "sys_exit_2", "sys_exit_3"],
        point: "sys_exit",
        renamed: None,
        kind: Kind::TypedTracepoint,
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

    /// Whether this kernel lacks the function whose exit it is, and so what it would hear.
    pub(super) fn is_needless(&self, btf: &Btf) -> bool {
        self.kind == Kind::Exit && self.renamed.is_none() && !has(btf, self.point)
    }

    /// What this kernel calls its point.
    fn point_in(&self, btf: &Btf) -> &'static str {
        let newer = self.renamed.filter(|name| has(btf, name));
        newer.unwrap_or(self.point)
    }

    /// Loads those of the hooks of `tap`, `copies` of each, all at once: the verifier takes a few
    /// tenths of a second for some of them, each on a processor of its own. Gives what became of
    /// each by the program's name.
    pub(super) fn load_all(
        kernel: &mut Ebpf,
        btf: &Btf,
        (tap, copies): (Tap, u32),
    ) -> HashMap<&'static str, Result<(), Refusal>> {
        let names: HashMap<&'static str, &'static Self> = Self::of(tap)
            .filter(|hook| !hook.is_needless(btf))
            .flat_map(|hook| hook.names(copies).map(move |name| (name, hook)))
            .collect();
        thread::scope(|scope| {
            let load = |(name, program): (&str, _)| {
                let (name, hook) = names.get_key_value(name)?;
                Some((*name, scope.spawn(move || hook.load(program, btf))))
            };
            let loading: Vec<_> = kernel.programs_mut().filter_map(load).collect();
            let loaded = |(name, thread): (_, thread::ScopedJoinHandle<'_, Result<(), _>>)| {
                let result = thread.join().unwrap_or_else(|_| {
                    let error = io::Error::other("the loader panicked");
                    Err(ProgramError::IOError(error))
                });
                (name, result.map_err(|error| Refusal::from(&error)))
            };
            loading.into_iter().map(loaded).collect()
        })
    }

    /// Attaches it, `copies` of it one behind the other, by what became of the `loaded`. Gives the
    /// first.
    ///
    /// # Errors
    /// [`Refusal`] with the end of the verifier's words, if it had any.
    pub(super) fn attach(
        &self,
        kernel: &mut Ebpf,
        loaded: &mut HashMap<&'static str, Result<(), Refusal>>,
        copies: u32,
    ) -> Result<OwnedFd, Refusal> {
        let mut first = None;
        for name in self.names(copies) {
            let none = || Refusal::new(format!("the kernel object has no program {name}"));
            loaded.remove(name).ok_or_else(none)??;
            let program = kernel.program_mut(name).ok_or_else(none)?;
            self.attach_one(program)
                .map_err(|error| Refusal::from(&error))?;
            if first.is_none() {
                let fd = program.fd().map_err(|error| Refusal::from(&error))?;
                let fd = fd.as_fd().try_clone_to_owned();
                first = Some(fd.map_err(|error| Refusal::new(error.to_string()))?);
            }
        }
        first.ok_or_else(|| Refusal::new("no copy was asked for".to_owned()))
    }

    fn names(&self, copies: u32) -> impl Iterator<Item = &'static str> {
        self.programs.iter().copied().take(copies as usize)
    }

    /// Takes it off, the last copy first: one that is alone takes those before it for passed over.
    pub(super) fn detach(&self, kernel: &mut Ebpf) {
        for name in self.programs.iter().rev() {
            // What fails here goes with the object.
            let _ = match kernel.program_mut(name) {
                Some(Program::BtfTracePoint(program)) => program.unload(),
                Some(Program::RawTracePoint(program)) => program.unload(),
                Some(Program::FExit(program)) => program.unload(),
                _ => Ok(()),
            };
        }
    }

    fn load(&self, program: &mut Program, btf: &Btf) -> Result<(), ProgramError> {
        match self.kind {
            Kind::TypedTracepoint => {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.load(self.point_in(btf), btf)
            }
            Kind::RawTracepoint => {
                let program: &mut RawTracePoint = program.try_into()?;
                program.load()
            }
            Kind::Exit => {
                let program: &mut FExit = program.try_into()?;
                program.load(self.point_in(btf), btf)
            }
        }
    }

    fn attach_one(&self, program: &mut Program) -> Result<(), ProgramError> {
        match self.kind {
            Kind::TypedTracepoint => {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.attach().map(|_| ())
            }
            Kind::RawTracepoint => {
                let program: &mut RawTracePoint = program.try_into()?;
                program.attach(self.point).map(|_| ())
            }
            Kind::Exit => {
                let program: &mut FExit = program.try_into()?;
                program.attach().map(|_| ())
            }
        }
    }

    /// What to say of it.
    pub(super) fn note(&self, state: State, reason: String) -> Note {
        let kind = match self.kind {
            Kind::TypedTracepoint => "tp_btf",
            Kind::RawTracepoint => "raw_tp",
            Kind::Exit => "fexit",
        };
        Note {
            hook: format!("{}: {kind} {}", self.tap.name(), self.point),
            state,
            reason,
            lost: self.lost,
        }
    }
}

/// Whether the kernel has a function of this name.
fn has(btf: &Btf, function: &str) -> bool {
    btf.id_by_type_name_kind(function, BtfKind::Func).is_ok()
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
    /// One that the kernel has no part in.
    pub(super) const fn new(reason: String) -> Self {
        Self {
            code: None,
            verifier_spoke: false,
            reason,
        }
    }

    /// Whether something was denied for want of a privilege, by another number.
    pub(super) fn is_denied(&self) -> bool {
        self.is_permission()
            || self.code == Some(rustix::io::Errno::ACCESS.raw_os_error()) && !self.verifier_spoke
    }

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
        || line.starts_with("subprog ")
}
