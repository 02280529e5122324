//! The endpoints that were seen: when first and last, how often, with which answers and parameters.
//!
//! In: what is to be known of one exchange ([`Seen`]). Out: what of it is new, and the list
//! ([`Catalog::endpoints`]). Bounded: what there is no room for is counted. It is kept through a
//! restart ([`Catalog::kept`]); its time is that of the exchanges.

mod hidden;
mod kind;
mod parameter;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::clock::WallTime;
use crate::exchange::{Exchange, Marks, Novel, Novelty, Route, url};
use hidden::without_hidden;
pub use kind::Kind;
use parameter::Parameters;
pub use parameter::{Parameter, Place};

/// Most endpoints.
const ENDPOINTS_MAX: usize = 20_000;

/// Most different statuses of one.
const STATUSES_MAX: usize = 32;

/// Exchanges of an endpoint of which each is looked at whole.
const WHOLE_FIRST: u64 = 64;

/// Of those behind, one of so many has its body looked at too.
const WHOLE_EVERY: u64 = 32;

/// Longest method: the longest that is registered has 17 bytes.
const METHOD_MAX_BYTES: usize = 24;

/// What is to be known of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The endpoint.
    pub route: &'a Route,
    /// The method.
    pub method: &'a [u8],
    /// First byte of the request.
    pub time: WallTime,
    /// The status; `None` if there was no answer.
    pub status: Option<u16>,
    /// The path, as sent.
    pub path: &'a [u8],
    /// The query, as sent.
    pub query: &'a [u8],
}

impl Seen<'_> {
    /// Whether there is such an endpoint: what a scan tries, with whatever method, is none.
    fn is_there(&self) -> bool {
        let method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
        (1..=METHOD_MAX_BYTES).contains(&self.method.len())
            && self.method.iter().all(method)
            && self
                .status
                .is_some_and(|status| !matches!(status, 400 | 404 | 405 | 501))
    }
}

/// The endpoints that were seen.
#[derive(Debug, Default)]
pub struct Catalog {
    endpoints: HashMap<u64, Endpoint>,
    beyond: u64,
}

/// An endpoint that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its host; empty where there are too many to tell apart.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path's template.
    pub route: String,
    /// First byte of the first request.
    #[serde(with = "stamps")]
    pub first: WallTime,
    /// First byte of the last one.
    #[serde(with = "stamps")]
    pub last: WallTime,
    /// How many requests there were.
    pub count: u64,
    /// How often each status was the answer.
    pub statuses: Vec<(u16, u64)>,
    /// Parameters, and what their values look like.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
}

/// What is kept of a catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// All endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Exchanges of endpoints for which there was no room.
    pub beyond: u64,
}

impl Catalog {
    /// One that knows what was kept.
    #[must_use]
    pub fn of(kept: Kept) -> Self {
        let mut catalog = Self {
            beyond: kept.beyond,
            ..Self::default()
        };
        for mut endpoint in kept.endpoints.into_iter().take(ENDPOINTS_MAX) {
            endpoint.parameters = Parameters::of_kept(endpoint.parameters);
            catalog.endpoints.insert(endpoint.number(), endpoint);
        }
        catalog
    }

