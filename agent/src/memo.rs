//! Numbers for bytes that come again, a name and a value: the same bytes have the same number, other
//! bytes another, so that who has looked at them may note by their number what was found.
//!
//! Bounded, and right whatever it is asked: the bytes are compared. Who makes them collide on purpose
//! has them looked at anew, which is what all cost once. Most come in the order in which they came the
//! last time, as the fields of a head do, so what came behind the last ones is compared first. Else
//! their hash names two places. What comes the second time takes the one of the two that did not come
//! again; values that come once, as the id of a request, take none.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest bytes that have a number: a header field of a browser.
const LONGEST: usize = 384;

/// Header fields and cookies that are remembered: clients send the same few again and again.
pub const REMEMBERED: usize = 2048;

/// The number of a name and its value, and of no others in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(NonZeroU64);

/// How many numbers were given.
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// Bits of a number that say where it is kept.
const PLACE_BITS: u32 = 16;

impl Number {
    /// One that was never given, of what is kept at `place`.
    fn new(place: usize) -> Option<Self> {
        // A million each second last for nine years; what is noted of them is long forgotten then.
        let given = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
        NonZeroU64::new(given << PLACE_BITS | place as u64).map(Self)
    }

    /// Where it is kept, if there are `count` places, a power of two.
    #[inline]
    const fn place(self, count: usize) -> usize {
        self.0.get() as usize & (count - 1)
    }
}

/// Numbers of at most so many names and values.
pub struct Numbers {
    kept: Vec<Kept>,
    /// Of what came once, a piece of its hash.
    once: Vec<u16>,
    most: usize,
    /// Which were asked for last.
    last: usize,
}

#[derive(Clone, Default)]
struct Kept {
    number: Option<Number>,
    kind: u8,
    /// How many of the bytes are the name.
    front: usize,
    /// Name and value.
    bytes: Vec<u8>,
    /// Which were asked for behind these.
    next: usize,
    /// Whether they came again since room was last made.
    is_asked: bool,
}

impl Kept {
    #[inline]
    fn is(&self, kind: u8, front: &[u8], back: &[u8]) -> bool {
        self.kind == kind
            && self.front == front.len()
            && self.bytes.len() == front.len() + back.len()
            && self
                .bytes
                .split_at_checked(front.len())
                .is_some_and(|(name, value)| is_same(value, back) && is_same(name, front))
    }
}

impl Numbers {
    /// Keeps up to `most`, a power of two from 2 to 65 536.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            once: Vec::new(),
            most,
            last: 0,
        }
    }

    /// The number of a name and its value among those of one kind; `None` for what comes the first time,
    /// or is too long to be kept.
    #[inline]
    pub fn of(&mut self, kind: u8, front: &[u8], back: &[u8]) -> Option<Number> {
        let last = self.kept.get(self.last);
        let next = last.map_or(0, |last| last.next);
        match self.kept.get_mut(next) {
            Some(kept) if kept.is(kind, front, back) => {
                kept.is_asked = true;
                self.last = next;
                kept.number
            }
            _ => self.search(kind, front, back),
        }
    }

    /// Memory they take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes: usize = self.kept.iter().map(|kept| kept.bytes.capacity()).sum();
        let places = self.kept.capacity() * size_of::<Kept>();
        bytes + places + self.once.capacity() * size_of::<u16>()
    }

    fn search(&mut self, kind: u8, front: &[u8], back: &[u8]) -> Option<Number> {
        if front.len() + back.len() > LONGEST {
            return None;
        }
        if self.kept.is_empty() {
            self.kept.resize_with(self.most, Kept::default);
            self.once.resize(self.most, 0);
        }
        let mixed = mix(mix(u64::from(kind), front), back);
        let first = (mixed >> 40) as usize & (self.most - 1) & !1;
        let pair = self.kept.get_mut(first..first + 2)?;
        let found = pair.iter().position(|kept| kept.is(kind, front, back));
        if found.is_none() {
            let piece = (mixed >> 24) as u16;
            let once = self.once.get_mut(mixed as usize & (self.most - 1))?;
            if std::mem::replace(once, piece) != piece {
                return None;
            }
        }
        let at = found.unwrap_or_else(|| room(pair));
        let kept = pair.get_mut(at)?;
        kept.is_asked = found.is_some();
        if found.is_none() {
            kept.bytes.clear();
            kept.bytes.extend_from_slice(front);
            kept.bytes.extend_from_slice(back);
            (kept.kind, kept.front) = (kind, front.len());
            kept.number = Number::new(first + at);
        }
        let number = kept.number;
        if let Some(last) = self.kept.get_mut(self.last) {
            last.next = first + at;
        }
        self.last = first + at;
        number
    }
}

