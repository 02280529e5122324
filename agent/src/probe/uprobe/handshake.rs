//! What moves a handshake of OpenSSL's on, where it is called by itself: `SSL_do_handshake` goes on in it
//! and is over before it ends, so that it has no way out of its own.
//!
//! It is a function that the library keeps in a table of methods, one for servers and one for clients.
//! Which field that is, the functions say that choose between the two. BoringSSL's `SSL_do_handshake` has ways
//! out like any other function.

use std::fs::File;

use super::elf::{self, Code, ElfError};
use super::library::{BACK, Point};
use super::place::{self, WINDOW_BYTES};
use super::table;

/// Those that choose, that which gives the table, and that which is called.
const FUNCTIONS: [&str; 4] = [
    "SSL_set_accept_state",
    "SSL_set_connect_state",
    "TLS_method",
    "SSL_do_handshake",
];
/// The program on the ways in.
const SHAKE: &str = "tls_shake";
/// Bytes of the table, at most.
const TABLE_BYTES: u64 = 512;

/// Places of both, ways out first; none unless all is as it must be.
///
/// # Errors
/// As [`elf::functions`].
pub(super) fn find(file: &File) -> Result<Vec<Point>, ElfError> {
    let (code, found) = elf::functions(file, &FUNCTIONS)?;
    let of = |name: usize| found.iter().find(|function| function.name == name);
    let kept = match (of(0), of(1), of(2)) {
        (Some(accept), Some(connect), Some(method)) => in_table(file, [accept, connect, method])?,
        _ => None,
    };
    if let Some(functions) = kept {
        return Ok(points(&code, &functions).unwrap_or_default());
    }
    let own = of(3).and_then(|function| points(&code, &[function.address]));
    Ok(own.unwrap_or_default())
}

/// The functions for servers and for clients that the table has; `None` if there is no such.
fn in_table(
    file: &File,
    [accept, connect, method]: [&elf::Function; 3],
) -> Result<Option<[u64; 2]>, ElfError> {
    let moved = |function: &elf::Function| place::moved(&function.code, function.address);
    let table = place::given(&method.code, method.address);
    let (Some((serve, to)), Some((ask, same)), Some(table)) =
        (moved(accept), moved(connect), table)
    else {
        return Ok(None);
    };
    if to != same || serve == ask || serve.max(ask) > TABLE_BYTES {
        return Ok(None);
    }
    let within = table..table.saturating_add(TABLE_BYTES);
    let pointers = table::pointers(file, &within)?;
    let at = |field: u64| {
        let place = table.checked_add(field)?;
        let found = pointers.iter().find(|(at, _)| *at == place);
        found.map(|(_, to)| *to)
    };
    Ok(at(serve).zip(at(ask)).map(<[u64; 2]>::from))
}

fn points(code: &Code<'_>, functions: &[u64]) -> Option<Vec<Point>> {
    let read = |address| code.read(address, WINDOW_BYTES);
    let (mut enter, mut leave) = (Vec::new(), Vec::new());
    for &function in functions {
        let way_in = place::enter(function, &read);
        enter.push(Point::new(code.offset(way_in)?, SHAKE));
        for end in place::ends(function, &read).ok()? {
            leave.push(Point::new(code.offset(end)?, BACK));
        }
    }
    leave.sort_unstable();
    leave.dedup();
    leave.extend(enter);
    Some(leave)
}
