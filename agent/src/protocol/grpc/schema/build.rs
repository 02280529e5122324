//! Descriptor files put together.
//!
//! They are read by our own reader of the wire, which allocates nothing: a crate's types would take up to
//! a hundred times the file's size.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Meaning, Member, Message, Schema, signed};
use crate::protocol::grpc::wire::{self, Value};

/// Messages and enums in all.
pub(super) const TYPES_MAX: usize = 50_000;

/// Fields, values of enums and methods in all.
pub(super) const MEMBERS_MAX: usize = 200_000;

/// How deep types stand in types.
const NESTING_MAX: usize = 32;

/// Longest name, packages in front, in bytes.
const NAME_MAX_BYTES: usize = 256;

/// Why a descriptor file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is something else.
    #[error("is no descriptor file, as `protoc --descriptor_set_out` writes them")]
    Form,
    /// A name that no compiler lets pass.
    #[error("has a name that is none or is longer than {NAME_MAX_BYTES} bytes")]
    Name,
    /// A type that no file has.
    #[error("names the type {0}, which no file has; `protoc --include_imports` puts it in")]
    Missing(String),
    /// It is larger than what is taken.
    #[error("is too large: with those before more than {TYPES_MAX} types or {MEMBERS_MAX} fields")]
    TooLarge,
    /// Types within types within types.
    #[error("has types that stand in each other deeper than {NESTING_MAX}")]
    Nesting,
}

/// Puts the descriptor files together.
#[derive(Debug, Default)]
pub struct Builder {
    schema: Schema,
    /// Where each type is to be found; packages stand in front of their names.
    types: HashMap<String, Meaning>,
    /// Fields of messages whose types are looked up at the end, since they may stand in a later file.
    raw: Vec<Vec<Raw>>,
    /// Those messages that are the entries of a map.
    entries: Vec<bool>,
    /// Methods with the names of their request and response.
    methods: Vec<(Box<[u8]>, [String; 2])>,
    members: usize,
}

/// A field as a descriptor has it.
#[derive(Debug, Default)]
struct Raw {
    number: u64,
    name: String,
    kind: u64,
    of: String,
    repeated: bool,
}

