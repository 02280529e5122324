//! Incidents of the run before, as the journal tells of them: after a crash those that opened since what
//! was learnt was last kept go on, and are not opened a second time.
//!
//! The exchanges between are looked at again, but what was found in their bytes is gone with these. What
//! is left is the record of the incident, which does not say what key it is counted under. Its id is a
//! hash of that key, so the first alert that makes the same id brings the key.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::{Campaign, Incident, Incidents, Source, flag, mix, seconds};
use crate::clock::WallTime;
use crate::detect::facts::Facts;
use crate::detect::row::Id;
use crate::detect::rows::row;
use crate::detect::scene::Keys;
use crate::detect::told::Told;
use crate::detect::value_hash;
use crate::event::{
    Actor, Baseline, EventId, Evidence, Ids, IncidentState, Outcome, Severity, Target, parse_stamp,
};

/// Keys of incidents whose own is not known yet.
const UNKNOWN: u64 = 0x7265_6361_6c6c;

/// A finding of the journal that was read.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    time: String,
    first_seen: String,
    last_seen: String,
    incident: EventId,
    state: IncidentState,
    campaign: Option<EventId>,
    detector: Detector,
    severity: Severity,
    confidence: f64,
    outcome: Outcome,
    title: String,
    #[serde(default)]
    actor: Actor<'static>,
    target: Target<'static>,
    count: u64,
    threshold: u64,
    window_ns: Option<u64>,
    baseline: Option<Baseline>,
    evidence: Vec<Evidence>,
    #[serde(default)]
    samples: Vec<String>,
    #[serde(default)]
    endpoints: Vec<String>,
    #[serde(default)]
    remarks: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    owasp: Vec<String>,
    #[serde(default)]
    cwe: Vec<u32>,
    #[serde(default)]
    attack: Vec<String>,
    #[serde(default)]
    advice: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Detector {
    id: String,
    name: String,
    version: u32,
}

impl Recorded {
    /// Reads a finding's line; `None` if it is another record, or not whole.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        // Nearly all records are exchanges: these are not read to their end to know it.
        if !line.starts_with(br#"{"kind":"finding""#) {
            return None;
        }
        serde_json::from_slice(line).ok()
    }

    fn source(&self) -> Source {
        let known = self.detector.id.parse::<Id>().ok().and_then(row);
        let mut tags = self.tags.clone();
        tags.retain(|tag| tag != "dry-run");
        Source {
            id: self.detector.id.clone(),
            name: self.detector.name.clone(),
            version: self.detector.version,
            owasp: self.owasp.clone(),
            cwe: self.cwe.clone(),
            attack: self.attack.clone(),
            advice: self.advice.clone(),
            dry_run: tags.len() < self.tags.len(),
            tags,
            window_s: u32::try_from(self.window_ns.unwrap_or(0) / 1_000_000_000).unwrap_or(0),
            threshold: self.threshold,
            impact: known.map_or(self.severity, |row| row.impact),
        }
    }

    /// The incident as it was when it opened, at `opened`.
    fn opened(&self, opened: WallTime, flagged: Vec<u64>) -> Incident {
        let at = |text: &str| parse_stamp(text.as_bytes()).unwrap_or(opened).0;
        Incident {
            id: self.incident,
            opened_ns: Some(opened.0),
            campaign: self.campaign,
            source: self.source(),
            first_ns: at(&self.first_seen),
            last_ns: at(&self.last_seen),
            count: self.count,
            next: self.count.max(1).saturating_mul(2),
            records: 1,
            severity: self.severity,
            confidence: self.confidence,
            outcome: self.outcome,
            title: self.title.clone(),
            actor: self.actor.clone(),
            target: self.target.clone(),
            baseline: self.baseline,
            evidence: self.evidence.clone(),
            samples: self.samples.clone(),
            endpoints: self.endpoints.clone(),
            remarks: self.remarks.clone(),
            suppressed: 0,
            flagged,
        }
    }
}

/// What is known of incidents while exchanges of the run before are looked at again.
#[derive(Debug, Default)]
pub struct Recall {
    /// What this run would have told meanwhile, in order.
    own: Vec<Told>,
    /// Incidents that the run before has told of.
    told: HashSet<EventId>,
    /// Those that it has closed.
    closed: HashSet<EventId>,
    /// Where incidents were last found.
    places: HashMap<EventId, u64>,
    /// The keys of the exchange that was last looked at.
    keys: Keys,
}

impl Incidents {
    /// Takes in that the exchange of `facts` counted toward the incidents `counted`; what this run makes
    /// of it is `out`, of which what there is to tell is taken.
    pub(in crate::detect) fn heed(
        &mut self,
        recall: &mut Recall,
        facts: &Facts<'_>,
        counted: &[EventId],
        out: &mut crate::detect::Outcome,
        quiet_s: u32,
    ) {
        recall.keys = Keys::of(facts);
        recall.own.append(&mut out.told);
        for id in counted.iter().filter(|id| !out.incidents.contains(id)) {
            let now_s = seconds(facts.time);
            let Some(key) = self.place_of(*id, now_s, &mut recall.places) else {
                continue;
            };
            if let Some(Some(incident)) = self.open.get_mut(key, now_s) {
                incident.count = incident.count.saturating_add(1);
                incident.last_ns = incident.last_ns.max(facts.time.0);
                flag(&mut self.flags, &incident.flagged, now_s, quiet_s);
            }
        }
    }

