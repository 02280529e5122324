//! What a value says once more decoded: the dear second step, for those who look for attacks.

use super::coding::{self, Coding};
use super::layer::{Layer, Layers};

/// Times a value is decoded once more.
const ROUNDS: usize = 8;

/// Rounds of percent-encoding among them (DETECTION 2.1), the place's own included.
const PERCENT_ROUNDS: usize = 3;

/// Decodes values again and again; keep one and use it for all, so that it allocates nothing.
#[derive(Debug, Default)]
pub struct Decoder {
    current: Vec<u8>,
    next: Vec<u8>,
}

impl Decoder {
    /// One that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives each further form of `value`, of which `layers` were taken off already, with all the
    /// layers that are off then: percent-encoding, UTF-8 longer than it need be, character
    /// references, escapes, and base64 that one of these hid. The value itself is not given, and
    /// most values have no further form. Each round is linear and makes nothing longer than twice.
    pub fn forms(&mut self, value: &[u8], layers: Layers, mut visit: impl FnMut(&[u8], Layers)) {
        let Some(mut layers) = next_form(value, layers, false, &mut self.current) else {
            return;
        };
        visit(&self.current, layers);
        for _ in 1..ROUNDS {
            let Some(below) = next_form(&self.current, layers, true, &mut self.next) else {
                return;
            };
            layers = below;
            std::mem::swap(&mut self.current, &mut self.next);
            visit(&self.current, layers);
        }
    }
}

/// Takes the next coding off `value`; `None` if there is none.
fn next_form(value: &[u8], layers: Layers, again: bool, out: &mut Vec<u8>) -> Option<Layers> {
    let rounds = layers.iter().filter(|layer| *layer == Layer::Percent);
    let percent = rounds.count() < PERCENT_ROUNDS;
    let codings = [
        (percent, Coding::Percent),
        (!value.is_ascii(), Coding::Overlong),
        (true, Coding::Entity),
        (true, Coding::Script),
    ];
    for (_, coding) in codings.into_iter().filter(|(may, _)| *may) {
        if !coding.touches(value) {
            continue;
        }
        out.clear();
        let found = coding.decode(value, out);
        if !found.is_empty() {
            return Some(layers.and(found));
        }
    }
    out.clear();
    (again && coding::plausible_base64(value) && coding::base64(value, out))
        .then(|| coding::is_printable(out))
        .filter(|printable| *printable)
        .map(|_| layers.with(Layer::Base64))
}

#[cfg(test)]
mod tests {
    use super::Decoder;
    use crate::content::layer::{Layer, Layers};

    #[track_caller]
    fn check(value: &str, expected: &[(&str, &[&str])]) {
        let mut forms = Vec::new();
        Decoder::new().forms(value.as_bytes(), Layers::NONE, |form, layers| {
            let names: Vec<_> = layers.iter().map(Layer::as_str).collect();
            forms.push((form.escape_ascii().to_string(), names));
        });
        let expected: Vec<_> = expected
            .iter()
            .map(|(form, layers)| ((*form).to_owned(), layers.to_vec()))
            .collect();
        assert_eq!(forms, expected);
    }

    #[test]
    fn plain_values_have_no_further_form() {
        for plain in ["", "bob", "100% of it & more", r"C:\dir", "a+b", "O'Brien"] {
            check(plain, &[]);
        }
    }

    #[test]
    fn percent_encoding_is_taken_off_three_times() {
        check(
            "%252525252e",
            &[
                ("%2525252e", &["percent"]),
                ("%25252e", &["percent", "percent"]),
                ("%252e", &["percent", "percent", "percent"]),
            ],
        );
    }

    #[test]
    fn layers_of_all_kinds_come_off_in_turn() {
        check(
            "%26lt%3b\\x61",
            &[
                ("&lt;\\\\x61", &["percent"]),
                ("<\\\\x61", &["percent", "entity"]),
                ("<a", &["percent", "entity", "escape"]),
            ],
        );
        check(
            "%c0%ae",
            &[
                ("\\xc0\\xae", &["percent"]),
                (".", &["percent", "overlong"]),
            ],
        );
    }

    #[test]
    fn base64_behind_another_coding_is_read() {
        check(
            "JyBPUiAxPTEgLS0gY29tbWVudA%3D%3D",
            &[
                ("JyBPUiAxPTEgLS0gY29tbWVudA==", &["percent"]),
                ("\\' OR 1=1 -- comment", &["percent", "base64"]),
            ],
        );
    }
}
