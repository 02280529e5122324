//! Events of about 600 bytes without bodies and header fields, with as much in them that cannot be guessed as in
//! real ones.

use std::path::Path;

use eaves::clock::WallTime;
use eaves::event::stamp;
use eaves::journal::{KeyPlace, Keys, Options, Record, RecordKind, Worth};

/// Nanoseconds from one event to the next, about.
pub(crate) const APART_NS: u64 = 50_000;

/// Small random numbers (xorshift64, Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    /// Like a UUIDv7 of one second: 74 random bits.
    fn id(&mut self) -> String {
        let (a, b) = (self.next(1 << 12), self.next(1 << 62));
        let back = format!("{:016x}", b | 1 << 63);
        let (front, back) = back.split_at(4);
        format!("019aa2f1-{:04x}-7{a:03x}-{front}-{back}", self.next(1000))
    }
}

/// One event.
pub(crate) struct Event {
    pub(crate) line: String,
    pub(crate) client: String,
    route: &'static str,
    status: u16,
    pub(crate) date: WallTime,
}

impl Event {
    /// As it is appended.
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            kind: RecordKind::Exchange,
            worth: Worth::default(),
            severity: None,
            time: self.date,
            line: self.line.as_bytes(),
            keys: Keys {
                host: b"api.example.com",
                route: self.route.as_bytes(),
                client: self.client.as_bytes(),
                user: b"",
                status: Some(self.status),
            },
        }
    }
}

/// Events without end, the same in every run.
pub(crate) struct Events {
    random: Random,
    clients: u64,
    kept: u64,
    number: u64,
    begun: WallTime,
    connection: String,
    client: String,
    port: u64,
}

impl Events {
    /// Of so many clients, each with `kept` events of a connection before the next.
    pub(crate) fn new(clients: u64, kept: u64) -> Self {
        Self {
            random: Random(0x5eed),
            clients,
            kept,
            number: 0,
            begun: WallTime(1_795_240_931_000_000_000),
            connection: String::new(),
            client: String::new(),
            port: 0,
        }
    }
}

/// The address of a client.
pub(crate) fn address(client: u64) -> String {
    format!("203.{}.{}.{}", client / 2500, client / 50 % 50, client % 50)
}

const ROUTES: [&str; 5] = [
    "/users/{id}",
    "/orders/{id}",
    "/login",
    "/search",
    "/cart/{id}/items",
];

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let random = &mut self.random;
        if self.number.is_multiple_of(self.kept) {
            self.connection = random.id();
            self.client = address(random.next(self.clients));
            self.port = 30_000 + random.next(30_000);
        }
        let date = WallTime(self.begun.0 + self.number * APART_NS + random.next(APART_NS));
        self.number += 1;
        let (connection, client, port) = (&self.connection, &self.client, self.port);
        let route = ROUTES.get(random.next(5) as usize).copied()?;
        let path = route.replace("{id}", &random.next(100_000).to_string());
        let status = match random.next(50) {
            0 => 503,
            1 | 2 => 404,
            _ => 200,
        };
        let (id, time) = (random.id(), stamp(date));
        let time = str::from_utf8(&time).ok()?;
        let (duration, first) = (
            500_000 + random.next(4_000_000),
            300_000 + random.next(200_000),
        );
        let (request, response, body) = (
            380 + random.next(60),
            170 + random.next(9),
            random.next(2000),
        );
        let line = format!(
            "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"{id}\",\"time\":\"{time}\",\
             \"duration_ns\":{duration},\"time_to_first_byte_ns\":{first},\"role\":\"server\",\"network\":\
             {{\"transport\":\"tcp\",\"protocol\":{{\"name\":\"http\",\"version\":\"1.1\"}},\"connection\":\
             \"{connection}\"}},\"client\":{{\"address\":\"{client}\",\"port\":{port}}},\"server\":\
             {{\"address\":\"10.0.0.5\",\"port\":8080}},\"url\":{{\"scheme\":\"http\",\"domain\":\
             \"api.example.com\",\"path\":\"{path}\"}},\"http\":{{\"route\":\"{route}\",\"request\":\
             {{\"method\":\"GET\",\"header_bytes\":{request},\"body_bytes\":0}},\"response\":{{\"status_code\":\
             {status},\"header_bytes\":{response},\"body_bytes\":{body}}}}},\"process\":{{\"pid\":812,\"name\":\
             \"nginx\"}},\"host\":{{\"name\":\"web-3\"}},\"completeness\":{{\"request\":\"whole\",\
             \"response\":\"whole\"}}}}\n"
        );
        Some(Event {
            line,
            client: client.clone(),
            route,
            status,
            date,
        })
    }
}

/// A journal in `dir` is kept so.
pub(crate) fn options(dir: &Path) -> Options {
    let key = KeyPlace {
        credential: None,
        file: dir.join("journal.key"),
    };
    Options {
        min_free: 0,
        ..Options::new(dir.join("journal"), key)
    }
}
