//! Section `redact`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redact::{Options, Path, Pattern, RoutePattern, Rules, TYPES};
use crate::sink::SecretText;

/// What is masked before anything is written. Passwords, tokens, keys, cookies, payment cards and
/// personal data are, without a word here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redact {
    /// Whether anything is masked. If not, events hold secrets and personal data as they were heard.
    pub enabled: bool,
    /// Names of fields whose values are masked too: of headers, cookies, parameters, members of JSON.
    #[schemars(extend("maxItems" = 256))]
    pub names: Vec<String>,
    /// Places in JSON bodies that are masked too, with all below: `$.user.address`, `$..iban`.
    #[schemars(extend("maxItems" = 64))]
    pub paths: Vec<String>,
    /// Regular expressions for what is masked too, each under the name of its type.
    #[schemars(extend("maxProperties" = 64, "x-check-keys" = "name"))]
    pub patterns: BTreeMap<String, String>,
    /// What is let be.
    pub allow: Allow,
    /// Rules for some routes alone, beside those for all: `/path`, or `host/path`, `*` for anything,
    /// a segment in braces for any segment. What is asked for fits by its route or by its path; all
    /// rules that fit count.
    #[schemars(extend("maxProperties" = 64))]
    pub routes: BTreeMap<String, RouteRules>,
    /// Types that are not masked, as `sensitive` names them.
    pub leave: Vec<String>,
    /// Types whose masks keep the form and the last four characters: `payment_card`.
    pub last_four: Vec<String>,
    /// Whether IP addresses in values are masked.
    pub ip_addresses: bool,
    /// What goes by another name: the same one each time, on this host.
    #[schemars(extend("uniqueItems" = true))]
    pub pseudonymise: Vec<Pseudonymise>,
    /// Whether bodies that cannot be searched for secrets, as images, are written.
    pub binary_bodies: bool,
    /// The secret that hashes are keyed with, for a fleet to share: `${file:PATH}` or `${env:NAME}`.
    /// Without it this host makes one beside the journal's key, or one for the run where there is no
    /// journal. With another secret old hashes match no new ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretText>,
}

impl Default for Redact {
    fn default() -> Self {
        Self {
            enabled: true,
            names: Vec::new(),
            paths: Vec::new(),
            patterns: BTreeMap::new(),
            allow: Allow::default(),
            routes: BTreeMap::new(),
            leave: Vec::new(),
            last_four: Vec::new(),
            ip_addresses: false,
            pseudonymise: Vec::new(),
            binary_bodies: false,
            key: None,
        }
    }
}

/// What is let be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Allow {
    /// Names of fields.
    #[schemars(extend("maxItems" = 256))]
    pub names: Vec<String>,
    /// Places in JSON bodies, with all below.
    #[schemars(extend("maxItems" = 64))]
    pub paths: Vec<String>,
    /// Regular expressions for values, from end to end.
    #[schemars(extend("maxItems" = 64))]
    pub values: Vec<String>,
}

/// Rules of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteRules {
    /// As `names` for all.
    #[schemars(extend("maxItems" = 256))]
    pub names: Vec<String>,
    /// As `paths` for all.
    #[schemars(extend("maxItems" = 64))]
    pub paths: Vec<String>,
    /// As `patterns` for all.
    #[schemars(extend("maxProperties" = 64, "x-check-keys" = "name"))]
    pub patterns: BTreeMap<String, String>,
    /// As `allow` for all.
    pub allow: Allow,
}

/// What goes by another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pseudonymise {
    /// Addresses of clients; those of one network stay in one
    Client,
    /// Ids of users
    User,
}

impl Redact {
    /// What redaction is told. What is not sound was found by `contradictions`.
    #[must_use]
    pub fn options(&self) -> Options {
        let ignored = &mut |_: &[&str], _: String| {};
        let common = rules(
            &self.names,
            &self.paths,
            &self.patterns,
            &self.allow,
            ignored,
        );
        let of_route = |(route, of): (&String, &RouteRules)| {
            let found = &mut |_: &[&str], _: String| {};
            let rules = rules(&of.names, &of.paths, &of.patterns, &of.allow, found);
            Some((RoutePattern::parse(route).ok()?, rules))
        };
        Options {
            is_off: !self.enabled,
            rules: common,
            routes: self.routes.iter().filter_map(of_route).collect(),
            leave: self.leave.clone(),
            last_four: self.last_four.clone(),
            ip_addresses: self.ip_addresses,
            pseudonymise_client: self.pseudonymise.contains(&Pseudonymise::Client),
            pseudonymise_user: self.pseudonymise.contains(&Pseudonymise::User),
            binary_bodies: self.binary_bodies,
        }
    }

