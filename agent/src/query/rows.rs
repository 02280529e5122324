//! Records as rows: JSON objects, comma-separated (RFC 4180) or tab-separated values.

use std::borrow::Cow;

use crate::filter::{Fields, Row};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line; what is absent is left out.
    Json,
    /// Comma-separated, quoted where needed (RFC 4180), with a line of names first.
    Csv,
    /// Tab-separated, with a line of names first; tab, line feed, carriage return and backslash are
    /// written `\t`, `\n`, `\r` and `\\`.
    Tsv,
}

/// Between values of one field, where there is one place for them.
const BETWEEN: &str = "; ";

impl Form {
    /// Appends the line of names, if there is one.
    pub fn names(self, names: &[String], out: &mut Vec<u8>) {
        if self != Self::Json {
            self.separated(names.iter().map(|name| Cow::Borrowed(name.as_str())), out);
        }
    }

    /// Appends a row: of each field its values, as JSON.
    pub fn values<'v>(
        self,
        names: &[String],
        values: impl Iterator<Item = Option<Cow<'v, [u8]>>>,
        out: &mut Vec<u8>,
    ) {
        if self == Self::Json {
            let mut before = b'{';
            for (name, value) in names.iter().zip(values) {
                let Some(value) = value else { continue };
                out.push(before);
                before = b',';
                let quoted = serde_json::Value::from(name.as_str());
                out.extend_from_slice(quoted.to_string().as_bytes());
                out.push(b':');
                out.extend_from_slice(&value);
            }
            out.extend_from_slice(if before == b'{' { b"{}\n" } else { b"}\n" });
        } else {
            let text = |value: Option<Cow<'v, [u8]>>| match value {
                Some(value) => plain(&value).into_owned().into(),
                None => Cow::Borrowed(""),
            };
            self.separated(values.map(text), out);
        }
    }

    fn separated<'t>(self, cells: impl Iterator<Item = Cow<'t, str>>, out: &mut Vec<u8>) {
        let (mark, end): (u8, &[u8]) = match self {
            Self::Csv => (b',', b"\r\n"),
            _ => (b'\t', b"\n"),
        };
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                out.push(mark);
            }
            match self {
                Self::Csv if cell.contains(['"', ',', '\r', '\n']) => {
                    out.push(b'"');
                    out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
                    out.push(b'"');
                }
                Self::Csv => out.extend_from_slice(cell.as_bytes()),
                _ => {
                    for byte in cell.bytes() {
                        match byte {
                            b'\t' => out.extend_from_slice(b"\\t"),
                            b'\n' => out.extend_from_slice(b"\\n"),
                            b'\r' => out.extend_from_slice(b"\\r"),
                            b'\\' => out.extend_from_slice(b"\\\\"),
                            byte => out.push(byte),
                        }
                    }
                }
            }
        }
        out.extend_from_slice(end);
    }
}

/// Chosen fields of records, as rows.
pub struct Rows {
    fields: Fields,
    form: Form,
}

impl Rows {
    /// These fields in this form.
    #[must_use]
    pub const fn new(fields: Fields, form: Form) -> Self {
        Self { fields, form }
    }

    /// Appends the line of names, if there is one.
    pub fn names(&self, out: &mut Vec<u8>) {
        self.form.names(self.fields.names(), out);
    }

    /// Appends the row of one record.
    pub fn row(&self, line: &[u8], out: &mut Vec<u8>) {
        let row = self.fields.of(line);
        let cells = joined(&self.fields, &row);
        self.form.values(self.fields.names(), cells, out);
    }
}

/// Of each field one JSON value: of a list, or of what has several values, a list.
fn joined<'r>(
    fields: &'r Fields,
    row: &'r Row<'_>,
) -> impl Iterator<Item = Option<Cow<'static, [u8]>>> + use<'r> {
    row.cells().zip(fields.lists()).map(|(cell, list)| {
        let mut json = Vec::new();
        match cell {
            [] => return None,
            [value] if !list => value.write_json(&mut json),
            several => {
                for (at, value) in several.iter().enumerate() {
                    json.push(if at == 0 { b'[' } else { b',' });
                    value.write_json(&mut json);
                }
                json.push(b']');
            }
        }
        Some(json.into())
    })
}

/// A JSON value as text: what a text says, values of a list with semicolons between.
#[must_use]
pub fn plain(json: &[u8]) -> Cow<'_, str> {
    let inside = json
        .strip_prefix(b"\"")
        .and_then(|json| json.strip_suffix(b"\""));
    match (inside, json) {
        (Some(text), _) if !text.contains(&b'\\') => String::from_utf8_lossy(text),
        (None, [first, ..]) if *first != b'[' => String::from_utf8_lossy(json),
        _ => match serde_json::from_slice(json) {
            Ok(serde_json::Value::String(text)) => text.into(),
            Ok(serde_json::Value::Array(values)) => {
                let text = |value: &serde_json::Value| match value {
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let each: Vec<_> = values.iter().map(text).collect();
                each.join(BETWEEN).into()
            }
            _ => String::from_utf8_lossy(json),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Rows};
    use crate::filter::Fields;

    #[track_caller]
    fn check(form: Form, fields: &str, line: &str, expected: &str) {
        let rows = Rows::new(Fields::parse(fields).unwrap(), form);
        let mut out = Vec::new();
        rows.names(&mut out);
        rows.row(line.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    const LINE: &str = r#"{"process":{"pid":7},"url":{"path":"/a,\"b\"\t\n\\"},"anomalies":["x"],"signals":["y","z,"]}"#;

    #[test]
    fn rows_of_json_leave_out_what_is_absent() {
        let all = "pid, path, user, anomalies, signals";
        let row = "{\"pid\":7,\"path\":\"/a,\\\"b\\\"\\t\\n\\\\\",\"anomalies\":[\"x\"],\"signals\":[\"y\",\"z,\"]}\n";
        check(Form::Json, all, LINE, row);
        check(Form::Json, "user", LINE, "{}\n");
        check(
            Form::Json,
            "header[\"x\"]",
            "{\"http\":{\"request\":{\"headers\":[[\"x\",\"1\"]]}}}",
            "{\"header[\\\"x\\\"]\":\"1\"}\n",
        );
    }

    #[test]
    fn separated_values_can_be_told_apart_again() {
        let names = "pid,path,user,signals\r\n";
        let row = "7,\"/a,\"\"b\"\"\t\n\\\",,\"y; z,\"\r\n";
        check(
            Form::Csv,
            "pid, path, user, signals",
            LINE,
            &format!("{names}{row}"),
        );
        let row = "pid\tpath\tuser\n7\t/a,\"b\"\\t\\n\\\\\t\n";
        check(Form::Tsv, "pid, path, user", LINE, row);
    }
}
