//! Parameters that carry code, HTML or queries on purpose: learnt of accounts that were answered.

use serde::{Deserialize, Serialize};

use crate::detect::facts::Hit;
use crate::detect::incident::mix;
use crate::detect::row::Id;
use crate::detect::scene::{Scene, detector_key};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::event::Outcome;

/// Accounts whose values fired a detector and were answered, from which on that may be how the
/// parameter is used (DETECTION 2.3). Who has as many accounts lowers the severity of what he sends
/// there, and hides none.
const ACCOUNTS: usize = 10;

/// Answers of the endpoint from which on a share of them says something (DETECTION 2.3).
const ANSWERS: u64 = 200;

/// The share of them, in %, that carries such content where that is how it is used (DETECTION 2.3).
const SHARE: u64 = 5;

/// The share of the answers, in %, that one account counts for at most.
const SHARE_OF_ONE: u64 = 1;

/// Accounts that are remembered of one parameter.
const REMEMBERED: usize = 64;

/// Over how long they are counted, seconds.
const WINDOW_S: u32 = 30 * 86_400;

/// An account, and what of it was answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sender {
    /// Half of its hash.
    account: u32,
    last_s: u32,
    count: u32,
}

/// Accounts that sent such content to one parameter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Senders(Vec<Sender>);

impl Worth for Senders {
    fn worth(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Senders {
    fn see(&mut self, user: u64, now_s: u32) {
        let account = (user >> 32) as u32;
        if let Some(known) = self.0.iter_mut().find(|known| known.account == account) {
            known.last_s = known.last_s.max(now_s);
            known.count = known.count.saturating_add(1);
            return;
        }
        self.0
            .retain(|known| known.last_s.saturating_add(WINDOW_S) >= now_s);
        if self.0.len() >= REMEMBERED
            && let Some((oldest, _)) = self
                .0
                .iter()
                .enumerate()
                .min_by_key(|(_, known)| known.last_s)
        {
            self.0.swap_remove(oldest);
        }
        self.0.push(Sender {
            account,
            last_s: now_s,
            count: 1,
        });
    }

    /// How many accounts there are, if they and what they send are enough of `answers`.
    fn usual(&self, answers: u64, now_s: u32) -> Option<u64> {
        let fresh = self
            .0
            .iter()
            .filter(|known| known.last_s.saturating_add(WINDOW_S) >= now_s);
        let of_one = (answers * SHARE_OF_ONE / 100).max(1);
        let (accounts, carried) = fresh.fold((0, 0), |(accounts, carried), known| {
            (accounts + 1, carried + u64::from(known.count).min(of_one))
        });
        let enough = accounts >= ACCOUNTS && answers >= ANSWERS && carried * 100 > answers * SHARE;
        enough.then_some(accounts as u64)
    }
}

/// Answers of an endpoint to accounts under no incident.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Answers(u64);

impl Worth for Answers {
    fn worth(&self) -> u64 {
        self.0
    }
}

/// What parameters carry as a rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::detect) struct Usual {
    /// Endpoints to which such content was sent, counted from the first on.
    endpoints: Table<Answers, 1024, WINDOW_S>,
    senders: Table<Senders, 1024, WINDOW_S>,
}

/// Whether one may learn of this exchange: of accounts that were answered and are under no incident.
fn teaches(scene: &Scene<'_, '_>) -> bool {
    scene.keys.user != 0 && !scene.flagged && matches!(scene.facts.status, 200..400)
}

impl Usual {
    /// Counts an answer of an endpoint that such content is sent to.
    pub(in crate::detect) fn count(&mut self, scene: &Scene<'_, '_>) {
        if self.endpoints.len() > 0
            && teaches(scene)
            && let Some(Answers(n)) = self.endpoints.get_mut(scene.keys.endpoint, scene.now_s)
        {
            *n = n.saturating_add(1);
        }
    }

