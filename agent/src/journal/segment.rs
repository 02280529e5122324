//! Heads and links of a segment: bytes → parts, and back. The format is drawn in the room's `mod.rs`.

use blake3::Hasher;
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey};

use super::bytes::{Cut, Take};

/// First bytes of what is in a skippable frame (RFC 8878 §3.1.2): any of sixteen, one for each use.
pub(super) const HEAD_MAGIC: u32 = 0x184D_2A5E;
const LEAD_MAGIC: u32 = 0x184D_2A5C;
const SEAL_MAGIC: u32 = 0x184D_2A5D;

/// What a skippable frame begins with: magic and size.
const SKIPPABLE_BYTES: usize = 8;

const NAME: &[u8; 8] = b"EAVESJNL";
const FORMAT: u32 = 1;

/// Bytes of a segment's head.
pub(super) const HEAD_BYTES: usize = 120;

/// Bytes of a link's lead.
pub(super) const LEAD_BYTES: usize = 44;

/// Bytes of hashes behind a seal's body: the link before, the data, the seal itself.
const HASHES_BYTES: usize = 3 * HASH_BYTES;

/// Bytes of the length that ends a link, so that links can be walked from the back.
const LENGTH_BYTES: usize = 4;

/// Bytes of a BLAKE3 hash.
pub(super) const HASH_BYTES: usize = 32;

/// Longest line, bytes: two bodies of 16 MiB, escaped, with heads.
pub const LINE_MAX_BYTES: usize = 64 << 20;

/// Most bytes of lines in one frame: it closes at [`FRAME_BYTES`](super::FRAME_BYTES), one line later.
pub(super) const RAW_MAX_BYTES: usize = LINE_MAX_BYTES + (1 << 20);

/// Most bytes of a compressed frame: what cannot be compressed grows by less than one in 256.
pub(super) const DATA_MAX_BYTES: usize = RAW_MAX_BYTES + RAW_MAX_BYTES / 255 + 1024;

/// Most bytes of a seal: an index of as many events as a frame has room for.
pub(super) const SEAL_MAX_BYTES: usize = 8 << 20;

/// A BLAKE3 hash.
pub type Hash = [u8; HASH_BYTES];

/// What no link stands before.
pub(super) const NO_HASH: Hash = [0; HASH_BYTES];

/// Why bytes are not a part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They end in the middle of it.
    #[error("the file ends in the middle of {0}")]
    Short(&'static str),
    /// They are something else.
    #[error("{0} is not as it was written")]
    Altered(&'static str),
    /// Another version wrote them.
    #[error("format {found}, this eaves reads {FORMAT}")]
    Version {
        /// The version.
        found: u32,
    },
}

impl From<Cut> for FormatError {
    fn from(_: Cut) -> Self {
        Self::Altered("a seal")
    }
}

/// How a segment begins: where in the chain it stands, and by whose key it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number, from 1, one more for each.
    pub(super) segment: u64,
    /// Sequence of its first link.
    pub(super) sequence: u64,
    /// Records in all segments before it.
    pub(super) records: u64,
    /// Seal of the last link of the segment before; zeros in the first segment of a chain.
    pub(super) previous: Hash,
    /// When it was begun, ns since 1970.
    pub(super) opened: u64,
    /// Public key of the checkpoints in it.
    pub(super) key: Hash,
}

