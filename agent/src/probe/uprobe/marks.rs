//! What a file says of the TLS library that is linked into it: names and versions among its constants.
//!
//! It is for words to people alone, nothing is probed by it. The file is another's, and may be large: it
//! is read once, in pieces, up to a bound.

use std::fs::File;

use memchr::memmem::Finder;

use super::elf;

/// Most bytes of a file that are looked through.
const FILE_MAX_BYTES: u64 = 512 << 20;
/// Longest version that is believed.
const VERSION_MAX_BYTES: usize = 24;
/// Bytes of one piece that come again with the next: more than any mark and its version have.
const OVERLAP_BYTES: usize = 64;

/// A library that a file speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The library.
    pub(super) library: &'static str,
    /// Its version, if that stands there.
    pub(super) version: Option<String>,
}

/// How a library gives itself away.
struct Sign {
    text: &'static [u8],
    library: &'static str,
    /// A version follows, or it is none.
    versioned: bool,
}

const fn sign(text: &'static [u8], library: &'static str, versioned: bool) -> Sign {
    Sign {
        text,
        library,
        versioned,
    }
}

/// The surest first: who has several speaks of the others, as BoringSSL does of OpenSSL. Rust's and C's
/// are paths of sources, which stay in what is stripped.
const SIGNS: [Sign; 9] = [
    sign(b"/rustls-", "rustls", true),
    sign(b"/rustls/src/", "rustls", false),
    sign(b"ssl/ssl_lib.cc", "boringssl", false),
    sign(b"OpenSSL ", "openssl", true),
    sign(b"ssl/ssl_lib.c\0", "openssl", false),
    sign(b"GnuTLS ", "gnutls", true),
    sign(b"wolfSSL ", "wolfssl", true),
    sign(b"mbed TLS ", "mbedtls", true),
    sign(b"Mbed TLS ", "mbedtls", true),
];

/// The first library of [`SIGNS`] that `file` speaks of; `None` also if it cannot be read.
pub(super) fn find(file: &File) -> Option<Mark> {
    let size = file.metadata().ok()?.len().min(FILE_MAX_BYTES);
    let finders = SIGNS.map(|sign| Finder::new(sign.text));
    let mut best: Option<(usize, Mark)> = None;
    let read = elf::pieces(file, (0, size), OVERLAP_BYTES, |_, piece| {
        for (rank, (finder, sign)) in finders.iter().zip(&SIGNS).enumerate() {
            if best.as_ref().is_some_and(|(known, _)| *known <= rank) {
                break;
            }
            let mut found = finder.find_iter(piece);
            if let Some(mark) = found.find_map(|at| mark(piece, at, sign)) {
                best = Some((rank, mark));
            }
        }
        Ok(())
    });
    read.ok()?;
    best.map(|(_, mark)| mark)
}

/// The mark at `at`, if it is one.
fn mark(piece: &[u8], at: usize, sign: &Sign) -> Option<Mark> {
    let rest = piece.get(at + sign.text.len()..)?;
    let version = if sign.versioned {
        Some(version(rest)?)
    } else {
        None
    };
    Some(Mark {
        library: sign.library,
        version,
    })
}

/// A version: a digit, a dot, and more of the like, then something else.
fn version(rest: &[u8]) -> Option<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+".contains(byte);
    let len = rest
        .iter()
        .take(VERSION_MAX_BYTES + 1)
        .take_while(|byte| is_part(byte))
        .count();
    let text = str::from_utf8(rest.get(..len)?).ok()?;
    let (first, more) = text.split_once('.')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = len <= VERSION_MAX_BYTES && len < rest.len();
    (fits && number(first) && more.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| text.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{Mark, find};

    #[track_caller]
    fn check(name: &str, text: &[u8], expected: Option<(&'static str, Option<&str>)>) {
        let path = std::env::temp_dir().join(format!("eaves-marks-{name}-{}", std::process::id()));
        fs::write(&path, text).unwrap();
        let found = find(&File::open(&path).unwrap());
        fs::remove_file(&path).unwrap();
        let expected = expected.map(|(library, version)| Mark {
            library,
            version: version.map(str::to_owned),
        });
        assert_eq!(found, expected, "{}", text.escape_ascii());
    }

    #[test]
    fn a_library_is_known_by_what_it_leaves_in_a_stripped_program() {
        let path = b"\0/r/registry/src/x/rustls-0.23.20/src/conn.rs\0OpenSSL 3.0.1 \0";
        check("rustls", path, Some(("rustls", Some("0.23.20"))));
        check(
            "openssl",
            b"\0OpenSSL 3.0.19 27 Jan 2026\0",
            Some(("openssl", Some("3.0.19"))),
        );
        check("linked", b"\0../ssl/ssl_lib.c\0", Some(("openssl", None)));
        let boring = b"OpenSSL 1.1.1 (compatible; BoringSSL)\0../ssl/ssl_lib.cc\0";
        check("boring", boring, Some(("boringssl", None)));
        check(
            "gnutls",
            b"Enabled GnuTLS 3.7.9 logging...",
            Some(("gnutls", Some("3.7.9"))),
        );
    }

    #[test]
    fn words_beside_a_version_are_no_marks() {
        check("none", b"", None);
        check(
            "words",
            b"OpenSSL is needed; /rustls-pki-types-1.0/ ; GnuTLS x.y ",
            None,
        );
        check("long", b"OpenSSL 1.234567890123456789012345 ", None);
        // Cut off: it may go on.
        check("cut", b"OpenSSL 3.0", None);
    }

    #[test]
    fn a_mark_across_two_pieces_is_found() {
        for shift in 0..64 {
            let mut text = vec![b'x'; (256 << 10) - 40 + shift];
            text.extend(b"/rustls-0.21.1/src");
            text.extend([0; 1000]);
            check("across", &text, Some(("rustls", Some("0.21.1"))));
        }
    }
}
