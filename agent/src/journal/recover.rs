//! Start after a crash: every whole frame is kept, a torn one is cut.
//!
//! What a loss of power may have torn are the links that were not synced. Each link's lead says how
//! far the chain was synced when it was written, so the last leads tell where to begin: links before
//! that are durable, and one of them that is bad was altered, or the disk is failing. Such a segment
//! is left as it is, for `verify` to look at, and a new one is begun behind it.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, Open};
use super::folder::{self, File};
use super::links::{LinkError, Links, head_of};
use super::segment::{HEAD_BYTES, Hash, Head, Kind, Lead, NO_HASH, hash_of_head};

/// A segment as the writer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its number.
    pub(super) number: u64,
    /// Its length.
    pub(super) bytes: u64,
    /// Sequence of its first link.
    pub(super) sequence: u64,
    /// Records before it.
    pub(super) records: u64,
    /// Seal of the link before it.
    pub(super) previous: Hash,
    /// When it was begun, ns since 1970.
    pub(super) opened: u64,
    /// Public key in its head.
    pub(super) key: Hash,
}

impl Segment {
    pub(super) const fn of(head: &Head, bytes: u64) -> Self {
        Self {
            number: head.segment,
            bytes,
            sequence: head.sequence,
            records: head.records,
            previous: head.previous,
            opened: head.opened,
            key: head.key,
        }
    }
}

/// Where the chain goes on.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Every segment whose head can be read, by number.
    pub(super) segments: Vec<Segment>,
    /// Number of the next new segment.
    pub(super) next_segment: u64,
    /// Sequence of the next link.
    pub(super) sequence: u64,
    /// Records in the chain so far.
    pub(super) records: u64,
    /// Seal of the last link.
    pub(super) previous: Hash,
    /// Whether links can be appended to the last segment.
    pub(super) appends: bool,
    /// Whether the last link is a checkpoint: the last stop was in good order.
    pub(super) clean: bool,
    /// Records that were cut off.
    pub(super) cut_records: u64,
    /// Bytes that were cut off.
    pub(super) cut_bytes: u64,
    /// Number of a segment that is not as it was written, though it had been synced.
    pub(super) damaged: Option<u64>,
}

/// What the leads in a part of a file say.
#[derive(Clone, Copy, Debug, Default)]
struct Survey {
    /// Records of them all.
    records: u64,
    /// One more than the greatest sequence.
    next: u64,
    /// How far the chain is known to be synced.
    durable: u64,
}

impl Survey {
    fn add(&mut self, lead: &Lead) {
        self.records += u64::from(lead.records);
        self.next = self.next.max(lead.sequence.saturating_add(1));
        self.durable = self.durable.max(lead.durable);
    }

    fn absorb(&mut self, other: &Self) {
        self.records += other.records;
        self.next = self.next.max(other.next);
        self.durable = self.durable.max(other.durable);
    }
}

/// Finds where the chain in `dir` goes on, and cuts what is torn.
///
/// # Errors
/// A file cannot be read, cut or deleted.
pub(super) fn recover(disk: &dyn Disk, dir: &Path) -> io::Result<Recovered> {
    let files = folder::list(disk, dir)?;
    let Some(last) = files.last() else {
        return Ok(Recovered {
            next_segment: 1,
            previous: NO_HASH,
            ..Recovered::default()
        });
    };
    let mut opened = Vec::with_capacity(files.len());
    for file in &files {
        opened.push(Opened::open(disk, dir, *file)?);
    }
    let mut walker = Walker {
        disk,
        dir,
        out: Recovered {
            next_segment: last.number + 1,
            ..Recovered::default()
        },
    };
    let (from, durable) = unsynced(&opened)?;
    let begins = opened.first().and_then(|file| file.segment);
    // One without a seal before it begins the chain, at whatever number: what was before is known to be gone.
    let goes_on = |segment: Segment| segment.previous != NO_HASH;
    let ended = if durable == 0 && begins.is_some_and(goes_on) {
        // Not even the names of the segments before it have reached the disk.
        walker.broken(&opened, 0, 0, durable)?
    } else {
        walker.walk(opened.get(from..).unwrap_or_default(), durable)?
    };
    let kept = opened.get(..from + ended).unwrap_or_default();
    walker.sync(kept.get(from..).unwrap_or_default())?;
    walker.out.segments = kept.iter().filter_map(|file| file.segment).collect();
    walker.finish()
}

