//! Facts from a live exchange and what the rooms before found out about it.

use std::borrow::Cow;

use super::answer;
use super::facts::{Cost, Facts, Hit, Mark, ObjectId, Place, Sensitive, Shown};
use super::row::Id;
use super::value_hash;
use crate::content::{Container, Layer, Side};
use crate::event::{Address, ApiEvent, Location, Lower, Outcome, Signal, Text};
use crate::exchange::{Content, Exchange, Half, Marks, ScoreHit, Secret};
use crate::lookup::Geo;

/// Ids that are taken from one exchange.
const IDS_MAX: usize = 8;

/// Detectors that keep state of their own about what one request shows: its cost stands in the facts,
/// tools, paths and methods of scanners are counted.
const COUNTED: [Id; 4] = [Id::Rate03, Id::Scan02, Id::Scan03, Id::Scan04];

/// Parameters of a query that are looked at.
const PARAMETERS_MAX: usize = 32;

impl<'a> Facts<'a> {
    /// What `exchange` tells, of which `event` is the sealed form.
    #[must_use]
    pub fn of(exchange: &'a Exchange, event: &'a ApiEvent<'a>) -> Self {
        let mut facts = Self::new(event.id, event.time, event);
        let known = &exchange.known;
        facts.client = match (&known.client, event.client.map(|client| client.address)) {
            (Some(client), _) => Some(client.address),
            (None, Some(Address::Ip(ip))) => Some(ip),
            _ => None,
        };
        (facts.first, facts.partial) = (event.first, event.partial);
        facts.duration_ns = event.duration_ns;
        facts.signals = known.signals;
        facts.process = &exchange.conn.open.comm;
        facts.request_seen = exchange.request_seen;
        facts.response_seen = exchange.response_seen;
        facts.who(exchange);
        if let Some(url) = event.url {
            facts.domain = match url.domain {
                Some(Lower(name)) if name.iter().any(u8::is_ascii_uppercase) => {
                    Cow::Owned(name.to_ascii_lowercase())
                }
                Some(Lower(name)) => Cow::Borrowed(name),
                None => Cow::Borrowed(b""),
            };
            if let Some(Text(path)) = url.path {
                facts.path = path;
            }
        }
        // Route and method are told in findings, so they are the sealed ones; so is a path without a route.
        facts.route = match &known.route {
            Some(route) => Cow::Borrowed(&*route.template),
            None => String::from_utf8_lossy(facts.path),
        };
        let method = event.http.request.as_ref().and_then(|one| one.method);
        facts.method = method.map_or(b"", |Text(method)| method);
        if let Some(request) = &exchange.request {
            facts.request(request);
        }
        if let Some(route) = &known.route {
            let parameters = route.parameters(facts.path).take(IDS_MAX);
            let id = |(name, value): (&'a str, &'a [u8])| ObjectId {
                name: name.as_bytes(),
                value,
            };
            facts.ids.extend(parameters.map(id));
        }
        facts.query_ids();
        facts.content(&known.content);
        facts.sensitive = sensitive(known.marks.as_ref());
        facts.place = known.geo.as_deref().and_then(place);
        if let Some(response) = &exchange.response {
            facts.response(response);
        }
        facts.answer = facts.login.and_then(|name| answer::shape(exchange, name));
        facts.hits = hits(exchange, event, facts.status);
        if is_exposed(exchange) {
            facts.marks.add(Mark::Exposed);
        }
        facts
    }

    /// Adds what the content of `exchange` still tells, which was put together again from a sealed
    /// event; `event` is its sealed form.
    #[must_use]
    pub fn with_content(mut self, exchange: &'a Exchange, event: &'a ApiEvent<'a>) -> Self {
        self.content(&exchange.known.content);
        if let Some(response) = &exchange.response {
            for (name, value) in response.head.fields() {
                self.reply(name, value);
            }
        }
        self.hits = hits(exchange, event, self.status);
        self
    }

