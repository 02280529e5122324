//! Secrets and personal data are found, and masked: [`Exchange`] → [`ApiEvent`].
//!
//! First mark, then seal. A [`Marker`] looks at the parts of an exchange and says what is sensitive,
//! by name, by shape and by the configuration ([`Options`]); the bytes stay, for those who look for
//! attacks in them. [`seal`] alone turns raw bytes into what may leave the agent: it writes for each
//! mark what stands for it ([`Masked`]), and leaves out bodies that nobody can look into. What was not
//! marked is marked then: nothing leaves that was not looked at.
//!
//! Masked text is `[masked:TYPE:hmac:XXXXXXXXXXXXXXXX]`; the hash is keyed ([`HashKey`]), so that two
//! sightings of one value can be matched and none can be looked up.
//!
//! [`HashKey`]: crate::keyed::HashKey

mod arguments;
mod bare;
mod excerpt;
mod field;
mod key;
mod known;
mod marker;
mod masked;
mod names;
mod operation;
mod options;
mod parts;
mod path;
mod place;
mod protobuf;
mod pseudonym;
mod redactor;
mod rules;
mod shape;
mod told;
mod websocket;
mod words;

pub use key::{KEY_FILE, load_or_make_key, random_key};
pub use marker::{Explained, Marker};
pub use masked::{Masked, stand_in};
pub use options::{Options, Pattern, RoutePattern, Rules, TYPES};
pub use path::Path;
pub use redactor::Redactor;

use std::net::IpAddr;
use std::sync::Arc;

pub use arguments::{WriteMask, mask_arguments, mask_label};

use crate::capture::Origin;
use crate::clock::BootTime;
use crate::content::{Container, Side};
use crate::event::{
    self, Address, ApiEvent, Client, Completeness, ConnName, Endpoint, ExchangeKind, Field, Host,
    Http, HttpVersion, Ids, Lines, Lower, Network, Protocol, ProtocolName, Request, Response,
    SCHEMA, Text, Tls, TlsLibrary, Url, User, UserAgent,
};
use crate::exchange::{Body, ConnInfo, Exchange, Grpc, Half, Head, Seen, Version, url_of};
use eaves_common::Transport;

/// What sealing must know beside the exchange: whose it is, and when that host booted.
#[derive(Clone, Debug)]
pub struct SealContext {
    ids: Ids,
    host_name: String,
    host_id: String,
    boot: BootTime,
    redactor: Arc<Redactor>,
}

impl SealContext {
    /// For exchanges heard at `origin`, redacted by the built-in rules, hashed with a key of the origin.
    #[must_use]
    pub fn new(origin: &Origin) -> Self {
        Self {
            ids: Ids::new(&origin.host_id, origin.run),
            host_name: origin.host_name.clone(),
            host_id: origin.host_id.clone(),
            boot: origin.boot,
            redactor: Arc::new(Redactor::of_origin(origin, Options::default())),
        }
    }

    /// The same, redacted by `redactor`.
    #[must_use]
    pub fn redacting(self, redactor: Arc<Redactor>) -> Self {
        Self { redactor, ..self }
    }

    /// What is masked.
    #[must_use]
    pub const fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// The host, as events name it.
    #[must_use]
    pub fn host(&self) -> Host<'_> {
        Host {
            name: &self.host_name,
            id: &self.host_id,
        }
    }

    /// Makes the ids of this run.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// When the host booted.
    #[must_use]
    pub fn boot(&self) -> BootTime {
        self.boot
    }
}

