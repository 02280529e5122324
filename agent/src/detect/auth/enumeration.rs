//! AUTH-07: which accounts there are, found out by asking.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::{Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth07,
    name: "user enumeration",
    family: Family::Auth,
    version: 1,
    impact: Severity::Medium,
    threshold: 15,
    window_s: 600,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[204],
    attack: &["T1589"],
    means: "Somebody asks for one name after another, and the answers tell which accounts exist.",
    decides: "15 different names from one address in 10 minutes on routes for login, sign-up and password reset, with answers of at least two statuses: \
        an answer that is always the same tells nothing. Where it is a spray (auth-03), that is what is reported.",
    fools: "Answers that differ in text or time alone. Names asked from many addresses.",
    advice: "Make the answer the same whether or not the account exists, and limit how often it may be asked.",
};

/// Names asked for, and the statuses that came back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Asked {
    names: Tally,
    /// Statuses, each with how many.
    statuses: Vec<(u16, u32)>,
}

impl Worth for Asked {
    fn worth(&self) -> u64 {
        self.names.worth()
    }
}

/// Statuses that are told apart.
const STATUSES_MAX: usize = 6;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Enumeration {
    clients: Table<Asked, 4096, 1200>,
}

impl Enumeration {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let asks = scene.has(Signal::SensitiveLogin) || scene.has(Signal::SensitiveAccount);
        let (Some(setting), true) = (scene.setting(&ROW), asks) else {
            return;
        };
        let keys = scene.keys;
        if keys.login == 0 || keys.client == 0 || scene.facts.status == 0 {
            return;
        }
        let Some(asked) = self.clients.entry(keys.client, scene.now_s) else {
            return;
        };
        let names = asked.names.distinct(keys.login, scene, setting.window_s);
        if asked.names.counts.total() == 1 {
            asked.statuses.clear();
        }
        let status = scene.facts.status;
        if let Some((_, n)) = asked
            .statuses
            .iter_mut()
            .find(|(known, _)| *known == status)
        {
            *n = n.saturating_add(1);
        } else if asked.statuses.len() < STATUSES_MAX {
            asked.statuses.push((status, 1));
        }
        let threshold = setting.threshold * scene.shared;
        // Both answers are common: one that works once among failures is a password guessed.
        let split = asked.statuses.iter().filter(|(_, n)| *n >= 2).count() >= 2;
        let refused = asked
            .statuses
            .iter()
            .any(|(status, n)| *status >= 400 && *n >= 2);
        if names < threshold || !split || !refused {
            return;
        }
        if scene.is_open(Id::Auth03, keys.client) || scene.is_open(Id::Auth02, keys.client) {
            return;
        }
        let statuses: Vec<String> = asked
            .statuses
            .iter()
            .map(|(status, n)| format!("{status} ({n})"))
            .collect();
        let statuses = statuses.join(", ");
        let said = Said {
            key: keys.client,
            about: About::Client,
            count: names,
            threshold: Some(threshold),
            tally: Some(&asked.names),
            sample: scene.facts.login,
            by_address: true,
            title: &|n| format!("{n} account names asked for by one address, answered {statuses}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
