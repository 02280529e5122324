//! [`Facts`] of one exchange after another → what becomes of incidents.
//!
//! In: what an exchange tells, in the journal's order, with the time it has itself; no clock is ever
//! asked, so that a replay finds the same. Out: findings. This room judges alone: it sends, blocks
//! and masks nothing, and concludes nothing from bytes that were not seen.

mod allow;
mod answer;
mod content;
mod facts;
mod options;
mod read;
mod row;
mod rows;

mod query;
mod sketch;
mod table;
mod window;

mod incident;
mod party;
mod reports;
mod rule;
mod scanners;
mod scene;
mod sealed;
mod shared;
mod told;

mod abuse;
mod access;
mod auth;
mod baseline;
mod data;
mod injection;
mod inventory;
mod place;
mod probing;
mod token;

pub mod score;

#[cfg(test)]
mod tests;

pub use content::content;
pub use facts::{Cost, Facts, Hit, Mark, Marks, ObjectId, Place, Sensitive, Shown};
pub use incident::{Recall, Recorded};
pub use inventory::{Answer, Form, Names, Operation, Specification};
pub use options::{Change, Exempt, Network, Options};
pub use row::{Family, Id, Row};
pub use rows::{ROWS, row};
pub use rule::{RULE_FILE_MAX_BYTES, Rule, RuleError, Rules};
pub use sealed::Sealed;
pub use told::Told;

use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::clock::WallTime;
use crate::event::{EventId, Ids};
use allow::Allowed;
use incident::{Books, Incidents, seconds};
use options::Settings;
use scene::{Keys, Known, Scene};
use shared::Shared;
use table::{Table, Worth};

/// Version of what is learnt: another cannot be read.
const LEARNT_VERSION: u32 = 3;

/// What one exchange led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What there is to tell, in order.
    pub told: Vec<Told>,
    /// Incidents that the exchange counts toward.
    pub incidents: Vec<EventId>,
    /// What opened no incident.
    pub left_out: LeftOut,
}

/// Alerts that opened no incident, each counted by its reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The configuration suppresses them.
    pub suppressed: u64,
    /// Too many were opened in that minute.
    pub over_limit: u64,
}

/// All detectors that keep state.
#[derive(Clone, Debug)]
pub struct Detectors {
    options: Options,
    settings: Settings,
    ids: Ids,
    learnt: Learnt,
}

/// All that is learnt; it outlives the process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Learnt {
    version: u32,
    incidents: Incidents,
    shared: Shared,
    endpoints: Table<Endpoint, 8192, { 60 * 86_400 }>,
    routes: Table<Route, 8192, { 60 * 86_400 }>,
    auth: auth::Auth,
    tokens: token::Tokens,
    access: access::Access,
    data: data::Data,
    abuse: abuse::Abuse,
    baselines: baseline::Baselines,
    probing: probing::Probing,
    inventory: inventory::Inventory,
    places: place::Places,
    rules: rule::Counted,
    usual: injection::Usual,
    reports: reports::Reports,
}

impl Learnt {
    /// Whether this agent wrote it.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.version == LEARNT_VERSION
    }

    /// Bytes that each part of it takes as it is kept.
    #[must_use]
    pub fn sizes(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("incidents", written(&self.incidents)),
            ("shared", written(&self.shared)),
            ("endpoints", written(&self.endpoints)),
            ("routes", written(&self.routes)),
            ("auth", written(&self.auth)),
            ("token", written(&self.tokens)),
            ("access", written(&self.access)),
            ("data", written(&self.data)),
            ("abuse", written(&self.abuse)),
            ("baseline", written(&self.baselines)),
            ("probing", written(&self.probing)),
            ("inventory", written(&self.inventory)),
            ("place", written(&self.places)),
            ("rule", written(&self.rules)),
            ("injection", written(&self.usual)),
            ("reports", written(&self.reports)),
        ]
    }
}

/// Bytes of `state` as JSON, none of which are kept.
fn written(state: &impl Serialize) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Our own types are written without fail; nothing else could.
    let _ = serde_json::to_writer(&mut count, state);
    count.0
}

/// What is known of an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Endpoint {
    answered: u64,
    first_s: u32,
}

impl Worth for Endpoint {
    fn worth(&self) -> u64 {
        self.answered
    }
}

/// How often a route worked, whatever the method.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Route(u32);

impl Worth for Route {
    fn worth(&self) -> u64 {
        self.0.into()
    }
}

impl Detectors {
    /// Detectors that know nothing yet, whose findings have ids by `ids`.
    #[must_use]
    pub fn new(options: Options, ids: Ids) -> Self {
        Self {
            settings: Settings::new(&options),
            options,
            ids,
            learnt: Learnt {
                version: LEARNT_VERSION,
                ..Learnt::default()
            },
        }
    }

    /// Goes on with what was learnt before.
    #[must_use]
    pub fn with(self, learnt: Learnt) -> Self {
        Self { learnt, ..self }
    }

    /// What was learnt, to be kept.
    #[must_use]
    pub const fn learnt(&self) -> &Learnt {
        &self.learnt
    }