impl Head {
    /// As it is written.
    pub(super) fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.extend_from_slice(&HEAD_MAGIC.to_le_bytes());
        out.extend_from_slice(&((HEAD_BYTES - SKIPPABLE_BYTES) as u32).to_le_bytes());
        out.extend_from_slice(NAME);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&self.opened.to_le_bytes());
        out.extend_from_slice(&self.key);
        let mut head = [0; HEAD_BYTES];
        head.copy_from_slice(&out);
        let crc = crc32fast::hash(head.get(24..).unwrap_or_default());
        if let Some(place) = head.get_mut(20..24) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        head
    }

    /// Reads one off the front of `bytes`.
    ///
    /// # Errors
    /// [`FormatError`].
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return Err(FormatError::Short("a segment's head"));
        };
        let altered = FormatError::Altered("a segment's head");
        let mut take = Take(head);
        let magic = take.u32()?;
        let size = take.u32()?;
        if magic != HEAD_MAGIC || take.array()? != *NAME {
            return Err(altered);
        }
        let found = take.u32()?;
        if found != FORMAT {
            return Err(FormatError::Version { found });
        }
        let crc = take.u32()?;
        if size as usize != HEAD_BYTES - SKIPPABLE_BYTES || crc != crc32fast::hash(take.0) {
            return Err(altered);
        }
        Ok(Self {
            segment: take.u64()?,
            sequence: take.u64()?,
            records: take.u64()?,
            previous: take.array()?,
            opened: take.u64()?,
            key: take.array()?,
        })
    }
}

/// What the first link of the segment that begins with `head` has before it.
pub(super) fn hash_of_head(head: &[u8; HEAD_BYTES]) -> Hash {
    hashed("eaves journal 1 head", &[head])
}

/// BLAKE3 of `parts`, for one purpose: hashes for different purposes never meet.
fn hashed(purpose: &'static str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// What a link of the chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Seals a data frame.
    Data = 1,
    /// Signs all before it.
    Checkpoint = 2,
    /// Says that a segment was deleted on purpose.
    Retire = 3,
    /// Says that the agent began to write here.
    Start = 4,
    /// Names the key that signs from the next segment on.
    Handover = 5,
}

impl Kind {
    fn of(word: u32) -> Option<Self> {
        let all = [
            Self::Data,
            Self::Checkpoint,
            Self::Retire,
            Self::Start,
            Self::Handover,
        ];
        all.into_iter().find(|kind| *kind as u32 == word)
    }

    /// Bytes of the signature behind the seal.
    const fn signature_bytes(self) -> usize {
        match self {
            Self::Checkpoint => SIGNATURE_LENGTH,
            Self::Data | Self::Retire | Self::Start | Self::Handover => 0,
        }
    }
}

/// What stands before each link: how long it is and what is in it, so that a torn one still says
/// how much is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lead {
    /// What the link is for.
    pub(super) kind: Kind,
    /// Records in its data frame.
    pub(super) records: u32,
    /// Bytes of its data frame.
    pub(super) data_bytes: u32,
    /// Bytes of its seal.
    pub(super) seal_bytes: u32,
    /// Its place in the chain, from 0.
    pub(super) sequence: u64,
    /// Links before this sequence were known to be synced when it was written: a bad link that
    /// was is no accident of a loss of power.
    pub(super) durable: u64,
}

impl Lead {
    /// As it is written.
    pub(super) fn encode(&self) -> [u8; LEAD_BYTES] {
        let mut lead = [0; LEAD_BYTES];
        let words = [
            LEAD_MAGIC,
            (LEAD_BYTES - SKIPPABLE_BYTES) as u32,
            self.kind as u32,
            self.records,
            self.data_bytes,
            self.seal_bytes,
            self.sequence as u32,
            (self.sequence >> 32) as u32,
            self.durable as u32,
            (self.durable >> 32) as u32,
        ];
        let (front, crc) = lead.split_at_mut(LEAD_BYTES - 4);
        for (place, word) in front.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        crc.copy_from_slice(&crc32fast::hash(front).to_le_bytes());
        lead
    }

