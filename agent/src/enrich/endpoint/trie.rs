//! One host's path templates, as a tree of segments.
//!
//! What a set of paths becomes depends on the set alone: a parent with more than [`WORDS_MAX`] different
//! words below it has one child `{name}` instead, in which all that was below them is joined, and so is
//! what looks like a name there. Joining only ever adds to what a parent has below it, so the order in
//! which paths come does not matter.

use std::sync::Arc;

use super::shape::{Label, Shape, label};

/// Most different words below one parent. Services have more routes, but seldom more than these below one
/// prefix; names of things soon do.
pub(super) const WORDS_MAX: usize = 20;

/// Most segments that are told apart; all behind them are one.
const DEPTH_MAX: usize = 24;

/// Stands for the segments behind the last one that is told apart.
const REST: &str = "{rest}";

/// A template that is another now, because its parent has too many words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) from: Arc<str>,
    pub(super) to: Arc<str>,
}

/// A template, and what is known of it.
#[derive(Debug)]
pub(super) struct End<T> {
    pub(super) text: Arc<str>,
    pub(super) of: T,
    /// Texts of templates that were joined with this one, until that is told.
    was: Vec<Arc<str>>,
}

/// Templates of one host.
#[derive(Debug)]
pub(super) struct Trie<T> {
    root: Node<T>,
    ends: usize,
    /// Whether words may be joined.
    joins: bool,
}

#[derive(Debug)]
struct Node<T> {
    /// In order.
    words: Vec<(Box<str>, Self)>,
    values: Vec<(Shape, Self)>,
    /// A path ends here.
    end: Option<End<T>>,
}

/// A step from a node to one below.
#[derive(Clone, Copy)]
enum Step<'a> {
    Word(&'a str),
    Value(Shape),
    File(Shape, &'a str),
}

impl Step<'_> {
    /// Appends it as it stands in a template.
    fn write(self, out: &mut String) {
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Value(shape) => out.push_str(shape.text()),
            Self::File(shape, ending) => {
                out.push_str(shape.text());
                out.push('.');
                out.push_str(ending);
            }
        }
    }
}

/// What learning a path did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Learnt {
    Known,
    New,
    /// Templates have become others.
    Joined,
}

/// Where a node has a child.
#[derive(Clone, Copy)]
enum Place {
    Word(usize),
    Value(usize),
}

impl<T> Trie<T> {
    /// An empty one, whose words may be joined or not.
    pub(super) const fn new(joins: bool) -> Self {
        Self {
            root: Node::new(),
            ends: 0,
            joins,
        }
    }

    /// How many templates there are.
    pub(super) const fn len(&self) -> usize {
        self.ends
    }

    /// The template of `path`, if there is one.
    pub(super) fn find(&self, path: &[u8]) -> Option<&End<T>> {
        let mut node = &self.root;
        for step in Steps::of(path, false) {
            node = node.child(step)?;
        }
        node.end.as_ref()
    }

    /// Makes the template of `path`, unless it is there; `make` says what is known of a template, and is
    /// asked anew for those that have become others, which are told.
    pub(super) fn learn(&mut self, path: &[u8], make: &dyn Fn(&str) -> T) -> Vec<Joined> {
        let mut text = String::new();
        let steps = &mut Steps::of(path, false);
        match self.root.learn(steps, &mut text, make, self.joins) {
            Learnt::Known => Vec::new(),
            Learnt::New => {
                self.ends += 1;
                Vec::new()
            }
            Learnt::Joined => {
                let mut told = self.tell(make);
                // What it would have been but for the joining, nobody was told.
                told.retain(|one| *one.from != *text);
                told
            }
        }
    }

    /// As [`Trie::learn`], of templates as they were told before.
    pub(super) fn recall<'t>(
        &mut self,
        templates: impl Iterator<Item = &'t str>,
        make: &dyn Fn(&str) -> T,
    ) {
        for template in templates.filter(|text| is_told(text)) {
            let steps = &mut Steps::of(template.as_bytes(), true);
            self.root.learn(steps, &mut String::new(), make, self.joins);
        }
        self.tell(make);
    }

    fn tell(&mut self, make: &dyn Fn(&str) -> T) -> Vec<Joined> {
        let mut told = Vec::new();
        self.ends = self.root.tell(&mut String::new(), make, &mut told);
        told
    }

    /// All templates.
    pub(super) fn each(&self, tell: &mut dyn FnMut(&End<T>)) {
        self.root.each(tell);
    }
}

