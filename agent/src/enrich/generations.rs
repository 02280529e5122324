//! A bounded table that forgets what was not asked for lately.
//!
//! Two halves: what is new or was asked for goes into the young one; when that is full, or its time
//! is over, the old one is dropped and the young one is old from then on. So nothing is sorted, no
//! entry has a link or a time of its own, and each entry lives for at least as many others, or as
//! long, as fill one half.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use crate::clock::WallTime;

/// Keys with values, the least lately used half of them about to go.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
    turned: WallTime,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Keeps between `half` and twice as many.
    pub(super) fn new(half: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half,
            turned: WallTime(0),
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The value of `key`, which is young from then on.
    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Puts `value` under `key`.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.turn();
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Takes the value of `key` out.
    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Forgets what was not asked for in `period_ns`, twice that at most, before `now`.
    pub(super) fn expire(&mut self, now: WallTime, period_ns: u64) {
        if self.turned == WallTime(0) {
            self.turned = now;
        }
        let passed = now.0.saturating_sub(self.turned.0);
        if passed >= period_ns {
            self.turn();
            if passed / 2 >= period_ns {
                self.turn();
            }
            self.turned = now;
        }
    }

    fn turn(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }
}

#[cfg(test)]
mod tests {
    use super::Generations;
    use crate::clock::WallTime;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut table = Generations::new(4);
        table.insert(0, "asked for");
        for n in 1..100 {
            table.insert(n, "");
            assert_eq!(table.get(&0).copied(), Some("asked for"));
            assert!(table.len() <= 8, "{}", table.len());
        }
        assert_eq!(table.get(&50), None);
        assert_eq!(table.remove(&0), Some("asked for"));
        assert_eq!(table.get(&0), None);
    }

    #[test]
    fn what_is_not_asked_for_in_time_goes() {
        let mut table = Generations::new(100);
        table.expire(WallTime(1000), 10);
        table.insert("a", ());
        table.expire(WallTime(1012), 10);
        assert!(table.get("a").is_some(), "asked for in time");
        table.expire(WallTime(1023), 10);
        assert!(table.get("a").is_some());
        table.expire(WallTime(1034), 10);
        table.expire(WallTime(1045), 10);
        assert!(table.get("a").is_none());
        table.insert("b", ());
        table.expire(WallTime(2000), 10);
        assert!(table.get("b").is_none(), "a long pause");
    }
}
