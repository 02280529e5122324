//! A parsed filter made ready: what is looked for on the way through a line.

use super::field::{Kinds, Target};
use super::index::{self, Clause};
use super::parse::Parsed;
use super::reject::Reject;
use super::scan::{Cursor, Value};
use super::test::Test;
use super::walk::{self, Visit};

/// Which comparisons a line makes true, a bit each.
pub(super) type Hits = u128;

/// A filter with its negations at its leaves.
#[derive(Clone, Debug)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Leaf { leaf: usize, negated: bool },
}

/// One comparison.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) target: Target,
    pub(super) test: Test,
}

impl Node {
    /// Whether a line of a record of `kinds` that made `hits` true matches.
    pub(super) fn holds(&self, hits: Hits, kinds: Kinds, leaves: &[Leaf]) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(hits, kinds, leaves)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(hits, kinds, leaves)),
            Self::Leaf { leaf, negated } => {
                let has = |leaf: &Leaf| leaf.target.kinds.meet(kinds);
                leaves.get(*leaf).is_some_and(has) && (hits >> leaf & 1 == 1) != *negated
            }
        }
    }
}

/// What is looked for in a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    /// By name, as it is written.
    pub(super) below: Vec<(Box<[u8]>, Branch)>,
    /// Comparisons with the value, or with each value of a list.
    pub(super) leaves: Vec<usize>,
    /// Comparisons with values of a list of pairs, by the pair's name.
    pub(super) pairs: Vec<(Box<[u8]>, Vec<usize>)>,
}

/// A filter made ready.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) leaves: Vec<Leaf>,
    pub(super) root: Node,
    pub(super) branch: Branch,
    pub(super) reject: Reject,
    pub(super) clauses: Vec<Clause>,
}

impl Plan {
    pub(super) fn new(parsed: Parsed) -> Self {
        let Parsed { root, leaves } = parsed;
        let mut branch = Branch::default();
        for (at, leaf) in leaves.iter().enumerate() {
            branch.add(&leaf.target.path, leaf.target.pair.as_deref(), at);
        }
        Self {
            reject: Reject::new(&root, &leaves),
            clauses: index::clauses(&root, &leaves),
            leaves,
            root,
            branch,
        }
    }

    /// Which comparisons the line at `cursor` makes true; `None` if it is no JSON object.
    pub(super) fn hits(&self, cursor: &mut Cursor<'_>) -> Option<Hits> {
        let mut asked = Asked {
            leaves: &self.leaves,
            hits: 0,
        };
        walk::walk(&self.branch, cursor, &mut asked)?;
        Some(asked.hits)
    }
}

/// Holds values against comparisons.
struct Asked<'p> {
    leaves: &'p [Leaf],
    hits: Hits,
}

impl Visit<'_> for Asked<'_> {
    fn visit(&mut self, leaves: &[usize], value: Value<'_>) {
        for leaf in leaves {
            if self.hits >> leaf & 1 == 0
                && let Some(comparison) = self.leaves.get(*leaf)
                && comparison.test.holds(value)
            {
                self.hits |= 1 << leaf;
            }
        }
    }
}

impl Branch {
    /// Adds the comparison `leaf` with what is at `path` below this.
    pub(super) fn add(&mut self, path: &[String], pair: Option<&str>, leaf: usize) {
        if let Some((name, rest)) = path.split_first() {
            let name = written(name);
            if !self.below.iter().any(|(other, _)| *other == name) {
                self.below.push((name.clone(), Self::default()));
            }
            for (_, branch) in self.below.iter_mut().filter(|(other, _)| *other == name) {
                branch.add(rest, pair, leaf);
            }
        } else if let Some(name) = pair {
            let name = written(name);
            match self.pairs.iter_mut().find(|(other, _)| *other == name) {
                Some((_, leaves)) => leaves.push(leaf),
                None => self.pairs.push((name, vec![leaf])),
            }
        } else {
            self.leaves.push(leaf);
        }
    }
}

/// `text` as a line has it between quotes.
pub(super) fn written(text: &str) -> Box<[u8]> {
    let mut line = Vec::new();
    // A text can always be written.
    let _ = crate::event::write_line(&text, &mut line);
    let inside = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\"\n"));
    inside.unwrap_or_default().into()
}
