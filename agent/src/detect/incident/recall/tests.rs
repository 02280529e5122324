//! What is done and kept of incidents that the run before has told of.

use super::{Recall, Recorded};
use crate::detect::scene::Keys;
use crate::detect::tests::support::{HOST, Quiet, Trial, at, facts_at};
use crate::detect::{Detectors, Hit, Options, Outcome};
use crate::event::{Ids, IncidentState, write_line};

/// The record of an incident that opened in second 0 about the endpoint, or about who called, and the keys
/// of its exchange.
fn recorded(about: Option<u64>) -> (Recorded, Keys) {
    let mut trial = Trial::new(Options::default());
    trial.look(0, |facts| {
        facts.hits.push(Hit {
            detector: "inj-01",
            confidence: 0.9,
            outcome: crate::event::Outcome::Answered,
            about,
            part: "request.query.q".into(),
            excerpt: "1' or '1'='1".into(),
            decoded_by: Vec::new(),
            proof: "".into(),
        });
    });
    let mut line = Vec::new();
    write_line(&trial.told[0].finding(HOST), &mut line).unwrap();
    let mut recorded = Recorded::read(&line).unwrap();
    if about.is_none() {
        recorded.actor.client = Some("203.0.113.7".into());
    }
    (recorded, Keys::of(&facts_at(at(0), 0, &Quiet)))
}

/// Detectors of the next run that have looked at that exchange again, and read the record.
fn recalled(recorded: &Recorded) -> (Detectors, Recall) {
    let mut detectors = Detectors::new(Options::default(), Ids::new("h", 2));
    let mut recall = Recall::default();
    let facts = facts_at(at(0), 0, &Quiet);
    detectors.heed(&mut recall, &facts, &[], &mut Outcome::default());
    detectors.recall(&mut recall, recorded);
    (detectors, recall)
}

#[test]
fn nothing_is_learnt_from_whom_an_incident_is_about() {
    let (recorded, keys) = recorded(None);
    let (mut detectors, mut recall) = recalled(&recorded);
    let quiet_s = detectors.options.quiet_s;
    let start_s = super::seconds(at(0));
    let is_flagged = |detectors: &Detectors, second: u32| {
        let incidents = &detectors.learnt.incidents;
        incidents.is_flagged(keys.client, start_s + second)
    };
    assert!(is_flagged(&detectors, quiet_s - 1));
    assert!(!is_flagged(&detectors, quiet_s));
    // Each exchange that counts goes on with it.
    let facts = facts_at(at(100), 1, &Quiet);
    let counted = [recorded.incident];
    detectors.heed(&mut recall, &facts, &counted, &mut Outcome::default());
    assert!(is_flagged(&detectors, quiet_s + 99));
}

#[test]
fn a_campaign_is_the_actors_whatever_its_incident_is_about() {
    let (recorded, keys) = recorded(Some(7));
    assert!(recorded.actor.is_unknown());
    let (detectors, _) = recalled(&recorded);
    let now_s = super::seconds(at(0));
    let campaign = |key: u64| {
        let campaigns = &detectors.learnt.incidents.campaigns;
        campaigns.get(key, now_s).and_then(|one| one.id)
    };
    assert!(recorded.campaign.is_some());
    assert_eq!(campaign(keys.client), recorded.campaign);
    assert_eq!(campaign(keys.endpoint), None);
}

#[test]
fn those_without_a_key_are_counted_until_they_are_over() {
    let (mut recorded, _) = recorded(None);
    let (mut detectors, mut recall) = recalled(&recorded);
    assert_eq!(detectors.learnt.incidents.unknown, 1);
    recorded.state = IncidentState::Closed;
    detectors.recall(&mut recall, &recorded);
    assert!(detectors.recalled(recall).is_empty());
    assert_eq!(detectors.learnt.incidents.unknown, 0);
    // One that makes room for another is no longer counted either.
    recorded.state = IncidentState::Open;
    let (mut detectors, _) = recalled(&recorded);
    let incidents = &mut detectors.learnt.incidents;
    let key = incidents.open.iter().next().unwrap().0;
    incidents.open.remove(key);
    detectors.pass(at(20), &mut Outcome::default());
    assert_eq!(detectors.learnt.incidents.unknown, 0);
}
