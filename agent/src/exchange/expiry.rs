//! Exchanges as they are reported: those that are whole, and halves that never meet.

use super::body::{Progress, degrade, give_reason};
use super::conn::Books;
use super::pair::Open;
use super::{Reason, Seen};
use crate::telemetry::Counter;

/// Why an exchange is reported now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Both halves are over.
    Done,
    /// Its response passed unseen.
    Hidden,
    /// The conn ended, in good order.
    Ended,
    /// The conn was reset.
    Reset,
    /// Nothing came for too long.
    Timeout,
    /// It had to make room.
    Shed,
    /// The agent stops.
    Stop,
}

/// Reports an exchange, unless there is nothing to report of it.
pub(super) fn close(mut open: Open, closing: Closing, books: &mut Books<'_>) {
    let exchange = &mut open.exchange;
    let cut =
        open.request.progress == Progress::Arriving || open.response.progress != Progress::Done;
    if cut && let Some(reason) = reason(closing) {
        give_reason(&mut exchange.reasons, reason);
    }
    if open.request.progress == Progress::Arriving {
        open.request.end(exchange.request.as_mut(), true, books.now);
        degrade(&mut exchange.request_seen, Seen::Unfinished);
    }
    if open.response.progress == Progress::Arriving {
        open.response
            .end(exchange.response.as_mut(), true, books.now);
        degrade(&mut exchange.response_seen, Seen::Unfinished);
    }
    let counter = match (&exchange.request, &exchange.response) {
        (Some(_), Some(_)) => Counter::ExchangesPaired,
        (Some(_), None) => Counter::ExchangesRequestOnly,
        (None, Some(_)) => Counter::ExchangesResponseOnly,
        (None, None) if exchange.missing_bytes > 0 => Counter::ExchangesHeadless,
        (None, None) => return books.counters.add(Counter::ExchangesVoid, 1),
    };
    books.counters.add(counter, 1);
    let complete = [exchange.request_seen, exchange.response_seen]
        .iter()
        .all(|seen| matches!(seen, Seen::Whole | Seen::Truncated));
    let counter = if complete {
        Counter::ExchangesComplete
    } else {
        Counter::ExchangesIncomplete
    };
    books.counters.add(counter, 1);
    books.counters.add(Counter::ExchangesReported, 1);
    exchange.anomalies = open.anomalies.names();
    books.context.out.push(open.exchange);
}

/// What a closing says of halves that are not over.
const fn reason(closing: Closing) -> Option<Reason> {
    match closing {
        Closing::Done | Closing::Hidden | Closing::Ended | Closing::Stop => None,
        Closing::Reset => Some(Reason::Reset),
        Closing::Timeout => Some(Reason::Timeout),
        Closing::Shed => Some(Reason::Shed),
    }
}
