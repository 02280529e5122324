//! Whole lines at the end of a file, whatever fails.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};

/// What appending needs of a file; tests make it fail.
pub(super) trait Append {
    /// Writes some of `bytes` at the end: how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `len` bytes.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Append for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// A file that holds whole lines only.
#[derive(Debug)]
pub(super) struct Appender<F> {
    file: F,
    /// Bytes of whole lines.
    len: u64,
    /// Whether a part of a line may lie behind them.
    torn: bool,
}

impl<F: Append> Appender<F> {
    /// A file of `len` bytes, all whole lines.
    pub(super) fn new(file: F, len: u64) -> Self {
        Self {
            file,
            len,
            torn: false,
        }
    }

    /// Bytes of whole lines in it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends `lines`: how many of their bytes are there, up to the end of a line, and what failed.
    pub(super) fn append(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        if self.torn {
            if let Err(error) = self.file.cut(self.len) {
                return (0, Some(error));
            }
            self.torn = false;
        }
        let mut written = 0;
        let error = loop {
            let rest = lines.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break None;
            }
            match self.file.append(rest) {
                Ok(0) => break Some(ErrorKind::WriteZero.into()),
                Ok(some) => written = (written + some).min(lines.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        let there = lines.get(..written).unwrap_or_default();
        let whole = there.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        self.len += whole as u64;
        // What cannot be cut now is cut before the next line.
        self.torn = whole < written && self.file.cut(self.len).is_err();
        (whole, error)
    }
}

/// Bytes at the end of a file that are looked at for a torn line: more than any record has.
const TAIL_MAX_BYTES: u64 = 64 << 20;

/// Puts `file` in order that lines can be appended: how many bytes it then has.
///
/// A record of ours that was torn, as by a loss of power, is cut off: one that begins as `ours`.
/// Anything else that ends without a line feed gets one: it is not ours to delete.
pub(super) fn mend(file: &mut File, ours: Option<&[u8]>) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let mut tail = Vec::new();
    let mut reach = 4096;
    let line = loop {
        let from = len.saturating_sub(reach);
        file.seek(SeekFrom::Start(from))?;
        tail.clear();
        (&*file).take(len - from).read_to_end(&mut tail)?;
        match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => break tail.get(at + 1..).unwrap_or_default(),
            None if from == 0 => break tail.as_slice(),
            None if reach >= TAIL_MAX_BYTES => break tail.as_slice(),
            None => reach *= 16,
        }
    };
    if line.is_empty() {
        return Ok(len);
    }
    if ours.is_some_and(|ours| line.starts_with(ours) || ours.starts_with(line)) {
        let whole = len - line.len() as u64;
        file.set_len(whole)?;
        return Ok(whole);
    }
    file.write_all(b"\n")?;
    Ok(len + 1)
}

#[cfg(test)]
mod tests {
    use super::{Append, Appender};
    use proptest::prelude::*;
    use std::io::{self, ErrorKind};

    /// A disk with room for so many bytes, that writes at most so many at once.
    struct Disk {
        content: Vec<u8>,
        room: usize,
        at_once: usize,
        cut_fails: bool,
    }

    impl Append for Disk {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = bytes
                .len()
                .min(self.at_once)
                .min(self.room - self.content.len());
            if some == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn cut(&mut self, len: u64) -> io::Result<()> {
            if self.cut_fails {
                return Err(ErrorKind::ReadOnlyFilesystem.into());
            }
            self.content.truncate(usize::try_from(len).unwrap());
            Ok(())
        }
    }

    fn disk(room: usize, at_once: usize) -> Appender<Disk> {
        let disk = Disk {
            content: Vec::new(),
            room,
            at_once,
            cut_fails: false,
        };
        Appender::new(disk, 0)
    }

    #[test]
    fn a_full_disk_keeps_whole_lines_and_goes_on_when_there_is_room() {
        let mut file = disk(10, 3);
        let (whole, error) = file.append(b"aaaa\nbbbb\ncccc\n");
        assert_eq!(whole, 10);
        assert_eq!(error.unwrap().kind(), ErrorKind::StorageFull);
        file.file.room = 12;
        let (whole, error) = file.append(b"dddd\n");
        assert_eq!((whole, error.is_some()), (0, true));
        assert_eq!(file.file.content, b"aaaa\nbbbb\n");
        file.file.room = 100;
        assert!(file.append(b"eeee\n").1.is_none());
        assert_eq!(file.file.content, b"aaaa\nbbbb\neeee\n");
        assert_eq!(file.len(), 15);
    }

    #[test]
    fn a_part_that_could_not_be_cut_is_cut_before_the_next_line() {
        let mut file = disk(3, 100);
        file.file.cut_fails = true;
        assert_eq!(file.append(b"aaaa\n").0, 0);
        assert_eq!(file.file.content, b"aaa");
        file.file.room = 100;
        let (whole, error) = file.append(b"bbbb\n");
        assert_eq!(whole, 0);
        assert_eq!(error.unwrap().kind(), ErrorKind::ReadOnlyFilesystem);
        file.file.cut_fails = false;
        assert_eq!(file.append(b"cccc\n").0, 5);
        assert_eq!(file.file.content, b"cccc\n");
    }

    proptest! {
        #[test]
        fn only_whole_lines_are_ever_there(
            batches in proptest::collection::vec(
                (proptest::collection::vec(1..9_usize, 0..5), 0..60_usize, 1..9_usize), 1..12,
            ),
        ) {
            let mut file = disk(0, 1);
            let mut expected = Vec::new();
            for (number, (lines, room, at_once)) in batches.into_iter().enumerate() {
                file.file.room = room.max(file.file.content.len());
                file.file.at_once = at_once;
                let line = |len: usize| format!("{}\n", number.to_string().repeat(len)).into_bytes();
                let batch: Vec<u8> = lines.into_iter().flat_map(line).collect();
                let (whole, error) = file.append(&batch);
                prop_assert_eq!(error.is_none(), whole == batch.len());
                expected.extend_from_slice(&batch[..whole]);
                prop_assert_eq!(&file.file.content, &expected);
                prop_assert_eq!(file.len(), expected.len() as u64);
            }
        }
    }
}
