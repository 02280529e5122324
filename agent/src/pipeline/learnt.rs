//! What is learnt of endpoints: taken from the journal's folder at the start, and kept there.
//!
//! A snapshot every five minutes and at the end, in one file that is replaced by rename. What was
//! written to the journal behind the last one, before a crash, is taken in again at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::catalog::{self, Catalog};
use crate::enrich::{Enrich, Templates};
use crate::event::parse_stamp;
use crate::exchange::Route;
use crate::journal::{Cursor, JournalError, Reader, State};

/// Name of the state.
const NAME: &str = "endpoints";

/// How often it is kept.
const EVERY: Duration = Duration::from_secs(300);

/// What is kept of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// The templates of paths.
    pub templates: Templates,
    /// What was seen of them.
    pub catalog: catalog::Kept,
}

impl Endpoints {
    /// Those that were last kept for the journal in `dir`; `None` if none were.
    ///
    /// # Errors
    /// They cannot be read, or are not what was kept.
    pub fn load(dir: &Path) -> Result<Option<(Cursor, Self)>, JournalError> {
        let saved = State::of(dir).load::<Self>(NAME)?;
        Ok(saved.map(|saved| (saved.cursor, saved.state)))
    }
}

/// Where what was learnt is kept, and when it was last.
pub(super) struct Learnt {
    dir: PathBuf,
    state: State,
    kept: Instant,
}

impl Learnt {
    /// Beside the journal in `dir`; gives what was learnt before to those who learnt it.
    pub(super) fn begin(dir: &Path, enrich: &mut Enrich, catalog: &mut Catalog) -> Self {
        match Endpoints::load(dir) {
            Ok(Some((cursor, endpoints))) => {
                enrich.recall(&endpoints.templates);
                *catalog = Catalog::of(endpoints.catalog);
                catch_up(dir, cursor, enrich, catalog);
            }
            // Killed before the first snapshot, or never begun: then there is no journal to read.
            Ok(None) => catch_up(dir, Cursor::default(), enrich, catalog),
            Err(error) => {
                tracing::warn!(%error, "what was learnt of endpoints is lost, learning begins anew");
            }
        }
        Self {
            dir: dir.into(),
            state: State::of(dir),
            kept: Instant::now(),
        }
    }

    /// Whether it is time to keep it.
    pub(super) fn is_due(&self) -> bool {
        self.kept.elapsed() >= EVERY
    }

    /// Keeps what is learnt, which is all before frame `synced` of the journal.
    pub(super) fn keep(&mut self, enrich: &Enrich, catalog: &Catalog, synced: u64) {
        self.kept = Instant::now();
        let endpoints = Endpoints {
            templates: enrich.templates(),
            catalog: catalog.kept(),
        };
        let cursor = Cursor {
            frame: synced,
            ..Cursor::default()
        };
        if let Err(error) = self.state.save(NAME, cursor, &endpoints) {
            let dir = self.dir.display();
            tracing::warn!(%error, %dir, "what was learnt of endpoints cannot be kept");
        }
    }
}

/// Takes in what the journal has behind `cursor`, as far as it can be read.
fn catch_up(dir: &Path, cursor: Cursor, enrich: &mut Enrich, catalog: &mut Catalog) {
    let Ok(mut reader) = Reader::forward(dir, cursor) else {
        return;
    };
    let mut hosts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Ok(Some(frame)) = reader.next(|index| index.counts.exchanges > 0) {
        for (_, line) in frame.records() {
            let Some(event) = Event::read(line) else {
                continue;
            };
            event.note(catalog);
            if event
                .status
                .is_some_and(|status| (200..400).contains(&status))
            {
                hosts.entry(event.host).or_default().insert(event.route);
            }
        }
    }
    let listed = hosts
        .into_iter()
        .map(|(host, routes)| (host, routes.into_iter().collect()));
    enrich.recall(&Templates {
        hosts: listed.collect(),
        ..Templates::default()
    });
}

/// An exchange as it was written down, as far as it tells of an endpoint.
#[derive(Debug)]
pub struct Event {
    host: String,
    route: String,
    method: String,
    path: String,
    query: String,
    status: Option<u16>,
    time: crate::clock::WallTime,
}

