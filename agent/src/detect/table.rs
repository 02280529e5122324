//! A bounded map of what is known of each key: what is worth least makes room.
//!
//! A new key looks at [`LOOKED_AT`] entries from where the last one stopped and takes the place of the
//! one that is worth least, so a million keys seen once push each other out and not a key that much
//! was counted for. The order is that of the calls alone: a replay evicts the same.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries that a new key compares before it takes the place of one.
const LOOKED_AT: usize = 16;

/// What an entry is worth to keep: how much was counted, as a rule.
pub(super) trait Worth {
    fn worth(&self) -> u64;
}

/// Keys are hashes already.
#[derive(Clone, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot<V> {
    key: u64,
    /// When it was last used, seconds since 1970.
    used_s: u32,
    value: V,
}

/// At most `CAP` entries; one that was not used for `TTL_S` seconds is worth nothing.
#[derive(Clone, Debug)]
pub(super) struct Table<V, const CAP: usize, const TTL_S: u32> {
    slots: Vec<Slot<V>>,
    places: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    hand: usize,
    evicted: u64,
}

impl<V, const CAP: usize, const TTL_S: u32> Default for Table<V, CAP, TTL_S> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            places: HashMap::default(),
            hand: 0,
            evicted: 0,
        }
    }
}

impl<V: Worth + Default, const CAP: usize, const TTL_S: u32> Table<V, CAP, TTL_S> {
    /// What is known of `key`; nothing, if that is too old.
    pub(super) fn get(&self, key: u64, now_s: u32) -> Option<&V> {
        let slot = self.slots.get(*self.places.get(&key)? as usize)?;
        (slot.used_s.saturating_add(TTL_S) >= now_s).then_some(&slot.value)
    }

    /// As [`Table::get`], to change it.
    pub(super) fn get_mut(&mut self, key: u64, now_s: u32) -> Option<&mut V> {
        let slot = self.slots.get_mut(*self.places.get(&key)? as usize)?;
        if slot.used_s.saturating_add(TTL_S) < now_s {
            return None;
        }
        slot.used_s = slot.used_s.max(now_s);
        Some(&mut slot.value)
    }

    /// What is known of `key`, begun anew if nothing is or it is too old. `None` never happens, but
    /// a table without room.
    pub(super) fn entry(&mut self, key: u64, now_s: u32) -> Option<&mut V> {
        let at = match self.places.get(&key) {
            Some(at) => {
                let at = *at as usize;
                if let Some(slot) = self.slots.get_mut(at)
                    && slot.used_s.saturating_add(TTL_S) < now_s
                {
                    slot.value = V::default();
                }
                at
            }
            None => self.make_room(key, now_s),
        };
        let slot = self.slots.get_mut(at)?;
        slot.used_s = slot.used_s.max(now_s);
        Some(&mut slot.value)
    }

    fn make_room(&mut self, key: u64, now_s: u32) -> usize {
        let slot = Slot {
            key,
            used_s: now_s,
            value: V::default(),
        };
        if self.slots.len() < CAP {
            self.slots.push(slot);
            let at = self.slots.len() - 1;
            self.places.insert(key, at as u32);
            return at;
        }
        let len = self.slots.len().max(1);
        let worth = |at: &usize| {
            self.slots.get(*at).map_or(0, |slot| {
                let fresh = slot.used_s.saturating_add(TTL_S) >= now_s;
                if fresh { slot.value.worth() } else { 0 }
            })
        };
        let looked_at = (0..LOOKED_AT.min(len)).map(|step| (self.hand + step) % len);
        let at = looked_at.min_by_key(worth).unwrap_or(0);
        self.hand = (self.hand + LOOKED_AT) % len;
        self.evicted += 1;
        if let Some(place) = self.slots.get_mut(at) {
            self.places.remove(&place.key);
            *place = slot;
        }
        self.places.insert(key, at as u32);
        at
    }

    /// How many keys made room for others.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Forgets `key`.
    pub(super) fn remove(&mut self, key: u64) -> Option<V> {
        let at = self.places.remove(&key)? as usize;
        if at >= self.slots.len() {
            return None;
        }
        let slot = self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at) {
            self.places.insert(moved.key, at as u32);
        }
        Some(slot.value)
    }

    /// All keys with what is known of them, in the order in which they lie.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.slots.iter().map(|slot| (slot.key, &slot.value))
    }
}

impl<V: Serialize, const CAP: usize, const TTL_S: u32> Serialize for Table<V, CAP, TTL_S> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.hand, self.evicted, &self.slots).serialize(to)
    }
}

impl<'de, V: DeserializeOwned, const CAP: usize, const TTL_S: u32> Deserialize<'de>
    for Table<V, CAP, TTL_S>
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (hand, evicted, mut slots) = <(usize, u64, Vec<Slot<V>>)>::deserialize(from)?;
        slots.truncate(CAP);
        let place = |(at, slot): (usize, &Slot<V>)| (slot.key, at as u32);
        let places: HashMap<u64, u32, _> = slots.iter().enumerate().map(place).collect();
        Ok(Self {
            places,
            slots,
            hand,
            evicted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, Worth};

    impl Worth for u64 {
        fn worth(&self) -> u64 {
            *self
        }
    }

    type Small = Table<u64, 64, 100>;

    #[test]
    fn any_number_of_keys_takes_no_more_room_and_pushes_out_none_that_counts() {
        let mut table = Small::default();
        for key in 0..8 {
            *table.entry(key << 32, 5).unwrap() = 50;
        }
        for key in 0..200_000 {
            *table.entry(1 + (key << 3), 6).unwrap() += 1;
        }
        assert_eq!((table.len(), table.slots.capacity()), (64, 64));
        assert_eq!(table.evicted(), 200_000 - 56);
        for key in 0..8 {
            assert_eq!(table.get(key << 32, 6), Some(&50));
        }
    }

    #[test]
    fn what_was_not_used_for_long_is_begun_anew() {
        let mut table = Small::default();
        *table.entry(7, 5).unwrap() = 9;
        assert_eq!(table.get(7, 105), Some(&9));
        assert_eq!(table.get(7, 106), None);
        assert_eq!(table.entry(7, 106), Some(&mut 0));
    }

    #[test]
    fn what_is_forgotten_leaves_the_others_where_they_are_found() {
        let mut table = Small::default();
        for key in 0..5 {
            *table.entry(key, 1).unwrap() = key;
        }
        assert_eq!(table.remove(1), Some(1));
        assert_eq!(table.remove(1), None);
        let found: Vec<_> = (0..5).map(|key| table.get(key, 1).copied()).collect();
        assert_eq!(found, [Some(0), None, Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn it_comes_back_from_text_as_it_was() {
        let mut table = Small::default();
        for key in 0..100 {
            *table.entry(key, 1).unwrap() = key;
        }
        let text = serde_json::to_string(&table).unwrap();
        let mut back: Small = serde_json::from_str(&text).unwrap();
        for key in 90..200 {
            assert_eq!(back.entry(key, 2), table.entry(key, 2));
        }
        assert_eq!(back.evicted(), table.evicted());
    }
}