/// Which of two places is taken by what comes new.
fn room(pair: &mut [Kept]) -> usize {
    let empty = pair.iter().position(|kept| kept.number.is_none());
    let free = || pair.iter().position(|kept| !kept.is_asked);
    if let Some(at) = empty.or_else(free) {
        return at;
    }
    pair.iter_mut().for_each(|kept| kept.is_asked = false);
    1
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is kept is not for logs.
        f.write_str("Numbers")
    }
}

/// What was noted of numbers, of the last ones of each of its places.
pub struct Notes<T> {
    notes: Vec<Option<(Number, T)>>,
    most: usize,
}

impl<T: Copy> Notes<T> {
    /// Notes of up to `most` numbers, a power of two: of all, if as many are kept.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            notes: Vec::new(),
            most,
        }
    }

    /// What was noted of a number, if it was not put out by others since.
    #[inline]
    #[must_use]
    pub fn of(&self, number: Number) -> Option<T> {
        let (noted, note) = (*self.notes.get(number.place(self.most))?)?;
        (noted == number).then_some(note)
    }

    /// Notes something of a number.
    pub fn add(&mut self, number: Number, note: T) {
        if self.notes.is_empty() {
            self.notes.resize(self.most, None);
        }
        if let Some(place) = self.notes.get_mut(number.place(self.most)) {
            *place = Some((number, note));
        }
    }

    /// Memory they take, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.notes.capacity() * size_of::<Option<(Number, T)>>()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.notes.clear();
    }
}

impl<T> fmt::Debug for Notes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notes")
    }
}

