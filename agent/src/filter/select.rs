//! Fields of lines, named as in filters: for columns and counts.

use std::borrow::Cow;

use super::error::{FilterError, Problem};
use super::parse;
use super::plan::Branch;
use super::scan::{Cursor, Value};
use super::walk::{self, Visit};

/// Fields that are taken out of lines.
#[derive(Clone, Debug)]
pub struct Fields {
    names: Vec<String>,
    lists: Vec<bool>,
    branch: Branch,
}

/// The values of [`Fields`] in one line.
#[derive(Clone, Debug, Default)]
pub struct Row<'l> {
    /// A cell for each field: its values, none if it is absent.
    cells: Vec<Vec<Cell<'l>>>,
}

/// One value that holds no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'l>(Value<'l>);

impl Fields {
    /// Reads names with commas between, `time, status, header["x-id"]`.
    ///
    /// # Errors
    /// [`FilterError`]: a name is not known, or that of a mapping.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let paths = parse::paths(text)?;
        let mut fields = Self {
            names: Vec::with_capacity(paths.len()),
            lists: Vec::with_capacity(paths.len()),
            branch: Branch::default(),
        };
        for (at, (target, place)) in paths.into_iter().enumerate() {
            if let Some(problem) = target.unnamed() {
                return Err(FilterError::new(problem, text, place));
            }
            let name = text.get(place).unwrap_or_default();
            fields.names.push(name.to_owned());
            fields.lists.push(target.list);
            fields.branch.add(&target.path, target.pair.as_deref(), at);
        }
        Ok(fields)
    }

    /// Their names, as they were written.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Which of them are lists.
    pub fn lists(&self) -> impl Iterator<Item = bool> {
        self.lists.iter().copied()
    }

    /// Takes them out of `line`. Of what is no JSON, what comes before that is noticed.
    #[must_use]
    pub fn of<'l>(&self, line: &'l [u8]) -> Row<'l> {
        let mut row = Row {
            cells: vec![Vec::new(); self.names.len()],
        };
        // Where the line breaks off, the rest is absent.
        let _ = walk::walk(&self.branch, &mut Cursor::new(line), &mut row);
        row
    }
}

impl<'l> Visit<'l> for Row<'l> {
    fn visit(&mut self, leaves: &[usize], value: Value<'l>) {
        if value == Value::Nested {
            return;
        }
        for leaf in leaves {
            if let Some(cell) = self.cells.get_mut(*leaf) {
                cell.push(Cell(value));
            }
        }
    }
}

impl<'l> Row<'l> {
    /// The values of each field.
    pub fn cells(&self) -> impl Iterator<Item = &[Cell<'l>]> {
        self.cells.iter().map(Vec::as_slice)
    }
}

impl<'l> Cell<'l> {
    /// The value as text: of a text what it says, of all else how it is written.
    #[must_use]
    pub fn text(&self) -> Cow<'l, str> {
        match self.0 {
            Value::Text(text) | Value::Scalar(text) => String::from_utf8_lossy(text),
            Value::Escaped(quoted) => match serde_json::from_slice::<String>(quoted) {
                Ok(text) => text.into(),
                Err(_) => String::from_utf8_lossy(quoted),
            },
            Value::Nested => Cow::Borrowed(""),
        }
    }

    /// Appends the value as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self.0 {
            Value::Text(text) => {
                out.push(b'"');
                out.extend_from_slice(text);
                out.push(b'"');
            }
            Value::Scalar(text) | Value::Escaped(text) => out.extend_from_slice(text),
            Value::Nested => {}
        }
    }
}

impl super::field::Target {
    /// Why it has no value of its own, if it has none.
    fn unnamed(&self) -> Option<Problem> {
        match self.values {
            None => Some(parse::mapping(self)),
            Some(super::field::Values::Headers) => Some(Problem::Expected {
                expected: "the name of a field behind it, as in headers[\"x-id\"]".to_owned(),
            }),
            Some(_) => None,
        }
    }
}

impl std::str::FromStr for Fields {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use crate::filter::tests::EXCHANGE;

    #[track_caller]
    fn check(names: &str, expected: &[&[&str]]) {
        let fields = Fields::parse(names).unwrap_or_else(|error| panic!("{error}"));
        let row = fields.of(EXCHANGE.as_bytes());
        let cells: Vec<Vec<_>> = row
            .cells()
            .map(|cell| cell.iter().map(|value| value.text().into_owned()).collect())
            .collect();
        assert_eq!(cells, expected, "{names}");
        for value in row.cells().flatten() {
            let mut json = Vec::new();
            value.write_json(&mut json);
            let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let text = json.as_str().map_or(json.to_string(), str::to_owned);
            assert_eq!(text, value.text());
        }
    }

    #[test]
    fn fields_come_in_the_order_of_their_names() {
        check(
            "status, path,header.accept ,user , grpc.method",
            &[&["503"], &["/users/42"], &["a", "b"], &["Zoë"], &[]],
        );
        check("query", &[&["q=a\"b\\x"]]);
        check("anomalies", &[&["chunk_extension", "header_too_long"]]);
        check("status, http.response.status_code", &[&["503"], &["503"]]);
        check("kubernetes.labels[\"tier\"]", &[&["1"]]);
        check("request.body.parts.bytes", &[&["812", "3"]]);
    }

    #[test]
    fn names_are_kept_as_they_were_written() {
        let fields = Fields::parse(" time , header[\"X-Id\"]").unwrap();
        assert_eq!(fields.names(), ["time", "header[\"X-Id\"]"]);
    }

    #[test]
    fn what_has_no_value_of_its_own_is_an_error() {
        let says = |names: &str, expected: &str| {
            let error = Fields::parse(names).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        says("time, http.response", "has fields of its own");
        says("request.headers", "the name of a field behind it");
        says("time status", "expected `,` or the end");
        says("time,", "expected a field");
        says("", "expected a field");
    }
}
