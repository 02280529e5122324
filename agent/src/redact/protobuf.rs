//! The fields of protobuf messages, as they are reported.

use crate::event::ProtobufField;
use crate::protocol::grpc::Field;

/// Fields have numbers and types alone: there is nothing to mask in them.
pub(super) fn fields(fields: &[Field]) -> Vec<ProtobufField<'_>> {
    let fields = fields.iter().map(|one| ProtobufField {
        number: &one.path,
        kind: one.kind,
        times: one.times,
    });
    fields.collect()
}
