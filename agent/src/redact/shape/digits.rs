//! A run of digits with single separators between, as one number may be written.

use super::Text;

/// Groups of digits that are looked at together.
pub(super) const MOST_GROUPS: usize = 8;

/// Digits that are looked at together: more than any number has.
pub(super) const MOST_DIGITS: usize = 24;

/// Digits next to each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// Where it begins in the text.
    pub(super) start: usize,
    pub(super) len: usize,
    /// What stands in front of it, parting it from the group before; 0 in front of the first.
    pub(super) separator: u8,
}

/// Digits in groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    pub(super) values: [u8; MOST_DIGITS],
    pub(super) count: usize,
    pub(super) groups: [Group; MOST_GROUPS],
    pub(super) group_count: usize,
    /// Where the last digit ends.
    pub(super) end: usize,
}

/// Where the group behind one that ends at `end` would begin, and what parts the two.
pub(super) fn next_group(text: Text<'_>, end: usize) -> Option<(usize, u8)> {
    let separator = text
        .at(end)
        .filter(|byte| matches!(byte, b' ' | b'-' | b'.' | b')' | b'/'))?;
    // A closing bracket may have a space behind it.
    let wide = separator == b')' && matches!(text.at(end + 1), Some(b' ' | b'-'));
    Some((end + 1 + usize::from(wide), separator))
}

impl Digits {
    /// Reads the run that begins with a digit at `at`.
    pub(super) fn read(text: Text<'_>, at: usize) -> Self {
        let mut digits = Self {
            values: [0; MOST_DIGITS],
            count: 0,
            groups: [Group::default(); MOST_GROUPS],
            group_count: 0,
            end: at,
        };
        let mut separator = 0;
        let mut start = at;
        for place in 0..MOST_GROUPS {
            let run = text
                .from(start)
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let len = run.take(MOST_DIGITS + 1).count();
            if len == 0 || digits.count + len > MOST_DIGITS {
                break;
            }
            let to = digits.values.get_mut(digits.count..digits.count + len);
            for (value, byte) in to.into_iter().flatten().zip(text.get(start..start + len)) {
                *value = byte - b'0';
            }
            if let Some(group) = digits.groups.get_mut(place) {
                *group = Group {
                    start,
                    len,
                    separator,
                };
            }
            digits.count += len;
            digits.group_count = place + 1;
            digits.end = start + len;
            let Some(next) = next_group(text, digits.end) else {
                break;
            };
            (start, separator) = next;
        }
        digits
    }

    /// The first `len` groups.
    pub(super) fn groups(&self) -> &[Group] {
        self.groups.get(..self.group_count).unwrap_or_default()
    }

    /// All digits.
    pub(super) fn all(&self) -> &[u8] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// Lengths of the groups, and whether they are all parted by `separator`.
    pub(super) fn is(&self, separator: u8, lengths: &[usize]) -> bool {
        self.group_count == lengths.len()
            && self
                .groups()
                .iter()
                .zip(lengths)
                .all(|(group, len)| group.len == *len)
            && self
                .groups()
                .iter()
                .skip(1)
                .all(|group| group.separator == separator)
    }
}
