//! What a sink answers, and what is still to be sent: one batch from first attempt to last.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use super::batch::Part;

/// Sends events to one far end.
pub trait Deliver: Send {
    /// Sends the events of `part` once, and says what became of them.
    ///
    /// What it calls accepted will not be sent again: it must have been acknowledged, as far as the
    /// far end acknowledges at all.
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a>;

    /// What it must do though no event comes, as sending an alert again that still stands.
    ///
    /// Called about once a second, between batches.
    fn idle(&mut self) -> Delivering<'_> {
        Box::pin(async { Outcome::Accepted })
    }

    /// What is to be done before [`Self::deliver`] is called with this part: whether its memory has
    /// changed and must be kept before anything is sent, so that the same can be done after a kill.
    ///
    /// # Errors
    /// Why it cannot be delivered now.
    fn prepare<'a>(&'a mut self, _: Part<'a>) -> Preparing<'a> {
        Box::pin(async { Ok(false) })
    }

    /// Whether one event alone may ask whether a far end is back that failed. Not where what is sent again
    /// must be just what was sent before.
    fn probes(&self) -> bool {
        true
    }

    /// Whether it must be given a batch as a whole, however many events that are, and what is left of it
    /// as a whole again.
    fn whole(&self) -> bool {
        false
    }

    /// How many events the next batch must have, if they are there: those that were under way.
    fn awaits(&self) -> usize {
        0
    }

    /// The cursor moves behind all that was delivered.
    fn passed(&mut self) {}

    /// Opens again what it writes to, as after somebody renamed a file.
    fn reopen(&mut self) {}

    /// What it must know after a restart; kept with the cursor.
    fn memory(&self) -> Value {
        Value::Null
    }

    /// Takes back what [`Self::memory`] gave.
    fn remember(&mut self, _: Value) {}
}

/// A delivery under way.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A delivery that is being prepared.
pub type Preparing<'a> = Pin<Box<dyn Future<Output = Result<bool, Problem>> + Send + 'a>>;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All arrived.
    Accepted,
    /// As far as is known none arrived: all are sent again later.
    Retry(Problem),
    /// The request was refused for what is in it. One event alone is refused for good; more are
    /// sent again by halves, until the one is found.
    Refused(String),
    /// Each event's own fate, in the order sent, and what to say of those that are sent again.
    Each(Vec<Fate>, Option<Problem>),
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived.
    Accepted,
    /// It did not, and is sent again.
    Retry,
    /// It never will: why.
    Refused(String),
}

/// Why events did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For a person; holds no secret and no event.
    pub what: String,
    /// How long the far end asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem, and no word of when to come again.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            retry_after: None,
        }
    }
}

/// One batch on its way: which events are to be sent next, and what became of the others.
#[derive(Debug)]
pub(super) struct Course {
    /// What is to be sent, each a run of places in order.
    parts: VecDeque<Vec<usize>>,
    /// Events that arrived.
    pub(super) accepted: u64,
    /// Attempts after which something was left.
    pub(super) retries: u64,
    refused: Vec<(usize, String)>,
}

impl Course {
    /// Of a batch of `len` events, at most `at_once` in one attempt.
    #[must_use]
    pub(super) fn of(len: usize, at_once: usize) -> Self {
        let all: Vec<usize> = (0..len).collect();
        Self {
            parts: all.chunks(at_once.max(1)).map(<[_]>::to_vec).collect(),
            accepted: 0,
            retries: 0,
            refused: Vec::new(),
        }
    }

    /// What to send next; `None` when nothing is left. After failures (`probe`) one event alone goes
    /// first: a far end that is down is asked for little.
    pub(super) fn next(&mut self, probe: bool) -> Option<&[usize]> {
        let first = self.parts.front_mut()?;
        if probe && first.len() > 1 {
            let rest = first.split_off(1);
            self.parts.insert(1, rest);
        }
        self.parts.front().map(Vec::as_slice)
    }

