//! Exchanges as they are reported: those that are whole, and halves that never meet.

use super::body::{Arrival, Progress};
use super::conn::Books;
use super::inside::fill;
use super::pair::Open;
use super::{Exchange, Reason, Seen};
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
    /// The conn is gone, nobody knows how.
    Unheard,
    /// Nothing came for too long.
    Timeout,
    /// It had to make room.
    Shed,
    /// The agent stops.
    Stop,
}

impl Closing {
    /// What it says of halves that are not over.
    const fn reason(self) -> Option<Reason> {
        match self {
            Self::Done | Self::Hidden | Self::Ended | Self::Unheard | Self::Stop => None,
            Self::Reset => Some(Reason::Reset),
            Self::Timeout => Some(Reason::Timeout),
            Self::Shed => Some(Reason::Shed),
        }
    }
}

/// Reports an exchange, unless there is nothing to report of it.
pub(super) fn close(mut open: Open, closing: Closing, books: &mut Books<'_>) {
    let Open {
        exchange,
        request,
        response,
        calls,
        socket,
        reports,
        ..
    } = &mut open;
    let halves = [
        (&mut *request, exchange.request.as_mut()),
        (&mut *response, exchange.response.as_mut()),
    ];
    for (arrival, half) in halves {
        if arrival.progress == Progress::Arriving {
            arrival.break_off(half, closing.reason(), books.now);
        }
        if arrival.progress == Progress::Waiting
            && let Some(reason) = closing.reason()
        {
            arrival.reasons.add(reason);
        }
    }
    let missing_bytes = request.missing_bytes.saturating_add(response.missing_bytes);
    let counter = match (&exchange.request, &exchange.response) {
        (Some(_), Some(_)) => Counter::ExchangesPaired,
        (Some(_), None) => Counter::ExchangesRequestOnly,
        (None, Some(_)) => Counter::ExchangesResponseOnly,
        (None, None) if missing_bytes > 0 || socket.is_some() => Counter::ExchangesHeadless,
        (None, None) => return books.counters.add(Counter::ExchangesVoid, 1),
    };
    books.counters.add(counter, 1);
    let arrivals = [&mut *request, &mut *response];
    fill(exchange, calls.as_deref(), arrivals, &books.context.options);
    if let Some(socket) = socket {
        socket.end();
        socket.fill(exchange, [&mut *request, &mut *response]);
    }
    exchange.known.spoken.report = *reports;
    let shed = u64::from(request.shed) + u64::from(response.shed);
    books.counters.add(Counter::ExchangesBodiesShed, shed);
    let complete = [request.seen, response.seen]
        .iter()
        .all(|seen| matches!(seen, Seen::Whole | Seen::Truncated));
    let counter = if complete {
        Counter::ExchangesComplete
    } else {
        Counter::ExchangesIncomplete
    };
    books.counters.add(counter, 1);
    books.counters.add(Counter::ExchangesReported, 1);
    told(exchange, request, response);
    books.context.out.push(open.exchange);
}

/// Says on `exchange` how much of it was seen, and what was odd.
pub(super) fn told(exchange: &mut Exchange, request: &Arrival, response: &Arrival) {
    let (mut reasons, mut anomalies) = (request.reasons, request.anomalies);
    reasons.absorb(response.reasons);
    anomalies.absorb(response.anomalies);
    exchange.request_seen = request.seen;
    exchange.response_seen = response.seen;
    exchange.missing_bytes = request.missing_bytes.saturating_add(response.missing_bytes);
    exchange.reasons = reasons.list();
    exchange.anomalies = anomalies.names();
}
