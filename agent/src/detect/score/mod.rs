//! Content classes: what one request holds that no honest client sends, told without state.
//!
//! In: the values of an exchange, decoded by `content`. Out: [`Scores`], with the place and the rule
//! of each. Every value passes a [`gate`] of one automaton; the grammars it opens confirm by
//! structure, not by words, and give weights that add up over a request. A detector has fired where
//! its sum reaches [`THRESHOLD`]. Nothing here knows who sent what before.

mod answer;
mod automaton;
mod code;
pub(super) mod cost;
mod directory;
mod effect;
mod gate;
mod html;
mod include;
mod jndi;
mod lines;
mod marks;
mod need;
mod nosql;
mod path;
mod proof;
mod prototype;
mod request;
mod rules;
mod secrets;
mod serial;
mod shell;
mod sql;
mod template;
mod text;
mod token;
mod url;
mod xml;

pub use effect::{Effect, in_words};
pub use secrets::{Secrets, Untried};
pub use token::{Fault, Token};

use gate::{Door, Gate, Open};

use crate::content::Decoder;
use crate::memo::{Notes, REMEMBERED};

/// The sum from which on a class has fired (DETECTION 2.2).
pub const THRESHOLD: u8 = 5;

/// A content class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// INJ-01.
    Sql,
    /// INJ-02.
    Html,
    /// INJ-03.
    Shell,
    /// INJ-04.
    Path,
    /// INJ-05.
    Url,
    /// INJ-06.
    NoSql,
    /// INJ-07.
    Template,
    /// INJ-08.
    Xml,
    /// INJ-09.
    Jndi,
    /// INJ-10.
    Directory,
    /// INJ-11.
    Lines,
    /// INJ-12.
    Serial,
    /// INJ-13.
    Prototype,
    /// INJ-14.
    Include,
}

/// How many classes there are.
const CLASSES: usize = 14;

impl Class {
    /// All, by number.
    pub const ALL: [Self; CLASSES] = [
        Self::Sql,
        Self::Html,
        Self::Shell,
        Self::Path,
        Self::Url,
        Self::NoSql,
        Self::Template,
        Self::Xml,
        Self::Jndi,
        Self::Directory,
        Self::Lines,
        Self::Serial,
        Self::Prototype,
        Self::Include,
    ];

    /// The detector's id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Sql => "inj-01",
            Self::Html => "inj-02",
            Self::Shell => "inj-03",
            Self::Path => "inj-04",
            Self::Url => "inj-05",
            Self::NoSql => "inj-06",
            Self::Template => "inj-07",
            Self::Xml => "inj-08",
            Self::Jndi => "inj-09",
            Self::Directory => "inj-10",
            Self::Lines => "inj-11",
            Self::Serial => "inj-12",
            Self::Prototype => "inj-13",
            Self::Include => "inj-14",
        }
    }
}

/// Where a value stands, as far as grammars care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The path or a segment of it.
    Path,
    /// A parameter of the query, a form, a cookie.
    Query,
    /// A value in a body of structure: JSON, XML, multipart, GraphQL, text.
    Body,
    /// A header field.
    Header,
    /// The Referer or its query.
    Referer,
    /// The User-Agent.
    Agent,
}

/// A value as grammars see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) place: Place,
    /// The parameter's own name.
    pub(super) name: &'a [u8],
    /// The value, decoded.
    pub(super) bytes: &'a [u8],
    /// The same in lower case.
    pub(super) low: &'a [u8],
    /// Words of plain language in it.
    pub(super) prose: usize,
    /// Whether it has code marks of markdown.
    pub(super) marked: bool,
}

impl View<'_> {
    /// Whether `at` lies behind the three backticks, at the beginning of a line, from which on
    /// markdown shows lines of code.
    fn is_fenced(&self, at: usize) -> bool {
        if !self.marked {
            return false;
        }
        let before = text::slice(self.bytes, 0, at);
        let fences = memchr::memmem::find_iter(before, b"```").filter(|fence| {
            let line = fence.checked_sub(1).and_then(|end| before.get(end));
            matches!(line, None | Some(b'\n'))
        });
        fences.count() % 2 == 1
    }

    /// Whether `at` lies between backticks of markdown or in a code element: code that is shown.
    fn is_shown(&self, at: usize) -> bool {
        if !self.marked || self.prose < 3 {
            return false;
        }
        let before = text::slice(self.bytes, 0, at);
        let ticks = memchr::memchr_iter(b'`', before).count();
        let behind = memchr::memchr(b'`', text::from(self.bytes, at)).is_some();
        ticks % 2 == 1 && behind
            || memchr::memmem::rfind(before, b"<code").is_some_and(|open| {
                memchr::memmem::rfind(before, b"</code").is_none_or(|close| close < open)
            })
            || memchr::memmem::rfind(before, b"<pre").is_some_and(|open| {
                memchr::memmem::rfind(before, b"</pre").is_none_or(|close| close < open)
            })
    }
}

