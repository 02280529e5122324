//! Why nothing can be heard, and what the user can do about it.

use std::io;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya_obj::ParseError;
use eaves_common::ABI_VERSION;

use super::{BtfError, Note};

/// Why the kernel cannot be heard.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The process may not.
    #[error(
        "the kernel does not let this process load programs: run it as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE"
    )]
    NotPermitted {
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel's structures are not known.
    #[error("the kernel's structures cannot be read")]
    Btf(#[from] BtfError),
    /// This binary has no kernel object in it.
    #[error(
        "this binary was built without the kernel object: build it with `cargo xtask build`, or name one with --ebpf-object"
    )]
    NoObject,
    /// The object's file cannot be read.
    #[error("cannot read the kernel object {path}")]
    Object {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The object belongs to another version of the agent.
    #[error(
        "the kernel object does not fit this agent, which speaks version {ABI_VERSION}: build both together"
    )]
    Abi,
    /// The object's file holds something else.
    #[error("the kernel object is none, or damaged")]
    NotObject {
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The object cannot be loaded.
    #[error("the kernel object cannot be loaded")]
    Load {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The object has no such map.
    #[error("the kernel object has no map {name}")]
    NoMap {
        /// The map.
        name: &'static str,
    },
    /// A map cannot be used.
    #[error("map {name} of the kernel object cannot be used")]
    Map {
        /// The map.
        name: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More is excluded than there is room for.
    #[error("{have} entries in one exclusion list, at most {max} are possible")]
    TooManyExcludes {
        /// How many there are.
        have: usize,
        /// How many there may be.
        max: u32,
    },
    /// The kernel refuses every tap that was asked for.
    #[error("the kernel refuses the {tap} tap: {reason}")]
    Refused {
        /// The last tap that was tried.
        tap: &'static str,
        /// What the kernel says of the first program it refused.
        reason: String,
        /// What became of every hook.
        notes: Vec<Note>,
    },
}

impl ProbeError {
    /// Whether what was asked for is wrong, rather than the host.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::NoObject
            | Self::Object { .. }
            | Self::NotObject { .. }
            | Self::Abi
            | Self::TooManyExcludes { .. } => true,
            Self::NotPermitted { .. }
            | Self::Btf(_)
            | Self::Load { .. }
            | Self::NoMap { .. }
            | Self::Map { .. }
            | Self::Refused { .. } => false,
        }
    }
}

/// Sorts an error of the loader by what the user can do about it.
pub(super) fn load_error(error: EbpfError) -> ProbeError {
    let denied = match &error {
        EbpfError::MapError(MapError::CreateError { io_error, .. }) => Some(io_error),
        EbpfError::MapError(MapError::SyscallError(error)) => Some(&error.io_error),
        _ => None,
    };
    if denied.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return ProbeError::NotPermitted {
            source: error.into(),
        };
    }
    match error {
        EbpfError::ParseError(
            ParseError::SymbolNotFound { .. } | ParseError::InvalidGlobalData { .. },
        ) => ProbeError::Abi,
        EbpfError::ParseError(error) => ProbeError::NotObject {
            source: error.into(),
        },
        error => ProbeError::Load {
            source: error.into(),
        },
    }
}
