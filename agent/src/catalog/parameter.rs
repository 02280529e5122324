//! An endpoint's parameters, and what their values look like.

use serde::{Deserialize, Serialize};

use super::Kind;
use super::hidden::is_hidden;
use crate::bytes::is_chosen;
use crate::content::{self, Side};
use crate::exchange::{Half, Marks, Novel, Novelty};

/// Most parameters of one endpoint.
const PARAMETERS_MAX: usize = 96;

/// Longest name, bytes. What is longer is none that anybody chose.
const NAME_MAX_BYTES: usize = 96;

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In the body.
    Body,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Where it stands.
    pub place: Place,
    /// Its name; in a body with the names it lies in, `$.user.name`.
    pub name: String,
    /// What its values looked like.
    pub kinds: Vec<Kind>,
}

/// The parameters of one endpoint, by place and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.0.iter()
    }

    /// Takes note of one.
    pub(super) fn add(&mut self, place: Place, name: &[u8], value: &[u8], novelty: &mut Novelty) {
        self.note(place, name, Kind::of(value), novelty);
    }

    /// What stands in a name's place and is none is not taken note of: it would be kept and listed in
    /// clear.
    fn note(&mut self, place: Place, name: &[u8], kind: Kind, novelty: &mut Novelty) {
        let found = self
            .0
            .binary_search_by(|have| (have.place, have.name.as_bytes()).cmp(&(place, name)));
        match found {
            Ok(at) => {
                if let Some(parameter) = self.0.get_mut(at)
                    && !parameter.kinds.contains(&kind)
                {
                    novelty.add(Novel::Shape);
                    parameter.kinds.push(kind);
                }
            }
            Err(at) if place == Place::Path || are_chosen(name) => {
                novelty.add(Novel::Parameter);
                let name = str::from_utf8(name).ok();
                let name = name.filter(|name| !name.is_empty() && name.len() <= NAME_MAX_BYTES);
                if let Some(name) = name.filter(|_| self.0.len() < PARAMETERS_MAX) {
                    let parameter = Parameter {
                        place,
                        name: name.to_owned(),
                        kinds: vec![kind],
                    };
                    self.0.insert(at, parameter);
                }
            }
            Err(_) => {}
        }
    }

    /// Takes note of those in a query, names as sent.
    pub(super) fn query(&mut self, query: &[u8], novelty: &mut Novelty) {
        let pairs = query
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty());
        for pair in pairs.take(PARAMETERS_MAX) {
            let at = pair
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(at).unwrap_or((pair, b""));
            self.add(
                Place::Query,
                name,
                value.get(1..).unwrap_or_default(),
                novelty,
            );
        }
    }

    /// Takes note of those in the body of `request`, by the names they lie in; an array's elements are
    /// one.
    pub(super) fn body(&mut self, request: &Half, marks: &Marks, novelty: &mut Novelty) {
        let parts = request.body_parts(Side::Request);
        let named = parts.iter().filter(|part| {
            !part.is_nested() && !part.is_cut() && part.kind() != content::Kind::Binary
        });
        for part in named.take(PARAMETERS_MAX) {
            let named = |name: &content::Name<'_, '_>| {
                !name.last_word().is_empty() && !is_hidden(*name, marks)
            };
            let Some(name) = part.name().filter(named) else {
                continue;
            };
            let spelled = name.to_string();
            let inside = spelled.strip_prefix("request.body").unwrap_or(&spelled);
            let inside = without_indices(inside.trim_start_matches([':', '.']));
            let text = part.kind() == content::Kind::Text;
            let kind = match Kind::of(part.value()) {
                // In quotes, what looks like a number or a word of JSON is text all the same.
                Kind::Integer | Kind::Number | Kind::Boolean if text && inside.starts_with('$') => {
                    Kind::Word
                }
                kind => kind,
            };
            self.note(Place::Body, inside.as_bytes(), kind, novelty);
        }
    }

    /// Those of what was kept, by an older Eaves too.
    pub(super) fn of_kept(kept: Self) -> Self {
        let mut all = Self::default();
        all.absorb(kept);
        all
    }

    /// Takes in those of another.
    pub(super) fn absorb(&mut self, other: Self) {
        for parameter in other.0 {
            for kind in parameter.kinds {
                let name = parameter.name.as_bytes();
                self.note(parameter.place, name, kind, &mut Novelty::default());
            }
        }
    }
}

/// Whether somebody chose all the words of a name, as it is spelled or sent.
fn are_chosen(name: &[u8]) -> bool {
    let mut numbers = 0;
    let mut is_word = |word: &[u8]| {
        // Of an attribute, and of JSON-LD.
        let word = word.strip_prefix(b"@").unwrap_or(word);
        if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
            // An element, as in `a[7]`; two are an address.
            numbers += 1;
            return word.len() <= 2 && numbers == 1;
        }
        is_chosen(word)
    };
    // Brackets in a query may be encoded.
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let name = name.replace("%5b", "[").replace("%5d", "]");
    name.as_bytes()
        .split(|byte| b"$.[]':/".contains(byte))
        .all(&mut is_word)
}

/// `name` with `[]` in place of each `[7]`.
fn without_indices(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut inside = false;
    for c in name.chars() {
        inside &= c.is_ascii_digit();
        if !inside {
            out.push(c);
        }
        inside |= c == '[';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{are_chosen, without_indices};

    #[test]
    fn values_in_the_place_of_names_are_told_from_names() {
        for name in [
            "page",
            "user[name]",
            "user%5Bname%5D",
            "ids[]",
            "a[7]",
            "$filter",
            "utf8",
            "v1.2",
            "$.user.first_name",
            "$.a[].b[]",
            "$['@type']",
            "/order/@id",
            "/s:Body/item",
            "x-api-key",
        ] {
            assert!(are_chosen(name.as_bytes()), "{name}");
        }
        for value in [
            "ada@example.com",
            "ada%40example.com",
            "$['ada@example.com'].name",
            "$.users['12345']",
            "4111111111111111",
            "+49 30 1234567",
            "Ada Lovelace",
            "10.1.2.3",
            "$['192.0.2.7']",
            "$['550e8400-e29b-41d4-a716-446655440000']",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "DE89370400440532013000",
            "$.a['2026-11-21']",
            "\u{e4}rger",
        ] {
            assert!(!are_chosen(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn elements_of_an_array_are_one() {
        assert_eq!(without_indices("$.a[10].b[2]"), "$.a[].b[]");
        assert_eq!(without_indices("$['a']"), "$['a']");
    }
}
