//! The messages of an exchange with what is marked in them masked.

use std::net::IpAddr;
use std::ops::Range;

use super::rules::Ruleset;
use super::{Marker, Redactor, excerpt, pseudonym};
use crate::content::{Container, Parts, Side};
use crate::exchange::{Exchange, Head, Mark, Marks, Secret, Span};
use crate::keyed::KeyedHash;
use crate::protocol::grpc;

/// What stays of a value whose form is kept.
const LAST: usize = 4;

/// Copies of those pieces of an exchange in which something is masked; the others are as they were.
/// It keeps its memory, so seal one exchange after the other with the same.
#[derive(Debug, Default)]
pub struct Masked {
    bytes: Vec<u8>,
    pieces: Vec<(Side, Container, Range<usize>)>,
    told: String,
    /// What may leave of words that are told as they are, by the word.
    pub(super) words: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the bodies of request and response are left out.
    left_out: [bool; 2],
    /// Pseudonyms, where the configuration asks for them; and what stands for an id that is a secret.
    user: Option<String>,
    via: Option<Vec<IpAddr>>,
    /// What may be shown of where each stateless detector saw something, and of what.
    excerpts: Vec<(String, String)>,
    /// What may be shown of what the process did, by the detector it proves.
    proofs: Vec<(&'static str, String)>,
    /// What the server says of how a call of gRPC ended.
    status_message: Option<Vec<u8>>,
    pub(super) marker: Marker,
    /// What an earlier exchange's parts leave.
    memory: Parts<'static>,
}

impl Masked {
    /// One that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over the marks of `exchange`. Where it has none yet, or its route has rules of its own,
    /// it is marked here: what nobody looked at is never written.
    pub fn fill(&mut self, exchange: &Exchange, redactor: &Redactor) {
        self.bytes.clear();
        self.pieces.clear();
        self.told.clear();
        self.left_out = [false; 2];
        self.excerpts.clear();
        self.proofs.clear();
        let of_route = redactor.rules_of(exchange);
        let rules = of_route.as_deref().unwrap_or(redactor.rules());
        for proof in &exchange.known.proofs {
            let act = proof.act.as_bytes();
            let act = self.marker.mask_text(redactor, rules, act);
            self.proofs.push((proof.detector, act));
        }
        self.pseudonyms(exchange, redactor);
        self.bare(exchange, redactor, rules);
        match (&exchange.known.marks, &of_route) {
            (Some(marks), None) => {
                self.take(exchange, marks, redactor);
                if !exchange.known.scores.hits.is_empty() {
                    let parts = exchange.parts(std::mem::take(&mut self.memory));
                    self.excerpts(exchange, &parts, marks, (redactor, rules));
                    self.memory = parts.recycle();
                }
            }
            _ => {
                let parts = exchange.parts(std::mem::take(&mut self.memory));
                let marks = self.marker.mark_by(redactor, rules, &parts);
                self.take(exchange, &marks, redactor);
                self.excerpts(exchange, &parts, &marks, (redactor, rules));
                self.memory = parts.recycle();
            }
        }
        self.status_message = self.message_of_grpc(exchange, redactor, rules);
    }

    /// The status message of a call, percent-decoded: by the field it came in, if something is masked
    /// there, and that is all of it if it shows in the decoded form alone; else as any text is
    /// searched. Of gRPC-Web it may stand in the body.
    fn message_of_grpc(
        &mut self,
        exchange: &Exchange,
        redactor: &Redactor,
        rules: &Ruleset,
    ) -> Option<Vec<u8>> {
        let sent = exchange.known.spoken.grpc.as_ref()?.message.as_deref()?;
        let in_head = |head: &Head, container: fn(u16) -> Container| {
            let at = head
                .fields()
                .position(|(name, _)| name.eq_ignore_ascii_case(b"grpc-message"))?;
            let place = (Side::Response, container(u16::try_from(at).ok()?));
            let masked = self.pieces.iter().find(|one| (one.0, one.1) == place)?;
            self.bytes.get(masked.2.clone())
        };
        let response = exchange.response.as_ref();
        let masked = response.and_then(|half| {
            let trailers = half.trailers.as_deref();
            let trailer = trailers.and_then(|head| in_head(head, Container::Trailer));
            trailer.or_else(|| in_head(&half.head, Container::Field))
        });
        if let Some(masked) = masked {
            return Some(grpc::message(masked));
        }
        let text = grpc::message(sent);
        let masked = self.marker.mask_text(redactor, rules, &text);
        Some(masked.into_bytes())
    }