/// The event that reports `exchange`; `masked` was filled from it.
#[must_use]
pub fn seal<'a>(
    exchange: &'a Exchange,
    masked: &'a Masked,
    context: &'a SealContext,
) -> ApiEvent<'a> {
    let Exchange {
        conn,
        request,
        response,
        ..
    } = exchange;
    let (request, response) = (request.as_ref(), response.as_ref());
    let began = request.or(response).map_or(conn.open.time, |m| m.began);
    let time = context.boot.date(began);
    let name = ConnName {
        sock: conn.open.conn.sock,
        inode: conn.open.conn.inode,
        heard_ns: conn.open.time.0,
    };
    let spoken = &exchange.known.spoken;
    let id = |report| context.ids.exchange(time, name, exchange.ordinal, report);
    let (local, remote) = ends(conn);
    let redactor = &*context.redactor;
    let (client, peer, server) = match conn.role {
        eaves_common::Role::Server => {
            let remote = remote.map(|end| pseudonym_of(end, redactor));
            (remote, remote, local)
        }
        eaves_common::Role::Client => {
            (local.map(|end| pseudonym_of(end, redactor)), remote, remote)
        }
    };
    ApiEvent {
        kind: ExchangeKind::Exchange,
        schema: SCHEMA,
        id: id(u64::from(spoken.report)),
        partial: spoken.partial,
        first: (spoken.partial || spoken.report > 0).then(|| id(0)),
        time,
        duration_ns: duration(exchange),
        time_to_first_byte_ns: first_byte(request, response),
        role: match conn.role {
            eaves_common::Role::Server => event::Role::Server,
            eaves_common::Role::Client => event::Role::Client,
        },
        network: network(exchange, context, name),
        client: client_of(exchange, client, masked, redactor),
        peer,
        server,
        tls: tls(conn, masked),
        url: request.map(|m| scheme_of(conn, m, url(&m.head, masked))),
        grpc: spoken.grpc.as_deref().map(|call| grpc(call, masked)),
        graphql: operation::graphql(exchange),
        rpc: operation::rpc(exchange),
        websocket: websocket::websocket(exchange, masked),
        http: http(exchange, masked),
        user: user(exchange, masked),
        user_agent: user_agent(exchange, masked),
        process: place::process(exchange, context.boot),
        container: place::container(exchange),
        kubernetes: place::kubernetes(exchange),
        host: context.host(),
        completeness: completeness(exchange),
        anomalies: &exchange.anomalies,
        signals: exchange.known.signals,
        sensitive: Lines(masked.told()),
        findings: Vec::new(),
        excerpts: masked.shown(),
        proofs: masked.proofs(),
    }
}

/// Whose account it was.
fn user<'a>(exchange: &'a Exchange, masked: &'a Masked) -> Option<User<'a>> {
    let user = exchange.known.user.as_ref()?;
    Some(User {
        id: masked.user().or(user.id.as_deref()).map(Text),
        source: &user.source,
        credential: user.credential,
    })
}

/// Both messages, masked.
fn http<'a>(exchange: &'a Exchange, masked: &'a Masked) -> Http<'a> {
    let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
    Http {
        route: exchange.known.route.as_ref().map(|r| &*r.template),
        request: request.map(|request| sealed_request(request, masked)),
        response: response.map(|response| sealed_response(response, masked)),
    }
}

/// Who asked: as it is believed, or else the socket's end.
fn client_of<'a>(
    exchange: &'a Exchange,
    end: Option<Endpoint<'a>>,
    masked: &'a Masked,
    redactor: &Redactor,
) -> Option<Client<'a>> {
    let believed = exchange.known.client.as_ref().map(|client| {
        let end = Endpoint {
            address: Address::Ip(client.address),
            port: client.port,
        };
        Client {
            via: masked.via().unwrap_or(&client.via),
            ..Client::from(pseudonym_of(end, redactor))
        }
    });
    let client = believed.or_else(|| end.map(Client::from))?;
    Some(place::located(
        client,
        exchange,
        redactor.pseudonymises_client(),
    ))
}

/// The end under another address, if clients are pseudonymised.
fn pseudonym_of<'a>(end: Endpoint<'a>, redactor: &Redactor) -> Endpoint<'a> {
    match end.address {
        Address::Ip(address) if redactor.pseudonymises_client() => Endpoint {
            address: Address::Ip(pseudonym::address(address, redactor.key())),
            ..end
        },
        _ => end,
    }
}

