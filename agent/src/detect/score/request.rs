//! One request: its values and names through the grammars, weights added up.

use std::ops::Range;

use super::{
    CLASSES, Class, Place, Scorer, Secrets, THRESHOLD, Told, Untried, answer, cost, lines, marks,
    proof, prototype, text,
};
use crate::clock::BootTime;
use crate::content::{self, BodyForm, Container, Kind, Layers, Name, Part, Parts, Side};
use crate::exchange::{Exchange, Guess, Half, ScoreHit, Scores};

/// Bytes of a value that grammars see at once; longer ones come in pieces, so that a grammar that
/// reads only the beginning of a value sees every place of it.
const PIECE_BYTES: usize = 1 << 13;

/// Bytes by which pieces overlap.
const OVERLAP_BYTES: usize = 256;

/// Bytes of a fragment that are kept (DETECTION 5).
const FRAGMENT_BYTES: usize = 200;

/// Bytes that are kept from before the place.
const FRAGMENT_LEAD: usize = 40;

/// A value that is heavy enough to add to others.
const ADDS: u8 = 4;

/// Header fields that a client's library writes, and whose grammar is their own.
const PLAIN_FIELDS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "dnt",
    "etag",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-authorization",
    "range",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "via",
];

/// What is told of one value, and where it stands.
struct Seen<'p, 'a> {
    name: Option<Name<'p, 'a>>,
    part: Option<Part<'p, 'a>>,
    /// The name to give where there is none, of all of what holds so many bytes.
    label: &'static str,
    whole: (Container, usize),
    layers: Layers,
}

/// The sums of a request.
struct Sums {
    best: [Option<(u8, ScoreHit)>; CLASSES],
    sum: [u8; CLASSES],
    /// How often anything was told.
    told: usize,
}

impl Scorer {
    /// Looks at the request of `exchange`, whose parts are `parts` and whose times count from `boot`.
    #[must_use]
    pub fn request(&mut self, exchange: &Exchange, parts: &Parts<'_>, boot: BootTime) -> Scores {
        let Some(request) = exchange.request.as_ref() else {
            return Scores::default();
        };
        let mut sums = Sums {
            best: [const { None }; CLASSES],
            sum: [0; CLASSES],
            told: 0,
        };
        self.whole_path(request.head.get(request.head.target), &mut sums);
        for name in parts
            .names()
            .filter(|name| name.side() == Side::Request && name.is_free())
        {
            self.free_name(name, &mut sums);
        }
        for part in parts.iter().filter(|part| part.side() == Side::Request) {
            self.part(part, &mut sums);
        }
        // Entities and the like are gone from the values of a document once it is read.
        if matches!(parts.form(Side::Request), BodyForm::Xml | BodyForm::Text) {
            let seen = Seen {
                name: None,
                part: None,
                label: "request.body",
                whole: (Container::Body, request.body.content.len()),
                layers: Layers::NONE,
            };
            self.forms(
                Place::Body,
                b"",
                &request.body.content,
                false,
                &seen,
                &mut sums,
            );
        }
        let mut scores = sums.scores();
        self.marks.look(exchange, parts, boot, &mut scores.hits);
        cost::look(parts, &mut scores.hits);
        self.answer.look(exchange, &mut scores.hits);
        if let Some(response) = exchange
            .response
            .as_ref()
            .filter(|_| !scores.hits.is_empty())
        {
            prove(&mut scores.hits, response);
        }
        raise(&mut scores);
        scores
    }

    /// Tries secrets that everybody knows on the request's tokens: dear, so not for live traffic.
    pub fn weak_secrets(parts: &Parts<'_>, secrets: &mut Secrets, scores: &mut Scores) {
        marks::weak_secrets(parts, secrets, &mut scores.hits);
        raise(scores);
    }

    /// A token of the request whose secret is to be guessed beside the flow, if there is one.
    pub fn untried(parts: &Parts<'_>, untried: &mut Untried) -> Option<Box<Guess>> {
        marks::untried(parts, untried).map(Box::new)
    }

