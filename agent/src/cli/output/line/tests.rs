use super::{Lines, duration, size};
use crate::clock::WallTime;
use crate::event::{
    Address, ApiEvent, Client, Completeness, ConnName, Count, Detail, Endpoint, ExchangeKind,
    Extent, Host, Http, HttpVersion, Ids, Lower, MissingReason, Network, Notice, PortKind, Process,
    Protocol, ProtocolName, Request, Response, Role, RoomFate, SCHEMA, Severity, ShedCause,
    ShedState, ShedWhat, Signal, Signals, TapState, Text, Transport, Url, User,
};

const TIME: WallTime = WallTime(1_795_240_931_123_456_789);
const CONN: ConnName = ConnName {
    sock: 1,
    inode: 1,
    heard_ns: 1,
};
const HOST: Host<'_> = Host { name: "h", id: "" };

fn http() -> Http<'static> {
    Http {
        route: None,
        request: Some(Request {
            method: Some(Text(b"GET")),
            headers: vec![],
            header_bytes: 80,
            body_bytes: Some(0),
            body: None,
            trailers: vec![],
        }),
        response: Some(Response {
            status_code: Some(200),
            headers: vec![],
            header_bytes: 80,
            body_bytes: Some(5120),
            body: None,
            trailers: vec![],
        }),
    }
}

fn event() -> ApiEvent<'static> {
    let ids = Ids::new("", 1);
    let end = |last, port| {
        Some(Endpoint {
            address: Address::Ip([10, 0, 0, last].into()),
            port: Some(port),
        })
    };
    ApiEvent {
        kind: ExchangeKind::Exchange,
        schema: SCHEMA,
        id: ids.exchange(TIME, CONN, 1, 0),
        time: TIME,
        duration_ns: Some(1_834_211),
        time_to_first_byte_ns: None,
        role: Role::Server,
        network: Network {
            transport: Some(Transport::Tcp),
            protocol: Protocol {
                name: ProtocolName::Http,
                version: Some(HttpVersion::Http11),
            },
            connection: ids.connection(TIME, CONN),
            stream: None,
        },
        client: end(7, 51_322).map(Into::into),
        peer: end(7, 51_322),
        server: end(1, 80),
        tls: None,
        url: Some(Url {
            domain: Some(Lower(b"API.example.com")),
            path: Some(Text(b"/users/42")),
            query: Some(Text(b"v=1")),
            ..Url::default()
        }),
        partial: false,
        first: None,
        grpc: None,
        graphql: None,
        rpc: None,
        websocket: None,
        http: http(),
        user: None,
        user_agent: None,
        process: Process {
            pid: 812,
            name: Text(b"nginx"),
            executable: None,
            command_line: None,
            start: None,
            user: None,
            parent: None,
            unit: None,
        },
        container: None,
        kubernetes: None,
        host: HOST,
        completeness: Completeness {
            request: Extent::Whole,
            response: Extent::Whole,
            missing_bytes: 0,
            reasons: vec![],
        },
        anomalies: &[],
        signals: Signals::NONE,
        sensitive: Default::default(),
        excerpts: &[],
        proofs: &[],
        findings: Vec::new(),
    }
}

fn line(lines: &mut Lines, event: &ApiEvent<'_>) -> String {
    let mut out = String::new();
    lines.exchange(event, &mut out);
    out
}

#[track_caller]
fn check(event: &ApiEvent<'_>, width: Option<usize>, expected: &str) {
    let line = line(&mut Lines::new(false, width), event);
    assert_eq!(line, format!("{expected}\n"));
}

#[test]
fn a_line_tells_who_asked_what_and_got_what() {
    check(
        &event(),
        None,
        "06:02:11.123 ← 10.0.0.7:51322        nginx[812]     GET     \
         api.example.com/users/42?v=1 200     0  5.1k   1.8ms",
    );
}

#[test]
fn the_client_behind_proxies_and_the_user_are_told() {
    let via = [[10, 0, 0, 7].into()];
    let mut event = event();
    event.client = Some(Client {
        address: Address::Ip([203, 0, 113, 7].into()),
        port: None,
        via: &via,
        geo: None,
        network: None,
    });
    event.user = Some(User {
        id: Some(Text(b"al\x1bice")),
        source: "basic",
        credential: None,
    });
    event.signals = Signals::from_iter([Signal::AuthorizationFailure, Signal::SensitiveAdmin]);
    check(
        &event,
        None,
        "06:02:11.123 ← 203.0.113.7           nginx[812]     GET     \
         api.example.com/users/42?v=1 200     0  5.1k   1.8ms \
         @al\\u{1b}ice authorization_failure",
    );
}

