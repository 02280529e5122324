//! NSS: the functions of its TLS library that take and give plaintext, which have no names.
//!
//! An application calls `PR_Read` or `PR_Send` of NSPR, which everybody shares for files and sockets of any kind,
//! and those go on in what the descriptor's layer says. For TLS that ends in two functions of NSS, `ssl_SecureRecv`
//! and `ssl_SecureSend`: session, buffer, length, flags. They stand in a table of the library's own
//! (`ssl_secure_ops`, lib/ssl/sslsock.c), and right behind them two that call them without flags, and do
//! nothing else. By that the table is known: no other pointers of the file lie so.

use std::fs::File;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic, OpKind, Register};

use super::elf::{Code, ElfError};
use super::library::{BACK, Point};
use super::place::{self, Refusal, WINDOW_BYTES};
use super::table;

/// What says that a file has NSS's TLS in it.
pub(super) const NAME: &str = "SSL_ImportFD";
/// Bytes of a pointer.
const WORD: u64 = 8;
/// Bytes of code by which a function that calls another without flags is known.
const SHORT_BYTES: usize = 16;

/// What is probed, as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    close: u64,
    receive: u64,
    send: u64,
}

/// Places of all three, ways out first.
///
/// # Errors
/// What is wrong with the file; within, why the functions are not probed.
pub(super) fn find(file: &File, code: &Code<'_>) -> Result<Result<Vec<Point>, Refusal>, ElfError> {
    let pointers = table::pointers(file, &(0..u64::MAX))?;
    let read = |address| code.read(address, SHORT_BYTES);
    Ok(functions(&pointers, &read).and_then(|found| points(code, found)))
}

/// Finds the functions among pointers, sorted by where they lie.
fn functions(pointers: &[(u64, u64)], read: &dyn Fn(u64) -> Vec<u8>) -> Result<Found, Refusal> {
    let mut found = None;
    for row in pointers.windows(5) {
        let [
            (first, close),
            (_, receive),
            (_, send),
            (_, takes),
            (_, gives),
        ] = *row
        else {
            continue;
        };
        let is_row = (0..).zip(row).all(|(number, (place, _))| {
            let at = first.checked_add(number * WORD);
            at == Some(*place)
        });
        let calls =
            |function: u64, other: u64| without_flags(&read(function), function) == Some(other);
        if !is_row || receive == send || !calls(takes, receive) || !calls(gives, send) {
            continue;
        }
        let one = Found {
            close,
            receive,
            send,
        };
        if found.replace(one).is_some_and(|other| other != one) {
            return Err(Refusal::Several);
        }
    }
    found.ok_or(Refusal::Inlined)
}

/// The function that one goes on in which does nothing but make the fourth argument 0: `xor ecx, ecx; jmp`.
fn without_flags(code: &[u8], address: u64) -> Option<u64> {
    let all = Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter();
    let mut all = all.filter(|instruction| instruction.mnemonic() != Mnemonic::Endbr64);
    let (zero, jump) = (all.next()?, all.next()?);
    let zeroes = zero.mnemonic() == Mnemonic::Xor
        && zero.op0_register() == Register::ECX
        && zero.op1_kind() == OpKind::Register
        && zero.op1_register() == Register::ECX;
    (zeroes && jump.flow_control() == FlowControl::UnconditionalBranch)
        .then(|| jump.near_branch_target())
}

fn points(code: &Code<'_>, found: Found) -> Result<Vec<Point>, Refusal> {
    let read = |address| code.read(address, WINDOW_BYTES);
    let point = |address, program| {
        let offset = code.offset(address).ok_or(Refusal::Code)?;
        Ok(Point::new(offset, program))
    };
    let mut points = Vec::new();
    for function in [found.receive, found.send] {
        for end in place::ends(function, &read)? {
            points.push(point(end, BACK)?);
        }
    }
    points.sort_unstable();
    points.dedup();
    let ways_in = [
        (found.close, "tls_free"),
        (found.receive, "nss_read"),
        (found.send, "nss_write"),
    ];
    for (function, program) in ways_in {
        points.push(point(place::enter(function, &read), program)?);
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::super::place::Refusal;
    use super::{Found, functions, without_flags};

    /// `ssl_SecureRead` and `ssl_SecureWrite` of NSS 3.87.1, as Debian 12 builds it.
    const READ: &[u8] = b"\x31\xc9\xe9\xc9\xfc\xff\xff";
    const WRITE: &[u8] = b"\x31\xc9\xe9\xa9\xfa\xff\xff";

    fn code(address: u64) -> Vec<u8> {
        match address {
            0x2f740 => READ.to_vec(),
            0x2fca0 => WRITE.to_vec(),
            _ => vec![0x41, 0x57, 0x41, 0x56, 0xc3],
        }
    }

    /// The table at `at`, from `shutdown` on.
    fn table(at: u64) -> Vec<(u64, u64)> {
        let to = [
            0x2f390, 0x2f320, 0x2f410, 0x2f750, 0x2f740, 0x2fca0, 0x2a410,
        ];
        (0..)
            .zip(to)
            .map(|(number, to)| (at + number * 8, to))
            .collect()
    }

    const FOUND: Found = Found {
        close: 0x2f320,
        receive: 0x2f410,
        send: 0x2f750,
    };

    #[test]
    fn the_table_is_known_by_the_two_that_call_the_others() {
        assert_eq!(without_flags(READ, 0x2f740), Some(0x2f410));
        assert_eq!(functions(&table(0x643e0), &code), Ok(FOUND));
        // Twice the same functions are the same functions.
        let twice = [table(0x643e0), table(0x70000)].concat();
        assert_eq!(functions(&twice, &code), Ok(FOUND));
    }

    #[test]
    fn what_is_not_so_is_not_taken_for_it() {
        assert_eq!(functions(&[], &code), Err(Refusal::Inlined));
        let mut apart = table(0x643e0);
        apart[3].0 += 4;
        assert_eq!(functions(&apart, &code), Err(Refusal::Inlined));
        let mut other = table(0x643e0);
        other[2].1 = 0x2f480;
        assert_eq!(functions(&other, &code), Err(Refusal::Inlined));
        // Two tables that differ: which is meant is not known.
        let mut second = table(0x70000);
        second[1].1 = 0x2f999;
        let both = [table(0x643e0), second].concat();
        assert_eq!(functions(&both, &code), Err(Refusal::Several));
        assert_eq!(without_flags(b"", 0), None);
        assert_eq!(without_flags(&WRITE[..3], 0), None);
        assert_eq!(
            without_flags(b"\x31\xd2\xe9\xf9\xfe\xff\xff", 0x39e20),
            None
        );
    }
}
