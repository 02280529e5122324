//! Incidents: one for each detector and whom or what it is about, opened, told again as it grows,
//! and closed when nothing is added any more.

mod recall;

use serde::{Deserialize, Serialize};

pub use recall::{Recall, Recorded};

use super::LeftOut;
use super::facts::{Facts, Hit};
use super::options::Options;
use super::party::{actor, cut, evidence, suppressed, target, unseen};
use super::row::Row;
use super::table::{Table, Worth};
use super::told::{Changed, Told};
use crate::clock::WallTime;
use crate::event::{
    Actor, Baseline, EventId, Evidence, Ids, IncidentState, Learnt, Outcome, Severity, Target,
};

/// Incidents that may be open at once.
const OPEN_MAX: usize = 4096;

/// Seconds within which incidents of one actor belong together.
const CAMPAIGN_S: u32 = 30 * 60;

/// Exchanges of an incident that are shown.
const EVIDENCE_MAX: usize = 5;

/// Distinct values of an incident that are shown, and endpoints.
const SAMPLES_MAX: usize = 10;
const ENDPOINTS_MAX: usize = 5;
const REMARKS_MAX: usize = 4;

/// Longest excerpt, bytes (DETECTION.md 5).
pub(super) const EXCERPT_MAX: usize = 200;

/// Seconds between two looks for incidents that are over.
const SWEEP_S: u32 = 10;

/// What one detector may open of what may open in a minute; and what those that are high or critical
/// may open beyond it, so that a flood of lesser ones hides none.
const SHARE_OF_ONE: u32 = 3;
const RESERVE: u32 = 30;

/// Who concluded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) owasp: Vec<String>,
    pub(super) cwe: Vec<u32>,
    pub(super) attack: Vec<String>,
    pub(super) advice: String,
    pub(super) tags: Vec<String>,
    /// Seconds; 0 where one exchange decides.
    pub(super) window_s: u32,
    pub(super) threshold: u64,
    pub(super) impact: Severity,
    pub(super) dry_run: bool,
}

impl Source {
    pub(super) fn of(row: &'static Row, threshold: u64, window_s: u32, dry_run: bool) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            id: row.id.name().to_owned(),
            name: row.name.to_owned(),
            version: row.version,
            owasp: texts(row.owasp),
            cwe: row.cwe.to_vec(),
            attack: texts(row.attack),
            advice: row.advice.to_owned(),
            tags: Vec::new(),
            window_s,
            threshold,
            impact: row.impact,
            dry_run,
        }
    }
}

/// What an incident is about: decides which of an exchange's parties it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Who called: account before address.
    Actor,
    /// Who called, at one endpoint.
    ActorAt,
    /// An address, whoever called from there.
    Client,
    /// An account that is attacked.
    Login,
    /// An account, wherever it calls from.
    User,
    /// An endpoint, whoever calls.
    Endpoint,
    /// All endpoints that never worked, whoever calls.
    Nowhere,
    /// A credential.
    Credential,
}

/// What a detector says of one exchange.
pub(super) struct Alert<'a> {
    /// Stands for the detector, in the key of the incident.
    pub(super) detector: u64,
    /// Whom or what it is about.
    pub(super) key: u64,
    pub(super) about: About,
    /// How much there is so far.
    pub(super) count: u64,
    pub(super) confidence: f64,
    pub(super) outcome: Outcome,
    pub(super) baseline: Option<Baseline>,
    /// When the first that counts came, seconds since 1970.
    pub(super) since_s: Option<u32>,
    /// Exchanges that counted before.
    pub(super) before: &'a [(EventId, u64)],
    /// One of the distinct values that are counted.
    pub(super) sample: Option<&'a [u8]>,
    pub(super) hit: Option<&'a Hit<'a>>,
    pub(super) lone: bool,
    /// Whether it is no more than worth knowing.
    pub(super) info: bool,
    pub(super) remark: Option<String>,
    /// The sentence, for so many.
    pub(super) title: &'a dyn Fn(u64) -> String,
    /// Who concluded it; asked only when an incident opens.
    pub(super) source: &'a dyn Fn() -> Source,
}

/// An incident that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Incident {
    pub(super) id: EventId,
    /// When it opened, in a run that ended before its key was kept.
    opened_ns: Option<u64>,
    pub(super) campaign: Option<EventId>,
    pub(super) source: Source,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) count: u64,
    /// The count at which it is told again.
    next: u64,
    /// Records written of it.
    records: u64,
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    pub(super) outcome: Outcome,
    pub(super) title: String,
    pub(super) actor: Actor<'static>,
    pub(super) target: Target<'static>,
    pub(super) baseline: Option<Baseline>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) samples: Vec<String>,
    pub(super) endpoints: Vec<String>,
    pub(super) remarks: Vec<String>,
    pub(super) suppressed: u64,
    /// Keys that may not be learnt from meanwhile.
    flagged: Vec<u64>,
}

