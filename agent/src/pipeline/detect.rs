//! Detectors behind the seal: what they conclude of each exchange, and what they have learnt, kept.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::clock::WallTime;
use crate::detect::{
    Detectors, Facts, Learnt, LeftOut, Options, Outcome, RULE_FILE_MAX_BYTES, Recall, Recorded,
    RuleError, Rules, Sealed, Told,
};
use crate::event::{ApiEvent, EventId, Ids, write_line};
use crate::exchange::Exchange;
use crate::journal::{Cursor, JournalError, Reader, State};

use super::stop::Requests;

/// How often what was learnt is kept (DETECTION.md 5).
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// How often the files of rules are looked at.
const RULES_EVERY: Duration = Duration::from_secs(2);

/// How far back an agent looks that has kept nothing: one that is killed before its first save has heard
/// for no longer than [`SAVE_EVERY`], and as long may pass until it is there again.
const UNKEPT_NS: u64 = 2 * SAVE_EVERY.as_secs() * 1_000_000_000;

/// Records that are looked at again, the newest there are: nothing is heard meanwhile.
const AGAIN_MAX: u64 = 200_000;

/// The name it is kept under.
const NAME: &str = "detect";

/// The detectors of a running pipeline.
pub struct Detect {
    detectors: Detectors,
    out: Outcome,
    state: Option<State>,
    saved: Instant,
    rules: Rules,
    rule_dir: PathBuf,
    rules_seen: Vec<(PathBuf, Option<SystemTime>, u64)>,
    rules_looked: Instant,
    /// Bytes of what was learnt, by part, as it was kept last.
    sizes: Arc<[(&'static str, u64)]>,
}

impl Detect {
    /// Detectors that know nothing yet.
    #[must_use]
    pub fn new(options: Options, ids: Ids, rule_dir: &Path) -> Self {
        let mut detect = Self {
            detectors: Detectors::new(options, ids),
            out: Outcome::default(),
            state: None,
            saved: Instant::now(),
            rules: Rules::default(),
            rule_dir: rule_dir.to_owned(),
            rules_seen: Vec::new(),
            rules_looked: Instant::now(),
            sizes: Arc::default(),
        };
        detect.read_rules();
        detect
    }

    /// Judges by `options` and the rules in `rule_dir` from now on; what was learnt stays.
    pub(super) fn set(&mut self, options: Options, rule_dir: &Path) {
        self.detectors.set(options);
        if self.rule_dir != rule_dir {
            rule_dir.clone_into(&mut self.rule_dir);
            self.rules = Rules::default();
            self.rules_seen.clear();
        }
        self.read_rules();
    }

    /// Reads the rules anew, if a file has changed since.
    fn read_rules(&mut self) {
        let seen = stamps(&self.rule_dir);
        if seen == self.rules_seen {
            return;
        }
        self.rules_seen = seen;
        // A folder that is not there has no rules.
        let (files, unread) = rule_files(&self.rule_dir).unwrap_or_default();
        let (rules, wrong) = Rules::read(&files);
        for error in unread.iter().chain(&wrong) {
            tracing::warn!(%error, "a rule is wrong and left out");
        }
        tracing::info!(rules = rules.all().len(), "rules are read");
        self.rules = rules;
    }

    /// Goes on with what the journal in `dir` has kept, and keeps it there from now on; the place it
    /// stands for, if there is any.
    ///
    /// What cannot be read is set aside, and everything is learnt anew.
    pub fn resume(&mut self, dir: &Path) -> Option<Cursor> {
        let state = State::of(dir);
        let cursor = match state.load::<Learnt>(NAME) {
            Ok(Some(saved)) if saved.state.fits() => {
                let fresh = self.detectors.clone();
                self.detectors = fresh.with(saved.state);
                Some(saved.cursor)
            }
            Ok(None) => None,
            Ok(Some(_)) => {
                tracing::warn!("what detectors had learnt is of another version and is set aside");
                set_aside(&state, dir);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "what detectors had learnt cannot be read and is set aside");
                set_aside(&state, dir);
                None
            }
        };
        self.state = Some(state);
        self.sizes = self.detectors.learnt().sizes().into();
        cursor
    }

    /// Looks at an exchange; the incidents that it counts toward.
    ///
    /// `line` is room for the event as JSON, which rules read.
    pub(super) fn look(
        &mut self,
        exchange: &Exchange,
        event: &ApiEvent<'_>,
        line: &mut Vec<u8>,
    ) -> &[EventId] {
        self.judge(&Facts::of(exchange, event), event, line)
    }

    /// The same for what is known of it already.
    pub(super) fn judge(
        &mut self,
        facts: &Facts<'_>,
        event: &ApiEvent<'_>,
        line: &mut Vec<u8>,
    ) -> &[EventId] {
        if !self.rules.is_empty() {
            line.clear();
            // An event that cannot be written matches no rule, as it reaches no sink.
            let _ = write_line(event, line);
        }
        self.judge_line(facts, line);
        &self.out.incidents
    }

    /// The same for an event of a file, of which `line` is the whole.
    pub(super) fn judge_line(&mut self, facts: &Facts<'_>, line: &[u8]) {
        self.detectors.look(facts, &mut self.out);
        if !self.rules.is_empty() {
            self.detectors.hold(&self.rules, line, facts, &mut self.out);
        }
    }

    /// What opened no incident since this was last asked.
    pub(super) fn take_left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.out.left_out)
    }

    /// What there is to tell.
    pub(super) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.out.told)
    }

    /// Feeds what the journal in `dir` has from `cursor` on: after a crash, what came since the last
    /// save. What it leads to was told before, or is told with the next exchange, and the incidents that
    /// were told go on. Without a cursor nothing was kept: then what came in the minutes before `now`.
    ///
    /// # Errors
    /// The journal cannot be read; what could be is fed.
    pub fn feed(
        &mut self,
        dir: &Path,
        cursor: Option<Cursor>,
        now: WallTime,
        requests: &Requests,
    ) -> Result<u64, JournalError> {
        let since = match cursor {
            Some(_) => WallTime(0),
            None => WallTime(now.0.saturating_sub(UNKEPT_NS)),
        };
        self.feed_newest(
            dir,
            (cursor.unwrap_or_default(), since),
            AGAIN_MAX,
            requests,
        )
    }

    /// The same for the newest `most` records, to whole frames.
    fn feed_newest(
        &mut self,
        dir: &Path,
        (cursor, since): (Cursor, WallTime),
        most: u64,
        requests: &Requests,
    ) -> Result<u64, JournalError> {
        let mut left_out = records_since(dir, cursor, since)?.saturating_sub(most);
        if left_out > 0 {
            tracing::warn!(records = left_out, "too much came to be looked at again");
        }
        let mut reader = Reader::forward(dir, cursor)?;
        let mut fed = 0;
        let mut recall = Recall::default();
        while !requests.stopping() {
            let frame = reader.next(|index| {
                let old = index.last < since;
                let over = !old && left_out > 0;
                if over {
                    left_out = left_out.saturating_sub(index.counts.total().into());
                }
                !old && !over
            });
            match frame {
                Ok(Some(frame)) => {
                    for (_, line) in frame.records() {
                        fed += u64::from(self.feed_line(line, &mut recall));
                    }
                }
                Ok(None) => {
                    self.out.told = self.detectors.recalled(recall);
                    return Ok(fed);
                }
                // The reader goes on behind what is damaged.
                Err(error) => tracing::warn!(%error, "a part of the journal cannot be read"),
            }
        }
        // Nothing is kept of the half that was looked at: the next start looks at all of it.
        self.state = None;
        Ok(fed)
    }

    /// Feeds one record; whether it is an exchange.
    fn feed_line(&mut self, line: &[u8], recall: &mut Recall) -> bool {
        if let Some(recorded) = Recorded::read(line) {
            self.detectors.recall(recall, &recorded);
            return false;
        }
        let Some(sealed) = Sealed::read(line) else {
            return false;
        };
        let facts = sealed.facts();
        self.judge_line(&facts, line);
        let counted = sealed.counted();
        self.detectors.heed(recall, &facts, &counted, &mut self.out);
        self.out = Outcome::default();
        true
    }

    /// Looks for changed rules, if it is time.
    pub(super) fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.rules_looked) >= RULES_EVERY {
            self.rules_looked = now;
            self.read_rules();
        }
    }

    /// Keeps what was learnt, if it is time; `cursor` is the place it stands for.
    pub(super) fn save_if_due(&mut self, cursor: impl FnOnce() -> Option<Cursor>) {
        if self.saved.elapsed() < SAVE_EVERY {
            return;
        }
        if let Some(cursor) = cursor() {
            self.save(cursor);
        }
    }

    /// Bytes of what was learnt, by part, as it was kept last.
    pub(super) const fn sizes(&self) -> &Arc<[(&'static str, u64)]> {
        &self.sizes
    }

    /// Keeps what was learnt.
    pub(super) fn save(&mut self, cursor: Cursor) {
        let Some(state) = &self.state else {
            return;
        };
        self.saved = Instant::now();
        self.sizes = self.detectors.learnt().sizes().into();
        if let Err(error) = state.save(NAME, cursor, self.detectors.learnt()) {
            let error: JournalError = error;
            tracing::warn!(%error, "what detectors have learnt could not be kept");
        }
    }
}

