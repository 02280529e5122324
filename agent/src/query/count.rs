//! How often each value of a field comes.

use std::collections::HashMap;

use crate::filter::Fields;

/// Most different values that are told apart.
const VALUES_MAX: usize = 1 << 20;

/// Most bytes of them.
const VALUES_MAX_BYTES: usize = 256 << 20;

/// Counts values of one field, or of several together.
pub struct Tally {
    fields: Fields,
    counts: HashMap<Box<[u8]>, u64>,
    bytes: usize,
    other: u64,
    key: Vec<u8>,
}

/// One row of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The values, as JSON, one for each field; absent where a record had none.
    pub values: Vec<Option<String>>,
    /// How many records had them.
    pub count: u64,
}

impl Tally {
    /// Of these fields.
    #[must_use]
    pub fn new(fields: Fields) -> Self {
        Self {
            fields,
            counts: HashMap::new(),
            bytes: 0,
            other: 0,
            key: Vec::new(),
        }
    }

    /// Names of the fields.
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.fields.names()
    }

    /// Counts one record. A field with many values in it counts with each.
    pub fn add(&mut self, line: &[u8]) {
        let row = self.fields.of(line);
        let cells: Vec<_> = row.cells().collect();
        // One key for each choice of one value a field; values are JSON, so a line feed parts them.
        let choices = cells
            .iter()
            .map(|cell| cell.len().max(1))
            .product::<usize>();
        for choice in 0..choices.min(CHOICES_MAX) {
            let mut rest = choice;
            self.key.clear();
            for cell in &cells {
                if let Some(value) = cell.get(rest % cell.len().max(1)) {
                    value.write_json(&mut self.key);
                }
                self.key.push(b'\n');
                rest /= cell.len().max(1);
            }
            self.count();
        }
    }

    fn count(&mut self) {
        if let Some(count) = self.counts.get_mut(self.key.as_slice()) {
            *count += 1;
        } else if self.counts.len() < VALUES_MAX && self.bytes < VALUES_MAX_BYTES {
            self.bytes += self.key.len();
            self.counts.insert(self.key.as_slice().into(), 1);
        } else {
            self.other += 1;
        }
    }

    /// Records whose values found no room to be told apart.
    #[must_use]
    pub const fn other(&self) -> u64 {
        self.other
    }

    /// The values, the most frequent first; equally frequent ones in their own order.
    #[must_use]
    pub fn rows(&self, limit: usize) -> Vec<Counted> {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let rows = counts.into_iter().take(limit).map(|(key, count)| {
            let values = key.split(|byte| *byte == b'\n').take(self.names().len());
            let value = |value: &[u8]| {
                let text = String::from_utf8_lossy(value).into_owned();
                Some(text).filter(|text| !text.is_empty())
            };
            Counted {
                values: values.map(value).collect(),
                count: *count,
            }
        });
        rows.collect()
    }
}

/// Most combinations of values that one record counts with.
const CHOICES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::{Counted, Tally};
    use crate::filter::Fields;

    #[track_caller]
    fn check(fields: &str, lines: &[&str], expected: &[(&[Option<&str>], u64)]) {
        let mut tally = Tally::new(Fields::parse(fields).unwrap());
        lines.iter().for_each(|line| tally.add(line.as_bytes()));
        let expected: Vec<_> = expected
            .iter()
            .map(|(values, count)| Counted {
                values: values
                    .iter()
                    .map(|value| value.map(str::to_owned))
                    .collect(),
                count: *count,
            })
            .collect();
        assert_eq!(tally.rows(10), expected);
    }

    #[test]
    fn the_most_frequent_comes_first_and_absent_is_a_value() {
        check(
            "user",
            &[
                r#"{"user":{"id":"b"}}"#,
                r#"{"user":{"id":"a"}}"#,
                r#"{"user":{"id":"b"}}"#,
                "{}",
            ],
            &[(&[Some("\"b\"")], 2), (&[None], 1), (&[Some("\"a\"")], 1)],
        );
    }

    #[test]
    fn lists_count_with_each_value_and_fields_together() {
        check(
            "anomalies, pid",
            &[
                r#"{"process":{"pid":1},"anomalies":["x\n","y"]}"#,
                r#"{"process":{"pid":1}}"#,
            ],
            &[
                (&[None, Some("1")], 1),
                (&[Some(r#""x\n""#), Some("1")], 1),
                (&[Some("\"y\""), Some("1")], 1),
            ],
        );
    }
}
