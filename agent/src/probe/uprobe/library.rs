//! TLS libraries: which functions of theirs are probed, and by which program.

use std::fs::File;

use tracing::debug;

use super::elf::{self, ElfError};
use super::go;
use super::handshake;
use super::nss;
use super::place::{self, CountAt, Places, Refusal, WINDOW_BYTES, Want};
use super::rustls;

/// A library by its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Library {
    /// OpenSSL, BoringSSL, LibreSSL.
    OpenSsl,
    /// GnuTLS.
    GnuTls,
    /// Go's `crypto/tls`.
    Go,
    /// rustls.
    Rustls,
    /// NSS.
    Nss,
}

impl Library {
    /// Its name in events and messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
            Self::GnuTls => "gnutls",
            Self::Go => "go",
            Self::Rustls => "rustls",
            Self::Nss => "nss",
        }
    }
}

/// A function that is probed.
struct Entry {
    name: &'static str,
    library: Library,
    want: Want,
    /// Programs on the way in, by where the count will stand: returned, fourth, fifth argument.
    programs: [&'static str; 3],
    /// What the library's plaintext cannot be had without; several may do.
    moves: Option<Way>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Read,
    Write,
}

const NONE: &str = "";
const READ: [&str; 3] = ["tls_read", "tls_read_out", NONE];
const WRITE: [&str; 3] = ["tls_write", "tls_write_out", "tls_write_out5"];
const FREE: [&str; 3] = ["tls_free", NONE, NONE];
const BIO: [&str; 3] = ["tls_bio", NONE, NONE];

const fn entry(
    name: &'static str,
    library: Library,
    want: Want,
    programs: [&'static str; 3],
    moves: Option<Way>,
) -> Entry {
    Entry {
        name,
        library,
        want,
        programs,
        moves,
    }
}

/// By which the library hands its ciphertext on. In a file of its own, which all share, every user would
/// pay for those whose library works on memory: there it is probed in single processes.
const HANDS_ON: Entry = entry("BIO_write", Library::OpenSsl, Want::In(3), BIO, None);

/// SSL_peek is left out: what it gives comes again. What ends a session comes first: an address
/// that comes back must not be taken for the session that had it before.
const FUNCTIONS: [Entry; 10] = [
    entry("SSL_free", Library::OpenSsl, Want::In(1), FREE, None),
    entry(
        "SSL_read",
        Library::OpenSsl,
        Want::Count,
        READ,
        Some(Way::Read),
    ),
    entry("SSL_read_ex", Library::OpenSsl, Want::CountAt, READ, None),
    entry(
        "SSL_write",
        Library::OpenSsl,
        Want::Count,
        WRITE,
        Some(Way::Write),
    ),
    entry("SSL_write_ex", Library::OpenSsl, Want::CountAt, WRITE, None),
    entry("gnutls_deinit", Library::GnuTls, Want::In(1), FREE, None),
    entry(
        "gnutls_record_recv",
        Library::GnuTls,
        Want::Count,
        ["gnutls_read", NONE, NONE],
        Some(Way::Read),
    ),
    entry(
        "gnutls_record_send2",
        Library::GnuTls,
        Want::Count,
        ["gnutls_write", NONE, NONE],
        Some(Way::Write),
    ),
    entry(
        "gnutls_record_send",
        Library::GnuTls,
        Want::Count,
        ["gnutls_write", NONE, NONE],
        Some(Way::Write),
    ),
    HANDS_ON,
];

/// The program on every way out.
pub(super) const BACK: &str = "tls_back";

/// Every program of the tap.
pub(super) const PROGRAMS: [&str; 24] = [
    "tls_free",
    "tls_read",
    "tls_read_out",
    "tls_write",
    "tls_write_out",
    "tls_write_out5",
    "gnutls_read",
    "gnutls_write",
    "nss_read",
    "nss_write",
    BACK,
    "tls_shake",
    "tls_bio",
    "go_close",
    "go_begin",
    "go_write",
    "go_read",
    "rustls_message",
    "rustls_flush",
    "rustls_flushed",
    "rustls_read",
    "rustls_write",
    "rustls_write_slice",
    "rustls_wrote",
];

/// Libraries whose programs a kernel may refuse while it takes the rest: what the programs' names begin with.
pub(super) const APART: [(Library, &str); 2] = [(Library::Go, "go_"), (Library::Rustls, "rustls_")];

/// A place in a file, and the program that goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// Where in the file, bytes.
    pub(super) offset: u64,
    /// The program.
    pub(super) program: &'static str,
    /// Bytes that a connection's state has for certain, which programs for rustls are told.
    pub(super) extent: Option<u16>,
}

impl Point {
    /// One of which the program need not be told anything.
    pub(super) const fn new(offset: u64, program: &'static str) -> Self {
        Self {
            offset,
            program,
            extent: None,
        }
    }
}

/// What can be probed in a file.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The library that is in it; `None` if there is none that is known.
    pub(super) library: Option<Library>,
    /// Places, ways out first: a call that is under way while they are attached is not taken for
    /// one that began.
    pub(super) points: Vec<Point>,
    /// Places that are probed in single processes only, whose library works on memory.
    pub(super) alone: Vec<Point>,
    /// Functions that are not probed, and why.
    pub(super) refused: Vec<(&'static str, Refusal)>,
    /// Why Go's functions could not be looked for, in a program that Go built.
    pub(super) damaged: Option<String>,
    /// The version of Go that built it, if that is known.
    pub(super) go: Option<String>,
}

impl Plan {
    /// Whether what is read and what is written can both be had.
    pub(super) fn hears(&self) -> bool {
        !self.points.is_empty()
    }

