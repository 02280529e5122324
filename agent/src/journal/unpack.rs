//! Which records of an altered frame are not what was written.

use std::io::Read as _;

use zstd::stream::read::Decoder;

use super::index::{Index, check_of};
use super::segment::RAW_MAX_BYTES;

/// The first record of `data` that is not as `index` knows it, and how many may be concerned: 1 if
/// it was read and is another; all that are left if they cannot be decompressed. `None` if all
/// records are as they were: something else of the frame is altered.
pub(super) fn bad_records(data: &[u8], index: &Index<'_>) -> Option<(u32, u32)> {
    let records = index.counts.total();
    let lines = as_far_as_possible(data);
    let mut read = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if read == records {
            break;
        }
        if index.check(read as usize) != Some(check_of(line)) {
            let whole = line.ends_with(b"\n");
            return Some((read, if whole { 1 } else { records - read }));
        }
        read += 1;
    }
    (read < records).then(|| (read, records - read))
}

/// Where a frame says whether it ends in a checksum, and the bit that says it (RFC 8878 §3.1.1.1).
const DESCRIPTOR: usize = 4;
const HAS_CHECKSUM: u8 = 1 << 2;

/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 4;

fn as_far_as_possible(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    // The checksum is wrong, and would take the last block with it.
    if let Some(descriptor) = data
        .get_mut(DESCRIPTOR)
        .filter(|byte| **byte & HAS_CHECKSUM != 0)
    {
        *descriptor &= !HAS_CHECKSUM;
        data.truncate(data.len().saturating_sub(CHECKSUM_BYTES));
    }
    let mut lines = Vec::new();
    if let Ok(decoder) = Decoder::with_buffer(data.as_slice()) {
        let mut decoder = decoder.single_frame().take(RAW_MAX_BYTES as u64);
        // So small that the frame is decompressed block by block.
        let mut piece = [0; 64];
        // An error ends it as the end does: what came before is looked at.
        while let Ok(some @ 1..) = decoder.read(&mut piece) {
            lines.extend_from_slice(piece.get(..some).unwrap_or_default());
        }
    }
    lines
}