/// Whether bytes are the same: those of most names and values are in two words that may overlap.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    #[inline(always)]
    fn ends<const N: usize>(bytes: &[u8]) -> Option<([u8; N], [u8; N])> {
        Some((*bytes.first_chunk()?, *bytes.last_chunk()?))
    }
    match one.len() {
        len if len != other.len() => false,
        4..=8 => ends::<4>(one) == ends(other),
        9..=16 => ends::<8>(one) == ends(other),
        17..=32 => ends::<16>(one) == ends(other),
        _ => one == other,
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

#[cfg(test)]
mod tests {
    use super::{LONGEST, Notes, Number, Numbers};
    use proptest::prelude::*;

    #[track_caller]
    fn check(numbers: &mut Numbers, one: (&[u8], &[u8]), expected: Option<Number>) {
        assert_eq!(numbers.of(0, one.0, one.1), expected, "{one:?}");
    }

    #[test]
    fn what_comes_once_does_not_put_out_what_comes_always() {
        let mut numbers = Numbers::new(2);
        check(&mut numbers, (b"host", b"always"), None);
        let always = numbers.of(0, b"host", b"always");
        assert!(always.is_some());
        check(&mut numbers, (b"host", b"always"), always);
        for n in 2..9 {
            let once = format!("once {n}");
            let number = numbers.of(0, b"id", once.as_bytes());
            assert_eq!(number, None);
            check(&mut numbers, (b"host", b"always"), always);
        }
    }

    #[test]
    fn a_pair_is_no_other_pair_of_the_same_bytes() {
        let mut numbers = Numbers::new(2);
        let _ = numbers.of(0, b"host", b"name");
        let one = numbers.of(0, b"host", b"name");
        assert!(one.is_some());
        check(&mut numbers, (b"host", b"name"), one);
        for other in [
            (&b"hostn"[..], &b"ame"[..]),
            (b"", b"hostname"),
            (b"hostname", b""),
        ] {
            let number = (0..2)
                .filter_map(|_| numbers.of(0, other.0, other.1))
                .last();
            assert!(number.is_some() && number != one);
        }
    }

    #[test]
    fn what_is_long_is_not_kept() {
        let mut numbers = Numbers::new(2);
        let long = [b'a'; LONGEST + 1];
        for _ in 0..3 {
            check(&mut numbers, (b"a", &long[1..]), None);
            check(&mut numbers, (b"", &long), None);
        }
        let _ = numbers.of(0, b"a", &long[2..]);
        let number = numbers.of(0, b"a", &long[2..]);
        assert!(number.is_some());
        check(&mut numbers, (b"a", &long[2..]), number);
    }

    #[test]
    fn what_was_noted_is_forgotten_for_others() {
        let mut numbers = Numbers::new(64);
        let mut notes = Notes::new(2);
        let twice = (0..128_u8).map(|n| numbers.of(0, b"n", &[n / 2]));
        let all: Vec<_> = twice.flatten().collect();
        assert_eq!(all.len(), 64);
        for number in &all {
            assert_eq!(notes.of(*number), None);
            notes.add(*number, *number);
            assert_eq!(notes.of(*number), Some(*number));
        }
        let kept = all
            .iter()
            .filter(|number| notes.of(**number).is_some())
            .count();
        assert!((1..=2).contains(&kept), "{kept}");
        notes.clear();
        assert!(!all.iter().any(|number| notes.of(*number).is_some()));
    }

    fn twice(numbers: &mut Numbers, value: &[u8]) -> Option<Number> {
        let _ = numbers.of(1, b"n", value);
        numbers.of(1, b"n", value)
    }

    #[test]
    fn two_of_one_pair_that_come_in_turn_both_stay() {
        let mut numbers = Numbers::new(2);
        let (a, b) = (twice(&mut numbers, b"a"), twice(&mut numbers, b"b"));
        assert!(a.is_some() && b.is_some());
        for _ in 0..3 {
            assert_eq!(numbers.of(1, b"n", b"a"), a);
            assert_eq!(numbers.of(1, b"n", b"b"), b);
        }
    }

    #[test]
    fn a_number_is_never_given_again() {
        let (mut one, mut other) = (Numbers::new(2), Numbers::new(2));
        let first = twice(&mut one, b"a").unwrap();
        assert_ne!(twice(&mut other, b"a"), Some(first));
        let mut notes = Notes::new(2);
        notes.add(first, ());
        for n in 0..9_u8 {
            for _ in 0..2 {
                let number = twice(&mut one, &[n]).unwrap();
                assert_eq!(notes.of(number), None);
            }
        }
    }

    proptest! {
        #[test]
        fn no_two_have_one_number(
            asked in prop::collection::vec((0_u8..2, "[ab]{0,2}", "[ab]{0,9}"), 1..200),
            most in 0_u32..6,
        ) {
            let mut numbers = Numbers::new(2 << most);
            let mut known: Vec<(Number, &(u8, String, String))> = Vec::new();
            for pair in asked.iter().chain(&asked).chain(&asked) {
                let Some(number) = numbers.of(pair.0, pair.1.as_bytes(), pair.2.as_bytes()) else {
                    continue;
                };
                for (other, of) in &known {
                    prop_assert!(*other != number || *of == pair, "{of:?} {pair:?}");
                }
                known.push((number, pair));
            }
        }
    }
}
