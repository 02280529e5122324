//! Answers kept for bytes that come again: names, values of header fields.
//!
//! Bounded, and right whatever it is asked: the bytes are compared. Who makes them collide on purpose
//! has them looked at anew, which is what all cost once.

use std::fmt;

/// Longest bytes that are kept: a header field of a browser.
const LONGEST: usize = 384;

/// Answers for at most so many byte strings, each in the one place its hash gives it.
pub struct Memo<T> {
    places: Vec<Kept<T>>,
    most: usize,
}

#[derive(Clone, Default)]
struct Kept<T> {
    /// Empty where none is kept.
    bytes: Vec<u8>,
    answer: T,
}

impl<T: Copy + Default> Memo<T> {
    /// Keeps up to `most`, a power of two.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            places: Vec::new(),
            most,
        }
    }

    /// The answer for `bytes`, if it is kept.
    #[must_use]
    pub fn get(&self, bytes: &[u8]) -> Option<T> {
        let kept = self.places.get(self.place(bytes))?;
        (kept.bytes == bytes && !bytes.is_empty()).then_some(kept.answer)
    }

    /// Keeps `answer` for `bytes`, if they are not too long, in the place of others.
    pub fn put(&mut self, bytes: &[u8], answer: T) {
        if bytes.len() > LONGEST {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(self.most, Kept::default);
        }
        let place = self.place(bytes);
        if let Some(kept) = self.places.get_mut(place) {
            kept.bytes.clear();
            kept.bytes.extend_from_slice(bytes);
            kept.answer = answer;
        }
    }

    fn place(&self, bytes: &[u8]) -> usize {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        let mixed = words
            .iter()
            .chain([&last])
            .fold(bytes.len() as u64, |mixed, word| {
                (mixed.rotate_left(5) ^ u64::from_le_bytes(*word))
                    .wrapping_mul(0x517c_c1b7_2722_0a95)
            });
        (mixed >> 40) as usize & (self.most - 1)
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
    fn check(memo: &Memo<u32>, bytes: &[u8], expected: Option<u32>) {
        assert_eq!(memo.get(bytes), expected, "{}", bytes.escape_ascii());
    }

    #[test]
    fn answers_are_those_of_the_very_bytes() {
        let mut memo = Memo::new(4);
        check(&memo, b"a", None);
        for n in 0..64_u32 {
            let bytes = format!("field {n}");
            memo.put(bytes.as_bytes(), n);
            check(&memo, bytes.as_bytes(), Some(n));
        }
        let kept = (0..64_u32).filter_map(|n| {
            let answer = memo.get(format!("field {n}").as_bytes())?;
            assert_eq!(answer, n);
            Some(n)
        });
        assert!(kept.count() <= 4);
    }

    #[test]
    fn what_is_long_or_nothing_is_not_kept() {
        let mut memo = Memo::new(2);
        memo.put(&[b'a'; LONGEST + 1], 1);
        check(&memo, &[b'a'; LONGEST + 1], None);
        memo.put(&[b'a'; LONGEST], 2);
        check(&memo, &[b'a'; LONGEST], Some(2));
        check(&memo, &[b'a'; LONGEST - 1], None);
        memo.put(b"", 3);
        check(&memo, b"", None);
    }
}
