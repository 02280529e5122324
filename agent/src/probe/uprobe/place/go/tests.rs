use super::{copied, first, written};
use crate::probe::uprobe::place::Refusal;
use crate::probe::uprobe::place::tests::{ADDRESS, code};

/// `(*Conn).Read` as Go 1.21 and newer make it, as far as it matters here.
const READ: &str = "
    49 3b 66 10          ; cmp rsp, [r14+16]
    76 28                ; jbe, to what comes last
    55                   ; push rbp
    48 89 e5             ; mov rbp, rsp
    48 83 ec 58          ; sub rsp, 0x58
    48 89 44 24 68       ; mov [rsp+0x68], rax
    48 89 5c 24 70       ; mov [rsp+0x70], rbx
    48 8b 44 24 70       ; mov rax, [rsp+0x70]
    48 39 d8             ; cmp rax, rbx
    74 05                ; je
    e8 d9 0f 00 00       ; call 0x2000
    48 83 c4 58 90       ; add rsp, 0x58
    5d                   ; pop rbp
    c3                   ; ret
    48 89 44 24 08       ; mov [rsp+8], rax
";
const TO: u64 = 0x2000;
const CALL: u64 = 0x22;

/// The same by Go 1.20 and older: the frame pointer is made after the frame.
const OLDER: &str = "
    48 83 ec 68          ; sub rsp, 0x68
    48 89 6c 24 60       ; mov [rsp+0x60], rbp
    48 8d 6c 24 60       ; lea rbp, [rsp+0x60]
    48 89 44 24 70       ; mov [rsp+0x70], rax
    48 8b 44 24 78       ; mov rax, [rsp+0x78]
    e8 e3 0f 00 00       ; call 0x2000
    c3
";

#[track_caller]
fn check(text: &str, expected: Result<u64, Refusal>) {
    let found = copied(&code(text), ADDRESS, TO);
    assert_eq!(found, expected.map(|at| ADDRESS + at));
}

/// With one instruction in place of another.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn the_copy_to_the_caller_is_found() {
    check(READ, Ok(CALL));
    check(OLDER, Ok(0x18));
}

#[test]
fn a_copy_to_elsewhere_is_none() {
    let other = changed(READ, "48 8b 44 24 70", "48 8b 44 24 38");
    check(&other, Err(Refusal::Layout));
    let register = changed(READ, "48 8b 44 24 70", "48 89 f8 66 90");
    check(&register, Err(Refusal::Layout));
}

#[test]
fn two_copies_are_none() {
    let twice = changed(READ, "48 83 c4 58 90", "e8 d4 0f 00 00");
    check(&twice, Err(Refusal::Layout));
    let none = changed(READ, "e8 d9 0f 00 00", "e8 da 0f 00 00");
    check(&none, Err(Refusal::Layout));
}

#[test]
fn a_receiver_elsewhere_is_refused() {
    let elsewhere = changed(READ, "48 89 44 24 68", "48 89 44 24 60");
    check(&elsewhere, Err(Refusal::Layout));
    let another = changed(READ, "48 89 44 24 68", "48 89 4c 24 68");
    check(&another, Err(Refusal::Layout));
    let again = changed(READ, "48 83 c4 58 90", "48 89 5c 24 68");
    check(&again, Err(Refusal::Layout));
}

#[test]
fn a_frame_pointer_of_another_frame_is_refused() {
    let none = changed(READ, "48 89 e5", "48 89 e6");
    check(&none, Err(Refusal::Layout));
    let lower = changed(OLDER, "48 8d 6c 24 60", "48 8d 6c 24 58");
    check(&lower, Err(Refusal::Layout));
}

#[test]
fn what_is_cut_anywhere_does_no_harm() {
    let whole = code(READ);
    for cut in 0..whole.len() {
        let found = copied(&whole[..cut], ADDRESS, TO);
        assert!(found.is_err() || found == Ok(ADDRESS + CALL), "at {cut}");
    }
}

#[test]
fn every_call_that_makes_records_is_found() {
    let twice = code(&changed(READ, "48 83 c4 58 90", "e8 d4 0f 00 00"));
    let found = written(&twice, ADDRESS, TO);
    assert_eq!(found, Ok(vec![ADDRESS + CALL, ADDRESS + CALL + 5]));
    assert_eq!(written(&twice, ADDRESS, TO + 1), Err(Refusal::Layout));
}

#[test]
fn the_way_in_is_the_jump_that_grows_the_stack() {
    assert_eq!(first(&code(READ), ADDRESS), Ok(ADDRESS + 4));
    // The receiver is gone by then.
    let late = code("48 89 d8 76 00 c3");
    assert_eq!(first(&late, ADDRESS), Ok(ADDRESS));
}