impl Worth for Option<Incident> {
    fn worth(&self) -> u64 {
        let worth = |one: &Incident| (1 << (8 * one.severity as u64)) + one.count.min(255);
        self.as_ref().map_or(0, worth)
    }
}

/// An actor's last incident.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Campaign {
    id: Option<EventId>,
    last_s: u32,
    incidents: u64,
}

impl Worth for Campaign {
    fn worth(&self) -> u64 {
        self.incidents
    }
}

/// Until when a key is not learnt from, seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Flag(u32);

impl Worth for Flag {
    fn worth(&self) -> u64 {
        self.0.into()
    }
}

type Flags = Table<Flag, 8192, { u32::MAX }>;

/// Has nothing learnt from `keys` until nothing was added for `quiet_s` seconds.
fn flag(flags: &mut Flags, keys: &[u64], now_s: u32, quiet_s: u32) {
    let until = now_s.saturating_add(quiet_s);
    for key in keys {
        if let Some(flag) = flags.entry(*key, now_s) {
            flag.0 = flag.0.max(until);
        }
    }
}

/// How many opened in the minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Minute {
    minute: u32,
    opened: u32,
    by_detector: Vec<(u64, u32)>,
}

/// All incidents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Incidents {
    open: Table<Option<Incident>, OPEN_MAX, { u32::MAX }>,
    campaigns: Table<Campaign, 4096, CAMPAIGN_S>,
    flags: Flags,
    minute: Minute,
    /// Incidents the cap left no room for, to be told with the next.
    overflow: u64,
    /// Open ones whose key is not known yet, at most.
    unknown: u64,
    swept_s: u32,
}

/// What incidents are told with beside the alert.
pub(super) struct Books<'b> {
    pub(super) options: &'b Options,
    pub(super) ids: &'b Ids,
    pub(super) told: &'b mut Vec<Told>,
    /// Incidents that the exchange counts toward.
    pub(super) touched: &'b mut Vec<EventId>,
    pub(super) left_out: &'b mut LeftOut,
}

impl Incidents {
    /// Takes an alert about the exchange of `facts`; `keys` are its actor's.
    pub(super) fn raise(
        &mut self,
        alert: &Alert<'_>,
        facts: &Facts<'_>,
        keys: &[u64],
        books: &mut Books<'_>,
    ) {
        let now_s = seconds(facts.time);
        let key = mix(alert.detector, alert.key);
        let there = self.open.get_mut(key, now_s).and_then(Option::as_mut);
        let Some(incident) = there else {
            return self.open(key, alert, facts, keys, books);
        };
        // What is said of one exchange twice counts once.
        let more = u64::from(!books.touched.contains(&incident.id));
        incident.count = incident.count.saturating_add(more).max(alert.count);
        incident.last_ns = incident.last_ns.max(facts.time.0);
        let worse = incident.weigh(alert);
        if more > 0 {
            books.touched.push(incident.id);
        }
        incident.sample(alert, facts);
        let grown = incident.count >= incident.next;
        if grown || worse {
            incident.title = (alert.title)(incident.count);
            incident.show(alert, facts);
            while incident.next <= incident.count {
                incident.next = incident.next.saturating_mul(2);
            }
            let told = incident.told(IncidentState::Updated, facts.time, books.ids);
            books.told.push(told);
        }
        let quiet_s = books.options.quiet_s;
        flag(&mut self.flags, &incident.flagged, now_s, quiet_s);
    }

