//! What can be read without trying: settings, privileges, structures.

use std::fs;

use super::super::{Btf, Need, VMLINUX, offsets, read_vmlinux};
use super::{Check, Group, Status};
use crate::guard::{self, Wall, Walls};
use crate::telemetry::with_causes;

/// Capabilities that matter, by their bit (include/uapi/linux/capability.h): what each is for.
const CAPABILITIES: [(u32, &str, Wanted, &str); 4] = [
    (39, "CAP_BPF", Wanted::Always, "loading kernel programs"),
    (
        38,
        "CAP_PERFMON",
        Wanted::Always,
        "kernel programs that read what the kernel does",
    ),
    (
        24,
        "CAP_SYS_RESOURCE",
        Wanted::Sometimes,
        "maps beyond the memlock limit, before Linux 5.11",
    ),
    (
        21,
        "CAP_SYS_ADMIN",
        Wanted::Sometimes,
        "all of CAP_BPF and CAP_PERFMON, before Linux 5.8",
    ),
];

/// Stands for [`CAPABILITIES`]' first two.
const CAP_SYS_ADMIN: u32 = 21;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    Sometimes,
}

/// Tracepoints that taps hang on, and whose.
const TRACEPOINTS: [(&str, &str); 5] = [
    ("sock_send_length", "socket tap, Linux 6.3 and later"),
    ("sock_recv_length", "socket tap, Linux 6.3 and later"),
    ("sys_exit", "syscall tap"),
    ("inet_sock_set_state", "both taps, for the end of conns"),
    ("tcp_destroy_sock", "both taps, for the end of conns"),
];

/// A file's text without the line's end; `None` if it cannot be read.
fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// The kernel and its settings.
pub(super) fn kernel() -> Vec<Check> {
    let check = |name: &str, found: String| Check::new(Group::Kernel, name, found);
    let unknown = || "unknown".to_owned();
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown);
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let mut checks = vec![
        check("release", format!("{release}, {}", std::env::consts::ARCH)),
        lockdown(read("/sys/kernel/security/lockdown").as_deref()),
        check(
            "unprivileged eBPF",
            match read("/proc/sys/kernel/unprivileged_bpf_disabled").as_deref() {
                Some("0") => "allowed; Eaves needs no such thing".to_owned(),
                Some(_) => "off, as on most hosts; Eaves needs none".to_owned(),
                None => unknown(),
            },
        ),
    ];
    checks.push(match read("/proc/sys/net/core/bpf_jit_enable").as_deref() {
        Some("0") => check(
            "eBPF compiler",
            "off (net.core.bpf_jit_enable is 0)".to_owned(),
        )
        .status(Status::Less)
        .lost("speed: kernel programs are interpreted")
        .advice("sysctl net.core.bpf_jit_enable=1"),
        Some(_) => check("eBPF compiler", "on".to_owned()),
        None => check("eBPF compiler", unknown()),
    });
    checks.push(match mounted(&mounts, "cgroup2") {
        Some(at) => check("cgroup v2", format!("mounted at {at}")),
        None => check("cgroup v2", "not mounted".to_owned())
            .status(Status::Less)
            .lost("paths of cgroups, by which processes in containers can be excluded and named")
            .advice("mount -t cgroup2 none /sys/fs/cgroup, or mount it into this container"),
    });
    checks.push(match mounted(&mounts, "tracefs") {
        Some(at) => check("tracefs", format!("mounted at {at}")),
        None => check("tracefs", "not mounted; these taps need none".to_owned()),
    });
    checks.extend(hidden_processes(&mounts));
    checks
}

/// Kernel memory cannot be read where lockdown says confidentiality (kernel_lockdown(7)).
pub(super) fn lockdown(text: Option<&str>) -> Check {
    let name = "lockdown";
    let Some(text) = text else {
        let found = "unknown: no securityfs, or this kernel has none";
        return Check::new(Group::Kernel, name, found);
    };
    let chosen = text.split_whitespace().find_map(|word| {
        let word = word.strip_prefix('[')?;
        word.strip_suffix(']')
    });
    let check = Check::new(Group::Kernel, name, chosen.unwrap_or(text));
    if chosen == Some("confidentiality") {
        return check
            .status(Status::Bad)
            .lost("everything: kernel programs may not read memory")
            .advice("boot with lockdown=integrity");
    }
    check
}

/// Where a file system of this kind is mounted first (proc_pid_mountinfo(5)).
pub(super) fn mounted(mounts: &str, kind: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        (system.split(' ').next() == Some(kind)).then_some(())?;
        mount.split(' ').nth(4).map(str::to_owned)
    })
}

