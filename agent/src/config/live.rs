//! What of a configuration changes while the agent runs, and what needs a restart.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Config;

/// Keys that are named at most; beyond, only how many.
const NAMED_MAX: usize = 64;

/// A configuration that was read while another is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// What can be in force from now on: the new one, but for what needs a restart.
    pub config: Config,
    /// Keys in which it differs from the one before.
    pub changed: Vec<String>,
    /// Keys in which the new one differs from it: they need a restart.
    pub restart: Vec<String>,
}

/// The new configuration cannot be in force, not even in part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; restart the agent to change both")]
pub struct NeedsRestart(String);

impl Config {
    /// What of `new` can be in force while this one is.
    ///
    /// Taps, limits, tables of processes, the journal's folder, the key of the hashes and the place of
    /// the API are made once, at the start.
    ///
    /// # Errors
    /// [`NeedsRestart`] if the rest of it does not go with what needs a restart.
    pub fn live(&self, new: &Self) -> Result<Live, NeedsRestart> {
        let mut config = new.clone();
        config.capture = self.capture.clone();
        config.limits = self.limits.clone();
        config.lookup = self.lookup.clone();
        config.redact.key = self.redact.key.clone();
        config.api = self.api.clone();
        match (&self.journal, &mut config.journal) {
            (Some(old), Some(new)) => new.dir.clone_from(&old.dir),
            (old, new) => new.clone_from(old),
        }
        if let Some((path, what)) = config.contradictions().into_iter().next() {
            return Err(NeedsRestart(format!("{}: {what}", path.join("."))));
        }
        Ok(Live {
            changed: differences(self, &config),
            restart: differences(&config, new),
            config,
        })
    }
}

/// The keys in which two configurations differ; a sink as a whole.
fn differences(one: &Config, other: &Config) -> Vec<String> {
    let mut found = BTreeSet::new();
    // Our own types are written without fail.
    let [a, b] = [one, other].map(|config| serde_json::to_value(config).unwrap_or_default());
    walk(&a, &b, &mut Vec::new(), &mut found);
    // A secret that is written out looks like any other.
    if one.redact.key != other.redact.key {
        found.insert("redact.key".to_owned());
    }
    for (name, entry) in one.sinks.iter().chain(&other.sinks) {
        let is_same = |config: &Config| config.sinks.get(name) == Some(entry);
        if !is_same(one) || !is_same(other) {
            found.insert(format!("sinks.{name}"));
        }
    }
    let beyond = found.len().saturating_sub(NAMED_MAX);
    let mut named: Vec<String> = found.into_iter().take(NAMED_MAX).collect();
    if beyond > 0 {
        named.push(format!("and {beyond} more"));
    }
    named
}

fn walk<'v>(a: &'v Value, b: &'v Value, path: &mut Vec<&'v str>, found: &mut BTreeSet<String>) {
    let inside = |value: &'v Value| match value {
        Value::Object(inside) => Some(inside),
        _ => None,
    };
    let (Some(one), Some(other)) = (inside(a), inside(b)) else {
        if a != b {
            found.insert(path.join("."));
        }
        return;
    };
    if path.as_slice() == ["sinks"] {
        return;
    }
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for key in keys {
        path.push(key);
        let [a, b] = [one, other].map(|inside| inside.get(key).unwrap_or(&Value::Null));
        walk(a, b, path, found);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const OLD: &str = "journal: { dir: /var/lib/a }\nsinks: { out: { stdout: {} } }\n";

    /// What changes live, and what needs a restart, from one file to another.
    #[track_caller]
    fn check(old: &str, new: &str, changed: &[&str], restart: &[&str]) {
        let [old, new] = [old, new].map(|text| parse(text).unwrap());
        let live = old.live(&new).unwrap();
        assert_eq!(live.changed, changed);
        assert_eq!(live.restart, restart);
        let again = live.config.live(&new).unwrap();
        assert!(again.changed.is_empty(), "it is in force: {again:?}");
        assert_eq!(again.restart, restart, "it is named until the restart");
        let back = live.config.live(&old).unwrap();
        assert!(back.restart.is_empty(), "what is taken back: {back:?}");
    }

    #[test]
    fn the_same_file_changes_nothing() {
        check(OLD, OLD, &[], &[]);
    }

    #[test]
    fn what_is_read_for_each_exchange_changes_live() {
        let new = "journal: { dir: /var/lib/a, bodies: all, keep: { age: 2d } }
redact: { names: [x-session], routes: { /pay: { names: [iban] } } }
identity: { trusted_hops: 1 }
detect: { detectors: { auth-01: { threshold: 10 } } }
sinks: { out: { stdout: {}, events: [finding] }, more: { file: { path: /tmp/x } } }
";
        let changed = [
            "detect.detectors.auth-01",
            "identity.trusted_hops",
            "journal.bodies",
            "journal.keep.age",
            "redact.names",
            "redact.routes./pay",
            "sinks.more",
            "sinks.out",
        ];
        check(OLD, new, &changed, &[]);
    }

    #[test]
    fn what_is_made_at_the_start_is_named() {
        let new = "capture: { mode: syscall, exclude: { ports: [22] } }
limits: { memory: 512MiB }
journal: { dir: /var/lib/b, min_free: 2GiB }
api: {}
sinks: { out: { stdout: {} } }
";
        let restart = [
            "api",
            "capture.exclude.ports",
            "capture.mode",
            "journal.dir",
            "limits.memory",
        ];
        check(OLD, new, &["journal.min_free"], &restart);
        let without = "sinks: { out: { stdout: {} } }";
        check(OLD, without, &[], &["journal"]);
    }

    #[test]
    fn secrets_that_look_alike_are_told_apart() {
        let [one, other] = ["one", "other"].map(|secret| {
            format!(
                "redact: {{ key: {secret} }}\njournal: {{}}\nsinks: {{ hook: {{ webhook: {{ url: \
                 'http://127.0.0.1:1/', secret: {secret} }} }} }}\n"
            )
        });
        check(&one, &other, &["sinks.hook"], &["redact.key"]);
    }

    #[test]
    fn what_does_not_go_with_the_rest_is_refused_as_a_whole() {
        let old = parse("sinks: { out: { stdout: {} } }").unwrap();
        let new =
            parse("journal: {}\nsinks: { hook: { webhook: { url: 'http://127.0.0.1:1/' } } }\n");
        let refused = old.live(&new.unwrap()).unwrap_err().to_string();
        assert!(refused.starts_with("sinks.hook"), "{refused}");
        assert!(refused.ends_with("restart the agent to change both"));
    }
}
