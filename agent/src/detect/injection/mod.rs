//! What the stateless detectors find in one exchange, made into incidents.
//!
//! Attempts of one caller are one incident for each detector; what was answered or confirmed is one
//! for each endpoint, since that is where it must be mended. Attempts of a caller whose probing is
//! reported already fold into that.

mod rows;
mod usual;

use super::facts::Hit;
use super::incident::{About, mix};
use super::row::{Family, Id, Row};
use super::rows::row;
use super::scene::{Said, Scene};
use crate::event::Outcome;

pub(super) use rows::ROWS;
pub(super) use usual::Usual;

/// Turns every hit into what its detector says.
pub(super) fn look(usual: &mut Usual, scene: &mut Scene<'_, '_>) {
    let facts = scene.facts;
    for hit in &facts.hits {
        if scene.report.has_shown(hit) {
            continue;
        }
        let found = hit.detector.parse::<Id>().ok().and_then(row);
        if let Some(row) = found {
            take(row, hit, usual, scene);
        }
    }
}

fn take(row: &'static Row, hit: &Hit<'_>, usual: &mut Usual, scene: &mut Scene<'_, '_>) {
    let name = row.name;
    let injects = row.family == Family::Injection;
    let attempted = injects && hit.outcome == Outcome::Attempted;
    let client = scene.keys.client;
    if attempted {
        let probing = [Id::Scan01, Id::Scan02].into_iter();
        let open = probing
            .filter(|id| scene.is_open(*id, client))
            .find_map(super::rows::row);
        if let Some(open) = open {
            let said = Said {
                key: client,
                about: About::Client,
                confidence: hit.confidence,
                hit: Some(hit),
                remark: Some(format!("{name} was tried, too")),
                title: &|n| format!("{n} probes of one address, injection among them"),
                ..Said::default()
            };
            return scene.raise(open, &said);
        }
    }
    let (key, about) = match (row.id, hit.about) {
        (_, Some(about)) => (about, About::Endpoint),
        (Id::Data03, None) => (scene.keys.endpoint, About::Endpoint),
        (Id::Cred01, None) => (scene.keys.endpoint, About::ActorAt),
        _ if attempted => (scene.keys.actor, About::Actor),
        _ => (mix(scene.keys.actor, scene.keys.endpoint), About::ActorAt),
    };
    let senders = injects.then(|| usual.take(row.id, hit, scene)).flatten();
    let said = Said {
        key,
        about,
        info: senders.is_some(),
        remark: senders
            .map(|accounts| format!("{accounts} accounts send such content to this parameter")),
        confidence: hit.confidence,
        outcome: hit.outcome,
        // A visitor's attempts that nothing came of are the noise of the internet.
        lone: attempted && !scene.has_credential() && scene.facts.status >= 400,
        hit: Some(hit),
        title: &|n| {
            let confirmed = hit.outcome == Outcome::Confirmed;
            let how = if confirmed { " confirmed" } else { "" };
            let requests = if n == 1 { "request" } else { "requests" };
            format!("{name}{how} in {n} {requests}")
        },
        ..Said::default()
    };
    scene.raise(row, &said);
}