    /// Account, credential, program; and on a login that failed the account it was tried for, whose
    /// owner need not be the caller.
    fn who(&mut self, exchange: &'a Exchange) {
        let known = &exchange.known;
        if let Some(user) = &known.user {
            let tried = user.source.starts_with("body.") || &*user.source == "basic";
            let failed = known.signals.has(Signal::AuthenticationFailure);
            let login = known.signals.has(Signal::SensitiveLogin);
            if tried && (failed || login) {
                self.login = user.id.as_deref();
            }
            if tried && failed {
                self.guess = user.credential.map(|hash| hash.0);
            } else {
                self.user = user.id.as_deref();
                self.credential = user.credential.map(|hash| hash.0);
            }
            if user.credential.is_some() {
                self.marks.add(Mark::Credential);
            }
        }
        if self.login.is_none() && known.signals.has(Signal::SensitiveAccount) {
            self.login = known.login.as_deref();
        }
        if let Some(device) = &known.device {
            self.device = Some(super::incident::mix(
                value_hash(device.name.as_bytes()),
                value_hash(device.os.as_bytes()),
            ));
        }
    }

    fn request(&mut self, request: &'a Half) {
        let head = &request.head;
        self.request_bytes = request.body.total_bytes;
        let target = head.get(head.target);
        if target.first() == Some(&b'/') {
            // As it was sent; the sealed one may be masked.
            let end = memchr::memchr(b'?', target).unwrap_or(target.len());
            self.path = target.get(..end).unwrap_or_default();
            self.query = target.get(end + 1..).unwrap_or_default();
        }
        for (name, value) in head.fields() {
            match name.len() {
                10 if name.eq_ignore_ascii_case(b"user-agent") => self.agent = value,
                13 if name.eq_ignore_ascii_case(b"authorization") => {
                    self.marks.add(Mark::Credential);
                }
                9 if name.eq_ignore_ascii_case(b"x-api-key") => self.marks.add(Mark::Credential),
                6 if name.eq_ignore_ascii_case(b"cookie") => self.marks.add(Mark::Credential),
                _ => {}
            }
        }
    }

    fn response(&mut self, response: &'a Half) {
        self.status = response.status;
        self.response_bytes = response.body.total_bytes;
        for (name, value) in response.head.fields() {
            self.reply(name, value);
        }
    }

    fn reply(&mut self, name: &[u8], value: &'a [u8]) {
        match name.len() {
            12 if name.eq_ignore_ascii_case(b"content-type") => self.reply_type = value,
            10 if name.eq_ignore_ascii_case(b"set-cookie") => self.marks.add(Mark::Granted),
            // A date of RFC 9745, or `true` of its drafts.
            11 if name.eq_ignore_ascii_case(b"deprecation") && value != b"false" => {
                self.marks.add(Mark::Deprecated);
            }
            6 if name.eq_ignore_ascii_case(b"sunset") => self.marks.add(Mark::Deprecated),
            _ => {}
        }
    }

    /// Ids in the query: parameters that are called so.
    fn query_ids(&mut self) {
        if self.query.is_empty() {
            return;
        }
        let pairs = self.query.split(|byte| *byte == b'&').take(PARAMETERS_MAX);
        for pair in pairs {
            let Some(at) = memchr::memchr(b'=', pair) else {
                continue;
            };
            let (name, value) = pair.split_at(at);
            let value = value.get(1..).unwrap_or_default();
            if self.ids.len() < IDS_MAX && !value.is_empty() && is_id_name(name) {
                self.ids.push(ObjectId { name, value });
            }
        }
    }