/// What the gate says, as grammars ask for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hits {
    pub(super) sql_words: bool,
    pub(super) catalogue: bool,
    pub(super) attribute: bool,
    pub(super) script: bool,
    pub(super) at: usize,
}

/// What a grammar found: the heaviest rule of each class in one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) rule: &'static str,
    pub(super) best: u8,
    pub(super) score: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What grammars found in one value.
#[derive(Debug, Default)]
pub(super) struct Found {
    told: [Option<Told>; CLASSES],
    any: bool,
}

impl Found {
    /// Adds a signal. The heaviest of a class counts whole, each other by half, ten at most.
    fn add(&mut self, class: Class, rule: &'static str, score: u8, start: usize, end: usize) {
        let Some(slot) = self.told.get_mut(class as usize).filter(|_| score > 0) else {
            return;
        };
        self.any = true;
        match slot {
            Some(told) if told.best >= score => told.score = (told.score + score / 2).min(10),
            _ => {
                let rest = slot.map_or(0, |told| told.score - told.best + told.best / 2);
                *slot = Some(Told {
                    rule,
                    best: score,
                    score: (score + rest).min(10),
                    start,
                    end,
                });
            }
        }
    }
}

/// The grammars. Building them is dear: one serves all values of a thread.
#[derive(Debug)]
pub struct Scorer {
    gate: Gate,
    left: sql::Left,
    html: html::Html,
    shell: shell::Shell,
    code: code::Code,
    path: path::Path,
    nosql: nosql::NoSql,
    template: template::Template,
    xml: xml::Xml,
    directory: directory::Directory,
    lines: lines::Lines,
    serial: serial::Serial,
    prototype: prototype::Prototype,
    include: include::Include,
    marks: marks::Marks,
    answer: answer::Answer,
    low: Vec<u8>,
    tokens: Vec<sql::Token>,
    found: Found,
    decoder: Decoder,
    /// Header fields and cookies in which nothing is.
    quiet: Notes<()>,
}