impl<T> Node<T> {
    const fn new() -> Self {
        Self {
            words: Vec::new(),
            values: Vec::new(),
            end: None,
        }
    }

    /// Where the child of a step is. Where words are joined, vague values are with them.
    fn place(&self, step: Step<'_>) -> Option<Place> {
        let value = |shape| self.values.iter().position(|(have, _)| *have == shape);
        let found = match step {
            Step::Value(shape) if !shape.is_vague() => value(shape),
            Step::Value(shape) => value(Shape::Name).or_else(|| value(shape)),
            Step::Word(word) => {
                return match value(Shape::Name) {
                    Some(at) => Some(Place::Value(at)),
                    None => self.word(word.as_bytes()),
                };
            }
            Step::File(shape, ending) => {
                let mut name = [0; 32];
                return match value(Shape::Name) {
                    Some(at) => Some(Place::Value(at)),
                    None => self.word(file_name(shape, ending, &mut name)),
                };
            }
        };
        found.map(Place::Value)
    }

    fn word(&self, word: &[u8]) -> Option<Place> {
        let found = self
            .words
            .binary_search_by(|(have, _)| have.as_bytes().cmp(word));
        found.ok().map(Place::Word)
    }

    fn child(&self, step: Step<'_>) -> Option<&Self> {
        match self.place(step)? {
            Place::Word(at) => self.words.get(at).map(|(_, node)| node),
            Place::Value(at) => self.values.get(at).map(|(_, node)| node),
        }
    }

    fn child_mut(&mut self, step: Step<'_>) -> Option<&mut Self> {
        match self.place(step)? {
            Place::Word(at) => self.words.get_mut(at).map(|(_, node)| node),
            Place::Value(at) => self.values.get_mut(at).map(|(_, node)| node),
        }
    }

    /// Makes an end where `steps` lead, its text being `path` and what is found on the way.
    fn learn(
        &mut self,
        steps: &mut Steps<'_>,
        path: &mut String,
        make: &dyn Fn(&str) -> T,
        joins: bool,
    ) -> Learnt {
        let Some(step) = steps.next() else {
            if self.end.is_some() {
                return Learnt::Known;
            }
            self.end = Some(End {
                text: path.as_str().into(),
                of: make(path),
                was: Vec::new(),
            });
            return Learnt::New;
        };
        path.push('/');
        match self.place(step) {
            Some(Place::Word(at)) => match self.words.get_mut(at) {
                Some((word, child)) => {
                    path.push_str(word);
                    child.learn(steps, path, make, joins)
                }
                None => Learnt::Known,
            },
            Some(Place::Value(at)) => match self.values.get_mut(at) {
                Some((shape, child)) => {
                    path.push_str(shape.text());
                    child.learn(steps, path, make, joins)
                }
                None => Learnt::Known,
            },
            None => {
                step.write(path);
                let mut child = Self::new();
                child.learn(steps, path, make, joins);
                self.put(step, child, joins);
                if self.settle(joins) {
                    Learnt::Joined
                } else {
                    Learnt::New
                }
            }
        }
    }

    /// Puts `node`, with all below it, where `step` leads.
    fn put(&mut self, step: Step<'_>, node: Self, joins: bool) {
        if let Some(child) = self.child_mut(step) {
            return child.absorb(node, joins);
        }
        let word = match step {
            Step::Value(shape) => return self.values.push((shape, node)),
            Step::Word(word) => word.into(),
            Step::File(..) => {
                let mut name = String::new();
                step.write(&mut name);
                name.into_boxed_str()
            }
        };
        let at = self.words.partition_point(|(have, _)| *have < word);
        self.words.insert(at, (word, node));
    }

    /// Takes in all that `other` is and has below it.
    fn absorb(&mut self, other: Self, joins: bool) {
        if let Some(end) = other.end {
            match &mut self.end {
                None => self.end = Some(end),
                Some(have) => {
                    have.was.push(end.text);
                    have.was.extend(end.was);
                }
            }
        }
        for (shape, node) in other.values {
            self.put(Step::Value(shape), node, joins);
        }
        for (word, node) in other.words {
            self.put(Step::Word(&word), node, joins);
        }
        self.settle(joins);
    }