    /// The key of the incident `id`, if it is open.
    fn place_of(&self, id: EventId, now_s: u32, places: &mut HashMap<EventId, u64>) -> Option<u64> {
        let is_it = |one: &Option<Incident>| one.as_ref().is_some_and(|one| one.id == id);
        if let Some(key) = places.get(&id)
            && self.open.get(*key, now_s).is_some_and(is_it)
        {
            return Some(*key);
        }
        let (key, _) = self.open.iter().find(|(_, one)| is_it(one))?;
        places.insert(id, key);
        Some(key)
    }

    /// Takes in what the run before told of an incident.
    pub(in crate::detect) fn recall(
        &mut self,
        recall: &mut Recall,
        it: &Recorded,
        ids: &Ids,
        quiet_s: u32,
    ) {
        let Some(time) = parse_stamp(it.time.as_bytes()) else {
            return;
        };
        recall.told.insert(it.incident);
        let now_s = seconds(time);
        let place = self.place_of(it.incident, now_s, &mut recall.places);
        match (it.state, place) {
            (IncidentState::Open, None) => {
                let flagged = self.reopen(recall, it, time, ids);
                flag(&mut self.flags, &flagged, now_s, quiet_s);
            }
            (IncidentState::Updated, Some(key)) => {
                if let Some(Some(incident)) = self.open.get_mut(key, now_s) {
                    incident.grow(it);
                }
            }
            (IncidentState::Closed, place) => {
                recall.closed.insert(it.incident);
                if let Some(key) = place {
                    self.open.remove(key);
                }
            }
            _ => {}
        }
    }

    /// Goes on with an incident that the run before has opened; the keys that may not be learnt from.
    fn reopen(
        &mut self,
        recall: &mut Recall,
        it: &Recorded,
        time: WallTime,
        ids: &Ids,
    ) -> Vec<u64> {
        let now_s = seconds(time);
        let keys = recall.keys;
        let mut flagged = vec![keys.user, keys.client, keys.credential];
        flagged.retain(|key| *key != 0);
        // A campaign is the actor's, whatever its incidents are about.
        for key in &flagged {
            if let Some(campaign) = self.campaigns.entry(*key, now_s) {
                *campaign = Campaign {
                    id: it.campaign,
                    last_s: now_s,
                    incidents: campaign.incidents + 1,
                };
            }
        }
        if it.actor.is_unknown() {
            flagged = vec![keys.endpoint];
        }
        // This run may have opened it at another exchange.
        let same = |key: u64| ids.incident(time, &it.detector.id, key) == it.incident;
        let here = self.open.iter().find(|(key, one)| {
            one.as_ref()
                .is_some_and(|one| one.source.id == it.detector.id)
                && same(*key)
        });
        let key = here.map(|(key, _)| key);
        if let Some(key) = key
            && let Some(Some(incident)) = self.open.get_mut(key, now_s)
        {
            recall.own.retain(|told| told.incident() != incident.id);
            (incident.id, incident.campaign) = (it.incident, it.campaign);
            return flagged;
        }
        let key = mix(UNKNOWN, value_hash(&it.incident.to_text()));
        if let Some(place) = self.open.entry(key, now_s) {
            *place = Some(it.opened(time, flagged.clone()));
            self.unknown += 1;
        }
        flagged
    }

    /// Gives the incident that `source` has opened for `key` in the run before to that key; whether
    /// there is one.
    pub(super) fn adopt(&mut self, key: u64, source: &str, now_s: u32, ids: &Ids) -> bool {
        let is_it = |one: &Incident| {
            let opened = one.opened_ns.filter(|_| one.source.id == source);
            opened.is_some_and(|at| ids.incident(WallTime(at), source, key) == one.id)
        };
        let found = self
            .open
            .iter()
            .find_map(|(place, one)| one.as_ref().is_some_and(is_it).then_some(place));
        let Some(place) = found else {
            return false;
        };
        let mut incident = self.open.remove(place).flatten();
        self.unknown = self.unknown.saturating_sub(1);
        if let Some(incident) = &mut incident {
            incident.opened_ns = None;
        }
        if let Some(place) = self.open.entry(key, now_s) {
            *place = incident;
        }
        true
    }

    /// All was looked at again: what the run before did not come to tell, and is to be told now.
    pub(in crate::detect) fn recalled(&mut self, recall: Recall) -> Vec<Told> {
        self.count_unknown();
        let mut untold = recall.own;
        untold.retain(|one| {
            let known = if one.closes() {
                &recall.closed
            } else {
                &recall.told
            };
            !known.contains(&one.incident())
        });
        untold
    }
}

impl Incident {
    /// Takes in what a later record tells.
    fn grow(&mut self, it: &Recorded) {
        let last = parse_stamp(it.last_seen.as_bytes());
        self.last_ns = self.last_ns.max(last.map_or(0, |last| last.0));
        self.count = self.count.max(it.count);
        while self.next <= self.count {
            self.next = self.next.saturating_mul(2);
        }
        self.severity = self.severity.max(it.severity);
        self.confidence = self.confidence.max(it.confidence);
        self.outcome = self.outcome.max(it.outcome);
        if self.opened_ns.is_some() {
            self.records += 1;
            self.title.clone_from(&it.title);
            self.evidence.clone_from(&it.evidence);
            self.samples.clone_from(&it.samples);
            self.endpoints.clone_from(&it.endpoints);
            self.remarks.clone_from(&it.remarks);
        }
    }
}

#[cfg(test)]
mod tests;
