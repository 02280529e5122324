//! One way through a line: the fields that the plan names are held against its comparisons.
//!
//! Goes no deeper than the longest path of the filter, however deep the line is.

use super::plan::{Branch, Hits, Plan};
use super::scan::{Cursor, Value};

/// Whether there is more to look for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Done,
}

/// Which comparisons of `plan` the line at `cursor` makes true; `None` if it is no JSON object.
pub(super) fn hits(plan: &Plan, cursor: &mut Cursor<'_>) -> Option<Hits> {
    let mut walk = Walk { plan, hits: 0 };
    if cursor.take()? != b'{' {
        return None;
    }
    walk.mapping(cursor, &plan.branch, true)?;
    Some(walk.hits)
}

struct Walk<'p> {
    plan: &'p Plan,
    hits: Hits,
}

impl Walk<'_> {
    /// Goes through a mapping that was begun; `last` if nothing behind it is looked for.
    fn mapping(&mut self, cursor: &mut Cursor<'_>, branch: &Branch, last: bool) -> Option<Flow> {
        let mut seen: u128 = 0;
        loop {
            match cursor.take()? {
                b'"' => {}
                b',' => continue,
                b'}' => return Some(Flow::On),
                _ => return None,
            }
            let name = cursor.name()?;
            let found = branch.below.iter().enumerate();
            let mut found = found.filter(|(_, (other, _))| **other == *name);
            let Some((at, (_, below))) = found.next() else {
                cursor.skip()?;
                continue;
            };
            seen |= 1 << at;
            let all = seen.count_ones() as usize == branch.below.len();
            if self.value(cursor, below, last && all)? == Flow::Done {
                return Some(Flow::Done);
            }
            if all {
                if last {
                    return Some(Flow::Done);
                }
                cursor.leave()?;
                return Some(Flow::On);
            }
        }
    }

    /// Takes the value of a field that is looked for.
    fn value(&mut self, cursor: &mut Cursor<'_>, branch: &Branch, last: bool) -> Option<Flow> {
        match cursor.peek()? {
            b'{' => {
                self.ask(branch, Value::Nested);
                cursor.take()?;
                if branch.below.is_empty() {
                    cursor.leave()?;
                    return Some(Flow::On);
                }
                self.mapping(cursor, branch, last)
            }
            b'[' => {
                cursor.take()?;
                self.list(cursor, branch)?;
                Some(Flow::On)
            }
            _ => {
                let value = cursor.value()?;
                if value != Value::Scalar(b"null") {
                    self.ask(branch, value);
                }
                Some(Flow::On)
            }
        }
    }

    /// Goes through a list that was begun: what is asked of it is asked of each of its values.
    fn list(&mut self, cursor: &mut Cursor<'_>, branch: &Branch) -> Option<()> {
        loop {
            match cursor.peek()? {
                b',' => {
                    cursor.take()?;
                }
                b']' => {
                    cursor.take()?;
                    return Some(());
                }
                b'[' => {
                    self.ask(branch, Value::Nested);
                    cursor.take()?;
                    self.pair(cursor, branch)?;
                }
                // A mapping, or a value that holds no others.
                _ => {
                    self.value(cursor, branch, false)?;
                }
            }
        }
    }

    /// Takes a pair of texts that was begun.
    fn pair(&mut self, cursor: &mut Cursor<'_>, branch: &Branch) -> Option<()> {
        if branch.pairs.is_empty() || cursor.peek()? != b'"' {
            return cursor.leave();
        }
        cursor.take()?;
        let (name, _) = cursor.string()?;
        let Some((_, leaves)) = branch.pairs.iter().find(|(other, _)| **other == *name) else {
            return cursor.leave();
        };
        if cursor.peek()? == b',' {
            cursor.take()?;
            let value = cursor.value()?;
            self.ask_each(leaves, value);
            if value == Value::Nested {
                cursor.leave()?;
            }
        }
        cursor.leave()
    }

    fn ask(&mut self, branch: &Branch, value: Value<'_>) {
        self.ask_each(&branch.leaves, value);
    }

    fn ask_each(&mut self, leaves: &[usize], value: Value<'_>) {
        for leaf in leaves {
            if self.hits >> leaf & 1 == 0
                && let Some(comparison) = self.plan.leaves.get(*leaf)
                && comparison.test.holds(value)
            {
                self.hits |= 1 << leaf;
            }
        }
    }
}