fn user_agent<'a>(exchange: &'a Exchange, masked: &'a Masked) -> Option<UserAgent<'a>> {
    let head = &exchange.request.as_ref()?.head;
    let original = masked.field(Side::Request, head, "user-agent")?;
    let device = exchange.known.device.as_deref();
    Some(UserAgent {
        original: Text(original),
        name: device.map_or("", |device| &device.name),
        version: device.map_or("", |device| &device.version),
        os: device.map_or("", |device| &device.os),
        class: device.and_then(|device| device.class),
    })
}

/// What was asked for, masked.
fn url<'a>(head: &'a Head, masked: &'a Masked) -> Url<'a> {
    let target = masked.or(Side::Request, Container::Target, head.get(head.target));
    let authority = head.authority.map(|span| masked.word(head.get(span)));
    let host = || masked.field(Side::Request, head, "host");
    url_of(head, target, authority.or_else(host))
}

/// First byte of the request to first byte of the response.
fn first_byte(request: Option<&Half>, response: Option<&Half>) -> Option<u64> {
    let (request, response) = request.zip(response)?;
    Some(response.began.since(request.began))
}

/// First byte of the request to last byte of the response; `None` where either is not known.
fn duration(exchange: &Exchange) -> Option<u64> {
    let (request, response) = exchange.request.as_ref().zip(exchange.response.as_ref())?;
    match exchange.response_seen {
        Seen::Whole | Seen::Truncated | Seen::Gap | Seen::JoinedLate => {
            Some(response.ended.since(request.began))
        }
        Seen::Unfinished | Seen::None => None,
    }
}

fn network(exchange: &Exchange, context: &SealContext, name: ConnName) -> Network {
    let open = &exchange.conn.open;
    let message = exchange.request.as_ref().or(exchange.response.as_ref());
    Network {
        transport: open.transport.map(|transport| match transport {
            Transport::Tcp | Transport::Mptcp => event::Transport::Tcp,
            Transport::Unix => event::Transport::Unix,
        }),
        protocol: Protocol {
            name: ProtocolName::Http,
            version: message.map(|m| match m.version {
                Version::Http10 => HttpVersion::Http10,
                Version::Http11 => HttpVersion::Http11,
                Version::Http2 => HttpVersion::Http2,
            }),
        },
        connection: context.ids.connection(context.boot.date(open.time), name),
        stream: exchange.stream,
    }
}

/// `https` where there is TLS and the request names no scheme itself.
fn scheme_of<'a>(conn: &ConnInfo, message: &Half, mut url: Url<'a>) -> Url<'a> {
    let is_default = message.head.scheme.is_none() && url.original.is_none();
    if is_default && (conn.open.library.is_some() || conn.open.upper) {
        url.scheme = Some(Lower(b"https"));
    }
    url
}

fn tls<'a>(conn: &'a ConnInfo, masked: &'a Masked) -> Option<Tls<'a>> {
    let library = match conn.open.library {
        Some(eaves_common::TlsLibrary::OpenSsl) => TlsLibrary::Openssl,
        Some(eaves_common::TlsLibrary::GnuTls) => TlsLibrary::Gnutls,
        Some(eaves_common::TlsLibrary::Go) => TlsLibrary::Go,
        Some(eaves_common::TlsLibrary::Rustls) => TlsLibrary::Rustls,
        Some(eaves_common::TlsLibrary::Nss) => TlsLibrary::Nss,
        None if conn.open.upper => TlsLibrary::Kernel,
        None => return None,
    };
    let mut tls = Tls::of(library, conn.open.handshake.as_deref());
    tls.server_name = tls.server_name.map(|name| Lower(masked.word(name.0)));
    tls.next_protocol = tls.next_protocol.map(|name| Text(masked.word(name.0)));
    if tls
        .offered_protocols
        .iter()
        .any(|name| masked.word(name) != name)
    {
        tls.offered_protocols = &[];
    }
    Some(tls)
}