    /// Separators and dots count as they were sent, over all segments.
    fn whole_path(&mut self, target: &[u8], sums: &mut Sums) {
        let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
        let seen = Seen {
            name: None,
            part: None,
            label: "request.path",
            whole: (Container::Target, path.len()),
            layers: Layers::NONE,
        };
        self.forms(Place::Path, b"", path, true, &seen, sums);
        // Tools write a space so everywhere; where it was meant as a plus, no grammar speaks.
        if memchr::memchr(b'+', path).is_some() {
            let spaced: Vec<u8> = path
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect();
            self.forms(Place::Path, b"", &spaced, true, &seen, sums);
        }
    }

    fn free_name(&mut self, name: Name<'_, '_>, sums: &mut Sums) {
        let seen = Seen {
            name: Some(name),
            part: None,
            label: "",
            whole: (Container::Target, 0),
            layers: Layers::NONE,
        };
        let word = name.word();
        // Text of several lines with a `?` or `#` in it is not the address it was taken for.
        let has_lines = name.is_query_in_body();
        self.name(word, |class, told| {
            if class != Class::Lines || !has_lines {
                sums.add(class, told, word, 0, &seen);
            }
        });
        if prototype::is_key(name.parent().map(|parent| parent.word()), word) {
            let told = prototype::constructors(word);
            sums.add(Class::Prototype, told, word, 0, &seen);
        }
        // No line ends in a target, so one in a query's name was put there as percent signs.
        if name.is_query()
            && !has_lines
            && let Some(at) = memchr::memchr2(b'\r', b'\n', word)
        {
            sums.add(Class::Lines, lines::in_name(at), word, 0, &seen);
        }
        // A name is decoded once more as a value is; few have what could be decoded.
        if memchr::memchr2(b'%', b'\\', word).is_some() {
            let mut decoder = std::mem::take(&mut self.decoder);
            decoder.forms(word, Layers::NONE, |form, layers| {
                self.name(form, |class, told| {
                    sums.add(class, told, form, 0, &Seen { layers, ..seen });
                });
            });
            self.decoder = decoder;
        }
    }

    fn part(&mut self, part: Part<'_, '_>, sums: &mut Sums) {
        if !matches!(part.kind(), Kind::Text) {
            return;
        }
        // What a header field or a cookie says depends on its name and value alone.
        let quiet = part.field().and_then(|field| self.quiet.of(field));
        if quiet.is_some() {
            return;
        }
        let Some(name) = part.name() else { return };
        let told = sums.told;
        if let Some(place) = place(part, name) {
            let seen = Seen {
                name: Some(name),
                part: Some(part),
                label: "",
                whole: (Container::Target, 0),
                layers: part.layers(),
            };
            let word = if name.is_file_name() {
                b"filename"
            } else {
                name.last_word()
            };
            self.forms(place, word, part.value(), true, &seen, sums);
        }
        if let Some(field) = part.field().filter(|_| sums.told == told) {
            self.quiet.add(field, ());
        }
    }

    /// A value, and all it becomes decoded once more.
    fn forms(
        &mut self,
        place: Place,
        name: &[u8],
        value: &[u8],
        deep: bool,
        seen: &Seen<'_, '_>,
        sums: &mut Sums,
    ) {
        self.pieces(place, name, value, seen, sums);
        if !deep {
            return;
        }
        let mut decoder = std::mem::take(&mut self.decoder);
        decoder.forms(value, seen.layers, |form, layers| {
            self.pieces(place, name, form, &Seen { layers, ..*seen }, sums);
        });
        self.decoder = decoder;
    }

    fn pieces(
        &mut self,
        place: Place,
        name: &[u8],
        value: &[u8],
        seen: &Seen<'_, '_>,
        sums: &mut Sums,
    ) {
        let mut start = 0;
        loop {
            let piece = text::slice(value, start, start + PIECE_BYTES);
            self.value(place, name, piece, |class, told| {
                sums.add(class, told, value, start, seen)
            });
            start += PIECE_BYTES - OVERLAP_BYTES;
            if start + OVERLAP_BYTES >= value.len() {
                return;
            }
        }
    }
}

/// Lets the heaviest hit count among the highest.
fn raise(scores: &mut Scores) {
    let heaviest = scores.hits.iter().map(|hit| hit.score).max();
    scores.highest = scores.highest.max(heaviest.unwrap_or(0));
}

