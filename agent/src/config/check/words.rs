//! How mistakes are put into words.

use super::super::tree::Value;

/// Characters of a text from the file that are shown at most.
const SHOWN_CHARS: usize = 40;

/// A value, short, as one may find it in the file.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Int(value) => format!("`{value}`"),
        Value::Float(value) => format!("`{value}`"),
        Value::Text(text) if text.is_empty() => "an empty text".to_owned(),
        Value::Text(text) => {
            let short: String = text.escape_debug().take(SHOWN_CHARS).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("`{short}{dots}`")
        }
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// Words with commas between.
pub(super) fn list(words: &[&str]) -> String {
    words.join(", ")
}
