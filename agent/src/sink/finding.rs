//! What sinks for people and pagers read of a finding.

use serde::Deserialize;

use crate::event::Severity;

/// The fields of a finding that an alert tells.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Finding {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) time: String,
    #[serde(default)]
    pub(super) first_seen: Option<String>,
    #[serde(default)]
    pub(super) incident: Option<String>,
    #[serde(default)]
    pub(super) state: Option<String>,
    #[serde(default)]
    pub(super) severity: Option<Severity>,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) advice: Option<String>,
    #[serde(default)]
    pub(super) count: Option<u64>,
    #[serde(default)]
    pub(super) detector: Detector,
    #[serde(default)]
    pub(super) actor: Actor,
    #[serde(default)]
    pub(super) target: Target,
    #[serde(default)]
    pub(super) host: Host,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Detector {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Actor {
    pub(super) user: Option<String>,
    pub(super) client: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Target {
    pub(super) domain: Option<String>,
    pub(super) route: Option<String>,
    pub(super) method: Option<String>,
    pub(super) process: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Host {
    pub(super) name: String,
}

impl Finding {
    /// Reads a finding's line.
    pub(super) fn of(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("not a finding: {error}"))
    }

    /// What all records of one incident share.
    pub(super) fn key(&self) -> &str {
        self.incident.as_deref().unwrap_or(&self.id)
    }

    /// Whether the incident is over.
    pub(super) fn is_closed(&self) -> bool {
        self.state.as_deref() == Some("closed")
    }

    /// The severity's word.
    pub(super) fn severity(&self) -> &'static str {
        match self.severity {
            Some(Severity::Critical) => "critical",
            Some(Severity::High) => "high",
            Some(Severity::Medium) => "medium",
            Some(Severity::Low) => "low",
            Some(Severity::Info) | None => "info",
        }
    }

    /// Who did it, as far as is known.
    pub(super) fn who(&self) -> String {
        let Actor { user, client } = &self.actor;
        let known = [user.as_deref(), client.as_deref()];
        let known: Vec<&str> = known.into_iter().flatten().collect();
        known.join(" from ")
    }

    /// What it was done to, as far as is known.
    pub(super) fn what(&self) -> String {
        let Target {
            domain,
            route,
            method,
            process,
        } = &self.target;
        let place = [domain.as_deref(), route.as_deref()];
        let place: String = place.into_iter().flatten().collect();
        let words = [method.as_deref(), Some(place.as_str()), process.as_deref()];
        let words = words.into_iter().flatten().filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A finding, for tests.
#[cfg(test)]
pub(super) fn line(incident: &str, state: &str, severity: &str) -> String {
    serde_json::json!({
        "kind": "finding", "schema": 1, "id": format!("id-{state}"),
        "time": "2026-11-21T06:12:11.000000005Z", "first_seen": "2026-11-21T06:02:11.000000000Z",
        "incident": incident, "state": state, "severity": severity,
        "title": "20 failed <logins>", "count": 20, "advice": "Lock & tell",
        "detector": { "id": "auth-01", "name": "account brute force", "version": 1 },
        "actor": { "user": "alice", "client": "203.0.113.7" },
        "target": { "domain": "api.example.com", "route": "/login", "method": "POST", "process": "nginx" },
        "host": { "name": "web-3" },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::{Finding, line};

    #[test]
    fn who_and_what_are_told_as_far_as_they_are_known() {
        let finding = Finding::of(line("i", "open", "high").as_bytes()).unwrap();
        assert_eq!(finding.who(), "alice from 203.0.113.7");
        assert_eq!(finding.what(), "POST api.example.com/login nginx");
        assert_eq!((finding.key(), finding.is_closed()), ("i", false));
        let bare = Finding::of(br#"{"id":"a"}"#).unwrap();
        assert_eq!(
            (bare.who(), bare.what(), bare.key()),
            (String::new(), String::new(), "a")
        );
        assert!(Finding::of(b"7").is_err());
    }
}
