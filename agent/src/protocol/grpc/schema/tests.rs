//! Against what protoc makes of `tests/fixtures/grpc/shop.proto`: its descriptor file, and a message that it
//! encoded.

use std::fmt::Write as _;

use super::{Builder, Schema, SchemaError};
use crate::protocol::grpc::Fields;

const SHOP: &[u8] = include_bytes!("../../../../../tests/fixtures/grpc/shop.pb");
const ORDER: &[u8] = include_bytes!("../../../../../tests/fixtures/grpc/order.bin");

fn schema() -> Schema {
    let mut builder = Builder::default();
    builder.file(SHOP).unwrap();
    builder.finish().unwrap()
}

/// What is told of `message`, as one that `shop.Cart` is asked to add.
#[track_caller]
fn check(message: &[u8], expected: &str) {
    let schema = schema();
    let [order, receipt] = schema.method(b"shop.Cart", b"Add");
    assert!(order.is_some() && receipt.is_some() && order != receipt);
    let mut fields = Fields::new(&schema, order);
    fields.message(message);
    let mut told = String::new();
    for field in fields.take() {
        let named = field.named.as_deref().map_or(String::new(), |named| {
            format!(" {}: {} {:?}", named.name, named.declared, named.values)
        });
        let (path, kind, times) = (&field.path, field.kind, field.times);
        writeln!(told, "{path}{named} {kind:?} {times}").unwrap();
    }
    assert_eq!(told, expected);
}

#[test]
fn fields_go_by_the_names_of_their_schema() {
    check(
        ORDER,
        r#"1 id: int64 [] Varint 1
2 items: repeated shop.Order.Item [] Message 2
2.1 items.sku: string [] Text 2
2.2 items.count: uint32 [] Varint 1
2.3 items.colour: shop.Colour ["COLOUR_RED", "COLOUR_FADED"] Varint 2
2.4 items.turns: repeated sint32 [] Varint 2
2.5 items.weights: repeated double [] Fixed64 3
3 extras: map<string, shop.Order.Item> [] Message 1
3.1 extras.key: string [] Text 1
3.2 extras.value: shop.Order.Item [] Message 1
3.2.1 extras.value.sku: string [] Text 1
4 placed: google.protobuf.Timestamp [] Message 1
4.1 placed.seconds: int64 [] Varint 1
4.2 placed.nanos: int32 [] Varint 1
5 signature: bytes [] Bytes 1
17 account: fixed32 [] Fixed32 1
18 palette: repeated shop.Colour ["COLOUR_RED", "COLOUR_FADED"] Varint 2
"#,
    );
}

#[test]
fn what_a_schema_does_not_have_or_has_otherwise_stays_a_number() {
    // Field 9 is unknown; the id is text here, an item is no message, its SKU a number.
    check(
        b"\x48\x01\x0a\x02id\x12\x03\x08\xff\xff\x12\x02\x08\x01\x12\x02\x40\x01",
        "9 Varint 1\n1 Text 1\n2 Bytes 1\n2 items: repeated shop.Order.Item [] Message 2\n2.1 Varint 1\n2.8 Varint 1\n",
    );
    let schema = schema();
    assert_eq!(schema.method(b"shop.Cart", b"Take"), [None; 2]);
    assert_eq!(Schema::default().method(b"shop.Cart", b"Add"), [None; 2]);
}

/// What the descriptor files say together, or why they do not.
fn read(files: &[&[u8]]) -> Result<Schema, SchemaError> {
    let mut builder = Builder::default();
    for file in files {
        builder.file(file)?;
    }
    builder.finish()
}

/// A field of the wire: bytes behind a number and their length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let length =
        [0, 7, 14, 21].map(|at| (length >> at & 0x7f) as u8 | if at < 21 { 0x80 } else { 0 });
    [&[number << 3 | 2][..], &length, bytes].concat()
}