    /// What its values ask for and give out.
    fn content(&mut self, content: &'a Content) {
        let mut words = content.ids.iter();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            if self.ids.len() < IDS_MAX {
                self.ids.push(ObjectId { name, value });
            }
        }
        self.fields.extend(content.fields.iter());
        self.reply_fields.extend(content.reply_fields.iter());
        self.given.extend(&content.given);
        self.records = content.records.map(u64::from);
        self.code = content.code;
        self.cost = Cost {
            depth: content.depth,
            aliases: content.aliases,
            batch: content.batch,
        };
    }
}

/// Whether it passed where others could read it: not from this host, nor from a proxy that is trusted,
/// and not as the plaintext of a TLS library, or of TLS in the kernel.
fn is_exposed(exchange: &Exchange) -> bool {
    let open = &exchange.conn.open;
    let behind_proxy = exchange
        .known
        .client
        .as_ref()
        .is_some_and(|client| !client.via.is_empty());
    let (Some((local, _)), Some((remote, _))) = (open.local, open.remote) else {
        return false;
    };
    let (local, remote) = (local.to_canonical(), remote.to_canonical());
    open.library.is_none()
        && !open.upper
        && !behind_proxy
        && !remote.is_loopback()
        && local != remote
}

/// What the stateless detectors found; what stood there as it was masked when the event was sealed.
fn hits<'a>(exchange: &'a Exchange, event: &'a ApiEvent<'a>, status: u16) -> Vec<Hit<'a>> {
    let act = |hit: &ScoreHit| {
        let mut proofs = event.proofs.iter();
        let found = proofs.find(|(detector, _)| *detector == hit.detector);
        found.map_or("", |(_, act)| act.as_str())
    };
    let shown = |number: usize| event.excerpts.get(number);
    let hit = |(number, hit): (usize, &'a ScoreHit)| Hit {
        detector: hit.detector,
        // A sum of five is the least that fires; ten and more is certain as far as grammar is.
        confidence: (f64::from(hit.score) / 10.0).clamp(0.5, 0.95),
        outcome: if !hit.proof.is_empty() || !act(hit).is_empty() {
            Outcome::Confirmed
        } else if (200..300).contains(&status) {
            Outcome::Answered
        } else {
            Outcome::Attempted
        },
        about: None,
        part: shown(number).map_or("", |(part, _)| part).into(),
        excerpt: shown(number).map_or("", |(_, excerpt)| excerpt).into(),
        decoded_by: hit
            .layers
            .iter()
            .map(|layer| Layer::as_str(layer).into())
            .collect(),
        proof: Cow::Borrowed(if hit.proof.is_empty() {
            act(hit)
        } else {
            hit.proof
        }),
    };
    let hits = exchange.known.scores.hits.iter().enumerate();
    hits.filter(|(_, hit)| !COUNTED.iter().any(|id| id.name() == hit.detector))
        .map(hit)
        .collect()
}

/// Where a client is, if its country is known.
fn place(geo: &Geo) -> Option<Place> {
    let country = geo.country.as_deref()?.as_bytes();
    Some(Place {
        country: country.try_into().ok()?,
        asn: geo.as_number,
        location: geo.location.map(Location::degrees),
    })
}

/// Delicate values by their kind. What opens doors is not what an answer gives too much of: a login
/// gives tokens; but passwords and keys it is.
fn sensitive(marks: Option<&Marks>) -> Vec<Sensitive<'static>> {
    let mut all: Vec<Sensitive<'static>> = Vec::new();
    for mark in marks.into_iter().flat_map(|marks| &marks.list) {
        let counts = match mark.secret {
            Secret::IpAddress | Secret::User | Secret::Binary | Secret::Custom(_) => false,
            Secret::Password | Secret::PrivateKey | Secret::CloudKey | Secret::CardCode => true,
            other => !other.is_credential(),
        };
        if !counts || mark.container != Container::Body {
            continue;
        }
        let kind = mark.secret.as_str();
        let in_response = mark.side == Side::Response;
        let have = all
            .iter_mut()
            .find(|have| have.kind == kind && have.in_response == in_response);
        match have {
            Some(have) => have.count += 1,
            None => all.push(Sensitive {
                kind,
                in_response,
                count: 1,
            }),
        }
    }
    all
}

