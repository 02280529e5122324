//! One way through a line: the fields that are looked for are handed to a visitor.
//!
//! Goes no deeper than the longest path that is looked for, however deep the line is.

use super::plan::Branch;
use super::scan::{Cursor, Value};

/// Who takes what is found.
pub(super) trait Visit<'l> {
    /// Takes a value of a field, or one of its values, and the numbers of what looks for it.
    fn visit(&mut self, leaves: &[usize], value: Value<'l>);
}

/// Whether there is more to look for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Done,
}

/// Hands what `branch` looks for in the line at `cursor` to `visit`; `None` if it is no JSON object.
/// What stands behind the last field that is looked for is not read.
pub(super) fn walk<'l>(
    branch: &Branch,
    cursor: &mut Cursor<'l>,
    visit: &mut impl Visit<'l>,
) -> Option<()> {
    if cursor.take()? != b'{' {
        return None;
    }
    mapping(cursor, branch, true, visit).map(|_| ())
}

/// Goes through a mapping that was begun; `last` if nothing behind it is looked for.
fn mapping<'l>(
    cursor: &mut Cursor<'l>,
    branch: &Branch,
    last: bool,
    visit: &mut impl Visit<'l>,
) -> Option<Flow> {
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
        if value(cursor, below, last && all, visit)? == Flow::Done {
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
fn value<'l>(
    cursor: &mut Cursor<'l>,
    branch: &Branch,
    last: bool,
    visit: &mut impl Visit<'l>,
) -> Option<Flow> {
    match cursor.peek()? {
        b'{' => {
            visit.visit(&branch.leaves, Value::Nested);
            cursor.take()?;
            if branch.below.is_empty() {
                cursor.leave()?;
                return Some(Flow::On);
            }
            mapping(cursor, branch, last, visit)
        }
        b'[' => {
            cursor.take()?;
            list(cursor, branch, visit)?;
            Some(Flow::On)
        }
        _ => {
            let value = cursor.value()?;
            if value != Value::Scalar(b"null") {
                visit.visit(&branch.leaves, value);
            }
            Some(Flow::On)
        }
    }
}

/// Goes through a list that was begun: each of its values is one of the field.
fn list<'l>(cursor: &mut Cursor<'l>, branch: &Branch, visit: &mut impl Visit<'l>) -> Option<()> {
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
                visit.visit(&branch.leaves, Value::Nested);
                cursor.take()?;
                pair(cursor, branch, visit)?;
            }
            // A mapping, or a value that holds no others.
            _ => {
                value(cursor, branch, false, visit)?;
            }
        }
    }
}

/// Takes a pair of texts that was begun.
fn pair<'l>(cursor: &mut Cursor<'l>, branch: &Branch, visit: &mut impl Visit<'l>) -> Option<()> {
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
        visit.visit(leaves, value);
        if value == Value::Nested {
            cursor.leave()?;
        }
    }
    cursor.leave()
}
