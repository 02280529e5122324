//! SCAN-02: tools that say what they are.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
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

/// What tools call themselves, in lower case; names that no library or browser has within its own.
const TOOLS: &[&str] = &[
    "acunetix",
    "arachni",
    "commix",
    "dirbuster",
    "dirsearch",
    "feroxbuster",
    "fimap",
    "fuzz faster",
    "gobuster",
    "havij",
    "jaeles",
    "masscan",
    "metasploit",
    "nessus",
    "netsparker",
    "nikto",
    "nmap",
    "nuclei",
    "openvas",
    "owasp zap",
    "qualys",
    "skipfish",
    "sqlmap",
    "sqlninja",
    "w3af",
    "wapiti",
    "wfuzz",
    "whatweb",
    "wpscan",
    "xsser",
    "xsstrike",
    "zgrab",
    "zmeu",
];

/// The tool that `agent` names. Longer ones than 256 bytes are looked at so far.
fn tool(agent: &[u8]) -> Option<&'static str> {
    let mut low = [0_u8; 256];
    let len = agent.len().min(low.len());
    let (Some(low), Some(agent)) = (low.get_mut(..len), agent.get(..len)) else {
        return None;
    };
    low.copy_from_slice(agent);
    low.make_ascii_lowercase();
    // Browsers and the common libraries begin like this, and are most of all requests.
    if low.starts_with(b"mozilla/5.0") && !low.windows(10).any(|part| part == b"compatible") {
        let rest = low.get(11..).unwrap_or_default();
        let plain = [&b"applewebkit"[..], b"gecko/", b"rv:"];
        if plain
            .iter()
            .any(|word| memchr::memmem::find(rest, word).is_some())
            && memchr::memmem::find(rest, b"nikto").is_none()
        {
            return None;
        }
    }
    let named = |tool: &&&str| memchr::memmem::find(low, tool.as_bytes()).is_some();
    TOOLS.iter().find(named).copied()
}

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
            self.last.1 = tool(agent);
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

#[cfg(test)]
mod tests {
    use super::tool;

    #[test]
    fn tools_are_told_from_what_people_use() {
        for (agent, expected) in [
            ("sqlmap/1.8#stable (https://sqlmap.org)", Some("sqlmap")),
            ("Mozilla/5.00 (Nikto/2.1.6) (Evasions:None)", Some("nikto")),
            (
                "Mozilla/5.0 (compatible; Nmap Scripting Engine)",
                Some("nmap"),
            ),
            ("Nuclei - Open-source project", Some("nuclei")),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0",
                None,
            ),
            ("curl/8.5.0", None),
            ("python-httpx/0.27", None),
            ("kube-probe/1.30", None),
            ("", None),
        ] {
            assert_eq!(tool(agent.as_bytes()), expected, "{agent}");
        }
    }
}
