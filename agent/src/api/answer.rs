//! What is answered to whom asks for what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Subject, figures, metrics};
use crate::clock::WallTime;
use crate::event::stamp;
use crate::pipeline::{RoomHealth, RoomState, SinkStanding};
use crate::telemetry::Counter;
use eaves_common::Counter as Kernel;

/// Which agent this is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// Its version.
    pub version: String,
    /// The tap that hears.
    pub tap: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Its process.
    pub pid: u32,
    /// When it began, nanoseconds since 1970.
    #[serde(skip)]
    pub started: WallTime,
}

/// How the agent does.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Status {
    /// Which agent this is.
    #[serde(flatten)]
    pub about: About,
    /// When it began.
    pub since: String,
    /// How it does as a whole: as its worst room.
    pub state: RoomState,
    /// How each room does.
    pub rooms: Vec<RoomHealth>,
    /// Exchanges that were reported.
    pub exchanges: u64,
    /// Findings.
    pub findings: u64,
    /// Connections it follows now.
    pub connections: u64,
    /// What the kernel side lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// What the agent uses.
    pub usage: figures::Usage,
    /// Bytes of the journal on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal_bytes: Option<u64>,
    /// Where each sink stands.
    pub sinks: Vec<SinkStanding>,
}

/// What the kernel side lost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Lost {
    /// Records for which the ring had no room.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// How long an agent may take until it hears for the first time.
const START_WITHIN: Duration = Duration::from_secs(60);

type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(super) fn answer<B>(request: &Request<B>, subject: &Subject, over_tcp: bool) -> Answer {
    if over_tcp && !is_this_host(request) {
        // A page in a browser reaches loopback by a name of its own.
        return text(StatusCode::FORBIDDEN, "ask by the address of this host\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    match request.uri().path() {
        "/metrics" => metrics::answer(subject),
        "/healthz" => health(subject, true),
        "/readyz" => health(subject, false),
        "/status" => match serde_json::to_vec(&Status::of(subject)) {
            Ok(body) => of_kind(StatusCode::OK, "application/json", body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are: /metrics /healthz /readyz /status\n",
        ),
    }
}

/// Whether all is well, a room a line. `alive`: it is enough that it began a moment ago.
fn health(subject: &Subject, alive: bool) -> Answer {
    let standing = subject.board.standing();
    let rooms = standing.rooms(Instant::now());
    let begins = standing.beat.is_none() && subject.about.age() < START_WITHIN;
    let well = worst(&rooms) != RoomState::Failed || (alive && begins);
    let mut said = String::new();
    for RoomHealth {
        room,
        state,
        reason,
    } in &rooms
    {
        let reason = reason
            .as_deref()
            .map_or(String::new(), |reason| format!(": {reason}"));
        said.push_str(&format!("{room} {}{reason}\n", state.name()));
    }
    let code = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    text(code, &said)
}

/// How the worst room does.
fn worst(rooms: &[RoomHealth]) -> RoomState {
    let states = rooms.iter().map(|room| room.state);
    states.max().unwrap_or(RoomState::Ok)
}

impl About {
    /// How long it has run.
    fn age(&self) -> Duration {
        Duration::from_nanos(WallTime::now().0.saturating_sub(self.started.0))
    }
}

impl Status {
    /// Of `subject`, now.
    fn of(subject: &Subject) -> Self {
        let standing = subject.board.standing();
        let rooms = standing.rooms(Instant::now());
        let counted = &standing.counted;
        let of = |counter| counted.counters.get(counter);
        let kernel = counted.kernel.as_ref();
        Self {
            about: subject.about.clone(),
            since: String::from_utf8_lossy(&stamp(subject.about.started)).into_owned(),
            state: worst(&rooms),
            rooms,
            exchanges: of(Counter::ExchangesReported),
            findings: of(Counter::Findings),
            connections: counted.conns,
            lost: kernel.map(|kernel| Lost {
                records: kernel.get(Kernel::RecordsLost),
                bytes: kernel.get(Kernel::BytesLost),
            }),
            usage: figures::Usage::now(),
            journal_bytes: subject.dir.as_deref().map(figures::bytes_in),
            sinks: subject.sinks(),
        }
    }
}

impl Subject {
    /// Where each sink stands; nothing where that cannot be read, which the sink's room says.
    pub(super) fn sinks(&self) -> Vec<SinkStanding> {
        let dir = self.dir.as_deref();
        let now = self.board.standing().config.clone();
        let config = now.unwrap_or_else(|| Arc::clone(&self.config));
        dir.and_then(|dir| SinkStanding::all(&config, dir).ok())
            .unwrap_or_default()
    }
}

/// Whether a request names this host by an address, or as a host names itself.
fn is_this_host<B>(request: &Request<B>) -> bool {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    name.is_some_and(|name| {
        let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    })
}

/// A line or more for people.
fn text(code: StatusCode, said: &str) -> Answer {
    of_kind(code, "text/plain; charset=utf-8", said.as_bytes().to_vec())
}

/// A body of this media type.
pub(super) fn of_kind(code: StatusCode, media_type: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = code;
    let kind = hyper::header::HeaderValue::from_static(media_type);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::{Method, Request};

    use super::{About, answer};
    use crate::api::Subject;
    use crate::clock::WallTime;
    use crate::config::Config;
    use crate::pipeline::Board;

    fn subject(started: WallTime) -> Subject {
        Subject {
            about: About {
                version: "1".to_owned(),
                tap: "socket".to_owned(),
                kernel: "6".to_owned(),
                pid: 7,
                started,
            },
            board: Arc::new(Board::default()),
            config: Arc::new(Config::default()),
            dir: None,
        }
    }

    #[track_caller]
    fn check(method: Method, path: &str, host: Option<&str>, over_tcp: bool, expected: u16) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(()).unwrap();
        let answered = answer(&request, &subject(WallTime::now()), over_tcp);
        assert_eq!(answered.status().as_u16(), expected, "{path} {host:?}");
    }

    #[test]
    fn an_agent_that_begins_is_alive_and_not_ready() {
        check(Method::GET, "/healthz", None, false, 200);
        check(Method::GET, "/readyz", None, false, 503);
        let request = Request::get("/healthz").body(()).unwrap();
        let answered = answer(&request, &subject(WallTime(0)), false);
        assert_eq!(answered.status().as_u16(), 503);
    }

    #[test]
    fn what_is_not_there_or_would_change_something_is_refused() {
        check(Method::GET, "/", None, false, 404);
        check(Method::POST, "/metrics", None, false, 405);
        check(Method::GET, "/metrics", None, false, 200);
        check(Method::GET, "/status", None, false, 200);
    }

    #[test]
    fn over_tcp_a_page_of_elsewhere_gets_nothing() {
        for host in [
            "127.0.0.1:9180",
            "localhost:9180",
            "[::1]:9180",
            "LOCALHOST",
        ] {
            check(Method::GET, "/metrics", Some(host), true, 200);
        }
        for host in [Some("evil.example:9180"), Some(""), None, Some("10.0.0.1")] {
            check(Method::GET, "/metrics", host, true, 403);
        }
    }
}
