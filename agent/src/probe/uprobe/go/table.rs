//! Functions of a Go program by name, out of the table that it carries for its own stack traces: a
//! program whose symbols were stripped has it too.
//!
//! ```text
//! gopclntab  0  u32  0xfffffff0 (Go 1.18, 1.19), 0xfffffff1 (since 1.20)
//!            4  u8   0, 0, smallest instruction, bytes of a pointer: 8
//!            8  u64  functions, files
//!           24  u64  address of the code; since 1.26 nothing
//!           32  u64  offsets: names, units, files, pc tables, functions
//!            names: ended by NUL each
//!            functions: u32 code, u32 where said more of it, for each by address; then u32 the code's end
//!            more of it: u32 code, u32 name, …
//! ```
//!
//! Codes are offsets from the code's beginning, names from the names' (runtime/symtab.go,
//! cmd/link/internal/ld/pcln.go). All of it is read in pieces, from front to back; one that leads back
//! is refused, so that a table made to be read for ever is not.

use std::fs::File;

use memchr::memmem;

use super::super::elf::{self, ElfError, Section};

/// Layouts that are known.
const MAGICS: [u32; 2] = [0xffff_fff0, 0xffff_fff1];
const HEADER_BYTES: usize = 72;
/// Where in the header the code's address stands.
pub(super) const TEXT_AT: u64 = 24;
/// Most functions; a Go program of 500 MB has a million.
const FUNCTIONS_MAX: u64 = 1 << 24;
/// Bytes of a function's row.
const ROW_BYTES: u64 = 8;
/// Bytes kept of what is said of functions.
const WINDOW_BYTES: usize = 64 << 10;
const WHAT: &str = "the table of Go's functions";

/// Why there is nothing to be had of it.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum TableError {
    /// See there.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// It has a layout of its own.
    #[error("its table of functions is of no known version of Go")]
    Version,
    /// It leads where it must not.
    #[error("its table of functions is damaged")]
    Damaged,
}

/// A function: where its code begins and ends, from the beginning of all code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) end: u32,
}

struct Header {
    functions: u64,
    names: (u64, u64),
    rows: u64,
}

/// The functions of these names in the table that is `section` of `file`.
///
/// # Errors
/// [`TableError`].
pub(super) fn functions<const N: usize>(
    file: &File,
    section: Section,
    names: [&str; N],
) -> Result<[Option<Range>; N], TableError> {
    let header = header(file, section)?;
    let wanted = search(file, section, &header, names)?;
    let mut found = [None; N];
    if wanted.iter().all(Option::is_none) {
        return Ok(found);
    }
    let mut more = Window::new(file, section);
    let mut last: Option<(u32, u32)> = None;
    let (mut place, mut ended) = (0, true);
    let rows = section.offset + header.rows;
    let bytes = header.functions * ROW_BYTES + 4;
    let mut failed = None;
    elf::pieces(file, (rows, bytes), 0, |_, piece| {
        for row in piece.chunks(8) {
            if failed.is_some() {
                break;
            }
            let start = word(row, 0).unwrap_or(0);
            let mut each = || -> Result<(), TableError> {
                let Some(at) = word(row, 4) else {
                    // The end of all code.
                    note(last, start, &wanted, &mut found);
                    ended = true;
                    return Ok(());
                };
                if let Some((before, _)) = last
                    && (start < before || u64::from(at) < place)
                {
                    return Err(TableError::Damaged);
                }
                note(last, start, &wanted, &mut found);
                place = u64::from(at);
                let name = more.word(header.rows.saturating_add(place).saturating_add(4))?;
                last = Some((start, name));
                Ok(())
            };
            failed = each().err();
        }
        Ok(())
    })?;
    match failed {
        Some(error) => Err(error),
        None if ended => Ok(found),
        None => Err(TableError::Damaged),
    }
}

/// Keeps the function `last`, which ends at `end`, if its name is one of `wanted`.
fn note<const N: usize>(
    last: Option<(u32, u32)>,
    end: u32,
    wanted: &[Option<u32>; N],
    found: &mut [Option<Range>; N],
) {
    let Some((start, name)) = last else { return };
    let number = wanted.iter().position(|wanted| *wanted == Some(name));
    if let Some(place) = number.and_then(|number| found.get_mut(number))
        && place.is_none()
        && start < end
    {
        *place = Some(Range { start, end });
    }
}

fn header(file: &File, section: Section) -> Result<Header, TableError> {
    let bytes = elf::bytes(file, section.offset, HEADER_BYTES, WHAT)?;
    let magic = word(&bytes, 0).ok_or(TableError::Damaged)?;
    if !MAGICS.contains(&magic) || bytes.get(4..8) != Some(&[0, 0, 1, 8]) {
        return Err(TableError::Version);
    }
    let long = |at: usize| {
        let bytes = bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let read = || {
        let functions = long(8).filter(|count| (1..=FUNCTIONS_MAX).contains(count))?;
        let (names, units, rows) = (long(32)?, long(40)?, long(64)?);
        let names = (names, units.checked_sub(names)?);
        let end = rows.checked_add(functions * ROW_BYTES + 4)?;
        // What is beyond the file is found out when it is read.
        section.offset.checked_add(section.size)?;
        let whole = units <= section.size && end <= section.size;
        whole.then_some(Header {
            functions,
            names,
            rows,
        })
    };
    read().ok_or(TableError::Damaged)
}

/// Where among the names each of `names` stands.
fn search<const N: usize>(
    file: &File,
    section: Section,
    header: &Header,
    names: [&str; N],
) -> Result<[Option<u32>; N], TableError> {
    let whole = names.map(|name| [b"\0", name.as_bytes(), b"\0"].concat());
    let finders = whole.each_ref().map(memmem::Finder::new);
    let overlap = whole.iter().map(Vec::len).max().unwrap_or(0);
    let mut found = [None; N];
    let (at, bytes) = header.names;
    elf::pieces(
        file,
        (section.offset + at, bytes),
        overlap,
        |start, piece| {
            for (finder, place) in finders.iter().zip(&mut found) {
                if place.is_none()
                    && let Some(at) = finder.find(piece)
                {
                    *place = u32::try_from(start + at as u64 + 1).ok();
                }
            }
            Ok(())
        },
    )?;
    Ok(found)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A part of the table, which goes on to its end.
struct Window<'a> {
    file: &'a File,
    section: Section,
    at: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    const fn new(file: &'a File, section: Section) -> Self {
        Self {
            file,
            section,
            at: 0,
            bytes: Vec::new(),
        }
    }

    /// The word at `offset` of the table, which is none before one that was asked for already.
    fn word(&mut self, offset: u64) -> Result<u32, TableError> {
        let within = |window: &Self| {
            let at = offset.checked_sub(window.at)?;
            word(&window.bytes, usize::try_from(at).ok()?)
        };
        if let Some(word) = within(self) {
            return Ok(word);
        }
        let left = self
            .section
            .size
            .checked_sub(offset)
            .filter(|left| *left >= 4);
        let left = left.ok_or(TableError::Damaged)?;
        let len = usize::try_from(left)
            .unwrap_or(WINDOW_BYTES)
            .min(WINDOW_BYTES);
        let at = self.section.offset.saturating_add(offset);
        self.bytes = elf::bytes(self.file, at, len, WHAT)?;
        self.at = offset;
        within(self).ok_or(TableError::Damaged)
    }
}
