//! Files with holes: tables as large as those of the largest programs, and larger ones.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::{ElfError, TABLE_MAX_BYTES, TABLES_MAX, functions};

/// Where the code lies, in the file and in memory.
const CODE: u64 = 0x1000;
/// Where the first table begins.
const TABLES: u64 = 0x2000;

/// A file that goes with its test.
struct Made(PathBuf, File);

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A program with `tables` symbol tables of so many bytes, and their strings of as many; each has `SSL_free`
/// as its last symbol, its name at the end of its strings.
fn made(name: &str, tables: u16, bytes: u64) -> Made {
    let name = format!("eaves-elf-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let put = |at: u64, parts: &[&[u8]]| file.write_all_at(&parts.concat(), at).unwrap();
    let word = |number: u64| number.to_le_bytes();
    let half = |number: u32| number.to_le_bytes();
    let end = TABLES + u64::from(tables) * 2 * bytes;
    let ident = [
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0,
    ];
    let (sizes, count) = ([64, 0, 56, 0, 1, 0, 64, 0], (2 * tables).to_le_bytes());
    let addresses = [word(CODE), word(64), word(end)].concat();
    let parts: [&[u8]; 7] = [
        &ident,
        &half(1),
        &addresses,
        &half(0),
        &sizes,
        &count,
        &[0, 0],
    ];
    put(0, &parts);
    let load = [
        word(CODE),
        word(CODE),
        word(CODE),
        word(16),
        word(16),
        word(1),
    ]
    .concat();
    put(64, &[&half(1), &half(5), &load]);
    put(CODE, &[&[0x55, 0xc3]]);
    for table in 0..u64::from(tables) {
        let symbols = TABLES + table * 2 * bytes;
        let strings = symbols + bytes;
        let at = bytes - 9;
        put(strings + at, &[b"SSL_free\0"]);
        let symbol = u32::try_from(at).unwrap_or_default();
        let (kind, section) = ([2, 0], 1_u16.to_le_bytes());
        let last = symbols + bytes / 24 * 24 - 24;
        put(
            last,
            &[&half(symbol), &kind, &section, &word(CODE), &word(2)],
        );
        let header = |kind: u32, offset: u64, link: u64| {
            let place = [word(0), word(0), word(offset), word(bytes)].concat();
            let link = u32::try_from(link).unwrap();
            [
                &half(0)[..],
                &half(kind),
                &place,
                &half(link),
                &half(0),
                &[0; 16],
            ]
            .concat()
        };
        let headers = end + table * 128;
        put(
            headers,
            &[&header(2, symbols, 2 * table + 1), &header(3, strings, 0)],
        );
    }
    Made(path, file)
}

#[track_caller]
fn found(made: &Made) -> usize {
    functions(&made.1, &["SSL_free"]).unwrap().1.len()
}

#[test]
fn the_last_symbol_of_large_tables_is_found() {
    assert_eq!(found(&made("small", 1, 4096)), 1);
    assert_eq!(found(&made("large", 1, 8 << 20)), 1);
}

#[test]
fn larger_tables_are_not_looked_through() {
    let bytes = TABLE_MAX_BYTES + 1;
    let made = made("beyond", 1, bytes);
    let error = functions(&made.1, &["SSL_free"]).unwrap_err();
    assert!(
        matches!(error, ElfError::Large { bytes: told } if told == bytes),
        "{error}"
    );
}

#[test]
fn more_tables_than_files_have_are_not_looked_through() {
    let most = u16::try_from(TABLES_MAX).unwrap();
    let made = made("many", most + 1, 4096);
    // In the others there is no such name, so that only the one too many has it.
    for table in 0..u64::from(most) {
        let strings = TABLES + table * 2 * 4096 + 4096;
        made.1.write_all_at(&[0; 9], strings + 4096 - 9).unwrap();
    }
    assert_eq!(found(&made), 0);
}