#[test]
fn titles_stand_over_their_columns() {
    let mut lines = Lines::new(false, Some(120));
    let header = lines.header();
    let line = line(&mut lines, &event());
    for (title, value) in [("client", "10.0."), ("process", "nginx"), ("method", "GET")] {
        let column = |line: &str, word| line.find(word).map(|at| line[..at].chars().count());
        assert_eq!(column(&header, title), column(&line, value), "{title}");
    }
    assert_eq!(header.trim_end().chars().count(), 120);
    assert_eq!(line.trim_end().chars().count(), 120);
}

#[test]
fn a_line_fits_its_terminal_and_is_never_cut_without_one() {
    let mut event = event();
    let path = "/é".repeat(200);
    event.url = Some(Url {
        path: Some(Text(path.as_bytes())),
        ..Url::default()
    });
    for width in 53..300 {
        let mut lines = Lines::new(false, Some(width));
        let header = lines.header();
        let line = line(&mut lines, &event);
        let columns = line.trim_end().chars().count();
        assert_eq!(header.trim_end().chars().count(), columns, "{header}");
        assert!(columns <= width && columns + 22 >= width, "{line}");
        assert!(line.contains("… 200 "), "{line}");
    }
    let narrow = line(&mut Lines::new(false, Some(80)), &event);
    assert!(
        narrow.contains("10.0.0.7") && !narrow.contains("nginx"),
        "{narrow}"
    );
    assert!(line(&mut Lines::new(false, None), &event).contains(&path));
}

#[test]
fn columns_grow_and_stay_grown() {
    let mut lines = Lines::new(false, Some(160));
    let mut wide = event();
    wide.peer = Some(Endpoint {
        address: Address::Ip("2001:db8:1:2:3:4:5:6".parse().unwrap()),
        port: Some(443),
    });
    wide.client = wide.peer.map(Into::into);
    let at = |line: &str| line.find("nginx").map(|at| line[..at].chars().count());
    let before = at(&line(&mut lines, &event()));
    let grown = at(&line(&mut lines, &wide));
    assert!(grown > before);
    assert_eq!(at(&line(&mut lines, &event())), grown);
}

#[test]
fn what_is_not_known_is_a_dash() {
    let mut event = event();
    event.client = None;
    event.peer = None;
    event.server = None;
    event.duration_ns = None;
    event.url = None;
    event.http = Http {
        route: None,
        request: None,
        response: None,
    };
    event.completeness.request = Extent::JoinedLate;
    event.completeness.response = Extent::None;
    check(
        &event,
        None,
        "06:02:11.123 ← -                     nginx[812]     ?       (request not seen) -       \
         -     -       - request: joined late response: none",
    );
}

#[test]
fn marks_say_what_is_missing_and_what_was_odd() {
    let mut event = event();
    event.role = Role::Client;
    event.completeness = Completeness {
        request: Extent::Truncated,
        response: Extent::Gap,
        missing_bytes: 70_000,
        reasons: vec![MissingReason::BodyLimit, MissingReason::RingFull],
    };
    event.anomalies = &["chunk_extension"];
    let line = line(&mut Lines::new(false, None), &event);
    assert!(line.contains(" → 10.0.0.7:51322 "), "{line}");
    let marks = "   1.8ms request~ response: gap missing 70.0k (ring full) !chunk_extension\n";
    assert!(line.ends_with(marks), "{line}");
}

#[test]
fn a_unix_socket_is_named_by_its_path() {
    let mut event = event();
    event.client = None;
    event.peer = None;
    event.server = Some(Endpoint {
        address: Address::Unix(b"/run/\x1bapp.sock"),
        port: None,
    });
    let line = line(&mut Lines::new(false, None), &event);
    assert!(line.contains("← /run/\\u{1b}app.sock "), "{line}");
}