    fn open(
        &mut self,
        key: u64,
        alert: &Alert<'_>,
        facts: &Facts<'_>,
        keys: &[u64],
        books: &mut Books<'_>,
    ) {
        let source = (alert.source)();
        let now_s = seconds(facts.time);
        if self.unknown > 0 && self.adopt(key, &source.id, now_s, books.ids) {
            return self.raise(alert, facts, keys, books);
        }
        let actor = actor(alert, facts);
        if suppressed(&books.options.suppress, &source, facts) {
            books.left_out.suppressed += 1;
            return;
        }
        let severity = severity(&source, alert);
        if !self.admit(alert.detector, severity, now_s, books.options.per_minute) {
            self.overflow += 1;
            books.left_out.over_limit += 1;
            return;
        }
        let id = books.ids.incident(facts.time, &source.id, key);
        let campaign = self.campaign(keys, facts.time, now_s, books.ids);
        let first_ns = alert.since_s.map_or(facts.time.0, |s| {
            (u64::from(s) * 1_000_000_000).min(facts.time.0)
        });
        let first_ns = alert.before.first().map_or(first_ns, |(_, at)| *at);
        // The tally has counted this exchange too; it is shown with its excerpt below.
        let before = alert.before.iter().filter(|(one, _)| *one != facts.id);
        let evidence = before
            .take(EVIDENCE_MAX - 1)
            .map(|(exchange, at)| Evidence {
                exchange: *exchange,
                time: WallTime(*at),
                source_id: None,
                part: String::new(),
                excerpt: String::new(),
                decoded_by: Vec::new(),
                proof: String::new(),
            });
        let mut incident = Incident {
            id,
            opened_ns: None,
            campaign,
            first_ns,
            last_ns: facts.time.0,
            count: alert.count,
            next: alert.count.max(1).saturating_mul(2),
            records: 0,
            severity,
            confidence: alert.confidence,
            outcome: alert.outcome,
            title: (alert.title)(alert.count),
            actor,
            target: target(alert, facts),
            baseline: alert.baseline,
            evidence: evidence.collect(),
            samples: Vec::new(),
            endpoints: Vec::new(),
            remarks: Vec::new(),
            suppressed: std::mem::take(&mut self.overflow),
            flagged: keys.to_vec(),
            source,
        };
        if matches!(alert.about, About::Endpoint | About::Nowhere) {
            incident.flagged = vec![alert.key];
        }
        incident.remarks.extend(alert.remark.clone());
        incident.remarks.extend(unseen(facts));
        incident.sample(alert, facts);
        incident.show(alert, facts);
        let quiet_s = books.options.quiet_s;
        flag(&mut self.flags, &incident.flagged, now_s, quiet_s);
        let told = incident.told(IncidentState::Open, facts.time, books.ids);
        books.told.push(told);
        books.touched.push(id);
        if let Some(place) = self.open.entry(key, now_s) {
            *place = Some(incident);
        }
    }

    /// Whether one more may open in this minute.
    fn admit(&mut self, detector: u64, severity: Severity, now_s: u32, per_minute: u32) -> bool {
        if self.minute.minute != now_s / 60 {
            self.minute = Minute {
                minute: now_s / 60,
                ..Minute::default()
            };
        }
        let minute = &mut self.minute;
        let own = minute
            .by_detector
            .iter_mut()
            .find(|(one, _)| *one == detector);
        let of_one = own.as_ref().map_or(0, |(_, n)| *n);
        let most = per_minute / SHARE_OF_ONE;
        let admitted = if severity >= Severity::High {
            minute.opened < per_minute.saturating_add(RESERVE) && of_one < most + RESERVE / 2
        } else {
            minute.opened < per_minute && of_one < most.max(1)
        };
        if admitted {
            minute.opened += 1;
            match own {
                Some((_, n)) => *n += 1,
                None => minute.by_detector.push((detector, 1)),
            }
        }
        admitted
    }

    fn campaign(&mut self, keys: &[u64], time: WallTime, now_s: u32, ids: &Ids) -> Option<EventId> {
        let first = keys.first()?;
        let known = keys
            .iter()
            .filter_map(|key| self.campaigns.get(*key, now_s)?.id)
            .next();
        let id = known.unwrap_or_else(|| ids.campaign(time, *first));
        for key in keys {
            if let Some(campaign) = self.campaigns.entry(*key, now_s) {
                campaign.id = Some(id);
                campaign.last_s = now_s;
                campaign.incidents += 1;
            }
        }
        Some(id)
    }

    /// Whether `key` is under an incident that goes on: it is not learnt from.
    pub(super) fn is_flagged(&self, key: u64, now_s: u32) -> bool {
        self.flags.len() > 0
            && self
                .flags
                .get(key, now_s)
                .is_some_and(|flag| flag.0 > now_s)
    }

    /// Whether `detector` has an incident open about `key`.
    pub(super) fn is_open(&self, detector: u64, key: u64, now_s: u32) -> bool {
        let there = self.open.get(mix(detector, key), now_s);
        there.is_some_and(Option::is_some)
    }

