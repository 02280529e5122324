use super::{CountAt, Places, Refusal, Want, places};

pub(super) const ADDRESS: u64 = 0x1000;
/// Where another function lies.
const OTHER: u64 = 0x2000;

/// Code as bytes in hexadecimal, what stands behind `;` being said of it.
pub(super) fn code(text: &str) -> Vec<u8> {
    text.lines()
        .filter_map(|line| line.split(';').next())
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// Places are given in bytes from the function's first; those in the other function from its.
#[track_caller]
fn check(text: &str, want: Want, expected: Result<(u64, CountAt, &[u64]), Refusal>) {
    check_with(text, "c3", want, expected);
}

#[track_caller]
fn check_with(
    text: &str,
    other: &str,
    want: Want,
    expected: Result<(u64, CountAt, &[u64]), Refusal>,
) {
    let other = code(other);
    let read = |address: u64| {
        let at = address
            .checked_sub(OTHER)
            .and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| other.get(at..))
            .unwrap_or_default()
            .to_vec()
    };
    let expected = expected.map(|(enter, count_at, leave)| Places {
        enter: ADDRESS + enter,
        count_at,
        leave: leave.iter().map(|at| ADDRESS + at).collect(),
    });
    assert_eq!(places(&code(text), ADDRESS, want, &read), expected);
}

const OF_OTHER: u64 = OTHER - ADDRESS;

#[test]
fn an_inner_call_and_the_jump_behind_its_test_are_chosen() {
    let text = "
        48 83 ec 18       ; sub rsp, 24
        85 d2             ; test edx, edx
        78 14             ; js
        48 8d 4c 24 08    ; lea rcx, [rsp+8]
        48 63 d2          ; movsxd rdx, edx
        e8 00 00 00 00    ; call
        85 c0             ; test eax, eax
        7e 04             ; jle
        8b 44 24 08       ; mov eax, [rsp+8]
        48 83 c4 18       ; add rsp, 24
        c3                ; ret";
    let text = text.replace("78 14", "78 15");
    check(&text, Want::Count, Ok((16, CountAt::Fourth, &[23])));
    // The pointer goes in the fifth.
    let fifth = text.replace("48 8d 4c 24 08", "4c 8d 44 24 08");
    check(&fifth, Want::Count, Ok((16, CountAt::Fifth, &[23])));
    // There is none: the function is then probed at its ends.
    let none = text.replace("48 8d 4c 24 08", "48 8d 44 24 08");
    check(&none, Want::Count, Ok((6, CountAt::Result, &[33])));
    // The buffer is another.
    let other = text.replace("48 63 d2", "48 89 ce");
    check(&other, Want::Count, Ok((6, CountAt::Result, &[33])));
}

#[test]
fn a_jump_that_another_way_leads_to_is_no_way_out_of_the_call() {
    let text = "
        e8 00 00 00 00    ; call
        85 c0             ; test eax, eax
        7e 00             ; jle
        75 fc             ; jne to the jle
        c3                ; ret";
    check(text, Want::CountAt, Ok((0, CountAt::Fourth, &[11])));
    let straight = text.replace("75 fc", "75 00");
    check(&straight, Want::CountAt, Ok((0, CountAt::Fourth, &[7])));
}

#[test]
fn the_first_instruction_that_is_emulated_is_the_way_in() {
    check(
        "55 89 f8 5d c3",
        Want::Count,
        Ok((0, CountAt::Result, &[4])),
    );
    // endbr64; push rbp
    check(
        "f3 0f 1e fa 55 5d c3",
        Want::Count,
        Ok((4, CountAt::Result, &[6])),
    );
    // xor eax, eax; nop
    check("31 c0 90 c3", Want::Count, Ok((2, CountAt::Result, &[3])));
    // A nop of several bytes is single-stepped, so the first will do.
    check("66 90 c3", Want::Count, Ok((0, CountAt::Result, &[2])));
    // xor esi, esi comes first: the buffer is gone behind it.
    check(
        "31 f6 55 5d c3",
        Want::Count,
        Ok((0, CountAt::Result, &[4])),
    );
    // Of the session alone it does not matter.
    check("31 f6 55 5d c3", Want::In(1), Ok((2, CountAt::Result, &[])));
    // A loop leads back to the push.
    check(
        "31 c0 55 75 fd c3",
        Want::Count,
        Ok((0, CountAt::Result, &[5])),
    );
}

#[test]
fn every_return_is_a_way_out() {
    check(
        "55 74 02 5d c3 5d c3",
        Want::Count,
        Ok((0, CountAt::Result, &[4, 6])),
    );
}

#[test]
fn a_jump_to_another_function_is_followed_to_its_ends() {
    // jmp OTHER, at 1
    let text = "55 e9 fa 0f 00 00";
    check(text, Want::Count, Ok((0, CountAt::Result, &[OF_OTHER])));
    let two = "74 01 c3 5b c3";
    check_with(
        text,
        two,
        Want::Count,
        Ok((0, CountAt::Result, &[OF_OTHER + 2, OF_OTHER + 4])),
    );
    // It goes on through a pointer.
    check_with(text, "ff e0", Want::Count, Err(Refusal::TailCall));
    // Its code is not at hand, or goes on for ever beyond it.
    check_with(text, "", Want::Count, Err(Refusal::TailCall));
    check_with(text, "90 90", Want::Count, Err(Refusal::TailCall));
    // A loop has an end.
    check_with(text, "eb fe", Want::Count, Err(Refusal::NoEnd));
}

#[test]
fn a_table_of_jumps_stays_within_and_a_pointer_does_not() {
    let table = "
        48 63 04 82       ; movsxd rax, [rdx+rax*4]
        48 01 d0          ; add rax, rdx
        ff e0             ; jmp rax
        c3";
    check(table, Want::Count, Ok((0, CountAt::Result, &[9])));
    check("48 8b 07 ff e0 c3", Want::Count, Err(Refusal::TailCall));
}

#[test]
fn what_does_not_hold_together_is_refused() {
    // The last instruction is cut.
    check("55 48 83", Want::Count, Err(Refusal::Code));
    // No such instruction in 64 bits.
    check("06 c3", Want::Count, Err(Refusal::Code));
    // It jumps into the middle of its own.
    check("eb 01 48 89 f8 c3", Want::Count, Err(Refusal::Jump));
    // It has no end.
    check("eb fe", Want::Count, Err(Refusal::NoEnd));
    check("", Want::Count, Err(Refusal::NoEnd));
}

#[test]
fn code_of_any_bytes_is_placed_within_or_refused() {
    use proptest::prelude::*;
    proptest!(|(code in proptest::collection::vec(any::<u8>(), 0..200))| {
        let wants = [Want::Count, Want::CountAt, Want::In(1), Want::In(3), Want::Through(2)];
        for want in wants {
            if let Ok(places) = places(&code, ADDRESS, want, &|_| Vec::new()) {
                let within = ADDRESS..ADDRESS + (code.len() as u64).max(1);
                prop_assert!(within.contains(&places.enter));
                prop_assert!(places.leave.iter().all(|at| within.contains(at)));
            }
        }
    });
}
