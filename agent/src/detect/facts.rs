//! What one exchange tells the detectors that keep state.
//!
//! A plain struct, so that the same detectors read a live exchange, a sealed event of a file and a
//! row of an access log. What a source does not know is left out, and a detector that would need it
//! does not speak.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::clock::WallTime;
use crate::event::{EventId, Extent, Outcome, Signals};

/// What one exchange tells. Nothing of it is masked but what [`Shown`] gives.
#[derive(Clone)]
pub struct Facts<'a> {
    /// Id of the exchange.
    pub id: EventId,
    /// Id of the first report of an exchange that is told by several.
    pub first: Option<EventId>,
    /// It goes on: more reports of it follow.
    pub partial: bool,
    /// First byte of the request: the only time that detectors know.
    pub time: WallTime,
    /// The `id` that a recorded request has of its own.
    pub source_id: Option<&'a str>,
    /// The client behind the proxies that are believed.
    pub client: Option<IpAddr>,
    /// The account.
    pub user: Option<&'a [u8]>,
    /// Hash of what was shown to be let in.
    pub credential: Option<u64>,
    /// The client's program, as it says.
    pub agent: &'a [u8],
    /// Stands for the kind of device: program, operating system, TLS fingerprint.
    pub device: Option<u64>,
    /// The account that somebody tried to sign in as, or asked about on a login route.
    pub login: Option<&'a [u8]>,
    /// What the answer said to that, told apart from what it says to others; `None` if not all was seen.
    pub answer: Option<u64>,
    /// Hash of the name and password that were tried and refused, where they came in the header (RFC 7617).
    pub guess: Option<u64>,
    /// Hash of a one-time code that was sent.
    pub code: Option<u64>,
    /// Where the client is.
    pub place: Option<Place>,
    /// Host that was asked, in lower case.
    pub domain: Cow<'a, [u8]>,
    /// Method, as sent; empty if the request was not seen.
    pub method: &'a [u8],
    /// Path of the target, as sent.
    pub path: &'a [u8],
    /// What follows the first `?`, as sent.
    pub query: &'a [u8],
    /// The path's template, or the path itself where none is known.
    pub route: Cow<'a, str>,
    /// Name of the process that serves.
    pub process: &'a [u8],
    /// Status; 0 if the response was not seen.
    pub status: u16,
    /// Bytes of the request's body.
    pub request_bytes: Option<u64>,
    /// Bytes of the response's body.
    pub response_bytes: Option<u64>,
    /// First byte of the request to last byte of the response.
    pub duration_ns: Option<u64>,
    /// What kind of API event it is.
    pub signals: Signals,
    /// Ids of objects that were asked for: from path, query and body.
    pub ids: Vec<ObjectId<'a>>,
    /// Hashes of ids that the response gave out, as [`value_hash`](super::value_hash) makes them.
    pub given: Vec<u64>,
    /// Names of fields in the request's body.
    pub fields: Vec<&'a [u8]>,
    /// Names of fields in the response's body.
    pub reply_fields: Vec<&'a [u8]>,
    /// Kinds of delicate values, with how many of each.
    pub sensitive: Vec<Sensitive<'a>>,
    /// Media type of the response, as sent.
    pub reply_type: &'a [u8],
    /// Records that the response holds: elements of its outermost list.
    pub records: Option<u64>,
    /// What else is to be known, by yes or no.
    pub marks: Marks,
    /// How much a GraphQL request asks for.
    pub cost: Cost,
    /// What the stateless detectors found in it.
    pub hits: Vec<Hit<'a>>,
    /// How much of the request was seen.
    pub request_seen: Extent,
    /// How much of the response was seen.
    pub response_seen: Extent,
    /// What may be shown of it.
    pub shown: &'a dyn Shown,
}

