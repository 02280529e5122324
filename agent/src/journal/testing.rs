//! What tests of this room share.

pub(super) mod fault;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Cursor, Disk, Happened, Journal, KeyPlace, Keys, Options, Order, PublicKey, Reader, RealDisk,
    Record, RecordKind, Report, Sync, Trust, Worth, verify,
};
use crate::clock::{Ktime, Moment, WallTime};
use crate::event::Severity;

/// A moment `ms` after the tests begin, by both clocks.
pub(super) fn at(ms: u64) -> Moment {
    Moment {
        steady: Ktime(1_000_000_000_000 + ms * 1_000_000),
        date: WallTime(1_800_000_000_000_000_000 + ms * 1_000_000),
    }
}

/// A journal in a folder of its own, written step by step.
pub(super) struct Rig {
    _folder: Arc<Folder>,
    pub(super) options: Options,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) journal: Journal,
    ms: u64,
    /// By how much the date is ahead of the steady clock.
    pub(super) ahead_ms: u64,
    next: u64,
}

impl Rig {
    pub(super) fn new(change: impl FnOnce(&mut Options)) -> Self {
        Self::on(Arc::new(RealDisk), change)
    }

    pub(super) fn on(disk: Arc<dyn Disk>, change: impl FnOnce(&mut Options)) -> Self {
        let folder = Arc::new(Folder::new());
        let key = KeyPlace {
            credential: None,
            file: folder.path().join("journal.key"),
        };
        let mut options = Options::new(folder.path().join("journal"), key);
        options.threaded = false;
        options.min_free = 0;
        options.sync = Sync::Always;
        change(&mut options);
        let journal = Journal::open(options.clone(), Arc::clone(&disk), at(0)).unwrap();
        Self {
            _folder: folder,
            options,
            disk,
            journal,
            ms: 0,
            ahead_ms: 0,
            next: 0,
        }
    }

    pub(super) fn now(&self) -> Moment {
        let date = at(self.ms + self.ahead_ms).date;
        Moment {
            date,
            ..at(self.ms)
        }
    }

    /// Appends the next `count` numbered exchanges.
    pub(super) fn exchanges(&mut self, count: u64) {
        for _ in 0..count {
            let client = format!("10.0.{}.{}", self.next / 200 % 200, self.next % 200);
            let line = format!("{{\"n\":{},\"client\":\"{client}\"}}\n", self.next);
            let keys = Keys {
                host: b"api.example.com",
                client: client.as_bytes(),
                status: Some(200),
                ..Keys::default()
            };
            self.append(RecordKind::Exchange, None, &line, keys);
            self.next += 1;
        }
    }

    pub(super) fn finding(&mut self) {
        let line = format!("{{\"n\":{},\"finding\":1}}\n", self.next);
        let keys = Keys::default();
        self.append(RecordKind::Finding, Some(Severity::High), &line, keys);
        self.next += 1;
    }

    pub(super) fn append(
        &mut self,
        kind: RecordKind,
        severity: Option<Severity>,
        line: &str,
        keys: Keys<'_>,
    ) {
        let now = self.now();
        let record = Record {
            kind,
            worth: Worth::default(),
            severity,
            time: now.date,
            line: line.as_bytes(),
            keys,
        };
        self.journal.append(&record, now);
    }

    /// Lets `ms` pass.
    pub(super) fn pass(&mut self, ms: u64) {
        self.ms += ms;
        self.journal.tick(self.now());
    }

    /// A frame of `count` exchanges.
    pub(super) fn frame(&mut self, count: u64) {
        self.exchanges(count);
        self.pass(300);
    }

    pub(super) fn close(&mut self) {
        self.journal.close(self.now());
    }

    /// Closes it and opens it again.
    pub(super) fn reopen(&mut self) {
        self.close();
        self.open_again();
    }

    /// Opens it again as after a crash: what was not written is gone.
    pub(super) fn crash(&mut self) {
        self.journal.lock = None;
        self.open_again();
    }

    fn open_again(&mut self) {
        let disk = Arc::clone(&self.disk);
        self.journal = Journal::open(self.options.clone(), disk, self.now()).unwrap();
    }

    pub(super) fn dir(&self) -> &Path {
        &self.options.dir
    }

    pub(super) fn key(&self) -> PublicKey {
        self.options.key.public().unwrap()
    }

    /// What happened since the last time.
    pub(super) fn happened(&mut self) -> Vec<Happened> {
        self.journal.happened()
    }

    pub(super) fn verify(&self) -> Report {
        let trust = Trust {
            key: Some(self.key()),
            checkpoints: Vec::new(),
            put_back: Vec::new(),
        };
        verify(self.dir(), &trust, |_, _| ()).unwrap()
    }
}

/// Every record in `dir`, with its place.
pub(super) fn read_all(dir: &Path, order: Order) -> Vec<(Cursor, String)> {
    let from = match order {
        Order::OldestFirst => Cursor::default(),
        Order::NewestFirst => Cursor::END,
    };
    let mut reader = Reader::open(dir, from, order).unwrap();
    read_more(&mut reader)
}

/// What there is to read now.
pub(super) fn read_more(reader: &mut Reader) -> Vec<(Cursor, String)> {
    let mut records = Vec::new();
    while let Some(frame) = reader.next(|_| true).unwrap() {
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
        records.extend(frame.records().map(|(cursor, line)| (cursor, text(line))));
    }
    records
}

/// The number of a record of [`Rig`].
pub(super) fn number(line: &str) -> u64 {
    let digits = line.strip_prefix("{\"n\":").unwrap();
    digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap()]
        .parse()
        .unwrap()
}

/// A folder of its own, deleted at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eaves-journal-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
