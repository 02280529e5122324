//! Foreign text on a terminal: nothing in it moves the cursor, hides or feigns.

use unicode_width::UnicodeWidthChar as _;

/// Whether a terminal could be led astray by `c`: control characters, and those that turn the
/// direction of text or have no width (Unicode TR 36, §3.1; "Trojan Source", CVE-2021-42574).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Appends `text` to `out`, escaped, in at most `width` columns, the last of them `…` if it does
/// not fit. How many columns it takes.
pub(in super::super) fn push(text: &str, width: usize, out: &mut String) -> usize {
    let (mut used, mut fits_to) = (0, (out.len(), 0));
    let mut unit = String::new();
    for c in text.chars() {
        unit.clear();
        if is_unsafe(c) {
            unit.extend(c.escape_unicode());
        } else {
            unit.push(c);
        }
        let columns: usize = unit.chars().map(|c| c.width().unwrap_or(0)).sum();
        if used + columns > width {
            let (end, columns) = fits_to;
            out.truncate(end);
            out.push('…');
            return columns + 1;
        }
        out.push_str(&unit);
        used += columns;
        // One column is kept for the `…`.
        if used < width {
            fits_to = (out.len(), used);
        }
    }
    used
}

/// How many columns `text` takes, escaped.
pub(in super::super) fn width(text: &str) -> usize {
    push(text, usize::MAX, &mut String::new())
}

#[cfg(test)]
mod tests {
    use super::{push, width};
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, at_most: usize, expected: &str, columns: usize) {
        let mut out = "| ".to_owned();
        assert_eq!(push(text, at_most, &mut out), columns, "{out}");
        assert_eq!(out, format!("| {expected}"));
    }

    #[test]
    fn what_fits_stays_what_does_not_ends_in_dots() {
        check("", 5, "", 0);
        check("/users", 6, "/users", 6);
        check("/users", 5, "/use…", 5);
        check("/users", 1, "…", 1);
        check("名前", 4, "名前", 4);
        check("名前", 3, "名…", 3);
        check("名前", 2, "…", 1);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_lead_it_astray() {
        check("a\x1b[31mb", 80, "a\\u{1b}[31mb", 12);
        check("a\nb\r", 80, "a\\u{a}b\\u{d}", 12);
        check("\u{202e}gnp", 80, "\\u{202e}gnp", 11);
        check("\u{9b}31m", 80, "\\u{9b}31m", 9);
        check("a\x1bbbbbbbb", 8, "a\\u{1b}…", 8);
        check("aa\x1bbbbbbbb", 8, "aa…", 3);
    }

    proptest! {
        #[test]
        fn it_is_never_wider_than_asked(text in ".*", at_most in 1..40_usize) {
            let mut out = String::new();
            let columns = push(&text, at_most, &mut out);
            prop_assert!(columns <= at_most);
            prop_assert_eq!(width(&out), columns);
            prop_assert!(!out.chars().any(char::is_control));
        }
    }
}
