//! Finds what is sensitive in the parts of an exchange: by name, by the configuration, by shape.

mod further;
mod merge;
mod paths;
mod quiet;

use std::ops::Range;

use self::merge::merge;
use super::Redactor;
use super::field::{credentials, is_credentials, names_client, names_user};
use super::known::{Known, Seen};
use super::masked::stand_in;
use super::names::{Meanings, Means, holds};
use super::options::Pattern;
use super::rules::{Rule, Ruleset, Why};
use super::shape::{self, Hit, SHORTEST, Text};
use super::told::{is_like, tell, told_name};
use crate::content::{
    Container, Decoder, Kind, Layers, LooseText, Name, Part, Parts, Place, Side, Signs,
};
use crate::exchange::{Exchange, Mark, Marks, Secret};
use crate::hex::is_uuid;

/// Lines that `sensitive` has at most.
const MOST_TOLD: usize = 64;

/// Marks exchange after exchange; it keeps its memory.
#[derive(Debug)]
pub struct Marker {
    hits: Vec<Hit>,
    found: Vec<Found>,
    /// What each name says.
    names: Vec<Said>,
    /// The numbers of names that have something sensitive in their words, in order.
    hidden: Vec<usize>,
    meanings: Meanings,
    decoder: Decoder,
    line: String,
    /// What `sensitive` has a line for: the name, and the type.
    told: Vec<(Option<usize>, Secret)>,
    known: Known,
}

impl Default for Marker {
    fn default() -> Self {
        Self {
            hits: Vec::new(),
            found: Vec::new(),
            names: Vec::new(),
            hidden: Vec::new(),
            meanings: Meanings::default(),
            decoder: Decoder::new(),
            line: String::new(),
            told: Vec::new(),
            known: Known::default(),
        }
    }
}

/// What a name says of the values under it.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    means: Option<Means>,
    why: Why,
    /// What is known of the finds of the header field or cookie that it is the name of.
    seen: Seen,
}

/// One find.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) mark: Mark,
    /// The number of the name it is told under.
    pub(super) name: usize,
    pub(super) rule: Rule,
}

/// A find, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Where: the part's name.
    pub part: String,
    /// Its type.
    pub kind: String,
    /// Which rule found it.
    pub rule: String,
    /// Where in the message.
    pub mark: Mark,
}

impl Marker {
    /// One that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is sensitive in `parts`.
    pub fn mark(&mut self, redactor: &Redactor, parts: &Parts<'_>) -> Marks {
        self.mark_by(redactor, redactor.rules(), parts)
    }

    pub(super) fn mark_by(
        &mut self,
        redactor: &Redactor,
        rules: &Ruleset,
        parts: &Parts<'_>,
    ) -> Marks {
        self.find(redactor, rules, parts);
        let mut marks = Marks {
            list: Vec::with_capacity(self.found.len()),
            told: String::new(),
            request_is_binary: parts.form(Side::Request).is_binary(),
            response_is_binary: parts.form(Side::Response).is_binary(),
            in_host: false,
        };
        self.told.clear();
        for found in &self.found {
            let secret = found.mark.secret;
            marks.list.push(found.mark);
            if secret == Secret::Binary || self.told.len() >= MOST_TOLD {
                continue;
            }
            let name = told_name(parts, found.name, &self.hidden);
            let is_told = |(other, of): &(Option<usize>, Secret)| {
                *of == secret && is_like(parts, *other, name)
            };
            // Finds of one list stand behind each other.
            if self.told.iter().rev().any(is_told) {
                continue;
            }
            self.line.clear();
            tell(&mut self.line, parts, name);
            self.line.push(':');
            self.line.push_str(redactor.type_name(secret));
            if self.told.is_empty() {
                marks.told.push_str(&self.line);
                self.told.push((name, secret));
            } else if !marks.told.lines().any(|line| line == self.line) {
                marks.told.push('\n');
                marks.told.push_str(&self.line);
                self.told.push((name, secret));
            }
        }
        marks
    }

    /// What is sensitive in the exchange with these `parts`, by the rules of its route, each find with
    /// its rule.
    pub fn explain(
        &mut self,
        redactor: &Redactor,
        exchange: &Exchange,
        parts: &Parts<'_>,
    ) -> Vec<Explained> {
        let of_route = redactor.rules_of(exchange);
        let rules = of_route.as_deref().unwrap_or(redactor.rules());
        self.find(redactor, rules, parts);
        let explained = |found: &Found| {
            let mut part = String::new();
            tell(&mut part, parts, told_name(parts, found.name, &self.hidden));
            Explained {
                part,
                kind: redactor.type_name(found.mark.secret).to_owned(),
                rule: found.rule.to_string(),
                mark: found.mark,
            }
        };
        self.found.iter().map(explained).collect()
    }

