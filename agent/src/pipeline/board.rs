//! How a running pipeline stands, for those who ask from other threads: posted once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eaves_common::DropReason;
use serde::Serialize;

use super::Counted;
use crate::clock::WallTime;
use crate::config::Config;
use crate::event::{Detail, JournalWhat, RoomFate, ShedState, SinkState, TapState};
use crate::guard::{self, Walls};

/// Without a beat for so long the taps are taken to be deaf: ten of them are missing.
const DEAF_AFTER: Duration = Duration::from_secs(10);

/// For so long it is shown that a thread fell and was begun again.
const SHOWN: Duration = Duration::from_secs(600);

/// How well a room does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// As it should.
    Ok,
    /// Less than it should: what is lost is counted.
    Degraded,
    /// It does nothing.
    Failed,
}

impl RoomState {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// How one room does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomHealth {
    /// Its name; a sink's is `sink NAME`, a thread that fell is `thread NAME`.
    pub room: String,
    /// How well.
    pub state: RoomState,
    /// Why not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was posted.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What was counted, by both sides and all outputs.
    pub counted: Counted,
    /// How often the taps were seen at work, and all threads behind them.
    pub beats: u64,
    /// When last.
    pub beat: Option<Instant>,
    /// The configuration in force, once another was read than at the start.
    pub config: Option<Arc<Config>>,
    /// When it was put in force.
    pub reloaded: Option<WallTime>,
    /// Bytes of what detectors have learnt, by part, as it was kept last.
    pub detectors: Arc<[(&'static str, u64)]>,
    health: Health,
}

impl Standing {
    /// Whether the configuration that was read last is not in force.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.health.refused.is_some()
    }

    /// Whether the taps hear, and what they hear comes through.
    #[must_use]
    pub fn hears(&self, now: Instant) -> bool {
        self.beat
            .is_some_and(|beat| now.saturating_duration_since(beat) < DEAF_AFTER)
    }

    /// How each room does.
    #[must_use]
    pub fn rooms(&self, now: Instant) -> Vec<RoomHealth> {
        let mut rooms = self.health.rooms(now);
        if !self.hears(now) {
            let reason = match self.beat {
                None => "nothing is heard yet",
                Some(_) => "the taps, or a thread behind them, stand still",
            };
            if let Some(capture) = rooms.first_mut() {
                capture.state = RoomState::Failed;
                capture.reason = Some(reason.to_owned());
            }
        }
        rooms
    }
}

/// Where a pipeline posts how it stands.
#[derive(Debug, Default)]
pub struct Board(Mutex<Arc<Standing>>);

impl Board {
    /// What was posted last.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Posts what is known now.
    fn post(&self, standing: Standing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }
}

/// The pipeline's side of a [`Board`].
#[derive(Debug)]
pub(super) struct Poster {
    board: Arc<Board>,
    health: Health,
    beats: u64,
    beat: Option<Instant>,
    own: u64,
    config: Option<Arc<Config>>,
    reloaded: Option<WallTime>,
    detectors: Arc<[(&'static str, u64)]>,
}

impl Poster {
    /// Posts to `board`; there are these sinks.
    pub(super) fn new(board: Arc<Board>, sinks: impl Iterator<Item = String>) -> Self {
        let health = Health {
            sinks: sinks.map(|name| (name, None)).collect(),
            ..Health::default()
        };
        Self {
            board,
            health,
            beats: 0,
            beat: None,
            own: 0,
            config: None,
            reloaded: None,
            detectors: Arc::default(),
        }
    }

    /// Another configuration is in force, with these sinks; these of its keys need a restart.
    pub(super) fn configured(
        &mut self,
        config: Arc<Config>,
        sinks: Vec<String>,
        restart: &[String],
    ) {
        self.config = Some(config);
        self.reloaded = Some(WallTime::now());
        let health = &mut self.health;
        health.refused = None;
        health.restart =
            (!restart.is_empty()).then(|| format!("needs a restart: {}", restart.join(", ")));
        health.sinks.retain(|name, _| sinks.contains(name));
        for name in sinks {
            health.sinks.entry(name).or_default();
        }
    }

    /// A configuration was refused.
    pub(super) fn refused(&mut self, reason: &str) {
        self.health.refused = Some(format!("the one before is in force: {reason}"));
    }

    /// Takes in what is told of the agent.
    pub(super) fn hear(&mut self, detail: &Detail<'_>) {
        self.health.hear(detail);
    }

    /// What detectors have learnt takes so many bytes.
    pub(super) fn learnt(&mut self, sizes: &Arc<[(&'static str, u64)]>) {
        self.detectors = Arc::clone(sizes);
    }

    /// Says whether anything was lost of late.
    pub(super) fn lossy(&mut self, reason: Option<String>) {
        self.health.loss = reason;
    }

    /// Takes in what the capture side counted a moment ago. Each time it makes a transfer of its own,
    /// which the taps pass over and count: that count rises as long as they are at work.
    pub(super) fn counted(&mut self, counted: Counted, now: Instant) {
        let own = counted.kernel.as_ref();
        let own = own.map_or(0, |kernel| kernel.dropped(DropReason::Own));
        if own > self.own {
            self.beats += 1;
            self.beat = Some(now);
        }
        self.own = own;
        self.board.post(Standing {
            counted,
            beats: self.beats,
            beat: self.beat,
            config: self.config.clone(),
            reloaded: self.reloaded,
            detectors: Arc::clone(&self.detectors),
            health: self.health.clone(),
        });
    }
}

/// What is known of each room, from what is told of the agent.
#[derive(Clone, Debug, Default)]
struct Health {
    /// What the tap does not hear.
    tap: Option<String>,
    /// What was lost of late.
    loss: Option<String>,
    /// Why the journal does not keep all.
    journal: Option<String>,
    /// Why the configuration that was read last is not in force.
    refused: Option<String>,
    /// What of it is not, as it needs a restart.
    restart: Option<String>,
    /// What is shed to keep within the limits.
    shed: Option<String>,
    /// Why a sink is not told anything.
    sinks: BTreeMap<String, Option<String>>,
    /// Threads that fell: what became of each, and when that was told.
    threads: BTreeMap<String, (RoomFate, Instant)>,
}

impl Health {
    fn hear(&mut self, detail: &Detail<'_>) {
        match detail {
            Detail::Tap { state, reason, .. } => {
                let reason = reason.unwrap_or("less than all is heard").to_owned();
                self.tap = (*state != TapState::Attached).then_some(reason);
            }
            Detail::Journal { what, reason, .. } => match what {
                JournalWhat::Degraded => {
                    let reason = reason.as_deref().unwrap_or("it cannot be written");
                    self.journal = Some(reason.to_owned());
                }
                JournalWhat::Resumed => self.journal = None,
                _ => {}
            },
            Detail::Shed {
                state, what, cause, ..
            } => {
                let shed = || {
                    let what: Vec<_> = what.iter().map(|what| what.name()).collect();
                    format!("{}; shed: {}", cause.text(), what.join(", "))
                };
                self.shed = (*state != ShedState::Ended).then(shed);
            }
            Detail::Room { thread, state } => {
                self.threads
                    .insert(thread.clone(), (*state, Instant::now()));
            }
            Detail::Sink {
                sink,
                state,
                reason,
                ..
            } => {
                let down = match state {
                    SinkState::Down => Some(reason.clone().unwrap_or_default()),
                    SinkState::Up => None,
                    SinkState::Refused => return,
                };
                // One that was taken out of the configuration may still have had to tell.
                if let Some(known) = self.sinks.get_mut(sink) {
                    *known = down;
                }
            }
            _ => {}
        }
    }

    fn rooms(&self, now: Instant) -> Vec<RoomHealth> {
        let of = |room: &str, reason: Option<&String>| RoomHealth {
            room: room.to_owned(),
            state: match reason {
                None => RoomState::Ok,
                Some(_) => RoomState::Degraded,
            },
            reason: reason.cloned(),
        };
        let mut rooms = vec![
            of("capture", self.tap.as_ref().or(self.loss.as_ref())),
            of("journal", self.journal.as_ref()),
            of("config", self.refused.as_ref()),
        ];
        if let (Some(config), None) = (rooms.last_mut(), &self.refused) {
            // It does as it should: somebody knows that a restart is to come.
            config.reason.clone_from(&self.restart);
        }
        rooms.push(of("budget", self.shed.as_ref()));
        if let Some(lacking) = guard::raised().and_then(Walls::lacking) {
            // The host has none: nothing of what is promised is less for it.
            rooms.push(RoomHealth {
                reason: Some(lacking),
                ..of("walls", None)
            });
        }
        let sinks = self.sinks.iter();
        rooms.extend(sinks.map(|(name, down)| of(&format!("sink {name}"), down.as_ref())));
        let shown = |since: Instant| now.saturating_duration_since(since) < SHOWN;
        let threads = self.threads.iter();
        let threads =
            threads.filter(|(_, (fate, since))| *fate == RoomFate::Fallen || shown(*since));
        rooms.extend(
            threads.map(|(name, (fate, _))| {
                of(&format!("thread {name}"), Some(&fate.text().to_owned()))
            }),
        );
        rooms
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use eaves_common::DropReason;

    use super::{Board, DEAF_AFTER, Poster, RoomState};
    use crate::capture::KernelCounters;
    use crate::event::{Detail, JournalWhat, RoomFate, SinkState};
    use crate::pipeline::Counted;

    /// What the capture side counts when its own transfers were seen `own` times.
    fn counted(own: u64) -> Counted {
        let mut kernel = KernelCounters::default();
        kernel.set(DropReason::Own.slot(), own);
        Counted {
            kernel: Some(kernel),
            ..Counted::default()
        }
    }

    fn poster() -> (Arc<Board>, Poster) {
        let board = Arc::new(Board::default());
        let sinks = ["siem".to_owned()].into_iter();
        (Arc::clone(&board), Poster::new(board, sinks))
    }

    #[test]
    fn a_tap_that_no_longer_counts_is_deaf() {
        let (board, mut poster) = poster();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(!board.standing().hears(begin));
        poster.counted(counted(1), begin);
        poster.counted(counted(3), at(1));
        assert_eq!(board.standing().beats, 2);
        for second in 2..30 {
            poster.counted(counted(3), at(second));
        }
        let standing = board.standing();
        assert_eq!(standing.beats, 2);
        assert!(standing.hears(at(1) + DEAF_AFTER / 2));
        assert!(!standing.hears(at(1) + DEAF_AFTER));
        let capture = &standing.rooms(at(30))[0];
        assert_eq!(
            (capture.room.as_str(), capture.state),
            ("capture", RoomState::Failed)
        );
        poster.counted(counted(4), at(31));
        assert!(board.standing().hears(at(32)));
    }

    #[test]
    fn rooms_are_as_was_told_last() {
        let (board, mut poster) = poster();
        let now = Instant::now();
        let mut check = |detail: Detail<'_>, expected: [RoomState; 3]| {
            poster.hear(&detail);
            let own = board.standing().beats + 1;
            poster.counted(counted(own), now);
            let rooms = board.standing().rooms(now);
            let others = ["config", "budget"];
            let rooms = rooms
                .iter()
                .filter(|room| !others.contains(&room.room.as_str()));
            let states: Vec<_> = rooms.map(|room| room.state).collect();
            assert_eq!(states, expected, "{detail:?}");
        };
        use RoomState::{Degraded, Ok};
        let journal = |what| Detail::Journal {
            what,
            segment: None,
            records: None,
            reason: Some("no space left on device".to_owned()),
        };
        let sink = |state| Detail::Sink {
            sink: "siem".to_owned(),
            state,
            reason: Some("connection refused".to_owned()),
            events: None,
        };
        check(journal(JournalWhat::Started), [Ok, Ok, Ok]);
        check(journal(JournalWhat::Degraded), [Ok, Degraded, Ok]);
        check(sink(SinkState::Down), [Ok, Degraded, Degraded]);
        check(sink(SinkState::Refused), [Ok, Degraded, Degraded]);
        check(journal(JournalWhat::Resumed), [Ok, Ok, Degraded]);
        check(sink(SinkState::Up), [Ok, Ok, Ok]);
    }

    #[test]
    fn a_thread_that_fell_is_shown_and_one_that_goes_on_for_a_while() {
        let (board, mut poster) = poster();
        let now = Instant::now();
        let mut check = |detail: Option<(&str, RoomFate)>, after: u64, expected: &[&str]| {
            if let Some((thread, state)) = detail {
                let thread = thread.to_owned();
                poster.hear(&Detail::Room { thread, state });
            }
            let own = board.standing().beats + 1;
            poster.counted(counted(own), now);
            let rooms = board.standing().rooms(now + Duration::from_secs(after));
            let threads = rooms.iter().filter(|room| room.room.starts_with("thread "));
            assert!(
                threads
                    .clone()
                    .all(|room| room.state == RoomState::Degraded)
            );
            let named: Vec<_> = threads.map(|room| room.room.as_str()).collect();
            assert_eq!(named, expected);
        };
        check(None, 0, &[]);
        let again = Some(("eaves-quic", RoomFate::BegunAgain));
        check(again, 0, &["thread eaves-quic"]);
        let fallen = Some(("eaves-tls", RoomFate::Fallen));
        check(fallen, 0, &["thread eaves-quic", "thread eaves-tls"]);
        check(None, 700, &["thread eaves-tls"]);
    }

    #[test]
    fn a_refused_configuration_is_told_until_one_is_in_force() {
        let (board, mut poster) = poster();
        let now = Instant::now();
        let mut own = 0;
        let mut check = |poster: &mut Poster, expected: (RoomState, Option<&str>), sinks| {
            own += 1;
            poster.counted(counted(own), now);
            let rooms = board.standing().rooms(now);
            let config = rooms.iter().find(|room| room.room == "config").unwrap();
            assert_eq!((config.state, config.reason.as_deref()), expected);
            let named = rooms
                .iter()
                .filter_map(|room| room.room.strip_prefix("sink "));
            assert_eq!(named.collect::<Vec<_>>(), sinks);
            assert_eq!(board.standing().is_refused(), config.state != RoomState::Ok);
        };
        check(&mut poster, (RoomState::Ok, None), vec!["siem"]);
        poster.refused("a.yaml:1:1: x");
        let reason = Some("the one before is in force: a.yaml:1:1: x");
        check(&mut poster, (RoomState::Degraded, reason), vec!["siem"]);
        let config = Arc::new(crate::config::Config::default());
        let restart = ["capture.ring".to_owned()];
        poster.configured(Arc::clone(&config), vec!["other".to_owned()], &restart);
        let reason = Some("needs a restart: capture.ring");
        check(&mut poster, (RoomState::Ok, reason), vec!["other"]);
        // What a sink tells that is there no more makes no room of it.
        poster.hear(&Detail::Sink {
            sink: "siem".to_owned(),
            state: SinkState::Down,
            reason: None,
            events: None,
        });
        poster.configured(config, vec!["other".to_owned()], &[]);
        check(&mut poster, (RoomState::Ok, None), vec!["other"]);
    }
}
