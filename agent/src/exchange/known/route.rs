//! The endpoint an exchange belongs to.

use std::sync::Arc;

/// A path template, and what tells the endpoint from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
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

    /// What of `path` varies: names in braces, each with the segment that stood there. Empty if
    /// `path` is none of this template.
    pub fn parameters<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let segments = path.split(|byte| *byte == b'/');
        let pairs = self.template.split('/').zip(segments);
        pairs.filter_map(|(name, segment)| {
            let name = name.strip_prefix('{')?.strip_suffix('}')?;
            Some((name, segment))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[track_caller]
    fn check(template: &str, path: &str, expected: &[(&str, &str)]) {
        let route = Route {
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
    }
}
