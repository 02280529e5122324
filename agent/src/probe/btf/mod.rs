//! Reader of the kernel's BTF: where members of its structures lie, and which tracepoints it has.
//!
//! In: the blob at `/sys/kernel/btf/vmlinux`. Out: [`Offsets`] for the kernel programs, and the
//! [`Absent`] members that this kernel does without. It knows nothing of programs or taps.
//!
//! ```text
//! header   0  magic u16 = 0xeb9f │ version u8 = 1 │ flags u8 │ hdr_len u32
//!          8  type_off u32 │ type_len u32 │ str_off u32 │ str_len u32     offsets from hdr_len on
//! type     0  name_off u32 │ info u32 │ size or type u32 │ by kind: members, parameters, …
//!             info: bits 0–15 count, 24–28 kind, 31 kind flag
//! member   0  name_off u32 │ type u32 │ offset u32     bits; with the kind flag bits 24–31 are the
//!                                                      width of a bitfield, 0 if it is none
//! ```
//!
//! The format is fixed by Documentation/bpf/btf.rst of the kernel. The blob is treated as hostile:
//! every offset is checked, every walk has a limit.

mod blob;
mod member;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};

use eaves_common::Offsets;

pub use blob::Btf;
pub use member::{Absent, Need};

/// Where the kernel shows its own BTF, since 5.4 with CONFIG_DEBUG_INFO_BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Most bytes of BTF that are read; today's kernels have 3–8 MB.
const BLOB_MAX_BYTES: u64 = 64 << 20;

/// Why the kernel's structures cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The blob cannot be read.
    #[error("cannot read {path}: the kernel must be built with CONFIG_DEBUG_INFO_BTF")]
    Unreadable {
        /// Where it should be.
        path: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is longer than any kernel's.
    #[error("BTF of more than {max} bytes")]
    TooLong {
        /// The most that is read.
        max: u64,
    },
    /// It does not begin as BTF does.
    #[error("not BTF: {what} is {value:#x}")]
    Header {
        /// The field.
        what: &'static str,
        /// What it holds.
        value: u64,
    },
    /// A section or type reaches beyond its end.
    #[error("BTF is cut or altered: {what} at byte {at}")]
    Cut {
        /// What does not fit.
        what: &'static str,
        /// Where, from the start of its section.
        at: usize,
    },
    /// A kind of type that is not known, so that its length is not either.
    #[error("BTF type {id} is of the unknown kind {kind}")]
    Kind {
        /// The type's number.
        id: u32,
        /// Its kind.
        kind: u32,
    },
    /// A structure whose layout every kernel shares has another one here.
    #[error("BTF contradicts what is known of {what}")]
    Contradiction {
        /// The structure or member.
        what: &'static str,
    },
    /// A member without which no tap works.
    #[error("the kernel's BTF has no {structure}.{member}, which every tap needs")]
    Missing {
        /// The structure.
        structure: &'static str,
        /// The member.
        member: &'static str,
    },
    /// A member is not as wide as it is read.
    #[error("{structure}.{member} is {bits} bits wide, not {expected}")]
    Width {
        /// The structure.
        structure: &'static str,
        /// The member.
        member: &'static str,
        /// Its width.
        bits: u64,
        /// The width that the kernel programs read.
        expected: u64,
    },
}

/// Reads the running kernel's BTF, at most 64 MiB.
///
/// # Errors
/// [`BtfError::Unreadable`] if the kernel shows none, [`BtfError::TooLong`].
pub fn read_vmlinux() -> Result<Vec<u8>, BtfError> {
    let unreadable = |source| BtfError::Unreadable {
        path: VMLINUX,
        source,
    };
    let file = File::open(VMLINUX).map_err(unreadable)?;
    let expected = file.metadata().map_or(0, |meta| meta.len());
    let expected = usize::try_from(expected.min(BLOB_MAX_BYTES)).unwrap_or(0);
    let mut blob = Vec::with_capacity(expected.saturating_add(1));
    file.take(BLOB_MAX_BYTES + 1)
        .read_to_end(&mut blob)
        .map_err(unreadable)?;
    if blob.len() as u64 > BLOB_MAX_BYTES {
        return Err(BtfError::TooLong {
            max: BLOB_MAX_BYTES,
        });
    }
    Ok(blob)
}

/// Resolves every member of [`Offsets::MEMBERS`] in `blob`; those it lacks and some tap can do
/// without become [`Offsets::ABSENT`].
///
/// # Errors
/// Whatever [`Btf::parse`] and [`Btf::offsets`] refuse.
pub fn offsets(blob: &[u8]) -> Result<Offsets, BtfError> {
    Btf::parse(blob)?.offsets()
}
