//! One exchange as detectors see it: its facts, the keys it is counted under, and where to speak.

use serde::{Deserialize, Serialize};

use super::allow::Allowed;
use super::facts::{Facts, Hit, Mark};
use super::incident::{About, Alert, Books, Incidents, Source, mix};
use super::options::{Setting, Settings};
use super::reports::Report;
use super::row::{Id, Row};
use super::value_hash;
use super::window::{Counts, Recent};
use crate::event::{Baseline, EventId, Extent, Outcome, Signal};

/// Keys of different kinds never meet.
const CLIENT: u64 = 1;
const USER: u64 = 2;
const CREDENTIAL: u64 = 3;
const ENDPOINT: u64 = 4;
const NETWORK: u64 = 5;

/// What of its confidence a detector keeps that did not see an exchange whole.
const UNSEEN_WEIGHT: f64 = 0.7;

/// One exchange, and the books.
pub(super) struct Scene<'s, 'b> {
    pub(super) facts: &'s Facts<'s>,
    pub(super) now_s: u32,
    pub(super) keys: Keys,
    /// By how much thresholds of the address alone are raised: 1 unless it is shared.
    pub(super) shared: u64,
    /// Accounts that were seen behind the address in a day.
    pub(super) shared_users: u64,
    /// Whether its actor is under an incident: nothing is learnt from it.
    pub(super) flagged: bool,
    /// What is known of the endpoint.
    pub(super) endpoint: Known,
    /// What of it counts.
    pub(super) report: Report,
    /// Detectors that pass over it.
    pub(super) allowed: Allowed,
    pub(super) settings: &'s Settings,
    pub(super) incidents: &'s mut Incidents,
    pub(super) books: Books<'b>,
}

/// What is known of an endpoint before this exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) route_works: bool,
    /// Exchanges with 2xx or 3xx.
    pub(super) answered: u64,
    /// Seconds since it was first seen to work.
    pub(super) age_s: u32,
}

/// What an exchange is counted under; 0 for what is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// The client's address; of IPv6 its /64.
    pub(super) client: u64,
    /// The network it is in: /24 of IPv4, /56 of IPv6.
    pub(super) network: u64,
    pub(super) user: u64,
    pub(super) credential: u64,
    pub(super) login: u64,
    /// Account, else credential, else client.
    pub(super) actor: u64,
    /// Host, method and route.
    pub(super) endpoint: u64,
    /// Host and route, whatever the method.
    pub(super) route: u64,
}

impl Keys {
    /// Those of `facts`.
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let (mut client, mut network) = (0, 0);
        match facts.client.map(|ip| ip.to_canonical()) {
            Some(std::net::IpAddr::V4(ip)) => {
                let bits = u64::from(u32::from(ip));
                client = mix(CLIENT, bits);
                network = mix(NETWORK, bits >> 8);
            }
            Some(std::net::IpAddr::V6(ip)) => {
                let bits = (u128::from(ip) >> 64) as u64;
                client = mix(CLIENT + 16, bits);
                network = mix(NETWORK + 16, bits >> 8);
            }
            None => {}
        }
        let user = facts.user.map_or(0, |user| mix(USER, value_hash(user)));
        let login = facts.login.map_or(0, |login| mix(USER, value_hash(login)));
        let credential = facts.credential.map_or(0, |hash| mix(CREDENTIAL, hash));
        let actor = [user, credential, client].into_iter().find(|key| *key != 0);
        let route = mix(
            value_hash(facts.route.as_bytes()),
            value_hash(&facts.domain),
        );
        Self {
            client,
            network,
            user,
            credential,
            login,
            actor: actor.unwrap_or(0),
            endpoint: mix(mix(ENDPOINT, route), value_hash(facts.method)),
            route,
        }
    }
}

/// What a detector says; what is left out is as it mostly is.
#[derive(Clone)]
pub(super) struct Said<'a> {
    pub(super) key: u64,
    pub(super) about: About,
    pub(super) count: u64,
    /// Where it is not the row's.
    pub(super) threshold: Option<u64>,
    pub(super) confidence: f64,
    pub(super) outcome: Outcome,
    pub(super) baseline: Option<Baseline>,
    pub(super) tally: Option<&'a Tally>,
    pub(super) sample: Option<&'a [u8]>,
    pub(super) hit: Option<&'a Hit<'a>>,
    pub(super) remark: Option<String>,
    /// Whether it may be an address that many share.
    pub(super) by_address: bool,
    /// Whether it is less than it would be by somebody who has an account, or is answered.
    pub(super) lone: bool,
    /// Whether it is no more than worth knowing.
    pub(super) info: bool,
    pub(super) title: &'a dyn Fn(u64) -> String,
}

impl Default for Said<'_> {
    fn default() -> Self {
        Self {
            key: 0,
            about: About::Actor,
            count: 1,
            threshold: None,
            confidence: 0.9,
            outcome: Outcome::Attempted,
            baseline: None,
            tally: None,
            sample: None,
            hit: None,
            remark: None,
            by_address: false,
            lone: false,
            info: false,
            title: &|_| String::new(),
        }
    }
}

impl Scene<'_, '_> {
    /// How the detector of `row` is set; `None` if it does not look.
    pub(super) fn setting(&self, row: &Row) -> Option<Setting> {
        let setting = self.settings.of(row.id);
        (setting.enabled && !self.allowed.has(row.id)).then_some(setting)
    }

