//! Tells systemd how the agent does: ready, alive, stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::guard::{Need, keeping};
use crate::pipeline::{Board, RoomState, Standing};
use crate::telemetry::kept;

/// How often the board is looked at until the agent is ready, and from then on.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_secs(1);

/// The thread.
const NAME: &str = "eaves-systemd";

/// Where systemd expects to be told.
const SOCKET: &str = "NOTIFY_SOCKET";

/// What others have it tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The configuration is being read again.
    Reloading,
    /// That is over, whatever came of it.
    Reloaded,
    /// It ends.
    Stopping,
    /// Nothing more is told.
    End,
}

/// Tells systemd, from a thread of its own, until it is dropped; nothing where systemd does not ask.
#[derive(Debug)]
pub(super) struct Systemd {
    thread: Option<(Sender<Word>, JoinHandle<()>)>,
    over: Arc<AtomicBool>,
}

impl Systemd {
    /// Begins to tell what `board` says.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(board: &Arc<Board>) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        if std::env::var_os(SOCKET).is_none() {
            return Ok(Self { thread: None, over });
        }
        let (words, said) = channel();
        let (board, is_over) = (Arc::clone(board), Arc::clone(&over));
        let is_over = move || is_over.load(Ordering::Relaxed);
        let telling = kept(NAME, is_over, move || tell(&board, &said));
        let thread = thread::Builder::new().name(NAME.into());
        let thread = thread.spawn(keeping([Need::Local], telling))?;
        Ok(Self {
            thread: Some((words, thread)),
            over,
        })
    }

    /// Has it tell more; nothing where systemd does not ask.
    pub(super) fn words(&self) -> Option<Sender<Word>> {
        self.thread.as_ref().map(|(words, _)| words.clone())
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if let Some((words, thread)) = self.thread.take() {
            self.over.store(true, Ordering::Relaxed);
            let _ = words.send(Word::End);
            let _ = thread.join();
        }
    }
}

fn tell(board: &Board, words: &Receiver<Word>) {
    // It asks to be told within a time: half of it is soon enough.
    let alive_every = sd_notify::watchdog_enabled().map(|within| within / 2);
    let mut beats = 0;
    let mut alive = Instant::now();
    let mut said = String::new();
    loop {
        let wait = if beats == 0 { LOOK_FIRST } else { LOOK };
        match words.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) | Ok(Word::End) => return,
            Ok(Word::Stopping) => {
                stopping();
                continue;
            }
            // Before it is ready for the first time it is starting, not reloading.
            Ok(Word::Reloading | Word::Reloaded) if beats == 0 => continue,
            Ok(Word::Reloading) => {
                reloading();
                continue;
            }
            Ok(Word::Reloaded) => {
                said = status(&board.standing());
                send(&[NotifyState::Ready, NotifyState::Status(&said)]);
                continue;
            }
        }
        let standing = board.standing();
        if standing.beats == beats {
            continue;
        }
        let mut states = Vec::new();
        if beats == 0 {
            states.push(NotifyState::Ready);
        }
        beats = standing.beats;
        // A beat is a transfer that the taps saw and that came through every thread.
        if alive_every.is_some_and(|every| alive.elapsed() >= every.min(LOOK)) {
            alive = Instant::now();
            states.push(NotifyState::Watchdog);
        }
        let status = status(&standing);
        if status != said {
            said = status;
            states.push(NotifyState::Status(&said));
        }
        send(&states);
    }
}

/// What `systemctl status` shows: each room of which there is something to say.
fn status(standing: &Standing) -> String {
    let mut status = "hearing".to_owned();
    for room in standing.rooms(Instant::now()) {
        if room.state == RoomState::Ok && room.reason.is_none() {
            continue;
        }
        let reason = room.reason.unwrap_or_default();
        status.push_str(&format!("; {} {}: {reason}", room.room, room.state.name()));
    }
    // A line break would end the message.
    status.replace(|c: char| c.is_control(), " ")
}

/// Says that the configuration is being read again, and when that began, by which systemd knows that
/// it is about its own request (`Type=notify-reload`).
fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd cannot be told"),
    }
}

/// Says that it ends.
fn stopping() {
    send(&[
        NotifyState::Stopping,
        NotifyState::Status("delivering what was heard"),
    ]);
}

fn send(states: &[NotifyState<'_>]) {
    if !states.is_empty()
        && let Err(error) = sd_notify::notify(states)
    {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
