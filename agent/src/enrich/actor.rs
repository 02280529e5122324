//! Whose account a request was made with.
//!
//! What names a user is looked for in the order that the configuration says. A credential that names
//! nobody (a session's cookie, an opaque token) is the user's who was given it when they signed in, for
//! as long as it is used. Client certificates are out of reach: what a TLS library does with them is
//! not what it reads and writes.

use std::sync::Arc;

use super::generations::Generations;
use super::login;
use super::options::{Identity, UserSource};
use super::token::{Tokens, basic, user};
use crate::clock::WallTime;
use crate::exchange::{Exchange, Half, User, url};
use crate::keyed::{HashKey, KeyedHash};

/// Sessions that are known at least; twice as many at most.
const SESSIONS: usize = 50_000;

/// Most bytes of a name that is looked for in a query.
const SCHEMES: [&[u8]; 2] = [b"Bearer ", b"Token "];

/// Finds the user of each request.
pub(super) struct Actors {
    sources: Vec<Source>,
    /// Names of cookies that hold sessions.
    cookies: Vec<Box<str>>,
    /// Names of the fields that name users in bodies.
    fields: Vec<Box<str>>,
    tokens: Tokens,
    sessions: Generations<KeyedHash, Arc<[u8]>>,
    session_ns: u64,
    login: Arc<str>,
}

/// A place where a user may be named, and how events call it.
struct Source {
    place: Place,
    told: Arc<str>,
}

enum Place {
    /// The claim of this number.
    Jwt(usize),
    Bearer,
    Basic,
    Header(Box<str>),
    Cookie(Box<str>),
    ApiKey(Box<str>),
    /// The field of this number.
    Body(usize),
}

/// What a place holds.
#[derive(Default)]
struct Found {
    id: Option<Arc<[u8]>>,
    credential: Option<KeyedHash>,
}

impl Actors {
    /// Looks where `identity` says, and hashes credentials with `key`.
    pub(super) fn new(identity: &Identity, key: HashKey) -> Self {
        let mut claims: Vec<Box<str>> = Vec::new();
        let mut cookies: Vec<Box<str>> = Vec::new();
        let mut fields: Vec<Box<str>> = Vec::new();
        let sources = identity.user.iter().filter_map(|source| {
            let UserSource {
                jwt,
                bearer,
                basic,
                header,
                cookie,
                api_key,
                body,
            } = source;
            let number = |list: &mut Vec<Box<str>>, name: &str| {
                list.push(name.into());
                list.len() - 1
            };
            let (place, told) = if let Some(claim) = jwt {
                (
                    Place::Jwt(number(&mut claims, claim)),
                    format!("jwt.{claim}"),
                )
            } else if bearer.is_some() {
                (Place::Bearer, "bearer".to_owned())
            } else if basic.is_some() {
                (Place::Basic, "basic".to_owned())
            } else if let Some(name) = header {
                (
                    Place::Header(name.as_str().into()),
                    format!("header.{}", name.to_ascii_lowercase()),
                )
            } else if let Some(name) = cookie {
                number(&mut cookies, name);
                (
                    Place::Cookie(name.as_str().into()),
                    format!("cookie.{name}"),
                )
            } else if let Some(name) = api_key {
                (
                    Place::ApiKey(name.as_str().into()),
                    format!("api_key.{name}"),
                )
            } else {
                let name = body.as_ref()?;
                (
                    Place::Body(number(&mut fields, name)),
                    format!("body.{name}"),
                )
            };
            let told = told.into();
            Some(Source { place, told })
        });
        let sources = sources.collect();
        Self {
            sources,
            cookies,
            fields,
            tokens: Tokens::new(key, claims.into()),
            sessions: Generations::new(SESSIONS),
            session_ns: u64::try_from(identity.session.0.as_nanos()).unwrap_or(u64::MAX),
            login: "login".into(),
        }
    }

    /// Looks where `identity` says from now on; sessions stay.
    pub(super) fn set(&mut self, identity: &Identity) {
        let fresh = Self::new(identity, self.tokens.key().clone());
        let before = std::mem::replace(self, fresh);
        self.sessions = before.sessions;
    }

    /// Who signs in, by the body of a request to do so, and by which of the fields.
    pub(super) fn signs_in(&self, request: &Half) -> Option<(usize, Arc<[u8]>)> {
        login::name(request, &self.fields)
    }

    /// The user of `request`; `login` is who signs in with it.
    pub(super) fn find(
        &mut self,
        request: &Half,
        login: Option<&(usize, Arc<[u8]>)>,
        now: WallTime,
    ) -> Option<User> {
        self.sessions.expire(now, self.session_ns);
        let authorization = request.head.field("authorization").map(<[u8]>::trim_ascii);
        let sources = std::mem::take(&mut self.sources);
        let mut first: Option<User> = None;
        for source in &sources {
            let Some(found) = self.look(&source.place, request, authorization, login) else {
                continue;
            };
            let told = &source.told;
            let bound = found.id.is_none();
            let id = found.id.or_else(|| self.bound(found.credential));
            let user = User {
                source: Arc::clone(if bound && id.is_some() {
                    &self.login
                } else {
                    told
                }),
                id,
                credential: found.credential,
            };
            let named = user.id.is_some();
            match &mut first {
                None => first = Some(user),
                Some(first) if named => {
                    first.id = user.id;
                    first.source = user.source;
                    first.credential = user.credential.or(first.credential);
                }
                Some(_) => {}
            }
            if named {
                break;
            }
        }
        self.sources = sources;
        first
    }

