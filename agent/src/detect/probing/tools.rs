//! SCAN-02: tools that say what they are.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scanners::scanner;
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::Table;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Scan02,
    name: "scanner tool",
    family: Family::Probing,
    version: 1,
    impact: Severity::Medium,
    threshold: 3,
    window_s: 3600,
    owasp: &["API8:2023", "API7:2019"],
    cwe: &[200],
    attack: &["T1595.002"],
    means: "A tool for finding weaknesses is at work, and says so.",
    decides: "A User-Agent that names a scanner (sqlmap, nikto, nuclei, gobuster, ffuf, wpscan, …): three requests from one address within an hour; one alone is reported as info.",
    fools: "Any other User-Agent: every such tool has an option for it.",
    advice: "Ask whether a test was arranged. If not, see what it found: `eaves query 'client == ADDRESS and status == 2xx'`.",
};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tools {
    clients: Table<Tally, 2048, 7200>,
    /// The last agent that was looked at, and what came of it: they come in runs.
    #[serde(skip)]
    last: (Vec<u8>, Option<&'static str>),
}

impl Tools {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let agent = scene.facts.agent;
        if self.last.0 != agent {
            self.last.0.clear();
            self.last
                .0
                .extend_from_slice(agent.get(..agent.len().min(256)).unwrap_or_default());
            self.last.1 = scanner(agent);
        }
        let (Some(tool), key) = (self.last.1, scene.keys.client) else {
            return;
        };
        let Some(tally) = self.clients.entry(key, scene.now_s) else {
            return;
        };
        let count = tally.count(scene, setting.window_s);
        let said = Said {
            key,
            about: About::Client,
            count,
            tally: Some(tally),
            sample: Some(agent),
            info: count < setting.threshold,
            title: &|n| format!("{n} requests by {tool}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