#[test]
fn files_that_are_none_say_so_and_those_that_repeat_do_not_matter() {
    assert_eq!(read(&[SHOP, SHOP]), read(&[SHOP]));
    for wrong in [
        &b""[..],
        b"syntax = \"proto3\";",
        b"\x08\x01",
        b"{}",
        &[0xff; 64],
        &SHOP[1..],
    ] {
        assert_eq!(read(&[wrong]), Err(SchemaError::Form), "{wrong:?}");
    }
    for cut in 0..SHOP.len() {
        // Between two files a cut leaves a whole set, that lacks the second.
        let read = read(&[&SHOP[..cut]]);
        assert!(read.is_err() || !read.unwrap().methods.contains_key(&b"shop.Cart/Add"[..]));
    }
    let add = field(
        2,
        &[field(1, b"Add"), field(2, b".a.B"), field(3, b".a.B")].concat(),
    );
    let service = field(6, &[field(1, b"S"), add].concat());
    let file = field(1, &[field(2, b"a"), service].concat());
    assert_eq!(read(&[&file]), Err(SchemaError::Missing("a.B".to_owned())));
    let message = field(1, &[field(2, b"a"), field(4, &field(1, b"B"))].concat());
    assert!(read(&[&file, &message]).is_ok());
    let odd = field(1, &field(4, &field(1, b"a b\n")));
    assert_eq!(read(&[&odd]), Err(SchemaError::Name));
}

#[test]
fn of_methods_and_fields_of_one_name_the_first_holds() {
    let number =
        |name: &[u8], number| field(2, &[&field(1, name)[..], &[0x18, number, 0x28, 5]].concat());
    let types = [(b"B", b"b"), (b"C", b"c")].map(|(name, member)| {
        let fields = [number(member, 1), number(b"late", 1)].concat();
        field(4, &[field(1, name), fields].concat())
    });
    let services = [b".a.B", b".a.C"].map(|of| {
        let add = [field(1, b"Add"), field(2, of), field(3, of)].concat();
        field(6, &[field(1, b"S"), field(2, &add)].concat())
    });
    let file = [field(2, b"a"), types.concat(), services.concat()].concat();
    let schema = read(&[&field(1, &file)]).unwrap();
    let [request, response] = schema.method(b"a.S", b"Add").map(Option::unwrap);
    let names = [request, response].map(|message| &*message.field(1).unwrap().name);
    assert_eq!(names, ["b", "b"]);
}

#[test]
fn hostile_files_are_bounded() {
    let mut deep = field(1, b"M");
    for _ in 0..40 {
        deep = [field(1, b"M"), field(3, &deep)].concat();
    }
    let deep = field(1, &field(4, &deep));
    assert_eq!(read(&[&deep]), Err(SchemaError::Nesting));
    let many: Vec<u8> = (0..super::build::TYPES_MAX + 1)
        .flat_map(|number| field(5, &field(1, format!("E{number}").as_bytes())))
        .collect();
    assert_eq!(read(&[&field(1, &many)]), Err(SchemaError::TooLarge));
    let value = field(2, &field(1, b"V"));
    let values = field(
        1,
        &field(
            5,
            &[field(1, b"E"), value.repeat(super::build::MEMBERS_MAX + 1)].concat(),
        ),
    );
    assert_eq!(read(&[&values]), Err(SchemaError::TooLarge));
    let long = field(1, &field(4, &field(1, &[b'n'; 300])));
    assert_eq!(read(&[&long]), Err(SchemaError::Name));
    // Messages that hold themselves are looked into as deep as any.
    let schema = schema();
    let [_, receipt] = schema.method(b"shop.Cart", b"Add");
    let mut nest = b"\x08\x01".to_vec();
    for _ in 0..30 {
        nest = [&[0x12, nest.len() as u8][..], &nest].concat();
    }
    let mut fields = Fields::new(&schema, receipt);
    fields.message(&nest);
    let fields = fields.take();
    let last = fields.last().unwrap().named.as_deref().unwrap();
    assert_eq!(
        (fields.len(), &*last.name),
        (7, "former.former.former.former.former.former.former")
    );
}
