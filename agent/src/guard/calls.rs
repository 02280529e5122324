//! Walls around system calls, by seccomp(2): those of a thread's kind of work, and no others.
//!
//! Any other call fails with `ENOSYS`, as in a kernel that has none: so the C library, of any version, takes
//! the older call where it has one, and who made a call that nobody thought of reports an error, where a
//! thread that is killed would take the agent along. Which calls these are was measured (`strace -f` over the
//! kernel tests, glibc 2.36), and completed by those that glibc from 2.31 on, musl, and `std` have in their
//! place. A call of another architecture's ends the process: there is no such code in it.

use std::collections::BTreeMap;

use libc::*;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

use super::{May, Need};

/// What every thread does: memory, time, waiting, descriptors that are open, its end.
const ALWAYS: &[i64] = &[
    // Bytes.
    SYS_read,
    SYS_readv,
    SYS_write,
    SYS_writev,
    SYS_recvfrom,
    SYS_sendto,
    SYS_lseek,
    SYS_close,
    SYS_fstat,
    // Waiting.
    SYS_futex,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_sched_yield,
    SYS_restart_syscall,
    // Memory.
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    // Time, where the kernel gives it by no shorter way.
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    // The thread itself.
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sigaltstack,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_exit,
    SYS_exit_group,
    // Who it is, where it runs, chance.
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getcpu,
    SYS_sched_getaffinity,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
];

/// What is done with files, beside opening them: what a file is like, its bytes at a place, a folder's names.
const READ: &[i64] = &[
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_pread64,
    SYS_preadv,
    SYS_fadvise64,
    SYS_getcwd,
    SYS_flock,
];

const WRITE: &[i64] = &[
    SYS_pwrite64,
    SYS_pwritev,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_mkdirat,
    SYS_linkat,
    SYS_unlinkat,
    SYS_renameat2,
];

/// Calls of sockets that stand, or are being made ready.
const SOCKETS: &[i64] = &[
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_shutdown,
];

/// What putting up the walls of a thread within this one's takes.
const WALLS: &[i64] = &[
    SYS_capget,
    SYS_capset,
    SYS_prctl,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
    SYS_seccomp,
];

/// Calls that the first 64-bit architecture has, and later ones have not: glibc before 2.33 and musl make them.
#[cfg(target_arch = "x86_64")]
mod old {
    use libc::*;

    pub(super) const ALWAYS: &[i64] = &[SYS_poll, SYS_select, SYS_epoll_wait, SYS_time];
    pub(super) const READ: &[i64] = &[SYS_stat, SYS_lstat, SYS_access, SYS_readlink];
    pub(super) const WRITE: &[i64] = &[SYS_mkdir, SYS_link, SYS_unlink, SYS_rename, SYS_renameat];
    /// Opens the file of its first argument.
    pub(super) const OPEN: Option<i64> = Some(SYS_open);
}

#[cfg(not(target_arch = "x86_64"))]
mod old {
    pub(super) const ALWAYS: &[i64] = &[];
    pub(super) const READ: &[i64] = &[];
    /// `renameat`, which `libc` does not name for glibc (include/uapi/asm-generic/unistd.h).
    pub(super) const WRITE: &[i64] = &[38];
    pub(super) const OPEN: Option<i64> = None;
}

/// Commands of fcntl(2) that change nothing but a descriptor.
const FCNTL: [c_int; 6] = [F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL];

/// Commands of ioctl(2): `FIONBIO`, `FIONREAD`, `FIOCLEX`; `TCGETS`, `TIOCGWINSZ`, by which a terminal is known,
/// and how wide it is (include/uapi/asm-generic/ioctls.h).
const IOCTL: [u64; 5] = [0x5421, 0x541b, 0x5451, 0x5401, 0x5413];

/// Commands of prctl(2): names of the thread, and of memory, which glibc gives from 2.39 on.
const PRCTL: [c_int; 3] = [PR_SET_NAME, PR_GET_NAME, 0x5356_4d41];

/// Commands of bpf(2) that read and fill maps, one element or many, and tell of them
/// (include/uapi/linux/bpf.h): `MAP_LOOKUP_ELEM`, `_UPDATE_`, `_DELETE_`, `MAP_GET_NEXT_KEY`,
/// `OBJ_GET_INFO_BY_FD`, `MAP_LOOKUP_AND_DELETE_ELEM`, the four batches.
const MAPS: [c_int; 10] = [1, 2, 3, 4, 15, 21, 24, 25, 26, 27];

/// `PERF_EVENT_IOC_DISABLE`, by which a probe is taken off (include/uapi/linux/perf_event.h).
const PERF_DISABLE: u64 = 0x2401;

/// Flags of openat(2) by which more can be done than to read.
const OPEN_WRITES: c_int = O_ACCMODE | O_CREAT | O_TRUNC;

