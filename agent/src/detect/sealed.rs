//! Facts from a sealed event, as the journal has it: what detectors are fed again after a crash.
//!
//! What seal took away is missing here. What it left of values is judged by those who read contents,
//! and added ([`Facts::with_content`]).

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::Value;

use super::facts::{Facts, Mark, ObjectId, Shown};
use super::read::is_id_name;
use super::value_hash;
use crate::clock::WallTime;
use crate::event::{EventId, Extent, Signal, parse_stamp};

/// A sealed event that was read.
#[derive(Clone, Debug)]
pub struct Sealed {
    id: EventId,
    time: WallTime,
    event: Value,
    login: bool,
}

impl Sealed {
    /// Reads an exchange's line; `None` if it is another record, or not whole.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(line).ok()?;
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        if text("kind") != Some("exchange") {
            return None;
        }
        let id = text("id")?.parse().ok()?;
        let time = parse_stamp(text("time")?.as_bytes())?;
        Some(
            Self {
                id,
                time,
                login: false,
                event,
            }
            .with_login(),
        )
    }

    /// Whether the account it names is the one that was tried, as [`Facts::of`] has it.
    fn with_login(mut self) -> Self {
        let source = self.text("/user/source").unwrap_or_default();
        let tried = source.starts_with("body.") || source == "basic";
        let failed = self
            .signals()
            .any(|signal| signal == Signal::AuthenticationFailure);
        let login = self
            .signals()
            .any(|signal| signal == Signal::SensitiveLogin);
        self.login = tried && (failed || login);
        self
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.event.pointer(path).and_then(Value::as_str)
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.event.pointer(path).and_then(Value::as_u64)
    }

    fn signals(&self) -> impl Iterator<Item = Signal> {
        let names = self.event.get("signals").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(|name| {
            let named = |signal: &&Signal| Some(signal.name()) == name.as_str();
            Signal::ALL.iter().find(named).copied()
        })
    }

    fn extent(&self, path: &str) -> Extent {
        match self.text(path) {
            Some("truncated") => Extent::Truncated,
            Some("gap") => Extent::Gap,
            Some("joined_late") => Extent::JoinedLate,
            Some("unfinished") => Extent::Unfinished,
            Some("none") => Extent::None,
            _ => Extent::Whole,
        }
    }

    /// Whether it passed where others could read it, as is told of a live exchange.
    fn is_exposed(&self) -> bool {
        let address = |path| self.text(path).and_then(|text| text.parse::<IpAddr>().ok());
        let local = match self.text("/role") {
            Some("client") => "/client/address",
            _ => "/server/address",
        };
        let (Some(local), Some(remote)) = (address(local), address("/peer/address")) else {
            return false;
        };
        let is_behind_proxy = self.event.pointer("/client/via").is_some();
        !is_behind_proxy
            && self.event.get("tls").is_none()
            && !remote.is_loopback()
            && local != remote
    }

    /// The event.
    #[must_use]
    pub const fn event(&self) -> &Value {
        &self.event
    }

    /// The incidents that it counted toward.
    #[must_use]
    pub fn counted(&self) -> Vec<EventId> {
        let ids = self.event.get("findings").and_then(Value::as_array);
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        ids.filter_map(|id| id.parse().ok()).collect()
    }

    /// What it tells.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        let mut facts = Facts::new(self.id, self.time, self);
        let bytes = |path: &str| self.text(path).unwrap_or_default().as_bytes();
        facts.first = self.text("/first").and_then(|id| id.parse().ok());
        facts.partial = self.event.get("partial") == Some(&Value::Bool(true));
        facts.client = self
            .text("/client/address")
            .and_then(|text| text.parse().ok());
        facts.domain = Cow::Borrowed(bytes("/url/domain"));
        facts.method = bytes("/http/request/method");
        facts.path = bytes("/url/path");
        facts.query = bytes("/url/query");
        facts.agent = bytes("/user_agent/original");
        facts.process = bytes("/process/name");
        facts.route = match self.text("/http/route") {
            Some(route) => route.into(),
            None => String::from_utf8_lossy(facts.path),
        };
        let status = self.number("/http/response/status_code");
        facts.status = status
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or(0);
        facts.request_bytes = self.number("/http/request/body_bytes");
        facts.response_bytes = self.number("/http/response/body_bytes");
        facts.duration_ns = self.number("/duration_ns");
        facts.request_seen = self.extent("/completeness/request");
        facts.response_seen = self.extent("/completeness/response");
        facts.signals = self.signals().collect();
        let user = self.text("/user/id").map(str::as_bytes);
        let failed = facts.signals.has(Signal::AuthenticationFailure);
        if self.login {
            facts.login = user;
        }
        let hash = self
            .text("/user/credential")
            .and_then(|text| text.strip_prefix("hmac:"))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if self.login && failed {
            facts.guess = hash;
        } else {
            (facts.user, facts.credential) = (user, hash);
        }
        if facts.credential.is_some() {
            facts.marks.add(Mark::Credential);
        }
        if self.is_exposed() {
            facts.marks.add(Mark::Exposed);
        }
        if let (Some(name), os) = (self.text("/user_agent/name"), bytes("/user_agent/os")) {
            let device = super::incident::mix(value_hash(name.as_bytes()), value_hash(os));
            facts.device = Some(device);
        }
        let route = self.text("/http/route").unwrap_or_default();
        let segments = route.split('/').zip(facts.path.split(|byte| *byte == b'/'));
        for (name, value) in segments.take(32) {
            if let Some(name) = name
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            {
                facts.ids.push(ObjectId {
                    name: name.as_bytes(),
                    value,
                });
            }
        }
        for pair in facts.query.split(|byte| *byte == b'&').take(32) {
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at(end);
            let value = value.get(1..).unwrap_or_default();
            if facts.ids.len() < 8 && !value.is_empty() && is_id_name(name) {
                facts.ids.push(ObjectId { name, value });
            }
        }
        facts
    }
}

