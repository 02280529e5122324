//! Programs that look for weaknesses, by what they call themselves.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Bytes of an agent that are looked at.
const AGENT_MAX_BYTES: usize = 256;

/// Names that no library, browser or product has within its own: `nmap` stands in OpenMapTiles.
const NAMES: [&str; 43] = [
    "(hydra",
    "acunetix",
    "arachni",
    "burpcollaborator",
    "burpsuite",
    "cgichk",
    "commix",
    "dirbuster",
    "dirsearch",
    "feroxbuster",
    "ffuf",
    "fimap",
    "fuzz faster",
    "gobuster",
    "havij",
    "jaeles",
    "joomscan",
    "masscan",
    "metasploit",
    "nessus",
    "netsparker",
    "nikto",
    "nmap scripting",
    "nmap.org",
    "nuclei",
    "openvas",
    "owasp zap",
    "paros/",
    "qualys",
    "skipfish",
    "sqlmap",
    "sqlninja",
    "w3af",
    "wapiti",
    "webinspect",
    "wfuzz",
    "whatweb",
    "wpscan",
    "xsser",
    "xsstrike",
    "zaproxy",
    "zgrab",
    "zmeu",
];

/// `None` only if the names could not be built, which the test below finds.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).build(NAMES).ok()
});

/// The scanner that `agent` names.
pub(super) fn scanner(agent: &[u8]) -> Option<&'static str> {
    let agent = agent.get(..AGENT_MAX_BYTES).unwrap_or(agent);
    let found = AUTOMATON.as_ref()?.find(agent)?;
    let name = NAMES.get(found.pattern().as_usize())?;
    Some(name.trim_matches(['(', '/']))
}

#[cfg(test)]
mod tests {
    use super::{NAMES, scanner};

    #[track_caller]
    fn check(agent: &str, expected: Option<&str>) {
        assert_eq!(scanner(agent.as_bytes()), expected, "{agent}");
    }

    #[test]
    fn tools_are_told_from_what_people_use() {
        check("sqlmap/1.8#stable (https://sqlmap.org)", Some("sqlmap"));
        check("Mozilla/5.00 (Nikto/2.1.6) (Evasions:None)", Some("nikto"));
        check(
            "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
            Some("nmap scripting"),
        );
        check("Nuclei - Open-source project", Some("nuclei"));
        check("Mozilla/4.0 (Hydra)", Some("hydra"));
        check("Fuzz Faster U Fool v2.1.0", Some("fuzz faster"));
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0",
            None,
        );
        for none in [
            "curl/8.5.0",
            "python-httpx/0.27",
            "kube-probe/1.30",
            "OpenMapTiles/3.14",
            "ory-hydra/2.2",
            "",
        ] {
            check(none, None);
        }
        assert!(NAMES.is_sorted());
        check(&format!("{}sqlmap", "x".repeat(300)), None);
    }
}
