//! Frames from a cursor on, or back from the end; frames that cannot hold what is looked for are
//! passed over unread.
//!
//! A reader needs nothing of the writer but its files: it works beside it, and on copies elsewhere.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use zstd::bulk::Decompressor;

use super::JournalError;
use super::disk::{Disk as _, Open, RealDisk};
use super::folder;
use super::index::{Counts, Index};
use super::links::{LinkError, Links, head_of};
use super::segment::{FormatError, HEAD_BYTES, Kind, Lead, RAW_MAX_BYTES};
use super::state::Cursor;
use super::sync::Synced;
use crate::clock::WallTime;

/// In which order frames come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were written.
    #[default]
    OldestFirst,
    /// The last written first; the records in a frame are still as they were written.
    NewestFirst,
}

/// A part of the journal that cannot be read. The next call goes on behind it.
#[derive(Debug, thiserror::Error)]
#[error("segment {segment}, byte {at}")]
pub struct Damage {
    /// The segment.
    pub segment: u64,
    /// Where in its file.
    pub at: u64,
    /// What is wrong.
    #[source]
    pub source: JournalDamage,
}

/// What is wrong with a part of the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalDamage {
    /// It is not what was written.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A frame cannot be decompressed.
    #[error("the frame cannot be decompressed")]
    Frame(#[source] io::Error),
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

impl From<LinkError> for JournalDamage {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Io(error) => Self::Io(error),
            LinkError::Format(error) => Self::Format(error),
        }
    }
}

/// A frame that was read.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The first of its records that is wanted.
    pub cursor: Cursor,
    /// The place behind it.
    pub next: Cursor,
    /// Least time of a record.
    pub first: WallTime,
    /// Greatest time of a record.
    pub last: WallTime,
    /// Records by kind, of the whole frame.
    pub counts: Counts,
    /// All lines of the frame, each with its line feed, those before `cursor` too.
    pub lines: &'a [u8],
    /// Where its wanted records end: one more than the last, counted from the frame's first.
    until: u32,
}

impl<'a> Frame<'a> {
    /// The wanted records, each with its place and without its line feed.
    pub fn records(&self) -> impl Iterator<Item = (Cursor, &'a [u8])> + use<'a> {
        let (at, until) = (self.cursor, self.until);
        let mut rest = self.lines;
        let lines = std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, behind) = rest.split_at_checked(end)?;
            rest = behind.get(1..).unwrap_or_default();
            (!line.is_empty()).then_some(line)
        });
        let numbered = lines.zip(0..until);
        numbered
            .skip(at.record as usize)
            .map(move |(line, record)| (Cursor { record, ..at }, line))
    }
}

/// Reads a journal.
pub struct Reader {
    dir: PathBuf,
    order: Order,
    synced: Option<Synced>,
    /// Forward: the next record. Backward: records before it are wanted.
    cursor: Cursor,
    open: Option<Segment>,
    /// Backward: segments still to come, and of the open one its frames, the last first to come.
    segments: Option<Vec<u64>>,
    frames: VecDeque<(u64, Lead)>,
    lines: Vec<u8>,
    unpacker: Decompressor<'static>,
    bytes_read: u64,
}

struct Segment {
    number: u64,
    links: Links,
    /// A later segment is there: this one grows no more.
    closed: bool,
}

/// A frame that is wanted, found and not yet read.
struct Found {
    cursor: Cursor,
    until: u32,
    lead: Lead,
    first: WallTime,
    last: WallTime,
    counts: Counts,
    raw_bytes: u32,
}

impl Reader {
    /// The journal in `dir`, oldest first, from `cursor` on: if that is no longer there, from what
    /// is there after it.
    ///
    /// # Errors
    /// The folder cannot be read, or there is no memory to decompress.
    pub fn forward(dir: &Path, cursor: Cursor) -> Result<Self, JournalError> {
        Self::open(dir, cursor, Order::OldestFirst)
    }