#[test]
fn foreign_bytes_are_harmless_in_every_column() {
    let evil = b"\x1b[2J\r\n\x07\xff\xc2\x9b";
    let mut event = event();
    event.process.name = Text(evil);
    event.url = Some(Url {
        domain: Some(Lower(evil)),
        path: Some(Text(evil)),
        query: Some(Text(evil)),
        ..Url::default()
    });
    if let Some(request) = &mut event.http.request {
        request.method = Some(Text(evil));
    }
    for width in [None, Some(80), Some(10)] {
        let line = line(&mut Lines::new(false, width), &event);
        let body = line.strip_suffix('\n').unwrap();
        assert!(!body.chars().any(char::is_control), "{body:?}");
    }
}

#[test]
fn colours_are_there_only_if_asked_for() {
    let coloured = line(&mut Lines::new(true, Some(120)), &event());
    assert!(coloured.contains("\x1b[32m200\x1b[0m"));
    let mut plain = coloured;
    while let Some(start) = plain.find('\x1b') {
        let end = start + plain[start..].find('m').unwrap();
        plain.replace_range(start..=end, "");
    }
    assert_eq!(plain, line(&mut Lines::new(false, Some(120)), &event()));
}

#[test]
fn sizes_and_durations_keep_to_their_columns() {
    for (bytes, expected) in [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (u64::MAX, "18.4E"),
    ] {
        assert_eq!(size(bytes), expected);
    }
    for (ns, expected) in [
        (0, "0ns"),
        (999, "999ns"),
        (1_834, "1.8µs"),
        (12_345_678, "12.3ms"),
        (999_999_999, "999ms"),
        (1_230_000_000, "1.23s"),
        (59_999_999_999, "59.99s"),
        (61_000_000_000, "1m01s"),
        (3_600_000_000_000, "1h00m"),
    ] {
        assert_eq!(duration(ns), expected);
    }
}

#[track_caller]
fn check_notice(severity: Severity, detail: Detail<'_>, expected: &str) {
    let id = Ids::new("", 1).notice(TIME, 0);
    let mut out = String::new();
    let notice = Notice::new(id, TIME, HOST, severity, detail);
    Lines::new(false, None).notice(&notice, &mut out);
    assert_eq!(out, format!("06:02:11.123 · {expected}\n"));
}

#[test]
fn tls_that_is_not_heard_is_a_sentence() {
    check_notice(
        Severity::Medium,
        Detail::Tls {
            process: "java".to_owned(),
            pid: 812,
            port: 443,
            transport: PortKind::Tcp,
            role: Some(Role::Client),
            library: Some("jsse"),
            library_version: None,
            reason: "it is Java's own".into(),
            advice: Some("use another"),
        },
        "java (812), TLS to port 443 is not heard: it is Java's own; use another",
    );
}

#[test]
fn notices_are_sentences() {
    let check = check_notice;
    check(
        Severity::Info,
        Detail::Start {
            version: "0.1.0",
            kernel: Some("6.18"),
        },
        "eaves 0.1.0 listens on Linux 6.18",
    );
    check(
        Severity::High,
        Detail::Tap {
            tap: "socket",
            state: TapState::Lost,
            reason: Some("\x1brefused"),
        },
        "tap socket lost: \\u{1b}refused",
    );
    check(
        Severity::Low,
        Detail::Tls {
            process: "nginx".to_owned(),
            pid: 812,
            port: 443,
            transport: PortKind::Udp,
            role: None,
            library: None,
            library_version: None,
            reason: "open beside its TCP listener".into(),
            advice: None,
        },
        "nginx (812), UDP port 443: open beside its TCP listener",
    );
    let count = Count {
        stage: "kernel",
        name: "ring_full",
        count: 3,
    };
    check(
        Severity::Medium,
        Detail::Loss {
            window_ns: 1,
            counts: vec![count],
        },
        "lost: kernel.ring_full 3",
    );
    check(
        Severity::Low,
        Detail::Shed {
            state: ShedState::More,
            what: vec![ShedWhat::Bodies, ShedWhat::StaticAssets],
            cause: ShedCause::Cpu,
            counts: vec![count],
        },
        "limits.cpu is reached; left out by now: bodies, static assets; 3 ring_full",
    );
    check(
        Severity::High,
        Detail::Room {
            thread: "sink-siem".to_owned(),
            state: RoomFate::Fallen,
        },
        "thread sink-siem: it fell and does no more until the agent is restarted",
    );
    check(
        Severity::Info,
        Detail::Stop {
            reason: "SIGTERM",
            drained: true,
            ledger: vec![],
        },
        "stopped: SIGTERM; all that was heard is told",
    );
}