/// A segment file and its head.
struct Opened {
    file: File,
    handle: Arc<dyn DiskFile>,
    /// Absent if the head is not one, or is that of another segment.
    segment: Option<Segment>,
    /// What the first link has before it.
    first: Hash,
}

impl Opened {
    fn open(disk: &dyn Disk, dir: &Path, file: File) -> io::Result<Self> {
        let handle = disk.open(&folder::path(dir, file.number), Open::Read)?;
        let (segment, first) = match head_of(&*handle) {
            Ok((head, bytes)) if head.segment == file.number => {
                (Some(Segment::of(&head, file.bytes)), hash_of_head(&bytes))
            }
            Ok(_) | Err(LinkError::Format(_)) => (None, NO_HASH),
            Err(LinkError::Io(error)) => return Err(error),
        };
        Ok(Self {
            file,
            handle,
            segment,
            first,
        })
    }

    /// What the leads from `at` on say.
    fn survey(&self, at: u64) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let mut links = Links::new(Arc::clone(&self.handle), at);
        loop {
            match links.lead() {
                Ok(None) => return Ok(survey),
                Ok(Some(lead)) => {
                    survey.add(&lead);
                    links.skip(&lead);
                }
                Err(LinkError::Io(error)) => return Err(error),
                Err(LinkError::Format(_)) => {
                    survey.records += u64::from(links.records_of_torn()?);
                    if !links.search()? {
                        return Ok(survey);
                    }
                }
            }
        }
    }
}

/// Index of the first file that may hold links that were not synced, and the sequence before which
/// all were.
fn unsynced(files: &[Opened]) -> io::Result<(usize, u64)> {
    let mut durable = 0;
    for (index, file) in files.iter().enumerate().rev() {
        durable = durable.max(file.survey(HEAD_BYTES as u64)?.durable);
        if file
            .segment
            .is_some_and(|segment| segment.sequence <= durable)
        {
            return Ok((index, durable));
        }
    }
    Ok((0, durable))
}

/// The seal of the link `sequence`, if it is there.
///
/// # Errors
/// A file cannot be read.
pub(super) fn seal_at(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Segment],
    sequence: u64,
) -> io::Result<Option<Hash>> {
    let holds = |segment: &&Segment| segment.sequence <= sequence;
    let Some(segment) = segments.iter().rev().find(holds) else {
        return Ok(None);
    };
    let file = disk.open(&folder::path(dir, segment.number), Open::Read)?;
    let mut links = Links::new(file, HEAD_BYTES as u64);
    loop {
        match links.lead() {
            Ok(Some(lead)) if lead.sequence == sequence => {
                return match links.seal(lead) {
                    Ok(seal) => Ok(Some(seal.seal)),
                    Err(LinkError::Io(error)) => Err(error),
                    Err(LinkError::Format(_)) => Ok(None),
                };
            }
            Ok(Some(lead)) => links.skip(&lead),
            Ok(None) | Err(LinkError::Format(_)) => return Ok(None),
            Err(LinkError::Io(error)) => return Err(error),
        }
    }
}

struct Walker<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    out: Recovered,
}

