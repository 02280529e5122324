use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::elf::{self, Section};
use super::super::library;
use super::table::{Range, TableError, functions};

/// A file that goes with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("eaves-{name}-{}", std::process::id())))
    }

    fn holding(name: &str, bytes: &[u8]) -> (Self, File) {
        let own = Self::new(name);
        File::create(&own.0).unwrap().write_all(bytes).unwrap();
        let file = File::open(&own.0).unwrap();
        (own, file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const NAMES: [&str; 2] = ["a.first", "b.third"];

/// A table of three functions: `a.first`, `xa.first` and `b.third`.
fn table() -> Vec<u8> {
    let names = b"\0a.first\0xa.first\0b.third\0";
    let rows = 72 + names.len() as u64;
    let mut bytes = 0xffff_fff1_u32.to_le_bytes().to_vec();
    bytes.extend([0, 0, 1, 8]);
    for word in [3, 0, 0, 72, rows, rows, rows, rows] {
        bytes.extend(u64::to_le_bytes(word));
    }
    bytes.extend(names);
    let starts: [u32; 4] = [0, 0x10, 0x30, 0x70];
    for (at, start) in starts.iter().take(3).enumerate() {
        bytes.extend(start.to_le_bytes());
        bytes.extend((28 + 8 * at as u32).to_le_bytes());
    }
    bytes.extend(starts[3].to_le_bytes());
    for (start, name) in starts.iter().zip([1_u32, 9, 18]) {
        bytes.extend(start.to_le_bytes());
        bytes.extend(name.to_le_bytes());
    }
    bytes
}

fn read(name: &str, bytes: &[u8]) -> Result<[Option<Range>; 2], TableError> {
    let (_own, file) = Temporary::holding(name, bytes);
    let section = Section {
        address: 0,
        offset: 0,
        size: bytes.len() as u64,
    };
    functions(&file, section, NAMES)
}

#[test]
fn functions_are_found_by_their_whole_names() {
    let range = |start, end| Some(Range { start, end });
    let found = read("whole", &table()).unwrap();
    assert_eq!(found, [range(0, 0x10), range(0x30, 0x70)]);
}

#[test]
fn a_table_cut_anywhere_gives_nothing_that_is_not_there() {
    let whole = table();
    let right = read("uncut", &whole).unwrap();
    for cut in 0..whole.len() {
        if let Ok(found) = read("cut", &whole[..cut]) {
            assert_eq!(found, right, "cut at {cut}");
        }
    }
}

#[test]
fn any_byte_may_be_wrong() {
    let whole = table();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut wrong = whole.clone();
            wrong[at] = value;
            let _ = read("wrong", &wrong);
        }
    }
}

#[test]
fn a_table_that_leads_back_is_refused() {
    let mut back = table();
    let rows = back.len() - 3 * 8 - 4 - 3 * 8;
    // The second function's row names what stands before that of the first.
    back[rows + 12..rows + 16].copy_from_slice(&27_u32.to_le_bytes());
    assert!(matches!(read("back", &back), Err(TableError::Damaged)));
    let mut falls = table();
    falls[rows + 16..rows + 20].copy_from_slice(&0_u32.to_le_bytes());
    assert!(matches!(read("falls", &falls), Err(TableError::Damaged)));
}

#[test]
fn another_layout_is_refused() {
    let mut other = table();
    other[0] = 0xf2;
    assert!(matches!(read("other", &other), Err(TableError::Version)));
    let mut other = table();
    other[7] = 4;
    assert!(matches!(read("narrow", &other), Err(TableError::Version)));
}

#[test]
fn more_functions_than_there_are_bytes_are_refused() {
    for count in [4_u64, 1 << 20, 1 << 24, u64::MAX] {
        let mut many = table();
        many[8..16].copy_from_slice(&count.to_le_bytes());
        assert!(read("many", &many).is_err(), "{count}");
    }
}

/// A file of 500 MB is looked into in 64 MiB of memory; in a process of its own, which says its most.
#[test]
fn a_large_file_takes_little_memory() {
    const OWN: &str = "EAVES_LARGE_FILE";
    const NAME: &str = "probe::uprobe::go::tests::a_large_file_takes_little_memory";
    if let Some(path) = std::env::var_os(OWN) {
        let before = most_memory();
        let plan = library::plan(&File::open(path).unwrap()).unwrap();
        assert_eq!(plan.library, None);
        println!("took {} KiB", most_memory() - before);
        return;
    }
    let own = Temporary::new("large");
    made(&own.0);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(OWN, &own.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let took = said.lines().find_map(|line| {
        let (_, rest) = line.split_once("took ")?;
        rest.strip_suffix(" KiB")?.parse::<u64>().ok()
    });
    assert!(took.unwrap() < 64 << 10, "{said}");
}

/// The most memory that this process has had, KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.unwrap().split_whitespace().nth(1);
    words.unwrap().parse().unwrap()
}

/// An ELF file of 500 MB, nothing in most of it: four million symbols, their names, and a table of Go's
/// with a million functions.
fn made(path: &Path) {
    use std::os::unix::fs::FileExt as _;
    const MIB: u64 = 1 << 20;
    let file = File::create(path).unwrap();
    file.set_len(500 * MIB).unwrap();
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    header.extend([0; 16]);
    header.extend(4096_u64.to_le_bytes());
    header.extend([0; 10]);
    header.extend([64, 0, 5, 0, 4, 0]);
    header.resize(64, 0);
    file.write_all_at(&header, 0).unwrap();
    let names = b"\0.symtab\0.strtab\0.gopclntab\0.shstrtab\0";
    file.write_all_at(names, 8192).unwrap();
    // Name, kind, offset, bytes, the section it goes with.
    let sections: [[u64; 5]; 4] = [
        [1, 2, MIB, 96 * MIB, 2],
        [9, 3, 100 * MIB, 200 * MIB, 0],
        [17, 1, 300 * MIB, 200 * MIB, 0],
        [28, 3, 8192, names.len() as u64, 0],
    ];
    for (number, [name, kind, offset, bytes, link]) in sections.into_iter().enumerate() {
        let mut section = Vec::new();
        section.extend((name as u32).to_le_bytes());
        section.extend((kind as u32).to_le_bytes());
        for word in [0, 0, offset, bytes, link, 8, 0] {
            section.extend(u64::to_le_bytes(word));
        }
        file.write_all_at(&section, 4096 + 64 * (number as u64 + 1))
            .unwrap();
    }
    file.write_all_at(b"\0SSL_read\0SSL_write\0", 200 * MIB)
        .unwrap();
    let mut table = 0xffff_fff1_u32.to_le_bytes().to_vec();
    table.extend([0, 0, 1, 8]);
    for word in [1_u64 << 20, 0, 0, 72, 64 * MIB, 0, 0, 65 * MIB] {
        table.extend(word.to_le_bytes());
    }
    file.write_all_at(&table, 300 * MIB).unwrap();
    file.write_all_at(b"\0crypto/tls.(*Conn).Read\0", 340 * MIB)
        .unwrap();
}

#[test]
fn a_section_is_found_by_its_name() {
    let own = Temporary::new("sections");
    made(&own.0);
    let file = File::open(&own.0).unwrap();
    let [table, none] = elf::sections(&file, [".gopclntab", ".text"]).unwrap();
    assert_eq!(table.map(|section| section.offset), Some(300 << 20));
    assert_eq!(none, None);
}
