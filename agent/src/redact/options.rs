//! What a person asks of redaction.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

use super::path::Path;

/// Largest automaton a pattern of the configuration may become, bytes.
const PATTERN_MAX_BYTES: usize = 1 << 20;

/// Names of the types that are built in.
pub const TYPES: [&str; 20] = [
    "password",
    "secret",
    "token",
    "api_key",
    "session",
    "cookie",
    "code",
    "card_code",
    "credential",
    "bearer",
    "basic",
    "jwt",
    "private_key",
    "cloud_key",
    "payment_card",
    "iban",
    "email",
    "phone",
    "national_id",
    "ip_address",
];

/// What is masked, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Nothing is masked.
    pub is_off: bool,
    /// Rules for all exchanges.
    pub rules: Rules,
    /// Rules for exchanges of some routes, beside those for all.
    pub routes: Vec<(RoutePattern, Rules)>,
    /// Types that are left as they are.
    pub leave: Vec<String>,
    /// Types whose last four characters are left.
    pub last_four: Vec<String>,
    /// Whether IP addresses are masked.
    pub ip_addresses: bool,
    /// Whether client addresses are replaced.
    pub pseudonymise_client: bool,
    /// Whether user ids are replaced.
    pub pseudonymise_user: bool,
    /// Whether bodies that cannot be scanned are written.
    pub binary_bodies: bool,
}

/// What is masked beside the rules that are built in, and what of those is let be.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Names of fields whose values are masked, in lower case.
    pub names: Vec<String>,
    /// Places in JSON that are masked.
    pub paths: Vec<Path>,
    /// Patterns, each under the name of the type it finds.
    pub patterns: BTreeMap<String, Pattern>,
    /// Names of fields whose values are left, in lower case.
    pub allow_names: Vec<String>,
    /// Places in JSON that are left.
    pub allow_paths: Vec<Path>,
    /// Values that are left: those that one of these describes from end to end.
    pub allow_values: Vec<Pattern>,
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads one. It must not match what is empty.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text)
            .size_limit(PATTERN_MAX_BYTES)
            .dfa_size_limit(PATTERN_MAX_BYTES)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "is too large a pattern".to_owned(),
                _ => "is not a regular expression".to_owned(),
            })?;
        if regex.is_match(b"") {
            return Err("matches nothing at all, so it would match everywhere".to_owned());
        }
        Ok(Self(regex))
    }

    /// Where it is found in `value`.
    pub(super) fn find_all<'r>(
        &'r self,
        value: &'r [u8],
    ) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.0.find_iter(value).map(|found| found.range())
    }

    /// Whether it describes all of `value`.
    pub(super) fn is_all_of(&self, value: &[u8]) -> bool {
        self.0
            .find(value)
            .is_some_and(|found| found.range() == (0..value.len()))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// Which routes: a path template with `*` for anything and a segment in braces for any segment, and
/// a host before it if it does not begin with `/`.
#[derive(Clone, Debug)]
pub struct RoutePattern {
    text: String,
    host: Option<Regex>,
    route: Regex,
}

impl RoutePattern {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((host, route)) = text.find('/').map(|at| text.split_at(at)) else {
            return Err("is no route; write `/path` or `host/path`, `*` for anything".to_owned());
        };
        let host = (!host.is_empty()).then(|| like(&pieces(host)));
        let segments = route.split('/').map(|segment| {
            let any = segment.len() > 2 && segment.starts_with('{') && segment.ends_with('}');
            if any {
                "[^/]+".to_owned()
            } else {
                pieces(segment)
            }
        });
        let route = like(&segments.collect::<Vec<_>>().join("/"))?;
        Ok(Self {
            text: text.to_owned(),
            host: host.transpose()?,
            route,
        })
    }

    /// Whether it describes `route` of `host`.
    #[must_use]
    pub fn matches(&self, host: &str, route: &str) -> bool {
        let of_host = self.host.as_ref();
        of_host.is_none_or(|pattern| pattern.is_match(host.as_bytes()))
            && self.route.is_match(route.as_bytes())
    }
}

/// The expression for what a part of a pattern describes.
fn pieces(part: &str) -> String {
    let pieces: Vec<String> = part.split('*').map(regex::escape).collect();
    pieces.join(".*")
}

/// What is like `expression` from end to end.
fn like(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?s:{expression})$"))
        .size_limit(PATTERN_MAX_BYTES)
        .dfa_size_limit(PATTERN_MAX_BYTES)
        .build()
        .map_err(|_| "is too long a route".to_owned())
}

impl PartialEq for RoutePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RoutePattern {}

#[cfg(test)]
mod tests {
    use super::{Pattern, RoutePattern};

    #[test]
    fn routes_are_told_by_path_or_host_and_path() {
        let matches = |pattern: &str, host: &str, route: &str| {
            RoutePattern::parse(pattern).unwrap().matches(host, route)
        };
        assert!(matches("/users/{id}", "a", "/users/{id}"));
        assert!(matches("/users/*", "a", "/users/{id}/cards"));
        assert!(matches(
            "*.example.com/*/cards",
            "api.example.com",
            "/users/{id}/cards"
        ));
        assert!(!matches("api.example.com/*", "example.com", "/"));
        assert!(!matches("/users/*/x", "a", "/users/{id}/cards"));
        for any in ["/users/{id}", "/users/{user}", "/{what}/{which}"] {
            assert!(matches(any, "a", "/users/{id}"), "{any}");
            assert!(matches(any, "a", "/users/me"), "{any}");
            assert!(!matches(any, "a", "/users/{id}/cards"), "{any}");
            assert!(!matches(any, "a", "/users/"), "{any}");
        }
        assert!(!matches("/a.b/x{y}", "a", "/aab/xz"));
        assert!(matches("/a\nb*", "a", "/a\nb\nc"));
        assert!(RoutePattern::parse(&"/".repeat(1 << 21)).is_err());
        assert!(RoutePattern::parse("users").is_err());
    }

    #[test]
    fn patterns_must_be_sound() {
        assert!(Pattern::parse("E[0-9]{6}").is_ok());
        for wrong in ["[", "a*", "(a{100}){100}{100}"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
