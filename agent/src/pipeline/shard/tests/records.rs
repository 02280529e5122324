//! Calls that move more than goes into one record.

use eaves_common::{Flow, data_flag};

use super::{GET, OK, WHOLE, check, run, turn};
use crate::capture::ConnBuilder;

/// Bytes of the response's body.
const BODY: usize = 1000;
/// Bytes of one record of it, the head in the first.
const PIECE: usize = 100;

/// A response whose body says at each place where it is.
fn response() -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
    [head.into_bytes(), body()].concat()
}

fn body() -> Vec<u8> {
    let numbers = (0..BODY / 5).flat_map(|number| format!("{number:04}\n").into_bytes());
    numbers.collect()
}

/// A request, and the records of its response.
fn call(conn: &mut ConnBuilder) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let records = vec![conn.open(), conn.data(Flow::Received, GET)];
    (records, conn.call(Flow::Sent, &response(), PIECE))
}

/// Says of a record that some before it found no room.
fn after_loss(record: &mut [u8]) {
    let flags = u16::from_ne_bytes([record[2], record[3]]) | data_flag::AFTER_LOSS;
    record[2..4].copy_from_slice(&flags.to_ne_bytes());
}

#[test]
fn the_records_of_one_call_are_one_stretch_of_bytes() {
    for most in [1, 37, 4096] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = vec![conn.open()];
        records.extend(conn.call(Flow::Received, &GET.repeat(20), most));
        records.extend(conn.call(Flow::Sent, &OK.repeat(20), most));
        let out = check(&records, &[WHOLE; 20]);
        assert!(out.exchanges.iter().all(|one| one.missing_bytes == 0));
    }
}

#[test]
fn a_record_in_the_middle_that_found_no_room_is_a_gap() {
    for conn in [ConnBuilder::tcp(1), ConnBuilder::unix(1, 2)] {
        let mut conn = conn;
        let (mut records, mut call) = call(&mut conn);
        call.remove(4);
        after_loss(&mut call[4]);
        records.extend(call);
        records.extend(turn(&mut conn).split_off(1));
        let gap = "GET /a 0 whole | 200 1000 gap ringfull";
        let out = check(&records, &[gap, WHOLE]);
        assert_eq!(out.exchanges[0].missing_bytes, PIECE as u64);
        let kept = &out.exchanges[0].response.as_ref().unwrap().body.content;
        assert_eq!(*kept, response()[response().len() - BODY..4 * PIECE]);
    }
}

#[test]
fn records_at_the_end_that_found_no_room_are_a_gap_before_the_next_call() {
    let mut conn = ConnBuilder::tcp(1);
    let (mut records, mut call) = call(&mut conn);
    call.truncate(7);
    records.extend(call);
    records.push(conn.data(Flow::Received, GET));
    conn.after_loss = true;
    records.push(conn.data(Flow::Sent, OK));
    let gap = "GET /a 0 whole | 200 1000 gap ringfull";
    let out = check(&records, &[gap, WHOLE]);
    let missing = response().len() - 7 * PIECE;
    assert_eq!(out.exchanges[0].missing_bytes, missing as u64);
}

#[test]
fn a_record_in_the_middle_that_never_came_is_a_gap_all_the_same() {
    let mut conn = ConnBuilder::tcp(1);
    let (mut records, mut call) = call(&mut conn);
    call.remove(4);
    records.extend(call);
    records.extend(turn(&mut conn).split_off(1));
    let gap = "GET /a 0 whole | 200 1000 gap unseenpath";
    let out = check(&records, &[gap, WHOLE]);
    assert_eq!(out.exchanges[0].missing_bytes, PIECE as u64);
}

#[test]
fn a_large_call_waits_whole_for_a_small_one_of_another_thread() {
    // As many bytes as are ever copied of one call, and as many records as one may give.
    for (bytes, most) in [(2 << 20, 16_384), (64 * 1100, 64)] {
        let mut conn = ConnBuilder::tcp(1);
        let mut records = turn(&mut conn);
        let head = format!("POST /big HTTP/1.1\r\nContent-Length: {bytes}\r\n\r\n");
        conn.tid = 101;
        let small = conn.data(Flow::Received, head.as_bytes());
        conn.tid = 102;
        records.extend(conn.call(Flow::Received, &vec![b'.'; bytes], most));
        records.push(small);
        conn.tid = 103;
        records.push(conn.data(Flow::Sent, OK));
        let big = format!("POST /big {bytes} truncated | 200 5 whole bodylimit");
        check(&records, &[WHOLE, &big]);
    }
}

/// Whatever becomes of the records of a call on their way, and whatever they say of their place, no
/// byte is told that was not there, and nothing breaks.
#[test]
fn records_bent_in_any_way_give_no_wrong_bytes() {
    let mut seed = 7_u64;
    let mut below = move |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % limit
    };
    for round in 0..2_000 {
        let mut conn = ConnBuilder::tcp(1);
        let (mut records, mut call) = call(&mut conn);
        for _ in 0..=below(3) {
            let at = below(call.len());
            match below(4) {
                0 => drop(call.remove(at)),
                1 => call.swap(at, 0),
                2 => call.insert(at, call[below(call.len())].clone()),
                _ => after_loss(&mut call[at]),
            }
        }
        records.extend(call);
        records.extend(turn(&mut conn).split_off(1));
        let (out, _) = run(&records);
        for exchange in &out.exchanges {
            let Some(response) = &exchange.response else {
                continue;
            };
            let kept = &response.body.content;
            let is_true = body().starts_with(kept) || b"hello".starts_with(kept);
            assert!(is_true, "round {round}: {}", kept.escape_ascii());
        }
        // Places and lengths that no call can have.
        for record in &mut records[2..] {
            let at = 32 + below(48);
            record[at] ^= 1 << below(8);
        }
        let _ = run(&records);
    }
}