impl<'a> Facts<'a> {
    /// An exchange of which nothing is known yet but its id and time.
    #[must_use]
    pub fn new(id: EventId, time: WallTime, shown: &'a dyn Shown) -> Self {
        Self {
            id,
            first: None,
            partial: false,
            time,
            source_id: None,
            client: None,
            user: None,
            credential: None,
            agent: b"",
            device: None,
            login: None,
            answer: None,
            guess: None,
            code: None,
            place: None,
            domain: Cow::Borrowed(b""),
            method: b"",
            path: b"",
            query: b"",
            route: Cow::Borrowed(""),
            process: b"",
            status: 0,
            request_bytes: None,
            response_bytes: None,
            duration_ns: None,
            signals: Signals::NONE,
            ids: Vec::new(),
            given: Vec::new(),
            fields: Vec::new(),
            reply_fields: Vec::new(),
            sensitive: Vec::new(),
            reply_type: b"",
            records: None,
            marks: Marks::default(),
            cost: Cost::default(),
            hits: Vec::new(),
            request_seen: Extent::Whole,
            response_seen: Extent::Whole,
            shown,
        }
    }

    /// Whether an earlier report told of it.
    #[must_use]
    pub fn told_before(&self) -> bool {
        self.first.is_some_and(|first| first != self.id)
    }
}

/// What may be shown of an exchange: as sealed. Asked only for what becomes evidence.
pub trait Shown {
    /// The client's address.
    fn client(&self) -> Option<Cow<'_, str>>;
    /// The account.
    fn user(&self) -> Option<Cow<'_, str>>;
    /// The account that somebody tried to sign in as.
    fn login(&self) -> Option<Cow<'_, str>>;
    /// The keyed hash of what was shown to be let in.
    fn credential(&self) -> Option<Cow<'_, str>>;
    /// Path of the target, without its query.
    fn path(&self) -> Cow<'_, str>;
    /// A value that stood in the exchange, as it may be shown.
    fn value<'v>(&self, value: &'v [u8]) -> Cow<'v, str>;
}

/// Where a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// Its country (ISO 3166-1).
    pub country: [u8; 2],
    /// Number of its autonomous system.
    pub asn: Option<u32>,
    /// Latitude and longitude, degrees.
    pub location: Option<[f64; 2]>,
}

/// An id of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectId<'a> {
    /// The name it has there: of a parameter, or of what stands before it in the path.
    pub name: &'a [u8],
    /// The id.
    pub value: &'a [u8],
}

/// A kind of delicate value in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sensitive<'a> {
    /// Its type: `payment_card`, `email`.
    pub kind: &'a str,
    /// Whether it stood in the response, else in the request.
    pub in_response: bool,
    /// How many.
    pub count: u32,
}

/// What is to be known by yes or no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u16);

/// One of [`Marks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The request shows a credential of any kind.
    Credential,
    /// The response says that the endpoint is deprecated, or has a sunset (RFC 9745, RFC 8594).
    Deprecated,
    /// It passed where others could read it: no TLS, and the peer is neither this host nor trusted.
    Exposed,
    /// The response sets a cookie or hands out a token.
    Granted,
}

impl Marks {
    /// Adds one.
    pub const fn add(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u16;
    }

    /// Whether `mark` is among them.
    #[must_use]
    pub const fn has(self, mark: Mark) -> bool {
        self.0 & 1 << mark as u16 != 0
    }
}

/// How much a GraphQL request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How deep it nests.
    pub depth: u32,
    /// Aliases in it.
    pub aliases: u32,
    /// Operations in one request.
    pub batch: u32,
}

/// What a stateless detector found in one exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<'a> {
    /// The detector: `inj-01`.
    pub detector: &'a str,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// What came of it, as far as the exchange shows.
    pub outcome: Outcome,
    /// What it is about where that is not the account or the endpoint, as the issuer of a token:
    /// incidents are told apart by it.
    pub about: Option<u64>,
    /// Where in the exchange: `request.query.id`.
    pub part: Cow<'a, str>,
    /// What stood there, decoded and masked, at most 200 bytes.
    pub excerpt: Cow<'a, str>,
    /// The layers that were taken off it, the outermost first.
    pub decoded_by: Vec<Cow<'static, str>>,
    /// What proves that it worked; empty if nothing does.
    pub proof: Cow<'a, str>,
}