impl Walker<'_> {
    /// Follows the chain through `files`, and cuts what is torn: how many files are left.
    fn walk(&mut self, files: &[Opened], durable: u64) -> io::Result<usize> {
        for (index, file) in files.iter().enumerate() {
            let Some(segment) = file.segment else {
                return self.broken(files, index, 0, durable);
            };
            if index == 0 {
                self.out.sequence = segment.sequence;
                self.out.records = segment.records;
                self.out.previous = segment.previous;
            }
            let follows =
                segment.sequence == self.out.sequence && segment.previous == self.out.previous;
            if !follows {
                return self.broken(files, index, 0, durable);
            }
            self.out.previous = file.first;
            let mut links = Links::new(Arc::clone(&file.handle), HEAD_BYTES as u64);
            loop {
                let at = links.at();
                match links.next() {
                    Ok(None) => break,
                    Ok(Some(link)) if self.follows(&link.lead, &link.previous) => {
                        self.out.sequence = link.lead.sequence + 1;
                        self.out.records += u64::from(link.lead.records);
                        self.out.previous = link.seal;
                        self.out.clean = link.lead.kind == Kind::Checkpoint;
                    }
                    Err(LinkError::Io(error)) => return Err(error),
                    Ok(Some(_)) | Err(LinkError::Format(_)) => {
                        if at == HEAD_BYTES as u64 {
                            // Nothing goes on from a head alone.
                            self.out.previous = segment.previous;
                        }
                        return self.broken(files, index, at, durable);
                    }
                }
            }
            if self.out.previous == file.first {
                // A head alone: the link that was written with it is torn off.
                self.out.previous = segment.previous;
                return self.broken(files, index, 0, durable);
            }
        }
        self.out.appends = true;
        Ok(files.len())
    }

    /// Whether a link is the next of the chain. Only a start may leave numbers out: those of links
    /// that are known to have been lost.
    fn follows(&self, lead: &Lead, previous: &Hash) -> bool {
        let next = match lead.kind {
            Kind::Start => lead.sequence >= self.out.sequence,
            Kind::Data | Kind::Checkpoint | Kind::Retire | Kind::Handover => {
                lead.sequence == self.out.sequence
            }
        };
        next && *previous == self.out.previous
    }

    /// The chain ends in byte `at` of a file: cuts it there if no more than what was not synced is
    /// behind, else leaves all as it is. How many files are left.
    fn broken(
        &mut self,
        files: &[Opened],
        index: usize,
        at: u64,
        durable: u64,
    ) -> io::Result<usize> {
        let mut behind = Survey::default();
        for (place, file) in files.iter().enumerate().skip(index) {
            let from = if place == index { at } else { 0 };
            behind.absorb(&file.survey(from.max(HEAD_BYTES as u64))?);
        }
        if self.out.sequence < durable {
            self.out.damaged = files.get(index).map(|file| file.file.number);
            self.out.sequence = self.out.sequence.max(behind.next);
            return Ok(files.len());
        }
        self.out.cut_records = behind.records;
        // The last first, so that no hole is left if this is interrupted.
        for (place, file) in files.iter().enumerate().skip(index).rev() {
            let path = folder::path(self.dir, file.file.number);
            let keeps = place == index && at > HEAD_BYTES as u64;
            let keep = if keeps { at } else { 0 };
            self.out.cut_bytes += file.file.bytes.saturating_sub(keep);
            if !keeps {
                match self.disk.remove(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            } else {
                let handle = self.disk.open(&path, Open::Write)?;
                handle.cut(keep)?;
                handle.sync()?;
            }
        }
        self.disk.sync_dir(self.dir)?;
        self.out.appends = true;
        let kept = usize::from(at > HEAD_BYTES as u64);
        // The numbers of files that are gone are free again.
        let number = files.get(index).map_or(0, |file| file.file.number);
        self.out.next_segment = match self.out.sequence {
            0 => 1,
            _ => number + kept as u64,
        };
        Ok(index + kept)
    }

    /// Syncs `files`, whose links will be taken to be durable.
    fn sync(&self, files: &[Opened]) -> io::Result<()> {
        for file in files {
            let path = folder::path(self.dir, file.file.number);
            self.disk.open(&path, Open::Write)?.sync()?;
        }
        self.disk.sync_dir(self.dir)
    }

    fn finish(mut self) -> io::Result<Recovered> {
        if self.out.appends
            && let Some(segment) = self.out.segments.last_mut()
        {
            let path = folder::path(self.dir, segment.number);
            segment.bytes = self.disk.open(&path, Open::Read)?.bytes()?;
        }
        self.out.appends &= !self.out.segments.is_empty();
        Ok(self.out)
    }
}
