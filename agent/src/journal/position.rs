//! Where the journal stands: for those who keep what they have learnt from it.

use std::path::Path;

use super::state::Cursor;
use super::writer::Journal;

impl Journal {
    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// The place of the record that is appended next; `None` while something waits to be written.
    ///
    /// Where a segment ends before its frame is closed, it may be a place a frame earlier.
    #[must_use]
    pub fn position(&self) -> Option<Cursor> {
        let chain = self
            .chain
            .as_ref()
            .filter(|chain| chain.ready().is_none())?;
        Some(Cursor {
            segment: chain.segments().back().map_or(0, |segment| segment.number),
            frame: chain.sequence(),
            record: self.index.counts().total(),
        })
    }
}
