//! Bytes that every line that matches must contain: most others are turned away by a search.
//!
//! The search knows how lines are written: no space between a name, its colon and its value. A
//! name in quotes with a colon behind it is never part of a text, whose quotes are escaped; so each
//! place where it stands is a field of that name, of the right mapping or of another. Nothing here
//! decides that a line matches.

use memchr::memmem::Finder;

use super::field::Values;
use super::plan::{Leaf, Node, written};
use super::scan::Cursor;
use super::test::{Number, Reading, Test};

/// Most texts of one comparison that are each searched for.
const NEEDLES_MAX: usize = 4;

/// What a line must contain.
#[derive(Clone, Debug)]
pub(super) enum Reject {
    /// Nothing that is known.
    Nothing,
    /// All of these.
    All(Vec<Reject>),
    /// One of these.
    Any(Vec<Reject>),
    /// These bytes.
    Bytes(Box<Finder<'static>>),
    /// These bytes, with a value behind them of which the comparison holds.
    Field(Box<Finder<'static>>, usize),
}

impl Reject {
    /// What `node` demands.
    pub(super) fn new(node: &Node, leaves: &[Leaf]) -> Self {
        match node {
            Node::Leaf { negated: true, .. } => Self::Nothing,
            Node::Leaf { leaf, .. } => match leaves.get(*leaf) {
                Some(comparison) => of_leaf(*leaf, comparison),
                None => Self::Nothing,
            },
            Node::All(nodes) => {
                let each = nodes.iter().map(|node| Self::new(node, leaves));
                let mut known: Vec<_> = each.filter(|one| !matches!(one, Self::Nothing)).collect();
                // A search for more bytes first: it finds less.
                known.sort_by_key(Self::work);
                match known.len() {
                    0 => Self::Nothing,
                    _ => Self::All(known),
                }
            }
            Node::Any(nodes) => {
                let each: Vec<_> = nodes.iter().map(|node| Self::new(node, leaves)).collect();
                if each.iter().any(|one| matches!(one, Self::Nothing)) {
                    Self::Nothing
                } else {
                    Self::Any(each)
                }
            }
        }
    }

    fn work(&self) -> usize {
        match self {
            Self::Bytes(_) | Self::Nothing => 0,
            Self::Field(..) => 1,
            Self::All(several) | Self::Any(several) => 2 + several.len(),
        }
    }

    /// Whether `line` contains what it must.
    pub(super) fn possible(&self, line: &[u8], leaves: &[Leaf]) -> bool {
        match self {
            Self::Nothing => true,
            Self::All(several) => several.iter().all(|one| one.possible(line, leaves)),
            Self::Any(several) => several.iter().any(|one| one.possible(line, leaves)),
            Self::Bytes(bytes) => bytes.find(line).is_some(),
            Self::Field(name, leaf) => {
                let Some(leaf) = leaves.get(*leaf) else {
                    return true;
                };
                let length = name.needle().len();
                name.find_iter(line).any(|at| {
                    let behind = line.get(at + length..).unwrap_or_default();
                    let value = Cursor::new(behind).value();
                    // Where the line breaks off, the walk says so.
                    value.is_none_or(|value| leaf.test.holds(value))
                })
            }
        }
    }
}

fn bytes(bytes: &[u8]) -> Reject {
    Reject::Bytes(Box::new(Finder::new(bytes).into_owned()))
}

/// What a comparison demands that is not negated.
fn of_leaf(at: usize, leaf: &Leaf) -> Reject {
    let target = &leaf.target;
    let Some(name) = target.path.last() else {
        return Reject::Nothing;
    };
    let (name, in_list) = match &target.pair {
        Some(pair) => ([b"[\"", &*written(pair), b"\","].concat(), false),
        None => ([b"\"", &*written(name), b"\":"].concat(), target.list),
    };
    let open = target.values == Some(Values::Open);
    match &leaf.test {
        Test::Exists => bytes(&name),
        Test::Texts(texts) if texts.len() <= NEEDLES_MAX && !texts.is_empty() => {
            let each = texts.iter().map(|text| {
                let text = written(&String::from_utf8_lossy(text));
                let before: &[u8] = if in_list || open { b"" } else { &name };
                bytes(&[before, b"\"", &text, b"\""].concat())
            });
            Reject::Any(each.collect())
        }
        _ if in_list || open => bytes(&name),
        Test::Numbers(Reading::Number, ranges) => match digits(ranges) {
            Some(digits) => bytes(&[&name, digits.as_bytes()].concat()),
            None => field(&name, at),
        },
        _ => field(&name, at),
    }
}

fn field(name: &[u8], leaf: usize) -> Reject {
    Reject::Field(Box::new(Finder::new(name).into_owned()), leaf)
}

/// How every number in `ranges` begins, if it is one whole number or one class of statuses.
fn digits(ranges: &[super::test::Range]) -> Option<String> {
    use std::ops::Bound::Included;
    let [(Included(Number::Whole(first)), Included(Number::Whole(last)))] = ranges else {
        return None;
    };
    // Zero may have a sign, and floats that large an exponent.
    (first == last && (1..1 << 53).contains(first)).then(|| first.to_string())
}