    /// Lets event time pass: closes what is over.
    pub(super) fn pass(&mut self, now: WallTime, books: &mut Books<'_>) {
        let now_s = seconds(now);
        if now_s < self.swept_s.saturating_add(SWEEP_S) {
            return;
        }
        self.swept_s = now_s;
        let quiet_ns = u64::from(books.options.quiet_s) * 1_000_000_000;
        let over = |incident: &Incident| incident.last_ns.saturating_add(quiet_ns) <= now.0;
        let closing: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, one)| one.as_ref().is_none_or(over))
            .map(|(key, _)| key)
            .collect();
        for key in closing {
            if let Some(Some(mut incident)) = self.open.remove(key) {
                let told = incident.told(IncidentState::Closed, now, books.ids);
                books.told.push(told);
            }
        }
        self.count_unknown();
    }

    /// Counts those whose key is not known yet anew: they close, and make room for others.
    fn count_unknown(&mut self) {
        let is_unknown = |one: &Incident| one.opened_ns.is_some();
        let all = self.open.iter();
        let all = all.filter(|(_, one)| one.as_ref().is_some_and(is_unknown));
        self.unknown = all.count() as u64;
    }

    /// How many are open, made room, and found no room.
    pub(super) fn counted(&self) -> (usize, u64, u64) {
        (self.open.len(), self.open.evicted(), self.overflow)
    }
}

impl Incident {
    /// Takes in how bad it is now; whether it is worse than it was.
    fn weigh(&mut self, alert: &Alert<'_>) -> bool {
        self.outcome = self.outcome.max(alert.outcome);
        self.confidence = self.confidence.max(alert.confidence);
        if alert.baseline.is_some() {
            self.baseline = alert.baseline;
        }
        let severity = severity(&self.source, alert);
        let worse = severity > self.severity;
        self.severity = self.severity.max(severity);
        worse
    }

    fn sample(&mut self, alert: &Alert<'_>, facts: &Facts<'_>) {
        if self.samples.len() < SAMPLES_MAX
            && let Some(value) = alert.sample
        {
            let shown = cut(&facts.shown.value(value), EXCERPT_MAX / 2);
            if !self.samples.contains(&shown) {
                self.samples.push(shown);
            }
        }
        if self.endpoints.len() < ENDPOINTS_MAX
            && !facts.method.is_empty()
            && !matches!(alert.about, About::Endpoint | About::ActorAt)
        {
            let method = String::from_utf8_lossy(facts.method);
            let endpoint = cut(&format!("{method} {}", facts.route), EXCERPT_MAX);
            if !self.endpoints.contains(&endpoint) {
                self.endpoints.push(endpoint);
            }
        }
    }

    /// Keeps the exchange as evidence: the first few, and then the newest in the place of the last. One
    /// that counts twice stands there once, with what tells more: what was found in it.
    fn show(&mut self, alert: &Alert<'_>, facts: &Facts<'_>) {
        let evidence = evidence(alert.hit, facts);
        let same = |have: &&mut Evidence| have.exchange == facts.id;
        match self.evidence.iter_mut().find(same) {
            Some(have) if alert.hit.is_some() || have.excerpt.is_empty() => *have = evidence,
            Some(_) => {}
            None => {
                if self.evidence.len() >= EVIDENCE_MAX {
                    self.evidence.pop();
                }
                self.evidence.push(evidence);
            }
        }
        let remark = alert.remark.iter();
        for remark in remark {
            if self.remarks.len() < REMARKS_MAX && !self.remarks.contains(remark) {
                self.remarks.push(remark.clone());
            }
        }
    }

    fn told(&mut self, state: IncidentState, time: WallTime, ids: &Ids) -> Told {
        let id = ids.finding(time, self.id, self.records);
        self.records += 1;
        let told = Told::new(Changed { id, time, state }, self.clone());
        self.suppressed = 0;
        told
    }
}

/// Impact, confidence and outcome together.
fn severity(source: &Source, alert: &Alert<'_>) -> Severity {
    const SCALE: [Severity; 5] = [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    if source.dry_run || alert.info || source.impact == Severity::Info {
        return Severity::Info;
    }
    let mut at = source.impact as i32;
    at += match alert.outcome {
        Outcome::Attempted => -1,
        Outcome::Answered => 0,
        Outcome::Confirmed => 1,
    };
    if alert.confidence < 0.5 || alert.lone {
        at -= 1;
    }
    if alert
        .baseline
        .is_some_and(|usual| usual.state == Learnt::Warming)
    {
        at = at.min(Severity::Low as i32);
    }
    let at = at.clamp(Severity::Low as i32, Severity::Critical as i32);
    SCALE.get(at as usize).copied().unwrap_or(Severity::Low)
}

pub(super) fn seconds(time: WallTime) -> u32 {
    u32::try_from(time.0 / 1_000_000_000).unwrap_or(u32::MAX)
}

/// One key of two.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    // The finalizer of SplitMix64 (Steele and others, 2014) over a sum that tells the two apart.
    let mut mixed = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.rotate_left(29);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