    /// Reads one off the front of `bytes`.
    ///
    /// # Errors
    /// [`FormatError`]; what is decoded is within the limits.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let Some(lead) = bytes.first_chunk::<LEAD_BYTES>() else {
            return Err(FormatError::Short("a link's lead"));
        };
        let altered = FormatError::Altered("a link's lead");
        let mut take = Take(lead);
        let (magic, size, kind) = (take.u32()?, take.u32()?, take.u32()?);
        let lead_of = |kind, take: &mut Take<'_>| {
            Ok::<_, Cut>(Self {
                kind,
                records: take.u32()?,
                data_bytes: take.u32()?,
                seal_bytes: take.u32()?,
                sequence: take.u64()?,
                durable: take.u64()?,
            })
        };
        let decoded = lead_of(Kind::of(kind).ok_or(altered)?, &mut take)?;
        let crc = crc32fast::hash(lead.get(..LEAD_BYTES - 4).unwrap_or_default());
        let sound = magic == LEAD_MAGIC
            && size as usize == LEAD_BYTES - SKIPPABLE_BYTES
            && take.u32()? == crc
            && decoded.data_bytes as usize <= DATA_MAX_BYTES
            && decoded.seal_bytes as usize <= SEAL_MAX_BYTES
            && decoded.seal_bytes as usize >= Seal::bytes(decoded.kind, 0)
            && decoded.durable <= decoded.sequence;
        if sound { Ok(decoded) } else { Err(altered) }
    }

    /// Records of a lead that is cut off, or altered, behind their number; 0 if even that is missing.
    pub(super) fn records_of_torn(bytes: &[u8]) -> u32 {
        let mut take = Take(bytes);
        let mut read = || {
            let known =
                take.u32()? == LEAD_MAGIC && take.u32()? as usize == LEAD_BYTES - SKIPPABLE_BYTES;
            let (kind, records) = (take.u32()?, take.u32()?);
            Ok::<_, Cut>(if known && Kind::of(kind).is_some() {
                records
            } else {
                0
            })
        };
        read().unwrap_or(0)
    }

    /// Bytes of the whole link.
    pub(super) const fn link_bytes(&self) -> u64 {
        LEAD_BYTES as u64 + self.data_bytes as u64 + self.seal_bytes as u64
    }
}

/// The places in `bytes` where a whole lead stands.
pub(super) fn leads_in(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let magic = LEAD_MAGIC.to_le_bytes();
    let places = bytes.windows(LEAD_BYTES).enumerate();
    let leads =
        places.filter(move |(_, lead)| lead.starts_with(&magic) && Lead::decode(lead).is_ok());
    leads.map(|(at, _)| at as u64)
}

/// What follows a data frame, or stands alone: a body, and what ties it into the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal<'a> {
    /// The lead it belongs to.
    pub(super) lead: Lead,
    /// What is sealed beside the data: an index, or what a link without data says.
    pub(super) body: &'a [u8],
    /// Seal of the link before, or of the segment's head.
    pub(super) previous: Hash,
    /// BLAKE3 of the data frame.
    pub(super) data: Hash,
    /// BLAKE3 of all this.
    pub(super) seal: Hash,
    /// Of a checkpoint: by the agent's key, over the seal.
    pub(super) signature: &'a [u8],
}

impl<'a> Seal<'a> {
    /// Bytes of a seal whose body has `body_bytes`.
    pub(super) const fn bytes(kind: Kind, body_bytes: usize) -> usize {
        SKIPPABLE_BYTES + body_bytes + HASHES_BYTES + kind.signature_bytes() + LENGTH_BYTES
    }

    /// Where in a seal of `lead` its body lies, and how long it is.
    ///
    /// # Errors
    /// [`FormatError`] if there is no room for one.
    pub(super) fn body_of(lead: &Lead) -> Result<(usize, usize), FormatError> {
        let body = (lead.seal_bytes as usize).checked_sub(Self::bytes(lead.kind, 0));
        let body = body.ok_or(FormatError::Altered("a seal"))?;
        Ok((SKIPPABLE_BYTES, body))
    }

    /// Reads the seal that is all of `bytes`, and checks that its own hash is right. Whether
    /// the data is that of which it speaks, [`Seal::fits`] says.
    ///
    /// # Errors
    /// [`FormatError`].
    pub(super) fn decode(lead: Lead, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let altered = FormatError::Altered("a seal");
        if bytes.len() < lead.seal_bytes as usize {
            return Err(FormatError::Short("a seal"));
        }
        let mut take = Take(bytes);
        let magic = take.u32()?;
        let size = take.u32()? as usize;
        if magic != SEAL_MAGIC || SKIPPABLE_BYTES + size != bytes.len() {
            return Err(altered);
        }
        let signature_bytes = lead.kind.signature_bytes();
        let behind = HASHES_BYTES + signature_bytes + LENGTH_BYTES;
        let body = take.slice(size.checked_sub(behind).ok_or(altered)?)?;
        let seal = Self {
            lead,
            body,
            previous: take.array()?,
            data: take.array()?,
            seal: take.array()?,
            signature: take.slice(signature_bytes)?,
        };
        let length = u64::from(take.u32()?);
        if length != lead.link_bytes() || seal.seal != seal.hash() {
            return Err(altered);
        }
        Ok(seal)
    }

