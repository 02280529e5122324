//! A bounded table that forgets what was not asked for longest, roughly.
//!
//! Two generations: what is asked for moves to the young one; when that is full it becomes the old
//! one, and what was still in the old one is forgotten. Asking costs one look, or two and a move.

use std::collections::HashMap;
use std::hash::Hash;

/// Bounds of one generation; the table holds twice that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Most entries.
    pub(super) entries: usize,
    /// Most bytes that entries say they take.
    pub(super) bytes: usize,
}

/// The table.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    young: HashMap<K, (V, usize)>,
    young_bytes: usize,
    old: HashMap<K, (V, usize)>,
    bounds: Bounds,
    forgotten: u64,
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// An empty one.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
            bounds,
            forgotten: 0,
        }
    }

    /// What is known of `key`.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (value, bytes) = self.old.remove(key)?;
            self.insert(key.clone(), value, bytes);
        }
        self.young.get_mut(key).map(|(value, _)| value)
    }

    /// Knows `value` of `key`, which takes `bytes` bytes beyond its place in the table.
    pub(super) fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.old.remove(&key);
        if let Some((_, before)) = self.young.remove(&key) {
            self.young_bytes -= before;
        }
        let full =
            self.young.len() >= self.bounds.entries || self.young_bytes + bytes > self.bounds.bytes;
        if full && !self.young.is_empty() {
            self.forgotten += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, (value, bytes));
    }

    /// How many entries were forgotten since the last call.
    pub(super) fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Table};

    /// Puts numbers in, asking for `kept` in between; which of all are known at the end.
    #[track_caller]
    fn check(bounds: Bounds, numbers: u32, bytes: usize, kept: u32, expected: &[u32]) {
        let mut table = Table::new(bounds);
        for number in 0..numbers {
            table.insert(number, number, bytes);
            table.get(&kept);
            assert!(table.young.len() <= bounds.entries && table.old.len() <= bounds.entries);
        }
        let mut known: Vec<u32> = table
            .young
            .keys()
            .chain(table.old.keys())
            .copied()
            .collect();
        known.sort_unstable();
        assert_eq!(known, expected);
        let forgotten = table.take_forgotten();
        assert_eq!(forgotten, u64::from(numbers) - expected.len() as u64);
        assert_eq!(table.take_forgotten(), 0);
    }

    #[test]
    fn the_newest_are_kept_and_what_is_asked_for() {
        let bounds = Bounds {
            entries: 3,
            bytes: usize::MAX,
        };
        check(bounds, 3, 1, 9, &[0, 1, 2]);
        check(bounds, 7, 1, 9, &[3, 4, 5, 6]);
        check(bounds, 9, 1, 0, &[0, 5, 6, 7, 8]);
    }

    #[test]
    fn bytes_bound_it_too() {
        let bounds = Bounds {
            entries: 100,
            bytes: 30,
        };
        check(bounds, 9, 10, 99, &[3, 4, 5, 6, 7, 8]);
        check(bounds, 3, 50, 99, &[1, 2]);
    }

    #[test]
    fn what_is_known_anew_replaces_what_was() {
        let mut table = Table::new(Bounds {
            entries: 2,
            bytes: 10,
        });
        for value in 0..100 {
            table.insert(1, value, 9);
        }
        assert_eq!(table.get(&1), Some(&mut 99));
        assert_eq!(table.take_forgotten(), 0);
    }
}
