//! Words that are told as they are, which whoever asks chooses: the method, the host, what a handshake of
//! TLS asks for, names of fields and of a call of gRPC, who the user is.

use super::masked::{Masked, stand_in};
use super::rules::Ruleset;
use super::{Marker, Redactor};
use crate::content::{Container, Side};
use crate::exchange::{Exchange, Half, Head, Mark, Secret, url};

/// Shortest word that is looked at: `Basic` and its pair are as long, and a national id nearly.
const SHORTEST: usize = 9;

impl Marker {
    /// Notes in an exchange that is marked whether the host that was asked must not be told: endpoints
    /// are kept by it.
    pub(super) fn note_host(&mut self, redactor: &Redactor, exchange: &mut Exchange) {
        let Some(request) = &exchange.request else {
            return;
        };
        let Some(marks) = &mut exchange.known.marks else {
            return;
        };
        let head = &request.head;
        let authority = head.authority.map(|span| head.get(span));
        marks.in_host = marks.list.iter().any(|mark| is_in_host(mark, head))
            || authority.is_some_and(|text| {
                is_to_be_looked_at(text) && self.secret_in(redactor, text).is_some()
            });
    }
}

/// Whether `mark`, of a request with `head`, is in the name of the host.
fn is_in_host(mark: &Mark, head: &Head) -> bool {
    let name = |at: u16| head.fields.get(usize::from(at)).map(|(name, _)| *name);
    match mark.container {
        _ if mark.side != Side::Request => false,
        Container::Field(at) => {
            name(at).is_some_and(|name| head.get(name).eq_ignore_ascii_case(b"host"))
        }
        Container::Target => url(head).domain.is_some_and(|domain| {
            let domain = head.in_target(domain.0);
            (mark.start as usize) < domain.end && domain.start < mark.end as usize
        }),
        _ => false,
    }
}

/// Whether there may be something in a word: most have no digit, or are short.
fn is_to_be_looked_at(word: &[u8]) -> bool {
    let tells = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'@' | b'=');
    word.len() >= SHORTEST && word.iter().any(tells)
}

impl Masked {
    /// Masks those words of `exchange` that hold something.
    pub(super) fn bare(&mut self, exchange: &Exchange, redactor: &Redactor, rules: &Ruleset) {
        self.words.clear();
        if redactor.is_off() {
            return;
        }
        for half in exchange.request.iter().chain(&exchange.response) {
            self.bare_of(half, redactor, rules);
        }
        if let Some(said) = &exchange.conn.open.handshake {
            let names = said.server_name.iter().chain(&said.chosen);
            for name in names.chain(&said.offered) {
                self.bare_word(name, redactor, rules);
            }
        }
        if let Some(call) = &exchange.known.spoken.grpc {
            self.bare_word(&call.service, redactor, rules);
            self.bare_word(&call.method, redactor, rules);
        }
    }

    fn bare_of(&mut self, half: &Half, redactor: &Redactor, rules: &Ruleset) {
        let head = &half.head;
        let authority = head.authority.map(|span| head.get(span));
        for word in authority.into_iter().chain([head.get(head.word)]) {
            self.bare_word(word, redactor, rules);
        }
        for head in half.trailers.as_deref().into_iter().chain([head]) {
            for (name, _) in head.fields() {
                self.bare_word(name, redactor, rules);
            }
        }
    }

    fn bare_word(&mut self, word: &[u8], redactor: &Redactor, rules: &Ruleset) {
        if !is_to_be_looked_at(word) {
            return;
        }
        let masked = self.marker.mask_text(redactor, rules, word);
        if masked.as_bytes() != word {
            self.words.push((word.to_vec(), masked.into_bytes()));
        }
    }

    /// What may be shown of the name of a part, in which other names stand.
    pub(super) fn part(&mut self, part: &str, (redactor, rules): (&Redactor, &Ruleset)) -> String {
        let masked = self.marker.mask_text(redactor, rules, part.as_bytes());
        if masked != part {
            return masked;
        }
        // To who reads a text, a number behind a dot is the end of another.
        let mut each = |name: &str| match is_to_be_looked_at(name.as_bytes()) {
            true => self.marker.mask_text(redactor, rules, name.as_bytes()),
            false => name.to_owned(),
        };
        part.split_inclusive(['.', '[', '/'])
            .map(&mut each)
            .collect()
    }

    /// What may leave of a word that is told as it is.
    pub(super) fn word<'a>(&'a self, raw: &'a [u8]) -> &'a [u8] {
        let masked = self.words.iter().find(|(word, _)| word == raw);
        masked.map_or(raw, |(_, masked)| masked)
    }

    /// What stands for the id of a user that is no name: a key that is sent as one, a card's number. A
    /// mail address or a telephone number is whom an account is of.
    pub(super) fn user_in_place_of(&mut self, id: &[u8], redactor: &Redactor) -> Option<String> {
        let secret = self.marker.secret_in(redactor, id)?;
        if matches!(secret, Secret::Email | Secret::Phone) {
            return None;
        }
        let mut out = Vec::new();
        stand_in(
            &mut out,
            redactor.type_name(secret),
            redactor.key().hash(id),
        );
        String::from_utf8(out).ok()
    }
}
