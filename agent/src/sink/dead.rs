//! Dead letters: events a far end refused for good, kept with the reason until somebody decides.
//!
//! One JSON object a line, in a file of the sink's own:
//!
//! ```text
//! {"time":"2026-11-21T06:02:11.000000000Z","reason":"400: mapper_parsing_exception …","event":{…}}
//! ```
//!
//! `event` is the event's own line, byte for byte. To send them again the file is renamed, so that
//! what is refused meanwhile goes to a new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock::WallTime;
use crate::event::stamp;

/// Longest reason that is kept, bytes: answers are as long as a far end likes.
const REASON_MAX_BYTES: usize = 2048;

/// One sink's dead letters.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    path: PathBuf,
}

impl DeadLetters {
    /// Those of the sink `name`, in the folder `dir`.
    #[must_use]
    pub fn of(dir: &Path, name: &str) -> Self {
        Self {
            path: dir.join(format!("{name}.dead.jsonl")),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of those that are to be sent again.
    #[must_use]
    pub fn resend_path(&self) -> PathBuf {
        self.path.with_extension("resend")
    }

    /// Adds an event, synced to the disk: the cursor will pass it.
    ///
    /// # Errors
    /// Why it could not be kept; the caller must not pass the event.
    pub fn add(&self, line: &[u8], reason: &str, now: WallTime) -> io::Result<()> {
        let mut end = reason.len().min(REASON_MAX_BYTES);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = reason.get(..end).unwrap_or_default();
        let mut letter = b"{\"time\":\"".to_vec();
        letter.extend_from_slice(&stamp(now));
        letter.extend_from_slice(b"\",\"reason\":");
        serde_json::to_writer(&mut letter, reason)?;
        letter.extend_from_slice(b",\"event\":");
        letter.extend_from_slice(line.trim_ascii());
        letter.extend_from_slice(b"}\n");
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o640)
            .open(&self.path)?;
        let before = file.metadata()?.len();
        if before > 0 {
            let mut last = [0];
            file.read_exact_at(&mut last, before - 1)?;
            if last != *b"\n" {
                letter.insert(0, b'\n');
            }
        }
        if let Err(error) = file.write_all(&letter).and_then(|()| file.sync_data()) {
            // A part of a letter would hide the next one.
            let _ = file.set_len(before);
            return Err(error);
        }
        Ok(())
    }

    /// How many there are, those included that wait to be sent again.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn count(&self) -> io::Result<u64> {
        let mut count = 0;
        for path in [self.path.clone(), self.resend_path()] {
            match File::open(&path) {
                Ok(file) => {
                    for line in BufReader::new(file).split(b'\n') {
                        count += u64::from(event_of(&line?).is_some());
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Asks that they be sent again: how many.
    ///
    /// # Errors
    /// The files cannot be renamed, or earlier ones still wait to be sent.
    pub fn resend(&self) -> io::Result<u64> {
        let to = self.resend_path();
        if to.exists() {
            let waiting = "letters asked for earlier are still being sent again";
            return Err(io::Error::new(ErrorKind::AlreadyExists, waiting));
        }
        let count = self.count()?;
        match fs::rename(&self.path, &to) {
            Ok(()) => Ok(count),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Deletes them: how many.
    ///
    /// # Errors
    /// The files cannot be read or deleted.
    pub fn purge(&self) -> io::Result<u64> {
        let count = self.count()?;
        for path in [self.path.clone(), self.resend_path()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(count)
    }

    /// The events that are to be sent again, read one by one.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn to_resend(
        &self,
    ) -> io::Result<Option<impl Iterator<Item = io::Result<Vec<u8>>> + use<>>> {
        let file = match File::open(self.resend_path()) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let lines = BufReader::new(file).split(b'\n');
        Ok(Some(lines.filter_map(|line| match line {
            // A torn letter is none.
            Ok(line) => Some(Ok(event_of(&line)?)),
            Err(error) => Some(Err(error)),
        })))
    }

    /// All that were to be sent again have been.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub fn resent(&self) -> io::Result<()> {
        fs::remove_file(self.resend_path())
    }
}

/// The event in a letter.
fn event_of(letter: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Letter<'a> {
        #[serde(borrow)]
        event: &'a RawValue,
    }
    let letter: Letter<'_> = serde_json::from_slice(letter).ok()?;
    Some(letter.event.get().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::DeadLetters;
    use crate::clock::WallTime;
    use std::fs;
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("eaves-dead-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn resent(letters: &DeadLetters) -> Vec<String> {
        let lines = letters.to_resend().unwrap().into_iter().flatten();
        lines
            .map(|line| String::from_utf8(line.unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn letters_are_kept_counted_sent_again_and_purged() {
        let dir = folder("kept");
        let letters = DeadLetters::of(&dir, "siem");
        assert_eq!(
            (letters.count().unwrap(), letters.resend().unwrap()),
            (0, 0)
        );
        let event = r#"{"kind":"notice",  "x":"a\"b"}"#;
        letters
            .add(event.as_bytes(), "400: \"no\"\n", WallTime(0))
            .unwrap();
        letters
            .add(b"{\"kind\":\"exchange\"}\n", &"é".repeat(2000), WallTime(1))
            .unwrap();
        let text = fs::read_to_string(letters.path()).unwrap();
        assert!(
            text.lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        );
        assert_eq!(letters.count().unwrap(), 2);
        assert_eq!(resent(&letters), Vec::<String>::new());
        assert_eq!(letters.resend().unwrap(), 2);
        letters
            .add(b"{\"kind\":\"finding\"}", "again", WallTime(2))
            .unwrap();
        assert!(letters.resend().is_err(), "the first are still there");
        assert_eq!(resent(&letters), [event, "{\"kind\":\"exchange\"}"]);
        assert_eq!(letters.count().unwrap(), 3);
        letters.resent().unwrap();
        assert_eq!(letters.count().unwrap(), 1);
        assert_eq!(letters.purge().unwrap(), 1);
        assert_eq!(letters.count().unwrap(), 0);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_torn_letter_hides_no_other() {
        let dir = folder("torn");
        let letters = DeadLetters::of(&dir, "siem");
        fs::write(
            letters.resend_path(),
            "{\"time\":\"\n{\"event\":{\"a\":1}}\n{\"ev",
        )
        .unwrap();
        assert_eq!(resent(&letters), ["{\"a\":1}"]);
        fs::write(letters.path(), "{\"ev").unwrap();
        letters.add(b"{}", "", WallTime(0)).unwrap();
        assert_eq!(letters.count().unwrap(), 2);
        fs::remove_dir_all(dir).unwrap();
    }
}
