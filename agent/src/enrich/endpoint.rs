//! Which endpoint was asked: the path's template, given or learnt, bounded.
//!
//! What varies in a path is told by its form ([`shape`]) and by how much there is of it ([`trie`]).
//! Learnt is what was answered with success or redirection; what was refused, but in a way that says
//! that something is there, is kept apart and in a small number; what nobody ever answered has no
//! template, so that a scan leaves nothing behind. Hosts and templates are bounded, and what is beyond
//! is one endpoint that says so.

mod given;
mod masked;
mod shape;
mod trie;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::options::Identity;
use super::words::Words;
use crate::exchange::{Exchange, Head, Route, Signal, Signals, url};
use given::Given;
use masked::without_masked;
use shape::Shape;
use trie::{Joined as Renamed, Trie};

/// Most hosts that are told apart. Anybody can write a Host field; one that was answered counts.
const HOSTS_MAX: usize = 256;

/// Most templates of one host.
const TEMPLATES_MAX: usize = 5_000;

/// Most templates of all hosts.
const ALL_TEMPLATES_MAX: usize = 50_000;

/// Most templates of one host of which none was ever answered with success.
const REFUSED_MAX: usize = 256;

/// Most operations of GraphQL, JSON-RPC and SOAP that are told apart.
const OPERATIONS_MAX: usize = 2_000;

/// Longest path that is looked at, bytes.
const PATH_MAX_BYTES: usize = 4096;

/// Longest host name (RFC 1035 §2.3.4).
const HOST_MAX_BYTES: usize = 255;

/// What is known of a template.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// What its words say.
    pub(super) sensitive: Signals,
    /// Stands for host and template.
    number: u64,
}

/// The endpoints of all hosts.
pub(super) struct Endpoints {
    hosts: HashMap<Box<[u8]>, Host>,
    /// Of hosts for which there is no room.
    others: Host,
    given: Given,
    words: Words,
    overflow: Arc<str>,
    templates: usize,
    joined: Vec<Joined>,
    /// Templates of operations that the body names, and what their words say.
    operations: HashMap<Arc<str>, Signals>,
}

/// The endpoints of one host.
struct Host {
    name: Arc<str>,
    answered: Trie<Facts>,
    /// Of services of gRPC, whose names are all words however many there are.
    grpc: Trie<Facts>,
    refused: Trie<Facts>,
}

/// A template of a host that is another from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The host.
    pub host: Arc<str>,
    /// What it was.
    pub from: Arc<str>,
    /// What it is.
    pub to: Arc<str>,
}

/// Templates as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Templates {
    /// By host; without one, of all those for which there was no room.
    pub hosts: BTreeMap<String, Vec<String>>,
    /// Methods of gRPC, by host.
    pub grpc: BTreeMap<String, Vec<String>>,
}

/// What an answer says of the path that was asked for.
enum Answer {
    /// It is there.
    There,
    /// Something is there.
    Perhaps,
    /// Nothing.
    Nothing,
}

impl Answer {
    fn of(exchange: &Exchange) -> Self {
        let status = exchange.response.as_ref().map_or(0, |half| half.status);
        match status {
            101 | 200..=399 => Self::There,
            401..=403 | 406..=409 | 411..=429 | 500 | 502..600 => Self::Perhaps,
            _ => Self::Nothing,
        }
    }
}

impl Host {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            answered: Trie::new(true),
            grpc: Trie::new(false),
            refused: Trie::new(true),
        }
    }
}

impl Endpoints {
    /// None learnt yet.
    pub(super) fn new(identity: &Identity) -> Self {
        let words = Words::new(identity);
        Self {
            hosts: HashMap::new(),
            others: Host::new(""),
            given: Given::new(identity.routes.iter().map(String::as_str), &words),
            words,
            overflow: Route::OVERFLOW.into(),
            templates: 0,
            joined: Vec::new(),
            operations: HashMap::new(),
        }
    }

