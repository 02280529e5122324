//! Which processes and sockets are looked at.

use aya_ebpf::helpers::generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_task};
use eaves_common::{CGROUP_LEVELS_MAX, COMM_BYTES, DropReason, Offsets, Role, Settings, comm_key};

use crate::maps::{EXCL_CGROUPS, EXCL_COMMS, EXCL_PORTS};
use crate::read::kernel;

/// The agent looks for this name: it bears `ABI_VERSION`, so that an object of another version is
/// told apart before it runs.
#[unsafe(no_mangle)]
static SETTINGS_1: aya_ebpf::Global<Settings> = aya_ebpf::Global::new(EMPTY);
const _: () = assert!(eaves_common::ABI_VERSION == 1);

// SAFETY: integers only.
const EMPTY: Settings = unsafe { core::mem::zeroed() };

/// Bit of [`Settings::excludes`]: ports.
const PORTS: u32 = 1;
/// Bit of [`Settings::excludes`]: process names.
const PROCESSES: u32 = 2;
/// Bit of [`Settings::excludes`]: cgroups.
const CGROUPS: u32 = 4;

/// Reads one setting: a load from frozen memory, so the verifier takes it for a constant.
macro_rules! setting {
    ($($field:tt)+) => {{
        let settings = $crate::filter::settings();
        // SAFETY: within the read-only global.
        unsafe { (&raw const (*settings).$($field)+).read_volatile() }
    }};
}
pub(crate) use setting;

/// Reads one offset.
macro_rules! offset {
    ($field:ident) => {
        $crate::filter::setting!(offsets.$field)
    };
}
pub(crate) use offset;

/// The settings, for [`setting`].
#[inline(always)]
pub(crate) fn settings() -> *const Settings {
    (&raw const SETTINGS_1).cast()
}

/// Whether `tgid` is the agent.
#[inline(always)]
pub(crate) fn is_own(tgid: u32) -> bool {
    setting!(own_tgid) == tgid
}

/// Whether conns of this end's role are wanted.
#[inline(always)]
pub(crate) fn is_wanted(role: Role) -> bool {
    setting!(roles) & role as u32 != 0
}

/// Whether either port is excluded.
#[inline(always)]
pub(crate) fn ports(local: u16, remote: u16) -> Result<(), DropReason> {
    if setting!(excludes) & PORTS == 0 {
        return Ok(());
    }
    if EXCL_PORTS.get_ptr(local).is_some() || EXCL_PORTS.get_ptr(remote).is_some() {
        return Err(DropReason::ExcludedPort);
    }
    Ok(())
}

/// Whether anything is excluded by process or cgroup.
#[inline(always)]
pub(crate) fn looks_at_processes() -> bool {
    setting!(excludes) & (PROCESSES | CGROUPS) != 0
}

/// Whether the current process, by the name of its leader, or its cgroup is excluded.
#[inline(always)]
pub(crate) fn process() -> Result<(), DropReason> {
    if setting!(excludes) & PROCESSES != 0 && EXCL_COMMS.get_ptr(comm_key(leader_comm()?)).is_some()
    {
        return Err(DropReason::ExcludedProcess);
    }
    if setting!(excludes) & CGROUPS != 0 {
        return cgroup();
    }
    Ok(())
}

/// Whether the current task's cgroup in the v2 hierarchy, or one above it, is excluded.
#[inline(never)]
fn cgroup_is_excluded() -> u64 {
    // SAFETY: no arguments.
    let own = unsafe { bpf_get_current_cgroup_id() };
    if EXCL_CGROUPS.get_ptr(own).is_some() {
        return 1;
    }
    let mut level = 0;
    while level < CGROUP_LEVELS_MAX {
        // SAFETY: the helper takes any number; below the task's own level it gives 0.
        let id = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
        if id == 0 {
            return 0;
        }
        if EXCL_CGROUPS.get_ptr(id).is_some() {
            return 1;
        }
        level += 1;
    }
    0
}

#[inline(always)]
fn cgroup() -> Result<(), DropReason> {
    if cgroup_is_excluded() == 0 {
        Ok(())
    } else {
        Err(DropReason::ExcludedCgroup)
    }
}

/// Name of the current process: its leader's. Threads bear names of their own. Bytes behind its
/// NUL may be anything.
#[inline(always)]
pub(crate) fn leader_comm() -> Result<[u8; COMM_BYTES], DropReason> {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    let leader: u64 = kernel(task + u64::from(offset!(task_group_leader)))?;
    let comm = kernel(leader + u64::from(offset!(task_comm)));
    comm.or_else(|reason| bpf_get_current_comm().map_err(|_| reason))
}

const _: () = assert!(size_of::<Offsets>() > 0);