/// Whether a parameter of this name holds the id of an object.
pub(super) fn is_id_name(name: &[u8]) -> bool {
    let end = |end: &[u8]| name.ends_with(end);
    name.eq_ignore_ascii_case(b"id")
        || name.eq_ignore_ascii_case(b"uuid")
        || end(b"_id")
        || end(b"-id")
        || end(b"Id")
        || end(b"ID")
        || end(b"[id]")
        || end(b"_uuid")
        || end(b"Uuid")
}

impl Shown for ApiEvent<'_> {
    fn client(&self) -> Option<Cow<'_, str>> {
        self.client.as_ref().map(|client| client.address.to_text())
    }

    fn user(&self) -> Option<Cow<'_, str>> {
        let user = self.user.as_ref()?.id.as_ref()?;
        Some(user.to_text())
    }

    fn login(&self) -> Option<Cow<'_, str>> {
        self.user()
    }

    fn credential(&self) -> Option<Cow<'_, str>> {
        let hash = self.user.as_ref()?.credential?;
        let text = hash.to_text();
        Some(String::from_utf8_lossy(&text).into_owned().into())
    }

    fn path(&self) -> Cow<'_, str> {
        let path = self.url.as_ref().and_then(|url| url.path.as_ref());
        path.map(|path| path.to_text()).unwrap_or_default()
    }

    /// What the sealed event holds as it is may be shown; what seal has masked may not.
    fn value<'v>(&self, value: &'v [u8]) -> Cow<'v, str> {
        let in_bytes = |bytes: &[u8]| memchr::memmem::find(bytes, value).is_some();
        let url = self.url.as_ref();
        let parts = url.into_iter().flat_map(|url| [url.path, url.query]);
        let there = parts.flatten().any(|part| in_bytes(part.0))
            || self
                .user
                .is_some_and(|user| user.id.is_some_and(|id| in_bytes(id.0)))
            || self
                .user_agent
                .is_some_and(|agent| in_bytes(agent.original.0))
            || self
                .http
                .request
                .as_ref()
                .is_some_and(|request| request.method.is_some_and(|method| in_bytes(method.0)));
        if there && value.len() <= 256 {
            String::from_utf8_lossy(value)
        } else {
            Cow::Borrowed("[not shown]")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::{is_exposed, is_id_name};
    use crate::capture::ConnOpen;
    use crate::exchange::{ConnInfo, Exchange};
    use eaves_common::{Role, TlsLibrary};

    #[test]
    fn what_a_tls_library_gave_was_not_read_on_the_way() {
        let exposed = |remote: [u8; 4], library, upper| {
            let open = ConnOpen {
                local: Some((IpAddr::from([10, 0, 0, 5]), 443)),
                remote: Some((IpAddr::from(remote), 51_000)),
                library,
                upper,
                ..ConnOpen::default()
            };
            is_exposed(&Exchange::of(Arc::new(ConnInfo {
                open,
                role: Role::Server,
                proxied: None,
            })))
        };
        let far = [203, 0, 113, 7];
        assert!(exposed(far, None, false));
        assert!(!exposed(far, Some(TlsLibrary::OpenSsl), false));
        assert!(!exposed(far, Some(TlsLibrary::GnuTls), false));
        assert!(!exposed(far, None, true));
        assert!(!exposed([127, 0, 0, 1], None, false));
        assert!(!exposed([10, 0, 0, 5], None, false));
    }

    #[test]
    fn names_of_ids_are_told_from_others() {
        for name in ["id", "ID", "user_id", "orderId", "filter[id]", "uuid"] {
            assert!(is_id_name(name.as_bytes()), "{name}");
        }
        for name in ["valid", "paid", "page", "identity", ""] {
            assert!(!is_id_name(name.as_bytes()), "{name}");
        }
    }
}
