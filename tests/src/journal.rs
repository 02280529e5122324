//! Small journals, written through the agent's library as the daemon writes them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use eaves::clock::{Ktime, Moment};
use eaves::event::parse_stamp;
use eaves::journal::{Journal, KeyPlace, Keys, Options, RealDisk, Record, RecordKind, Worth};
use serde_json::Value;

/// A journal that is being written. Its clock is the test's.
pub struct Writing {
    journal: Journal,
    now: Moment,
}

impl Writing {
    /// Begins one in `dir`, or goes on; its key lies beside it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn begin(dir: &Path) -> Result<Self> {
        let key = KeyPlace {
            credential: None,
            file: dir.with_extension("key"),
        };
        let options = Options {
            threaded: false,
            ..Options::new(dir.to_owned(), key)
        };
        let now = Moment::now();
        let journal = Journal::open(options, Arc::new(RealDisk), now)?;
        Ok(Self { journal, now })
    }

    /// Appends one exchange, finding or notice.
    ///
    /// # Errors
    /// The line is none.
    pub fn append(&mut self, line: &str) -> Result<()> {
        let event: Value = serde_json::from_str(line)?;
        let text = |path| {
            event
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let time = parse_stamp(text("/time").as_bytes()).context("no time")?;
        let status = event.pointer("/http/response/status_code");
        let status = status.and_then(Value::as_u64);
        let [host, route, client, user] =
            ["/url/domain", "/http/route", "/client/address", "/user/id"].map(text);
        let whole = format!("{line}\n");
        let record = Record {
            kind: match text("/kind") {
                "finding" => RecordKind::Finding,
                "notice" => RecordKind::Notice,
                _ => RecordKind::Exchange,
            },
            worth: Worth::default(),
            severity: None,
            time,
            line: whole.as_bytes(),
            keys: Keys {
                host: host.as_bytes(),
                route: route.as_bytes(),
                client: client.as_bytes(),
                user: user.as_bytes(),
                status: status.and_then(|status| u16::try_from(status).ok()),
            },
        };
        self.journal.append(&record, self.now);
        Ok(())
    }

    /// Lets a second pass: what was appended can be read.
    pub fn settle(&mut self) {
        self.now.steady = Ktime(self.now.steady.0 + 1_000_000_000);
        self.journal.tick(self.now);
    }

    /// Ends it.
    pub fn close(mut self) {
        self.settle();
        self.journal.close(self.now);
    }
}
