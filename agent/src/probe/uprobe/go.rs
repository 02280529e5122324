//! Go's own TLS: where `crypto/tls` is probed in a program.
//!
//! The functions are found by the table that every Go program carries, stripped or not. Where the code
//! begins that table says up to Go 1.25; since then another does, and where a program is moved as it is
//! loaded, a relocation. So each place that may be the beginning is tried: the right one is where the
//! functions call each other as they must.

mod table;

use std::fs::File;

use super::elf::{self, Code, Section};
use super::library::Point;
use super::place::{self, Refusal};
use table::{Range, functions};

pub(super) use table::TableError;

/// Functions that are asked for.
const NAMES: [&str; 7] = [
    "crypto/tls.(*Conn).Read",
    "crypto/tls.(*Conn).Write",
    "crypto/tls.(*Conn).writeRecordLocked",
    "runtime.memmove",
    "crypto/tls.(*Conn).Close",
    "crypto/tls.(*Conn).clientHandshake",
    "crypto/tls.(*Conn).serverHandshake",
];
/// Longest of them that is read.
const CODE_MAX_BYTES: u32 = 64 << 10;
/// Where in `moduledata` the code's address stands (runtime/symtab.go, Go 1.26).
const MODULE_TEXT_AT: u64 = 176;
/// R_X86_64_RELATIVE (System V ABI for x86-64, §4.4).
const RELATIVE: u64 = 8;
const RELA_BYTES: usize = 24;

/// What is probed in a Go program.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Its places, in the order in which they are to be attached.
    pub(super) points: Vec<Point>,
    /// The version of Go that built it, for the log.
    pub(super) version: String,
    /// Why there are none.
    pub(super) refused: Option<Refusal>,
}

/// Looks for `crypto/tls` in `file`; `None` if it is no Go program, or one without.
///
/// # Errors
/// [`TableError`].
pub(super) fn find(file: &File, code: &Code<'_>) -> Result<Option<Found>, TableError> {
    let names = [
        ".gopclntab",
        ".data.rel.ro.gopclntab",
        ".text",
        ".go.module",
        ".rela.dyn",
        ".rela",
        ".go.buildinfo",
    ];
    let [own, moved, text, module, dynamic, rela, built] = elf::sections(file, names)?;
    let Some(section) = own.or(moved) else {
        return Ok(None);
    };
    let ranges = functions(file, section, NAMES)?;
    let [
        Some(read),
        Some(write),
        Some(record),
        Some(copy),
        close,
        client,
        server,
    ] = ranges
    else {
        return Ok(None);
    };
    let version = built.and_then(|built| version(file, built));
    let program = Program {
        code,
        read,
        write,
        record,
        copy,
        close,
        begins: [client, server],
    };
    let word = |address: u64, place: Option<u64>| {
        let moved = dynamic
            .or(rela)
            .and_then(|table| addend(file, table, address));
        moved.or_else(|| place.and_then(|at| long(file, at)))
    };
    let within = |section: Section, at: u64| {
        word(
            section.address.saturating_add(at),
            section.offset.checked_add(at),
        )
    };
    let bases = [
        within(section, table::TEXT_AT),
        module.and_then(|module| within(module, MODULE_TEXT_AT)),
        text.map(|text| text.address),
    ];
    let mut found = Found {
        version: version.unwrap_or_default(),
        ..Found::default()
    };
    for base in bases.into_iter().flatten().filter(|base| *base != 0) {
        match program.points(base) {
            Ok(points) => {
                found.points = points;
                found.refused = None;
                break;
            }
            Err(refusal) => {
                found.refused.get_or_insert(refusal);
            }
        }
    }
    if found.points.is_empty() {
        found.refused.get_or_insert(Refusal::Code);
    }
    Ok(Some(found))
}

struct Program<'a> {
    code: &'a Code<'a>,
    read: Range,
    write: Range,
    record: Range,
    copy: Range,
    close: Option<Range>,
    begins: [Option<Range>; 2],
}

impl Program<'_> {
    /// Its places if its code begins at `base`.
    fn points(&self, base: u64) -> Result<Vec<Point>, Refusal> {
        let at = |range: Range| base.wrapping_add(u64::from(range.start));
        let body = |range: Range| {
            let len = range.end.saturating_sub(range.start);
            let whole = usize::try_from(len).ok().filter(|_| len <= CODE_MAX_BYTES);
            let len = whole.ok_or(Refusal::Code)?;
            let code = self.code.read(at(range), len);
            if code.len() == len {
                Ok(code)
            } else {
                Err(Refusal::Code)
            }
        };
        let point = |address: u64, program: &'static str| {
            let offset = self.code.offset(address).ok_or(Refusal::Code)?;
            Ok(Point::new(offset, program))
        };
        // What ends a session comes first: an address that comes back must not be taken for the
        // session that had it before.
        let close = self.close.ok_or(Refusal::Layout)?;
        let mut points = vec![point(place::first(&body(close)?, at(close))?, "go_close")?];
        for begins in self.begins.into_iter().flatten() {
            points.push(point(
                place::first(&body(begins)?, at(begins))?,
                "go_begin",
            )?);
        }
        if points.len() < 2 {
            return Err(Refusal::Layout);
        }
        let (read, write) = (body(self.read)?, body(self.write)?);
        for call in place::written(&write, at(self.write), at(self.record))? {
            points.push(point(call, "go_write")?);
        }
        let call = place::copied(&read, at(self.read), at(self.copy))?;
        points.push(point(call, "go_read")?);
        Ok(points)
    }
}

/// What the relocation of the word at `address` puts there.
fn addend(file: &File, table: Section, address: u64) -> Option<u64> {
    let mut found = None;
    let long = |row: &[u8], at: usize| {
        let bytes = row.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    elf::pieces(file, (table.offset, table.size), 0, |_, piece| {
        for row in piece.chunks_exact(RELA_BYTES) {
            if long(row, 0) == Some(address) && long(row, 8) == Some(RELATIVE) {
                found = long(row, 16);
            }
        }
        Ok(())
    })
    .ok()?;
    found
}

fn long(file: &File, offset: u64) -> Option<u64> {
    let bytes = elf::bytes(file, offset, 8, "a word of its data").ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The version of Go, as the program itself says it since 1.18 (debug/buildinfo): behind 32 bytes its
/// length and it.
fn version(file: &File, section: Section) -> Option<String> {
    const MAGIC: &[u8] = b"\xff Go buildinf:";
    const INLINE: u8 = 2;
    const AT: usize = 33;
    const MAX_BYTES: usize = 64;
    let len = usize::try_from(section.size).ok()?.min(AT + MAX_BYTES);
    let bytes = elf::bytes(file, section.offset, len, "what it says of its making").ok()?;
    let inline = bytes.get(15)? & INLINE != 0;
    let len = usize::from(*bytes.get(AT - 1)?);
    let text = bytes.get(AT..AT + len)?;
    let plain = text.iter().all(|byte| (0x20..0x7f).contains(byte));
    let known = bytes.starts_with(MAGIC) && inline && plain;
    known.then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests;
