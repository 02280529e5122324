//! Rust source as words: comments, strings and characters taken out, lines kept.

/// A word of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// An identifier, `::`, or one other character.
    pub(super) text: &'a str,
    /// Its line, from 1.
    pub(super) line: usize,
}

/// Splits `source` into words. What stands in comments and literals is not among them.
pub(super) fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, is_word) = token(rest, first);
        let (text, after) = rest.split_at(length.max(first.len_utf8()));
        if is_word {
            words.push(Word { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    words
}

/// Bytes of the token at the front of `rest`, and whether it is a word.
fn token(rest: &str, first: char) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if let Some(length) = literal(rest) {
        return (length, false);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    if is_identifier(first) {
        let end = rest.find(|c: char| !is_identifier(c)).unwrap_or(rest.len());
        return (end, true);
    }
    (first.len_utf8(), !first.is_whitespace())
}

fn is_identifier(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Length of a block comment, nested ones included.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else if let Some(c) = here.chars().next() {
            at += c.len_utf8();
        } else {
            break;
        }
    }
    rest.len()
}

/// Length of a string or character literal at the front; none if there is none.
fn literal(rest: &str) -> Option<usize> {
    let mut body = rest;
    for prefix in ["br", "cr", "r"] {
        if let Some(raw) = rest.strip_prefix(prefix) {
            let hashes = raw.len() - raw.trim_start_matches('#').len();
            if raw.get(hashes..).is_some_and(|text| text.starts_with('"')) {
                let close = format!("\"{}", "#".repeat(hashes));
                let open = prefix.len() + hashes + 1;
                let end = rest
                    .get(open..)?
                    .find(&close)
                    .map_or(rest.len(), |at| open + at + close.len());
                return Some(end);
            }
        }
    }
    for prefix in ["b", "c"] {
        if let Some(text) = rest.strip_prefix(prefix)
            && text.starts_with(['"', '\''])
        {
            body = text;
        }
    }
    let skipped = rest.len() - body.len();
    match body.chars().next()? {
        '"' => Some(skipped + quoted(body, '"')),
        '\'' => {
            // A lifetime has no closing quote after one character.
            let mut after = body.chars().skip(1);
            let (one, two) = (after.next()?, after.next());
            (one == '\\' || two == Some('\'')).then(|| skipped + quoted(body, '\''))
        }
        _ => None,
    }
}

/// Length of a literal that begins and ends with `quote`, backslashes minded.
fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let found: Vec<_> = words(source)
            .iter()
            .map(|word| word.text.to_owned())
            .collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn comments_and_literals_are_no_words() {
        check("use a::b; // crate::c", "use a :: b ;");
        check("/* crate::x /* nested */ still */ y", "y");
        check(r#"let s = "crate::a \" b"; z"#, "let s = ; z");
        check("let s = r#\"a \" crate::b\"#; z", "let s = ; z");
        check("let s = b\"x\" ; c'\\n' '\\'' q", "let s = ; q");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        check(
            "fn f<'a>(x: &'a str) {}",
            "fn f < ' a > ( x : & ' a str ) { }",
        );
        check("['(', 'b'] x", "[ , ] x");
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let found = words("\"a\nb\"\n/* \n */ x");
        assert_eq!(found.iter().map(|word| word.line).collect::<Vec<_>>(), [4]);
    }
}
