//! INV-02: an endpoint that should be gone.

use serde::{Deserialize, Serialize};

use super::specification::Judged;
use crate::detect::facts::Mark;
use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Inv02,
    name: "deprecated endpoint",
    family: Family::Inventory,
    version: 1,
    impact: Severity::Low,
    threshold: 1,
    window_s: 86_400,
    owasp: &["API9:2023", "API9:2019"],
    cwe: &[1059],
    attack: &["T1190"],
    means: "An old endpoint is still answered. Old versions lack the checks of new ones, and attackers look for them.",
    decides: "An answer with 2xx that carries a Deprecation or Sunset field (RFC 9745, RFC 8594); or a version in the path that is older than one in use on the same route, first \
        called after the newer; or one that the specification says is deprecated; or one that was quiet for 30 days. Once a day for each endpoint.",
    fools: "Old endpoints without such a field and without a version in the path, in steady use.",
    advice: "See who still calls it, move them, and switch it off.",
};

const QUIET_S: u32 = 30 * 86_400;
const YEAR_S: u32 = 365 * 86_400;

/// What is known of an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Last {
    used_s: u32,
    told_s: u32,
}

impl Worth for Last {
    fn worth(&self) -> u64 {
        self.used_s.into()
    }
}

/// The newest version of a route, and how often it answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Versions {
    newest: u32,
    calls: u32,
    /// The oldest version that was there before the newest was known.
    oldest: u32,
}

impl Worth for Versions {
    fn worth(&self) -> u64 {
        self.calls.into()
    }
}

/// Answers of the newer version from which on it is in use.
const IN_USE: u32 = 50;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Deprecated {
    endpoints: Table<Last, 4096, YEAR_S>,
    routes: Table<Versions, 2048, YEAR_S>,
}

impl Deprecated {
    pub(super) fn look(&mut self, judged: &Judged<'_>, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let (key, now_s) = (scene.keys.endpoint, scene.now_s);
        let old_version = self.is_old(scene);
        let Some(last) = self.endpoints.entry(key, now_s) else {
            return;
        };
        let used_s = std::mem::replace(&mut last.used_s, now_s);
        let woke = used_s != 0 && now_s.saturating_sub(used_s) >= QUIET_S;
        let why = if scene.facts.marks.has(Mark::Deprecated) {
            "says itself that it is deprecated"
        } else if judged.deprecated {
            "is deprecated by its specification"
        } else if old_version {
            "is of an older version than the one in use"
        } else if woke {
            "was not used for 30 days"
        } else {
            return;
        };
        let told_today = last.told_s != 0 && now_s.saturating_sub(last.told_s) < setting.window_s;
        if told_today && !scene.is_open(ROW.id, key) {
            return;
        }
        last.told_s = now_s;
        let said = Said {
            key,
            about: About::Endpoint,
            outcome: Outcome::Answered,
            title: &|n| format!("{n} answers of an endpoint that {why}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }

    /// Whether the path has a version older than that in use, which was not there before it.
    fn is_old(&mut self, scene: &Scene<'_, '_>) -> bool {
        let Some((version, rest)) = version(&scene.facts.route) else {
            return false;
        };
        let route = mix(rest, value_hash(scene.facts.method));
        let Some(versions) = self.routes.entry(route, scene.now_s) else {
            return false;
        };
        if versions.calls == 0 {
            (versions.newest, versions.oldest) = (version, version);
        }
        if version > versions.newest {
            versions.newest = version;
            versions.calls = 0;
        }
        if version == versions.newest {
            versions.calls = versions.calls.saturating_add(1);
            return false;
        }
        if versions.calls < IN_USE {
            versions.oldest = versions.oldest.min(version);
        }
        versions.calls >= IN_USE && version < versions.oldest
    }
}

/// The version in a route (`/v2/`), and a hash of the route without it.
fn version(route: &str) -> Option<(u32, u64)> {
    let mut found = None;
    let mut rest = 0;
    for part in route.split('/').take(16) {
        let number = part
            .strip_prefix(['v', 'V'])
            .filter(|digits| digits.len() <= 3);
        match number.and_then(|digits| digits.parse().ok()) {
            Some(number) if found.is_none() => found = Some(number),
            _ => rest = mix(rest, value_hash(part.as_bytes())),
        }
    }
    found.map(|number| (number, rest))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_from_routes() {
        let (two, rest) = version("/api/v2/orders/{id}").unwrap();
        let (zero, same) = version("/api/v0/orders/{id}").unwrap();
        assert_eq!((two, zero), (2, 0));
        assert_eq!(rest, same);
        assert_ne!(version("/api/v2/users/{id}").unwrap().1, rest);
        for none in ["/orders", "/vendor/7", "/v/7", "/v1234/x", ""] {
            assert_eq!(version(none), None, "{none}");
        }
    }
}