    /// Takes what the detector of `row` says of this exchange.
    pub(super) fn raise(&mut self, row: &'static Row, said: &Said<'_>) {
        let Some(setting) = self.setting(row) else {
            return;
        };
        let seen = |extent: Extent| matches!(extent, Extent::Whole | Extent::Truncated);
        let whole = seen(self.facts.request_seen) && seen(self.facts.response_seen);
        let weight = if whole { 1.0 } else { UNSEEN_WEIGHT };
        let threshold = said.threshold.unwrap_or(setting.threshold);
        let source = || Source::of(row, threshold, setting.window_s, setting.dry_run);
        let address = said.by_address.then(|| self.address()).flatten();
        let alert = Alert {
            detector: detector_key(row.id),
            key: said.key,
            about: said.about,
            count: said.count,
            confidence: said.confidence * weight,
            outcome: said.outcome,
            baseline: said.baseline,
            since_s: said.tally.map(|tally| tally.since_s),
            before: said
                .tally
                .map(|tally| tally.seen.as_slice())
                .unwrap_or_default(),
            sample: said.sample,
            hit: said.hit,
            lone: said.lone,
            info: said.info,
            remark: said.remark.clone().or(address),
            title: said.title,
            source: &source,
        };
        let keys = [self.keys.user, self.keys.client, self.keys.credential];
        let keys: Vec<u64> = keys.into_iter().filter(|key| *key != 0).collect();
        self.incidents
            .raise(&alert, self.facts, &keys, &mut self.books);
    }

    /// Why the address is, or is not, taken for one that many share.
    fn address(&self) -> Option<String> {
        if self.keys.client == 0 {
            return None;
        }
        Some(match (self.shared, self.shared_users) {
            (1, 0) => "no account was ever seen signed in behind this address".to_owned(),
            (1, users) => {
                format!("not a shared address: {users} accounts were seen behind it in a day")
            }
            (factor, users) => format!(
                "shared address: {users} accounts in a day, so its threshold is {factor} times as high"
            ),
        })
    }

    /// Whether the detector `id` has an incident open about `key`.
    pub(super) fn is_open(&self, id: Id, key: u64) -> bool {
        key != 0 && self.incidents.is_open(detector_key(id), key, self.now_s)
    }

    /// Whether what is known of `key` may be learnt from.
    pub(super) fn may_learn(&self, key: u64) -> bool {
        !self.flagged && !self.incidents.is_flagged(key, self.now_s)
    }

    pub(super) const fn has(&self, signal: Signal) -> bool {
        self.facts.signals.has(signal)
    }

    /// A failed login: on a route where one signs in, or with a password in the header, on any.
    pub(super) const fn failed_login(&self) -> bool {
        self.has(Signal::AuthenticationFailure)
            && (self.has(Signal::SensitiveLogin) || self.facts.login.is_some())
    }

    /// A login that worked.
    pub(super) const fn signed_in(&self) -> bool {
        self.has(Signal::AuthenticationSuccess) && self.has(Signal::SensitiveLogin)
    }

    /// Whether the response came and says that it worked.
    pub(super) const fn succeeded(&self) -> bool {
        let status = self.facts.status;
        status >= 200 && status < 300 && !self.has(Signal::AuthenticationFailure)
    }

    /// What an answer makes of an attempt.
    pub(super) const fn outcome(&self) -> Outcome {
        if self.succeeded() {
            Outcome::Answered
        } else {
            Outcome::Attempted
        }
    }

    /// Whether a credential was shown or an account is known.
    pub(super) const fn has_credential(&self) -> bool {
        self.keys.user != 0 || self.keys.credential != 0 || self.facts.marks.has(Mark::Credential)
    }

    /// Whether the route has ever worked for anybody, whatever the method.
    pub(super) const fn route_works(&self) -> bool {
        self.endpoint.route_works
    }

    /// Whether the endpoint was watched for long enough that what is usual there is known.
    pub(super) const fn endpoint_is_learnt(&self) -> bool {
        self.endpoint.answered >= self.settings.learn_events
            || self.endpoint.age_s >= self.settings.learn_s
    }

    pub(super) const fn now_ms(&self) -> u64 {
        self.facts.time.0 / 1_000_000
    }
}

/// Stands for a detector in keys of incidents.
pub(super) fn detector_key(id: Id) -> u64 {
    mix(0x6465_7465_6374, id as u64 + 1)
}

/// Exchanges that a tally remembers, for evidence.
const SEEN_MAX: usize = 3;

/// What was counted of a key in a window: how often, which distinct values, and the first exchanges.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) distinct: Recent,
    pub(super) since_s: u32,
    pub(super) seen: Vec<(EventId, u64)>,
    /// Whether it has led to an incident.
    pub(super) told: bool,
}

impl Tally {
    /// Begins anew if it has led to an incident that is over: what was told is not told again.
    pub(super) fn renew(&mut self, open: bool) -> bool {
        let over = self.told && !open;
        if over {
            *self = Self::default();
        }
        over
    }

    /// Counts this exchange; how many there are in the last `window_s` seconds.
    pub(super) fn count(&mut self, scene: &Scene<'_, '_>, window_s: u32) -> u64 {
        if self.counts.at(scene.now_s, window_s) == 0 {
            self.since_s = scene.now_s;
            self.seen.clear();
            self.distinct.clear();
        }
        if self.seen.len() < SEEN_MAX && scene.facts.source_id.is_none() {
            self.seen.push((scene.facts.id, scene.facts.time.0));
        }
        self.counts.add(scene.now_s, 1, window_s)
    }

    /// Counts this exchange and `value`; how many distinct values there are.
    pub(super) fn distinct(&mut self, value: u64, scene: &Scene<'_, '_>, window_s: u32) -> u64 {
        self.count(scene, window_s);
        self.distinct.add(value, scene.now_s, window_s)
    }
}

impl super::table::Worth for Tally {
    fn worth(&self) -> u64 {
        self.counts.total().max(self.distinct.len() as u64)
    }
}
