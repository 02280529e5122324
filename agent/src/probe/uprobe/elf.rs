//! Functions of an ELF file by name: where in the file their code lies, and the code.
//!
//! The file is another's, and may be large: it is read in pieces, never held. First the string
//! tables are searched for the names, then the symbols for what points there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use memchr::memmem;
use object::elf::{
    ELFCLASS64, ELFDATA2LSB, EM_X86_64, FileHeader64, PF_X, PT_LOAD, ProgramHeader64, SHN_UNDEF,
    SHT_DYNSYM, SHT_NOBITS, SHT_NULL, SHT_SYMTAB, STT_FUNC, SectionHeader64, Sym64,
};
use object::endian::LittleEndian as Le;
use object::pod::{Pod, from_bytes};

/// Bytes read at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Most sections and segments that are looked at.
const HEADERS_MAX: u16 = 4096;
/// Largest table that is looked through: those of a Chromium with all its symbols take half as much.
const TABLE_MAX_BYTES: u64 = 1 << 30;
/// Most symbol tables: a file has two.
const TABLES_MAX: usize = 4;
/// Longest function whose code is read; those that are probed have a few hundred bytes.
const CODE_MAX_BYTES: usize = 64 << 10;
/// Most places at which the names may stand in a string table.
const MATCHES_MAX: usize = 256;
/// Longest name of a function of Rust's that is looked at.
const MANGLED_MAX_BYTES: usize = 512;

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Which of the names that were asked for.
    pub(super) name: usize,
    /// Its address in the file's own address space.
    pub(super) address: u64,
    /// Its code.
    pub(super) code: Vec<u8>,
}

/// Why a file's functions cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[from] io::Error),
    /// It is no ELF file for this machine.
    #[error("not an ELF file of 64 bits for x86-64")]
    Kind,
    /// Looking through it would take too long.
    #[error("a table of {bytes} bytes is larger than is looked through")]
    Large {
        /// Bytes of it.
        bytes: u64,
    },
    /// Its headers point beyond it.
    #[error("damaged: {what} lies beyond its end")]
    Damaged {
        /// What does.
        what: &'static str,
    },
}

struct Table {
    symbols: (u64, u64),
    strings: (u64, u64),
}

/// A file's segments with code.
#[derive(Debug)]
pub(super) struct Code<'a> {
    file: &'a File,
    /// Address, offset and bytes in the file of each.
    segments: Vec<(u64, u64, u64)>,
}

impl Code<'_> {
    /// Where the byte at `address` lies in the file.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        let (start, offset, _) = self.segment(address)?;
        offset.checked_add(address - start)
    }

    /// At most `len` bytes of code from `address` on; as many as there are.
    pub(super) fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let read = || {
            let (start, offset, bytes) = self.segment(address)?;
            let at = address - start;
            let len = usize::try_from(bytes - at).unwrap_or(len).min(len);
            let mut code = vec![0; len];
            let offset = offset.checked_add(at)?;
            self.file.read_exact_at(&mut code, offset).ok()?;
            Some(code)
        };
        read().unwrap_or_default()
    }

    fn segment(&self, address: u64) -> Option<(u64, u64, u64)> {
        let within = |(start, _, bytes): &&(u64, u64, u64)| {
            address.checked_sub(*start).is_some_and(|at| at < *bytes)
        };
        self.segments.iter().find(within).copied()
    }
}

/// The functions of `file` that bear one of `names` and have code there; one that stands in both
/// symbol tables comes once.
///
/// # Errors
/// [`ElfError`]; the file is then not touched any further.
pub(super) fn functions<'a>(
    file: &'a File,
    names: &[&str],
) -> Result<(Code<'a>, Vec<Function>), ElfError> {
    found(file, |table| strings(file, table, names))
}

/// The functions of `file` whose mangled names have one of `parts` in them, and of which `is_it` says
/// that it is meant, by that part's number and the name.
///
/// # Errors
/// As [`functions`].
pub(super) fn mangled<'a>(
    file: &'a File,
    parts: &[&str],
    is_it: &dyn Fn(usize, &[u8]) -> bool,
) -> Result<(Code<'a>, Vec<Function>), ElfError> {
    found(file, |table| with_parts(file, table, parts, is_it))
}

