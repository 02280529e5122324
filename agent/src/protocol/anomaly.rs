//! What the wire does that it should not, by name.

/// Declares [`Anomaly`] with the name of each.
macro_rules! anomalies {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Something odd in a message. Framing goes on as common servers do it.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Anomaly {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Anomaly {
            /// All, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in events.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

anomalies! {
    /// A line ends in LF alone (RFC 9112 §2.2).
    BareLf = "bare_lf";
    /// A field goes on over several lines (RFC 9112 §5.2).
    ObsFold = "obs_fold";
    /// Parts of the first line are not parted by one space each (RFC 9112 §3).
    LineWhitespace = "line_whitespace";
    /// Whitespace stands between a field's name and its colon (RFC 9112 §5.1).
    FieldNameWhitespace = "field_name_whitespace";
    /// A line among the fields has no name or no colon, or its name is no token.
    InvalidField = "invalid_field";
    /// A control byte stands in the head.
    ControlByte = "control_byte";
    /// A byte beyond ASCII stands in the target (RFC 9112 §3.2).
    TargetNotAscii = "target_not_ascii";
    /// A version of HTTP/1 that is neither 1.0 nor 1.1.
    OddVersion = "odd_version";
    /// What should be a message's head is none.
    InvalidHead = "invalid_head";
    /// The head is longer than what is kept of it.
    HeadTooLong = "head_too_long";
    /// The head has more fields than are kept.
    TooManyFields = "too_many_fields";
    /// The same length is given several times (RFC 9112 §6.3).
    RepeatedLength = "repeated_length";
    /// Several lengths are given, and they differ; the first holds (RFC 9112 §6.3).
    ConflictingLength = "conflicting_length";
    /// A length that is no number.
    InvalidLength = "invalid_length";
    /// Both a length and a transfer coding; the coding holds (RFC 9112 §6.3).
    LengthAndChunked = "length_and_chunked";
    /// A transfer coding that is not simply `chunked`.
    OddTransferCoding = "odd_transfer_coding";
    /// A transfer coding in HTTP/1.0 (RFC 9112 §6.1).
    TransferCodingInHttp10 = "transfer_coding_in_http10";
    /// A chunk has an extension (RFC 9112 §7.1.1).
    ChunkExtension = "chunk_extension";
    /// A chunk's size does not fit in 63 bits.
    ChunkSizeTooLarge = "chunk_size_too_large";
    /// A chunk's size is no number, its line too long, or its data does not end in an empty line.
    InvalidChunk = "invalid_chunk";
    /// Trailer fields are longer than what is kept of them.
    TrailersTooLong = "trailers_too_long";
    /// A frame that no peer would take, or that does not follow on the one before (RFC 9113 §4, §6, RFC 6455 §5).
    InvalidFrame = "invalid_frame";
    /// A block of header fields that cannot be decompressed (RFC 7541).
    InvalidHeaderBlock = "invalid_header_block";
    /// A pseudo-header field that is repeated, not one of those defined, or behind others (RFC 9113 §8.3).
    OddPseudoField = "odd_pseudo_field";
    /// A body is not coded as its Content-Encoding says, or ends inside; a message of WebSocket is not
    /// compressed as agreed.
    InvalidCoding = "invalid_coding";
    /// A body or message decodes to more than a hundred times its size: perhaps a bomb.
    CodingSwells = "coding_swells";
    /// Paired after a gap on the word that this client sends one request at a time.
    PairedAfterGap = "paired_after_gap";
}

const _: () = assert!(Anomaly::ALL.len() <= 64);

/// A set of [`Anomaly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u64);

impl Anomalies {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Adds all of `other`.
    pub const fn absorb(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether `anomaly` is among them.
    #[must_use]
    pub const fn has(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Their names, in the order of [`Anomaly::ALL`].
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        if self.0 == 0 {
            return Vec::new();
        }
        let all = Anomaly::ALL.iter().filter(|one| self.has(**one));
        all.map(|one| one.name()).collect()
    }
}

impl From<Anomaly> for Anomalies {
    fn from(one: Anomaly) -> Self {
        Self(1 << one as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::{Anomalies, Anomaly};

    #[test]
    fn names_are_distinct_and_come_back_from_the_set() {
        let mut set = Anomalies::default();
        for one in Anomaly::ALL {
            assert!(!set.has(*one));
            set.add(*one);
        }
        let mut names = set.names();
        assert_eq!(names.len(), Anomaly::ALL.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Anomaly::ALL.len());
        assert_eq!(
            Anomaly::BareLf.meaning().trim().split(' ').next(),
            Some("A")
        );
    }
}
