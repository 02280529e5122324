//! When which files are looked into: as the kernel records them, and as processes are found to have them.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tracing::warn;

use super::records::Records;
use super::waiting::Candidate;
use super::{Files, TELL_ROUNDS, scan};

/// How often it is looked what there is to do, records apart.
const EVERY: Duration = Duration::from_millis(500);
/// Rounds from one look at processes to the next, where the kernel records what comes into memory.
const LOOK_ROUNDS: u32 = 4;
/// Processes that were looked at before and are looked at again, for each round.
const AGAIN: usize = 32;
/// After records came, how long at least and at most until they are read again: a process that starts
/// makes five within a millisecond.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// How much longer than it took to read records, or to look at all processes, it is waited until that is done
/// again, lest a flood of them take a core.
const REST: u32 = 4;
/// Wake-ups that are taken at a time.
const EVENTS: usize = 64;

/// What is told through the poll.
pub(super) const STOP: Token = Token(0);
const RECORDS: Token = Token(1);

/// Tries whether the kernel records what comes into memory.
///
/// # Errors
/// It does not.
pub(in crate::probe) fn try_records() -> io::Result<()> {
    let poll = Poll::new()?;
    Records::open(poll.registry(), RECORDS).map(drop)
}

impl Files {
    /// Looks until it is told to stop.
    pub(super) fn run(&mut self) {
        let loaded = match self.loaded {
            Some(loaded) => loaded,
            None => {
                let loaded = self.try_to_load();
                if loaded {
                    self.listen();
                }
                loaded
            }
        };
        self.loaded = Some(loaded);
        let mut events = Events::with_capacity(EVENTS);
        let mut due = Instant::now();
        while !self.is_stopped() {
            let now = Instant::now();
            if now >= due {
                due = now + EVERY;
                self.round(loaded);
            }
            while self.step() && Instant::now() < due {}
            let wait = due.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) if !events.is_empty() => self.woken(),
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(wait),
            }
        }
    }

    /// Takes in what was recorded. Where nothing has to be done at once, what comes with it is waited for;
    /// the longer, the more there was.
    fn woken(&mut self) {
        let began = Instant::now();
        self.take_in();
        if !self.waiting.is_urgent() {
            let spent = began.elapsed().saturating_mul(REST);
            thread::sleep(spent.clamp(PAUSE.0, PAUSE.1));
        }
    }

    /// What is done twice a second.
    fn round(&mut self, loaded: bool) {
        self.round = self.round.wrapping_add(1);
        if loaded {
            self.listen_on();
            self.tie();
            let rounds = self.rounds_to_look();
            let again = self.all && Instant::now() >= self.not_before;
            if again || self.round % rounds == 1 % rounds {
                self.look();
                self.forget();
            }
        }
        if self.round.is_multiple_of(TELL_ROUNDS) {
            self.tell(loaded);
        }
    }

    /// Rounds from one look at processes to the next.
    const fn rounds_to_look(&self) -> u32 {
        if self.records.is_some() {
            LOOK_ROUNDS
        } else {
            1
        }
    }

    /// Has the kernel record what comes into memory.
    fn listen(&mut self) {
        match Records::open(self.poll.registry(), RECORDS) {
            Ok(records) => self.records = Some(records),
            Err(error) => warn!(
                %error,
                "the kernel does not tell of libraries as they are loaded: they are looked for twice a second"
            ),
        }
    }

    /// On processors too that came since.
    fn listen_on(&mut self) {
        let Some(records) = &mut self.records else {
            return;
        };
        match records.refresh(self.poll.registry(), RECORDS) {
            Ok(changed) => self.all |= changed,
            Err(error) => {
                warn!(
                    %error,
                    "the kernel tells no more of libraries as they are loaded: they are looked for twice a second"
                );
                self.records = None;
                self.all = true;
            }
        }
    }

    /// Takes in what was recorded, and looks into one of the files that wait; whether there was one.
    fn step(&mut self) -> bool {
        self.take_in();
        if self.is_stopped() {
            return false;
        }
        let Some(candidate) = self.waiting.next() else {
            return false;
        };
        self.know(&candidate);
        true
    }

    /// Takes in what was recorded: files that are known are in use, others wait.
    fn take_in(&mut self) {
        let Some(records) = &mut self.records else {
            return;
        };
        let (files, waiting, now) = (&mut self.files, &mut self.waiting, (self.round, self.turns));
        let mut room = true;
        let lost = records.take(|record| {
            if let Some(known) = files.get_mut(&record.id)
                && known.is_of(record.generation)
            {
                known.used = now;
            } else {
                room &= waiting.add(record.id, || Candidate::of(record));
            }
        });
        self.all |= lost || !room;
    }

    /// Looks at new processes, and at some of those that were there before; at all if records were lost.
    fn look(&mut self) {
        let Ok(mut processes) = scan::processes() else {
            return;
        };
        processes.sort_unstable();
        let own = std::process::id();
        processes.retain(|pid| *pid != own);
        let seen: HashSet<u32> = processes.iter().copied().collect();
        let seen = std::mem::replace(&mut self.seen, seen);
        let began = Instant::now();
        let all = self.all && began >= self.not_before;
        self.all &= !all;
        let (new, old): (Vec<u32>, Vec<u32>) = processes
            .into_iter()
            .partition(|pid| all || !seen.contains(pid));
        let turn = if all { Vec::new() } else { self.in_turn(&old) };
        for pid in new.into_iter().chain(turn) {
            self.unknown(pid);
            // What was recorded meanwhile is not kept waiting.
            self.take_in();
            while (self.waiting.is_urgent() || self.waiting.is_full()) && self.step() {}
            if self.is_stopped() {
                return;
            }
        }
        if all {
            self.not_before = Instant::now() + began.elapsed().saturating_mul(REST);
        }
        // Most files have no library in them, and those whose name says so do not take long. A flood of
        // new ones goes on beside the rounds.
        while began.elapsed() < EVERY && self.step() {}
    }

    /// Whose turn it is to be looked at again, of these, in order.
    fn in_turn(&mut self, old: &[u32]) -> Vec<u32> {
        let from = old.partition_point(|pid| *pid <= self.turn);
        let most = AGAIN * self.rounds_to_look() as usize;
        let turn: Vec<u32> = old.iter().skip(from).take(most).copied().collect();
        if from + turn.len() == old.len() {
            self.turns = self.turns.wrapping_add(1);
            self.turn = 0;
        } else {
            self.turn = turn.last().copied().unwrap_or_default();
        }
        turn
    }

    /// Has the files with code in a process's memory wait that were not looked into yet.
    fn unknown(&mut self, pid: u32) {
        for file in scan::mapped(pid).unwrap_or_default() {
            if let Some(known) = self.files.get_mut(&file.id) {
                known.used = (self.round, self.turns);
                continue;
            }
            let candidate = Candidate {
                pid,
                file,
                generation: None,
            };
            let id = candidate.file.id;
            if self.waiting.is_full() {
                self.step();
            }
            self.all |= !self.waiting.add(id, || candidate);
        }
    }
}
