//! Header compression of HTTP/2 (RFC 7541), for a reader that may have come late or lost bytes.
//!
//! A block goes in, fields come out. What stands in a part of the dynamic table that was never seen
//! is unknown, and is left out rather than guessed: entries are counted from the newest, so all that
//! was added since is certain. A size of zero, or an entry larger than the table, shows that it is
//! empty: from there on nothing is unknown. A block that was lost may have added anything: with it
//! all is forgotten.

mod huffman;
mod integer;
mod table;

use super::block::Block;
use crate::protocol::http1::Limits;
use huffman::decode;
use integer::integer;
use table::{Found, Table};

/// Why a block is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends too early.
    Short,
    /// An integer beyond any use.
    Integer,
    /// A string that is no Huffman code.
    Huffman,
    /// An index at which nothing stands.
    Index,
}

/// Decodes the blocks of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// How a literal field begins (RFC 7541 §6.2).
struct Literal {
    /// Bits of the index of its name.
    prefix: u32,
    /// It is added to the table.
    added: bool,
}

impl Decoder {
    /// For a conn that begins.
    pub(super) const fn new() -> Self {
        Self::of(Table::EMPTY)
    }

    /// For one that was joined late.
    pub(super) const fn late() -> Self {
        Self::of(Table::UNKNOWN)
    }

    const fn of(table: Table) -> Self {
        Self {
            table,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Decodes the bytes of a whole block, or of the front of one, into `block`.
    ///
    /// # Errors
    /// [`Broken`] where it is none: what came before is right, and the table is no longer known.
    pub(super) fn decode(
        &mut self,
        mut bytes: &[u8],
        limits: &Limits,
        block: &mut Block,
    ) -> Result<(), Broken> {
        let decoded = loop {
            if bytes.is_empty() {
                break Ok(());
            }
            if let Err(broken) = self.field(&mut bytes, limits, block) {
                break Err(broken);
            }
        };
        if decoded.is_err() {
            self.forget();
        }
        self.name.shrink_to(1024);
        self.value.shrink_to(4096);
        decoded
    }

    /// A block was lost.
    pub(super) fn forget(&mut self) {
        self.table.forget();
    }

    /// Memory it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.table.held_bytes() + self.name.capacity() + self.value.capacity()
    }

    /// Whether every index can be resolved.
    #[cfg(test)]
    pub(super) const fn is_whole(&self) -> bool {
        self.table.is_whole()
    }

    fn field(
        &mut self,
        bytes: &mut &[u8],
        limits: &Limits,
        block: &mut Block,
    ) -> Result<(), Broken> {
        let first = bytes.first().copied().ok_or(Broken::Short)?;
        let literal = match first {
            0x80.. => {
                match self.table.get(integer(bytes, 7)?) {
                    Found::Entry(name, value) => block.add(name, value, limits),
                    Found::Nameless | Found::Unseen => block.unknown = true,
                    Found::Nothing => return Err(Broken::Index),
                }
                return Ok(());
            }
            0x40.. => Literal {
                prefix: 6,
                added: true,
            },
            0x20.. => {
                let max = integer(bytes, 5)?;
                self.table.resize(max);
                return Ok(());
            }
            _ => Literal {
                prefix: 4,
                added: false,
            },
        };
        self.literal(&literal, bytes, limits, block)
    }

    fn literal(
        &mut self,
        literal: &Literal,
        bytes: &mut &[u8],
        limits: &Limits,
        block: &mut Block,
    ) -> Result<(), Broken> {
        self.name.clear();
        self.value.clear();
        let mut named = true;
        match integer(bytes, literal.prefix)? {
            0 => string(bytes, &mut self.name)?,
            index => match self.table.get(index) {
                Found::Entry(name, _) => self.name.extend_from_slice(name),
                Found::Nameless | Found::Unseen => named = false,
                Found::Nothing => return Err(Broken::Index),
            },
        }
        string(bytes, &mut self.value)?;
        if named {
            block.add(&self.name, &self.value, limits);
        } else {
            block.unknown = true;
        }
        if literal.added {
            let name = named.then_some(self.name.as_slice());
            self.table.insert(name, &self.value);
        }
        Ok(())
    }
}

/// Reads a string off the front of `bytes` (RFC 7541 §5.2).
fn string(bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let coded = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(bytes, 7)? as usize;
    let (text, rest) = bytes.split_at_checked(length).ok_or(Broken::Short)?;
    *bytes = rest;
    if coded {
        return decode(text, out);
    }
    out.extend_from_slice(text);
    Ok(())
}

#[cfg(test)]
mod tests;