/// Why there is no wall.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallsError {
    /// It can't be made.
    #[error("the filter cannot be made")]
    Filter(#[from] BackendError),
    /// The kernel refuses it.
    #[error("the kernel takes no filter")]
    Refused(#[from] seccompiler::Error),
}

/// From now on this thread makes no other calls than it may.
pub(super) fn enclose(may: &May) -> Result<(), CallsError> {
    let filter = SeccompFilter::new(
        Calls::of(may)?.0,
        SeccompAction::Errno(ENOSYS.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(apply_filter(&BpfProgram::try_from(filter)?)?)
}

/// Calls that are allowed, each at all times or by rules one of which must hold.
#[derive(Default)]
struct Calls(BTreeMap<i64, Vec<SeccompRule>>);

impl Calls {
    fn of(may: &May) -> Result<Self, BackendError> {
        let mut calls = Self::default();
        calls.always()?;
        calls.files(may)?;
        let has = |need| may.has(need);
        if has(Need::Net) || has(Need::Names) {
            calls.sockets(&[AF_INET, AF_INET6, AF_UNIX])?;
            // Of datagrams; who can't listen gets no connection by it.
            calls.all(&[SYS_bind]);
        }
        if has(Need::Local) {
            calls.sockets(&[AF_UNIX])?;
        }
        if has(Need::Answer) {
            calls.all(SOCKETS);
            calls.all(&[SYS_accept4]);
        }
        if has(Need::Names) {
            // It asks which addresses this host has, and loads modules (nsswitch.conf(5)).
            calls.sockets(&[AF_NETLINK])?;
            calls.all(&[SYS_sendmmsg, SYS_mmap, SYS_mprotect]);
        }
        if has(Need::Names) || has(Need::Begin) {
            let thread = rule(
                0,
                SeccompCmpOp::MaskedEq(word(CLONE_THREAD)),
                word(CLONE_THREAD),
            )?;
            calls.when(SYS_clone, thread);
        }
        if has(Need::Begin) {
            calls.all(WALLS);
        }
        if has(Need::Maps) {
            calls.each(SYS_bpf, 0, MAPS.map(word))?;
        }
        if has(Need::Detach) {
            calls.each(SYS_ioctl, 1, [PERF_DISABLE])?;
        }
        if has(Need::Attach) {
            calls.all(&[SYS_bpf, SYS_perf_event_open, SYS_ioctl]);
        }
        Ok(calls)
    }

    fn always(&mut self) -> Result<(), BackendError> {
        self.all(ALWAYS);
        self.all(old::ALWAYS);
        // No memory that is run is made.
        for call in [SYS_mmap, SYS_mprotect] {
            self.when(call, rule(2, SeccompCmpOp::MaskedEq(word(PROT_EXEC)), 0)?);
        }
        self.each(SYS_fcntl, 1, FCNTL.map(word))?;
        self.each(SYS_ioctl, 1, IOCTL)?;
        self.each(SYS_prctl, 0, PRCTL.map(word))?;
        // A pair of tokio's tells of signals, and is made with the first runtime.
        self.each(SYS_socketpair, 0, [word(AF_UNIX)])?;
        // How a thread ends the process that can't go on.
        self.each(SYS_tgkill, 0, [std::process::id().into()])
    }

    fn files(&mut self, may: &May) -> Result<(), BackendError> {
        let elsewhere = [
            Need::Attach,
            Need::Processes,
            Need::Maps,
            Need::Names,
            Need::Own,
        ];
        let writes = !may.writes().is_empty();
        if !writes && may.reads().is_empty() && !elsewhere.iter().any(|need| may.has(*need)) {
            return Ok(());
        }
        self.all(READ);
        self.all(old::READ);
        let opens = [(Some(SYS_openat), 2), (old::OPEN, 1)];
        for (call, flags) in opens.into_iter().filter_map(|(call, at)| Some((call?, at))) {
            if writes {
                self.all(&[call]);
            } else {
                self.when(
                    call,
                    rule(flags, SeccompCmpOp::MaskedEq(word(OPEN_WRITES)), 0)?,
                );
            }
        }
        if writes {
            self.all(WRITE);
            self.all(old::WRITE);
        }
        if may.is_everywhere() {
            // Below the root of another process, out of which no link leads. Its flags can't be looked at.
            self.all(&[SYS_openat2]);
        }
        Ok(())
    }

    /// Sockets of these families, and all that is done with them but to listen.
    fn sockets(&mut self, families: &[c_int]) -> Result<(), BackendError> {
        self.all(SOCKETS);
        self.all(&[SYS_connect]);
        self.each(SYS_socket, 0, families.iter().map(|family| word(*family)))
    }

    fn all(&mut self, calls: &[i64]) {
        self.0.extend(calls.iter().map(|call| (*call, Vec::new())));
    }

    /// Allows a call by a rule, unless it is allowed without.
    fn when(&mut self, call: i64, rule: SeccompRule) {
        match self.0.get_mut(&call) {
            Some(rules) if rules.is_empty() => {}
            Some(rules) => rules.push(rule),
            None => {
                self.0.insert(call, vec![rule]);
            }
        }
    }

    /// Allows a call whose argument `at` is one of `values`.
    fn each(
        &mut self,
        call: i64,
        at: u8,
        values: impl IntoIterator<Item = u64>,
    ) -> Result<(), BackendError> {
        for value in values {
            self.when(call, rule(at, SeccompCmpOp::Eq, value)?);
        }
        Ok(())
    }
}

/// Holds if the low half of argument `at` compares so.
fn rule(at: u8, compares: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(at, SeccompCmpArgLen::Dword, compares, value)?;
    SeccompRule::new(vec![condition])
}

/// As the kernel has it in a register whose low half is looked at.
fn word(value: c_int) -> u64 {
    value.cast_unsigned().into()
}
