//! Whom and what an incident names, and what is shown of an exchange.

use super::facts::{Facts, Hit};
use super::incident::{About, Alert, EXCERPT_MAX, Source};
use super::options::Exempt;
use crate::bytes::is_chosen;
use crate::event::{Actor, Evidence, Target};

/// What was not seen of the exchange, and so was not judged.
pub(super) fn unseen(facts: &Facts<'_>) -> Option<String> {
    use crate::event::Extent;
    let partly = |extent: Extent| !matches!(extent, Extent::Whole);
    match (partly(facts.request_seen), partly(facts.response_seen)) {
        (false, false) => None,
        (true, false) => Some("the request was not seen whole".to_owned()),
        (false, true) => Some("the response was not seen whole".to_owned()),
        (true, true) => Some("neither request nor response was seen whole".to_owned()),
    }
}

pub(super) fn evidence(hit: Option<&Hit<'_>>, facts: &Facts<'_>) -> Evidence {
    let mut evidence = Evidence {
        exchange: facts.id,
        time: facts.time,
        source_id: facts.source_id.map(|id| cut(id, EXCERPT_MAX)),
        part: "request.path".to_owned(),
        excerpt: String::new(),
        decoded_by: Vec::new(),
        proof: String::new(),
    };
    match hit {
        Some(hit) => {
            evidence.part = hit.part.clone().into_owned();
            evidence.excerpt = cut(&hit.excerpt, EXCERPT_MAX);
            evidence.decoded_by.clone_from(&hit.decoded_by);
            evidence.proof = cut(&hit.proof, EXCERPT_MAX);
        }
        None => {
            let method = String::from_utf8_lossy(facts.method);
            let status = match facts.status {
                0 => String::new(),
                status => format!(" → {status}"),
            };
            let path = facts.shown.path();
            let path = cut(&path, EXCERPT_MAX - 16 - method.len().min(40));
            evidence.excerpt = format!("{} {path}{status}", cut(&method, 40));
        }
    }
    evidence
}

pub(super) fn actor(alert: &Alert<'_>, facts: &Facts<'_>) -> Actor<'static> {
    let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(|text| text.into_owned().into());
    let shown = facts.shown;
    match alert.about {
        About::Endpoint | About::Nowhere => Actor::default(),
        About::Client => Actor {
            client: own(shown.client()),
            ..Actor::default()
        },
        About::Login => Actor {
            client: own(shown.client()),
            ..Actor::default()
        },
        About::Actor | About::ActorAt | About::User | About::Credential => Actor {
            user: own(shown.user()),
            client: own(shown.client()),
            credential: own(shown.credential()),
        },
    }
}

pub(super) fn target(alert: &Alert<'_>, facts: &Facts<'_>) -> Target<'static> {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        (!text.is_empty()).then(|| cut(&text, EXCERPT_MAX).into())
    };
    // Hosts can be made up like paths: the first would stand for all.
    let somewhere = alert.about != About::Nowhere;
    let mut target = Target {
        domain: somewhere.then(|| text(&facts.domain)).flatten(),
        process: text(facts.process),
        ..Target::default()
    };
    if matches!(alert.about, About::Endpoint | About::ActorAt | About::Login) {
        target.route = text(facts.route.as_bytes());
        target.method = text(facts.method);
    }
    if alert.about == About::Login {
        target.user = facts
            .shown
            .login()
            .map(|login| cut(&login, EXCERPT_MAX).into());
    }
    target
}

/// A name, if it is one that somebody chose: a value that stands in a name's place is not shown.
pub(super) fn shown(name: &[u8]) -> String {
    match str::from_utf8(name) {
        Ok(text) if is_chosen(name) => format!("`{text}`"),
        _ => "[not shown]".to_owned(),
    }
}

/// Whether an incident of `source` about the exchange of `facts` is not to be told.
pub(super) fn suppressed(all: &[Exempt], source: &Source, facts: &Facts<'_>) -> bool {
    let named = |one: &&Exempt| one.detectors.is_empty() || one.detectors.contains(&source.id);
    all.iter().filter(named).any(|one| one.fits(facts))
}

impl Exempt {
    /// Whether it is about the exchange of `facts`, whatever its detectors.
    pub(super) fn fits(&self, facts: &Facts<'_>) -> bool {
        let in_time = self.until.is_none_or(|until| facts.time < until);
        let user = self.users.is_empty()
            || [facts.user, facts.login]
                .into_iter()
                .flatten()
                .any(|user| self.users.iter().any(|name| name.as_bytes() == user));
        let client = self.clients.is_empty()
            || facts
                .client
                .is_some_and(|client| self.clients.iter().any(|net| net.contains(client)));
        let route = self.routes.is_empty()
            || self
                .routes
                .iter()
                .any(|route| match route.strip_suffix('*') {
                    Some(start) => facts.route.starts_with(start),
                    None => facts.route == *route,
                });
        in_time && user && client && route
    }
}

/// At most `max` bytes of `text`, on a character's boundary.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max.saturating_sub(3));
    format!("{}…", text.get(..end).unwrap_or_default())
}
