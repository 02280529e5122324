//! The ledger: in = out + dropped, for every stage, in one place.

use std::fmt;

use super::{Counter, Counters};
use Counter as C;

/// Sums that are the same once nothing is under way: after the drain at stop.
const BALANCES: &[(&str, &[Counter], &[Counter])] = &[
    (
        "records read",
        &[C::RecordsRead],
        &[C::RecordsDecoded, C::RecordsUndecodable],
    ),
    (
        "records to streams",
        &[C::RecordsDecoded],
        &[C::StreamRecords],
    ),
    (
        "records of streams",
        &[C::StreamRecords],
        &[
            C::StreamOpens,
            C::StreamReopens,
            C::StreamData,
            C::StreamEnds,
            C::StreamDataUnknown,
            C::StreamDataNotHttp,
            C::StreamDataAfterEnd,
            C::StreamEndsUnknown,
        ],
    ),
    (
        "bytes put in order",
        &[C::StreamBytes],
        &[
            C::StreamBytesInOrder,
            C::StreamBytesHeld,
            C::StreamBytesDuplicate,
            C::StreamBytesOverlap,
        ],
    ),
    (
        "bytes held",
        &[C::StreamBytesHeld],
        &[C::StreamBytesReleased, C::StreamBytesHeldOverlap],
    ),
    (
        "bytes in order",
        &[C::StreamBytesInOrder, C::StreamBytesReleased],
        &[
            C::StreamBytesDelivered,
            C::StreamBytesSkipped,
            C::StreamBytesLimit,
            C::StreamBytesFault,
            C::StreamBytesUnseen,
            C::StreamBytesUndecided,
            C::StreamBytesNotHttp,
        ],
    ),
    (
        "bytes to parsers",
        &[C::StreamBytesDelivered],
        &[C::ProtocolBytes],
    ),
    (
        "bytes parsed",
        &[C::ProtocolBytes],
        &[
            C::ProtocolBytesHead,
            C::ProtocolBytesBody,
            C::ProtocolBytesFraming,
            C::ProtocolBytesPassed,
        ],
    ),
    (
        "messages",
        &[C::ProtocolMessages],
        &[
            C::ProtocolRequests,
            C::ProtocolResponses,
            C::ProtocolInterims,
        ],
    ),
    (
        "requests",
        &[C::ProtocolRequests],
        &[C::ExchangesPaired, C::ExchangesRequestOnly],
    ),
    (
        "responses",
        &[C::ProtocolResponses],
        &[C::ExchangesPaired, C::ExchangesResponseOnly],
    ),
    (
        "exchanges",
        &[C::ExchangesBegun],
        &[C::ExchangesReported, C::ExchangesVoid],
    ),
    (
        "exchanges by halves",
        &[C::ExchangesReported],
        &[
            C::ExchangesPaired,
            C::ExchangesRequestOnly,
            C::ExchangesResponseOnly,
            C::ExchangesHeadless,
        ],
    ),
    (
        "exchanges by completeness",
        &[C::ExchangesReported],
        &[C::ExchangesComplete, C::ExchangesIncomplete],
    ),
    (
        "lines of sinks",
        &[C::SinkLinesIn],
        &[C::SinkLinesWritten, C::SinkLinesFailed],
    ),
];

/// Two sums that should be the same and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// What is out of balance.
    pub name: &'static str,
    /// What went in.
    pub into: u64,
    /// What came out or was dropped.
    pub out: u64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, into, out } = self;
        write!(f, "{name}: {into} in, {out} out or dropped")
    }
}

impl Counters {
    /// What does not balance; nothing, if all is well and nothing is under way.
    #[must_use]
    pub fn check(&self) -> Vec<Imbalance> {
        let sum = |of: &[Counter]| {
            of.iter()
                .fold(0u64, |sum, counter| sum.wrapping_add(self.get(*counter)))
        };
        let sums = BALANCES
            .iter()
            .map(|(name, into, out)| (*name, sum(into), sum(out)));
        sums.filter(|(_, into, out)| into != out)
            .map(|(name, into, out)| Imbalance { name, into, out })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Counters};

    #[test]
    fn what_goes_in_and_does_not_come_out_is_told() {
        let mut counters = Counters::default();
        assert_eq!(counters.check(), []);
        counters.add(Counter::RecordsRead, 3);
        counters.add(Counter::RecordsUndecodable, 2);
        let told = counters.check();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].to_string(), "records read: 3 in, 2 out or dropped");
        counters.add(Counter::RecordsUndecodable, 1);
        assert_eq!(counters.check(), []);
    }
}
