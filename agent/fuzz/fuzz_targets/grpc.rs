//! Descriptor files and messages of protobuf: what is told of a message is bounded, its fields' numbers
//! and types are those of any schema, and the time is linear.
#![no_main]

use eaves::protocol::grpc::{Fields, Schema, SchemaBuilder, message};
use eaves_fuzz::linear;
use libfuzzer_sys::fuzz_target;

const SHOP: &[u8] = include_bytes!("../../../tests/fixtures/grpc/shop.pb");

fn read(file: &[u8]) -> Option<Schema> {
    let mut builder = SchemaBuilder::default();
    builder.file(file).ok()?;
    builder.finish().ok()
}

fuzz_target!(|bytes: &[u8]| {
    linear(bytes.len(), || {
        let schema = read(bytes).or_else(|| read(SHOP)).unwrap_or_default();
        let [order, _] = schema.method(b"shop.Cart", b"Add");
        let mut fields = Fields::new(&schema, order);
        fields.message(bytes);
        let fields = fields.take();
        assert!(fields.len() <= 32);
        for field in fields {
            let depth = field.path.split('.').count();
            let names = field.named.map(|named| named.name.split('.').count());
            assert!(depth <= 7 && names.is_none_or(|names| names == depth));
        }
        assert!(message(bytes).len() <= bytes.len());
    });
});