impl Shown for Sealed {
    fn client(&self) -> Option<Cow<'_, str>> {
        self.text("/client/address").map(Cow::Borrowed)
    }

    fn user(&self) -> Option<Cow<'_, str>> {
        self.text("/user/id").map(Cow::Borrowed)
    }

    fn login(&self) -> Option<Cow<'_, str>> {
        self.user()
    }

    fn credential(&self) -> Option<Cow<'_, str>> {
        self.text("/user/credential").map(Cow::Borrowed)
    }

    fn path(&self) -> Cow<'_, str> {
        self.text("/url/path").unwrap_or_default().into()
    }

    /// All of it is sealed.
    fn value<'v>(&self, value: &'v [u8]) -> Cow<'v, str> {
        String::from_utf8_lossy(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Sealed;

    #[test]
    fn a_failed_login_names_whom_it_was_tried_for() {
        let line = br#"{"kind":"exchange","schema":1,"id":"01a1fcb2-af33-7474-8c1f-bb469ccfd6a8","time":"2026-11-21T06:02:11.123456789Z","client":{"address":"203.0.113.7"},"url":{"domain":"a.example","path":"/users/42/posts","query":"order_id=7&page=2"},"http":{"route":"/users/{id}/posts","request":{"method":"POST","headers":[],"header_bytes":1},"response":{"status_code":401}},"user":{"id":"alice","source":"body.name"},"signals":["authentication_failure","sensitive:login"]}"#;
        let sealed = Sealed::read(line).unwrap();
        let facts = sealed.facts();
        assert_eq!(
            (facts.login, facts.user, facts.status),
            (Some(&b"alice"[..]), None, 401)
        );
        let ids: Vec<_> = facts.ids.iter().map(|id| (id.name, id.value)).collect();
        assert_eq!(ids, [(&b"id"[..], &b"42"[..]), (b"order_id", b"7")]);
        assert!(Sealed::read(br#"{"kind":"notice"}"#).is_none());
    }
}