/// A table of ours is wrong; a test builds them all.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// An expression does not compile.
    #[error("a grammar's expression does not compile")]
    Expression(#[from] regex::Error),
    /// The words of the gate do not.
    #[error("the gate's words do not compile")]
    Gate(#[from] aho_corasick::BuildError),
}

impl Scorer {
    /// Builds the grammars.
    ///
    /// # Errors
    /// [`ScorerError`]: a mistake of ours, which a test finds.
    pub fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            gate: Gate::new()?,
            left: sql::Left::new()?,
            html: html::Html::new()?,
            shell: shell::Shell::new()?,
            code: code::Code::new()?,
            path: path::Path::new()?,
            nosql: nosql::NoSql::new()?,
            template: template::Template::new()?,
            xml: xml::Xml::new()?,
            directory: directory::Directory::new()?,
            lines: lines::Lines::new()?,
            serial: serial::Serial::new()?,
            prototype: prototype::Prototype::new()?,
            include: include::Include::new()?,
            marks: marks::Marks::new()?,
            answer: answer::Answer::new()?,
            low: Vec::new(),
            tokens: Vec::new(),
            found: Found::default(),
            decoder: Decoder::new(),
            quiet: Notes::new(REMEMBERED),
        })
    }

    /// Looks at one value; calls `take` with each class that it speaks for.
    pub(super) fn value(
        &mut self,
        place: Place,
        name: &[u8],
        value: &[u8],
        mut take: impl FnMut(Class, Told),
    ) {
        let open = self.gate.open(value);
        if open.is_shut() && !open.quote {
            return;
        }
        let mut low = std::mem::take(&mut self.low);
        low.clear();
        lower(value, &mut low);
        self.found = Found::default();
        let view = View {
            place,
            name,
            bytes: value,
            low: &low,
            prose: text::prose_words(value),
            marked: memchr::memchr(b'`', value).is_some() || shows_code(&low),
        };
        self.look(&view, open);
        self.low = low;
        if self.found.any {
            for (class, told) in Class::ALL.into_iter().zip(self.found.told) {
                if let Some(told) = told {
                    take(class, told);
                }
            }
        }
    }

    /// Looks at a name that the sender chose: as at a value, and for keys that no value is.
    pub(super) fn name(&mut self, name: &[u8], mut take: impl FnMut(Class, Told)) {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        // Bytes of an object in base64 become a name where a body that is nothing else is read as a form.
        // `$ne` and `$gt` are as short as a name of a database's operator is.
        let short = name.len() < if name.first() == Some(&b'$') { 3 } else { 4 };
        if short || name.iter().all(plain) && !serial::begins_object(name) {
            return;
        }
        self.value(Place::Query, b"", name, &mut take);
        if let Some(at) = memchr::memchr2(b'\r', b'\n', text::trim(name)) {
            take(Class::Lines, lines::in_name(at));
        }
        let view = View {
            place: Place::Query,
            name: b"",
            bytes: name,
            low: name,
            prose: 0,
            marked: false,
        };
        self.found = Found::default();
        self.nosql.look_name(&view, &mut self.found);
        if let Some(told) = self
            .found
            .told
            .get(Class::NoSql as usize)
            .copied()
            .flatten()
        {
            take(Class::NoSql, told);
        }
    }

    fn look(&mut self, view: &View<'_>, open: Open) {
        let found = &mut self.found;
        let hits = Hits {
            sql_words: open.has(Door::SqlWords),
            catalogue: open.has(Door::Catalogue),
            attribute: open.has(Door::Attribute),
            script: open.has(Door::Script),
            at: open.catalogue_at,
        };
        if open.quote || hits.sql_words {
            sql::look(view, hits, &self.left, &mut self.tokens, found);
        }
        if open.has(Door::Tag) || hits.attribute || hits.script {
            self.html.look(view, hits, found);
        }
        if open.has(Door::Shell) {
            self.shell.look(view, found);
        }
        if open.has(Door::Code) {
            self.code.look(view, found);
        }
        if open.has(Door::Path) {
            self.path.look(view, found);
        }
        if open.has(Door::Url) {
            url::look(view, found);
        }
        if open.has(Door::NoSql) {
            self.nosql.look(view, found);
        }
        if open.has(Door::Template) {
            self.template.look(view, found);
        }
        if open.has(Door::Xml) {
            self.xml.look(view, found);
        }
        if open.has(Door::Jndi) {
            jndi::look(view, found);
        }
        if open.has(Door::Directory) {
            self.directory.look(view, found);
        }
        if open.has(Door::Lines) {
            self.lines.look(view, found);
        }
        if open.has(Door::Serial) {
            self.serial.look(view, found);
        }
        if open.has(Door::Prototype) {
            self.prototype.look(view, found);
        }
        if open.has(Door::Include) {
            self.include.look(view, found);
        }
    }
}

/// Whether an element of HTML that shows code begins in it.
fn shows_code(low: &[u8]) -> bool {
    memchr::memchr_iter(b'<', low).any(|at| {
        let behind = text::from(low, at + 1);
        behind.starts_with(b"code") || behind.starts_with(b"pre")
    })
}

/// Lower case, with characters that databases and browsers take for ASCII put as it; no place moves.
fn lower(value: &[u8], out: &mut Vec<u8>) {
    out.extend(value.iter().map(u8::to_ascii_lowercase));
    if value.is_ascii() {
        return;
    }
    for place in memchr::memchr2_iter(0xe2, 0xef, value).chain(memchr::memchr_iter(0xc2, value)) {
        let becomes: &[u8] = match text::slice(value, place, place + 3) {
            // Quotation marks and dashes that become plain ones where a charset has no others.
            [0xe2, 0x80, 0x98 | 0x99 | 0xb2] | [0xef, 0xbc, 0x87] => b"'  ",
            [0xe2, 0x80, 0x93]
                if place + 3 >= value.len() || text::at(value, place + 3) == b'&' =>
            {
                b"-- "
            }
            // Full-width forms.
            [0xef, 0xbc, 0x9c] => b"<  ",
            [0xef, 0xbc, 0x9e] => b">  ",
            [0xc2, 0xb4, _] | [0xc2, 0xb4] => b"' ",
            _ => continue,
        };
        if let Some(slot) = out.get_mut(place..place + becomes.len()) {
            slot.copy_from_slice(becomes);
        }
    }
}

#[cfg(test)]
mod lookalikes;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod varied;
