//! Answers kept for bytes that come again: names, values of header fields.
//!
//! Bounded, and right whatever it is asked: the bytes are compared. Who makes them collide on purpose
//! has them looked at anew, which is what all cost once. Each hash has two places: what comes new is
//! kept in the second, and what is asked for there changes over to the first, so that values that
//! come once, as the id of a request, do not put out those that come always.

use std::fmt;

/// Longest bytes that are kept: a header field of a browser.
const LONGEST: usize = 384;

/// Answers for at most so many byte strings, each in one of the two places its hash gives it.
pub struct Memo<T> {
    places: Vec<[Kept<T>; 2]>,
    most: usize,
}

#[derive(Clone, Default)]
struct Kept<T> {
    /// Empty where none is kept.
    bytes: Vec<u8>,
    /// How many of the bytes are the first of a pair.
    front: usize,
    answer: T,
}

impl<T> Kept<T> {
    /// Whether it is kept for these; never if both are empty.
    #[inline]
    fn is(&self, front: &[u8], back: &[u8]) -> bool {
        self.front == front.len()
            && self.bytes.len() == front.len() + back.len()
            && self.bytes.ends_with(back)
            && self.bytes.starts_with(front)
            && !self.bytes.is_empty()
    }
}

impl<T: Copy + Default> Memo<T> {
    /// Keeps up to `most`, a power of two and two at least.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            places: Vec::new(),
            most,
        }
    }

    /// The answer for `bytes`, if it is kept.
    #[must_use]
    pub fn get(&mut self, bytes: &[u8]) -> Option<T> {
        self.get_pair(b"", bytes)
    }

    /// The answer for two byte strings, a name and a value, if it is kept.
    #[must_use]
    pub fn get_pair(&mut self, front: &[u8], back: &[u8]) -> Option<T> {
        let place = self.place(front, back);
        let places = self.places.get_mut(place)?;
        let [first, second] = places;
        if first.is(front, back) {
            return Some(first.answer);
        }
        if !second.is(front, back) {
            return None;
        }
        std::mem::swap(first, second);
        Some(first.answer)
    }

    /// Keeps `answer` for `bytes`, if they are not too long, in the place of others.
    pub fn put(&mut self, bytes: &[u8], answer: T) {
        self.put_pair(b"", bytes, answer);
    }

    /// The same for two byte strings.
    pub fn put_pair(&mut self, front: &[u8], back: &[u8], answer: T) {
        if front.len() + back.len() > LONGEST {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(self.most / 2, Default::default);
        }
        let place = self.place(front, back);
        if let Some([_, kept]) = self.places.get_mut(place) {
            kept.bytes.clear();
            kept.bytes.extend_from_slice(front);
            kept.bytes.extend_from_slice(back);
            kept.front = front.len();
            kept.answer = answer;
        }
    }

    fn place(&self, front: &[u8], back: &[u8]) -> usize {
        let mixed = mix(mix(front.len() as u64, front), back);
        (mixed >> 40) as usize & (self.most / 2 - 1)
    }
}

/// `mixed` with `bytes` mixed in.
fn mix(mixed: u64, bytes: &[u8]) -> u64 {
    let with =
        |mixed: u64, word: u64| (mixed.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = bytes.as_chunks::<8>();
    let mixed = words
        .iter()
        .fold(with(mixed, bytes.len() as u64), |mixed, word| {
            with(mixed, u64::from_le_bytes(*word))
        });
    match (bytes.last_chunk::<8>(), rest) {
        (_, []) => mixed,
        // Bytes that are mixed in twice do no harm.
        (Some(last), _) => with(mixed, u64::from_le_bytes(*last)),
        (None, rest) => with(
            mixed,
            rest.iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        ),
    }
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is kept is not for logs.
        f.write_str("Memo")
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Memo};

    #[track_caller]
    fn check(memo: &mut Memo<u32>, bytes: &[u8], expected: Option<u32>) {
        assert_eq!(memo.get(bytes), expected, "{}", bytes.escape_ascii());
    }

    #[test]
    fn answers_are_those_of_the_very_bytes() {
        let mut memo = Memo::new(4);
        check(&mut memo, b"a", None);
        for n in 0..64_u32 {
            let bytes = format!("field {n}");
            memo.put(bytes.as_bytes(), n);
            check(&mut memo, bytes.as_bytes(), Some(n));
        }
        let kept = (0..64_u32).filter_map(|n| {
            let answer = memo.get(format!("field {n}").as_bytes())?;
            assert_eq!(answer, n);
            Some(n)
        });
        assert!(kept.count() <= 4);
    }

    #[test]
    fn what_comes_once_does_not_put_out_what_comes_always() {
        let mut memo = Memo::new(2);
        memo.put(b"always", 1);
        check(&mut memo, b"always", Some(1));
        for n in 2..9_u32 {
            let once = format!("once {n}");
            memo.put(once.as_bytes(), n);
            check(&mut memo, b"always", Some(1));
        }
    }

    #[test]
    fn a_pair_is_no_other_pair_of_the_same_bytes() {
        let mut memo = Memo::new(2);
        memo.put_pair(b"host", b"name", 1);
        assert_eq!(memo.get_pair(b"host", b"name"), Some(1));
        assert_eq!(memo.get_pair(b"hostn", b"ame"), None);
        check(&mut memo, b"hostname", None);
        memo.put_pair(b"host", b"", 2);
        assert_eq!(memo.get_pair(b"host", b""), Some(2));
        check(&mut memo, b"host", None);
    }

    #[test]
    fn what_is_long_or_nothing_is_not_kept() {
        let mut memo = Memo::new(2);
        memo.put(&[b'a'; LONGEST + 1], 1);
        check(&mut memo, &[b'a'; LONGEST + 1], None);
        memo.put(&[b'a'; LONGEST], 2);
        check(&mut memo, &[b'a'; LONGEST], Some(2));
        check(&mut memo, &[b'a'; LONGEST - 1], None);
        memo.put(b"", 3);
        check(&mut memo, b"", None);
    }
}
