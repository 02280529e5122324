//! Command lines without their secrets.
//!
//! By name (`--password=…`, `--token …`, `API_KEY=…`, `Authorization: …`), by what a program takes
//! under one letter (`mysql -p…`, `curl -u user:…`), by place (a URL's user and password), and by
//! shape (keys of known makers, JWTs, private keys). A command inside an argument (`sh -c "…"`) is
//! looked into. Whatever is in doubt is masked; one pass over at most a few KiB, nested twice.

mod names;

use names::{after_letter, is_program, is_secret, is_token};

/// How deep commands inside arguments are looked into.
const DEPTH_MAX: usize = 2;

/// Writes what stands for a secret: of a type, and its bytes.
pub type WriteMask<'m> = dyn Fn(&str, &[u8], &mut Vec<u8>) + 'm;

/// `arguments`, each ended by NUL, with spaces between; `mask` writes what stands for a secret of a
/// type.
#[must_use]
pub fn mask_arguments(arguments: &[u8], mask: &WriteMask<'_>) -> Vec<u8> {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let mut masker = Masker {
        out: Vec::with_capacity(arguments.len()),
        mask,
        program: Vec::new(),
        next: false,
    };
    for (index, argument) in arguments.split(|byte| *byte == 0).enumerate() {
        if index > 0 {
            masker.out.push(b' ');
        }
        masker.word(argument, 0);
    }
    masker.out
}

/// The value of a label, without its secrets.
#[must_use]
pub fn mask_label(name: &str, value: &str, mask: &WriteMask<'_>) -> String {
    let mut masker = Masker {
        out: Vec::with_capacity(value.len()),
        mask,
        program: Vec::new(),
        next: is_secret(name.as_bytes()),
    };
    masker.word(value.as_bytes(), 0);
    String::from_utf8_lossy(&masker.out).into_owned()
}

struct Masker<'m> {
    out: Vec<u8>,
    mask: &'m WriteMask<'m>,
    /// The program whose letters mean something.
    program: Vec<u8>,
    /// The next word is a secret.
    next: bool,
}

