//! rustls: where it is probed in a program that has its symbols.
//!
//! Rust promises nothing of how arguments are passed. What is relied on is no more than that the first
//! few go in the registers of the C convention, as they do in every build there is: addresses and counts
//! one by one, anything larger by its address. What is read by them the kernel programs check
//! (`tls/rustls.rs` there). All four functions are no generic ones, called from several places or
//! from other crates, so most builds have them. One that lacks one is not probed, nor one in which decrypted
//! records go past it, since the compiler made it a part of some of its callers alone.

use std::fs::File;

use super::elf::{self, ElfError, Function};
use super::library::Point;
use super::place::{self, Refusal, WINDOW_BYTES, Want};

/// A function: by what its mangled name has in it, the older way and the new alike, where it is, and
/// the programs on the way in and on the ways out.
struct Entry {
    part: &'static str,
    name: &'static str,
    want: Want,
    enter: &'static str,
    leave: &'static str,
}

const fn entry(
    part: &'static str,
    name: &'static str,
    want: Want,
    enter: &'static str,
    leave: &'static str,
) -> Entry {
    Entry {
        part,
        name,
        want,
        enter,
        leave,
    }
}

const ENTRIES: [Entry; 5] = [
    entry(
        "11CommonState8send_msg",
        "send_msg",
        Want::In(1),
        "rustls_message",
        "",
    ),
    entry(
        "14ChunkVecBuffer8write_to",
        "write_to",
        Want::Through(2),
        "rustls_flush",
        "rustls_flushed",
    ),
    entry(
        "11CommonState23take_received_plaintext",
        "take_received_plaintext",
        Want::In(2),
        "rustls_read",
        "",
    ),
    entry(
        "11CommonState16buffer_plaintext",
        "buffer_plaintext",
        Want::Through(2),
        "rustls_write",
        "rustls_wrote",
    ),
    entry(
        "11CommonState19send_some_plaintext",
        "send_some_plaintext",
        Want::Through(3),
        "rustls_write_slice",
        "rustls_wrote",
    ),
];

/// Of [`ENTRIES`], those that take plaintext: up to 0.22 the last, since then the one before.
const WRITES: [usize; 2] = [3, 4];
/// Of [`ENTRIES`], those whose first argument is not the connection's state.
const QUEUES: [usize; 1] = [1];

/// What more is looked at for how large the state of a connection is; builds that have these say little
/// of it elsewhere.
const BESIDE: [&str; 2] = [
    "11CommonState10send_plain",
    "11CommonState24perhaps_write_key_update",
];

/// What all decrypted records go to that an application gets: `handle` of these, which are called by way
/// of a table and so cannot be parts of others. Each has to call the function that is probed.
const HANDLES: &str = "ExpectTraffic";
/// Of [`ENTRIES`], that function.
const READS: usize = 2;

/// What the names have in them that are looked for: those of [`ENTRIES`], then [`BESIDE`] and [`HANDLES`].
fn parts() -> Vec<&'static str> {
    let entries = ENTRIES.iter().map(|entry| entry.part);
    entries.chain(BESIDE).chain([HANDLES]).collect()
}

/// Number of [`HANDLES`] among them.
const HANDLE: usize = ENTRIES.len() + BESIDE.len();

/// What is probed in a program.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Its places, in the order in which they are to be attached.
    pub(super) points: Vec<Point>,
    /// Why there are none: the function, and what is wrong with it.
    pub(super) refused: Option<(&'static str, Refusal)>,
}

/// Looks for rustls in `file`; `None` if it has none of its functions.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn find(file: &File) -> Result<Option<Found>, ElfError> {
    let (code, functions) = elf::mangled(file, &parts(), &is_it)?;
    if functions.iter().all(|f| f.name >= ENTRIES.len()) {
        return Ok(None);
    }
    Ok(Some(match points(&code, &functions) {
        Ok(points) => Found {
            points,
            refused: None,
        },
        Err(refused) => Found {
            points: Vec::new(),
            refused: Some(refused),
        },
    }))
}