    /// Joins what is below if there are too many words, or if words were joined before; whether anything
    /// was.
    fn settle(&mut self, joins: bool) -> bool {
        let name = self
            .values
            .iter()
            .position(|(shape, _)| *shape == Shape::Name);
        let apart = !self.words.is_empty()
            || self
                .values
                .iter()
                .any(|(shape, _)| shape.is_vague() && *shape != Shape::Name);
        let many = joins && self.words.len() > WORDS_MAX;
        let again = name.is_some() && apart;
        if !(many || again) {
            return false;
        }
        let words = std::mem::take(&mut self.words);
        let mut joined = match name {
            Some(at) => self.values.swap_remove(at).1,
            None => Self::new(),
        };
        for (_, node) in words {
            joined.absorb(node, joins);
        }
        for (shape, node) in std::mem::take(&mut self.values) {
            if shape.is_vague() {
                joined.absorb(node, joins);
            } else {
                self.values.push((shape, node));
            }
        }
        self.values.push((Shape::Name, joined));
        true
    }

    /// Gives each template its text, `path` being that of this node; tells what changed, and how many
    /// there are.
    fn tell(
        &mut self,
        path: &mut String,
        make: &dyn Fn(&str) -> T,
        told: &mut Vec<Joined>,
    ) -> usize {
        let mut count = 0;
        if let Some(end) = &mut self.end {
            count += 1;
            if *end.text != **path {
                let before = std::mem::replace(&mut end.text, path.as_str().into());
                end.of = make(path);
                end.was.push(before);
            }
            for from in end.was.drain(..).filter(|from| !from.is_empty()) {
                let to = Arc::clone(&end.text);
                told.push(Joined { from, to });
            }
        }
        let length = path.len();
        let words = self.words.iter_mut().map(|(word, node)| (&**word, node));
        let values = self
            .values
            .iter_mut()
            .map(|(shape, node)| (shape.text(), node));
        for (segment, node) in words.chain(values) {
            path.push('/');
            path.push_str(segment);
            count += node.tell(path, make, told);
            path.truncate(length);
        }
        count
    }

    fn each(&self, tell: &mut dyn FnMut(&End<T>)) {
        self.end.iter().for_each(&mut *tell);
        for (_, node) in &self.words {
            node.each(tell);
        }
        for (_, node) in &self.values {
            node.each(tell);
        }
    }
}

/// The name of a file in a template, in `out`.
fn file_name<'o>(shape: Shape, ending: &str, out: &'o mut [u8; 32]) -> &'o [u8] {
    let parts = [shape.text().as_bytes(), b".", ending.as_bytes()];
    let mut len = 0;
    for (place, byte) in out.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
        len += 1;
    }
    out.get(..len).unwrap_or_default()
}

/// The steps of a path, or of a template's text.
struct Steps<'a> {
    rest: Option<&'a [u8]>,
    count: usize,
    /// What stands in braces is a value, not text of the path.
    template: bool,
}

impl<'a> Steps<'a> {
    fn of(path: &'a [u8], template: bool) -> Self {
        Self {
            rest: Some(path.strip_prefix(b"/").unwrap_or(path)),
            count: 0,
            template,
        }
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let rest = self.rest?;
        if self.count == DEPTH_MAX {
            self.rest = None;
            return Some(Step::Word(REST));
        }
        self.count += 1;
        let end = rest.iter().position(|byte| *byte == b'/');
        let segment = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.rest = end.and_then(|end| rest.get(end + 1..));
        if self.template
            && let Some(step) = template_step(segment)
        {
            return Some(step);
        }
        Some(match label(segment) {
            Label::Word(word) => Step::Word(word),
            Label::Value(shape) => Step::Value(shape),
            Label::File(shape, ending) => Step::File(shape, ending),
        })
    }
}

/// Whether `template` is one of ours: what is in braces in it is a value that we tell.
fn is_told(template: &str) -> bool {
    let mut segments = template.split('/');
    segments.all(|text| !text.contains(['{', '}']) || template_step(text.as_bytes()).is_some())
}

/// The step of a template's segment in braces.
fn template_step(segment: &[u8]) -> Option<Step<'_>> {
    let text = str::from_utf8(segment).ok()?;
    if text == REST {
        return Some(Step::Word(REST));
    }
    let (name, behind) = text.split_at_checked(text.find('}')? + 1)?;
    let shape = Shape::ALL.into_iter().find(|shape| shape.text() == name)?;
    match behind.strip_prefix('.') {
        Some(ending) if !ending.is_empty() => Some(Step::File(shape, ending)),
        _ => Some(Step::Value(shape)),
    }
}

#[cfg(test)]
mod tests;