    /// What is to be kept.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept {
            endpoints: self.endpoints(),
            beyond: self.beyond,
        }
    }

    /// All endpoints, by host, route and method.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let mut list: Vec<_> = self.endpoints.values().cloned().collect();
        let key = |one: &Endpoint| (one.host.clone(), one.route.clone(), one.method.clone());
        list.sort_by_cached_key(key);
        list
    }

    /// Exchanges of endpoints for which there was no room.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Takes note of `exchange`, whose request began at `time`, and writes down what is new about it.
    pub fn exchange(&mut self, exchange: &mut Exchange, time: WallTime) {
        let (Some(request), Some(route)) = (&exchange.request, &exchange.known.route) else {
            return;
        };
        let url = url(&request.head);
        let query = url.query.map_or(&b""[..], |query| query.0);
        let none = Marks::default();
        let marks = exchange.known.marks.as_ref().unwrap_or(&none);
        let seen = Seen {
            route,
            method: request.head.get(request.head.word),
            time,
            status: exchange.response.as_ref().map(|half| half.status),
            path: url.path.map_or(b"", |path| path.0),
            query: &without_hidden(query, request.head.in_target(query), marks),
        };
        let (novelty, whole) = self.seen(&seen);
        let mut novelty = novelty;
        if whole
            && !request.body.content.is_empty()
            && let Some(endpoint) = self.endpoints.get_mut(&route.endpoint)
        {
            endpoint.parameters.body(request, marks, &mut novelty);
        }
        exchange.known.novelty = novelty;
    }

    /// Takes note of what was seen: what is new about it, and whether it is to be looked at whole.
    pub fn seen(&mut self, seen: &Seen<'_>) -> (Novelty, bool) {
        let mut novelty = Novelty::default();
        let number = seen.route.endpoint;
        if !self.endpoints.contains_key(&number) {
            if !seen.is_there() {
                return (novelty, false);
            }
            if self.endpoints.len() >= ENDPOINTS_MAX {
                self.beyond += 1;
                return (novelty, false);
            }
            novelty.add(Novel::Endpoint);
            self.endpoints.insert(number, Endpoint::new(seen));
        }
        let Some(endpoint) = self.endpoints.get_mut(&number) else {
            return (novelty, false);
        };
        endpoint.first = endpoint.first.min(seen.time);
        endpoint.last = endpoint.last.max(seen.time);
        endpoint.count += 1;
        if let Some(status) = seen.status {
            match endpoint
                .statuses
                .iter_mut()
                .find(|(have, _)| *have == status)
            {
                Some((_, count)) => *count += 1,
                None => {
                    novelty.add(Novel::Status);
                    if endpoint.statuses.len() < STATUSES_MAX {
                        endpoint.statuses.push((status, 1));
                    }
                }
            }
        }
        let answered = seen
            .status
            .is_some_and(|status| (200..400).contains(&status));
        // A scan's parameters are not the endpoint's.
        if answered {
            for (name, value) in seen.route.parameters(seen.path) {
                endpoint
                    .parameters
                    .add(Place::Path, name.as_bytes(), value, &mut novelty);
            }
            endpoint.parameters.query(seen.query, &mut novelty);
        }
        let turn = endpoint.count <= WHOLE_FIRST || endpoint.count.is_multiple_of(WHOLE_EVERY);
        (novelty, answered && turn)
    }

    /// The template `from` of `host` has become `to`: what was seen of one was of the other.
    pub fn joined(&mut self, host: &str, from: &str, to: &str) {
        let is = |one: &&Endpoint| one.host == host && one.route == from;
        let numbers: Vec<u64> = self
            .endpoints
            .values()
            .filter(is)
            .map(Endpoint::number)
            .collect();
        for number in numbers {
            let Some(mut moved) = self.endpoints.remove(&number) else {
                continue;
            };
            to.clone_into(&mut moved.route);
            match self.endpoints.get_mut(&moved.number()) {
                Some(have) => have.absorb(moved),
                None => {
                    self.endpoints.insert(moved.number(), moved);
                }
            }
        }
    }
}

impl Endpoint {
    fn new(seen: &Seen<'_>) -> Self {
        Self {
            host: seen.route.host.to_string(),
            method: String::from_utf8_lossy(seen.method).into_owned(),
            route: seen.route.template.to_string(),
            first: seen.time,
            last: seen.time,
            count: 0,
            statuses: Vec::new(),
            parameters: Parameters::default(),
        }
    }

    fn number(&self) -> u64 {
        Route::number(Route::of(&self.host, &self.route), self.method.as_bytes())
    }

    fn absorb(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        for (status, count) in other.statuses {
            let full = self.statuses.len() >= STATUSES_MAX;
            match self.statuses.iter_mut().find(|(have, _)| *have == status) {
                Some((_, sum)) => *sum += count,
                None if full => {}
                None => self.statuses.push((status, count)),
            }
        }
        self.parameters.absorb(other.parameters);
    }
}

/// Dates as events have them.
mod stamps {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::clock::WallTime;
    use crate::event::{parse_stamp, stamp};

    pub(super) fn serialize<S: Serializer>(time: &WallTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(str::from_utf8(&stamp(*time)).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<WallTime, D::Error> {
        let text = String::deserialize(from)?;
        parse_stamp(text.as_bytes()).ok_or_else(|| D::Error::custom("is no date"))
    }
}

#[cfg(test)]
mod tests;
