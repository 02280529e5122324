//! Which exchanges are left out: by what they are worth. Pure.
//!
//! Kept in any case: whatever was answered by anything but success, or not seen whole; whatever may be
//! about who comes in; whatever is not plain, so that it may be an attack; and the first of its kind.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use super::governor::{Governor, STEPS};
use crate::clock::Ktime;
use crate::event::ShedWhat;
use crate::exchange::{Exchange, Half, Seen, is_about_access};
use crate::pipeline::asset::names_asset;
use crate::telemetry::{Counter, Counters};
use eaves_common::Role;

/// Exchanges that are remembered, to know what is like them.
const REMEMBERED: usize = 16_384;

/// One like another is a repeat for so long; then it is told again.
const REPEAT_NS: u64 = 10_000_000_000;

/// Fields that say who asks.
const CREDENTIALS: [&str; 3] = ["authorization", "x-api-key", "cookie"];

/// Leaves exchanges out.
#[derive(Debug)]
pub(super) struct Sieve {
    routes: Arc<Vec<String>>,
    /// What was told of late, by the low bits of its hash; empty until something is shed.
    told: Vec<(u64, Ktime)>,
    hashes: RandomState,
    /// How many of each class came, by which every so-manieth is taken.
    came: [u8; 3],
    pub(super) counters: Counters,
}

/// What an exchange is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// Kept.
    Much,
    /// A static asset.
    Asset,
    /// An answer with success to a plain request.
    Plain,
}

impl Sieve {
    pub(super) fn new(routes: Arc<Vec<String>>) -> Self {
        Self {
            routes,
            told: Vec::new(),
            hashes: RandomState::new(),
            came: [0; 3],
            counters: Counters::default(),
        }
    }

    /// People sign in at these paths too from now on.
    pub(super) fn set(&mut self, routes: &Arc<Vec<String>>) {
        self.routes = Arc::clone(routes);
    }

    /// Whether `exchange` stays whatever is shed.
    pub(super) fn keeps(&self, exchange: &Exchange) -> bool {
        let request = exchange.request.as_ref();
        request.is_none_or(|request| worth(exchange, request, &self.routes) == Worth::Much)
    }

    /// Leaves out those of `exchanges` that `governor` wants to be shed.
    pub(super) fn sift(&mut self, exchanges: &mut Vec<Exchange>, governor: &Governor) {
        if governor.share(ShedWhat::StaticAssets) == 0 {
            self.told = Vec::new();
            return;
        }
        exchanges.retain(|exchange| match self.sheds(exchange, governor) {
            Some(counter) => {
                self.counters.add(counter, 1);
                false
            }
            None => true,
        });
    }

    /// As what `exchange` is left out, if it is.
    fn sheds(&mut self, exchange: &Exchange, governor: &Governor) -> Option<Counter> {
        let request = exchange.request.as_ref()?;
        match worth(exchange, request, &self.routes) {
            Worth::Much => None,
            Worth::Asset => {
                let taken = self.takes(0, governor.share(ShedWhat::StaticAssets));
                taken.then_some(Counter::BudgetStaticAssets)
            }
            Worth::Plain => {
                let repeats = governor.share(ShedWhat::Repeats);
                if repeats == 0 {
                    return None;
                }
                let same = self.key(exchange, request, false);
                if self.was_told(same, request.began) {
                    let taken = self.takes(1, repeats);
                    return taken.then_some(Counter::BudgetRepeats);
                }
                let alike = governor.share(ShedWhat::Alike);
                if alike == 0 {
                    return None;
                }
                let like = self.key(exchange, request, true);
                (self.was_told(like, request.began) && self.takes(2, alike))
                    .then_some(Counter::BudgetAlike)
            }
        }
    }

    /// Whether the next of class `which` is among the `share` of [`STEPS`] that go.
    fn takes(&mut self, which: usize, share: u8) -> bool {
        let Some(came) = self.came.get_mut(which) else {
            return false;
        };
        *came = (*came + 1) % STEPS;
        *came < share
    }

    /// Whether one of this key was told of late; if not, it is now.
    fn was_told(&mut self, key: u64, now: Ktime) -> bool {
        if self.told.is_empty() {
            self.told = vec![(0, Ktime(0)); REMEMBERED];
        }
        let at = usize::try_from(key % REMEMBERED as u64).unwrap_or(0);
        let Some(told) = self.told.get_mut(at) else {
            return false;
        };
        if told.0 == key && now.since(told.1) < REPEAT_NS {
            return true;
        }
        *told = (key, now);
        false
    }

