//! Records as aligned columns, for people.

use super::super::output::{duration, safe};
use crate::filter::{Cell, Fields, FilterError};
use crate::query::plain;

/// Most columns that a column grows to.
const WIDTH_MAX: usize = 60;

/// Characters of a date that are shown: up to its milliseconds.
const DATE_CHARS: usize = 23;

/// Fields of records that are no exchanges, where no fields were asked for.
const OTHERS: &str = "time, kind, severity, title, name";

/// Columns that grow with what they have shown.
pub(in super::super) struct Table {
    fields: Fields,
    widths: Vec<usize>,
    /// For findings and notices, if their columns are chosen here.
    others: Option<Fields>,
    colours: bool,
}

impl Table {
    /// Columns of these fields; `chosen` if nobody asked for them.
    ///
    /// # Errors
    /// Never: the fields that are chosen here are known.
    pub(super) fn new(fields: Fields, chosen: bool, colours: bool) -> Result<Self, FilterError> {
        let width = |name: &String| match name.as_str() {
            "time" => DATE_CHARS,
            "client" => 15,
            "path" => 32,
            name => safe::width(name).max(6),
        };
        Ok(Self {
            widths: fields.names().iter().map(width).collect(),
            fields,
            others: chosen.then(|| Fields::parse(OTHERS)).transpose()?,
            colours,
        })
    }

    /// Appends the titles.
    pub(super) fn names(&self, out: &mut Vec<u8>) {
        let mut line = String::new();
        aligned(self.fields.names(), &self.widths, &mut line);
        if self.colours {
            line = format!("\x1b[1m{}\x1b[0m\n", line.trim_end());
        }
        out.extend_from_slice(line.as_bytes());
    }

    /// Appends the row of one record.
    pub(super) fn row(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let others = self.others.as_ref();
        let others = others.filter(|_| !line.starts_with(b"{\"kind\":\"exchange\""));
        let fields = others.unwrap_or(&self.fields);
        let row = fields.of(line);
        let cells: Vec<String> = row
            .cells()
            .zip(fields.names())
            .map(|(cell, name)| shown(name, cell))
            .collect();
        let mut text = String::new();
        if others.is_some() {
            let there: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            aligned(&there, &[DATE_CHARS], &mut text);
        } else {
            for (width, cell) in self.widths.iter_mut().zip(&cells) {
                *width = safe::width(cell).clamp(*width, WIDTH_MAX.max(*width));
            }
            aligned(&cells, &self.widths, &mut text);
        }
        out.extend_from_slice(text.as_bytes());
    }

    /// Appends rows of JSON values that are all known, as wide as they need be.
    pub(super) fn sums(names: &[String], rows: Vec<Vec<Option<String>>>, out: &mut Vec<u8>) {
        let text = |cell: &Option<String>| match cell {
            Some(json) => plain(json.as_bytes()).into_owned(),
            None => "-".to_owned(),
        };
        let texts = rows.iter().map(|row| row.iter().map(text).collect());
        Self::all(names, texts.collect(), false, out);
    }

    /// Appends rows that are all known, as wide as they need be, below their titles.
    pub(in super::super) fn all(
        names: &[String],
        rows: Vec<Vec<String>>,
        colours: bool,
        out: &mut Vec<u8>,
    ) {
        let mut widths = vec![0; names.len()];
        for row in [names].into_iter().chain(rows.iter().map(Vec::as_slice)) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = safe::width(cell).clamp(*width, WIDTH_MAX);
            }
        }
        let mut titles = String::new();
        aligned(names, &widths, &mut titles);
        if colours {
            titles = format!("\x1b[1m{}\x1b[0m\n", titles.trim_end());
        }
        let mut text = titles;
        for row in &rows {
            aligned(row, &widths, &mut text);
        }
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends cells with their columns between, and a line feed. The last is never cut.
fn aligned(cells: &[String], widths: &[usize], line: &mut String) {
    let from = line.len();
    for (at, cell) in cells.iter().enumerate() {
        let width = widths.get(at).copied().unwrap_or(0);
        if at + 1 == cells.len() {
            safe::push(cell, usize::MAX, line);
        } else if width == 0 {
            safe::push(cell, usize::MAX, line);
            line.push_str("  ");
        } else {
            let used = safe::push(cell, width, line);
            line.extend(std::iter::repeat_n(' ', width - used + 2));
        }
    }
    let kept = line.get(from..).unwrap_or_default().trim_end().len();
    line.truncate(from + kept);
    line.push('\n');
}

/// The values of a field, as people read them.
fn shown(name: &str, cell: &[Cell<'_>]) -> String {
    let each: Vec<_> = cell.iter().map(|value| value.text()).collect();
    let text = each.join("; ");
    match name {
        "time" => match text.get(..DATE_CHARS) {
            Some(date) => date.to_owned(),
            None => text,
        },
        "duration" | "ttfb" => text.parse().map_or(text, duration),
        name if name.ends_with("_ns") => text.parse().map_or(text, duration),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::filter::Fields;

    #[track_caller]
    fn check(fields: &str, chosen: bool, lines: &[&str], expected: &str) {
        let mut table = Table::new(Fields::parse(fields).unwrap(), chosen, false).unwrap();
        let mut out = Vec::new();
        table.names(&mut out);
        lines
            .iter()
            .for_each(|line| table.row(line.as_bytes(), &mut out));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            expected.trim_start_matches('\n')
        );
    }

    const EXCHANGE: &str = r#"{"kind":"exchange","time":"2026-11-21T06:02:11.123456789Z","duration_ns":1834211,"url":{"path":"/a\u001b[2J"},"http":{"response":{"status_code":200}}}"#;
    const FINDING: &str = r#"{"kind":"finding","time":"2026-11-21T06:02:11.123456789Z","severity":"high","title":"20 failed logins"}"#;

    #[test]
    fn columns_are_aligned_and_safe_for_terminals() {
        check(
            "time, status, duration, path",
            true,
            &[EXCHANGE, FINDING],
            "
time                     status  duration  path
2026-11-21T06:02:11.123  200     1.8ms     /a\\u{1b}[2J
2026-11-21T06:02:11.123  finding  high  20 failed logins
",
        );
    }

    #[test]
    fn fields_that_were_asked_for_are_shown_of_every_record() {
        check(
            "severity, status",
            false,
            &[FINDING, EXCHANGE],
            "
severity  status
high
          200
",
        );
    }
}