    /// How many accounts send what fired `id` to this parameter, if that is how it is used. Learns of
    /// this one, unless it is under an incident or something was proven: then neither what it sends
    /// nor what it is answered counts, so that the share stays one.
    pub(super) fn take(&mut self, id: Id, hit: &Hit<'_>, scene: &Scene<'_, '_>) -> Option<u64> {
        let part = value_hash(hit.part.as_bytes());
        let key = mix(mix(scene.keys.endpoint, detector_key(id)), part);
        let (endpoint, now_s) = (scene.keys.endpoint, scene.now_s);
        let answers = self
            .endpoints
            .get(endpoint, now_s)
            .map_or(0, |known| known.0);
        let known = self
            .senders
            .get(key, now_s)
            .and_then(|senders| senders.usual(answers, now_s));
        if teaches(scene) && hit.outcome == Outcome::Answered {
            if let Some(known) = self.endpoints.entry(endpoint, now_s) {
                known.0 = known.0.max(1);
            }
            if let Some(senders) = self.senders.entry(key, now_s) {
                senders.see(scene.keys.user, now_s);
            }
        }
        known.filter(|_| hit.outcome != Outcome::Confirmed)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use crate::detect::facts::Hit;
    use crate::detect::tests::support::{HOST, Trial};
    use crate::detect::{Facts, Options};
    use crate::event::{IncidentState, Outcome, Severity};

    const CODE: &str = "request.body:$.code";

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

    fn user(n: u64) -> &'static [u8] {
        Box::leak(format!("user{n}").into_bytes().into_boxed_slice())
    }

    /// What others do before one more account sends code.
    struct Before {
        accounts: u64,
        /// Requests of each account that carry code.
        carrying: u64,
        /// Answers without, by accounts of their own.
        plain: u64,
    }

    /// Whether what one more account sends then is no more than worth knowing.
    #[track_caller]
    fn check(before: Before, part: &'static str, outcome: Outcome, is_info: bool) {
        let mut trial = Trial::new(Options::default());
        let mut second = 0;
        // An hour lies between two of them, so that no incident goes on.
        for n in 0..before.carrying * before.accounts {
            second += 3600;
            trial.look(second, |facts| {
                facts.user = Some(user(n % before.accounts));
                sends(facts, CODE, Outcome::Answered);
            });
        }
        for n in 0..before.plain {
            second += 60;
            trial.look(second, |facts| facts.user = Some(user(1000 + n % 40)));
        }
        trial.told.clear();
        trial.look(second + 7200, |facts| {
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

    const fn before(accounts: u64, carrying: u64, plain: u64) -> Before {
        Before {
            accounts,
            carrying,
            plain,
        }
    }

    #[test]
    fn what_many_accounts_send_is_no_more_than_worth_knowing() {
        check(before(12, 2, 200), CODE, Outcome::Answered, true);
        check(
            before(12, 2, 200),
            "request.body:$.name",
            Outcome::Answered,
            false,
        );
        check(before(12, 2, 200), CODE, Outcome::Confirmed, false);
    }

    #[test]
    fn few_accounts_few_answers_or_a_small_share_make_nothing_usual() {
        check(before(9, 4, 200), CODE, Outcome::Answered, false);
        check(before(12, 2, 100), CODE, Outcome::Answered, false);
        check(before(12, 1, 300), CODE, Outcome::Answered, false);
    }

    #[test]
    fn one_account_counts_for_a_hundredth() {
        // Ten accounts, one of which sends nearly all of it.
        let mut trial = Trial::new(Options::default());
        for n in 0..60_u64 {
            trial.look(n * 3600, |facts| {
                facts.user = Some(user(if n < 9 { n } else { 9 }));
                sends(facts, CODE, Outcome::Answered);
            });
        }
        for n in 0..400 {
            trial.look(300_000 + n, |facts| facts.user = Some(user(1000 + n % 40)));
        }
        trial.told.clear();
        trial.look(400_000, |facts| {
            facts.user = Some(b"another");
            sends(facts, CODE, Outcome::Answered);
        });
        let severity = trial.told[0].finding(HOST).severity;
        assert!(severity > Severity::Info, "{severity:?}");
    }
}
