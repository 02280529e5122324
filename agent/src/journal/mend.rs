//! After a sync that failed.
//!
//! The kernel forgets pages that it could not write, and a later sync that succeeds says nothing of
//! them. So what was to be made durable is read, proved by its seals, written again and synced again.
//! What cannot be read is lost: the chain goes on before it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::chain::{Chain, End, Ready};
use super::disk::{Disk, DiskFile, Open, read_up_to, write_all};
use super::folder;
use super::links::{LinkError, Links, head_of};
use super::segment::{HEAD_BYTES, Lead, hash_of_head};

/// What came of it.
#[derive(Default)]
pub(super) struct Mended {
    /// Accepted records that are lost.
    pub(super) lost: u64,
    /// Whether the chain goes on from an earlier place.
    pub(super) rewound: bool,
    /// The link that waited to be written, and belonged behind what is lost.
    pub(super) dropped: Option<Ready>,
}

/// Makes all links from the sequence `before` on durable.
///
/// # Errors
/// The disk still fails; all is as it was.
pub(super) fn mend(
    disk: &dyn Disk,
    dir: &Path,
    chain: &mut Chain,
    before: u64,
) -> io::Result<Mended> {
    let had = chain.records();
    let mut mended = Mended::default();
    let segments: Vec<_> = chain.segments().iter().copied().collect();
    let ends = segments
        .iter()
        .skip(1)
        .map(|next| next.sequence)
        .chain([u64::MAX]);
    let unsynced = segments.iter().zip(ends).filter(|(_, end)| *end > before);
    for (segment, _) in unsynced {
        let path = folder::path(dir, segment.number);
        let file = disk.open(&path, Open::Write)?;
        match rewrite(&file, before, segment.bytes)? {
            Rewritten::All => file.sync()?,
            Rewritten::Until { at, end } => {
                let keeps = at > HEAD_BYTES as u64;
                for gone in segments
                    .iter()
                    .rev()
                    .filter(|other| other.number > segment.number)
                {
                    disk.remove(&folder::path(dir, gone.number))?;
                }
                if keeps {
                    file.cut(at)?;
                    file.sync()?;
                } else {
                    disk.remove(&path)?;
                }
                let end = end.unwrap_or(End {
                    sequence: segment.sequence,
                    records: segment.records,
                    seal: segment.previous,
                });
                mended.dropped = chain.rewind(segment.number, keeps.then_some(at), end);
                mended.rewound = true;
                break;
            }
        }
    }
    disk.sync_dir(dir)?;
    mended.lost = had.saturating_sub(chain.records());
    Ok(mended)
}

enum Rewritten {
    All,
    /// The link at a place cannot be read as it was written.
    Until {
        at: u64,
        /// Where the chain ends before it, unless it is the first of its segment.
        end: Option<End>,
    },
}

/// Writes the links of `file` from the sequence `before` on again, each after it was proved. It
/// should have `bytes`.
fn rewrite(file: &Arc<dyn DiskFile>, before: u64, bytes: u64) -> io::Result<Rewritten> {
    let (head, head_bytes) = match head_of(&**file) {
        Ok(head) => head,
        Err(LinkError::Io(error)) => return Err(error),
        Err(LinkError::Format(_)) => return Ok(Rewritten::Until { at: 0, end: None }),
    };
    write_all(&**file, &head_bytes, 0)?;
    let mut links = Links::new(Arc::clone(file), HEAD_BYTES as u64);
    let mut previous = hash_of_head(&head_bytes);
    let mut end = None;
    let mut records = head.records;
    loop {
        let at = links.at();
        let lead = match links.next() {
            Ok(None) if at == bytes => return Ok(Rewritten::All),
            Ok(Some(link)) if link.previous == previous => {
                let lead = link.lead;
                previous = link.seal;
                records += u64::from(lead.records);
                end = Some(End {
                    sequence: lead.sequence + 1,
                    records,
                    seal: previous,
                });
                lead
            }
            Ok(_) | Err(LinkError::Format(_)) => return Ok(Rewritten::Until { at, end }),
            Err(LinkError::Io(error)) => return Err(error),
        };
        if lead.sequence >= before {
            write_again(&**file, &lead, at)?;
        }
    }
}

fn write_again(file: &dyn DiskFile, lead: &Lead, at: u64) -> io::Result<()> {
    let mut link = vec![0; usize::try_from(lead.link_bytes()).unwrap_or(0)];
    let read = read_up_to(|to, at| file.read_at(to, at), &mut link, at)?;
    write_all(file, link.get(..read).unwrap_or_default(), at)
}