    /// What in `bytes`, a word that is told as it is, must not be told: by its shape, or by any pattern
    /// of the configuration.
    pub(super) fn secret_in(&mut self, redactor: &Redactor, bytes: &[u8]) -> Option<Secret> {
        if redactor.is_off() {
            return None;
        }
        let addresses = redactor.masks_addresses();
        let text = Text {
            bytes,
            is_cut: false,
            addresses,
        };
        self.hits.clear();
        shape::scan(text, &mut self.hits);
        let shaped = self.hits.iter().find(|hit| redactor.masks(hit.secret));
        let by_pattern = || {
            let is_in = |(_, pattern): &(u16, &Pattern)| pattern.find_all(bytes).next().is_some();
            let found = redactor.all_patterns().find(is_in);
            found.map(|(number, _)| Secret::Custom(number))
        };
        shaped.map(|hit| hit.secret).or_else(by_pattern)
    }

    /// `text` without what its shape, a name in it or a pattern of `rules` calls sensitive. It may be a
    /// piece of a longer one.
    pub(super) fn mask_text(
        &mut self,
        redactor: &Redactor,
        rules: &Ruleset,
        text: &[u8],
    ) -> String {
        if redactor.is_off() {
            return String::from_utf8_lossy(text).into_owned();
        }
        let mut work = Work {
            is_quick: quiet::is_quick(redactor, rules),
            redactor,
            rules,
            hits: &mut self.hits,
            found: &mut self.found,
            names: &mut self.names,
            hidden: &mut self.hidden,
            meanings: &mut self.meanings,
            decoder: &mut self.decoder,
            known: &mut self.known,
        };
        work.text_alone(text);
        self.hits
            .sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end)));
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        for hit in &self.hits {
            let Range { start, end } = hit.range;
            if end <= at || !redactor.masks(hit.secret) {
                continue;
            }
            // One that begins in the last one only makes it longer.
            if let Some(plain) = text.get(at..start) {
                out.extend_from_slice(plain);
                let value = text.get(start..end).unwrap_or_default();
                let hash = redactor.key().hash(value);
                stand_in(&mut out, redactor.type_name(hit.secret), hash);
            }
            at = end;
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        String::from_utf8_lossy(&out).into_owned()
    }

    fn find(&mut self, redactor: &Redactor, rules: &Ruleset, parts: &Parts<'_>) {
        self.found.clear();
        self.names.clear();
        self.hidden.clear();
        if redactor.is_off() {
            return;
        }
        self.known.of(redactor);
        let mut work = Work {
            is_quick: quiet::is_quick(redactor, rules),
            redactor,
            rules,
            hits: &mut self.hits,
            found: &mut self.found,
            names: &mut self.names,
            hidden: &mut self.hidden,
            meanings: &mut self.meanings,
            decoder: &mut self.decoder,
            known: &mut self.known,
        };
        for name in parts.names() {
            work.name(name);
        }
        for (at, part) in parts.iter().enumerate() {
            work.part(parts, at, part);
        }
        for text in parts.loose() {
            work.loose(text);
        }
        self.known.keep();
        merge(&mut self.found);
    }
}

struct Work<'w> {
    /// Nothing is looked for but by names and shapes, as they come.
    is_quick: bool,
    redactor: &'w Redactor,
    rules: &'w Ruleset,
    hits: &'w mut Vec<Hit>,
    found: &'w mut Vec<Found>,
    names: &'w mut Vec<Said>,
    hidden: &'w mut Vec<usize>,
    meanings: &'w mut Meanings,
    decoder: &'w mut Decoder,
    known: &'w mut Known,
}