    /// Sets the detectors anew; what was learnt stays.
    pub fn set(&mut self, options: Options) {
        self.settings = Settings::new(&options);
        self.options = options;
    }

    /// Looks at one exchange; what is told of it is added to `out`, whose incidents are its own.
    pub fn look(&mut self, facts: &Facts<'_>, out: &mut Outcome) {
        out.incidents.clear();
        let Self {
            options,
            settings,
            ids,
            learnt,
        } = self;
        let now_s = seconds(facts.time);
        let keys = Keys::of(facts);
        let mut books = Books {
            options,
            ids,
            told: &mut out.told,
            touched: &mut out.incidents,
            left_out: &mut out.left_out,
        };
        learnt.incidents.pass(facts.time, &mut books);
        let allowed = Allowed::of(&options.allow, facts);
        if allowed.is_all() {
            return;
        }
        let shared_users = learnt.shared.users(&keys, now_s);
        let flagged = [keys.user, keys.client, keys.credential]
            .into_iter()
            .any(|key| key != 0 && learnt.incidents.is_flagged(key, now_s));
        let endpoint = learnt.endpoints.get(keys.endpoint, now_s);
        let known = Known {
            route_works: learnt.routes.get(keys.route, now_s).is_some(),
            answered: endpoint.map_or(0, |endpoint| endpoint.answered),
            age_s: endpoint.map_or(0, |endpoint| now_s.saturating_sub(endpoint.first_s)),
        };
        let mut scene = Scene {
            facts,
            now_s,
            keys,
            shared: Shared::factor(shared_users),
            shared_users,
            flagged,
            endpoint: known,
            report: learnt.reports.take(facts, now_s),
            allowed,
            settings,
            incidents: &mut learnt.incidents,
            books,
        };
        let (call, content) = (scene.report.call, scene.report.content);
        if call {
            learnt.probing.look(&mut scene);
            learnt.usual.count(&scene);
        }
        injection::look(&mut learnt.usual, &mut scene);
        if call {
            learnt.auth.look(&mut scene);
            learnt.tokens.look(&mut scene);
            learnt.places.look(&mut scene);
        }
        if content {
            learnt.access.look(&mut scene);
        }
        learnt.data.look(&mut scene);
        if call {
            learnt.abuse.look(&mut scene);
        }
        if content {
            learnt.inventory.look(&mut scene);
        }
        if call {
            learnt.baselines.look(&mut scene);
            learnt.note(facts, &keys, now_s);
        }
    }

    /// Takes in that the exchange of `facts`, which was just looked at again and led to `out`, counted
    /// toward the incidents `counted` in the run that heard it; what there is to tell of it is taken.
    pub fn heed(
        &mut self,
        recall: &mut Recall,
        facts: &Facts<'_>,
        counted: &[EventId],
        out: &mut Outcome,
    ) {
        let quiet_s = self.options.quiet_s;
        let incidents = &mut self.learnt.incidents;
        incidents.heed(recall, facts, counted, out, quiet_s);
    }

    /// Takes in what the run before told of an incident.
    pub fn recall(&mut self, recall: &mut Recall, recorded: &Recorded) {
        let quiet_s = self.options.quiet_s;
        let incidents = &mut self.learnt.incidents;
        incidents.recall(recall, recorded, &self.ids, quiet_s);
    }

    /// All of the run before was looked at again; what it did not come to tell.
    #[must_use]
    pub fn recalled(&mut self, recall: Recall) -> Vec<Told> {
        self.learnt.incidents.recalled(recall)
    }

    /// Lets event time pass where no exchange comes: at the end of a recording.
    pub fn pass(&mut self, now: WallTime, out: &mut Outcome) {
        let mut books = Books {
            options: &self.options,
            ids: &self.ids,
            told: &mut out.told,
            touched: &mut out.incidents,
            left_out: &mut out.left_out,
        };
        self.learnt.incidents.pass(now, &mut books);
    }

    /// How many incidents are open, had to make room for others, and were left out by the cap and are
    /// yet to be told.
    #[must_use]
    pub fn counted(&self) -> (usize, u64, u64) {
        self.learnt.incidents.counted()
    }
}

impl Learnt {
    /// Notes what every detector needs: which endpoints work, and who is behind which address.
    fn note(&mut self, facts: &Facts<'_>, keys: &Keys, now_s: u32) {
        let works = matches!(facts.status, 200..400);
        if !works {
            return;
        }
        if let Some(endpoint) = self.endpoints.entry(keys.endpoint, now_s) {
            if endpoint.answered == 0 {
                endpoint.first_s = now_s;
            }
            endpoint.answered += 1;
        }
        if let Some(Route(n)) = self.routes.entry(keys.route, now_s) {
            *n = n.saturating_add(1);
        }
        self.shared.learn(keys, now_s);
    }
}

/// Hash under which a value is counted.
///
/// Keyed with a constant, so that state outlives the process and a replay gives the same findings.
/// Who makes values collide on purpose gains nothing but to be counted less than he could by sending
/// fewer of them.
#[must_use]
pub fn value_hash(value: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6561_7665_7364_6574, 0x6563_7420_7374_6174);
    hasher.write(value);
    hasher.finish()
}
