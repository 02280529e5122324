//! The endpoint an exchange belongs to.

use std::hash::Hasher as _;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

/// A path template, and what tells the endpoint from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The host that it is of, in lower case; empty where hosts are too many, or where it is of any.
    pub host: Arc<str>,
    /// The path with what varies in braces, `/users/{id}`; [`Route::OVERFLOW`] beyond the limit.
    pub template: Arc<str>,
    /// Stands for host, method and template together; the same on every run.
    pub endpoint: u64,
}

impl Route {
    /// Template of all paths for which there is no room.
    pub const OVERFLOW: &'static str = "{overflow}";

    /// Whether there was no room for a template of its own.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        &*self.template == Self::OVERFLOW
    }

    /// Stands for a template of `host`; the same on every run.
    #[must_use]
    pub fn of(host: &str, template: &str) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write(host.as_bytes());
        hasher.write_u8(b' ');
        hasher.write(template.as_bytes());
        hasher.finish()
    }

    /// Stands for `method` on the template that `of` stands for.
    #[must_use]
    pub fn number(of: u64, method: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write_u64(of);
        hasher.write(method);
        hasher.finish()
    }

    /// What of `path` varies: names in braces, each with the segment that stood there. Empty if
    /// `path` is none of this template.
    pub fn parameters<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let segments = path.split(|byte| *byte == b'/');
        let pairs = self.template.split('/').zip(segments);
        pairs.filter_map(|(name, segment)| {
            let (name, ending) = name.strip_prefix('{')?.split_once('}')?;
            let value = segment.strip_suffix(ending.as_bytes()).unwrap_or(segment);
            Some((name, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[track_caller]
    fn check(template: &str, path: &str, expected: &[(&str, &str)]) {
        let route = Route {
            host: "".into(),
            template: template.into(),
            endpoint: 0,
        };
        let found: Vec<_> = route.parameters(path.as_bytes()).collect();
        let expected: Vec<_> = expected.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn parameters_are_what_stands_in_the_place_of_braces() {
        check(
            "/users/{id}/posts/{uuid}",
            "/users/42/posts/a-b",
            &[("id", "42"), ("uuid", "a-b")],
        );
        check("/users", "/users", &[]);
        check("/files/{name}", "/files/", &[("name", "")]);
        check("/files/{id}.json", "/files/7.json", &[("id", "7")]);
    }
}