    /// What exchanges that are the same have in common, or those that are `like`.
    fn key(&self, exchange: &Exchange, request: &Half, like: bool) -> u64 {
        let head = &request.head;
        let mut hash = self.hashes.build_hasher();
        let mut add = |bytes: &[u8]| {
            hash.write_usize(bytes.len());
            hash.write(bytes);
        };
        add(head.get(head.word));
        add(head.host().unwrap_or_default());
        let status = exchange.response.as_ref().map_or(0, |half| half.status);
        add(&status.to_ne_bytes());
        add(&exchange.conn.open.tgid.to_ne_bytes());
        add(&[exchange.conn.role as u8, u8::from(like)]);
        let credentials = CREDENTIALS.iter().take(if like { 2 } else { 3 });
        for name in credentials {
            add(head.field(name).unwrap_or_default());
        }
        let target = head.get(head.target);
        if like {
            shape(target, add);
        } else {
            add(target);
            add(head.field("x-forwarded-for").unwrap_or_default());
            let conn = &exchange.conn;
            let end = match conn.role {
                Role::Server => conn.open.remote,
                Role::Client => conn.open.local,
            };
            match conn.proxied.or(end).map(|(address, _)| address) {
                Some(IpAddr::V4(address)) => add(&address.octets()),
                Some(IpAddr::V6(address)) => add(&address.octets()),
                None => {}
            }
        }
        hash.finish()
    }
}

/// Gives the pieces of `target` that are no numbers in the path, and no values in the query.
fn shape(target: &[u8], mut add: impl FnMut(&[u8])) {
    let at = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target
        .split_at_checked(at.unwrap_or(target.len()))
        .unwrap_or_default();
    for segment in path.split(|byte| *byte == b'/') {
        let is_word = !segment.iter().any(u8::is_ascii_digit);
        add(if is_word { segment } else { b"{}" });
    }
    for pair in query.split(|byte| *byte == b'&') {
        add(pair.split(|byte| *byte == b'=').next().unwrap_or(pair));
    }
}

/// What `exchange` is worth.
fn worth(exchange: &Exchange, request: &Half, routes: &[String]) -> Worth {
    let Some(response) = &exchange.response else {
        return Worth::Much;
    };
    let spoken = &exchange.known.spoken;
    let one_report = spoken.report == 0 && !spoken.partial && spoken.websocket.is_none();
    let succeeded = match &spoken.grpc {
        Some(call) => call.status == Some(0),
        None => true,
    };
    let whole = [exchange.request_seen, exchange.response_seen]
        .iter()
        .all(|seen| matches!(seen, Seen::Whole | Seen::Truncated));
    let odd = !exchange.anomalies.is_empty();
    if !one_report || !succeeded || !whole || odd || !is_plain(request) {
        return Worth::Much;
    }
    if is_about_access(&request.head, routes) || response.head.field("set-cookie").is_some() {
        return Worth::Much;
    }
    match response.status {
        200 | 206 | 304 if is_asset(request, response) => Worth::Asset,
        200..300 => Worth::Plain,
        _ => Worth::Much,
    }
}

/// Whether a request has nothing in its target, or its head, by which an attack could be made: its bytes
/// are those that need no encoding (RFC 3986 §2.3), and those between them.
fn is_plain(request: &Half) -> bool {
    let target = request.head.get(request.head.target);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/?&=,:@+".contains(byte);
    let climbs = || target.windows(2).any(|two| two == b"..");
    let expression = || request.head.buffer.windows(2).any(|two| two == b"${");
    target.iter().all(plain) && !climbs() && !expression()
}

/// Whether what was asked for and given is a static asset.
fn is_asset(request: &Half, response: &Half) -> bool {
    let head = &request.head;
    if !matches!(head.get(head.word), b"GET" | b"HEAD") || request.body.total_bytes != Some(0) {
        return false;
    }
    let target = head.get(head.target);
    let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
    let made = response.head.field("content-type").is_some_and(|media| {
        let media = media.to_ascii_lowercase();
        media.starts_with(b"text/html") || media.windows(4).any(|four| four == b"json")
    });
    !made && names_asset(path)
}

#[cfg(test)]
mod tests;