    fn hash(&self) -> Hash {
        let parts: [&[u8]; 4] = [&self.lead.encode(), self.body, &self.previous, &self.data];
        hashed("eaves journal 1 link", &parts)
    }

    /// Whether `data` is the frame it seals.
    pub(super) fn fits(&self, data: &[u8]) -> bool {
        data.len() == self.lead.data_bytes as usize && hash_of_data(data) == self.data
    }

    /// Whether `key` has signed this checkpoint.
    pub(super) fn is_signed_by(&self, key: &Hash) -> bool {
        is_signed(&self.seal, self.signature, key)
    }
}

/// Whether `signature` over the seal of a checkpoint is by `key`.
pub(super) fn is_signed(seal: &Hash, signature: &[u8], key: &Hash) -> bool {
    let key = VerifyingKey::from_bytes(key);
    let signature = Signature::from_slice(signature);
    let (Ok(key), Ok(signature)) = (key, signature) else {
        return false;
    };
    key.verify_strict(&signed(seal), &signature).is_ok()
}

/// What is signed: the purpose goes before the seal, so that no other signature of the key fits.
fn signed(seal: &Hash) -> [u8; 64] {
    let mut message = [0; 64];
    let purpose = b"eaves journal 1 checkpoint\0\0\0\0\0\0";
    let (front, back) = message.split_at_mut(purpose.len());
    front.copy_from_slice(purpose);
    back.copy_from_slice(seal);
    message
}

/// BLAKE3 of a data frame.
pub(super) fn hash_of_data(data: &[u8]) -> Hash {
    *blake3::hash(data).as_bytes()
}

/// Finishes the link that begins at `start` of `link`: its data, if it has any, is there behind room
/// for a lead. Puts the lead into its place and the seal behind, and gives the seal and, of a
/// checkpoint, the signature.
///
/// `lead.seal_bytes` and `lead.data_bytes` are set here.
pub(super) fn finish_link(
    link: &mut Vec<u8>,
    start: usize,
    mut lead: Lead,
    body: &[u8],
    previous: &Hash,
    key: &SigningKey,
) -> (Hash, [u8; SIGNATURE_LENGTH]) {
    let data = link.get(start + LEAD_BYTES..).unwrap_or_default();
    lead.data_bytes = data.len() as u32;
    lead.seal_bytes = Seal::bytes(lead.kind, body.len()) as u32;
    let mut seal = Seal {
        lead,
        body,
        previous: *previous,
        data: hash_of_data(data),
        seal: NO_HASH,
        signature: &[],
    };
    seal.seal = seal.hash();
    let signature = match lead.kind {
        Kind::Checkpoint => key.sign(&signed(&seal.seal)).to_bytes(),
        Kind::Data | Kind::Retire | Kind::Start | Kind::Handover => [0; SIGNATURE_LENGTH],
    };
    if let Some(place) = link.get_mut(start..start + LEAD_BYTES) {
        place.copy_from_slice(&lead.encode());
    }
    link.extend_from_slice(&SEAL_MAGIC.to_le_bytes());
    link.extend_from_slice(&(lead.seal_bytes - SKIPPABLE_BYTES as u32).to_le_bytes());
    for part in [body, &seal.previous, &seal.data, &seal.seal] {
        link.extend_from_slice(part);
    }
    let signed = signature.get(..lead.kind.signature_bytes());
    link.extend_from_slice(signed.unwrap_or_default());
    link.extend_from_slice(&(lead.link_bytes() as u32).to_le_bytes());
    (seal.seal, signature)
}