    /// Why not; `None` if no library was found.
    pub(super) fn why_not(&self) -> Option<String> {
        let (function, why) = self.refused.first()?;
        Some(format!("{function}: {why}"))
    }
}

/// Looks for the libraries in `file`.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn plan(file: &File) -> Result<Plan, ElfError> {
    let mut names = FUNCTIONS.map(|function| function.name).to_vec();
    names.push(nss::NAME);
    let (code, found) = elf::functions(file, &names)?;
    let mut plan = Plan::default();
    let mut ways: Vec<Way> = Vec::new();
    let (mut enter, mut leave) = (Vec::new(), Vec::new());
    let mut hands_on = false;
    for (number, entry) in FUNCTIONS.iter().enumerate() {
        for function in found.iter().filter(|function| function.name == number) {
            if entry.name != HANDS_ON.name {
                plan.library = Some(entry.library);
            }
            let read = |address| code.read(address, WINDOW_BYTES);
            let places = place::places(&function.code, function.address, entry.want, &read);
            match places.map(|places| points(entry, &places, &code)) {
                // The last of all: what else there is in the file is known.
                Ok(Some((way_in, _))) if entry.name == HANDS_ON.name && plan.library.is_none() => {
                    plan.alone.push(way_in);
                }
                Ok(Some((way_in, ways_out))) => {
                    hands_on |= entry.name == HANDS_ON.name;
                    ways.extend(entry.moves);
                    enter.push(way_in);
                    leave.extend(ways_out);
                }
                Ok(None) => plan.refused.push((entry.name, Refusal::Code)),
                Err(refusal) => plan.refused.push((entry.name, refusal)),
            }
        }
    }
    // One direction alone says little, and would be taken for the whole.
    if ways.contains(&Way::Read) && ways.contains(&Way::Write) {
        leave.sort_unstable();
        leave.dedup();
        plan.points = leave;
        plan.points.extend(enter);
        if plan.library == Some(Library::OpenSsl) {
            let handshake = handshake::find(file)?;
            if hands_on {
                plan.points.splice(0..0, handshake);
            } else {
                plan.alone = handshake;
            }
        }
    }
    if found
        .iter()
        .any(|function| function.name == FUNCTIONS.len())
    {
        plan.library.get_or_insert(Library::Nss);
        match nss::find(file, &code)? {
            Ok(points) => plan.points.extend(points),
            Err(refusal) => plan.refused.push((nss::NAME, refusal)),
        }
    }
    go_too(file, &code, &mut plan);
    if let Some(found) = rustls::find(file)? {
        plan.library.get_or_insert(Library::Rustls);
        plan.refused.extend(found.refused);
        plan.points.extend(found.points);
    }
    Ok(plan)
}

/// Adds Go's own TLS, if the program has it.
fn go_too(file: &File, code: &elf::Code<'_>, plan: &mut Plan) {
    const NAME: &str = "crypto/tls";
    match go::find(file, code) {
        Ok(None) => {}
        Ok(Some(found)) => {
            plan.library.get_or_insert(Library::Go);
            plan.refused.extend(found.refused.map(|why| (NAME, why)));
            plan.points.extend(found.points);
            plan.go = Some(found.version);
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            debug!(error, "Go's functions are not found");
            plan.damaged = Some(error.to_string());
        }
    }
}

fn points(entry: &Entry, places: &Places, code: &elf::Code<'_>) -> Option<(Point, Vec<Point>)> {
    let number = match places.count_at {
        CountAt::Result => 0,
        CountAt::Fourth => 1,
        CountAt::Fifth => 2,
    };
    let program = *entry.programs.get(number).filter(|name| **name != NONE)?;
    let point = |address, program| {
        let offset = code.offset(address)?;
        Some(Point::new(offset, program))
    };
    let leave = places.leave.iter().map(|at| point(*at, BACK));
    Some((point(places.enter, program)?, leave.collect::<Option<_>>()?))
}
