//! The options, made ready to be asked, with the key of the hashes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::options::{Options, Pattern, RoutePattern, Rules};
use super::rules::Ruleset;
use crate::capture::Origin;
use crate::exchange::{Exchange, Secret, url};
use crate::keyed::HashKey;

/// What is masked on this host, and the key that hashes are made with. Shared by all who mark and
/// seal.
#[derive(Clone, Debug)]
pub struct Redactor {
    number: u64,
    key: HashKey,
    options: Options,
    rules: Ruleset,
    routes: Vec<OfRoute>,
    /// Names of the types that patterns find.
    customs: Vec<String>,
}

/// Rules for some routes.
#[derive(Clone, Debug)]
struct OfRoute {
    pattern: RoutePattern,
    /// Its own.
    own: Ruleset,
    /// Its own and those for all.
    all: Ruleset,
}

/// How many were made.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Redactor {
    /// Redacts as `options` say, hashing with `key`.
    #[must_use]
    pub fn new(options: Options, key: HashKey) -> Self {
        let routes = options.routes.iter().map(|(_, rules)| rules);
        let mut customs: Vec<String> = std::iter::once(&options.rules)
            .chain(routes)
            .flat_map(|rules| rules.patterns.keys().cloned())
            .collect();
        customs.sort();
        customs.dedup();
        let number = |name: &str| {
            let at = customs.iter().position(|custom| custom == name);
            u16::try_from(at.unwrap_or_default()).unwrap_or(u16::MAX)
        };
        let common = &options.rules;
        let set = |rules: &[&Rules]| {
            let all = rules.iter().map(|rules| (*rules).clone()).collect();
            Ruleset::new(all, number)
        };
        Self {
            number: MADE.fetch_add(1, Ordering::Relaxed) + 1,
            rules: set(&[common]),
            routes: options
                .routes
                .iter()
                .map(|(pattern, rules)| OfRoute {
                    pattern: pattern.clone(),
                    own: set(&[rules]),
                    all: set(&[common, rules]),
                })
                .collect(),
            key,
            customs: customs.clone(),
            options,
        }
    }

    /// The built-in rules, with a key of the recording at `origin`: each replay of it gives the same
    /// hashes, and no other recording does.
    #[must_use]
    pub fn of_origin(origin: &Origin, options: Options) -> Self {
        let secret = format!("{}\0{}", origin.host_id, origin.run);
        Self::new(options, HashKey::new(secret.as_bytes()))
    }

    /// The key of all hashes.
    #[must_use]
    pub const fn key(&self) -> &HashKey {
        &self.key
    }

    /// Its number: no other was made with the same options and key. Never 0.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn is_off(&self) -> bool {
        self.options.is_off
    }

    pub(super) const fn rules(&self) -> &Ruleset {
        &self.rules
    }

    /// The patterns of the configuration, those of any route among them.
    pub(super) fn all_patterns(&self) -> impl Iterator<Item = (u16, &Pattern)> {
        let of_routes = self.routes.iter().map(|route| &route.own);
        let rules = std::iter::once(&self.rules).chain(of_routes);
        rules.flat_map(Ruleset::patterns)
    }

    /// The rules for the exchange's route, those for all among them, if any are for it: all that
    /// describe its template or its path, which may be one that no endpoint answers.
    pub(super) fn rules_of(&self, exchange: &Exchange) -> Option<Cow<'_, Ruleset>> {
        if self.routes.is_empty() {
            return None;
        }
        let url = url(&exchange.request.as_ref()?.head);
        let host = url.domain.map_or(&b""[..], |host| host.0);
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let path = url
            .path
            .map_or(Cow::default(), |path| String::from_utf8_lossy(path.0));
        let route = exchange.known.route.as_ref();
        let is_for_it = |of: &&OfRoute| {
            let matches = |path| of.pattern.matches(&host, path);
            matches(&path) || route.is_some_and(|route| matches(&route.template))
        };
        let mut those = self.routes.iter().filter(is_for_it);
        let first = Cow::Borrowed(&those.next()?.all);
        Some(those.fold(first, |rules, more| Cow::Owned(rules.and(&more.own))))
    }

    /// The name of a type, as events have it.
    pub(super) fn type_name(&self, secret: Secret) -> &str {
        match secret {
            Secret::Custom(number) => self
                .customs
                .get(usize::from(number))
                .map_or(secret.as_str(), String::as_str),
            _ => secret.as_str(),
        }
    }

    /// Whether values of this type are masked.
    #[inline]
    pub(super) fn masks(&self, secret: Secret) -> bool {
        let leaves = || {
            let name = secret.as_str();
            self.options.leave.iter().any(|leave| leave == name)
        };
        (secret != Secret::IpAddress || self.masks_addresses())
            && (self.options.leave.is_empty() || !leaves())
    }

    pub(super) const fn masks_addresses(&self) -> bool {
        self.options.ip_addresses
    }

    pub(super) const fn keeps_binary(&self) -> bool {
        self.options.binary_bodies
    }

    pub(super) const fn pseudonymises_client(&self) -> bool {
        self.options.pseudonymise_client
    }

    pub(super) const fn pseudonymises_user(&self) -> bool {
        self.options.pseudonymise_user
    }

    /// Whether the last four characters of this type are left.
    pub(super) fn leaves_last_four(&self, secret: Secret) -> bool {
        let name = self.type_name(secret);
        self.options.last_four.iter().any(|one| one == name)
    }
}
