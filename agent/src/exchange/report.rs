//! Reports of exchanges that are still under way: long bodies, streams of events, calls that go on,
//! answers that are long in coming.

use super::body::Progress;
use super::conn::Books;
use super::expiry::told;
use super::inside::fill;
use super::pair::Open;
use super::{Reason, Seen};
use crate::clock::Ktime;
use crate::stream::Direction;
use crate::telemetry::Counter;

/// How long after its response's head an exchange that goes on is reported.
const FIRST_NS: u64 = 1_000_000_000;
/// How often from then on.
const EVERY_NS: u64 = 60_000_000_000;
/// Reports are due at multiples of this, so that many conns are woken together.
const TOGETHER_NS: u64 = 250_000_000;

/// The time `after_ns` from `now`, or a little later; `None` beyond the end of all time.
fn due(now: Ktime, after_ns: u64) -> Option<Ktime> {
    let due = now.0.checked_add(after_ns)?;
    due.checked_next_multiple_of(TOGETHER_NS).map(Ktime)
}

impl Open {
    /// A head has come: should the exchange last, it is reported before it is over.
    pub(super) fn may_last(&mut self, direction: Direction, now: Ktime) {
        let after_ns = match direction {
            Direction::ToServer => EVERY_NS,
            Direction::ToClient => FIRST_NS,
        };
        self.due = due(now, after_ns);
    }

    /// Reports what there is of it so far, if that is due; whether it was.
    pub(super) fn tell_if_due(&mut self, books: &mut Books<'_>) -> bool {
        if self.due.is_none_or(|due| due > books.now) {
            return false;
        }
        if self.tentative.is_some() {
            // What comes next may settle which request it answers.
            self.due = due(books.now, FIRST_NS);
            return false;
        }
        self.due = due(books.now, EVERY_NS);
        let mut exchange = self.exchange.clone();
        let (mut request, mut response) = (self.request, self.response);
        let halves = [
            (&mut request, exchange.request.as_mut()),
            (&mut response, exchange.response.as_mut()),
        ];
        for (arrival, half) in halves {
            if arrival.progress == Progress::Arriving {
                arrival.end(half, true, books.now);
                arrival.degrade(Seen::Unfinished, None::<Reason>);
            }
        }
        let options = &books.context.options;
        let arrivals = [&mut request, &mut response];
        fill(&mut exchange, self.calls.as_deref(), arrivals, options);
        if let Some(socket) = &mut self.socket {
            socket.fill(&mut exchange, [&mut request, &mut response]);
        }
        told(&mut exchange, &request, &response);
        exchange.known.spoken.report = self.reports;
        exchange.known.spoken.partial = true;
        self.reports += 1;
        books.counters.add(Counter::ExchangesPartial, 1);
        books.context.out.push(exchange);
        true
    }
}
