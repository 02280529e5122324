//! Routes that are known beforehand: given by the user, or read from an OpenAPI document.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Facts, facts};
use crate::enrich::words::Words;

/// Most nodes that one search looks at: a path may fit words and parameters at each segment.
const LOOKS_MAX: usize = 256;

/// Routes by host, those of any host under no name.
#[derive(Default)]
pub(super) struct Given {
    hosts: HashMap<Box<[u8]>, (Arc<str>, Node)>,
}

#[derive(Default)]
struct Node {
    words: HashMap<Box<[u8]>, Self>,
    any: Option<Box<Self>>,
    end: Option<(Arc<str>, Facts)>,
}

impl Given {
    /// Of `routes`, each a path whose parameters are in braces, with or without a host in front.
    pub(super) fn new<'a>(routes: impl Iterator<Item = &'a str>, words: &Words) -> Self {
        let mut given = Self::default();
        for text in routes {
            let Some((host, path)) = text.split_at_checked(text.find('/').unwrap_or(0)) else {
                continue;
            };
            let host = host.to_ascii_lowercase();
            let own = given.hosts.entry(host.as_bytes().into());
            let (_, node) = own.or_insert_with(|| (host.as_str().into(), Node::default()));
            let mut node = node;
            for segment in segments(path.as_bytes()) {
                node = match segment {
                    [b'{', ..] => node.any.get_or_insert_default(),
                    word => node.words.entry(word.into()).or_default(),
                };
            }
            let facts = facts(&host, path, words.of(path));
            node.end.get_or_insert((path.into(), facts));
        }
        given
    }

    /// The route that `path` is of, and its host: words before parameters, the host's own before those of any.
    pub(super) fn find(&self, host: &[u8], path: &[u8]) -> Option<(&Arc<str>, &Arc<str>, Facts)> {
        if self.hosts.is_empty() {
            return None;
        }
        let mut looks = LOOKS_MAX;
        let hosts = [Some(host).filter(|host| !host.is_empty()), Some(b"")];
        hosts.into_iter().flatten().find_map(|host| {
            let (host, node) = self.hosts.get(host)?;
            let (text, facts) = node.find(segments(path), &mut looks)?;
            Some((host, text, *facts))
        })
    }
}

impl Node {
    fn find<'p>(
        &self,
        mut path: impl Iterator<Item = &'p [u8]> + Clone,
        looks: &mut usize,
    ) -> Option<&(Arc<str>, Facts)> {
        *looks = looks.checked_sub(1)?;
        let Some(segment) = path.next() else {
            return self.end.as_ref();
        };
        let word = self.words.get(segment);
        let by_word = word.and_then(|node| node.find(path.clone(), looks));
        by_word.or_else(|| {
            let any = self.any.as_ref().filter(|_| !segment.is_empty())?;
            any.find(path, looks)
        })
    }
}

fn segments(path: &[u8]) -> std::slice::Split<'_, u8, fn(&u8) -> bool> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.split(|byte| *byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::{Given, Words};
    use crate::enrich::Identity;

    #[track_caller]
    fn check(host: &str, path: &str, expected: Option<&str>) {
        let routes = [
            "/users/{userId}",
            "/users/me",
            "/users/{userId}/posts/{post}",
            "/{tenant}/me/settings",
            "Api.example.com/users/{name}",
        ];
        let given = Given::new(routes.into_iter(), &Words::new(&Identity::default()));
        let found = given.find(host.as_bytes(), path.as_bytes());
        assert_eq!(found.map(|(_, text, _)| &**text), expected, "{host} {path}");
    }

    #[test]
    fn words_come_before_parameters_and_own_hosts_before_any() {
        check("a", "/users/me", Some("/users/me"));
        check("a", "/users/7", Some("/users/{userId}"));
        check("a", "/users/me/settings", Some("/{tenant}/me/settings"));
        check(
            "a",
            "/users/7/posts/8",
            Some("/users/{userId}/posts/{post}"),
        );
        check(
            "a",
            "/users/me/posts/8",
            Some("/users/{userId}/posts/{post}"),
        );
        check("a", "/acme/me/settings", Some("/{tenant}/me/settings"));
        check("api.example.com", "/users/7", Some("/users/{name}"));
        check("api.example.com", "/users/me", Some("/users/{name}"));
        check("a", "/users/", None);
        check("a", "/other", None);
    }

    #[test]
    fn a_search_has_an_end() {
        let routes: Vec<_> = (0..12)
            .map(|n| format!("{}{}/end", "/a".repeat(n), "/{x}".repeat(12 - n)))
            .collect();
        let words = Words::new(&Identity::default());
        let given = Given::new(routes.iter().map(String::as_str), &words);
        assert!(given.find(b"", "/a".repeat(13).as_bytes()).is_none());
    }
}
