//! The links of one segment file, one after another.

use std::io;
use std::sync::Arc;

use super::disk::{DiskFile, read_up_to};
use super::index::Index;
use super::segment::{FormatError, HEAD_BYTES, Head, LEAD_BYTES, Lead, Seal, leads_in};

/// Bytes that are searched at once for a lead.
const WINDOW_BYTES: usize = 1 << 16;

/// Why a link could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// There is something else.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Reads links off a file.
pub(super) struct Links {
    file: Arc<dyn DiskFile>,
    /// Where the next link begins.
    at: u64,
    buffer: Vec<u8>,
}

impl Links {
    /// Of `file`, from byte `at` on.
    pub(super) fn new(file: Arc<dyn DiskFile>, at: u64) -> Self {
        Self {
            file,
            at,
            buffer: Vec::new(),
        }
    }

    /// Where the next link begins.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Goes on at another place.
    pub(super) const fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// The lead of the next link, without moving on; `None` at the end of the file.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) fn lead(&self) -> Result<Option<Lead>, LinkError> {
        let mut lead = [0; LEAD_BYTES];
        let read = self.read(&mut lead, self.at)?;
        if read == 0 {
            return Ok(None);
        }
        Ok(Some(Lead::decode(lead.get(..read).unwrap_or_default())?))
    }

    /// The seal of the link whose lead is next, without its data and without moving on.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) fn seal(&mut self, lead: Lead) -> Result<Seal<'_>, LinkError> {
        let at = self.at + (LEAD_BYTES + lead.data_bytes as usize) as u64;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(lead.seal_bytes as usize, 0);
        let read = self.read(&mut buffer, at);
        self.buffer = buffer;
        let seal = self.buffer.get(..read?).unwrap_or_default();
        Ok(Seal::decode(lead, seal)?)
    }

    /// The front of the index of the link whose lead is next: no more is read, and it has a checksum of
    /// its own.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) fn front(&mut self, lead: Lead) -> Result<&[u8], LinkError> {
        let (at, body) = Seal::body_of(&lead)?;
        let front = Index::front_bytes(body, lead.records);
        let front = front.ok_or(FormatError::Altered("an index"))?;
        let at = self.at + (LEAD_BYTES + lead.data_bytes as usize + at) as u64;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(front, 0);
        let read = self.read(&mut buffer, at);
        self.buffer = buffer;
        if read? < front {
            return Err(FormatError::Short("a seal").into());
        }
        Ok(&self.buffer)
    }

    /// The data of the link whose lead is next, without moving on. It is not checked.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) fn data(&mut self, lead: Lead) -> Result<&[u8], LinkError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(lead.data_bytes as usize, 0);
        let read = self.read(&mut buffer, self.at + LEAD_BYTES as u64);
        self.buffer = buffer;
        if read? < self.buffer.len() {
            return Err(FormatError::Short("a frame").into());
        }
        Ok(&self.buffer)
    }

    /// The whole link whose lead is next, its own hashes checked, that of its data too; moves on
    /// if it is sound.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) fn link(&mut self, lead: Lead) -> Result<Seal<'_>, LinkError> {
        let data_bytes = lead.data_bytes as usize;
        let whole = data_bytes + lead.seal_bytes as usize;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(whole, 0);
        let read = self.read(&mut buffer, self.at + LEAD_BYTES as u64);
        self.buffer = buffer;
        if read? < whole {
            return Err(FormatError::Short("a link").into());
        }
        let (data, seal) = self.buffer.split_at(data_bytes);
        let seal = Seal::decode(lead, seal)?;
        if !seal.fits(data) {
            return Err(FormatError::Altered("a frame").into());
        }
        self.at += lead.link_bytes();
        Ok(seal)
    }

    /// The next link; `None` at the end of the file.
    ///
    /// # Errors
    /// [`LinkError`]. It stays where it is.
    pub(super) fn next(&mut self) -> Result<Option<Seal<'_>>, LinkError> {
        match self.lead()? {
            Some(lead) => self.link(lead).map(Some),
            None => Ok(None),
        }
    }

    /// Goes on at the next place behind this one where a lead stands: whether there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn search(&mut self) -> io::Result<bool> {
        let mut window = vec![0; WINDOW_BYTES];
        let mut at = self.at + 1;
        loop {
            let read = self.read(&mut window, at)?;
            if let Some(found) = leads_in(window.get(..read).unwrap_or_default()).next() {
                self.at = at + found;
                return Ok(true);
            }
            if read < WINDOW_BYTES {
                return Ok(false);
            }
            // A lead may begin in one window and end in the next.
            at += (WINDOW_BYTES - LEAD_BYTES + 1) as u64;
        }
    }

    /// Records of a link whose lead is next and is cut off or altered, as far as it still says.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn records_of_torn(&self) -> io::Result<u32> {
        let mut lead = [0; LEAD_BYTES];
        let read = self.read(&mut lead, self.at)?;
        Ok(Lead::records_of_torn(lead.get(..read).unwrap_or_default()))
    }

    /// Passes over the link whose lead is next.
    pub(super) const fn skip(&mut self, lead: &Lead) {
        self.at += lead.link_bytes();
    }

    fn read(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        read_up_to(|bytes, at| self.file.read_at(bytes, at), to, at)
    }
}

/// The head of `file`, and its bytes.
///
/// # Errors
/// [`LinkError`].
pub(super) fn head_of(file: &dyn DiskFile) -> Result<(Head, [u8; HEAD_BYTES]), LinkError> {
    let mut bytes = [0; HEAD_BYTES];
    let read = read_up_to(|bytes, at| file.read_at(bytes, at), &mut bytes, 0)?;
    let head = Head::decode(bytes.get(..read).unwrap_or_default())?;
    Ok((head, bytes))
}
