//! The end of the chain, to which links are added.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use super::disk::{Disk, DiskFile, Open, write_all};
use super::folder;
use super::happened::{Checkpoint, body};
use super::index::Counts;
use super::key::PublicKey;
use super::recover::{Recovered, Segment};
use super::segment::{HEAD_BYTES, Hash, Head, Kind, LEAD_BYTES, Lead, finish_link, hash_of_head};
use crate::clock::WallTime;

/// How hard frames are compressed. On small exchanges (`benches/journal.rs`) level 1 is fast enough
/// and within the bytes; each level above costs more than it saves.
const LEVEL: i32 = 1;

/// A link that is made and not yet written. Its bytes do not change: what is torn of it is written
/// over when it is tried again.
pub(super) struct Ready {
    bytes: Vec<u8>,
    /// Of the segment that it begins.
    head: Option<Head>,
    lead: Lead,
    seal: Hash,
    /// Its records.
    pub(super) counts: Counts,
    /// Whether it is synced at once.
    pub(super) urgent: bool,
    /// Of a checkpoint.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Of a retirement.
    pub(super) retire: Option<body::Retire>,
}

impl Ready {
    /// Bytes it takes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Sequence of the next link.
    pub(super) sequence: u64,
    /// Records so far.
    pub(super) records: u64,
    /// Seal of the last link.
    pub(super) seal: Hash,
}

/// The segment that is written to.
struct Active {
    file: Arc<dyn DiskFile>,
    bytes: u64,
    /// Whether its name is not durable yet.
    is_new: bool,
}

/// The end of the chain.
pub(super) struct Chain {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    key: SigningKey,
    public: Hash,
    /// Signs once the key that signs now has said so.
    heir: Option<SigningKey>,
    /// All segments, the oldest first; the last is written to if `active` is there.
    segments: VecDeque<Segment>,
    active: Option<Active>,
    next_segment: u64,
    sequence: u64,
    records: u64,
    previous: Hash,
    bytes: u64,
    ends_in_checkpoint: bool,
    ready: Option<Ready>,
    /// Kept for the next link.
    spare: Vec<u8>,
    body: Vec<u8>,
    compressor: Compressor<'static>,
}

