//! A text with fields in braces, filled from a sealed event.

use crate::filter::Fields;

/// Longest text that is made, bytes.
const FILLED_MAX: usize = 300;
/// Longest value that is put in, bytes.
const VALUE_MAX: usize = 80;

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// How many were counted.
    Count,
    /// The field of this place.
    Field(usize),
}

/// A text with fields.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    fields: Option<Fields>,
}

impl Template {
    /// Reads `text`, in which `{user.id}` stands for a field, `{count}` for how many were counted and `{{` for a brace.
    ///
    /// # Errors
    /// A brace is left open, or a field is not known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut names) = (Vec::new(), Vec::new());
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(at);
            plain.push_str(before);
            if behind.starts_with("{{") || behind.starts_with("}}") {
                plain.push_str(behind.get(..1).unwrap_or_default());
                rest = behind.get(2..).unwrap_or_default();
                continue;
            }
            let inside = behind
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'));
            let Some((name, behind)) = inside else {
                return Err(format!(
                    "`text` has a brace that is not closed, behind `{before}`"
                ));
            };
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            match name.trim() {
                "count" => pieces.push(Piece::Count),
                name => {
                    pieces.push(Piece::Field(names.len()));
                    names.push(name);
                }
            }
            rest = behind;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        let fields = match names.as_slice() {
            [] => None,
            names => {
                let parsed = Fields::parse(&names.join(", "));
                Some(parsed.map_err(|error| format!("`text`: {}", error.problem()))?)
            }
        };
        Ok(Self { pieces, fields })
    }

    /// The text for the event in `line`, with `count`. What the event does not have is `?`.
    pub(super) fn fill(&self, line: &[u8], count: u64) -> String {
        let row = self.fields.as_ref().map(|fields| fields.of(line));
        let values: Vec<String> = row
            .iter()
            .flat_map(|row| row.cells())
            .map(|cells| match cells.first() {
                Some(cell) => super::super::party::cut(&cell.text(), VALUE_MAX),
                None => "?".to_owned(),
            })
            .collect();
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Count => text.push_str(&count.to_string()),
                Piece::Field(at) => text.push_str(values.get(*at).map_or("?", String::as_str)),
            }
        }
        super::super::party::cut(&text, FILLED_MAX)
    }
}
