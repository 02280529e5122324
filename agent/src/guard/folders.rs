//! Walls around files, by Landlock (landlock(7)): what is opened, made, renamed or deleted lies below the
//! folders that a thread was told of.
//!
//! A rule names a folder as it is, not its name: one that is renamed stays open, one that takes its place is
//! another. What is open already stays open, and what a file is like can be seen wherever it lies.

use std::path::Path;
use std::sync::OnceLock;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags,
};

use super::{May, Need};

/// What is denied unless it is allowed: all that this interface knows, of Linux 6.10. What a kernel does not
/// know stays allowed there: before 6.2 a file that may be read can be cut by its name, before 5.19 none can
/// be moved to another folder at all.
const KNOWN: ABI = ABI::V5;

const READS: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// No program is run, and no device, pipe, socket or symbolic link is made.
const WRITES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | MakeReg | MakeDir | Refer
});

/// What the C library reads, and loads, to find the address of a name: its configuration, its modules, and what
/// these speak to (nsswitch.conf(5)). Where programs lie elsewhere than by the standard, NixOS and Guix.
const NAMES: [&str; 9] = [
    "/etc",
    "/run",
    "/usr",
    "/lib",
    "/lib64",
    "/var/lib/sss",
    "/var/run",
    "/nix/store",
    "/gnu/store",
];

/// How many processors there may be: so many elements have maps with one for each.
const CPUS: &str = "/sys/devices/system/cpu";

/// Why there is no wall.
#[derive(Debug, thiserror::Error)]
pub(super) enum FoldersError {
    /// The kernel has none.
    #[error("{0}")]
    Lacks(&'static str),
    /// It refuses this one.
    #[error("Landlock is refused")]
    Refused(#[from] RulesetError),
}

/// From now on this thread opens no other files than it may: by which version of Landlock.
pub(super) fn enclose(may: &May) -> Result<i32, FoldersError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        // For none: who listens does so before.
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket)?
        .create()?;
    for folder in may.reads() {
        ruleset = allow(ruleset, folder, READS)?;
    }
    for folder in may.writes() {
        ruleset = allow(ruleset, folder, WRITES)?;
    }
    if may.has(Need::Names) {
        for folder in NAMES {
            ruleset = allow(ruleset, Path::new(folder), READS)?;
        }
    }
    if may.has(Need::Maps) {
        ruleset = allow(ruleset, Path::new(CPUS), READS)?;
    }
    if let (true, Some(own)) = (may.has(Need::Own), own()) {
        ruleset = ruleset.add_rule(PathBeneath::new(own, READS))?;
    }
    match ruleset.restrict_self()?.landlock {
        LandlockStatus::NotImplemented => Err(FoldersError::Lacks(
            "no Landlock in this kernel, or it is kept from it",
        )),
        LandlockStatus::NotEnabled => Err(FoldersError::Lacks(
            "Landlock is switched off in this kernel (boot parameter lsm=)",
        )),
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => Ok(kernel_abi.unwrap_or(effective_abi as i32)),
    }
}

/// A folder that is not there, or can't be looked at, stays closed.
fn allow(
    ruleset: RulesetCreated,
    folder: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(folder) {
        Ok(folder) => ruleset.add_rule(PathBeneath::new(folder, access)),
        Err(_) => Ok(ruleset),
    }
}

/// The folder of this process, which stays open: the kernel makes another inode of it, without our rule, each
/// time that it has forgotten the one before.
fn own() -> Option<&'static PathFd> {
    static OWN: OnceLock<Option<PathFd>> = OnceLock::new();
    OWN.get_or_init(|| PathFd::new("/proc/self").ok()).as_ref()
}
