use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Control, News, Phase, Pump, PumpOptions};
use crate::event::Severity;
use crate::sink::batch::{Kind, Part};
use crate::sink::dead::DeadLetters;
use crate::sink::deliver::{Deliver, Delivering, Fate, Outcome, Problem};
use crate::sink::feed::{Feed, Kept, Unread};
use crate::sink::format::Format;

/// A journal in memory, and the cursor that was kept: how many frames are delivered.
#[derive(Default)]
struct Memory {
    frames: Vec<Vec<String>>,
    read: usize,
    cursor: usize,
    kept: Arc<Mutex<(usize, Kept)>>,
    /// Frames whose reading fails.
    broken: Vec<usize>,
    /// The frame whose reading fails each time.
    stuck: Option<usize>,
}

impl Feed for Memory {
    fn next(&mut self, line: &mut dyn FnMut(&[u8])) -> Result<bool, Unread> {
        if self.stuck == Some(self.read) {
            return Err(Unread {
                what: "gone".to_owned(),
                passed: false,
            });
        }
        let Some(frame) = self.frames.get(self.read) else {
            return Ok(false);
        };
        self.read += 1;
        if self.broken.contains(&(self.read - 1)) {
            return Err(Unread {
                what: "broken".to_owned(),
                passed: true,
            });
        }
        frame.iter().for_each(|text| line(text.as_bytes()));
        Ok(true)
    }
    fn advance(&mut self) -> bool {
        std::mem::replace(&mut self.cursor, self.read) != self.read
    }
    fn wait(&self, _: Duration) {}
    fn keep(&self, kept: &Kept) -> Result<(), String> {
        *lock(&self.kept) = (self.cursor, kept.clone());
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A far end: what it answers, one after the other, then that all is well; and what it got.
#[derive(Default)]
struct FarEnd {
    answers: VecDeque<Outcome>,
    got: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Deliver for FarEnd {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(async move {
            let ids = part.items().map(|item| item.id.to_owned());
            lock(&self.got).push(ids.collect());
            self.answers.pop_front().unwrap_or(Outcome::Accepted)
        })
    }
}

struct Trial {
    dir: PathBuf,
    feed: Memory,
    answers: Vec<Outcome>,
    options: PumpOptions,
}

/// What came of a trial.
struct Came {
    got: Vec<Vec<String>>,
    cursor: usize,
    kept: Kept,
    news: Vec<News>,
    letters: DeadLetters,
    dir: PathBuf,
}

impl Drop for Came {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn line(kind: &str, id: &str) -> String {
    format!(
        r#"{{"kind":"{kind}","schema":1,"id":"{id}","time":"1970-01-01T00:00:01.000000000Z","severity":"low"}}"#
    )
}

fn exchanges(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| line("exchange", id)).collect()
}

impl Trial {
    fn new(frames: Vec<Vec<String>>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("eaves-pump-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self {
            dir,
            feed: Memory {
                frames,
                ..Memory::default()
            },
            answers: Vec::new(),
            options: PumpOptions {
                name: "siem".into(),
                kinds: vec![Kind::Exchange, Kind::Finding],
                min_severity: None,
                filter: None,
                format: Format::Eaves,
                batch_bytes: 1 << 20,
                batch_events: 1000,
                batch_delay: Duration::ZERO,
            },
        }
    }

    /// Runs until nothing is left, or the first failure that would have to be waited for.
    fn drain(self) -> Came {
        self.run(Phase::Drain)
    }

    fn run(self, phase: Phase) -> Came {
        let far_end = FarEnd {
            answers: self.answers.into(),
            ..FarEnd::default()
        };
        let (got, kept) = (Arc::clone(&far_end.got), Arc::clone(&self.feed.kept));
        let news = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&news);
        let letters = DeadLetters::of(&self.dir, "siem");
        let mut pump = Pump::new(
            self.options,
            Box::new(self.feed),
            Box::new(far_end),
            letters.clone(),
            Kept::default(),
        )
        .unwrap()
        .telling(move |news| lock(&told).push(news));
        let (_phase, receiver) = watch::channel(phase);
        let control = Control {
            phase: receiver,
            reopen: Arc::default(),
        };
        pump.run(&control);
        let tally = pump.tally();
        let settled = tally.settled.load(Ordering::Relaxed);
        let sum = tally.accepted.load(Ordering::Relaxed) + tally.refused.load(Ordering::Relaxed);
        assert_eq!(settled, sum);
        let (cursor, kept) = lock(&kept).clone();
        Came {
            got: lock(&got).clone(),
            cursor,
            kept,
            news: lock(&news).clone(),
            letters,
            dir: self.dir,
        }
    }
}

fn down() -> Outcome {
    Outcome::Retry(Problem::new("down"))
}

#[test]
fn the_cursor_moves_when_all_is_acknowledged() {
    let frames = vec![exchanges(&["a", "b"]), exchanges(&["c"])];
    let came = Trial::new(frames).drain();
    assert_eq!(came.got.concat(), ["a", "b", "c"]);
    assert_eq!(
        (came.cursor, came.kept.accepted, came.kept.failing),
        (2, 3, false)
    );
    assert_eq!(came.kept.event_time, 1_000_000_000);
}

#[test]
fn a_failure_keeps_the_cursor_where_it_was() {
    let mut trial = Trial::new(vec![exchanges(&["a"]), exchanges(&["b"])]);
    trial.answers = vec![Outcome::Accepted, down()];
    let came = trial.drain();
    assert_eq!(came.got.concat(), ["a", "b"]);
    assert_eq!((came.cursor, came.kept.accepted), (1, 1));
    assert_eq!((came.kept.failing, came.kept.retries), (true, 1));
    assert_eq!(came.kept.error.as_ref().unwrap().1, "down");
}

#[test]
fn what_is_not_wanted_is_passed_over_and_behind_the_cursor() {
    let mut notice = vec![line("notice", "n")];
    notice.push(line("finding", "low"));
    let mut trial = Trial::new(vec![exchanges(&["a", "b"]), notice]);
    trial.options.min_severity = Some(Severity::High);
    trial.options.filter = Some(Box::new(|line| !line.windows(3).any(|w| w == b"\"b\"")));
    let came = trial.drain();
    assert_eq!(came.got.concat(), ["a"]);
    assert_eq!(came.cursor, 2);
}

#[test]
fn the_refused_lie_among_the_dead_letters_before_the_cursor_passes_them() {
    let mut trial = Trial::new(vec![exchanges(&["a", "b", "c"])]);
    let fates = vec![
        Fate::Accepted,
        Fate::Refused("400 no".into()),
        Fate::Accepted,
    ];
    trial.answers = vec![Outcome::Each(fates, None)];
    let came = trial.drain();
    assert_eq!(
        (came.cursor, came.kept.accepted, came.kept.refused),
        (1, 2, 1)
    );
    assert_eq!(came.letters.count().unwrap(), 1);
    let text = fs::read_to_string(came.letters.path()).unwrap();
    assert!(
        text.contains("\"400 no\"") && text.contains("\"id\":\"b\""),
        "{text}"
    );
    assert_eq!(came.news, [News::Refused(1, "400 no".into())]);
}

#[test]
fn dead_letters_are_sent_again_when_asked() {
    let trial = Trial::new(vec![exchanges(&["new"])]);
    let letters = DeadLetters::of(&trial.dir, "siem");
    let time = crate::clock::WallTime(0);
    letters
        .add(line("exchange", "old").as_bytes(), "no", time)
        .unwrap();
    letters.resend().unwrap();
    let came = trial.drain();
    assert_eq!(came.got.concat(), ["old", "new"]);
    assert_eq!(came.letters.count().unwrap(), 0);
}

#[test]
fn what_the_format_has_no_place_for_is_a_dead_letter_and_stops_nothing() {
    let mut frame = exchanges(&["a"]);
    frame.push(line("finding", "f"));
    frame.push("{}".to_owned());
    let mut trial = Trial::new(vec![frame]);
    trial.options.format = Format::Combined;
    let came = trial.drain();
    assert_eq!(came.got.concat(), ["a"]);
    assert_eq!((came.letters.count().unwrap(), came.cursor), (2, 1));
}

#[test]
fn a_part_that_cannot_be_read_is_passed_over_and_counted() {
    let mut trial = Trial::new(vec![
        exchanges(&["a"]),
        exchanges(&["b"]),
        exchanges(&["c"]),
    ]);
    trial.feed.broken = vec![1];
    let came = trial.drain();
    assert_eq!(came.got.concat(), ["a", "c"]);
    assert_eq!((came.cursor, came.kept.damaged), (3, 1));
}

#[test]
fn a_part_that_cannot_be_read_for_now_is_waited_for() {
    let mut trial = Trial::new(vec![exchanges(&["a"]), exchanges(&["b"])]);
    trial.feed.stuck = Some(1);
    let came = trial.drain();
    assert_eq!(came.got.concat(), ["a"]);
    assert_eq!((came.cursor, came.kept.damaged), (1, 0));
}

#[test]
fn attempts_hold_no_more_events_than_allowed() {
    let ids: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut trial = Trial::new(vec![exchanges(&ids)]);
    trial.options.batch_events = 10;
    let came = trial.drain();
    let sizes: Vec<usize> = came.got.iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(came.got.concat(), ids);
}

#[test]
fn an_end_at_once_delivers_nothing_and_keeps_nothing() {
    let came = Trial::new(vec![exchanges(&["a"])]).run(Phase::Halt);
    assert!(came.got.is_empty());
    assert_eq!(came.cursor, 0);
}

#[test]
fn one_that_is_taken_out_leaves_what_is_not_under_way_to_the_next() {
    let came = Trial::new(vec![exchanges(&["a"]), exchanges(&["b"])]).run(Phase::Leave);
    assert!(came.got.is_empty());
    assert_eq!(came.cursor, 0);
}

/// Tells its own pump to leave while a batch is under way.
struct Leaves(watch::Sender<Phase>, FarEnd);

impl Deliver for Leaves {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        self.0.send_replace(Phase::Leave);
        self.1.deliver(part)
    }
}

#[test]
fn what_is_under_way_is_delivered_and_kept_before_it_leaves() {
    let trial = Trial::new(vec![exchanges(&["a", "b", "c"]), exchanges(&["d"])]);
    let (phase, receiver) = watch::channel(Phase::Run);
    let far_end = FarEnd::default();
    let (got, kept) = (Arc::clone(&far_end.got), Arc::clone(&trial.feed.kept));
    let letters = DeadLetters::of(&trial.dir, "siem");
    let options = PumpOptions {
        batch_bytes: 1,
        batch_events: 1,
        ..trial.options
    };
    let leaves = Box::new(Leaves(phase, far_end));
    let feed = Box::new(trial.feed);
    let mut pump = Pump::new(options, feed, leaves, letters, Kept::default()).unwrap();
    let tally = Arc::default();
    pump = pump.counting(Arc::clone(&tally));
    pump.run(&Control {
        phase: receiver,
        reopen: Arc::default(),
    });
    assert_eq!(lock(&got).concat(), ["a", "b", "c"], "a frame is one batch");
    assert_eq!(lock(&kept).0, 1);
    assert_eq!(tally.accepted.load(Ordering::Relaxed), 3);
    fs::remove_dir_all(trial.dir).unwrap();
}