    /// What the server says of how a call of gRPC ended.
    pub(super) fn status_message(&self) -> Option<&[u8]> {
        self.status_message.as_deref()
    }

    fn excerpts(
        &mut self,
        exchange: &Exchange,
        parts: &Parts<'_>,
        marks: &Marks,
        by: (&Redactor, &Ruleset),
    ) {
        for hit in &exchange.known.scores.hits {
            let text = excerpt::excerpt(hit, parts, marks, by, &mut self.marker);
            let part = self.part(&hit.part, by);
            self.excerpts.push((part, text));
        }
    }

    /// What may be shown of where each stateless detector saw something, and of what, in the order of
    /// `Scores::hits`.
    pub(super) fn shown(&self) -> &[(String, String)] {
        &self.excerpts
    }

    /// What may be shown of what the process did.
    pub(super) fn proofs(&self) -> &[(&'static str, String)] {
        &self.proofs
    }

    fn pseudonyms(&mut self, exchange: &Exchange, redactor: &Redactor) {
        let known = &exchange.known;
        let user = known.user.as_ref().and_then(|user| user.id.as_deref());
        self.user = user.and_then(|user| {
            if redactor.pseudonymises_user() {
                return Some(redactor.key().hash(user).to_string());
            }
            self.user_in_place_of(user, redactor)
        });
        let via = known.client.as_ref().map(|client| client.via.iter());
        self.via = via.filter(|_| redactor.pseudonymises_client()).map(|via| {
            via.map(|address| pseudonym::address(*address, redactor.key()))
                .collect()
        });
    }

    /// What stands for the user's id, if it must not be told.
    pub(super) fn user(&self) -> Option<&[u8]> {
        self.user.as_deref().map(str::as_bytes)
    }

    /// What stands for the proxies, if clients are pseudonymised.
    pub(super) fn via(&self) -> Option<&[IpAddr]> {
        self.via.as_deref()
    }

    /// The first value of the header field `name` that may leave.
    pub(super) fn field<'a>(&'a self, side: Side, head: &'a Head, name: &str) -> Option<&'a [u8]> {
        let is_it = |(_, (have, _)): &(u16, (&[u8], _))| have.eq_ignore_ascii_case(name.as_bytes());
        let (number, (_, value)) = (0..u16::MAX).zip(head.fields()).find(is_it)?;
        Some(self.or(side, Container::Field(number), value))
    }

    fn take(&mut self, exchange: &Exchange, marks: &Marks, redactor: &Redactor) {
        let keeps = redactor.keeps_binary() || redactor.is_off();
        self.left_out = [Side::Request, Side::Response].map(|side| marks.is_binary(side) && !keeps);
        self.told.push_str(&marks.told);
        let mut rest = marks.list.as_slice();
        while let Some(first) = rest.first() {
            let same = |mark: &&Mark| (mark.side, mark.container) == (first.side, first.container);
            let count = rest.iter().take_while(same).count();
            let (these, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let raw = piece(exchange, first.side, first.container);
            let start = self.bytes.len();
            self.copy(raw, these, redactor);
            let piece = (first.side, first.container, start..self.bytes.len());
            self.pieces.push(piece);
            rest = behind;
        }
    }

    fn copy(&mut self, raw: &[u8], marks: &[Mark], redactor: &Redactor) {
        let mut at = 0;
        for mark in marks {
            let (start, end) = (mark.start as usize, mark.end as usize);
            let plain = raw.get(at..start).unwrap_or_default();
            self.bytes.extend_from_slice(plain);
            let value = raw.get(start..end).unwrap_or_default();
            if mark.is_bare {
                self.bytes.push(b'"');
            }
            write(&mut self.bytes, mark, value, redactor);
            if mark.is_bare {
                self.bytes.push(b'"');
            }
            at = end;
        }
        self.bytes
            .extend_from_slice(raw.get(at..).unwrap_or_default());
    }

    /// The bytes of a piece that may leave: `raw`, if nothing in it is masked.
    pub(super) fn or<'a>(&'a self, side: Side, container: Container, raw: &'a [u8]) -> &'a [u8] {
        let is_it =
            |piece: &&(Side, Container, Range<usize>)| (piece.0, piece.1) == (side, container);
        match self.pieces.iter().find(is_it) {
            Some((_, _, range)) => self.bytes.get(range.clone()).unwrap_or_default(),
            None => raw,
        }
    }

    /// What is told of it (`sensitive`), a line each.
    pub(super) fn told(&self) -> &str {
        &self.told
    }

    /// Whether a body is left out, since it cannot be scanned.
    pub(super) const fn leaves_out(&self, side: Side) -> bool {
        let [request, response] = self.left_out;
        match side {
            Side::Request => request,
            Side::Response => response,
        }
    }
}

/// What stands for the value of `mark`.
fn write(out: &mut Vec<u8>, mark: &Mark, value: &[u8], redactor: &Redactor) {
    if mark.secret == Secret::Binary {
        out.extend_from_slice(format!("[binary:{}]", value.len()).as_bytes());
        return;
    }
    if redactor.leaves_last_four(mark.secret) && keep_form(out, value) {
        return;
    }
    stand_in(out, redactor.type_name(mark.secret), mark.hash);
}

/// Writes what stands for a secret of the type `kind`: `[masked:TYPE:hmac:…]`.
pub fn stand_in(out: &mut Vec<u8>, kind: &str, hash: KeyedHash) {
    out.extend_from_slice(b"[masked:");
    out.extend_from_slice(kind.as_bytes());
    out.push(b':');
    out.extend_from_slice(&hash.to_text());
    out.push(b']');
}

/// Stars for letters and digits but for the last four; false if that would hide less than half.
fn keep_form(out: &mut Vec<u8>, value: &[u8]) -> bool {
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric();
    let count = value.iter().filter(is_word).count();
    if count < 2 * LAST || !value.is_ascii() || value.contains(&b'%') || value.contains(&b'\\') {
        return false;
    }
    let mut left = count - LAST;
    for byte in value {
        let hides = byte.is_ascii_alphanumeric() && left > 0;
        left -= usize::from(hides);
        out.push(if hides { b'*' } else { *byte });
    }
    true
}

/// The raw bytes of a piece.
pub(super) fn piece(exchange: &Exchange, side: Side, container: Container) -> &[u8] {
    if let Container::Message(number) = container {
        let socket = exchange.known.spoken.websocket.as_ref();
        let sample = socket.and_then(|socket| socket.samples.get(usize::from(number)));
        return sample.map_or(b"", |sample| &sample.content);
    }
    let half = match side {
        Side::Request => exchange.request.as_ref(),
        Side::Response => exchange.response.as_ref(),
    };
    let Some(half) = half else { return b"" };
    let field = |head: &Head, at: u16| -> Option<Span> {
        head.fields.get(usize::from(at)).map(|(_, value)| *value)
    };
    match container {
        Container::Target => half.head.get(half.head.target),
        Container::Field(at) => field(&half.head, at).map_or(b"", |span| half.head.get(span)),
        Container::Body => &half.body.content,
        Container::Message(_) => b"",
        Container::Trailer(at) => half.trailers.as_deref().map_or(b"", |head| {
            field(head, at).map_or(b"", |span| head.get(span))
        }),
    }
}
