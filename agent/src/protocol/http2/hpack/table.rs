//! The static table, and a dynamic table of which part may never have been seen (RFC 7541 §2.3).

use std::collections::VecDeque;

/// What each entry takes in addition (RFC 7541 §4.1).
const ENTRY_BYTES: usize = 32;
/// Size of a table that nobody has changed (RFC 9113 §6.5.2).
const DEFAULT_BYTES: usize = 4096;
/// Most that is kept of a table, however large its owner makes it. Common servers and proxies offer
/// 4 KiB, some 64 KiB.
const KEPT_MAX_BYTES: usize = 64 * 1024;
/// Most that is kept of a table whose size is not known.
const UNKNOWN_MAX_BYTES: usize = 16 * 1024;

/// What stands at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// This name and value.
    Entry(&'a [u8], &'a [u8]),
    /// This value, under a name that nobody knows.
    Nameless,
    /// Something that was never seen.
    Unseen,
    /// Nothing: the index is wrong.
    Nothing,
}

/// One direction's dynamic table, as far as it is known.
#[derive(Debug)]
pub(super) struct Table {
    /// Newest first.
    entries: VecDeque<Entry>,
    /// What they take, as the RFC counts.
    bytes: usize,
    /// The size that the sender keeps to; `None` if that is not known.
    max: Option<usize>,
    /// Nothing that was never seen lies behind the entries.
    whole: bool,
}

/// Name and value, one behind the other.
#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    name: u32,
    named: bool,
}

impl Entry {
    const fn size(&self) -> usize {
        self.text.len() + ENTRY_BYTES
    }
}

impl Table {
    /// That of a conn that begins: empty.
    pub(super) const EMPTY: Self = Self {
        entries: VecDeque::new(),
        bytes: 0,
        max: Some(DEFAULT_BYTES),
        whole: true,
    };

    /// One of which nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        entries: VecDeque::new(),
        bytes: 0,
        max: None,
        whole: false,
    };

    /// What stands at `index`, from 1.
    pub(super) fn get(&self, index: u32) -> Found<'_> {
        let Some(index) = (index as usize).checked_sub(1) else {
            return Found::Nothing;
        };
        if let Some((name, value)) = STATIC.get(index) {
            return Found::Entry(name, value);
        }
        match self.entries.get(index - STATIC.len()) {
            Some(entry) if !entry.named => Found::Nameless,
            Some(entry) => match entry.text.split_at_checked(entry.name as usize) {
                Some((name, value)) => Found::Entry(name, value),
                None => Found::Nothing,
            },
            None if self.whole => Found::Nothing,
            None => Found::Unseen,
        }
    }

    /// Adds an entry; without a name where that is not known.
    pub(super) fn insert(&mut self, name: Option<&[u8]>, value: &[u8]) {
        let text = [name.unwrap_or_default(), value].concat();
        let size = text.len() + ENTRY_BYTES;
        if self.max.is_some_and(|max| size > max) {
            // That empties the table (RFC 7541 §4.4).
            return self.empty(true);
        }
        if size > self.kept() {
            return self.empty(false);
        }
        self.bytes += size;
        self.entries.push_front(Entry {
            text: text.into(),
            name: name.map_or(0, <[u8]>::len) as u32,
            named: name.is_some(),
        });
        self.evict();
    }

    /// The sender keeps to another size.
    pub(super) fn resize(&mut self, max: u32) {
        self.max = Some(max as usize);
        self.evict();
        if max == 0 {
            self.empty(true);
        }
    }

    /// Insertions may have passed unseen: no index is certain any more.
    pub(super) fn forget(&mut self) {
        *self = Self::UNKNOWN;
    }

    /// Memory it takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        let text = self.bytes.saturating_sub(self.entries.len() * ENTRY_BYTES);
        text + self.entries.capacity() * size_of::<Entry>()
    }

    /// Whether nothing of it is unknown.
    #[cfg(test)]
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    fn empty(&mut self, whole: bool) {
        self.entries.clear();
        self.bytes = 0;
        self.whole = whole;
    }

    fn kept(&self) -> usize {
        self.max
            .map_or(UNKNOWN_MAX_BYTES, |max| max.min(KEPT_MAX_BYTES))
    }

    /// Lets go of the oldest. Where the sender would have kept it, it counts as never seen.
    fn evict(&mut self) {
        let (kept, max) = (self.kept(), self.max);
        while self.bytes > kept
            && let Some(entry) = self.entries.pop_back()
        {
            self.whole &= max.is_some_and(|max| self.bytes > max);
            self.bytes -= entry.size();
        }
    }
}

/// RFC 7541 Appendix A.
const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];
