//! [`Exchange`] → [`ApiEvent`].
//!
//! [`seal`] alone turns raw bytes into what may leave the agent. It reports what was heard and
//! copies no payload. It masks nothing.

mod arguments;
mod place;
mod target;

use std::net::IpAddr;

pub use arguments::{WriteMask, mask_arguments, mask_label};

use crate::capture::Origin;
use crate::clock::BootTime;
use crate::event::{
    self, Address, ApiEvent, Client, Completeness, ConnName, Endpoint, ExchangeKind, Field, Host,
    Http, HttpVersion, Ids, Lower, Network, Protocol, ProtocolName, Request, Response, SCHEMA,
    Text, User, UserAgent,
};
use crate::exchange::{Body, ConnInfo, Exchange, Half, Head, Seen, Version};
use eaves_common::Transport;

/// What sealing must know beside the exchange: whose it is, and when that host booted.
#[derive(Clone, Debug)]
pub struct SealContext {
    ids: Ids,
    host_name: String,
    host_id: String,
    boot: BootTime,
}

impl SealContext {
    /// For exchanges heard at `origin`.
    #[must_use]
    pub fn new(origin: &Origin) -> Self {
        Self {
            ids: Ids::new(&origin.host_id, origin.run),
            host_name: origin.host_name.clone(),
            host_id: origin.host_id.clone(),
            boot: origin.boot,
        }
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

/// The event that reports `exchange`.
#[must_use]
pub fn seal<'a>(exchange: &'a Exchange, context: &'a SealContext) -> ApiEvent<'a> {
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
    let (local, remote) = ends(conn);
    let (client, server) = match conn.role {
        eaves_common::Role::Server => (remote, local),
        eaves_common::Role::Client => (local, remote),
    };
    ApiEvent {
        kind: ExchangeKind::Exchange,
        schema: SCHEMA,
        id: context.ids.exchange(time, name, exchange.ordinal, 0),
        time,
        duration_ns: duration(exchange),
        time_to_first_byte_ns: request
            .zip(response)
            .map(|(request, response)| response.began.since(request.began)),
        role: match conn.role {
            eaves_common::Role::Server => event::Role::Server,
            eaves_common::Role::Client => event::Role::Client,
        },
        network: Network {
            transport: conn.open.transport.map(|transport| match transport {
                Transport::Tcp | Transport::Mptcp => event::Transport::Tcp,
                Transport::Unix => event::Transport::Unix,
            }),
            protocol: Protocol {
                name: ProtocolName::Http,
                version: request.or(response).map(|m| match m.version {
                    Version::Http10 => HttpVersion::Http10,
                    Version::Http11 => HttpVersion::Http11,
                    Version::Http2 => HttpVersion::Http2,
                }),
            },
            connection: context
                .ids
                .connection(context.boot.date(conn.open.time), name),
            stream: exchange.stream,
        },
        client: client_of(exchange).or_else(|| client.map(Client::from)),
        peer: remote,
        server,
        url: request.map(|m| target::url(&m.head)),
        http: Http {
            route: exchange.known.route.as_ref().map(|r| &*r.template),
            request: request.map(sealed_request),
            response: response.map(sealed_response),
        },
        user: exchange.known.user.as_ref().map(|user| User {
            id: user.id.as_deref().map(Text),
            source: &user.source,
            credential: user.credential,
        }),
        user_agent: user_agent(exchange),
        process: place::process(exchange, context.boot),
        container: place::container(exchange),
        kubernetes: place::kubernetes(exchange),
        host: context.host(),
        completeness: completeness(exchange),
        anomalies: &exchange.anomalies,
        signals: exchange.known.signals,
    }
}

/// Who asked, if that is known better than by the socket's end.
fn client_of(exchange: &Exchange) -> Option<Client<'_>> {
    exchange.known.client.as_ref().map(|client| Client {
        address: Address::Ip(client.address),
        port: client.port,
        via: &client.via,
    })
}

fn user_agent(exchange: &Exchange) -> Option<UserAgent<'_>> {
    let original = exchange.request.as_ref()?.head.field("user-agent")?;
    let device = exchange.known.device.as_deref();
    Some(UserAgent {
        original: Text(original),
        name: device.map_or("", |device| &device.name),
        version: device.map_or("", |device| &device.version),
        os: device.map_or("", |device| &device.os),
        class: device.and_then(|device| device.class),
    })
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

fn sealed_request(message: &Half) -> Request<'_> {
    Request {
        method: Some(message.head.get(message.head.word))
            .filter(|method| !method.is_empty())
            .map(Text),
        headers: fields(&message.head),
        header_bytes: message.header_bytes,
        body_bytes: message.body.total_bytes,
        body: body(&message.body, &message.head),
        trailers: trailers(message),
    }
}

fn sealed_response(message: &Half) -> Response<'_> {
    Response {
        status_code: (message.status != 0).then_some(message.status),
        headers: fields(&message.head),
        header_bytes: message.header_bytes,
        body_bytes: message.body.total_bytes,
        body: body(&message.body, &message.head),
        trailers: trailers(message),
    }
}

fn fields(head: &Head) -> Vec<Field<'_>> {
    let pair = |(name, value)| (Lower(name), Text(value));
    head.fields().map(pair).collect()
}

fn trailers(message: &Half) -> Vec<Field<'_>> {
    message.trailers.as_deref().map(fields).unwrap_or_default()
}

fn body<'a>(body: &'a Body, head: &'a Head) -> Option<event::Body<'a>> {
    if body.content.is_empty() {
        return None;
    }
    let media_type = head
        .field("content-type")
        .and_then(|value| value.split(|b| *b == b';').next())
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
        .map(Lower);
    event::Body::new(&body.content, media_type)
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
