//! Parameters that carry code, HTML or queries on purpose: learnt of accounts that were answered.

use serde::{Deserialize, Serialize};

use crate::detect::facts::Hit;
use crate::detect::incident::mix;
use crate::detect::row::Id;
use crate::detect::scene::{Scene, detector_key};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::Recent;
use crate::event::Outcome;

/// Accounts whose values fired a detector and were answered, from which on that is how the parameter
/// is used. One who has as many accounts lowers the severity of what he sends there, and hides none.
const ACCOUNTS: u64 = 8;

/// Over how long they are counted, seconds.
const WINDOW_S: u32 = 30 * 86_400;

/// Accounts that sent such content to one parameter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Senders(Recent);

impl Worth for Senders {
    fn worth(&self) -> u64 {
        self.0.len() as u64
    }
}

/// What parameters carry as a rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::detect) struct Usual {
    parameters: Table<Senders, 1024, WINDOW_S>,
}

impl Usual {
    /// How many accounts send what fired `id` to this parameter, if that is how it is used. Learns of
    /// this one, unless it is under an incident or something was proven.
    pub(super) fn take(&mut self, id: Id, hit: &Hit<'_>, scene: &Scene<'_, '_>) -> Option<u64> {
        let part = value_hash(hit.part.as_bytes());
        let key = mix(mix(scene.keys.endpoint, detector_key(id)), part);
        let (user, now_s) = (scene.keys.user, scene.now_s);
        let learns = user != 0 && !scene.flagged && hit.outcome == Outcome::Answered;
        let known = self
            .parameters
            .get(key, now_s)
            .map_or(0, |senders| senders.0.count(now_s, WINDOW_S));
        if learns && let Some(senders) = self.parameters.entry(key, now_s) {
            senders.0.see(user, now_s, WINDOW_S);
        }
        (known >= ACCOUNTS && hit.outcome != Outcome::Confirmed).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use crate::detect::facts::Hit;
    use crate::detect::tests::support::{HOST, Trial};
    use crate::detect::{Facts, Options};
    use crate::event::{IncidentState, Outcome, Severity};

    fn sends(facts: &mut Facts<'_>, part: &'static str, outcome: Outcome) {
        facts.hits.push(Hit {
            detector: "inj-02",
            confidence: 0.9,
            outcome,
            about: None,
            part: Cow::Borrowed(part),
            excerpt: Cow::Borrowed("<script>"),
            decoded_by: Vec::new(),
            proof: Cow::Borrowed(""),
        });
    }

    /// The severity of what one more account sends, after `accounts` have sent code.
    #[track_caller]
    fn check(accounts: u64, part: &'static str, outcome: Outcome, is_info: bool) {
        let mut trial = Trial::new(Options::default());
        for n in 0..accounts {
            trial.look(n * 3600, |facts| {
                facts.user = Some(Box::leak(
                    format!("user{n}").into_bytes().into_boxed_slice(),
                ));
                sends(facts, "request.body:$.code", Outcome::Answered);
            });
        }
        trial.told.clear();
        trial.look(accounts * 3600, |facts| {
            facts.user = Some(b"another");
            sends(facts, part, outcome);
        });
        let found = trial
            .told
            .iter()
            .map(|told| told.finding(HOST))
            .find(|finding| finding.detector.id == "inj-02" && finding.state == IncidentState::Open)
            .unwrap();
        assert_eq!(
            found.severity == Severity::Info,
            is_info,
            "{:?}",
            found.severity
        );
    }

    #[test]
    fn what_many_accounts_send_is_no_more_than_worth_knowing() {
        check(12, "request.body:$.code", Outcome::Answered, true);
        check(3, "request.body:$.code", Outcome::Answered, false);
        check(12, "request.body:$.name", Outcome::Answered, false);
        check(12, "request.body:$.code", Outcome::Confirmed, false);
    }
}