impl Event {
    /// Reads the line of an exchange that a server of this host answered; `None` for any other, and
    /// where no route is named.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            kind: String,
            time: String,
            role: String,
            #[serde(default)]
            url: Url,
            http: Http,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Url {
            domain: String,
            path: String,
            query: String,
        }
        #[derive(Deserialize)]
        struct Http {
            route: String,
            request: Request,
            response: Option<Response>,
        }
        #[derive(Deserialize)]
        struct Request {
            method: String,
        }
        #[derive(Deserialize)]
        struct Response {
            status_code: u16,
        }
        let line: Line = serde_json::from_slice(line).ok()?;
        let whole = line.kind == "exchange" && line.role == "server";
        whole.then_some(())?;
        Some(Self {
            host: line.url.domain,
            route: line.http.route,
            method: line.http.request.method,
            path: line.url.path,
            query: line.url.query,
            status: line.http.response.map(|response| response.status_code),
            time: parse_stamp(line.time.as_bytes())?,
        })
    }

    /// Writes it down.
    pub fn note(&self, catalog: &mut Catalog) {
        let of = Route::of(&self.host, &self.route);
        let route = Route {
            host: self.host.as_str().into(),
            template: self.route.as_str().into(),
            endpoint: Route::number(of, self.method.as_bytes()),
        };
        let _ = catalog.seen(&catalog::Seen {
            route: &route,
            method: self.method.as_bytes(),
            time: self.time,
            status: self.status,
            path: self.path.as_bytes(),
            query: self.query.as_bytes(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoints, Event, Learnt, Templates};
    use crate::catalog::Catalog;
    use crate::clock::{Moment, WallTime};
    use crate::enrich::{Enrich, Identity};
    use crate::journal::{Keys, Record, RecordKind, Worth};
    use crate::keyed::HashKey;
    use crate::pipeline::tests::journal_in;
    use std::path::Path;

    fn line(route: &str, extra: &str) -> String {
        format!(
            r#"{{"kind":"exchange","schema":1,"time":"2026-11-21T06:02:11.123456789Z","role":"server","url":{{"domain":"a","path":"/users/7","query":"q=1"}},"http":{{{route}"request":{{"method":"GET","headers":[]}},"response":{{"status_code":200}}}}{extra}}}"#
        )
    }

    fn enrich() -> Enrich {
        Enrich::new(Identity::default(), HashKey::new(b"key"))
    }

    #[test]
    fn events_tell_of_endpoints_if_they_name_a_route() {
        let line = line(r#""route":"/users/{id}","#, r#","new_field":[1]"#);
        let event = Event::read(line.as_bytes()).unwrap();
        let mut catalog = Catalog::default();
        event.note(&mut catalog);
        let list = catalog.endpoints();
        assert_eq!(
            (list.len(), &*list[0].route, list[0].count),
            (1, "/users/{id}", 1)
        );
        assert!(Event::read(line.replace("server", "client").as_bytes()).is_none());
        assert!(Event::read(super::tests::line("", "").as_bytes()).is_none());
        assert!(Event::read(br#"{"kind":"notice"}"#).is_none());
        assert!(Event::read(b"{").is_none());
    }

    #[test]
    fn what_is_learnt_is_there_after_a_restart() {
        let dir = std::env::temp_dir().join(format!("eaves-learnt-{}", std::process::id()));
        let (mut one, mut catalog) = (enrich(), Catalog::default());
        let mut learnt = Learnt::begin(&dir, &mut one, &mut catalog);
        let routes = vec!["/users/{id}".to_owned()];
        one.recall(&Templates {
            hosts: [("a".to_owned(), routes)].into(),
            ..Templates::default()
        });
        let event = Event::read(line(r#""route":"/users/{id}","#, "").as_bytes()).unwrap();
        event.note(&mut catalog);
        learnt.keep(&one, &catalog, 7);
        let (mut other, mut again) = (enrich(), Catalog::default());
        Learnt::begin(&dir, &mut other, &mut again);
        assert_eq!(other.templates(), one.templates());
        assert_eq!(again.kept(), catalog.kept());
        assert_eq!(Endpoints::load(&dir).unwrap().unwrap().0.frame, 7);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// Writes exchanges on `routes` into the journal in `dir`.
    fn write(dir: &Path, routes: &[&str]) {
        let mut journal = journal_in(dir);
        for route in routes {
            let line = line(&format!(r#""route":"{route}","#), "") + "\n";
            let record = Record {
                kind: RecordKind::Exchange,
                worth: Worth::Common,
                severity: None,
                time: WallTime(1_795_240_931_123_456_789),
                line: line.as_bytes(),
                keys: Keys::default(),
            };
            journal.append(&record, Moment::now());
        }
        journal.close(Moment::now());
    }

    /// Checks what is known at a start of what came before the last snapshot, and behind it, when the
    /// agent was killed; `None`: there was no snapshot yet.
    #[track_caller]
    fn check_killed(name: &str, before: Option<&[&str]>, behind: &[&str], expected: &[&str]) {
        let dir = std::env::temp_dir().join(format!("eaves-killed-{}-{name}", std::process::id()));
        if let Some(before) = before {
            write(&dir, before);
            let (mut one, mut catalog) = (enrich(), Catalog::default());
            let mut learnt = Learnt::begin(&dir, &mut one, &mut catalog);
            learnt.keep(&one, &catalog, 1);
        }
        write(&dir, behind);
        let templates = [(); 2].map(|()| {
            let (mut other, mut catalog) = (enrich(), Catalog::default());
            Learnt::begin(&dir, &mut other, &mut catalog);
            let told = catalog.endpoints().len();
            assert_eq!(told, expected.len());
            other.templates()
        });
        let known: Vec<&str> = templates[0].hosts["a"].iter().map(String::as_str).collect();
        assert_eq!(known, expected);
        assert_eq!(templates[0], templates[1]);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_was_learnt_before_a_kill_is_taken_from_the_journal() {
        let (users, dates) = ("/users/{id}", "/reports/{date}");
        check_killed("early", None, &[users, dates, users], &[dates, users]);
        check_killed("late", Some(&[users]), &[dates], &[dates, users]);
    }
}