/// Looks for what proves each hit in the answer.
fn prove(hits: &mut [ScoreHit], response: &Half) {
    let database_error = hits.iter().any(|hit| hit.rule == answer::DATABASE_ERROR);
    for hit in hits {
        hit.proof = proof::proof(hit, response, database_error);
    }
}

/// What grammars must know of the place; `None` where nothing is looked for.
fn place(part: Part<'_, '_>, name: Name<'_, '_>) -> Option<Place> {
    Some(match part.place() {
        content::Place::Path => Place::Path,
        content::Place::Query | content::Place::Fragment if in_header(name) => Place::Referer,
        content::Place::Query
        | content::Place::Fragment
        | content::Place::Form
        | content::Place::Cookie => Place::Query,
        content::Place::Header => {
            let word = name.last_word();
            let is = |have: &str| word.eq_ignore_ascii_case(have.as_bytes());
            if is("user-agent") {
                Place::Agent
            } else if is("referer") {
                Place::Referer
            } else if PLAIN_FIELDS.iter().any(|have| is(have)) && !is_odd(part.value()) {
                return None;
            } else {
                Place::Header
            }
        }
        _ => Place::Body,
    })
}

/// Whether a field of a library's own holds what no library writes.
fn is_odd(value: &[u8]) -> bool {
    value
        .iter()
        .any(|byte| matches!(byte, b'<' | b'{' | b'(' | b'\'' | b'`' | b'$' | b'|' | b'&'))
}

/// Whether the value lies in a header field, as the query of a Referer does.
fn in_header(name: Name<'_, '_>) -> bool {
    let mut root = name;
    while let Some(parent) = root.parent() {
        root = parent;
    }
    !root.is_free() && root.word().eq_ignore_ascii_case(b"referer")
}

impl Sums {
    fn add(&mut self, class: Class, told: Told, value: &[u8], start: usize, seen: &Seen<'_, '_>) {
        self.told += 1;
        let (Some(best), Some(sum)) = (
            self.best.get_mut(class as usize),
            self.sum.get_mut(class as usize),
        ) else {
            return;
        };
        let have = best.as_ref().map_or(0, |(score, _)| *score);
        if told.score <= have {
            return;
        }
        // One value in several forms is one value: what it says heaviest counts.
        let other = best
            .as_ref()
            .is_some_and(|(_, hit)| *hit.part != *seen.label_or_name());
        *sum = told
            .score
            .saturating_add(if other && have >= ADDS { have / 2 } else { 0 });
        let range = start + told.start..start + told.end.max(told.start);
        *best = Some((told.score, seen.hit(class, told, value, range)));
    }

    fn scores(self) -> Scores {
        let highest = self.sum.iter().copied().max().unwrap_or(0);
        let hits = self
            .best
            .into_iter()
            .zip(self.sum)
            .filter(|(_, sum)| *sum >= THRESHOLD)
            .filter_map(|(best, sum)| best.map(|(_, hit)| ScoreHit { score: sum, ..hit }))
            .collect();
        Scores { highest, hits }
    }
}

impl Seen<'_, '_> {
    fn label_or_name(&self) -> String {
        self.name
            .map_or_else(|| self.label.to_owned(), |name| name.to_string())
    }

    fn hit(&self, class: Class, told: Told, value: &[u8], range: Range<usize>) -> ScoreHit {
        let from = range.start.saturating_sub(FRAGMENT_LEAD);
        let fragment = text::slice(value, from, from + FRAGMENT_BYTES);
        let (container, place) = match (self.part, self.name) {
            // Decoded once more, a place in the value is no place in the message.
            (Some(part), _) if part.layers() == self.layers => {
                part.span_of(range.start.min(part.value().len())..range.end.min(part.value().len()))
            }
            (Some(part), _) => part.span(),
            (None, Some(name)) => name.span_of(0..name.word().len()).unwrap_or_default(),
            // What is shown of all of it is as it was sent, or decoded from anywhere in it.
            (None, None) if self.layers.is_empty() => (self.whole.0, from..from + fragment.len()),
            (None, None) => (self.whole.0, 0..self.whole.1),
        };
        ScoreHit {
            detector: class.id(),
            rule: told.rule,
            score: told.score,
            part: self.label_or_name().into(),
            container,
            range: place,
            fragment: fragment.into(),
            layers: self.layers,
            proof: "",
        }
    }
}