impl Chain {
    /// Goes on where `recovered` ends.
    ///
    /// # Errors
    /// The last segment cannot be opened.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        key: SigningKey,
        recovered: Recovered,
    ) -> io::Result<Self> {
        let public = PublicKey::of(&key).0;
        let last = recovered.segments.last();
        let last = last.filter(|last| recovered.appends && last.key == public);
        let active = match last {
            None => None,
            Some(last) => Some(Active {
                file: disk.open(&folder::path(&dir, last.number), Open::Write)?,
                bytes: last.bytes,
                is_new: true,
            }),
        };
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self {
            disk,
            dir,
            key,
            public,
            heir: None,
            bytes: recovered.segments.iter().map(|segment| segment.bytes).sum(),
            segments: recovered.segments.into(),
            active,
            next_segment: recovered.next_segment,
            sequence: recovered.sequence,
            records: recovered.records,
            previous: recovered.previous,
            ends_in_checkpoint: recovered.clean,
            ready: None,
            spare: Vec::new(),
            body: Vec::new(),
            compressor,
        })
    }

    /// Sequence of the next link.
    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Leaves out the numbers before `sequence`: links of theirs are known to have been lost.
    pub(super) fn skip_to(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// Records in the chain.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of all segments.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All segments, the oldest first.
    pub(super) const fn segments(&self) -> &VecDeque<Segment> {
        &self.segments
    }

    /// Whether the last link is a checkpoint.
    pub(super) const fn ends_in_checkpoint(&self) -> bool {
        self.ends_in_checkpoint
    }

    /// The link that waits to be written.
    pub(super) const fn ready(&self) -> Option<&Ready> {
        self.ready.as_ref()
    }

    /// The segment that is written to, and when it was begun.
    pub(super) fn active(&self) -> Option<(u64, WallTime)> {
        let active = self.active.as_ref()?;
        let opened = self.segments.back()?.opened;
        Some((active.bytes, WallTime(opened)))
    }

    /// The key that is to sign after the one that does.
    pub(super) fn heir(&self) -> Option<PublicKey> {
        self.heir.as_ref().map(PublicKey::of)
    }

    /// The key that signs.
    pub(super) const fn signer(&self) -> PublicKey {
        PublicKey(self.public)
    }

    /// Names the key that is to sign later.
    pub(super) fn bequeath(&mut self, heir: SigningKey) {
        self.heir = Some(heir);
    }

    /// Has the heir sign from the next link on, which begins a segment.
    pub(super) fn succeed(&mut self) {
        if let Some(heir) = self.heir.take() {
            self.public = PublicKey::of(&heir).0;
            self.key = heir;
            self.rotate();
        }
    }

    /// Ends the segment that is written to: the next link begins another.
    pub(super) fn rotate(&mut self) {
        self.active = None;
    }

    /// The file that is written to, and whether its name may not be durable; its name is taken to
    /// be durable from now on.
    pub(super) fn file_to_sync(&mut self) -> Option<(Arc<dyn DiskFile>, bool)> {
        let active = self.active.as_mut()?;
        Some((Arc::clone(&active.file), std::mem::take(&mut active.is_new)))
    }

    /// Forgets a segment that was deleted: how many bytes it took.
    pub(super) fn removed(&mut self, number: u64) -> Option<u64> {
        let gone = self
            .segments
            .iter()
            .position(|segment| segment.number == number);
        let segment = self.segments.remove(gone?)?;
        self.bytes = self.bytes.saturating_sub(segment.bytes);
        Some(segment.bytes)
    }

    /// Goes on from an earlier place: what was behind it is gone. The segment `number` ends in byte
    /// `at`, or is gone too. A link that waits belonged there and is given back.
    pub(super) fn rewind(&mut self, number: u64, at: Option<u64>, end: End) -> Option<Ready> {
        self.segments
            .retain(|segment| segment.number < number + u64::from(at.is_some()));
        if let (Some(at), Some(segment)) = (at, self.segments.back_mut()) {
            segment.bytes = at;
        }
        self.bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        self.next_segment = number + u64::from(at.is_some());
        self.active = None;
        self.sequence = end.sequence;
        self.records = end.records;
        self.previous = end.seal;
        self.ends_in_checkpoint = false;
        self.ready.take()
    }

    /// Makes a link of `lines` with their index, the last bytes of which `index` writes.
    ///
    /// # Errors
    /// The lines cannot be compressed.
    pub(super) fn seal_data(
        &mut self,
        lines: &[u8],
        counts: Counts,
        index: impl FnOnce(&mut Vec<u8>),
        durable: u64,
        date: WallTime,
    ) -> io::Result<()> {
        let (mut bytes, head) = self.begin(date);
        let start = bytes.len() + LEAD_BYTES;
        bytes.resize(start + compress_bound(lines.len()), 0);
        let room = bytes.get_mut(start..).unwrap_or_default();
        let data_bytes = self.compressor.compress_to_buffer(lines, room)?;
        bytes.truncate(start + data_bytes);
        self.body.clear();
        index(&mut self.body);
        self.finish(bytes, head, Kind::Data, counts, durable);
        Ok(())
    }

    /// Makes a checkpoint.
    pub(super) fn seal_checkpoint(&mut self, durable: u64, date: WallTime) {
        let (bytes, head) = self.begin(date);
        let segment = self.segment_of(head);
        self.body.clear();
        let check = body::Check {
            date,
            segment,
            records: self.records,
        };
        check.encode(&mut self.body);
        let signature = self.finish(bytes, head, Kind::Checkpoint, Counts::default(), durable);
        if let Some(ready) = &mut self.ready {
            ready.urgent = true;
            ready.checkpoint = Some(Checkpoint {
                segment,
                sequence: ready.lead.sequence,
                records: self.records,
                seal: ready.seal,
                signature,
                key: self.public,
            });
        }
    }

    /// Makes a link that says that a segment is deleted.
    pub(super) fn seal_retire(&mut self, retire: body::Retire, durable: u64) {
        let (bytes, head) = self.begin(retire.date);
        self.body.clear();
        retire.encode(&mut self.body);
        self.finish(bytes, head, Kind::Retire, Counts::default(), durable);
        if let Some(ready) = &mut self.ready {
            ready.urgent = true;
            ready.retire = Some(retire);
        }
    }

    /// Makes the link that says who signs after this segment.
    pub(super) fn seal_handover(&mut self, handover: &body::Handover, durable: u64) {
        let (bytes, head) = self.begin(handover.date);
        self.body.clear();
        handover.encode(&mut self.body);
        self.finish(bytes, head, Kind::Handover, Counts::default(), durable);
    }

    /// Makes the link that says that writing begins here.
    pub(super) fn seal_start(&mut self, start: &body::Start, durable: u64) {
        let (bytes, head) = self.begin(start.date);
        self.body.clear();
        start.encode(&mut self.body);
        self.finish(bytes, head, Kind::Start, Counts::default(), durable);
    }

    /// The head of a new segment, where the next link begins one.
    fn begin(&mut self, date: WallTime) -> (Vec<u8>, Option<Head>) {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        let head = self.active.is_none().then_some(Head {
            segment: self.next_segment,
            sequence: self.sequence,
            records: self.records,
            previous: self.previous,
            opened: date.0,
            key: self.public,
        });
        if let Some(head) = &head {
            bytes.extend_from_slice(&head.encode());
        }
        (bytes, head)
    }

    fn segment_of(&self, head: Option<Head>) -> u64 {
        let last = self.segments.back().map_or(0, |segment| segment.number);
        head.map_or(last, |head| head.segment)
    }

    /// Seals what is in `bytes` behind its head, with `self.body`.
    fn finish(
        &mut self,
        mut bytes: Vec<u8>,
        head: Option<Head>,
        kind: Kind,
        counts: Counts,
        durable: u64,
    ) -> [u8; 64] {
        let start = head.map_or(0, |_| HEAD_BYTES);
        if bytes.len() == start {
            bytes.resize(start + LEAD_BYTES, 0);
        }
        let previous = match bytes.first_chunk::<HEAD_BYTES>() {
            Some(bytes) if head.is_some() => hash_of_head(bytes),
            _ => self.previous,
        };
        let lead = Lead {
            kind,
            records: counts.total(),
            data_bytes: 0,
            seal_bytes: 0,
            sequence: self.sequence,
            durable: durable.min(self.sequence),
        };
        let (seal, signature) =
            finish_link(&mut bytes, start, lead, &self.body, &previous, &self.key);
        self.ready = Some(Ready {
            bytes,
            head,
            lead,
            seal,
            counts,
            urgent: counts.findings > 0,
            checkpoint: None,
            retire: None,
        });
        signature
    }

    /// Writes the link that waits; gives it back as what was written.
    ///
    /// # Errors
    /// It cannot be written. It waits on; what is torn of it is cut off, or written over next time.
    pub(super) fn write(&mut self) -> io::Result<Option<Ready>> {
        let Some(ready) = self.ready.take() else {
            return Ok(None);
        };
        let written = match ready.head {
            Some(head) => self.write_new(&ready, &head),
            None => self.write_on(&ready),
        };
        if let Err(error) = written {
            self.ready = Some(ready);
            return Err(error);
        }
        self.sequence += 1;
        self.records += u64::from(ready.counts.total());
        self.previous = ready.seal;
        self.bytes += ready.bytes();
        self.ends_in_checkpoint = ready.lead.kind == Kind::Checkpoint;
        Ok(Some(ready))
    }

    /// Takes back the buffer of a link that was written.
    pub(super) fn recycle(&mut self, ready: Ready) {
        self.spare = ready.bytes;
    }

    fn write_on(&mut self, ready: &Ready) -> io::Result<()> {
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Err(ErrorKind::NotFound.into());
        };
        if let Err(error) = write_all(&*active.file, &ready.bytes, active.bytes) {
            // If it cannot be cut either, it is written over.
            let _ = active.file.cut(active.bytes);
            return Err(error);
        }
        active.bytes += ready.bytes();
        segment.bytes = active.bytes;
        Ok(())
    }

    fn write_new(&mut self, ready: &Ready, head: &Head) -> io::Result<()> {
        let path = folder::path(&self.dir, head.segment);
        let file = match self.disk.open(&path, Open::New) {
            // A try before this one could not delete it again; no segment has this number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let file = self.disk.open(&path, Open::Write)?;
                file.cut(0)?;
                file
            }
            opened => opened?,
        };
        if let Err(error) = write_all(&*file, &ready.bytes, 0) {
            // If it cannot be deleted, it is begun again.
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        self.active = Some(Active {
            file,
            bytes: ready.bytes(),
            is_new: true,
        });
        self.segments.push_back(Segment::of(head, ready.bytes()));
        self.next_segment = head.segment + 1;
        Ok(())
    }
}
