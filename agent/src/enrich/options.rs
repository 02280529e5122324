//! What the configuration says of who is who.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Addresses, Period};

/// How it is known who asked and for what: the client behind proxies, the account, the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Proxies whose word is believed on who asked them: addresses, networks such as `10.0.0.0/8`,
    /// `loopback`, `private`. Peers on Unix sockets are on this host, and count as `127.0.0.1`. What is
    /// given here takes the default's place.
    #[schemars(length(max = 1024))]
    pub trusted_proxies: Vec<Addresses>,
    /// So many hops are believed whatever their address, counted from the socket's peer: for proxies
    /// whose addresses change.
    #[schemars(range(max = 16))]
    pub trusted_hops: u32,
    /// Header fields in which proxies say who asked them. The first of the list that a request has is
    /// read, and no other: a proxy passes on the fields that it does not know, whoever wrote them. The
    /// PROXY protocol, at the head of a connection, comes before all of them.
    #[schemars(extend("uniqueItems" = true))]
    pub forwarded: Vec<Forwarded>,
    /// Where an account is looked for: the first of the list that a request has is taken. Where none
    /// names an account, the first that shows a credential is.
    #[schemars(length(max = 64))]
    pub user: Vec<UserSource>,
    /// How long a session is held to be a user's after it was last used.
    #[schemars(extend("x-min" = "1m", "x-max" = "90d"))]
    pub session: Period,
    /// Paths at which people sign in, beside those that are known by their words: `/api/enter`. A
    /// segment in braces, `/{tenant}/enter`, stands for any.
    #[schemars(length(max = 256), extend("x-check-items" = "route"))]
    pub login_routes: Vec<String>,
    /// Path templates that are known beforehand: `/users/{id}`. With a host in front,
    /// `api.example.com/users/{id}`, one holds there alone.
    #[schemars(length(max = 10_000), extend("x-check-items" = "route"))]
    pub routes: Vec<String>,
    /// OpenAPI documents, in JSON or YAML, whose paths are known beforehand. What is heard is held
    /// against them (`inv-01`, `inv-02`, `inv-03`).
    #[schemars(length(max = 64), extend("x-check-items" = "absolute_path"))]
    pub openapi: Vec<PathBuf>,
    /// Descriptor files of protobuf, by which fields of gRPC's messages are named: what `protoc
    /// --include_imports --descriptor_set_out=FILE` writes.
    #[schemars(length(max = 64), extend("x-check-items" = "absolute_path"))]
    pub protobuf: Vec<PathBuf>,
    /// Words in paths by which an endpoint is sensitive, beside those that are known.
    pub sensitive: SensitiveWords,
}

/// Words in paths by which an endpoint is sensitive, beside those that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SensitiveWords {
    /// What changes an account, or what protects it.
    #[schemars(length(max = 256))]
    pub account: Vec<String>,
    /// What moves money, or what is worth some.
    #[schemars(length(max = 256))]
    pub payment: Vec<String>,
    /// What administers the service.
    #[schemars(length(max = 256))]
    pub admin: Vec<String>,
    /// What hands out data in bulk.
    #[schemars(length(max = 256))]
    pub export: Vec<String>,
}

/// A header field in which proxies say who asked them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forwarded {
    /// `X-Forwarded-For`: addresses, each proxy adding its own peer behind, in as many fields as there
    /// are
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
    /// `X-Real-IP`: one address
    XRealIp,
}

impl Forwarded {
    /// The field's name.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::XRealIp => "x-real-ip",
        }
    }
}

/// One place where an account or a credential may be. Exactly one type is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "x-exactly-one" = ["jwt", "bearer", "basic", "header", "cookie", "api_key", "body"],
    "x-words" = ["bearer", "basic"]
))]
pub struct UserSource {
    /// A claim of a JSON Web Token that is a bearer token or a cookie: `sub`. It is read, not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// A bearer token of any kind: it is a credential, and its user the one who was given it at sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<Nothing>,
    /// The user of Basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<Nothing>,
    /// A header field that names the user. Whoever asks can write one, unless a proxy in front
    /// overwrites it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A cookie that holds a session: it is a credential, and its user the one who was given it at
    /// sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A header field or query parameter that holds an API key, which is a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// A field that names the user in the body of a request to sign in: in JSON at any depth, in
    /// GraphQL's variables and arguments, in forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Nothing more to say: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl UserSource {
    fn list() -> Vec<Self> {
        const COOKIES: &[&str] = &[
            "session",
            "session_id",
            "sessionid",
            "sid",
            "connect.sid",
            "PHPSESSID",
            "JSESSIONID",
            "ASP.NET_SessionId",
            ".AspNetCore.Cookies",
            "laravel_session",
            "_session_id",
            "auth_token",
            "access_token",
            "token",
            "jwt",
        ];
        const FIELDS: &[&str] = &["username", "user_name", "user", "login", "email"];
        let named = |name: &str| Some(name.to_owned());
        let mut list = vec![
            Self {
                jwt: named("sub"),
                ..Self::default()
            },
            Self {
                basic: Some(Nothing {}),
                ..Self::default()
            },
            Self {
                api_key: named("x-api-key"),
                ..Self::default()
            },
            Self {
                bearer: Some(Nothing {}),
                ..Self::default()
            },
        ];
        list.extend(COOKIES.iter().map(|name| Self {
            cookie: named(name),
            ..Self::default()
        }));
        list.extend(FIELDS.iter().map(|name| Self {
            body: named(name),
            ..Self::default()
        }));
        list
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            trusted_proxies: vec![Addresses::Loopback],
            trusted_hops: 0,
            forwarded: vec![
                Forwarded::XForwardedFor,
                Forwarded::Forwarded,
                Forwarded::XRealIp,
            ],
            user: UserSource::list(),
            session: Period::minutes(24 * 60),
            login_routes: Vec::new(),
            routes: Vec::new(),
            openapi: Vec::new(),
            protobuf: Vec::new(),
            sensitive: SensitiveWords::default(),
        }
    }
}

impl Identity {
    /// Whether the word of the proxy at `address` is believed, the `hop`th from here, from 0.
    pub(super) fn trusts(&self, address: IpAddr, hop: usize) -> bool {
        hop < self.trusted_hops as usize
            || self
                .trusted_proxies
                .iter()
                .any(|proxies| proxies.contains(address))
    }
}