/// The places of all functions; all of them or none.
fn points(
    code: &elf::Code<'_>,
    functions: &[Function],
) -> Result<Vec<Point>, (&'static str, Refusal)> {
    let has = |number: &usize| functions.iter().any(|f| f.name == *number);
    let written = WRITES.iter().find(|number| has(number));
    let (mut enter, mut leave) = (Vec::new(), Vec::new());
    let mut extent = 0;
    let beside = ENTRIES.len()..HANDLE;
    for beside in functions.iter().filter(|f| beside.contains(&f.name)) {
        let reached = place::extent(&beside.code, beside.address).unwrap_or(0);
        extent = extent.max(reached);
    }
    for (number, entry) in ENTRIES.iter().enumerate() {
        if WRITES.contains(&number) && written.is_some_and(|other| *other != number) {
            continue;
        }
        let refused = |why| (entry.name, why);
        let mut those = functions.iter().filter(|f| f.name == number);
        let function = those.next().ok_or(refused(Refusal::Inlined))?;
        if those.next().is_some() {
            return Err(refused(Refusal::Several));
        }
        let read = |address| code.read(address, WINDOW_BYTES);
        let places = place::places(&function.code, function.address, entry.want, &read);
        let places = places.map_err(refused)?;
        if number == READS && !all_call(functions, function.address) {
            return Err(refused(Refusal::Inlined));
        }
        if !QUEUES.contains(&number) {
            let reached = place::extent(&function.code, function.address).map_err(refused)?;
            extent = extent.max(reached);
        }
        let point = |address, program| {
            let offset = code.offset(address).ok_or(refused(Refusal::Code))?;
            Ok(Point::new(offset, program))
        };
        enter.push(point(places.enter, entry.enter)?);
        for at in places.leave {
            leave.push(point(at, entry.leave)?);
        }
    }
    let Some(extent) = u16::try_from(extent).ok().filter(|extent| *extent != 0) else {
        return Err(("CommonState", Refusal::Extent));
    };
    leave.sort_unstable();
    leave.dedup();
    leave.extend(enter);
    for point in &mut leave {
        point.extent = Some(extent);
    }
    Ok(leave)
}

/// Whether what decrypted records go to calls the function at `address`, all of them.
fn all_call(functions: &[Function], address: u64) -> bool {
    let mut handles = functions.iter().filter(|f| f.name == HANDLE).peekable();
    handles.peek().is_some() && handles.all(|f| place::written(&f.code, f.address, address).is_ok())
}

/// Whether a mangled name is that of a function of rustls: its path ends with the part that was asked for,
/// and begins in that crate.
fn is_it(number: usize, name: &[u8]) -> bool {
    let parts = parts();
    let Some(part) = parts.get(number).map(|part| part.as_bytes()) else {
        return false;
    };
    let Some(at) = memchr::memmem::find(name, part) else {
        return false;
    };
    let (path, rest) = name.split_at(at);
    let rest = rest.get(part.len()..).unwrap_or_default();
    // What a linker that makes one piece of several adds.
    let end = memchr::memmem::find(rest, b".llvm.").unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or_default();
    if number == HANDLE {
        let is_of_rustls = memchr::memmem::find(path, b"rustls").is_some();
        let hash = rest.len().saturating_sub(20);
        let (older, hashed) = rest.split_at(hash);
        let is_it = older.ends_with(b"6handle") && hashed.starts_with(b"17h");
        return is_of_rustls && (is_it || name.starts_with(b"_RNvX") && rest.ends_with(b"6handle"));
    }
    if path.starts_with(b"_ZN6rustls") {
        // `17h`, sixteen digits, `E`.
        return rest.len() == 20 && rest.starts_with(b"17h") && rest.ends_with(b"E");
    }
    path.starts_with(b"_R") && memchr::memmem::find(path, b"_6rustls").is_some() && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES, HANDLE, is_it};

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let found = (0..=HANDLE).find(|number| is_it(*number, name.as_bytes()));
        let found = found.map(|number| ENTRIES.get(number).map_or("beside", |entry| entry.name));
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn names_of_both_ways_of_mangling_are_known() {
        check(
            "_ZN6rustls12common_state11CommonState16buffer_plaintext17h5a8f4a531e402c53E",
            Some("buffer_plaintext"),
        );
        check(
            "_ZN6rustls6vecbuf14ChunkVecBuffer8write_to17h7d6d4680421dcc16E.llvm.93213234046642947",
            Some("write_to"),
        );
        check(
            "_RNvMs0_NtCs4ZAvrh1z8Qz_6rustls12common_stateNtB5_11CommonState8send_msg",
            Some("send_msg"),
        );
        check(
            "_ZN104_$LT$rustls..server..tls13..ExpectTraffic$u20$as$u20$rustls..common_state..State$LT$rustls..server..\
             server_conn..ServerConnectionData$GT$$GT$6handle17h5eefd840e16c461cE",
            Some("beside"),
        );
        check(
            "_RNvXsf_NtNtCs4ZAvrh1z8Qz_6rustls6server5tls13NtB5_13ExpectTrafficINtNtB9_12common_state5StateNtB7_4DataE6handle",
            Some("beside"),
        );
    }

    #[test]
    fn names_beside_them_are_not() {
        check(
            "_ZN6rustls12common_state11CommonState16send_msg_encrypt17hdcf095195b232fd1E",
            None,
        );
        check(
            "_ZN6rustls12common_state11CommonState8send_msg28_$u7b$$u7b$closure$u7d$$u7d$17h5a8f4a531e402c53E",
            None,
        );
        check(
            "_ZN104_$LT$rustls..server..tls13..ExpectTraffic$u20$as$u20$rustls..x$GT$20handle_decrypt_error17h5eefd840e16c461cE",
            None,
        );
        check(
            "_ZN5other12common_state11CommonState8send_msg17h5a8f4a531e402c53E",
            None,
        );
        check(
            "_RNCNvMs0_NtCs4ZAvrh1z8Qz_6rustls12common_stateNtB5_11CommonState8send_msg0B5_",
            None,
        );
    }
}
