//! A file that grows, and is renamed when it is large or old.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::append::{Appender, mend};
use super::backoff::Backoff;
use super::{Delivery, Format, Sink, SinkError, count, line_feeds};
use crate::clock::WallTime;
use crate::telemetry::{Counter, Counters};

/// What a file sink is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// The file.
    pub path: PathBuf,
    /// Bytes beyond which it is renamed.
    pub rotate_bytes: Option<u64>,
    /// Age beyond which it is renamed.
    pub rotate_age: Option<Duration>,
    /// How many renamed files are kept; at least 1.
    pub keep: u32,
    /// In which words events stand there: a torn line that begins as those do is one of ours.
    pub format: Format,
}

/// Renamed files beyond `keep` that are looked for, from when more were kept.
const STRAYS_MAX: u32 = 1000;

/// Appends lines to a file.
#[derive(Debug)]
pub struct FileSink {
    options: FileOptions,
    open: Option<Open>,
    writing: Backoff,
    rotating: Backoff,
    counters: Counters,
}

#[derive(Debug)]
struct Open {
    file: Appender<File>,
    /// When the file was begun.
    begun: WallTime,
}

impl FileSink {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn open(options: FileOptions, now: WallTime) -> Result<Self, SinkError> {
        let open = Some(open(&options, now)?);
        Ok(Self {
            open,
            ..Self::closed(options)
        })
    }

    /// Opens the file when the first lines come: another sink writes to it until then.
    #[must_use]
    pub fn closed(options: FileOptions) -> Self {
        Self {
            options,
            open: None,
            writing: Backoff::default(),
            rotating: Backoff::default(),
            counters: Counters::default(),
        }
    }

    /// Whether the file must be renamed before `more` bytes go in.
    fn is_full(&self, more: u64, now: WallTime) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.file.len() > 0) else {
            return false;
        };
        let large = |max| open.file.len().saturating_add(more) > max;
        let age = Duration::from_nanos(now.0.saturating_sub(open.begun.0));
        self.options.rotate_bytes.is_some_and(large)
            || self.options.rotate_age.is_some_and(|max| age >= max)
    }

    /// Renames the file to `PATH.1`, those before it one further, and begins a new one.
    fn rotate(&mut self, now: WallTime) -> Result<(), SinkError> {
        let path = &self.options.path;
        let failed = |source| SinkError::Rotate {
            path: path.clone(),
            source,
        };
        let keep = self.options.keep.max(1);
        for number in keep..keep.saturating_add(STRAYS_MAX) {
            match fs::remove_file(numbered(path, number)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(failed(error)),
            }
        }
        for number in (1..keep).rev() {
            renamed(&numbered(path, number), &numbered(path, number + 1)).map_err(failed)?;
        }
        renamed(path, &numbered(path, 1)).map_err(failed)?;
        self.counters.add(Counter::SinkRotations, 1);
        // The old file's lock goes with it; the new one is another file.
        self.open = None;
        self.open = Some(open(&self.options, now)?);
        Ok(())
    }

    /// Appends `lines`: how many of the records are there, and what failed.
    fn append(&mut self, lines: &[u8], now: WallTime) -> (u64, Option<SinkError>) {
        let path = &self.options.path;
        let open = match &mut self.open {
            Some(open) => open,
            closed => match open(&self.options, now) {
                Ok(opened) => closed.insert(opened),
                Err(error) => return (0, Some(error)),
            },
        };
        let (whole, error) = open.file.append(lines);
        let error = error.map(|source| SinkError::Write {
            path: path.clone(),
            source,
        });
        (line_feeds(lines.get(..whole).unwrap_or_default()), error)
    }
}

impl Sink for FileSink {
    fn write(&mut self, lines: &[u8], records: u64, now: WallTime) -> Result<Delivery, SinkError> {
        if !self.writing.is_due(now) {
            return Ok(count(&mut self.counters, records, 0));
        }
        let mut problem = None;
        if self.is_full(lines.len() as u64, now) && self.rotating.is_due(now) {
            match self.rotate(now) {
                Ok(()) => self.rotating.succeeded(),
                Err(error) => {
                    self.rotating.failed(now);
                    problem = Some(error);
                }
            }
        }
        let (written, error) = self.append(lines, now);
        match error {
            Some(error) => {
                self.writing.failed(now);
                problem = Some(error);
            }
            None => self.writing.succeeded(),
        }
        Ok(Delivery {
            problem,
            ..count(&mut self.counters, records, written)
        })
    }

    fn reopen(&mut self, now: WallTime) -> Result<(), SinkError> {
        // Our own lock would keep us out where the file is the same.
        let before = self.open.take();
        match open(&self.options, now) {
            Ok(open) => {
                self.open = Some(open);
                self.writing.succeeded();
                Ok(())
            }
            Err(SinkError::Locked { .. }) if before.is_some() => {
                drop(before);
                self.open = Some(open(&self.options, now)?);
                Ok(())
            }
            Err(error) => {
                self.open = before;
                Err(error)
            }
        }
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Opens the file to append whole lines.
fn open(options: &FileOptions, now: WallTime) -> Result<Open, SinkError> {
    let path = options.path.as_path();
    let failed = |source| SinkError::Open {
        path: path.to_owned(),
        source,
    };
    // A FIFO would make the opening wait for a reader.
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            return Err(SinkError::NotFile {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(SinkError::Locked {
                path: path.to_owned(),
            });
        }
        // A file system without locks: nobody else can be kept out.
        Err(TryLockError::Error(_)) => {}
    }
    let len = mend(&mut file, options.format.beginning()).map_err(failed)?;
    let begun = if len == 0 { now } else { begun(&file, now) };
    Ok(Open {
        file: Appender::new(file, len),
        begun,
    })
}

/// When `file` was begun, as far as its file system says; else `now`.
fn begun(file: &File, now: WallTime) -> WallTime {
    let born = file.metadata().and_then(|there| there.created());
    let since = born
        .ok()
        .and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
    ns.map_or(now, WallTime)
}

/// `PATH.number`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Renames a file that may not be there.
fn renamed(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
