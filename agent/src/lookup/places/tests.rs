//! The table of processes, answered by the test itself.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{AGAIN, Asking, Options, Places};
use crate::clock::Ktime;
use crate::lookup::{Answer, Ask, Mask, Place, Process, ProcessKey, Sources};
use crate::telemetry::Counter;

struct Desk {
    places: Places,
    asking: Asking,
    asks: Receiver<Ask>,
    answers: SyncSender<Answer>,
}

fn options(wait: Duration) -> Options {
    Options {
        wait,
        ..Options::default()
    }
}

fn desk(wait: Duration) -> Desk {
    let (to, asks) = sync_channel(8);
    let (answers, from) = sync_channel(8);
    let (places, asking) = Places::new(&options(wait), to, from);
    Desk {
        places,
        asking,
        asks,
        answers,
    }
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey::new(pid, Ktime(7), 0, b"nginx")
}

fn answer(pid: u32, executable: &str) -> Answer {
    let process = Process {
        executable: Some(executable.into()).filter(|path: &Vec<u8>| !path.is_empty()),
        unit: Some("nginx.service".to_owned()),
        ..Process::default()
    };
    Answer {
        key: key(pid),
        place: Arc::new(Place {
            process,
            ..Place::default()
        }),
        living: !executable.is_empty(),
        complete: true,
    }
}

const LONG: Duration = Duration::from_secs(600);

impl Desk {
    /// What is known of `pid`: its executable, if its place is known.
    fn of(&mut self, pid: u32, now: Instant) -> Option<String> {
        let place = self.places.of(&key(pid), now)?;
        let executable = place.process.executable.clone().unwrap_or_default();
        Some(String::from_utf8(executable).unwrap())
    }

    fn asked(&self) -> Vec<(u32, bool)> {
        self.asks
            .try_iter()
            .map(|ask| (ask.key.pid, ask.again))
            .collect()
    }

    #[track_caller]
    fn check(&self, hits: u64, found: u64, timeouts: u64) {
        let counters = self.places.counters();
        let counted = [
            Counter::LookupHits,
            Counter::LookupFound,
            Counter::LookupTimeouts,
        ]
        .map(|counter| counters.get(counter));
        assert_eq!(counted, [hits, found, timeouts]);
        let misses = counters.get(Counter::LookupMisses);
        assert_eq!(misses, found + timeouts);
        assert_eq!(counters.get(Counter::LookupExchanges), hits + misses);
    }
}

#[test]
fn a_process_is_waited_for_once_and_known_from_then_on() {
    let mut desk = desk(LONG);
    let now = Instant::now();
    desk.answers.send(answer(1, "/a")).unwrap();
    desk.answers.send(answer(2, "/b")).unwrap();
    assert_eq!(desk.of(2, now).unwrap(), "/b");
    assert_eq!(desk.of(1, now).unwrap(), "/a");
    assert_eq!(desk.of(1, now).unwrap(), "/a");
    desk.check(2, 1, 0);
}

#[test]
fn an_answer_that_comes_while_it_is_waited_for_is_taken() {
    let mut desk = desk(LONG);
    let (asks, answers) = (desk.asks, desk.answers);
    let other = thread::spawn(move || {
        let ask = asks.recv().unwrap();
        answers.send(answer(9, "/other")).unwrap();
        answers.send(answer(ask.key.pid, "/late")).unwrap();
    });
    let place = desk.places.of(&key(1), Instant::now()).unwrap();
    assert_eq!(place.process.executable.as_deref(), Some(&b"/late"[..]));
    other.join().unwrap();
}

#[test]
fn who_waited_in_vain_goes_on_and_nobody_waits_for_that_process_again() {
    let mut desk = desk(Duration::from_millis(1));
    let now = Instant::now();
    assert_eq!(desk.of(1, now), None);
    assert_eq!(desk.asked(), [(1, false)]);
    desk.places.wait = LONG;
    desk.places.credit = (LONG, now);
    assert_eq!(desk.of(1, now), None, "this would wait ten minutes");
    assert_eq!(desk.asked(), [], "it is asked for already");
    desk.answers.send(answer(1, "/a")).unwrap();
    assert_eq!(desk.of(1, now).unwrap(), "/a");
    desk.check(0, 1, 2);
}

#[test]
fn what_is_known_in_part_is_told_when_the_rest_does_not_come() {
    let mut desk = desk(Duration::from_millis(1));
    let part = Answer {
        complete: false,
        ..answer(1, "/a")
    };
    desk.answers.send(part).unwrap();
    let now = Instant::now();
    assert_eq!(desk.of(1, now).unwrap(), "/a");
    desk.check(0, 0, 1);
    desk.answers.send(answer(1, "/a")).unwrap();
    assert_eq!(desk.of(1, now).unwrap(), "/a");
    desk.check(0, 1, 1);
}