    /// The endpoint of `exchange`, and what is known of it; `None` where nothing was ever answered.
    pub(super) fn find(&mut self, exchange: &Exchange) -> Option<(Route, Facts)> {
        let (route, facts) = self.by_path(exchange)?;
        let request = exchange.request.as_ref()?;
        let operation = exchange.known.operation.as_deref();
        match operation.and_then(|one| one.name.as_deref()) {
            Some(name) => Some(self.by_operation(route, facts, &request.head, name)),
            None => Some((route, facts)),
        }
    }

    /// The endpoint of the operation `name` at `route`, or that itself where there are too many.
    fn by_operation(
        &mut self,
        mut route: Route,
        facts: Facts,
        head: &Head,
        name: &str,
    ) -> (Route, Facts) {
        let text = format!("{}#{name}", route.template);
        if !self.operations.contains_key(&*text) {
            if self.operations.len() >= OPERATIONS_MAX {
                return (route, facts);
            }
            let named = self.words.of(&format!("/{name}"));
            let sensitive = named.iter().chain(facts.sensitive.iter()).collect();
            self.operations.insert(text.as_str().into(), sensitive);
        }
        let Some((template, sensitive)) = self.operations.get_key_value(&*text) else {
            return (route, facts);
        };
        let facts = self::facts(&route.host, template, *sensitive);
        route.template = Arc::clone(template);
        route.endpoint = Route::number(facts.number, head.get(head.word));
        (route, facts)
    }

    fn refuses_login(&self, exchange: &Exchange, path: &[u8]) -> bool {
        let refused = exchange
            .response
            .as_ref()
            .is_some_and(|half| half.status == 400);
        refused
            && path.len() <= PATH_MAX_BYTES
            && str::from_utf8(path)
                .is_ok_and(|path| self.words.of(path).has(Signal::SensitiveLogin))
    }

    fn by_path(&mut self, exchange: &Exchange) -> Option<(Route, Facts)> {
        let head = &exchange.request.as_ref()?.head;
        let url = url(head);
        let path = url.path?.0;
        let marks = exchange.known.marks.as_ref();
        let domain = match url.domain {
            Some(_) if marks.is_some_and(|marks| marks.in_host) => Shape::Masked.text().as_bytes(),
            Some(domain) => domain.0,
            None => b"",
        };
        let mut lower = [0; HOST_MAX_BYTES];
        let domain = lowered(domain, &mut lower);
        let method = head.get(head.word);
        if let Some((host, text, facts)) = self.given.find(domain, path) {
            return Some((route(host, text, facts, method), facts));
        }
        let answer = match Answer::of(exchange) {
            // Many services answer a wrong password with 400, and nobody may have signed in yet.
            Answer::Nothing if self.refuses_login(exchange, path) => Answer::Perhaps,
            answer => answer,
        };
        if path.len() > PATH_MAX_BYTES {
            return None;
        }
        let place = head.in_target(path);
        let path = &*marks.map_or(path.into(), |marks| without_masked(path, place, marks));
        let grpc = head
            .field("content-type")
            .is_some_and(|value| value.starts_with(b"application/grpc"));
        let there = matches!(answer, Answer::There);
        if there && self.hosts.len() < HOSTS_MAX && !self.hosts.contains_key(domain) {
            let name = String::from_utf8_lossy(domain);
            self.hosts.insert(domain.into(), Host::new(&name));
        }
        let host = self.hosts.get_mut(domain).unwrap_or(&mut self.others);
        let trie = if grpc {
            &mut host.grpc
        } else {
            &mut host.answered
        };
        if let Some(end) = trie.find(path) {
            return Some((route(&host.name, &end.text, end.of, method), end.of));
        }
        let (trie, full) = match answer {
            Answer::There => {
                let full = trie.len() >= TEMPLATES_MAX || self.templates >= ALL_TEMPLATES_MAX;
                (trie, full)
            }
            Answer::Perhaps => {
                let full = host.refused.len() >= REFUSED_MAX;
                (&mut host.refused, full)
            }
            Answer::Nothing => {
                let end = host.refused.find(path)?;
                return Some((route(&host.name, &end.text, end.of, method), end.of));
            }
        };
        if let Some(end) = trie.find(path) {
            return Some((route(&host.name, &end.text, end.of, method), end.of));
        }
        if full {
            let facts = facts(&host.name, &self.overflow, Signals::NONE);
            return there.then(|| (route(&host.name, &self.overflow, facts, method), facts));
        }
        let (name, words) = (&host.name, &self.words);
        let make = |text: &str| facts(name, text, words.of(text));
        let before = trie.len();
        let renamed = trie.learn(path, &make);
        let end = trie.find(path)?;
        let found = (route(&host.name, &end.text, end.of, method), end.of);
        if there {
            self.templates = (self.templates + trie.len()).saturating_sub(before);
            let host = &host.name;
            self.joined
                .extend(renamed.into_iter().map(|one| told(host, one)));
        }
        Some(found)
    }