    /// Notes what became of what [`Self::next`] gave. A problem says that there must be a wait.
    pub(super) fn settle(&mut self, outcome: Outcome) -> Option<Problem> {
        let part = self.parts.pop_front()?;
        match outcome {
            Outcome::Accepted => {
                self.accepted += part.len() as u64;
                None
            }
            Outcome::Retry(problem) => {
                self.again(part);
                Some(problem)
            }
            Outcome::Refused(why) => {
                match part.as_slice() {
                    [one] => self.refused.push((*one, why)),
                    many => {
                        let (front, back) = many.split_at(many.len() / 2);
                        self.parts.push_front(back.to_vec());
                        self.parts.push_front(front.to_vec());
                    }
                }
                None
            }
            Outcome::Each(fates, problem) => {
                let mut fates = fates.into_iter();
                let mut left = Vec::new();
                for place in part {
                    match fates.next() {
                        Some(Fate::Accepted) => self.accepted += 1,
                        Some(Fate::Refused(why)) => self.refused.push((place, why)),
                        // An answer that names fewer events than were sent has not named this one.
                        Some(Fate::Retry) | None => left.push(place),
                    }
                }
                if left.is_empty() {
                    return None;
                }
                self.again(left);
                let unnamed = || Problem::new("the answer does not name every event");
                Some(problem.unwrap_or_else(unnamed))
            }
        }
    }

    fn again(&mut self, part: Vec<usize>) {
        self.retries += 1;
        self.parts.push_front(part);
    }

    /// Events that were refused for good since the last call, each with why.
    pub(super) fn take_refused(&mut self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::{Course, Fate, Outcome, Problem};
    use proptest::prelude::*;

    fn wait() -> Outcome {
        Outcome::Retry(Problem::new("down"))
    }

    #[test]
    fn all_at_once_or_again() {
        let mut course = Course::of(3, 10);
        assert_eq!(course.next(false), Some(&[0, 1, 2][..]));
        assert_eq!(course.settle(wait()).unwrap().what, "down");
        // One alone asks whether it is worth while.
        assert_eq!(course.next(true), Some(&[0][..]));
        assert_eq!(course.settle(Outcome::Accepted), None);
        assert_eq!(course.next(false), Some(&[1, 2][..]));
        assert_eq!(course.settle(Outcome::Accepted), None);
        assert_eq!(course.next(false), None);
        assert_eq!((course.accepted, course.retries), (3, 1));
        assert_eq!(Course::of(0, 10).next(true), None);
    }

    #[test]
    fn each_event_has_its_own_fate() {
        let mut course = Course::of(4, 10);
        course.next(false);
        let fates = vec![Fate::Accepted, Fate::Retry, Fate::Refused("bad".into())];
        let problem = course.settle(Outcome::Each(fates, None)).unwrap();
        assert_eq!(problem.what, "the answer does not name every event");
        assert_eq!(course.next(false), Some(&[1, 3][..]));
        assert_eq!(course.take_refused(), [(2, "bad".to_owned())]);
    }

    proptest! {
        /// A far end that refuses any request with a poison event in it, fails now and then, and
        /// takes the rest.
        #[test]
        fn only_poison_is_refused_and_all_else_arrives_in_order(
            poison in proptest::collection::vec(any::<bool>(), 1..40),
            fails in proptest::collection::vec(any::<bool>(), 400),
            at_once in 0..50_usize,
        ) {
            let mut course = Course::of(poison.len(), at_once);
            let (mut arrived, mut fails) = (Vec::new(), fails.into_iter());
            let mut failed = false;
            while let Some(part) = course.next(failed) {
                let part = part.to_vec();
                failed = fails.next().unwrap_or(false);
                let outcome = if failed {
                    wait()
                } else if part.iter().any(|place| poison[*place]) {
                    Outcome::Refused("poison".into())
                } else {
                    arrived.extend(part);
                    Outcome::Accepted
                };
                course.settle(outcome);
            }
            let good: Vec<usize> = (0..poison.len()).filter(|place| !poison[*place]).collect();
            prop_assert_eq!(&arrived, &good);
            prop_assert_eq!(course.accepted, good.len() as u64);
            let refused: Vec<usize> = course.take_refused().into_iter().map(|(at, _)| at).collect();
            let bad: Vec<usize> = (0..poison.len()).filter(|place| poison[*place]).collect();
            prop_assert_eq!(refused, bad);
        }
    }
}
