//! Walks the chain and names the first break.
//!
//! Every byte of a segment is under a hash, every hash under the next, and each checkpoint signs all
//! before it. So what breaks first says what was done: a link whose hash is wrong was altered, one
//! whose number is another was moved, or those between were removed. What was cut off the end shows
//! only against a checkpoint that was seen elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::JournalError;
use super::disk::{Disk, DiskFile, Open, RealDisk};
use super::folder::{self, File};
use super::happened::body;
use super::index::Index;
use super::key::PublicKey;
use super::links::{LinkError, Links, head_of};
use super::put_back::PutBack;
use super::report::{Break, BreakKind, Report, Trust};
use super::segment::{
    FormatError, HEAD_BYTES, Hash, Head, Kind, Lead, NO_HASH, Seal, hash_of_head,
};
use super::signers::Signers;
use super::unpack::bad_records;

/// Proves the journal in `dir` from its first segment to its last checkpoint, or names the first
/// break. `progress` is told each segment that is begun, and how many there are.
///
/// # Errors
/// A file cannot be read.
pub fn verify(
    dir: &Path,
    trust: &Trust,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, JournalError> {
    let failed = |source| JournalError::Io {
        path: dir.to_owned(),
        source,
    };
    let files = folder::list(&RealDisk, dir).map_err(failed)?;
    let mut walk = Walk::new(&RealDisk, dir, trust);
    let total = files.len() as u64;
    for (done, file) in files.iter().enumerate() {
        progress(done as u64, total);
        let is_last = done + 1 == files.len();
        if let Err(stop) = walk.segment(*file, is_last) {
            match stop {
                Stop::Broken(found) => walk.report.found = Some(*found),
                Stop::Io(source) => {
                    let path = folder::path(dir, file.number);
                    return Err(JournalError::Io { path, source });
                }
            }
            break;
        }
    }
    walk.finish(&files);
    Ok(walk.report)
}

enum Stop {
    Broken(Box<Break>),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    trust: &'a Trust,
    signers: Signers,
    report: Report,
    /// Sequence, records and seal that the next link goes on from.
    sequence: u64,
    records: u64,
    previous: Hash,
    /// Last seal of the segment before the first that is kept, if there was one.
    before: Option<(u64, Hash)>,
    /// Segments that the chain says were deleted, with their last seal.
    retired: BTreeMap<u64, Hash>,
    /// Those of them that no checkpoint covers yet.
    retiring: Vec<(u64, Hash)>,
    /// Links before this sequence are signed.
    signed: u64,
}

impl<'a> Walk<'a> {
    fn new(disk: &'a dyn Disk, dir: &'a Path, trust: &'a Trust) -> Self {
        Self {
            disk,
            dir,
            trust,
            signers: Signers::new(trust.key),
            report: Report::default(),
            sequence: 0,
            records: 0,
            previous: NO_HASH,
            before: None,
            retired: BTreeMap::new(),
            retiring: Vec::new(),
            signed: 0,
        }
    }

    /// Follows the chain through one segment.
    fn segment(&mut self, file: File, is_last: bool) -> Result<(), Stop> {
        let handle = self
            .disk
            .open(&folder::path(self.dir, file.number), Open::Read)?;
        match head_of(&*handle) {
            Ok((head, bytes)) => {
                self.head(&head, file.number)?;
                self.previous = hash_of_head(&bytes);
            }
            Err(LinkError::Io(error)) => return Err(error.into()),
            Err(LinkError::Format(FormatError::Short(_))) if is_last => {
                self.report.torn_bytes = file.bytes;
                return Ok(());
            }
            Err(LinkError::Format(error)) => {
                return Err(self.broken(BreakKind::Altered, file.number, None, error.to_string()));
            }
        }
        self.report.segments += 1;
        let mut links = Links::new(Arc::clone(&handle), HEAD_BYTES as u64);
        loop {
            let at = links.at();
            let lead = match links.lead() {
                Ok(Some(lead)) => lead,
                Ok(None) => return Ok(()),
                Err(error) => return self.unreadable(file, at, None, error, is_last),
            };
            match links.link(lead) {
                Ok(seal) => self.link(&seal, file.number, at)?,
                Err(LinkError::Format(FormatError::Altered(_))) => {
                    return Err(self.altered(&handle, file.number, at, lead)?);
                }
                Err(error) => return self.unreadable(file, at, Some(lead), error, is_last),
            }
        }
    }

    /// Holds a segment's head against what stands before it.
    fn head(&mut self, head: &Head, number: u64) -> Result<(), Stop> {
        let wrong = |walk: &Self, kind, what| Err(walk.broken(kind, number, None, what));
        if head.segment != number {
            let what = format!("the file holds segment {}", head.segment);
            return wrong(self, BreakKind::Reordered, what);
        }
        if !self.signers.begin(number, head.key) {
            let what = format!("signed by {}", PublicKey(head.key));
            return wrong(self, BreakKind::WrongKey, what);
        }
        if self.report.first_segment == 0 {
            self.report.first_segment = number;
            self.sequence = head.sequence;
            self.signed = head.sequence;
            self.records = head.records;
            self.previous = head.previous;
            let begins = (head.sequence, head.records, head.previous) == (0, 0, NO_HASH);
            if number > 1 {
                self.before = Some((number - 1, head.previous));
            } else if !begins {
                let what = "the first segment of a chain goes on from another".to_owned();
                return wrong(self, BreakKind::Altered, what);
            }
            return Ok(());
        }
        let expected = self.report.first_segment + self.report.segments;
        if number != expected {
            let what = match number - 1 - expected {
                0 => format!("segment {expected} is not there"),
                _ => format!("segments {expected} to {} are not there", number - 1),
            };
            return wrong(self, BreakKind::Removed, what);
        }
        if head.previous != self.previous {
            let (kind, what) = if head.sequence > self.sequence {
                (
                    BreakKind::Removed,
                    "the end of the segment before is not there",
                )
            } else {
                (
                    BreakKind::Altered,
                    "it does not go on from the segment before",
                )
            };
            return wrong(self, kind, what.to_owned());
        }
        Ok(())
    }

    /// Takes a link whose own hashes are right.
    fn link(&mut self, seal: &Seal<'_>, segment: u64, at: u64) -> Result<(), Stop> {
        let lead = &seal.lead;
        if lead.kind == Kind::Start
            && let Ok(start) = body::Start::decode(seal.body)
            && start.known > 0
        {
            self.put_back(&start, lead.sequence, segment)?;
        }
        if lead.sequence != self.sequence {
            return Err(self.out_of_place(seal, segment)?);
        }
        if seal.previous != self.previous {
            let what = if at == HEAD_BYTES as u64 {
                "the segment's head is not as it was written".to_owned()
            } else {
                format!("link {} goes on from another before it", lead.sequence)
            };
            let rewritten = (at > HEAD_BYTES as u64).then(|| lead.sequence.saturating_sub(1));
            return Err(self.broken(BreakKind::Altered, segment, rewritten, what));
        }
        let wrong = |walk: &Self, what: &str| {
            Err(walk.broken(
                BreakKind::Altered,
                segment,
                Some(lead.sequence),
                what.to_owned(),
            ))
        };
        match lead.kind {
            Kind::Data => {
                let Ok(index) = Index::decode(seal.body, lead.records) else {
                    return wrong(self, "its index is none");
                };
                let (first, last) = self.report.times.unwrap_or((index.first, index.last));
                self.report.times = Some((first.min(index.first), last.max(index.last)));
            }
            Kind::Checkpoint => {
                if !seal.is_signed_by(&self.signers.signer().0) {
                    let since = self.signed;
                    let what = format!(
                        "its signature is not by the key, or a link since {since} was rewritten"
                    );
                    return wrong(self, &what);
                }
                let Ok(check) = body::Check::decode(seal.body) else {
                    return wrong(self, "its body is none");
                };
                if (check.segment, check.records) != (segment, self.records) {
                    return wrong(self, "it counts other records");
                }
                self.signed = lead.sequence + 1;
                self.signers.signed();
                self.report.checkpoint = Some((lead.sequence, check.date));
                let retired = std::mem::take(&mut self.retiring);
                self.retired.extend(retired);
            }
            Kind::Retire => match body::Retire::decode(seal.body) {
                Ok(retire) => self.retiring.push((retire.segment, retire.seal)),
                Err(_) => return wrong(self, "its body is none"),
            },
            Kind::Handover => match body::Handover::decode(seal.body) {
                Ok(handover) => self.signers.name(handover.key),
                Err(_) => return wrong(self, "its body is none"),
            },
            Kind::Start => match body::Start::decode(seal.body) {
                Ok(_) => {}
                Err(_) => return wrong(self, "its body is none"),
            },
        }
        self.seen_elsewhere(lead, &seal.seal, segment)?;
        self.report.links += 1;
        self.sequence = lead.sequence + 1;
        self.records += u64::from(lead.records);
        self.report.records += u64::from(lead.records);
        self.previous = seal.seal;
        Ok(())
    }

    /// Holds a link against the checkpoints that were seen elsewhere.
    fn seen_elsewhere(&self, lead: &Lead, seal: &Hash, segment: u64) -> Result<(), Stop> {
        let mut checkpoints = self.trust.checkpoints.iter();
        let other = checkpoints.find(|one| one.sequence == lead.sequence && one.seal != *seal);
        if other.is_none() {
            return Ok(());
        }
        let what = "the checkpoint that was seen of it has another seal: the chain before it was rewritten, or \
                    goes on from a copy that was put back";
        Err(self.broken(
            BreakKind::Altered,
            segment,
            Some(lead.sequence),
            what.to_owned(),
        ))
    }

    /// A link has another number than the next.
    fn out_of_place(&self, seal: &Seal<'_>, segment: u64) -> Result<Stop, io::Error> {
        let lead = &seal.lead;
        let (found, expected) = (lead.sequence, self.sequence);
        let moved = found < expected || self.is_elsewhere(expected)?;
        let kind = if moved {
            BreakKind::Reordered
        } else {
            BreakKind::Removed
        };
        let what = format!("link {found} stands where {expected} should");
        Ok(self.broken(kind, segment, Some(expected), what))
    }

    /// The agent itself found at a start that the chain had been longer: link `link` says so. The chain goes
    /// on there, unless what is missing was seen elsewhere and no person has said that it was a copy.
    fn put_back(&mut self, start: &body::Start, link: u64, segment: u64) -> Result<(), Stop> {
        let found = PutBack {
            segment,
            link,
            missing: self.sequence,
            signed: start.known.saturating_sub(1),
            records: self.records,
            date: start.date,
        };
        if link != self.sequence && link != start.known || link < self.sequence {
            // Not what the agent writes: it goes on with the number behind the last that was signed.
            return Ok(());
        }
        self.report.put_back.push(found);
        let lost = self.sequence..link;
        let mut checkpoints = self.trust.checkpoints.iter();
        let seen = checkpoints.find(|one| lost.contains(&one.sequence));
        if let Some(seen) = seen.filter(|_| !self.trust.put_back.contains(&link)) {
            let what = format!("link {} was signed and is not there", seen.sequence);
            return Err(self.broken(BreakKind::CutTail, segment, Some(self.sequence), what));
        }
        self.sequence = link;
        Ok(())
    }

    /// Whether a whole link with this number stands anywhere.
    fn is_elsewhere(&self, sequence: u64) -> io::Result<bool> {
        for file in folder::list(self.disk, self.dir)? {
            let handle = self
                .disk
                .open(&folder::path(self.dir, file.number), Open::Read)?;
            let mut links = Links::new(handle, HEAD_BYTES as u64);
            loop {
                match links.lead() {
                    Ok(Some(lead)) if lead.sequence == sequence => return Ok(true),
                    Ok(Some(lead)) => links.skip(&lead),
                    Ok(None) => break,
                    Err(LinkError::Io(error)) => return Err(error),
                    Err(LinkError::Format(_)) => {
                        if !links.search()? {
                            break;
                        }
                    }
                }
            }
        }
        Ok(false)
    }

    /// A link cannot be read to its end.
    fn unreadable(
        &mut self,
        file: File,
        at: u64,
        lead: Option<Lead>,
        error: LinkError,
        is_last: bool,
    ) -> Result<(), Stop> {
        match error {
            LinkError::Io(error) => Err(error.into()),
            LinkError::Format(FormatError::Short(_)) if is_last => {
                self.report.torn_bytes = file.bytes.saturating_sub(at);
                Ok(())
            }
            LinkError::Format(error @ FormatError::Short(_)) => {
                let what = error.to_string();
                let frame = Some(lead.map_or(self.sequence, |lead| lead.sequence));
                Err(self.broken(BreakKind::Removed, file.number, frame, what))
            }
            LinkError::Format(error) => {
                let what = format!("{error} (byte {at})");
                Err(self.broken(BreakKind::Altered, file.number, Some(self.sequence), what))
            }
        }
    }

    /// Says what of a link is altered, and in which record.
    fn altered(
        &self,
        file: &Arc<dyn DiskFile>,
        segment: u64,
        at: u64,
        lead: Lead,
    ) -> Result<Stop, io::Error> {
        let mut links = Links::new(Arc::clone(file), at);
        let frame = Some(lead.sequence);
        let whole = |what: &str| {
            let Stop::Broken(mut found) =
                self.broken(BreakKind::Altered, segment, frame, what.to_owned())
            else {
                return Err(io::ErrorKind::Other.into());
            };
            found.records = Some(lead.records.into());
            Ok(found)
        };
        let body = match links.seal(lead) {
            Ok(seal) => seal.body.to_vec(),
            Err(LinkError::Io(error)) => return Err(error),
            Err(LinkError::Format(_)) => return whole("its seal").map(Stop::Broken),
        };
        let mut found = whole("its lines")?;
        if let (Ok(index), Ok(data)) = (Index::decode(&body, lead.records), links.data(lead))
            && let Some((first, count)) = bad_records(data, &index)
        {
            found.record = Some(self.records + u64::from(first));
            found.records = Some(count.into());
        }
        Ok(Stop::Broken(found))
    }

    fn broken(&self, kind: BreakKind, segment: u64, frame: Option<u64>, what: String) -> Stop {
        Stop::Broken(Box::new(Break {
            kind,
            segment,
            frame,
            record: Some(self.records),
            records: None,
            what,
        }))
    }

    /// What can be said only at the end.
    fn finish(&mut self, files: &[File]) {
        self.report.key = self.signers.key();
        self.report.keys = self.signers.changes();
        self.report.unsigned_links = self.sequence.saturating_sub(self.signed);
        if self.is_foreign(files) {
            let cut = self.cut(files);
            let cut = cut.filter(|found| found.kind == BreakKind::CutTail);
            self.report.found = cut.or_else(|| self.foreign());
        } else if self.report.found.is_none() {
            let accepted = |one: &&PutBack| self.trust.put_back.contains(&one.link);
            let put_back = self.report.put_back.iter().find(|one| !accepted(one));
            let put_back = put_back.map(|one| one.to_break());
            let found = put_back
                .or_else(|| self.deleted())
                .or_else(|| self.cut(files));
            self.report.found = found;
        }
    }

    /// Whether the key that is trusted stands nowhere for the chain; what else is wrong with it then is that of
    /// another's.
    fn is_foreign(&self, files: &[File]) -> bool {
        let trusted = self.trust.key.filter(|_| self.report.segments > 0);
        let Some(trusted) = trusted.filter(|_| !self.signers.is_proved()) else {
            return false;
        };
        let signs = |file: &File| {
            let path = folder::path(self.dir, file.number);
            let handle = self.disk.open(&path, Open::Read).ok()?;
            Some(head_of(&*handle).ok()?.0.key == trusted.0)
        };
        self.report.found.is_none() || !files.iter().any(|file| signs(file) == Some(true))
    }

    fn foreign(&self) -> Option<Break> {
        let key = self.signers.key()?;
        Some(Break {
            kind: BreakKind::WrongKey,
            segment: self.report.first_segment,
            frame: None,
            record: None,
            records: None,
            what: format!("signed by {key}"),
        })
    }

    /// Whether what stood before the first segment was deleted by another hand.
    fn deleted(&self) -> Option<Break> {
        let (before, seal) = self.before?;
        let (kind, what) = match self.retired.get(&before) {
            Some(retired) if *retired == seal => return None,
            Some(_) => (BreakKind::Altered, "was deleted with another last seal"),
            None => (
                BreakKind::Removed,
                "is not there, and no checkpoint covers that it was deleted",
            ),
        };
        Some(Break {
            kind,
            segment: before,
            frame: None,
            record: None,
            records: None,
            what: format!("segment {before} {what}"),
        })
    }

    /// Whether the chain ends before a checkpoint that was seen elsewhere.
    fn cut(&self, files: &[File]) -> Option<Break> {
        for checkpoint in &self.trust.checkpoints {
            let segment = files.last().map_or(0, |file| file.number);
            let at = |kind, what| Break {
                kind,
                segment,
                frame: Some(self.sequence),
                record: Some(self.records),
                records: checkpoint.records.checked_sub(self.records),
                what,
            };
            if !self.signers.has_signed(checkpoint) {
                let what = format!(
                    "the checkpoint seen of link {} is not by its key",
                    checkpoint.sequence
                );
                return Some(at(BreakKind::WrongKey, what));
            }
            if checkpoint.sequence >= self.sequence {
                let what = format!("link {} was signed and is not there", checkpoint.sequence);
                return Some(at(BreakKind::CutTail, what));
            }
        }
        None
    }
}