/// This end and the other end, as far as they have addresses.
fn ends(conn: &ConnInfo) -> (Option<Endpoint<'_>>, Option<Endpoint<'_>>) {
    let open = &conn.open;
    if open.transport == Some(Transport::Unix) {
        let named = Some(open.path.as_slice())
            .filter(|path| !path.is_empty())
            .map(|path| Endpoint {
                address: Address::Unix(path),
                port: None,
            });
        return if open.path_is_local {
            (named, None)
        } else {
            (None, named)
        };
    }
    let inet = |(ip, port): (IpAddr, u16)| Endpoint {
        address: Address::Ip(ip),
        port: Some(port),
    };
    (open.local.map(inet), open.remote.map(inet))
}

fn sealed_request<'a>(message: &'a Half, masked: &'a Masked) -> Request<'a> {
    let side = Side::Request;
    Request {
        method: Some(masked.word(message.head.get(message.head.word)))
            .filter(|method| !method.is_empty())
            .map(Text),
        headers: fields(&message.head, masked, side, Container::Field),
        header_bytes: message.header_bytes,
        body_bytes: message.body.total_bytes,
        body: body(&message.body, &message.head, masked, side),
        trailers: trailers(message, masked, side),
    }
}

fn sealed_response<'a>(message: &'a Half, masked: &'a Masked) -> Response<'a> {
    let side = Side::Response;
    Response {
        status_code: (message.status != 0).then_some(message.status),
        headers: fields(&message.head, masked, side, Container::Field),
        header_bytes: message.header_bytes,
        body_bytes: message.body.total_bytes,
        body: body(&message.body, &message.head, masked, side),
        trailers: trailers(message, masked, side),
    }
}

fn grpc<'a>(call: &'a Grpc, masked: &'a Masked) -> event::Grpc<'a> {
    let named = |name: &'a [u8]| (!name.is_empty()).then(|| Text(masked.word(name)));
    event::Grpc {
        service: named(&call.service),
        method: named(&call.method),
        status_code: call.status,
        status_message: masked.status_message().map(Text),
        timeout_ns: call.timeout_ns,
        request_messages: call.request.count,
        response_messages: call.response.count,
        request_message_bytes: call.request.bytes,
        response_message_bytes: call.response.bytes,
        request_fields: protobuf::fields(&call.request_fields),
        response_fields: protobuf::fields(&call.response_fields),
    }
}

fn fields<'a>(
    head: &'a Head,
    masked: &'a Masked,
    side: Side,
    container: fn(u16) -> Container,
) -> Vec<Field<'a>> {
    let pair = |(number, (name, value))| {
        let value = masked.or(side, container(number), value);
        (Lower(masked.word(name)), Text(value))
    };
    // A head has fewer fields than that by its own limit.
    (0..u16::MAX).zip(head.fields()).map(pair).collect()
}

fn trailers<'a>(message: &'a Half, masked: &'a Masked, side: Side) -> Vec<Field<'a>> {
    let fields = |head| fields(head, masked, side, Container::Trailer);
    message.trailers.as_deref().map(fields).unwrap_or_default()
}

fn body<'a>(
    body: &'a Body,
    head: &'a Head,
    masked: &'a Masked,
    side: Side,
) -> Option<event::Body<'a>> {
    if body.content.is_empty() {
        return None;
    }
    let media_type = head
        .field("content-type")
        .and_then(|value| value.split(|b| *b == b';').next())
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
        .map(Lower);
    let shown = masked.or(side, Container::Body, &body.content);
    let content = (!masked.leaves_out(side)).then_some(shown);
    let mut told = event::Body::new(content, body.content.len(), media_type);
    if content.is_some()
        && let Some(field) = head.field("content-type")
    {
        told.parts = parts::parts(field, &body.content, shown);
    }
    if body.is_decoded {
        let field = head.field("content-encoding").map(<[u8]>::trim_ascii);
        told.decoded_from = field.map(Lower);
    }
    Some(told)
}

fn completeness(exchange: &Exchange) -> Completeness {
    Completeness {
        request: exchange.request_seen,
        response: exchange.response_seen,
        missing_bytes: exchange.missing_bytes,
        reasons: exchange.reasons.clone(),
    }
}

#[cfg(test)]
mod tests;