/// The functions whose names stand where `wanted` says in the strings of a table.
fn found<'a>(
    file: &'a File,
    wanted: impl Fn(&Table) -> Result<Vec<(u64, usize)>, ElfError>,
) -> Result<(Code<'a>, Vec<Function>), ElfError> {
    let header = header(file)?;
    let segments = segments(file, &header)?;
    let text = Code { file, segments };
    let mut found: Vec<Function> = Vec::new();
    for table in tables(file, &header)? {
        let wanted = wanted(&table)?;
        if wanted.is_empty() {
            continue;
        }
        symbols(file, &table, |symbol| {
            let kind = symbol.st_type();
            let defined = symbol.st_shndx.get(Le) != SHN_UNDEF;
            if !defined || kind != STT_FUNC {
                return Ok(());
            }
            let name = u64::from(symbol.st_name.get(Le));
            let Some((_, name)) = wanted.iter().find(|(at, _)| *at == name) else {
                return Ok(());
            };
            let (address, size) = (symbol.st_value.get(Le), symbol.st_size.get(Le));
            if found.iter().any(|f| f.address == address) {
                return Ok(());
            }
            found.extend(code(&text, *name, address, size));
            Ok(())
        })?;
    }
    Ok((text, found))
}

/// Where in the file the instruction lies that a program begins with.
///
/// # Errors
/// [`ElfError`]; also if there is none.
pub(super) fn entry(file: &File) -> Result<u64, ElfError> {
    let header = header(file)?;
    let segments = segments(file, &header)?;
    let offset = Code { file, segments }.offset(header.e_entry.get(Le));
    offset.ok_or(ElfError::Damaged {
        what: "its first instruction",
    })
}

fn header(file: &File) -> Result<FileHeader64<Le>, ElfError> {
    let header: FileHeader64<Le> = read(file, 0, "the header")?;
    let ident = &header.e_ident;
    if ident.magic != object::elf::ELFMAG
        || ident.class != ELFCLASS64
        || ident.data != ELFDATA2LSB
        || header.e_machine.get(Le) != EM_X86_64
    {
        return Err(ElfError::Kind);
    }
    Ok(header)
}

/// A section: its address, where it lies in the file, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// The first section of each of `names`, if `file` has one with bytes in it.
///
/// # Errors
/// [`ElfError`].
pub(super) fn sections<const N: usize>(
    file: &File,
    names: [&str; N],
) -> Result<[Option<Section>; N], ElfError> {
    const NAME_BYTES: usize = 32;
    let header = header(file)?;
    let count = header.e_shnum.get(Le).min(HEADERS_MAX);
    let strings = u64::from(header.e_shstrndx.get(Le).0);
    let mut found = [None; N];
    if strings >= u64::from(count) {
        return Ok(found);
    }
    let strings = section(file, &header, strings)?.sh_offset.get(Le);
    for at in 0..u64::from(count) {
        let section = section(file, &header, at)?;
        if matches!(section.sh_type.get(Le), SHT_NULL | SHT_NOBITS) {
            continue;
        }
        let mut name = [0; NAME_BYTES];
        let at = strings.saturating_add(u64::from(section.sh_name.get(Le)));
        let read = read_most(file, at, &mut name)?;
        let name = name.get(..read).unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let wanted = names.iter().position(|wanted| wanted.as_bytes() == name);
        if let Some(place) = wanted.and_then(|wanted| found.get_mut(wanted))
            && place.is_none()
        {
            *place = Some(Section {
                address: section.sh_addr.get(Le),
                offset: section.sh_offset.get(Le),
                size: section.sh_size.get(Le),
            });
        }
    }
    Ok(found)
}

