//! The fields of protobuf messages, as they are reported.

use crate::event::{ProtobufField, ProtobufType};
use crate::protocol::grpc::{Field, FieldType};

/// Fields have numbers and types alone: there is nothing to mask in them.
pub(super) fn fields(fields: &[Field]) -> Vec<ProtobufField<'_>> {
    let kind = |one: &Field| match one.kind {
        FieldType::Varint => ProtobufType::Varint,
        FieldType::Fixed32 => ProtobufType::Fixed32,
        FieldType::Fixed64 => ProtobufType::Fixed64,
        FieldType::Text => ProtobufType::Text,
        FieldType::Message => ProtobufType::Message,
        FieldType::Bytes => ProtobufType::Bytes,
    };
    let fields = fields.iter().map(|one| ProtobufField {
        number: &one.path,
        kind: kind(one),
        times: one.times,
    });
    fields.collect()
}
