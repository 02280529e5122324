//! A record of an incident, ready to be written.

use crate::clock::WallTime;
use crate::event::{DetectorName, EventId, Finding, FindingKind, Host, IncidentState, SCHEMA};

use super::incident::Incident;

/// What tells one record of an incident from the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    pub(super) id: EventId,
    pub(super) time: WallTime,
    pub(super) state: IncidentState,
}

/// A record of an incident, as it stood.
#[derive(Clone, Debug)]
pub struct Told {
    changed: Changed,
    incident: Incident,
    tags: Vec<String>,
}

impl Told {
    pub(super) fn new(changed: Changed, incident: Incident) -> Self {
        let mut tags = incident.source.tags.clone();
        if incident.source.dry_run {
            tags.push("dry-run".to_owned());
        }
        Self {
            changed,
            incident,
            tags,
        }
    }

    /// The incident.
    pub(super) const fn incident(&self) -> EventId {
        self.incident.id
    }

    /// Whether this record is its last.
    pub(super) fn closes(&self) -> bool {
        self.changed.state == IncidentState::Closed
    }

    /// The record, heard on `host`.
    #[must_use]
    pub fn finding<'a>(&'a self, host: Host<'a>) -> Finding<'a> {
        let Self {
            changed,
            incident,
            tags,
        } = self;
        let source = &incident.source;
        let texts = |texts: &'a [String]| texts.iter().map(|text| text.as_str().into()).collect();
        Finding {
            kind: FindingKind::Finding,
            schema: SCHEMA,
            id: changed.id,
            time: changed.time,
            first_seen: WallTime(incident.first_ns),
            last_seen: WallTime(incident.last_ns),
            incident: incident.id,
            state: changed.state,
            campaign: incident.campaign,
            detector: DetectorName {
                id: source.id.as_str().into(),
                name: source.name.as_str().into(),
                version: source.version,
            },
            severity: incident.severity,
            confidence: incident.confidence,
            outcome: incident.outcome,
            title: incident.title.as_str().into(),
            actor: incident.actor.clone(),
            target: incident.target.clone(),
            count: incident.count,
            threshold: source.threshold,
            window_ns: (source.window_s > 0).then(|| u64::from(source.window_s) * 1_000_000_000),
            baseline: incident.baseline,
            evidence: incident.evidence.as_slice().into(),
            samples: incident.samples.as_slice().into(),
            endpoints: incident.endpoints.as_slice().into(),
            remarks: incident.remarks.as_slice().into(),
            tags: tags.as_slice().into(),
            owasp: texts(&source.owasp),
            cwe: source.cwe.as_slice().into(),
            attack: texts(&source.attack),
            advice: source.advice.as_str().into(),
            suppressed: incident.suppressed,
            host,
        }
    }
}