/// How many records the journal in `dir` has from `cursor` on, in frames that reach to `since`.
fn records_since(dir: &Path, cursor: Cursor, since: WallTime) -> Result<u64, JournalError> {
    let mut reader = Reader::forward(dir, cursor)?;
    let mut records = 0_u64;
    loop {
        let frame = reader.next(|index| {
            if index.last >= since {
                records = records.saturating_add(index.counts.total().into());
            }
            false
        });
        // What is damaged is told of where it is read.
        if let Ok(None) = frame {
            return Ok(records);
        }
    }
}

/// Leaves what cannot be read where it is found again, under another name.
fn set_aside(state: &State, dir: &Path) {
    let folder = dir.join("state");
    let [from, to] = ["detect.json", "detect.unread"].map(|name| folder.join(name));
    if fs::rename(from, to).is_err() {
        // Then it is written over by the next save, which would have been the end of it anyway.
        let _ = state.forget(NAME);
    }
}

/// Files of rules, each with its name and text.
pub(super) type RuleTexts = Vec<(String, String)>;

/// Name and text of each file of rules in `path`, a folder or one file, in the order of their names,
/// and which cannot be read.
///
/// # Errors
/// The folder cannot be read, or there is nothing there.
pub fn rule_files(path: &Path) -> io::Result<(RuleTexts, Vec<RuleError>)> {
    let paths: Vec<PathBuf> = if path.is_file() {
        vec![path.to_owned()]
    } else {
        fs::read_dir(path)?;
        stamps(path).into_iter().map(|(path, ..)| path).collect()
    };
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        match rule_file(&path) {
            Ok(text) => files.push((file, text)),
            Err(problem) => unread.push(RuleError {
                file,
                rule: String::new(),
                problem,
            }),
        }
    }
    Ok((files, unread))
}

/// The text of one file, or why it is none.
fn rule_file(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let most = RULE_FILE_MAX_BYTES as u64 + 1;
    let read = fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() > RULE_FILE_MAX_BYTES {
        return Err("is longer than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// The files of rules in a folder, each with when it was changed and its size.
fn stamps(dir: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
        })
        .filter_map(|path| {
            let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((path, metadata.modified().ok(), metadata.len()))
        })
        .take(1000)
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests;