impl Builder {
    /// Takes in a descriptor file. Of several types or methods of one name the first holds: files repeat what
    /// they import.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn file(&mut self, bytes: &[u8]) -> Result<(), SchemaError> {
        let mut files = 0;
        each(bytes, |number, value| match (number, value) {
            (1, Value::Bytes(file)) => {
                files += 1;
                self.proto(file)
            }
            _ => Err(SchemaError::Form),
        })?;
        if files == 0 {
            return Err(SchemaError::Form);
        }
        Ok(())
    }

    /// What all of them say together.
    ///
    /// # Errors
    /// A type is named that none of them has.
    pub fn finish(mut self) -> Result<Schema, SchemaError> {
        for (at, raw) in std::mem::take(&mut self.raw).into_iter().enumerate() {
            let mut members = Vec::with_capacity(raw.len());
            for field in &raw {
                members.push(self.member(field)?);
            }
            // What a broken file has twice is told of as its first.
            members.sort_by_key(|member| member.number);
            members.dedup_by_key(|member| member.number);
            if let Some(message) = self.schema.messages.get_mut(at) {
                message.0 = members;
            }
        }
        self.declare_maps();
        for (name, ends) in std::mem::take(&mut self.methods) {
            let [request, response] = ends.map(|name| match self.types.get(&name) {
                Some(Meaning::Message(at)) => Ok(*at),
                _ => Err(SchemaError::Missing(name)),
            });
            let ends = [request?, response?];
            self.schema.methods.entry(name).or_insert(ends);
        }
        Ok(self.schema)
    }

    /// A file of the source.
    fn proto(&mut self, bytes: &[u8]) -> Result<(), SchemaError> {
        let mut package = String::new();
        each(bytes, |number, value| match (number, value) {
            (2, Value::Bytes(text)) => name_into(&mut package, text),
            _ => Ok(()),
        })?;
        each(bytes, |number, value| match (number, value) {
            (4, Value::Bytes(message)) => self.message(&package, message, 0),
            (5, Value::Bytes(values)) => self.values(&package, values),
            (6, Value::Bytes(service)) => self.service(&package, service),
            _ => Ok(()),
        })
    }

    fn message(&mut self, outer: &str, bytes: &[u8], depth: usize) -> Result<(), SchemaError> {
        if depth >= NESTING_MAX {
            return Err(SchemaError::Nesting);
        }
        let name = full_name(outer, bytes)?;
        let at = self.schema.messages.len();
        if !self.name(&name, Meaning::Message(at))? {
            return Ok(());
        }
        self.schema.messages.push(Message::default());
        let (mut fields, mut is_entry) = (Vec::new(), false);
        self.raw.push(Vec::new());
        self.entries.push(false);
        each(bytes, |number, value| match (number, value) {
            (2, Value::Bytes(field)) => {
                self.count()?;
                fields.push(raw(field)?);
                Ok(())
            }
            (3, Value::Bytes(inner)) => self.message(&name, inner, depth + 1),
            (4, Value::Bytes(values)) => self.values(&name, values),
            (7, Value::Bytes(options)) => each(options, |number, value| {
                if let (7, Value::Varint(is)) = (number, value) {
                    is_entry = is != 0;
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        if let (Some(raw), Some(entry)) = (self.raw.get_mut(at), self.entries.get_mut(at)) {
            (*raw, *entry) = (fields, is_entry);
        }
        Ok(())
    }

    fn values(&mut self, outer: &str, bytes: &[u8]) -> Result<(), SchemaError> {
        let name = full_name(outer, bytes)?;
        let at = self.schema.enums.len();
        if !self.name(&name, Meaning::Enum(at))? {
            return Ok(());
        }
        let mut values: Vec<(i32, Arc<str>)> = Vec::new();
        each(bytes, |number, value| {
            if let (2, Value::Bytes(one)) = (number, value) {
                self.count()?;
                let (mut name, mut number) = (String::new(), 0);
                each(one, |at, value| match (at, value) {
                    (1, Value::Bytes(text)) => name_into(&mut name, text),
                    (2, Value::Varint(value)) => {
                        number = signed(value);
                        Ok(())
                    }
                    _ => Ok(()),
                })?;
                values.push((number, name.into()));
            }
            Ok(())
        })?;
        // Of several names of one value the first is its own.
        values.sort_by_key(|(number, _)| *number);
        values.dedup_by_key(|(number, _)| *number);
        self.schema.enums.push(values);
        Ok(())
    }

    fn service(&mut self, package: &str, bytes: &[u8]) -> Result<(), SchemaError> {
        let service = full_name(package, bytes)?;
        each(bytes, |number, value| {
            if let (2, Value::Bytes(method)) = (number, value) {
                self.count()?;
                let (mut name, mut ends) = (String::new(), [String::new(), String::new()]);
                let [request, response] = &mut ends;
                each(method, |at, value| match (at, value) {
                    (1, Value::Bytes(text)) => name_into(&mut name, text),
                    (2, Value::Bytes(text)) => name_into(request, text),
                    (3, Value::Bytes(text)) => name_into(response, text),
                    _ => Ok(()),
                })?;
                let path = format!("{service}/{name}").into_bytes();
                self.methods.push((path.into(), ends));
            }
            Ok(())
        })
    }

    /// Notes where a type is to be found; false if there is one of that name.
    fn name(&mut self, name: &str, meaning: Meaning) -> Result<bool, SchemaError> {
        if self.types.contains_key(name) {
            return Ok(false);
        }
        if self.types.len() >= TYPES_MAX {
            return Err(SchemaError::TooLarge);
        }
        self.types.insert(name.to_owned(), meaning);
        Ok(true)
    }

    fn count(&mut self) -> Result<(), SchemaError> {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            return Err(SchemaError::TooLarge);
        }
        Ok(())
    }

    fn member(&self, raw: &Raw) -> Result<Member, SchemaError> {
        let known = if raw.of.is_empty() {
            None
        } else {
            let found = self.types.get(&raw.of);
            Some(*found.ok_or_else(|| SchemaError::Missing(raw.of.clone()))?)
        };
        let (meaning, declared) = match (known, raw.kind) {
            (_, 10) => (Meaning::Group, "group"),
            (Some(meaning), _) => (meaning, &*raw.of),
            (None, kind) => scalar(kind).ok_or(SchemaError::Form)?,
        };
        let declared = if raw.repeated {
            format!("repeated {declared}").into()
        } else {
            declared.into()
        };
        Ok(Member {
            number: raw.number,
            name: raw.name.as_str().into(),
            declared,
            meaning,
            repeats: raw.repeated,
        })
    }

    /// Writes the types of maps as they are written in the source; on the wire they are messages of two
    /// fields.
    fn declare_maps(&mut self) {
        let entries = self.entries.iter().enumerate();
        let entries = entries.filter(|(_, is_entry)| **is_entry);
        let maps: HashMap<usize, Arc<str>> = entries
            .filter_map(|(at, _)| {
                let message = self.schema.message(at)?;
                let (key, value) = (message.field(1)?, message.field(2)?);
                Some((
                    at,
                    format!("map<{}, {}>", key.declared, value.declared).into(),
                ))
            })
            .collect();
        for member in self.schema.messages.iter_mut().flat_map(|one| &mut one.0) {
            let map = member.meaning.message().and_then(|at| maps.get(&at));
            if let Some(declared) = map {
                member.declared = Arc::clone(declared);
            }
        }
    }
}

/// Gives each field of a descriptor. What is cut off is none.
fn each(
    bytes: &[u8],
    mut give: impl FnMut(u64, Value<'_>) -> Result<(), SchemaError>,
) -> Result<(), SchemaError> {
    let mut rest = bytes;
    while let Some((number, value)) = wire::next(&mut rest).map_err(|_| SchemaError::Form)? {
        give(number, value)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Form)
    }
}

/// The name in `bytes`, the first field of what is declared, behind that of what it stands in.
fn full_name(outer: &str, bytes: &[u8]) -> Result<String, SchemaError> {
    let mut name = String::new();
    each(bytes, |number, value| match (number, value) {
        (1, Value::Bytes(text)) => name_into(&mut name, text),
        _ => Ok(()),
    })?;
    if name.is_empty() || outer.len() + name.len() >= NAME_MAX_BYTES {
        return Err(SchemaError::Name);
    }
    Ok(if outer.is_empty() {
        name
    } else {
        format!("{outer}.{name}")
    })
}

/// A name as protobuf allows it. Those of types have a dot in front.
fn name_into(name: &mut String, text: &[u8]) -> Result<(), SchemaError> {
    let text = text.strip_prefix(b".").unwrap_or(text);
    let is_ok = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    if text.len() > NAME_MAX_BYTES || !text.iter().all(is_ok) {
        return Err(SchemaError::Name);
    }
    name.clear();
    name.extend(text.iter().map(|byte| char::from(*byte)));
    Ok(())
}

fn raw(bytes: &[u8]) -> Result<Raw, SchemaError> {
    let mut raw = Raw::default();
    each(bytes, |number, value| {
        match (number, value) {
            (1, Value::Bytes(text)) => name_into(&mut raw.name, text)?,
            (3, Value::Varint(number)) => raw.number = number,
            (4, Value::Varint(label)) => raw.repeated = label == 3,
            (5, Value::Varint(kind)) => raw.kind = kind,
            (6, Value::Bytes(text)) => name_into(&mut raw.of, text)?,
            _ => {}
        }
        Ok(())
    })?;
    if raw.name.contains('.') {
        return Err(SchemaError::Name);
    }
    if raw.name.is_empty() || raw.number == 0 {
        return Err(SchemaError::Form);
    }
    Ok(raw)
}

/// What a type of `FieldDescriptorProto.Type` is that needs no declaration, and its name.
const fn scalar(kind: u64) -> Option<(Meaning, &'static str)> {
    Some(match kind {
        1 => (Meaning::Fixed64, "double"),
        2 => (Meaning::Fixed32, "float"),
        3 => (Meaning::Varint, "int64"),
        4 => (Meaning::Varint, "uint64"),
        5 => (Meaning::Varint, "int32"),
        6 => (Meaning::Fixed64, "fixed64"),
        7 => (Meaning::Fixed32, "fixed32"),
        8 => (Meaning::Varint, "bool"),
        9 => (Meaning::Text, "string"),
        12 => (Meaning::Bytes, "bytes"),
        13 => (Meaning::Varint, "uint32"),
        15 => (Meaning::Fixed32, "sfixed32"),
        16 => (Meaning::Fixed64, "sfixed64"),
        17 => (Meaning::Varint, "sint32"),
        18 => (Meaning::Varint, "sint64"),
        _ => return None,
    })
}
