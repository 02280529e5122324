//! BASE-02: an endpoint fails more often than it did.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::sketch::rose;
use crate::detect::table::{Table, Worth};
use crate::detect::window::Counts;
use crate::event::{Baseline, Learnt, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Base02,
    name: "error degradation",
    family: Family::Baseline,
    version: 1,
    impact: Severity::High,
    threshold: 30,
    window_s: 600,
    owasp: &["API8:2023", "API10:2019"],
    cwe: &[755],
    attack: &["T1499"],
    means: "An endpoint has begun to fail, for more than one caller.",
    decides: "The share of answers with 5xx in 10 minutes, of at least 30, against the share in all before: three times as much, and so much that chance explains it less than once \
        in a million (one-sided binomial test), from at least three callers of which none has more than half. One client that retries one failing call is no degradation.",
    fools: "Endpoints that fail with 200. Fewer than three callers.",
    advice: "See what the failing calls have in common, and what changed: a release, a database, a burst of calls (rate-02, base-01).",
};

const CHANCE: f64 = 1e-6;
const TIMES: f64 = 3.0;
const CALLERS: u64 = 3;
/// Share that is taken for usual where nothing ever failed.
const LEAST_SHARE: f64 = 0.005;
/// Answers from which on the usual share is known.
const KNOWN: u64 = 50;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shares {
    all: Counts,
    failed: Tally,
    /// Failures of the caller that has most of them, roughly: a majority vote (Boyer and Moore, 1981).
    vote: (u64, u32),
    /// Answers, and failures among them, of all before; halved when they are many.
    before: (u64, u64),
    /// What is not yet part of it.
    pending: (u32, u64, u64),
}

impl Worth for Shares {
    fn worth(&self) -> u64 {
        self.before.0 + 1
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Errors {
    endpoints: Table<Shares, 1024, { 30 * 86_400 }>,
}

impl Errors {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let status = scene.facts.status;
        if status == 0 {
            return;
        }
        let (key, now_s, window_s) = (scene.keys.endpoint, scene.now_s, setting.window_s.max(10));
        let Some(shares) = self.endpoints.entry(key, now_s) else {
            return;
        };
        let window = now_s / window_s;
        if shares.pending.0 != window {
            if !scene.incidents.is_flagged(key, now_s) {
                shares.before.0 += shares.pending.1;
                shares.before.1 += shares.pending.2;
                if shares.before.0 > 1 << 20 {
                    shares.before = (shares.before.0 / 2, shares.before.1 / 2);
                }
            }
            shares.pending = (window, 0, 0);
        }
        shares.pending.1 += 1;
        let all = shares.all.add(now_s, 1, window_s);
        if status < 500 {
            return;
        }
        shares.pending.2 += 1;
        let actor = scene.keys.actor;
        let callers = shares.failed.distinct(actor, scene, window_s);
        let failed = shares.failed.counts.total();
        if failed == 1 {
            shares.vote = (actor, 0);
        }
        match &mut shares.vote {
            (one, n) if *one == actor => *n += 1,
            (_, n) if *n > 0 => *n -= 1,
            vote => *vote = (actor, 1),
        }
        // What is left of the vote is more than none only if one caller has more than half.
        let one_has_most = u64::from(shares.vote.1) * 4 > failed;
        let (n, k) = shares.before;
        let usual = (k as f64 / n.max(1) as f64).max(LEAST_SHARE);
        let share = failed as f64 / all.max(1) as f64;
        let worse = share >= TIMES * usual && rose(failed, all, usual, CHANCE);
        if all < setting.threshold || callers < CALLERS || one_has_most || n < KNOWN || !worse {
            return;
        }
        let said = Said {
            key,
            about: About::Endpoint,
            count: failed,
            threshold: Some((all as f64 * TIMES * usual).ceil() as u64),
            confidence: 0.85,
            baseline: Some(Baseline {
                median: all as f64 * usual,
                mad: 0.0,
                samples: n,
                state: Learnt::Ready,
            }),
            tally: Some(&shares.failed),
            remark: Some(format!(
                "{:.1} % fail, {:.1} % did before",
                share * 100.0,
                usual * 100.0
            )),
            title: &|n| format!("{n} of {all} answers of an endpoint failed, to {callers} callers"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
