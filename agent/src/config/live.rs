//! What of a configuration changes while the agent runs, and what needs a restart.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Config, SinkEntry};
use crate::guard::May;

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

/// The walls that stand around files.
#[derive(Clone, Copy, Debug)]
pub struct Within<'m> {
    /// Around who opens the files of sinks.
    pub files: &'m May,
    /// Around who reads rules.
    pub rules: &'m May,
}

/// The new configuration cannot be in force, not even in part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; restart the agent to change both")]
pub struct NeedsRestart(String);

impl Config {
    /// What of `new` can be in force while this one is.
    ///
    /// Taps, limits, tables of processes, the journal's folder, the key of the hashes and the place of
    /// the API are made once, at the start; so are the walls, within which the files of sinks and the
    /// rules must lie.
    ///
    /// # Errors
    /// [`NeedsRestart`] if the rest of it does not go with what needs a restart.
    pub fn live(&self, new: &Self, walls: Option<&Within<'_>>) -> Result<Live, NeedsRestart> {
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
        if let Some(walls) = walls {
            self.keep_within(walls, &mut config);
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

impl Config {
    /// Leaves in `config` as it is here what would lie beyond the walls.
    fn keep_within(&self, walls: &Within<'_>, config: &mut Self) {
        let rules = &mut config.detect.rules;
        if *rules != self.detect.rules && !walls.rules.may_read(rules) {
            rules.clone_from(&self.detect.rules);
        }
        let is_beyond = |(name, entry): (&String, &SinkEntry)| {
            let file = entry.file.as_ref()?;
            let is_new = self.sinks.get(name).and_then(|old| old.file.as_ref()) != Some(file);
            (is_new && !walls.files.may_write(&file.path)).then(|| name.clone())
        };
        let beyond: Vec<_> = config.sinks.iter().filter_map(is_beyond).collect();
        for name in beyond {
            match self.sinks.get(&name) {
                Some(old) => config.sinks.insert(name, old.clone()),
                None => config.sinks.remove(&name),
            };
        }
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
    use super::Within;
    use crate::config::parse;
    use crate::guard::May;

    const OLD: &str = "journal: { dir: /var/lib/a }\nsinks: { out: { stdout: {} } }\n";

    /// What changes live, and what needs a restart, from one file to another.
    #[track_caller]
    fn check(old: &str, new: &str, changed: &[&str], restart: &[&str]) {
        let [old, new] = [old, new].map(|text| parse(text).unwrap());
        let live = old.live(&new, None).unwrap();
        assert_eq!(live.changed, changed);
        assert_eq!(live.restart, restart);
        let again = live.config.live(&new, None).unwrap();
        assert!(again.changed.is_empty(), "it is in force: {again:?}");
        assert_eq!(again.restart, restart, "it is named until the restart");
        let back = live.config.live(&old, None).unwrap();
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
    fn what_lies_beyond_the_walls_stays_as_it_was_and_is_named() {
        let dir = std::env::temp_dir().join(format!("eaves-within-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        for place in ["mine", "mine/below", "other", "rules"] {
            std::fs::create_dir_all(dir.join(place)).unwrap();
        }
        let may = May::default()
            .reading(dir.join("rules"))
            .writing(dir.join("mine"));
        let walls = Within {
            files: &may,
            rules: &may,
        };
        let config = |rules: &str, sinks: &[(&str, &str)]| {
            let lines = sinks.iter().map(|(name, file)| {
                format!(
                    "  {name}: {{ file: {{ path: {}/{file} }} }}\n",
                    dir.display()
                )
            });
            let sinks: String = lines.collect();
            let rules = dir.join(rules);
            let text = format!("detect: {{ rules: {} }}\nsinks:\n{sinks}", rules.display());
            parse(&text).unwrap()
        };
        let old = config("rules", &[("a", "mine/a"), ("gone", "other/gone")]);
        let new = config(
            "elsewhere",
            &[("a", "other/a"), ("b", "mine/below/b"), ("c", "other/c")],
        );
        let live = old.live(&new, Some(&walls)).unwrap();
        assert_eq!(live.restart, ["detect.rules", "sinks.a", "sinks.c"]);
        assert_eq!(live.changed, ["sinks.b", "sinks.gone"]);
        assert_eq!(live.config.sinks["a"], old.sinks["a"]);
        let same = old.live(&old, Some(&walls)).unwrap();
        assert!(same.restart.is_empty() && same.changed.is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_does_not_go_with_the_rest_is_refused_as_a_whole() {
        let old = parse("sinks: { out: { stdout: {} } }").unwrap();
        let new =
            parse("journal: {}\nsinks: { hook: { webhook: { url: 'http://127.0.0.1:1/' } } }\n");
        let refused = old.live(&new.unwrap(), None).unwrap_err().to_string();
        assert!(refused.starts_with("sinks.hook"), "{refused}");
        assert!(refused.ends_with("restart the agent to change both"));
    }
}
