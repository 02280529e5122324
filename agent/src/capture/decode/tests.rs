use super::{Data, DecodeError, Record, decode};
use crate::capture::ConnBuilder;
use crate::clock::Ktime;
use eaves_common::{ConnId, Flow, Missing};

/// A data record of a transfer of ten bytes that ends at 2³² + 4, of which it holds bytes 2 to 5
/// of the five from 2 on.
fn record() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1u16.to_ne_bytes());
    bytes.extend(7u16.to_ne_bytes());
    bytes.extend(83u32.to_ne_bytes());
    for number in [
        1_000u64,
        0xffff_8880_0000_1000,
        4711,
        (1 << 32) + 4,
        10,
        2,
        5,
    ] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(3u32.to_ne_bytes());
    bytes.extend(1u16.to_ne_bytes());
    bytes.extend(4u16.to_ne_bytes());
    bytes.extend(812u32.to_ne_bytes());
    bytes.extend(813u32.to_ne_bytes());
    bytes.extend(b"GET");
    bytes
}

#[track_caller]
fn check(change: impl Fn(&mut Vec<u8>), expected: Result<Record<'_>, DecodeError>) {
    let mut bytes = record();
    change(&mut bytes);
    assert_eq!(decode(&bytes), expected);
}

fn whole() -> Record<'static> {
    Record::Data(Data {
        conn: ConnId {
            sock: 0xffff_8880_0000_1000,
            inode: 4711,
        },
        time: Ktime(1_000),
        flow: Flow::Received,
        start: 0xffff_fffc,
        span_bytes: 5,
        payload: b"GET",
        missing: Missing::Fault,
        after_loss: true,
        sequence: true,
        first: true,
        tgid: 812,
        tid: 813,
    })
}

#[test]
fn data_is_read_and_ring_memory_behind_it_is_not() {
    check(|_| (), Ok(whole()));
    check(|bytes| bytes.extend([0xaa; 100]), Ok(whole()));
}

#[track_caller]
fn check_cuts(bytes: &[u8]) {
    for cut in 0..bytes.len() {
        assert!(
            matches!(decode(&bytes[..cut]), Err(DecodeError::Short { .. })),
            "cut at byte {cut}"
        );
    }
}

#[test]
fn a_cut_anywhere_is_told() {
    check_cuts(&record());
    let mut conn = ConnBuilder::session(1);
    conn.carrier = Some(ConnId { sock: 2, inode: 3 });
    check_cuts(&conn.open());
    check_cuts(&conn.hello(Flow::Sent, 5, b"\x01\x00"));
}

#[test]
fn first_bytes_of_a_handshake_are_read() {
    let mut conn = ConnBuilder::tcp(1);
    let bytes = conn.hello(Flow::Received, 5, b"\x01\x00");
    let Ok(Record::Hello(hello)) = decode(&bytes) else {
        panic!("no hello");
    };
    let place = (hello.conn, hello.flow, hello.offset_bytes, hello.tgid);
    assert_eq!(place, (conn.conn, Flow::Received, 5, conn.tgid));
    assert_eq!(hello.payload, b"\x01\x00");
}

#[test]
fn the_socket_of_a_session_is_told_behind_all_else() {
    let carrier = |bytes: &[u8]| match decode(bytes) {
        Ok(Record::Open(open)) => open.carrier,
        other => panic!("{other:?}"),
    };
    let mut conn = ConnBuilder::session(1);
    // As before there was that field.
    let bare = conn.open();
    assert_eq!(bare.len(), eaves_common::OpenRecord::BARE_BYTES);
    assert_eq!(carrier(&bare), None);
    conn.carrier = Some(ConnId { sock: 2, inode: 3 });
    let told = conn.open();
    assert_eq!(carrier(&told), conn.carrier);
    assert_eq!(told.len(), size_of::<eaves_common::OpenRecord>());
    conn.carrier = Some(ConnId::default());
    assert_eq!(carrier(&conn.open()), None);
}

#[test]
fn numbers_that_mean_nothing_are_told() {
    for (at, field) in [(0, "kind"), (68, "flow"), (70, "missing")] {
        let value = 0x99u64;
        check(
            |bytes| bytes[at..at + 2].copy_from_slice(&0x99u16.to_ne_bytes()),
            Err(DecodeError::Value { field, value }),
        );
    }
    check(
        |bytes| bytes[56..64].copy_from_slice(&9u64.to_ne_bytes()),
        Err(DecodeError::Value {
            field: "span_bytes",
            value: 9,
        }),
    );
    check(
        |bytes| bytes[56..64].copy_from_slice(&2u64.to_ne_bytes()),
        Err(DecodeError::Value {
            field: "captured_bytes",
            value: 3,
        }),
    );
    check(
        |bytes| bytes[48..56].copy_from_slice(&u64::MAX.to_ne_bytes()),
        Err(DecodeError::Value {
            field: "span_bytes",
            value: 5,
        }),
    );
}