    /// What is no path, no pattern, no route or no type.
    pub(super) fn contradictions(&self, found: &mut Vec<(Vec<String>, String)>) {
        let mut say = |path: &[&str], what: String| {
            let path = std::iter::once("redact").chain(path.iter().copied());
            found.push((path.map(str::to_owned).collect(), what));
        };
        rules(
            &self.names,
            &self.paths,
            &self.patterns,
            &self.allow,
            &mut say,
        );
        for (route, of) in &self.routes {
            if let Err(why) = RoutePattern::parse(route) {
                say(&["routes", route], format!("`{route}` {why}"));
            }
            let mut say_of = |path: &[&str], what: String| {
                let path: Vec<&str> = ["routes", route]
                    .into_iter()
                    .chain(path.iter().copied())
                    .collect();
                say(&path, what);
            };
            rules(&of.names, &of.paths, &of.patterns, &of.allow, &mut say_of);
        }
        for (key, types) in [("leave", &self.leave), ("last_four", &self.last_four)] {
            for name in types {
                let is_known = TYPES.contains(&name.as_str()) || self.patterns.contains_key(name);
                if !is_known {
                    let allowed = TYPES.join(", ");
                    say(&[key], format!("`{name}` is no type; allowed: {allowed}"));
                }
            }
        }
    }
}

/// Rules as they are asked; `say` is told of each that is none.
fn rules(
    names: &[String],
    paths: &[String],
    patterns: &BTreeMap<String, String>,
    allow: &Allow,
    say: &mut dyn FnMut(&[&str], String),
) -> Rules {
    let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut read = |at: &[&str], paths: &[String]| {
        let mut sound = Vec::new();
        for text in paths {
            match Path::parse(text) {
                Ok(path) => sound.push(path),
                Err(why) => say(at, format!("`{text}` {why}")),
            }
        }
        sound
    };
    let paths = read(&["paths"], paths);
    let allow_paths = read(&["allow", "paths"], &allow.paths);
    let mut sound = BTreeMap::new();
    for (name, text) in patterns {
        match Pattern::parse(text) {
            Ok(pattern) => {
                sound.insert(name.clone(), pattern);
            }
            Err(why) => say(&["patterns", name], format!("`{text}` {why}")),
        }
    }
    let mut allow_values = Vec::new();
    for text in &allow.values {
        match Pattern::parse(text) {
            Ok(pattern) => allow_values.push(pattern),
            Err(why) => say(&["allow", "values"], format!("`{text}` {why}")),
        }
    }
    Rules {
        names: lower(names),
        paths,
        patterns: sound,
        allow_names: lower(&allow.names),
        allow_paths,
        allow_values,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn each_rule_that_is_none_is_told_at_its_place() {
        let text = "redact:\n  paths: [user]\n  patterns: { id: '[' }\n  leave: [pasword]\n  \
                    routes: { users: { allow: { values: ['a*'] } } }\n";
        let mistakes = parse(text).unwrap_err();
        for (line, said) in [
            (2, "`user` is no path"),
            (3, "`[` is not a regular expression"),
            (4, "`pasword` is no type"),
            (5, "`users` is no route"),
            (5, "`a*` matches nothing at all"),
        ] {
            let mut told = mistakes.told.iter();
            let is_it = told.any(|one| one.place.line == line && one.what.starts_with(said));
            assert!(is_it, "{said}: {mistakes:?}");
        }
    }

    #[test]
    fn rules_become_options() {
        let text =
            "redact: { names: [X-Internal], pseudonymise: [client], patterns: { id: 'E[0-9]' } }";
        let options = parse(text).unwrap().redact.options();
        assert_eq!(options.rules.names, ["x-internal"]);
        assert!(options.rules.patterns.contains_key("id") && !options.is_off);
        assert!(options.pseudonymise_client && !options.pseudonymise_user);
    }
}
