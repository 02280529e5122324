//! Secrets of tokens, guessed beside the flow: a tenth of a second for each issuer and key is too dear
//! for it. One thread has the list; it is asked for the first token of each, and while it tries, the
//! exchange waits and all others pass. What there is no room or time for is counted, and tried again
//! with a later token.
//!
//! A recording is guessed on the spot, so that each replay says the same.

use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use crate::clock::Ktime;
use crate::detect::score::Secrets;
use crate::exchange::Guess;
use crate::guard::bare;
use crate::telemetry::{kept, tried};

/// The thread that tries.
const NAME: &str = "eaves-guess";

/// Tokens that wait to be tried.
const ASKED_MAX: usize = 8;

/// Who makes up issuers has so many tried at once, and then one each [`EVERY_NS`]: at most a
/// hundredth of a core.
const AT_ONCE: u64 = 16;
const EVERY_NS: u64 = 10_000_000_000;

/// Guesses secrets.
#[derive(Debug)]
pub(super) struct Guessing {
    way: Way,
    /// Tries that are allowed, and up to when that is counted.
    allowed: u64,
    since: Ktime,
    asked: u64,
}

#[derive(Debug)]
enum Way {
    /// By the thread that has the list: a number and the token go in, number and secret come out.
    Beside(
        SyncSender<(u64, Box<[u8]>)>,
        Receiver<(u64, Option<String>)>,
    ),
    /// Here; the list is unpacked with the first token.
    Here(Option<Secrets>),
}

/// What became of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is tried; the answer bears this number.
    Number(u64),
    /// It was tried: the secret, masked, if it is a known one.
    Known(Option<String>),
    /// There was no room, or too many were tried of late.
    Refused,
}

impl Guessing {
    /// Begins, with a thread if `live`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(live: bool) -> io::Result<Self> {
        let way = if live {
            let (to, asks) = mpsc::sync_channel(ASKED_MAX);
            // As many answers as there may be questions, and the one that is worked on.
            let (answer, from) = mpsc::sync_channel(ASKED_MAX + 1);
            let serving = kept(NAME, || false, move || serve(&asks, &answer));
            thread::Builder::new()
                .name(NAME.into())
                .spawn(bare(serving))?;
            Way::Beside(to, from)
        } else {
            Way::Here(None)
        };
        Ok(Self {
            way,
            allowed: AT_ONCE,
            since: Ktime(0),
            asked: 0,
        })
    }

    /// Asks for the secret of a token that came at `now`.
    pub(super) fn ask(&mut self, guess: &Guess, now: Ktime) -> Asked {
        let more = now.since(self.since) / EVERY_NS;
        if more > 0 {
            self.allowed = self.allowed.saturating_add(more).min(AT_ONCE);
            self.since = now;
        }
        if self.allowed == 0 {
            return Asked::Refused;
        }
        let asked = match &mut self.way {
            Way::Beside(to, _) => match to.try_send((self.asked, guess.token.clone())) {
                Ok(()) => Asked::Number(self.asked),
                Err(_) => return Asked::Refused,
            },
            Way::Here(secrets) => {
                let secrets = secrets.get_or_insert_with(Secrets::new);
                Asked::Known(secrets.weak(&guess.token))
            }
        };
        self.allowed -= 1;
        self.asked += 1;
        asked
    }

    /// The next answer, if there is one: its number, and the secret, masked.
    pub(super) fn answer(&self) -> Option<(u64, Option<String>)> {
        match &self.way {
            Way::Beside(_, from) => from.try_recv().ok(),
            Way::Here(_) => None,
        }
    }
}

/// Tries tokens until nobody asks or listens any more.
fn serve(asks: &Receiver<(u64, Box<[u8]>)>, answer: &SyncSender<(u64, Option<String>)>) {
    // Two megabytes, for which a host without such tokens has no use.
    let mut secrets = None;
    while let Ok((number, token)) = asks.recv() {
        let secrets = secrets.get_or_insert_with(Secrets::new);
        let secret = tried(NAME, || secrets.weak(&token)).flatten();
        if answer.send((number, secret)).is_err() {
            return;
        }
    }
}
