//! What the journal has to tell: checkpoints, and what became of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bytes::{Cut, Take};
use super::key::PublicKey;
use super::segment::{FormatError, Hash, is_signed};
use crate::clock::WallTime;
use crate::hex;

/// A signed place in the chain: proves all before it, wherever it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Segment it stands in.
    pub segment: u64,
    /// Its place in the chain.
    pub sequence: u64,
    /// Records in the chain up to it.
    pub records: u64,
    /// BLAKE3 that covers it and all before.
    #[serde(with = "Hex")]
    pub seal: Hash,
    /// Ed25519 over the seal.
    #[serde(with = "Hex")]
    pub signature: [u8; 64],
    /// Public key of the signature.
    #[serde(with = "Hex")]
    pub key: Hash,
}

impl Checkpoint {
    /// Whether the signature is by `key`.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        is_signed(&self.seal, &self.signature, &key.0)
    }
}

/// Bytes as hexadecimal digits.
struct Hex;

impl Hex {
    fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom(format!("not {} hexadecimal digits", 2 * N));
        hex::decode(text.as_bytes()).ok_or_else(wrong)
    }
}

/// Why a segment was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetireReason {
    /// All segments together were too large.
    Bytes = 1,
    /// It was too old.
    Age = 2,
    /// The file system was too full.
    Room = 3,
}

impl RetireReason {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Age => "age",
            Self::Room => "room",
        }
    }
}

/// Something the agent should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// All up to here is signed. To be sent away: what is seen elsewhere cannot be cut here.
    Checkpoint(Checkpoint),
    /// The chain goes on after the last stop.
    Started {
        /// Whether that stop was in good order.
        clean: bool,
        /// Records in a torn frame that were cut off.
        cut_records: u64,
        /// Bytes that were cut off.
        cut_bytes: u64,
    },
    /// A segment that had been synced is not as it was written. It is left as it is.
    Damaged {
        /// Its number.
        segment: u64,
    },
    /// A checkpoint that was signed here is not in the chain: it was put back from a copy, or cut.
    Rewound {
        /// Sequence of that checkpoint.
        known: u64,
        /// Sequence at which the chain was found to end.
        found: u64,
    },
    /// A segment was deleted on purpose.
    Retired {
        /// Its number.
        segment: u64,
        /// Its records.
        records: u64,
        /// Records of it that a configured sink had not got.
        unsent: u64,
        /// Why.
        reason: RetireReason,
    },
    /// It cannot write: exchanges are shed from here on.
    Degraded {
        /// Why.
        reason: String,
    },
    /// It writes again.
    Resumed {
        /// Records that were shed in between.
        shed: u64,
    },
    /// Accepted records are gone: a sync failed, and what it was to make durable cannot be read.
    Lost {
        /// How many.
        records: u64,
    },
    /// Another key signs from here on.
    KeyChanged {
        /// The key that signed before.
        from: PublicKey,
        /// The key that signs now.
        to: PublicKey,
        /// Whether the one before has signed that it is followed by the other.
        handed_over: bool,
    },
    /// The clock was set.
    ClockSet {
        /// By how much, forward or back, ns.
        by_ns: i64,
    },
}

/// What a link without data says.
pub(super) mod body {
    use super::{Cut, FormatError, Hash, RetireReason, Take, WallTime};

    fn whole<T>(
        body: &[u8],
        read: impl Fn(&mut Take<'_>) -> Result<T, Cut>,
    ) -> Result<T, FormatError> {
        let mut take = Take(body);
        let read = read(&mut take)?;
        if take.0.is_empty() {
            Ok(read)
        } else {
            Err(FormatError::Altered("a seal"))
        }
    }

    /// Body of a checkpoint.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct Check {
        pub(in super::super) date: WallTime,
        pub(in super::super) segment: u64,
        pub(in super::super) records: u64,
    }

    impl Check {
        pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
            for word in [self.date.0, self.segment, self.records] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }

        pub(in super::super) fn decode(body: &[u8]) -> Result<Self, FormatError> {
            whole(body, |take| {
                Ok(Self {
                    date: WallTime(take.u64()?),
                    segment: take.u64()?,
                    records: take.u64()?,
                })
            })
        }
    }

    /// Body of a retirement.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct Retire {
        pub(in super::super) date: WallTime,
        pub(in super::super) segment: u64,
        pub(in super::super) sequence: u64,
        pub(in super::super) records: u64,
        pub(in super::super) unsent: u64,
        pub(in super::super) seal: Hash,
        pub(in super::super) reason: RetireReason,
    }

    impl Retire {
        pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
            let words = [
                self.date.0,
                self.segment,
                self.sequence,
                self.records,
                self.unsent,
            ];
            for word in words {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(&self.seal);
            out.extend_from_slice(&(self.reason as u32).to_le_bytes());
        }

        pub(in super::super) fn decode(body: &[u8]) -> Result<Self, FormatError> {
            let reasons = [RetireReason::Bytes, RetireReason::Age, RetireReason::Room];
            whole(body, |take| {
                Ok(Self {
                    date: WallTime(take.u64()?),
                    segment: take.u64()?,
                    sequence: take.u64()?,
                    records: take.u64()?,
                    unsent: take.u64()?,
                    seal: take.array()?,
                    reason: {
                        let word = take.u32()?;
                        reasons
                            .into_iter()
                            .find(|reason| *reason as u32 == word)
                            .ok_or(Cut)?
                    },
                })
            })
        }
    }

    /// Body of a handover.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct Handover {
        pub(in super::super) date: WallTime,
        pub(in super::super) key: Hash,
    }

    impl Handover {
        pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.date.0.to_le_bytes());
            out.extend_from_slice(&self.key);
        }

        pub(in super::super) fn decode(body: &[u8]) -> Result<Self, FormatError> {
            whole(body, |take| {
                Ok(Self {
                    date: WallTime(take.u64()?),
                    key: take.array()?,
                })
            })
        }
    }

    /// Body of a start.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct Start {
        pub(in super::super) date: WallTime,
        pub(in super::super) nonce: [u8; 16],
        pub(in super::super) cut_records: u64,
        pub(in super::super) cut_bytes: u64,
        /// One more than the sequence of the checkpoint that is missing, or 0.
        pub(in super::super) known: u64,
        pub(in super::super) seal: Hash,
    }

    impl Start {
        pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.date.0.to_le_bytes());
            out.extend_from_slice(&self.nonce);
            for word in [self.cut_records, self.cut_bytes, self.known] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(&self.seal);
        }

        pub(in super::super) fn decode(body: &[u8]) -> Result<Self, FormatError> {
            whole(body, |take| {
                Ok(Self {
                    date: WallTime(take.u64()?),
                    nonce: take.array()?,
                    cut_records: take.u64()?,
                    cut_bytes: take.u64()?,
                    known: take.u64()?,
                    seal: take.array()?,
                })
            })
        }
    }
}
