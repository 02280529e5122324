//! A bounded channel that counts what it drops: from the capture thread to the one that seals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::exchange::Exchange;
use crate::telemetry::{Counter, Counters};

/// What goes through.
#[derive(Debug)]
pub(super) enum Message {
    /// Exchanges of one read, in order, and the bytes they hold.
    Exchanges(Vec<Exchange>, u64),
    /// What the capture side has counted so far.
    Counted(Box<super::Counted>),
}

/// The end that exchanges go into. Never waits.
#[derive(Debug)]
pub(super) struct QueueIn {
    to: Sender<Message>,
    held: Arc<AtomicU64>,
    /// What was counted lies in it: an output that stands still for days must not let that add up.
    counted: Arc<AtomicBool>,
    limit_bytes: u64,
    counters: Counters,
}

/// The end they come out of.
#[derive(Debug)]
pub(super) struct QueueOut {
    from: Receiver<Message>,
    held: Arc<AtomicU64>,
    counted: Arc<AtomicBool>,
    counters: Counters,
}

/// A queue whose exchanges hold at most `limit_bytes` in all.
#[must_use]
pub(super) fn queue(limit_bytes: u64) -> (QueueIn, QueueOut) {
    let (to, from) = mpsc::channel();
    let held = Arc::new(AtomicU64::new(0));
    let counted = Arc::new(AtomicBool::new(false));
    (
        QueueIn {
            to,
            held: Arc::clone(&held),
            counted: Arc::clone(&counted),
            limit_bytes,
            counters: Counters::default(),
        },
        QueueOut {
            from,
            held,
            counted,
            counters: Counters::default(),
        },
    )
}

impl QueueIn {
    /// Leaves those of `exchanges` that there is room for, before more is done for them; the newest
    /// are dropped and counted.
    pub(super) fn admit(&mut self, exchanges: &mut Vec<Exchange>) {
        if exchanges.is_empty() {
            return;
        }
        let offered = exchanges.len();
        self.counters.add(Counter::QueueOffered, offered as u64);
        let room = self
            .limit_bytes
            .saturating_sub(self.held.load(Ordering::Relaxed));
        let mut bytes = 0;
        let fit = exchanges.iter().take_while(|exchange| {
            bytes += exchange.held_bytes() as u64;
            bytes <= room
        });
        let fit = fit.count();
        self.counters
            .add(Counter::QueueFull, (offered - fit) as u64);
        exchanges.truncate(fit);
    }

    /// Passes on all of `exchanges`, which were admitted and may have grown by what was read of them
    /// since.
    pub(super) fn push(&mut self, exchanges: &mut Vec<Exchange>) {
        if exchanges.is_empty() {
            return;
        }
        let held = exchanges
            .iter()
            .map(|exchange| exchange.held_bytes() as u64);
        let bytes = held.sum();
        let batch = std::mem::take(exchanges);
        let count = batch.len() as u64;
        self.held.fetch_add(bytes, Ordering::Relaxed);
        if self.to.send(Message::Exchanges(batch, bytes)).is_err() {
            self.counters.add(Counter::QueueClosed, count);
        }
    }

    /// Whether what was counted before has been taken.
    pub(super) fn wants_counted(&self) -> bool {
        !self.counted.load(Ordering::Relaxed)
    }

    /// Sends what was counted; of no use to anybody once the other end is gone.
    pub(super) fn counted(&mut self, counted: super::Counted) {
        self.counted.store(true, Ordering::Relaxed);
        let _gone = self.to.send(Message::Counted(Box::new(counted)));
    }

    /// What was offered and dropped.
    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl QueueOut {
    /// The next message, after at most `wait`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`] if there was none, or if there will be none.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Message, RecvTimeoutError> {
        let message = self.from.recv_timeout(wait)?;
        match &message {
            Message::Exchanges(exchanges, bytes) => {
                self.held.fetch_sub(*bytes, Ordering::Relaxed);
                self.counters
                    .add(Counter::QueueTaken, exchanges.len() as u64);
            }
            Message::Counted(_) => self.counted.store(false, Ordering::Relaxed),
        }
        Ok(message)
    }

    /// What came out.
    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Message, queue};
    use crate::clock::Ktime;
    use crate::pipeline::Counted;

    #[test]
    fn what_was_counted_does_not_add_up_while_nobody_takes_it() {
        let (mut to, mut from) = queue(0);
        let counted = |seconds| Counted {
            last: Ktime(seconds),
            ..Counted::default()
        };
        let mut taken = || {
            let mut times = Vec::new();
            while let Ok(Message::Counted(counted)) = from.next(Duration::ZERO) {
                times.push(counted.last.0);
            }
            times
        };
        for seconds in 0..100 {
            if to.wants_counted() {
                to.counted(counted(seconds));
            }
        }
        assert_eq!(taken(), [0]);
        assert!(to.wants_counted());
        to.counted(counted(100));
        to.counted(counted(101));
        assert_eq!(taken(), [100, 101], "the last is sent in any case");
    }
}