/// Reads as much as there is.
fn read_most(file: &File, offset: u64, to: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = to.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn section(
    file: &File,
    header: &FileHeader64<Le>,
    at: u64,
) -> Result<SectionHeader64<Le>, ElfError> {
    let size = size_of::<SectionHeader64<Le>>() as u64;
    let offset = header.e_shoff.get(Le).saturating_add(at * size);
    read(file, offset, "a section header")
}

/// Segments with code: address, offset and bytes in the file.
fn segments(file: &File, header: &FileHeader64<Le>) -> Result<Vec<(u64, u64, u64)>, ElfError> {
    let count = header.e_phnum.get(Le).min(HEADERS_MAX);
    let mut segments = Vec::new();
    for at in 0..u64::from(count) {
        let offset = header
            .e_phoff
            .get(Le)
            .saturating_add(at * size_of::<ProgramHeader64<Le>>() as u64);
        let segment: ProgramHeader64<Le> = read(file, offset, "a program header")?;
        if segment.p_type.get(Le) == PT_LOAD && segment.p_flags.get(Le).contains(PF_X) {
            segments.push((
                segment.p_vaddr.get(Le),
                segment.p_offset.get(Le),
                segment.p_filesz.get(Le),
            ));
        }
    }
    Ok(segments)
}

/// The symbol tables, each with its strings.
fn tables(file: &File, header: &FileHeader64<Le>) -> Result<Vec<Table>, ElfError> {
    let count = header.e_shnum.get(Le).min(HEADERS_MAX);
    let section = |at: u64| section(file, header, at);
    let mut tables = Vec::new();
    for at in 0..u64::from(count) {
        if tables.len() == TABLES_MAX {
            break;
        }
        let symbols = section(at)?;
        if !matches!(symbols.sh_type.get(Le), SHT_SYMTAB | SHT_DYNSYM) {
            continue;
        }
        let link = symbols.sh_link.get(Le);
        if link >= u32::from(count) {
            continue;
        }
        let strings = section(u64::from(link))?;
        let range = |s: &SectionHeader64<Le>| (s.sh_offset.get(Le), s.sh_size.get(Le));
        tables.push(Table {
            symbols: range(&symbols),
            strings: range(&strings),
        });
    }
    Ok(tables)
}

/// Where in a string table the names stand, each with its number: a name may be another's tail.
/// What all names of a library begin with is searched for, and then compared.
fn strings(file: &File, table: &Table, names: &[&str]) -> Result<Vec<(u64, usize)>, ElfError> {
    let ended: Vec<Vec<u8>> = names
        .iter()
        .map(|name| [name.as_bytes(), b"\0"].concat())
        .collect();
    let beginning = |name: &&str| {
        let end = name.find('_').map_or(name.len(), |at| at + 1);
        name.as_bytes().get(..end).unwrap_or_default().to_vec()
    };
    let mut prefixes: Vec<Vec<u8>> = names.iter().map(beginning).collect();
    prefixes.dedup();
    let finders: Vec<_> = prefixes.iter().map(memmem::Finder::new).collect();
    let overlap = ended.iter().map(Vec::len).max().unwrap_or(0);
    let mut found: Vec<(u64, usize)> = Vec::new();
    pieces(file, table.strings, overlap, |start, piece| {
        for at in finders.iter().flat_map(|finder| finder.find_iter(piece)) {
            let rest = piece.get(at..).unwrap_or_default();
            let is_it = |name: &Vec<u8>| rest.starts_with(name);
            let at = start + at as u64;
            if let Some(number) = ended.iter().position(is_it)
                && !found.contains(&(at, number))
                && found.len() < MATCHES_MAX
            {
                found.push((at, number));
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Where in a string table the names begin that have one of `parts` in them, each with its number.
fn with_parts(
    file: &File,
    table: &Table,
    parts: &[&str],
    is_it: &dyn Fn(usize, &[u8]) -> bool,
) -> Result<Vec<(u64, usize)>, ElfError> {
    let mut beginnings: Vec<&str> = parts.iter().map(|part| first_name(part)).collect();
    beginnings.sort_unstable();
    beginnings.dedup();
    let finders: Vec<_> = beginnings.iter().map(memmem::Finder::new).collect();
    let mut found: Vec<(u64, usize)> = Vec::new();
    pieces(file, table.strings, MANGLED_MAX_BYTES, |start, piece| {
        for finder in &finders {
            for at in finder.find_iter(piece) {
                let (before, behind) = piece.split_at(at);
                let begins = |part: &&str| behind.starts_with(part.as_bytes());
                let Some(number) = parts.iter().position(begins) else {
                    continue;
                };
                let Some(end) = memchr::memchr(0, behind) else {
                    // The next piece has all of it.
                    continue;
                };
                let Some(begin) = memchr::memrchr(0, before).map(|at| at + 1) else {
                    continue;
                };
                let name = piece.get(begin..at + end).unwrap_or_default();
                let place = (start + begin as u64, number);
                if is_it(number, name) && !found.contains(&place) && found.len() < MATCHES_MAX {
                    found.push(place);
                }
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// The first name of a mangled path, its length in front; all of what is none.
fn first_name(path: &str) -> &str {
    let digits = path.bytes().take_while(u8::is_ascii_digit).count();
    let len = path.get(..digits).and_then(|len| len.parse::<usize>().ok());
    let first = len.and_then(|len| path.get(..digits.checked_add(len)?));
    first.unwrap_or(path)
}

fn symbols(
    file: &File,
    table: &Table,
    mut each: impl FnMut(&Sym64<Le>) -> Result<(), ElfError>,
) -> Result<(), ElfError> {
    pieces(file, table.symbols, 0, |_, piece| {
        for bytes in piece.chunks_exact(size_of::<Sym64<Le>>()) {
            if let Ok((symbol, _)) = from_bytes::<Sym64<Le>>(bytes) {
                each(symbol)?;
            }
        }
        Ok(())
    })
}

/// Hands the bytes of a range to `each`, a piece at a time, with where each begins in the range;
/// the last `overlap` bytes of one come again with the next. Pieces hold whole symbols.
///
/// # Errors
/// [`ElfError`]; [`ElfError::Large`] before anything is read.
pub(super) fn pieces(
    file: &File,
    (offset, size): (u64, u64),
    overlap: usize,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), ElfError>,
) -> Result<(), ElfError> {
    const { assert!((PIECE_BYTES / size_of::<Sym64<Le>>()) > 1000) };
    if size > TABLE_MAX_BYTES {
        return Err(ElfError::Large { bytes: size });
    }
    let whole = PIECE_BYTES / size_of::<Sym64<Le>>() * size_of::<Sym64<Le>>();
    let mut piece = vec![0; whole.min(usize::try_from(size).unwrap_or(whole))];
    let mut start = 0;
    while start < size {
        let len = usize::try_from(size - start).unwrap_or(whole).min(whole);
        let piece = piece.get_mut(..len).unwrap_or_default();
        file.read_exact_at(piece, offset.saturating_add(start))
            .map_err(|error| beyond(error, "a table of symbols"))?;
        each(start, piece)?;
        if start + len as u64 >= size {
            break;
        }
        start += (len - overlap.min(len / 2)) as u64;
    }
    Ok(())
}

/// The `len` bytes at `offset`, at most [`PIECE_BYTES`].
///
/// # Errors
/// [`ElfError::Damaged`] if the file ends before.
pub(super) fn bytes(
    file: &File,
    offset: u64,
    len: usize,
    what: &'static str,
) -> Result<Vec<u8>, ElfError> {
    let mut bytes = vec![0; len.min(PIECE_BYTES)];
    file.read_exact_at(&mut bytes, offset)
        .map_err(|error| beyond(error, what))?;
    Ok(bytes)
}

/// The function; `None` if its code is not in the file, or longer than is looked at.
fn code(text: &Code<'_>, name: usize, address: u64, size: u64) -> Option<Function> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= CODE_MAX_BYTES)?;
    let code = text.read(address, size);
    (!code.is_empty() && code.len() == size).then_some(Function {
        name,
        address,
        code,
    })
}

fn read<T: Pod + Copy>(file: &File, offset: u64, what: &'static str) -> Result<T, ElfError> {
    // An array of words, so that any header is aligned in it.
    let mut words = [0_u64; 16];
    let bytes = object::pod::bytes_of_slice_mut(&mut words);
    let bytes = bytes.get_mut(..size_of::<T>()).unwrap_or_default();
    file.read_exact_at(bytes, offset)
        .map_err(|error| beyond(error, what))?;
    let (value, _) = from_bytes::<T>(bytes).map_err(|()| ElfError::Kind)?;
    Ok(*value)
}

fn beyond(error: io::Error, what: &'static str) -> ElfError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ElfError::Damaged { what }
    } else {
        error.into()
    }
}

#[cfg(test)]
mod tests;
