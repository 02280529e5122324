//! The rows of all files, one after the other, with what is told of bad ones and of progress.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;

use super::Format;
use crate::cli::{Exit, Globals};
use crate::pipeline::recorded::{Row, RowError, combined, har, requests};

/// Longest line that is read; a longer one is no row.
const LINE_BYTES: u64 = 16 << 20;

/// Largest archive that is read: it is one JSON text, and held whole.
const ARCHIVE_BYTES: u64 = 256 << 20;

/// Bad lines that are told one by one; the others are counted.
const TOLD: u64 = 10;

/// When progress is first shown, and how often.
const EVERY: Duration = Duration::from_millis(500);

/// What a file holds, one at a time.
pub(super) enum Item {
    /// A request.
    Request(Box<Row>),
    /// An event, as it stands there.
    Line(Vec<u8>),
}

/// Reads rows.
pub(super) struct Rows {
    waiting: VecDeque<PathBuf>,
    format: Format,
    open: Option<(String, Box<dyn BufRead>)>,
    ready: VecDeque<Row>,
    line: Vec<u8>,
    number: u64,
    read: u64,
    bad: u64,
    shown: Instant,
    visible: bool,
    terminal: bool,
}

impl Rows {
    pub(super) fn new(files: &[PathBuf], format: Format, _: &Globals) -> Self {
        let mut waiting: VecDeque<PathBuf> = files.iter().cloned().collect();
        if waiting.is_empty() {
            waiting.push_back("-".into());
        }
        Self {
            waiting,
            format,
            open: None,
            ready: VecDeque::new(),
            line: Vec::new(),
            number: 0,
            read: 0,
            bad: 0,
            shown: Instant::now(),
            visible: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// The next row; `None` behind the last.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            self.progress();
            if let Some(row) = self.ready.pop_front() {
                self.read += 1;
                return Ok(Some(Item::Request(Box::new(row))));
            }
            if self.open.is_none() {
                let Some(path) = self.waiting.pop_front() else {
                    self.clear();
                    return Ok(None);
                };
                self.number = 0;
                self.open = Some((path.display().to_string(), open(&path)?));
            }
            if self.format == Format::Har {
                self.archive()?;
            } else if let Some(row) = self.row()? {
                self.read += 1;
                return Ok(Some(row));
            }
        }
    }

    /// The next line of the open file, if it is a row.
    fn row(&mut self) -> anyhow::Result<Option<Item>> {
        let Some((name, file)) = &mut self.open else {
            return Ok(None);
        };
        self.line.clear();
        let mut limited = file.take(LINE_BYTES);
        limited
            .read_until(b'\n', &mut self.line)
            .with_context(|| name.clone())?;
        if self.line.is_empty() {
            self.open = None;
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() != Some(&b'\n') && self.line.len() as u64 == LINE_BYTES {
            skip_line(file)?;
            self.refuse(&RowError::Form("longer than a line may be"));
            return Ok(None);
        }
        let line = self.line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let row = match self.format {
            Format::Events => return Ok(Some(Item::Line(line.to_vec()))),
            Format::Combined => combined(line, self.number),
            _ => requests(line, self.number),
        };
        match row {
            Ok(row) => Ok(Some(Item::Request(Box::new(row)))),
            Err(error) => {
                self.refuse(&error);
                Ok(None)
            }
        }
    }

    /// The whole open file as an archive.
    fn archive(&mut self) -> anyhow::Result<()> {
        let Some((name, file)) = self.open.take() else {
            return Ok(());
        };
        let mut text = Vec::new();
        file.take(ARCHIVE_BYTES)
            .read_to_end(&mut text)
            .with_context(|| name.clone())?;
        match har(&text) {
            Ok(rows) => self.ready.extend(rows),
            Err(error) => {
                self.open = Some((name, Box::new(io::empty())));
                self.refuse(&error);
                self.open = None;
            }
        }
        Ok(())
    }

    /// Tells of `line`, which is no exchange, unless it is another record of a journal.
    pub(super) fn unless_record(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        struct Record<'a> {
            kind: &'a str,
        }
        let record: Result<Record<'_>, _> = serde_json::from_slice(line);
        match record {
            Ok(record) if matches!(record.kind, "finding" | "notice") => {}
            Ok(_) => self.refuse(&RowError::Form("not an event of Eaves")),
            Err(error) => self.refuse(&error.into()),
        }
    }

    /// Tells of a line that is no row.
    fn refuse(&mut self, error: &RowError) {
        self.bad += 1;
        if self.bad > TOLD {
            return;
        }
        self.clear();
        let name = self.open.as_ref().map_or("", |(name, _)| name);
        let more = if self.bad == TOLD {
            "; no more are told"
        } else {
            ""
        };
        // Where standard error is closed there is nobody to tell.
        let place = match self.number {
            0 => String::new(),
            number => format!("{number}:"),
        };
        let _ = writeln!(io::stderr(), "eaves: {name}:{place} {error}{more}");
    }

    /// The line that was read last, as a name for what has none.
    pub(super) fn place(&self) -> String {
        self.number.to_string()
    }

    /// How many lines were no rows.
    pub(super) const fn bad(&self) -> u64 {
        self.bad
    }

    fn progress(&mut self) {
        if !self.terminal || self.shown.elapsed() < EVERY {
            return;
        }
        self.shown = Instant::now();
        self.visible = true;
        let _ = write!(io::stderr(), "\r\x1b[Keaves: {} requests read", self.read);
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.visible) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Reads to the end of the line and keeps nothing of it.
fn skip_line(file: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let bytes = file.fill_buf()?;
        let (end, length) = match memchr::memchr(b'\n', bytes) {
            Some(at) => (true, at + 1),
            None => (bytes.is_empty(), bytes.len()),
        };
        file.consume(length);
        if end {
            return Ok(());
        }
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path)
        .with_context(|| path.display().to_string())
        .context(Exit::Usage)?;
    Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
}
