//! BOLA-02: objects that are known to be another's.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Bola02,
    name: "foreign object read",
    family: Family::Access,
    version: 1,
    impact: Severity::High,
    threshold: 3,
    window_s: 600,
    owasp: &["API1:2023", "API1:2019"],
    cwe: &[639],
    attack: &["T1213"],
    means: "An account was answered with objects that belong to another.",
    decides: "An id belongs to the account that got it in an answer or used it twice with no other in between. Three ids of others answered with 2xx to one account in 10 minutes, on an endpoint where \
        objects that belong to somebody are used by the owner in 95 of 100 cases (from 50 on): where they are shared, nothing is concluded.",
    fools: "Objects that nobody used before, and objects shared between two accounts on purpose. Who reads one or two of others every ten minutes for long is one of those with whom they are shared.",
    advice: "Ask the endpoint for one of the ids in `samples` as a third account. If that works, it does not check the owner: mend it, then see who else used it.",
};

/// Uses that bind an id to an account.
const USES: u8 = 2;
/// Repeated uses from which on an endpoint is judged, and how many must be by the owner.
const REPEATS: u32 = 50;
const OWN_SHARE: f64 = 0.95;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Owned {
    owner: u64,
    uses: u8,
}

impl Worth for Owned {
    fn worth(&self) -> u64 {
        self.uses.into()
    }
}

/// How often objects of an endpoint that belong to somebody were used, and by their owner.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Repeats {
    all: u32,
    own: u32,
}

impl Worth for Repeats {
    fn worth(&self) -> u64 {
        self.all.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Foreign {
    objects: Table<Owned, 32_768, { 14 * 86_400 }>,
    routes: Table<Repeats, 1024, { 30 * 86_400 }>,
    readers: Table<Tally, 2048, 1200>,
}

impl Foreign {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let facts = scene.facts;
        if scene.keys.user == 0 || !scene.succeeded() {
            return;
        }
        let user = scene.keys.user;
        for id in &facts.given {
            self.bind(*id, user, USES, scene.now_s);
        }
        let Some(id) = facts.ids.first() else {
            return;
        };
        let object = value_hash(id.value);
        let key = mix(object, scene.keys.route);
        let now_s = scene.now_s;
        // A reply binds an id wherever it is used, a use only where it was used.
        let bound = |key: u64| {
            let owned = self.objects.get(key, now_s)?;
            (owned.uses >= USES).then_some(owned.owner)
        };
        let owner = bound(key).or_else(|| bound(object));
        let mut judged = false;
        if let Some(repeats) = self.routes.entry(scene.keys.route, now_s) {
            judged = repeats.all >= REPEATS
                && f64::from(repeats.own) >= OWN_SHARE * f64::from(repeats.all);
            if let Some(owner) = owner.filter(|_| !scene.flagged) {
                repeats.all = repeats.all.saturating_add(1);
                repeats.own = repeats.own.saturating_add(u32::from(owner == user));
            }
        }
        let foreign = owner.is_some_and(|owner| owner != user);
        if !foreign {
            if !scene.flagged {
                self.bind(key, user, 1, now_s);
            }
            return;
        }
        if !judged {
            return;
        }
        // Whatever the method: an object is read and changed under one route.
        let reader = mix(user, scene.keys.route);
        let Some(tally) = self.readers.entry(reader, now_s) else {
            return;
        };
        let objects = tally.distinct(object, scene, setting.window_s);
        if objects < setting.threshold {
            return;
        }
        let said = Said {
            key: reader,
            about: About::ActorAt,
            count: objects,
            outcome: Outcome::Answered,
            confidence: 0.8,
            tally: Some(tally),
            sample: Some(id.value),
            title: &|n| format!("{n} objects of other accounts were answered"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }

    /// Whether an answer gave this id to the account of `scene`.
    pub(super) fn was_given(&self, id: &[u8], scene: &Scene<'_, '_>) -> bool {
        let user = scene.keys.user;
        let owned = self.objects.get(value_hash(id), scene.now_s);
        user != 0 && owned.is_some_and(|owned| owned.owner == user && owned.uses >= USES)
    }

    /// Remembers that `user` used what stands under `key`.
    fn bind(&mut self, key: u64, user: u64, uses: u8, now_s: u32) {
        if let Some(owned) = self.objects.entry(key, now_s) {
            // Who used it once does not keep it from its owner.
            if owned.owner != user && owned.uses < USES {
                *owned = Owned {
                    owner: user,
                    uses: 0,
                };
            }
            if owned.owner == user {
                owned.uses = owned.uses.saturating_add(uses);
            }
        }
    }
}
