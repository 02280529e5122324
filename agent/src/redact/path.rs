//! Places in JSON, as JSONPath names them (RFC 9535): `$.user.name`, `$..iban`, `$.cards[*].number`.

use crate::content::Name;

/// Steps a path may have.
const MOST_STEPS: usize = 32;

/// Steps of a name that are compared: more than content follows.
const DEEPEST: usize = 80;

/// A place in JSON. Of RFC 9535 it has members, elements, `*` and `..`; no slices and no filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(u32),
    Any,
    /// The next step, however deep.
    Descend,
}

impl Path {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "is no path; write `$.user.name`, `$..iban` or `$.cards[*].number`".to_owned();
        let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if steps.len() >= MOST_STEPS {
                return Err("has too many steps".to_owned());
            }
            if let Some(behind) = rest.strip_prefix("..") {
                steps.push(Step::Descend);
                // `..name` and `..[*]`.
                rest = behind;
                if !rest.starts_with('[') {
                    rest = member(rest, &mut steps).ok_or_else(wrong)?;
                }
            } else if let Some(behind) = rest.strip_prefix('.') {
                rest = member(behind, &mut steps).ok_or_else(wrong)?;
            } else {
                rest = bracket(rest, &mut steps).ok_or_else(wrong)?;
            }
        }
        if steps.is_empty() {
            return Err(wrong());
        }
        Ok(Self(steps))
    }

    /// Whether `name` is there, or below it.
    #[must_use]
    pub fn has(&self, name: Name<'_, '_>) -> bool {
        let mut chain = [None; DEEPEST];
        let mut next = Some(name);
        let mut count = 0;
        for place in &mut chain {
            // Above the root of JSON, which has neither word nor number, the path does not look.
            let Some(step) = next.filter(|name| name.is_json()) else {
                break;
            };
            if step.word().is_empty() && step.index().is_none() && step.is_root() {
                break;
            }
            *place = Some(step);
            next = step.parent();
            count += 1;
        }
        let Some(chain) = chain.get_mut(..count) else {
            return false;
        };
        chain.reverse();
        leads(&self.0, chain)
    }
}

/// Whether `steps` lead to a step of `chain`: what is below belongs to it.
fn leads(steps: &[Step], chain: &[Option<Name<'_, '_>>]) -> bool {
    let Some((step, behind)) = steps.split_first() else {
        return true;
    };
    if *step == Step::Descend {
        return (0..chain.len()).any(|at| leads(behind, chain.get(at..).unwrap_or_default()));
    }
    let Some((Some(name), below)) = chain.split_first() else {
        return false;
    };
    let is_here = match step {
        Step::Member(member) => name.index().is_none() && name.word() == member.as_bytes(),
        Step::Element(number) => name.index() == Some(*number),
        Step::Any | Step::Descend => true,
    };
    is_here && leads(behind, below)
}

fn member<'t>(text: &'t str, steps: &mut Vec<Step>) -> Option<&'t str> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match name {
        "" => return None,
        "*" => steps.push(Step::Any),
        _ => steps.push(Step::Member(name.to_owned())),
    }
    Some(rest)
}

fn bracket<'t>(text: &'t str, steps: &mut Vec<Step>) -> Option<&'t str> {
    let inner = text.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(quote)?;
            steps.push(Step::Member(name.to_owned()));
            return rest.strip_prefix(']');
        }
    }
    let (number, rest) = inner.split_once(']')?;
    steps.push(match number {
        "*" => Step::Any,
        number => Step::Element(number.parse().ok()?),
    });
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::Path;
    use crate::content::{Body, Message, Parts, Side};

    #[track_caller]
    fn check(path: &str, expected: &[&str]) {
        let content = br#"{"user":{"name":"a","iban":"b"},"cards":[{"number":"c"},{"number":"d"}],"x y":"e"}"#;
        let mut parts = Parts::new();
        parts.take(Message {
            side: Side::Request,
            target: b"",
            fields: std::iter::empty(),
            trailers: std::iter::empty(),
            body: Body {
                content,
                media_type: Some(b"application/json"),
                is_whole: true,
                is_coded: false,
            },
        });
        let path = Path::parse(path).unwrap();
        let found: Vec<_> = parts
            .iter()
            .filter(|part| part.name().is_some_and(|name| path.has(name)))
            .map(|part| String::from_utf8_lossy(part.value()).into_owned())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_lead_to_values_and_all_below() {
        check("$.user.name", &["a"]);
        check("$.user", &["a", "b"]);
        check("$..number", &["c", "d"]);
        check("$.cards[1].number", &["d"]);
        check("$.cards[*]", &["c", "d"]);
        check("$['x y']", &["e"]);
        check("$.*.iban", &["b"]);
        check("$.name", &[]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in [
            "",
            "$",
            "user",
            "$user",
            "$.",
            "$.a[",
            "$.a[x]",
            "$..",
            "$[?(@.a)]",
        ] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }
}