/// Whether /proc shows other users' processes to their owners alone.
pub(super) fn hidden_processes(mounts: &str) -> Option<Check> {
    let line = mounts.lines().find(|line| {
        let at = line.split(' ').nth(4);
        at == Some("/proc") && line.contains(" - proc ")
    })?;
    let hidden = line
        .split([' ', ','])
        .find_map(|option| option.strip_prefix("hidepid="))
        .filter(|value| !matches!(*value, "0" | "off"))?;
    let check = Check::new(
        Group::Kernel,
        "/proc",
        format!("mounted with hidepid={hidden}"),
    );
    Some(
        check
            .status(Status::Less)
            .lost("executables and command lines of other users' processes, unless run as root")
            .advice("run Eaves as root, or with the group that the mount's option gid= names"),
    )
}

/// What this process may do.
pub(super) fn privileges() -> Vec<Check> {
    let status = read("/proc/self/status").unwrap_or_default();
    let limits = read("/proc/self/limits").unwrap_or_default();
    let mut checks = rights(&status);
    let memlock = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .and_then(|rest| rest.split_whitespace().next());
    let found = match memlock {
        Some("unlimited") => "unlimited".to_owned(),
        Some(bytes) => format!("{bytes} bytes; maps count against it before Linux 5.11 only"),
        None => "unknown".to_owned(),
    };
    checks.push(Check::new(Group::Privileges, "memlock limit", found));
    checks.extend(walls());
    checks
}

/// Walls that threads of the agent are put behind, where the kernel has them.
pub(super) fn walls() -> [Check; 2] {
    let Walls { files, calls } = guard::walls();
    let check = |name: &str, wall, lost: &str| match wall {
        Wall::Stands(what) => Check::new(Group::Privileges, name, what),
        Wall::Lacks(why) => Check::new(Group::Privileges, name, why)
            .status(Status::Less)
            .lost(lost),
    };
    [
        check(
            "walls around files",
            files,
            "nothing that is heard; threads that need no capability may open what the agent's user may",
        ),
        check(
            "walls around calls",
            calls,
            "nothing that is heard; threads may make system calls that they have no use for",
        ),
    ]
}

/// User and capabilities, from /proc/self/status (proc_pid_status(5)).
pub(super) fn rights(status: &str) -> Vec<Check> {
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    // Real, effective, saved, file system.
    let user = field("Uid").and_then(|ids| ids.split_whitespace().nth(1));
    let held = field("CapEff").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    let user = match user {
        Some("0") => "root".to_owned(),
        Some(user) => format!("number {user}"),
        None => "unknown".to_owned(),
    };
    let mut checks = vec![Check::new(Group::Privileges, "user", user)];
    let Some(held) = held else {
        return checks;
    };
    let has = |bit: u32| held >> bit & 1 == 1;
    for (bit, name, wanted, what) in CAPABILITIES {
        let implied = wanted == Wanted::Always && has(CAP_SYS_ADMIN);
        let check = |found: &str| Check::new(Group::Privileges, name, found);
        checks.push(match wanted {
            _ if has(bit) => check("held"),
            _ if implied => check("not held, but CAP_SYS_ADMIN includes it"),
            Wanted::Sometimes => check(&format!("not held; for {what}")),
            Wanted::Always => check("not held")
                .status(Status::Bad)
                .lost(format!("everything: it is for {what}"))
                .advice(format!("give it {name}, or run it as root")),
        });
    }
    checks
}

/// The kernel's structures and tracepoints, by its BTF.
pub(super) fn structures() -> Vec<Check> {
    let check = |name: &str, found: String| Check::new(Group::Structures, name, found);
    let blob = match read_vmlinux() {
        Ok(blob) => blob,
        Err(error) => {
            let advice = "take a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions' are";
            return vec![
                check("BTF", with_causes(&error))
                    .status(Status::Bad)
                    .lost("everything: members of kernel structures cannot be found")
                    .advice(advice),
            ];
        }
    };
    let found = format!("{VMLINUX}, {} bytes", blob.len());
    let mut checks = vec![check("BTF", found)];
    match offsets(&blob) {
        Ok(offsets) => {
            let absent = Btf::absent(&offsets).map(|absent| {
                let name = format!("{}.{}", absent.structure, absent.member);
                let lost = match absent.need {
                    Need::Always => "everything".to_owned(),
                    Need::Syscall => "the syscall tap".to_owned(),
                    Need::Detail(lost) => lost.to_owned(),
                };
                let check = check(&name, "not in this kernel".to_owned());
                check.status(Status::Less).lost(lost)
            });
            checks.extend(absent);
        }
        Err(error) => checks.push(
            check("members", with_causes(&error))
                .status(Status::Bad)
                .lost("everything: where things lie in kernel structures is not known")
                .advice("report this kernel's release to Eaves"),
        ),
    }
    if let Ok(btf) = Btf::parse(&blob) {
        checks.extend(TRACEPOINTS.map(|(name, user)| match btf.tracepoint(name) {
            Some(arguments) => check(name, format!("({})", arguments.join(", "))),
            None => check(name, format!("not in this kernel; for the {user}")),
        }));
    }
    checks
}