    /// Takes note of what a response gave: sessions of those who signed in, and of those who were
    /// given another.
    pub(super) fn answered(&mut self, exchange: &Exchange, signed_in: Option<&Arc<[u8]>>) {
        let Some(response) = &exchange.response else {
            return;
        };
        let user = exchange.known.user.as_ref();
        // Only who was known by what they showed goes on with what they are given for it.
        let known = user.and_then(|user| user.id.as_ref().filter(|_| user.credential.is_some()));
        let Some(id) = signed_in.or(known) else {
            return;
        };
        let mut given: Vec<KeyedHash> = Vec::new();
        for (name, value) in response.head.fields() {
            if name.eq_ignore_ascii_case(b"set-cookie")
                && let Some(value) = login::cookie_given(value, &self.cookies)
            {
                given.push(self.tokens.hash(value));
            }
        }
        if signed_in.is_some() {
            login::tokens_given(response, |token| given.push(self.tokens.hash(token)));
        }
        for credential in given {
            self.sessions.insert(credential, Arc::clone(id));
        }
    }

    /// Whether `response` gives a session or a token to whoever signs in.
    pub(super) fn gives(&self, response: &Half) -> bool {
        let cookie = |(name, value): (&[u8], &[u8])| {
            name.eq_ignore_ascii_case(b"set-cookie")
                && login::cookie_given(value, &self.cookies).is_some()
        };
        let mut token = false;
        response.head.fields().any(cookie) || {
            login::tokens_given(response, |_| token = true);
            token
        }
    }

    /// Forgets whose `credential` is.
    pub(super) fn signed_out(&mut self, credential: KeyedHash) {
        self.sessions.remove(&credential);
    }

    fn bound(&mut self, credential: Option<KeyedHash>) -> Option<Arc<[u8]>> {
        self.sessions.get(&credential?).map(|id| Arc::clone(id))
    }

    /// What is at `place`; `None` if nothing is.
    fn look(
        &mut self,
        place: &Place,
        request: &Half,
        authorization: Option<&[u8]>,
        login: Option<&(usize, Arc<[u8]>)>,
    ) -> Option<Found> {
        let head = &request.head;
        match place {
            Place::Jwt(claim) => {
                let bearer = authorization.and_then(bearer);
                let token = bearer.or_else(|| {
                    let all = cookies(request).map(|(_, value)| value);
                    all.into_iter().find(|value| value.starts_with(b"ey"))
                })?;
                let token = self.tokens.read(token);
                let id = token.claims.get(*claim)?.clone();
                let credential = Some(token.hash);
                id.is_some().then_some(Found { id, credential })
            }
            Place::Bearer => {
                let hash = self.tokens.read(bearer(authorization?)?).hash;
                Some(Found {
                    id: None,
                    credential: Some(hash),
                })
            }
            Place::Basic => {
                let token = scheme(authorization?, b"Basic ")?;
                Some(Found {
                    id: Some(basic(token)?),
                    credential: Some(self.tokens.read(token).hash),
                })
            }
            Place::Header(name) => Some(Found {
                id: Some(user(head.field(name)?)?),
                credential: None,
            }),
            Place::Cookie(name) => {
                let mut all = cookies(request);
                let (_, value) = all.find(|(have, _)| *have == name.as_bytes())?;
                let value = Some(value).filter(|value| !value.is_empty())?;
                Some(Found {
                    id: None,
                    credential: Some(self.tokens.read(value).hash),
                })
            }
            Place::ApiKey(name) => {
                let key = head.field(name).or_else(|| query(request, name))?;
                let key = Some(key.trim_ascii()).filter(|key| !key.is_empty())?;
                Some(Found {
                    id: None,
                    credential: Some(self.tokens.read(key).hash),
                })
            }
            Place::Body(field) => {
                let (_, id) = login.filter(|(found, _)| found == field)?;
                Some(Found {
                    id: Some(Arc::clone(id)),
                    credential: None,
                })
            }
        }
    }
}

/// The token of a bearer credential (RFC 6750 §2.1), or of those that are shown alike.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let mut schemes = SCHEMES.into_iter();
    schemes.find_map(|name| scheme(authorization, name))
}

/// What stands behind the scheme `name`, in any case.
fn scheme<'v>(authorization: &'v [u8], name: &[u8]) -> Option<&'v [u8]> {
    let (have, token) = authorization.split_at_checked(name.len())?;
    let token = token.trim_ascii();
    (have.eq_ignore_ascii_case(name) && !token.is_empty()).then_some(token)
}

/// The cookies of `request`, names with values (RFC 6265 §4.2.1).
fn cookies(request: &Half) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = request.head.fields();
    let lines = fields.filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
    let pairs = lines.flat_map(|(_, value)| value.split(|byte| *byte == b';'));
    pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let (name, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
        let value = value.get(1..)?.trim_ascii();
        let quoted = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some((name.trim_ascii(), quoted.unwrap_or(value)))
    })
}

/// The value of the parameter `name` in the query of `request`, as sent.
fn query<'r>(request: &'r Half, name: &str) -> Option<&'r [u8]> {
    let query = url(&request.head).query?.0;
    let mut pairs = query.split(|byte| *byte == b'&');
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests;
