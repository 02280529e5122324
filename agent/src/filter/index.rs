//! What an index of many lines at once can say of a filter: which values a line must have.

use std::ops::Bound::Included;
use std::ops::RangeBounds as _;

use super::field::Values;
use super::plan::{Leaf, Node};
use super::test::{Number, Range, Test};

/// Most values of one clause: beyond them an index says nothing worth asking.
const VALUES_MAX: usize = 128;

/// A field that an index of lines may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKey {
    /// `url.domain`
    Host,
    /// `http.route`
    Route,
    /// `client.address`
    Client,
    /// `user.id`
    User,
    /// `http.response.status_code`, in decimal, or its class: `404`, `4xx`
    Status,
}

impl IndexKey {
    /// The field's path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Host => "url.domain",
            Self::Route => "http.route",
            Self::Client => "client.address",
            Self::User => "user.id",
            Self::Status => "http.response.status_code",
        }
    }

    const ALL: [Self; 5] = [
        Self::Host,
        Self::Route,
        Self::Client,
        Self::User,
        Self::Status,
    ];
}

/// Values of which a line has at least one, if it matches: the text of the field, unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The values, each with its field. Never empty.
    pub any: Vec<(IndexKey, Box<str>)>,
}

/// What every line has for which `node` holds: something of each clause.
pub(super) fn clauses(node: &Node, leaves: &[Leaf]) -> Vec<Clause> {
    match node {
        Node::Leaf { negated: true, .. } => Vec::new(),
        Node::Leaf { leaf, .. } => {
            let values = leaves.get(*leaf).and_then(values);
            let clause = values.filter(|any| (1..=VALUES_MAX).contains(&any.len()));
            clause.map(|any| Clause { any }).into_iter().collect()
        }
        Node::All(nodes) => nodes
            .iter()
            .flat_map(|node| clauses(node, leaves))
            .collect(),
        Node::Any(nodes) => {
            // Of each branch its narrowest clause: the line is in one of the branches.
            let mut any = Vec::new();
            for node in nodes {
                let clauses = clauses(node, leaves);
                let Some(narrow) = clauses.into_iter().min_by_key(|clause| clause.any.len()) else {
                    return Vec::new();
                };
                any.extend(narrow.any);
            }
            if (1..=VALUES_MAX).contains(&any.len()) {
                vec![Clause { any }]
            } else {
                Vec::new()
            }
        }
    }
}

/// The values of which the line has one, if the comparison holds.
fn values(leaf: &Leaf) -> Option<Vec<(IndexKey, Box<str>)>> {
    let target = &leaf.target;
    let path = target.path.join(".");
    let key = IndexKey::ALL.into_iter().find(|key| key.path() == path)?;
    match (&leaf.test, target.values?) {
        (Test::Texts(texts), _) => texts
            .iter()
            .map(|text| Some((key, str::from_utf8(text).ok()?.into())))
            .collect(),
        (Test::Numbers(_, ranges), Values::Status) => {
            let mut codes: Vec<_> = ranges.iter().flat_map(statuses).collect();
            codes.sort();
            codes.dedup();
            Some(codes.into_iter().map(|code| (key, code.into())).collect())
        }
        _ => None,
    }
}

/// The code that a range is, or the classes that it meets. No code is below 100 or above 999.
fn statuses(range: &Range) -> Vec<String> {
    if let (Included(Number::Whole(first)), Included(Number::Whole(last))) = range
        && first == last
    {
        return vec![first.to_string()];
    }
    let meets = |class: &u16| {
        let mut codes = class * 100..=class * 100 + 99;
        codes.any(|code| range.contains(&Number::Whole(code.into())))
    };
    let met = (1..=9).filter(meets);
    met.map(|class| format!("{class}xx")).collect()
}