    /// Templates that became others since the last time.
    pub(super) fn take_joined(&mut self) -> Vec<Joined> {
        std::mem::take(&mut self.joined)
    }

    /// What was learnt, to be kept. What was refused is not.
    pub(super) fn templates(&self) -> Templates {
        let mut kept = Templates::default();
        for host in self.hosts.values().chain([&self.others]) {
            for (trie, hosts) in [
                (&host.answered, &mut kept.hosts),
                (&host.grpc, &mut kept.grpc),
            ] {
                let mut texts = Vec::with_capacity(trie.len());
                trie.each(&mut |end| texts.push(end.text.to_string()));
                if !texts.is_empty() {
                    texts.sort_unstable();
                    hosts.insert(host.name.to_string(), texts);
                }
            }
        }
        kept
    }

    /// Takes in what was learnt before.
    pub(super) fn recall(&mut self, kept: &Templates) {
        for (hosts, grpc) in [(&kept.hosts, false), (&kept.grpc, true)] {
            for (name, texts) in hosts {
                if !name.is_empty()
                    && self.hosts.len() < HOSTS_MAX
                    && !self.hosts.contains_key(name.as_bytes())
                {
                    self.hosts.insert(name.as_bytes().into(), Host::new(name));
                }
                let host = self
                    .hosts
                    .get_mut(name.as_bytes())
                    .unwrap_or(&mut self.others);
                let (name, words) = (Arc::clone(&host.name), &self.words);
                let make = |text: &str| facts(&name, text, words.of(text));
                let trie = if grpc {
                    &mut host.grpc
                } else {
                    &mut host.answered
                };
                let before = trie.len();
                let room = TEMPLATES_MAX
                    .min(ALL_TEMPLATES_MAX.saturating_sub(self.templates))
                    .saturating_sub(before);
                trie.recall(texts.iter().take(room).map(String::as_str), &make);
                self.templates = (self.templates + trie.len()).saturating_sub(before);
            }
        }
    }
}

fn told(host: &Arc<str>, Renamed { from, to }: Renamed) -> Joined {
    Joined {
        host: Arc::clone(host),
        from,
        to,
    }
}

fn route(host: &Arc<str>, template: &Arc<str>, facts: Facts, method: &[u8]) -> Route {
    Route {
        host: Arc::clone(host),
        template: Arc::clone(template),
        endpoint: Route::number(facts.number, method),
    }
}

/// What is known of the template `text` of `host`.
fn facts(host: &str, text: &str, sensitive: Signals) -> Facts {
    let number = Route::of(host, text);
    Facts { sensitive, number }
}

/// `name` in lower case; nothing if it is too long for a host's.
fn lowered<'o>(name: &[u8], out: &'o mut [u8; HOST_MAX_BYTES]) -> &'o [u8] {
    let Some(out) = out.get_mut(..name.len()) else {
        return b"";
    };
    out.copy_from_slice(name);
    out.make_ascii_lowercase();
    out
}

#[cfg(test)]
mod tests;
