//! Sinks that come, go and change while the journal grows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{END_WITHIN, Sinks};
use crate::clock::{Moment, WallTime};
use crate::config::{Config, parse};
use crate::journal::{Journal, Keys, Record, RecordKind, Worth};
use crate::pipeline::tests::journal_in;
use crate::pipeline::{NewSinks, Output as _};

struct Trial {
    dir: PathBuf,
    journal: Journal,
    config: Config,
    sinks: Sinks,
    written: Vec<String>,
}

impl Trial {
    fn new(name: &str, sinks: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("eaves-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let folder = dir.join("journal");
        fs::create_dir_all(&folder).unwrap();
        let journal = journal_in(&folder);
        let config = config(&dir, sinks);
        let sinks = Sinks::start(&config, &folder, Some(&journal.synced()), "host").unwrap();
        Self {
            dir,
            journal,
            config,
            sinks,
            written: Vec::new(),
        }
    }

    /// So many more exchanges, durable.
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let id = format!("id-{}", self.written.len());
            let line = format!(
                "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"{id}\",\"time\":\"1970-01-01T00:00:01.000000000Z\"}}\n"
            );
            let record = Record {
                kind: RecordKind::Exchange,
                worth: Worth::Common,
                severity: None,
                time: WallTime(0),
                line: line.as_bytes(),
                keys: Keys::default(),
            };
            self.journal.append(&record, Moment::now());
            self.written.push(line);
        }
        self.journal.settle(Duration::from_secs(30), Moment::now());
    }

    fn change(&mut self, sinks: &str) {
        let new = config(&self.dir, sinks);
        let mut opened = NewSinks::open(&self.config, &new, "host", |_| false).unwrap();
        self.config = new;
        self.sinks.change(&mut opened);
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        text.split_inclusive('\n').map(str::to_owned).collect()
    }

    /// Waits until `name` has so many lines.
    #[track_caller]
    fn wait(&self, name: &str, count: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.lines(name).len() < count {
            assert!(Instant::now() < until, "{name}: {}", self.lines(name).len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends all; what `stays` and `comes` were told.
    fn end(mut self) -> [Vec<String>; 2] {
        self.journal.close(Moment::now());
        assert!(self.sinks.end(END_WITHIN * 6));
        let told = ["stays", "comes"].map(|name| self.lines(name));
        assert_eq!(told[0], self.written, "what stays is told everything once");
        fs::remove_dir_all(&self.dir).unwrap();
        told
    }
}

/// A configuration with these sinks, whose files lie in `dir`.
fn config(dir: &Path, sinks: &str) -> Config {
    let dir = dir.display().to_string();
    parse(&format!(
        "journal: {{}}\nsinks:\n{}",
        sinks.replace("DIR", &dir)
    ))
    .unwrap()
}

const STAYS: &str = "  stays: { file: { path: DIR/stays }, batch: { delay: 10ms } }\n";
const COMES: &str = "  comes: { file: { path: DIR/comes }, batch: { delay: 10ms } }\n";

#[test]
fn one_that_comes_and_goes_goes_on_where_it_was() {
    let both = [STAYS, COMES].concat();
    let mut trial = Trial::new("sinks-come", STAYS);
    trial.write(20);
    trial.change(&both);
    trial.write(20);
    trial.wait("comes", 40);
    trial.change(STAYS);
    trial.write(20);
    trial.wait("stays", 60);
    assert_eq!(trial.lines("comes").len(), 40, "it is told no more");
    for _ in 0..20 {
        trial.change(&both);
        trial.write(3);
        trial.change(STAYS);
    }
    trial.change(&both);
    trial.write(5);
    let all = trial.written.clone();
    let [_, comes] = trial.end();
    assert_eq!(comes, all, "from the oldest on, once each, in order");
}

#[test]
fn one_that_changes_follows_itself() {
    let mut trial = Trial::new("sinks-change", &[STAYS, COMES].concat());
    for turn in 0..20 {
        trial.write(7);
        let filter = ["status >= 0 or kind == exchange", "kind == exchange"][turn % 2];
        let changed = COMES.replace(" }\n", &format!(", where: '{filter}' }}\n"));
        trial.change(&[STAYS, &changed].concat());
    }
    let all = trial.written.clone();
    let [_, comes] = trial.end();
    assert_eq!(comes, all);
}

#[test]
fn another_that_takes_over_a_file_waits_for_it() {
    let mut trial = Trial::new("sinks-over", &[STAYS, COMES].concat());
    trial.write(10);
    trial.wait("comes", 10);
    let other = COMES.replace("comes: {", "other: { from: now,");
    trial.change(&[STAYS, &other].concat());
    trial.write(10);
    let all = trial.written.clone();
    trial.wait("comes", 20);
    let [_, comes] = trial.end();
    assert_eq!(comes, all);
}
