//! The segment files of a folder.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;

const SUFFIX: &str = ".jsonl.zst";

/// Digits of a segment's number: names in order are numbers in order for longer than a journal lives.
const DIGITS: usize = 12;

/// A segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The number in its name.
    pub(super) number: u64,
    /// Its length.
    pub(super) bytes: u64,
}

/// Where the segment `number` of the journal in `dir` lies.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0DIGITS$}{SUFFIX}"))
}

/// Every segment file in `dir`, by number.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<File>> {
    let files = disk.list(dir)?;
    let segment = |(name, bytes): &(String, u64)| {
        let digits = name.strip_suffix(SUFFIX)?;
        let ours = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|number| ours && *number > 0)?;
        Some(File {
            number,
            bytes: *bytes,
        })
    };
    let mut segments: Vec<_> = files.iter().filter_map(segment).collect();
    segments.sort_by_key(|file| file.number);
    Ok(segments)
}
