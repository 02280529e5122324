//! How often, or how many different values, by what, in which time.

use crate::filter::Fields;

/// What is counted of the events that match.
#[derive(Clone, Debug)]
pub(super) struct Count {
    /// From how many on it speaks.
    pub(super) least: u64,
    pub(super) window_s: u32,
    /// Groups, and behind them the field whose values are told apart, if there is one.
    fields: Option<Fields>,
    distinct: bool,
}

impl Count {
    /// # Errors
    /// A field is not known.
    pub(super) fn new(
        least: u64,
        window_s: u32,
        by: &[String],
        distinct: Option<&str>,
    ) -> Result<Self, String> {
        let names: Vec<&str> = by.iter().map(String::as_str).chain(distinct).collect();
        let fields = match names.as_slice() {
            [] => None,
            names => Some(
                Fields::parse(&names.join(", ")).map_err(|error| error.problem().to_string())?,
            ),
        };
        Ok(Self {
            least: least.max(1),
            window_s: window_s.max(10),
            fields,
            distinct: distinct.is_some(),
        })
    }

    /// The group of the event in `line`, if it has all that groups are made by, and the value that is told apart.
    pub(super) fn values(&self, line: &[u8]) -> (Option<String>, Option<String>) {
        let Some(fields) = &self.fields else {
            return (Some(String::new()), None);
        };
        let row = fields.of(line);
        let mut texts: Vec<Option<String>> = row
            .cells()
            .map(|cells| cells.first().map(|cell| cell.text().into_owned()))
            .collect();
        let value = if self.distinct {
            texts.pop().flatten()
        } else {
            None
        };
        if self.distinct && value.is_none() {
            return (None, None);
        }
        let group: Option<Vec<String>> = texts.into_iter().collect();
        (group.map(|group| group.join("\n")), value)
    }
}