    /// The journal in `dir`, newest first: what is there now.
    ///
    /// # Errors
    /// As for [`Reader::forward`].
    pub fn backward(dir: &Path) -> Result<Self, JournalError> {
        Self::open(dir, Cursor::END, Order::NewestFirst)
    }

    /// The journal in `dir` from `cursor` on, or before it, in this order.
    ///
    /// # Errors
    /// As for [`Reader::forward`].
    pub fn open(dir: &Path, cursor: Cursor, order: Order) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io {
            path: dir.to_owned(),
            source,
        };
        folder::list(&RealDisk, dir).map_err(io)?;
        Ok(Self {
            dir: dir.to_owned(),
            order,
            synced: None,
            cursor,
            open: None,
            segments: None,
            frames: VecDeque::new(),
            lines: Vec::new(),
            unpacker: Decompressor::new().map_err(io)?,
            bytes_read: 0,
        })
    }

    /// Reads no further than what is synced: for sinks.
    #[must_use]
    pub fn only_synced(mut self, synced: Synced) -> Self {
        self.synced = Some(synced);
        self
    }

    /// Forward: the place of the next record. What was passed over unread is behind it.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Bytes of the files that were looked at so far.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next frame that `wants` its index; `None` if there is none now. Forward, more may come:
    /// call again.
    ///
    /// # Errors
    /// [`Damage`]: a part cannot be read. The next call goes on behind it.
    pub fn next(
        &mut self,
        mut wants: impl FnMut(&Index<'_>) -> bool,
    ) -> Result<Option<Frame<'_>>, Damage> {
        let found = match self.order {
            Order::OldestFirst => self.find_forward(&mut wants)?,
            Order::NewestFirst => self.find_backward(&mut wants)?,
        };
        let Some(found) = found else { return Ok(None) };
        let Found { cursor, lead, .. } = found;
        self.unpack(&found)?;
        let next = Cursor {
            segment: cursor.segment,
            frame: lead.sequence + 1,
            record: 0,
        };
        if self.order == Order::OldestFirst {
            self.cursor = next;
        }
        Ok(Some(Frame {
            cursor,
            next,
            first: found.first,
            last: found.last,
            counts: found.counts,
            lines: &self.lines,
            until: found.until,
        }))
    }

    fn find_forward(
        &mut self,
        wants: &mut dyn FnMut(&Index<'_>) -> bool,
    ) -> Result<Option<Found>, Damage> {
        loop {
            if self.open.is_none() && !self.open_next(0)? {
                return Ok(None);
            }
            let Some(segment) = &mut self.open else {
                return Ok(None);
            };
            let number = segment.number;
            let at = segment.links.at();
            let lead = match segment.links.lead() {
                Ok(Some(lead)) => lead,
                // The end, or a link that is being written.
                Ok(None) | Err(LinkError::Format(FormatError::Short(_))) => {
                    if self.step(number)? {
                        continue;
                    }
                    return Ok(None);
                }
                Err(error) => return Err(self.damage(number, at, error)),
            };
            if self
                .synced
                .as_ref()
                .is_some_and(|synced| lead.sequence >= synced.before())
            {
                return Ok(None);
            }
            let wanted = lead.kind == Kind::Data && lead.sequence >= self.cursor.frame;
            if !wanted {
                segment.links.skip(&lead);
                self.passed(number, &lead);
                continue;
            }
            let record = if lead.sequence == self.cursor.frame {
                self.cursor.record
            } else {
                0
            };
            match look(
                &mut segment.links,
                number,
                lead,
                record,
                wants,
                &mut self.bytes_read,
            ) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {
                    segment.links.skip(&lead);
                    self.passed(number, &lead);
                }
                Err(LinkError::Format(FormatError::Short(_))) => {
                    if self.step(number)? {
                        continue;
                    }
                    return Ok(None);
                }
                Err(error) => return Err(self.damage(number, at, error)),
            }
        }
    }

    /// A link was passed over.
    fn passed(&mut self, segment: u64, lead: &Lead) {
        let behind = Cursor {
            segment,
            frame: lead.sequence + 1,
            record: 0,
        };
        self.cursor = self.cursor.max(behind);
    }

    /// Goes on behind a segment that has ended: whether there is more to look at now.
    fn step(&mut self, number: u64) -> Result<bool, Damage> {
        let closed = self.open.as_ref().is_none_or(|segment| segment.closed);
        if closed {
            return self.open_next(number + 1);
        }
        let later = self.list(number)?.iter().any(|file| file.number > number);
        if let Some(segment) = &mut self.open {
            // Between its end and the look at the folder, more may have been written to it.
            segment.closed = later;
        }
        Ok(later)
    }

    /// Opens the first segment from `least` and from the cursor on: whether there is one.
    fn open_next(&mut self, least: u64) -> Result<bool, Damage> {
        let least = least.max(self.cursor.segment);
        let files = self.list(least)?;
        let Some(next) = files.iter().find(|file| file.number >= least) else {
            return Ok(false);
        };
        let number = next.number;
        let links = self.links(number)?;
        self.open = Some(Segment {
            number,
            links,
            closed: false,
        });
        if self.cursor.segment < number {
            self.cursor = Cursor {
                segment: number,
                record: 0,
                ..self.cursor
            };
        }
        Ok(true)
    }

    fn list(&self, segment: u64) -> Result<Vec<folder::File>, Damage> {
        folder::list(&RealDisk, &self.dir).map_err(|error| Damage {
            segment,
            at: 0,
            source: error.into(),
        })
    }

    fn links(&self, number: u64) -> Result<Links, Damage> {
        let failed = |error: LinkError| Damage {
            segment: number,
            at: 0,
            source: error.into(),
        };
        let path = folder::path(&self.dir, number);
        let file = RealDisk
            .open(&path, Open::Read)
            .map_err(|error| failed(error.into()))?;
        match head_of(&*file) {
            Err(LinkError::Io(error)) => Err(failed(error.into())),
            // Links are found without their head, as far as they are there.
            Ok(_) | Err(LinkError::Format(_)) => Ok(Links::new(file, HEAD_BYTES as u64)),
        }
    }

    /// Goes on behind what cannot be read.
    fn damage(&mut self, number: u64, at: u64, error: LinkError) -> Damage {
        let more = match (&error, &mut self.open) {
            (LinkError::Format(_), Some(segment)) => segment.links.search().unwrap_or(false),
            _ => false,
        };
        if !more {
            self.open = None;
            self.cursor = self.cursor.max(Cursor {
                segment: number + 1,
                frame: self.cursor.frame,
                record: 0,
            });
        }
        Damage {
            segment: number,
            at,
            source: error.into(),
        }
    }

    fn find_backward(
        &mut self,
        wants: &mut dyn FnMut(&Index<'_>) -> bool,
    ) -> Result<Option<Found>, Damage> {
        loop {
            while let Some((at, lead)) = self.frames.pop_back() {
                let Some(segment) = &mut self.open else { break };
                segment.links.seek(at);
                let number = segment.number;
                let found = look(
                    &mut segment.links,
                    number,
                    lead,
                    0,
                    wants,
                    &mut self.bytes_read,
                );
                let found = match found {
                    // A link that is being written, or that a copy cut: it is not there yet.
                    Err(LinkError::Format(FormatError::Short(_))) => None,
                    Err(error) => {
                        return Err(Damage {
                            segment: number,
                            at,
                            source: error.into(),
                        });
                    }
                    Ok(found) => found,
                };
                if let Some(mut found) = found {
                    if lead.sequence == self.cursor.frame {
                        found.until = found.until.min(self.cursor.record);
                    }
                    return Ok(Some(found));
                }
            }
            if self.segments.is_none() {
                let files = self.list(0)?;
                let numbers = files.iter().map(|file| file.number);
                let wanted = numbers.filter(|number| *number <= self.cursor.segment);
                self.segments = Some(wanted.collect());
            }
            let Some(number) = self.segments.as_mut().and_then(Vec::pop) else {
                return Ok(None);
            };
            self.open_backward(number)?;
        }
    }

    /// Notes where the frames of a segment are.
    fn open_backward(&mut self, number: u64) -> Result<(), Damage> {
        let mut links = match self.links(number) {
            // Deleted in between.
            Err(Damage {
                source: JournalDamage::Io(error),
                ..
            }) if error.kind() == ErrorKind::NotFound => {
                return Ok(());
            }
            links => links?,
        };
        let before = (self.cursor.frame, self.cursor.record);
        loop {
            match links.lead() {
                Ok(Some(lead)) => {
                    let synced = self.synced.as_ref();
                    if synced.is_some_and(|synced| lead.sequence >= synced.before()) {
                        break;
                    }
                    if lead.kind == Kind::Data && (lead.sequence, 0) < before {
                        self.frames.push_back((links.at(), lead));
                    }
                    links.skip(&lead);
                }
                Ok(None) | Err(LinkError::Format(FormatError::Short(_))) => break,
                Err(LinkError::Io(error)) => {
                    return Err(Damage {
                        segment: number,
                        at: links.at(),
                        source: error.into(),
                    });
                }
                Err(LinkError::Format(_)) => {
                    if !links.search().unwrap_or(false) {
                        break;
                    }
                }
            }
        }
        self.open = Some(Segment {
            number,
            links,
            closed: true,
        });
        Ok(())
    }

    /// Reads and decompresses the frame that the open segment stands at; moves on behind it.
    fn unpack(&mut self, found: &Found) -> Result<(), Damage> {
        let Some(segment) = &mut self.open else {
            return Ok(());
        };
        let (number, at) = (segment.number, segment.links.at());
        let damage = |source| Damage {
            segment: number,
            at,
            source,
        };
        let raw_bytes = found.raw_bytes as usize;
        self.lines.clear();
        let unpacked = match segment.links.data(found.lead) {
            Ok(_) if raw_bytes > RAW_MAX_BYTES => Err(FormatError::Altered("an index").into()),
            Ok(data) => {
                self.bytes_read += data.len() as u64;
                self.lines.reserve(raw_bytes);
                let unpacked = self.unpacker.decompress_to_buffer(data, &mut self.lines);
                unpacked.map_err(JournalDamage::Frame)
            }
            Err(error) => Err(error.into()),
        };
        segment.links.skip(&found.lead);
        if let Err(error) = unpacked {
            if self.order == Order::OldestFirst {
                self.passed(number, &found.lead);
            }
            return Err(damage(error));
        }
        Ok(())
    }
}

/// Reads the index of the frame whose lead is next, and asks whether it is wanted.
fn look(
    links: &mut Links,
    segment: u64,
    lead: Lead,
    record: u32,
    wants: &mut dyn FnMut(&Index<'_>) -> bool,
    bytes_read: &mut u64,
) -> Result<Option<Found>, LinkError> {
    let front = links.front(lead)?;
    let front_bytes = front.len() as u64;
    *bytes_read += super::segment::LEAD_BYTES as u64 + front_bytes;
    if !wants(&Index::decode_front(front, lead.records)?) {
        return Ok(None);
    }
    // Of what is wanted the seal must be there to its end, and right.
    *bytes_read += u64::from(lead.seal_bytes).saturating_sub(front_bytes);
    let seal = links.seal(lead)?;
    let index = Index::decode(seal.body, lead.records)?;
    Ok(Some(Found {
        cursor: Cursor {
            segment,
            frame: lead.sequence,
            record,
        },
        until: lead.records,
        lead,
        first: index.first,
        last: index.last,
        counts: index.counts,
        raw_bytes: index.raw_bytes,
    }))
}