impl Masker<'_> {
    fn secret(&mut self, kind: &str, value: &[u8]) {
        (self.mask)(kind, value, &mut self.out);
    }

    /// An argument, or a word of a command inside one.
    fn word(&mut self, word: &[u8], depth: usize) {
        if std::mem::take(&mut self.next) && !word.starts_with(b"--") && !word.is_empty() {
            return self.secret("argument", word);
        }
        let (open, inner, close) = unquoted(word);
        self.out.extend_from_slice(open);
        if named(inner, b'=').is_some_and(|(name, _)| is_secret(name)) {
            self.value(inner, b'=');
        } else if named(inner, b':').is_some_and(|(name, value)| is_secret(name) && !is_url(value))
        {
            self.value(inner, b':');
        } else if inner.iter().any(u8::is_ascii_whitespace) {
            self.command(inner, depth);
        } else {
            self.single(inner);
        }
        self.out.extend_from_slice(close);
    }

    /// A name, what parts it from its value, and the value, which is a secret.
    fn value(&mut self, word: &[u8], part: u8) {
        let Some((name, value)) = named(word, part) else {
            return;
        };
        self.out.extend_from_slice(name);
        self.out.push(part);
        let blanks = value.iter().take_while(|byte| **byte == b' ').count();
        let (blank, value) = value.split_at_checked(blanks).unwrap_or_default();
        self.out.extend_from_slice(blank);
        let (open, value, close) = unquoted(value);
        self.out.extend_from_slice(open);
        if !value.is_empty() {
            self.secret("argument", value);
        }
        self.out.extend_from_slice(close);
    }

    /// A text of several words: quoted ones are one.
    fn command(&mut self, text: &[u8], depth: usize) {
        if depth >= DEPTH_MAX {
            return self.secret("argument", text);
        }
        let mut rest = text;
        while let Some(first) = rest.first() {
            if first.is_ascii_whitespace() {
                self.out.push(*first);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (word, after) = rest
                .split_at_checked(word_bytes(rest))
                .unwrap_or((rest, &[]));
            self.word(word, depth + 1);
            rest = after;
        }
        self.next = false;
    }

    /// A word without blanks.
    fn single(&mut self, word: &[u8]) {
        let base = word.rsplit(|byte| *byte == b'/').next().unwrap_or(word);
        if is_program(base) {
            self.program = base.to_vec();
        }
        if let Some(at) = after_letter(&self.program, word) {
            let (letter, value) = word.split_at_checked(at).unwrap_or((word, &[]));
            self.out.extend_from_slice(letter);
            if value.is_empty() {
                self.next = true;
            } else {
                self.secret("argument", value);
            }
            return;
        }
        self.next = word.starts_with(b"-") && is_secret(word);
        self.pieces(word);
    }

    /// What a word is put together of: fields of a URL's query, of JSON, of a connection string.
    fn pieces(&mut self, word: &[u8]) {
        let mut rest = self.authority(word);
        let mut value_of_secret = false;
        while !rest.is_empty() {
            let parts = rest.iter().take_while(|byte| is_part(**byte)).count();
            let (part, after) = rest.split_at_checked(parts).unwrap_or((rest, &[]));
            self.out.extend_from_slice(part);
            value_of_secret &= part.iter().any(|byte| matches!(byte, b':' | b'='));
            let end = after.iter().take_while(|byte| !is_part(**byte)).count();
            let (piece, after) = after.split_at_checked(end).unwrap_or((after, &[]));
            rest = after;
            if piece.is_empty() {
                continue;
            }
            if value_of_secret {
                self.secret("argument", piece);
            } else if let Some(kind) = is_token(piece) {
                self.secret(kind, piece);
            } else {
                self.out.extend_from_slice(piece);
            }
            value_of_secret = is_secret(piece);
        }
    }

    /// Passes on a URL's scheme, user, and a mask for its password; what follows is left.
    fn authority<'w>(&mut self, word: &'w [u8]) -> &'w [u8] {
        let Some(at) = find(word, b"://") else {
            return word;
        };
        let (scheme, rest) = word.split_at_checked(at + 3).unwrap_or((word, &[]));
        let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'');
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let Some(user_end) = authority.iter().rposition(|byte| *byte == b'@') else {
            return word;
        };
        let (user, after) = rest.split_at_checked(user_end).unwrap_or((rest, &[]));
        self.out.extend_from_slice(scheme);
        match user.iter().position(|byte| *byte == b':') {
            Some(at) => {
                let (name, password) = user.split_at_checked(at).unwrap_or((user, &[]));
                let password = password.get(1..).unwrap_or_default();
                self.out.extend_from_slice(name);
                self.out.push(b':');
                if !password.is_empty() {
                    self.secret("argument", password);
                }
            }
            // A token in the user's place.
            None if user.len() >= 20 => self.secret("argument", user),
            None => self.out.extend_from_slice(user),
        }
        after
    }
}

/// Bytes of the word that `text` begins with: up to a blank outside quotes.
fn word_bytes(text: &[u8]) -> usize {
    let mut quote = None;
    let end = text.iter().position(|byte| match (quote, *byte) {
        (None, b'"' | b'\'') => {
            quote = Some(*byte);
            false
        }
        (Some(open), byte) if byte == open => {
            quote = None;
            false
        }
        (None, byte) => byte.is_ascii_whitespace(),
        _ => false,
    });
    end.unwrap_or(text.len())
}

/// A quote, what stands in it, and the quote's end.
fn unquoted(word: &[u8]) -> (&[u8], &[u8], &[u8]) {
    match word {
        [open @ (b'"' | b'\''), inner @ .., close] if open == close => {
            let end = word.len() - 1;
            let parts = (word.get(..1), word.get(end..));
            (
                parts.0.unwrap_or_default(),
                inner,
                parts.1.unwrap_or_default(),
            )
        }
        _ => (&[], word, &[]),
    }
}

/// What stands before the first `part` and behind it, if a name may stand there.
fn named(word: &[u8], part: u8) -> Option<(&[u8], &[u8])> {
    let at = word.iter().position(|byte| *byte == part)?;
    let (name, rest) = word.split_at_checked(at)?;
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (!name.is_empty() && name.iter().all(letter)).then(|| (name, rest.get(1..).unwrap_or_default()))
}

/// Whether what follows a colon makes a URL of it.
fn is_url(rest: &[u8]) -> bool {
    rest.starts_with(b"//")
}

/// Whether pieces of a word are parted by this.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'=:;&?,{}[]()<>|@#".contains(&byte)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, what)
}

#[cfg(test)]
mod tests;
