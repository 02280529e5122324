//! What messages of protobuf are made of, by name: read from descriptor files (`protoc
//! --include_imports --descriptor_set_out`), which are themselves a message of protobuf
//! (`google/protobuf/descriptor.proto`).

mod build;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use build::{Builder, SchemaError};

/// What descriptor files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    messages: Vec<Message>,
    enums: Vec<Vec<(i32, Arc<str>)>>,
    /// Request and response of each method, by `package.Service/Method`.
    methods: HashMap<Box<[u8]>, [usize; 2]>,
}

/// The fields of a message, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<Member>);

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub number: u64,
    pub name: Box<str>,
    /// Its type as it was declared.
    pub declared: Arc<str>,
    pub meaning: Meaning,
    pub repeats: bool,
}

/// What the value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Varint,
    Fixed32,
    Fixed64,
    Text,
    Bytes,
    /// A value of the enum of this number.
    Enum(usize),
    /// The message of this number.
    Message(usize),
    /// Of protobuf's first version: no service of gRPC has them.
    Group,
}

impl Meaning {
    pub(super) const fn message(self) -> Option<usize> {
        match self {
            Self::Message(at) => Some(at),
            _ => None,
        }
    }
}

impl Schema {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    /// Request and response of a method.
    #[must_use]
    pub fn method(&self, service: &[u8], method: &[u8]) -> [Option<&Message>; 2] {
        if self.is_empty() {
            return [None; 2];
        }
        let name = [service, b"/", method].concat();
        match self.methods.get(&*name) {
            Some(ends) => ends.map(|at| self.message(at)),
            None => [None; 2],
        }
    }

    pub(super) fn message(&self, at: usize) -> Option<&Message> {
        self.messages.get(at)
    }

    /// The name of a value of the enum of this number, if it has it.
    pub(super) fn value(&self, of: usize, number: u64) -> Option<&Arc<str>> {
        let values = self.enums.get(of)?;
        let number = signed(number);
        let at = values.binary_search_by_key(&number, |(have, _)| *have);
        values.get(at.ok()?).map(|(_, name)| name)
    }
}

impl Message {
    pub(super) fn field(&self, number: u64) -> Option<&Member> {
        let at = self.0.binary_search_by_key(&number, |field| field.number);
        self.0.get(at.ok()?)
    }
}

/// The number that a varint stands for, of 32 bits with their sign.
#[expect(
    clippy::cast_possible_truncation,
    reason = "protobuf cuts it off: negative ones are sent with 64 bits"
)]
const fn signed(varint: u64) -> i32 {
    varint as i32
}