impl Work<'_> {
    /// What a name says, and whether it is sensitive itself. What the configuration looks for in a
    /// header field or a cookie is looked for each time.
    fn name(&mut self, name: Name<'_, '_>) {
        let seen = match name.field() {
            Some(field) if !self.rules.says_something() => self.known.seen(field),
            _ => Seen::Not,
        };
        if seen != Seen::Not {
            self.names.push(Said {
                seen,
                ..Said::default()
            });
            return;
        }
        let word = name.word();
        let mut said = Said::default();
        let mut may_hold = false;
        if !word.is_empty() {
            let is_free = name.is_free();
            let of = self.meanings.said(word, !is_free);
            may_hold = is_free && of.may_hold;
            if self.rules.says_something() && self.rules.has_name(word) {
                said.means = Some(Means::This(Secret::Secret));
                said.why = Why::Configured;
            } else if of.means.is_some() {
                said.means = of.means;
                said.why = Why::Name;
            }
            if self.rules.says_something() && self.rules.allows_name(word) {
                said.means = None;
                said.why = Why::Allowed;
            }
        }
        if said.means.is_none()
            && said.why != Why::Allowed
            && let Some(above) = name.parent_number().and_then(|above| self.names.get(above))
            // A field of an object called `code` is no code; one of `credentials` is.
            && (matches!(above.means, Some(Means::This(_))) || name.index().is_some() || above.why == Why::Allowed)
        {
            said = Said {
                seen: Seen::Not,
                ..*above
            };
        }
        self.names.push(said);
        if may_hold && self.name_is_sensitive(name) {
            self.hidden.push(name.number());
        }
    }

    /// Looks at a name by its shape: an e-mail address may be a key.
    fn name_is_sensitive(&mut self, name: Name<'_, '_>) -> bool {
        let word = name.word();
        self.scan(word, false);
        let mut is_sensitive = false;
        for at in 0..self.hits.len() {
            let Some(hit) = self.hits.get(at).cloned() else {
                break;
            };
            let above = name.parent_number().unwrap_or(name.number());
            let value = word.get(hit.range.clone()).unwrap_or_default();
            if let Some(span) = name.span_of(hit.range) {
                self.add(name.side(), span, hit.secret, value, above, Rule::Shape);
                is_sensitive = true;
            }
        }
        is_sensitive
    }

    fn part(&mut self, parts: &Parts<'_>, at: usize, part: Part<'_, '_>) {
        let said = self.names.get(part.name_number());
        let said = said.copied().unwrap_or_default();
        if self.is_quick && said.means.is_none() && quiet::is_quiet(part) {
            return;
        }
        match (said.seen, part.field()) {
            (Seen::Not, _) | (_, None) => {}
            (Seen::Nothing, Some(_)) => return,
            (Seen::One, Some(field)) => {
                let one = self.known.one(field).map(|one| one.in_part(part));
                return self.found.extend(one);
            }
        }
        let found = self.found.len();
        if said.why != Why::Allowed
            && self.redactor.masks(Secret::Token)
            && paths::is_token(parts, at, part)
        {
            self.add_part(part, 0..part.value().len(), Secret::Token, Rule::Name);
        }
        self.look(part, said);
        let Some(field) = part.field() else { return };
        let name = part.name_number();
        let parent = parts.name(name + 1).and_then(Name::parent_number);
        let next = parts.part(at + 1);
        let holds_parts = parent == Some(name) || next.is_some_and(Part::is_nested);
        let is_hidden = self.hidden.binary_search(&name).is_ok();
        // What lies in it may have its meaning from its name.
        let is_alone = !holds_parts || said.means.is_none();
        if is_alone && !is_hidden && !self.rules.says_something() {
            let found = self.found.get(found..).unwrap_or_default();
            self.known.note(field, part, found);
        }
    }

    fn look(&mut self, part: Part<'_, '_>, said: Said) {
        let value = part.value();
        match part.kind() {
            Kind::Binary if self.redactor.keeps_binary() => return,
            Kind::Binary => {
                let number = part.name_number();
                return self.add(
                    part.side(),
                    part.span(),
                    Secret::Binary,
                    b"",
                    number,
                    Rule::Binary,
                );
            }
            Kind::Word => return,
            Kind::Number if value.len() < 2 => return,
            Kind::Number | Kind::Text if value.is_empty() => return,
            Kind::Number | Kind::Text => {}
        }
        let is_asked = self.rules.says_something();
        if said.why == Why::Allowed || is_asked && self.rules.allows(part) {
            return;
        }
        let may_be_named = said.means.is_some()
            || matches!(part.place(), Place::Header | Place::Cookie)
            || self.redactor.pseudonymises_user();
        if may_be_named && let Some((range, secret, rule)) = self.named(part, said) {
            return self.add_part(part, range, secret, rule);
        }
        if is_asked {
            if self.rules.has_path(part) {
                return self.add_part(part, 0..value.len(), Secret::Secret, Rule::Path);
            }
            self.custom(part);
        }
        self.shapes(part);
    }

    /// Looks at what is of no part, by shape: comments, words, parameters of fields.
    fn loose(&mut self, text: LooseText<'_>) {
        self.scan(text.bytes, text.is_cut);
        for at in 0..self.hits.len() {
            let Some(Hit { range, secret }) = self.hits.get(at).cloned() else {
                break;
            };
            if self.redactor.masks(secret) {
                let value = text.bytes.get(range.clone()).unwrap_or_default();
                let span = (text.container, range);
                self.add(text.side, span, secret, value, text.name, Rule::Shape);
            }
        }
    }

    /// What the name of a part makes of its value.
    fn named(&self, part: Part<'_, '_>, said: Said) -> Option<(Range<usize>, Secret, Rule)> {
        let value = part.value();
        let rule = match said.why {
            Why::Configured => Rule::Configured,
            _ => Rule::Name,
        };
        if part.place() == Place::Cookie {
            let secret = Secret::Cookie;
            return self
                .redactor
                .masks(secret)
                .then_some((0..value.len(), secret, rule));
        }
        if part.place() == Place::Jwt {
            // The token is masked as a whole.
            return None;
        }
        let name = part.name()?;
        if part.place() == Place::Header && !part.is_nested() {
            let word = name.word();
            if is_credentials(word) {
                let (range, secret) = credentials(value);
                let masks = self.redactor.masks(secret) && !range.is_empty();
                return masks.then_some((range, secret, rule));
            }
            if self.redactor.pseudonymises_client() && names_client(word) {
                return Some((0..value.len(), Secret::IpAddress, Rule::Client));
            }
        }
        if self.redactor.pseudonymises_user() && names_user(name.last_word()) {
            return Some((0..value.len(), Secret::User, Rule::User));
        }
        let is_number = part.kind() == Kind::Number;
        let secret = holds(said.means?, value, is_number, name.last_word())?;
        self.redactor
            .masks(secret)
            .then_some((0..value.len(), secret, rule))
    }

    fn shapes(&mut self, part: Part<'_, '_>) {
        let value = part.value();
        // Random or made of a date, a UUID is nobody's number.
        if value.len() < SHORTEST || is_uuid(value) {
            return;
        }
        let signs = part.signs();
        let more = Signs::PAIR.or(Signs::CODING);
        if signs.may_have(Signs::AT) && !signs.may_have(more) && shape::is_address(value) {
            if self.redactor.masks(Secret::Email) {
                self.add_part(part, 0..value.len(), Secret::Email, Rule::Shape);
            }
            return;
        }
        let text = self.text(value, part.is_cut());
        self.hits.clear();
        if text.may_hold(signs) {
            shape::scan(text, self.hits);
        }
        if part.place() == Place::Path && self.hits.is_empty() && value.contains(&b'+') {
            let spaced = paths::with_spaces(value);
            shape::scan(self.text(&spaced, part.is_cut()), self.hits);
        }
        // A bare number has neither a name nor a coding in it.
        if part.kind() == Kind::Text {
            if signs.may_have(Signs::PAIR) {
                shape::pairs(text, self.meanings, self.hits);
            }
            if signs.may_have(Signs::CODING) {
                self.further(part);
            }
        }
        for at in 0..self.hits.len() {
            let Some(hit) = self.hits.get(at).cloned() else {
                break;
            };
            if self.redactor.masks(hit.secret) {
                self.add_part(part, hit.range, hit.secret, Rule::Shape);
            }
        }
    }

    /// Looks at a text that is no part, in the forms that it has once it is decoded again too.
    fn text_alone(&mut self, value: &[u8]) {
        self.scan(value, true);
        let text = self.text(value, true);
        shape::pairs(text, self.meanings, self.hits);
        for (number, pattern) in self.rules.patterns() {
            let secret = Secret::Custom(number);
            let found = pattern.find_all(value);
            self.hits.extend(found.map(|range| Hit { range, secret }));
        }
        let further = self.in_further_forms(value, Layers::NONE);
        let further = further.or_else(|| self.custom_in_further_forms(value, Layers::NONE));
        if let Some(secret) = further {
            let range = 0..value.len();
            self.hits.push(Hit { range, secret });
        }
    }

    fn text<'t>(&self, bytes: &'t [u8], is_cut: bool) -> Text<'t> {
        Text {
            bytes,
            is_cut,
            addresses: self.redactor.masks_addresses(),
        }
    }

    fn scan(&mut self, bytes: &[u8], is_cut: bool) {
        self.hits.clear();
        let text = self.text(bytes, is_cut);
        shape::scan(text, self.hits);
    }

    fn add_part(&mut self, part: Part<'_, '_>, range: Range<usize>, secret: Secret, rule: Rule) {
        let value = part.value().get(range.clone()).unwrap_or_default();
        let is_whole = value.len() == part.value().len();
        let span = part.span_of(range);
        self.add(part.side(), span, secret, value, part.name_number(), rule);
        if part.kind() == Kind::Number
            && is_whole
            && !part.is_nested()
            && part.place() == Place::Json
            && let Some(found) = self.found.last_mut()
        {
            found.mark.is_bare = true;
        }
    }

    fn add(
        &mut self,
        side: Side,
        (container, range): (Container, Range<usize>),
        secret: Secret,
        value: &[u8],
        name: usize,
        rule: Rule,
    ) {
        let mark = Mark {
            side,
            container,
            start: range.start as u32,
            end: range.end as u32,
            secret,
            hash: self.redactor.key().hash(value),
            is_bare: false,
        };
        self.found.push(Found { mark, name, rule });
    }
}
