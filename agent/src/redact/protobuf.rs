//! The fields of protobuf messages, as they are reported.

use crate::event::ProtobufField;
use crate::protocol::grpc::Field;

/// Fields have numbers, types, and names that the user gave: there is nothing to mask in them.
pub(super) fn fields(fields: &[Field]) -> Vec<ProtobufField<'_>> {
    let fields = fields.iter().map(|one| ProtobufField {
        number: &one.path,
        name: one.named.as_ref().map(|named| &*named.name),
        declared: one.named.as_ref().map(|named| &*named.declared),
        values: one.named.as_ref().map_or_else(Vec::new, |named| {
            named.values.iter().map(|value| &**value).collect()
        }),
        kind: one.kind,
        times: one.times,
    });
    fields.collect()
}
