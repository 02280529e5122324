//! Tells systemd how the agent does: ready, alive, stopping.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::pipeline::{Board, RoomState};

/// How often the board is looked at until the agent is ready, and from then on.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_secs(1);

/// Where systemd expects to be told.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells systemd, from a thread of its own, until it is dropped; nothing where systemd does not ask.
#[derive(Debug)]
pub(super) struct Systemd {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Systemd {
    /// Begins to tell what `board` says.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(board: &Arc<Board>) -> std::io::Result<Self> {
        if std::env::var_os(SOCKET).is_none() {
            return Ok(Self { thread: None });
        }
        let (stop, stopped) = channel();
        let board = Arc::clone(board);
        let thread = thread::Builder::new().name("eaves-systemd".into());
        let thread = thread.spawn(move || tell(&board, &stopped))?;
        Ok(Self {
            thread: Some((stop, thread)),
        })
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn tell(board: &Board, stopped: &Receiver<()>) {
    // It asks to be told within a time: half of it is soon enough.
    let alive_every = sd_notify::watchdog_enabled().map(|within| within / 2);
    let mut beats = 0;
    let mut alive = Instant::now();
    let mut said = String::new();
    loop {
        let wait = if beats == 0 { LOOK_FIRST } else { LOOK };
        match stopped.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
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
        let rooms = standing.rooms(Instant::now());
        let unwell = rooms.iter().filter(|room| room.state != RoomState::Ok);
        let unwell = unwell.map(|room| {
            let reason = room.reason.as_deref().unwrap_or_default();
            format!("{} {}: {reason}", room.room, room.state.name())
        });
        let unwell: Vec<_> = unwell.collect();
        let status = if unwell.is_empty() {
            "hearing".to_owned()
        } else {
            format!("hearing; {}", unwell.join("; "))
        };
        if status != said {
            said = status;
            states.push(NotifyState::Status(&said));
        }
        send(&states);
    }
}

/// Says that it ends.
pub(super) fn stopping() {
    send(&[
        NotifyState::Stopping,
        NotifyState::Status("delivering what was heard"),
    ]);
}

fn send(states: &[NotifyState<'_>]) {
    if !states.is_empty()
        && std::env::var_os(SOCKET).is_some()
        && let Err(error) = sd_notify::notify(states)
    {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
