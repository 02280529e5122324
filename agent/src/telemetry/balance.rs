//! The ledger: in = out + dropped, for every stage, in one place.

use std::fmt;

use super::{Counter, Counters};
use Counter as C;

/// Two sums of counters that are the same once nothing is under way: after the drain at stop.
#[derive(Clone, Copy, Debug)]
pub struct Balance {
    /// Stage it belongs to.
    pub stage: &'static str,
    /// What is counted.
    pub name: &'static str,
    /// What went in.
    pub into: &'static [Counter],
    /// What came out or was dropped.
    pub out: &'static [Counter],
}

/// The balances of a shard, in the order of its stages.
pub const SHARD_BALANCES: &[Balance] = &[
    balance(
        "reader",
        "records read",
        &[C::RecordsRead],
        &[C::RecordsDecoded, C::RecordsUndecodable],
    ),
    balance(
        "stream",
        "records to streams",
        &[C::RecordsDecoded],
        &[C::StreamRecords],
    ),
    balance(
        "stream",
        "records of streams",
        &[C::StreamRecords],
        &[
            C::StreamOpens,
            C::StreamReopens,
            C::StreamData,
            C::StreamEnds,
            C::StreamActs,
            C::StreamHellos,
            C::StreamDataUnknown,
            C::StreamDataNotHttp,
            C::StreamDataAfterEnd,
            C::StreamEndsUnknown,
        ],
    ),
    balance(
        "stream",
        "bytes put in order",
        &[C::StreamBytes],
        &[
            C::StreamBytesInOrder,
            C::StreamBytesHeld,
            C::StreamBytesDuplicate,
            C::StreamBytesOverlap,
        ],
    ),
    balance(
        "stream",
        "bytes held",
        &[C::StreamBytesHeld],
        &[C::StreamBytesReleased, C::StreamBytesHeldOverlap],
    ),
    balance(
        "stream",
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
    balance(
        "protocol",
        "bytes to parsers",
        &[C::StreamBytesDelivered],
        &[C::ProtocolBytes],
    ),
    balance(
        "protocol",
        "bytes parsed",
        &[C::ProtocolBytes],
        &[
            C::ProtocolBytesHead,
            C::ProtocolBytesBody,
            C::ProtocolBytesFraming,
            C::ProtocolBytesPassed,
        ],
    ),
    balance(
        "protocol",
        "messages",
        &[C::ProtocolMessages],
        &[
            C::ProtocolRequests,
            C::ProtocolResponses,
            C::ProtocolInterims,
        ],
    ),
    balance(
        "exchange",
        "requests",
        &[C::ProtocolRequests],
        &[C::ExchangesPaired, C::ExchangesRequestOnly],
    ),
    balance(
        "exchange",
        "responses",
        &[C::ProtocolResponses],
        &[C::ExchangesPaired, C::ExchangesResponseOnly],
    ),
    balance(
        "exchange",
        "exchanges",
        &[C::ExchangesBegun],
        &[C::ExchangesReported, C::ExchangesVoid],
    ),
    balance(
        "exchange",
        "exchanges by halves",
        &[C::ExchangesReported],
        &[
            C::ExchangesPaired,
            C::ExchangesRequestOnly,
            C::ExchangesResponseOnly,
            C::ExchangesHeadless,
        ],
    ),
    balance(
        "exchange",
        "exchanges by completeness",
        &[C::ExchangesReported],
        &[C::ExchangesComplete, C::ExchangesIncomplete],
    ),
];

/// Those of the stages behind the shards, in order.
pub const HOST_BALANCES: &[Balance] = &[
    balance(
        "queue",
        "exchanges to the queue",
        &[C::ExchangesReported, C::ExchangesPartial],
        &[
            C::QueueOffered,
            C::BudgetStaticAssets,
            C::BudgetRepeats,
            C::BudgetAlike,
        ],
    ),
    balance(
        "queue",
        "exchanges queued",
        &[C::QueueOffered],
        &[C::QueueTaken, C::QueueFull, C::QueueClosed],
    ),
    balance(
        "lookup",
        "processes asked for",
        &[C::LookupExchanges],
        &[C::LookupHits, C::LookupMisses],
    ),
    balance(
        "lookup",
        "processes waited for",
        &[C::LookupMisses],
        &[C::LookupFound, C::LookupTimeouts],
    ),
    balance(
        "seal",
        "exchanges sealed",
        &[C::QueueTaken],
        &[C::Sealed, C::SealUndelivered],
    ),
    balance(
        "journal",
        "records offered",
        &[C::JournalOffered],
        &[
            C::JournalAccepted,
            C::JournalRefused,
            C::JournalShedExchanges,
            C::JournalShedFindings,
            C::JournalShedNotices,
        ],
    ),
    balance(
        "journal",
        "records accepted",
        &[C::JournalAccepted],
        &[C::JournalDurable, C::JournalLost, C::JournalUnsynced],
    ),
    balance(
        "sink",
        "lines",
        &[C::SinkLinesIn],
        &[C::SinkLinesWritten, C::SinkLinesFailed],
    ),
    balance(
        "sink",
        "events delivered",
        &[C::SinkSettled],
        &[C::SinkAccepted, C::SinkRefused],
    ),
];

/// What counts things lost: neither passed on nor left out on purpose.
pub const LOSSES: &[Counter] = &[
    C::RecordsUndecodable,
    C::StreamDataUnknown,
    C::StreamBytesOverlap,
    C::StreamBytesHeldOverlap,
    C::StreamBytesFault,
    C::StreamBytesUnseen,
    C::StreamGapBytesRing,
    C::StreamGapBytesUnseen,
    C::StreamConnsEvicted,
    C::StreamSheds,
    C::ProtocolLosses,
    C::ExchangesBodiesShed,
    C::BudgetStaticAssets,
    C::BudgetRepeats,
    C::BudgetAlike,
    C::QueueFull,
    C::QueueActsFull,
    C::QueueClosed,
    C::SealUndelivered,
    C::JournalRefused,
    C::JournalShedExchanges,
    C::JournalShedFindings,
    C::JournalShedNotices,
    C::JournalLost,
    C::JournalUnsentDropped,
    C::JournalCutRecords,
    C::SinkLinesFailed,
];

const fn balance(
    stage: &'static str,
    name: &'static str,
    into: &'static [Counter],
    out: &'static [Counter],
) -> Balance {
    Balance {
        stage,
        name,
        into,
        out,
    }
}

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
    /// What does not balance in a shard; nothing, if all is well and nothing is under way.
    #[must_use]
    pub fn check(&self) -> Vec<Imbalance> {
        let sum = |of: &[Counter]| {
            of.iter()
                .fold(0u64, |sum, counter| sum.wrapping_add(self.get(*counter)))
        };
        let sums = SHARD_BALANCES
            .iter()
            .map(|balance| (balance.name, sum(balance.into), sum(balance.out)));
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
