//! Pointers in a file's data to its own code, which the loader fills in.

use std::fs::File;
use std::ops::Range;

use super::elf::{self, ElfError};

/// Type of a relocation that adds the file's base (`R_X86_64_RELATIVE`, System V ABI for x86-64, §4.4.1).
const RELATIVE: u32 = 8;
/// Bytes of an `Elf64_Rela`.
const ENTRY_BYTES: usize = 24;
/// Most pointers that are given.
const POINTERS_MAX: usize = 65_536;

/// The pointers that lie in `within`, addresses of the file's own: where each lies, and where it points.
/// Those that come packed (`SHT_RELR`) are none of them.
///
/// # Errors
/// As [`elf::sections`].
pub(super) fn pointers(file: &File, within: &Range<u64>) -> Result<Vec<(u64, u64)>, ElfError> {
    let [Some(entries)] = elf::sections(file, [".rela.dyn"])? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    elf::pieces(file, (entries.offset, entries.size), 0, |_, piece| {
        for entry in piece.chunks_exact(ENTRY_BYTES) {
            let word = |at: usize| {
                let bytes = entry.get(at..at + 8)?;
                Some(u64::from_le_bytes(bytes.try_into().ok()?))
            };
            let (Some(place), Some(kind), Some(to)) = (word(0), word(8), word(16)) else {
                continue;
            };
            if kind as u32 == RELATIVE && within.contains(&place) && found.len() < POINTERS_MAX {
                found.push((place, to));
            }
        }
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}