#[test]
fn waiting_takes_no_more_than_a_part_of_the_time() {
    let mut desk = desk(Duration::from_millis(20));
    let began = Instant::now();
    for pid in 0..1000 {
        desk.asks.try_iter().for_each(drop);
        assert_eq!(desk.of(pid, began), None);
    }
    // The first waits for 20 ms, the others together for a quarter of what passes.
    let (credit, _) = desk.places.credit;
    assert!(credit < Duration::from_millis(20), "{credit:?}");
    desk.check(0, 0, 1000);
}

#[test]
fn a_process_that_is_gone_is_known_to_be_and_keeps_what_was_known() {
    let mut desk = desk(LONG);
    let now = Instant::now();
    desk.answers.send(answer(1, "")).unwrap();
    assert_eq!(desk.of(1, now).unwrap(), "");
    desk.answers.send(answer(2, "/b")).unwrap();
    assert_eq!(desk.of(2, now).unwrap(), "/b");
    desk.answers.send(answer(2, "")).unwrap();
    desk.places.take();
    assert_eq!(desk.of(2, now).unwrap(), "/b");
    assert_eq!(desk.places.counters().get(Counter::LookupGone), 2);
}

#[test]
fn what_is_known_long_is_asked_for_anew_without_waiting() {
    let mut desk = desk(LONG);
    desk.answers.send(answer(1, "/a")).unwrap();
    let now = Instant::now();
    desk.of(1, now);
    desk.asked();
    let later = Instant::now() + AGAIN;
    assert_eq!(desk.of(1, later).unwrap(), "/a");
    assert_eq!(desk.of(1, later).unwrap(), "/a");
    assert_eq!(desk.asked(), [(1, true)]);
    desk.answers.send(answer(1, "/b")).unwrap();
    desk.places.take();
    assert_eq!(desk.of(1, later).unwrap(), "/b");
}

#[test]
fn ids_that_come_back_and_programs_that_become_others_are_not_mixed_up() {
    let mut desk = desk(Duration::ZERO);
    desk.answers.send(answer(1, "/a")).unwrap();
    let now = Instant::now();
    assert_eq!(desk.of(1, now).unwrap(), "/a");
    let nginx = key(1);
    let start = Ktime(8);
    assert_eq!(desk.places.of(&ProcessKey { start, ..nginx }, now), None);
    let sh = ProcessKey::new(1, nginx.start, 0, b"sh");
    assert_eq!(desk.places.of(&sh, now), None);
}

#[test]
fn who_hears_asks_once_for_each_and_never_waits() {
    let mut desk = desk(LONG);
    for pid in [1, 2, 1, 2, 2] {
        desk.asking.ask(key(pid));
    }
    assert_eq!(desk.asked(), [(1, false), (2, false)]);
    for pid in 100..200 {
        desk.asking.ask(key(pid));
    }
    assert_eq!(desk.asked().len(), 8);
    let refused = desk.asking.counters().get(Counter::LookupRefused);
    assert_eq!(refused, 92);
}

#[test]
fn nobody_waits_when_questions_find_no_room_or_nobody_answers() {
    let mut desk = desk(LONG);
    let now = Instant::now();
    for pid in 0..8 {
        desk.asking.ask(key(pid));
    }
    assert_eq!(desk.of(100, now), None);
    drop((desk.asks, desk.answers));
    assert_eq!(desk.places.of(&key(101), now), None);
}

#[test]
fn the_real_thread_describes_this_process() {
    struct Upper;
    impl Mask for Upper {
        fn command_line(&self, arguments: &[u8]) -> Vec<u8> {
            arguments.to_ascii_uppercase()
        }
        fn label(&self, _: &str, value: String) -> String {
            value
        }
    }
    let options = options(LONG);
    let (mut places, _asking) =
        Places::start(&options, Sources::default(), Arc::new(Upper)).unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = rest.split(' ').nth(20).unwrap().parse().unwrap();
    let name = std::fs::read("/proc/self/comm").unwrap();
    let start = Ktime(ticks * 10_000_000);
    let key = ProcessKey::new(std::process::id(), start, 0, name.trim_ascii_end());
    let place = places.of(&key, Instant::now()).unwrap();
    let line = place.process.command_line.clone();
    assert!(!line.is_empty() && line == line.to_ascii_uppercase());
    let gone = ProcessKey {
        start: Ktime(1),
        ..key
    };
    let place = places.of(&gone, Instant::now()).unwrap();
    assert_eq!(place.process, Process::default());
}
