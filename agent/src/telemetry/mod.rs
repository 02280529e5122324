//! Counters by enum: no strings at call sites. A stage owns its [`Counters`]; the pipeline sums them.
//! The log goes to standard error; a panic does too, without what was heard. A thread that panics is begun
//! again, or told of.

mod balance;
mod log;
mod panic;
mod rooms;

pub use balance::{Balance, HOST_BALANCES, Imbalance, LOSSES, SHARD_BALANCES};
pub use log::{LogError, LogFormat, LogOptions, log_to_stderr, with_causes};
pub use panic::quiet_panics;
pub use rooms::{FALLS, Falls, Fate, Tries, kept, tried, tried_beside, watched};

/// Declares [`Counter`] with the stage and the name of each.
macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $stage:literal, $name:literal;)+) => {
        /// What the agent counts, each at its own place, none computed from others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Counter {
            $($(#[$doc])* $variant,)+
        }

        impl Counter {
            /// All, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Stage it belongs to.
            #[must_use]
            pub const fn stage(self) -> &'static str {
                match self { $(Self::$variant => $stage,)+ }
            }

            /// Its name in ledger and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

counters! {
    /// Records read from the source.
    RecordsRead = "reader", "records_read";
    /// Records read that are well formed.
    RecordsDecoded = "reader", "records_decoded";
    /// Records read that are not.
    RecordsUndecodable = "reader", "records_undecodable";

    /// Records given to the table of conns.
    StreamRecords = "stream", "records";
    /// Records that opened a conn.
    StreamOpens = "stream", "opens";
    /// Records that told of another process on a conn.
    StreamReopens = "stream", "reopens";
    /// Data records given to a conn.
    StreamData = "stream", "data";
    /// End records given to a conn.
    StreamEnds = "stream", "ends";
    /// Records of what processes that serve did.
    StreamActs = "stream", "acts";
    /// Records of first bytes of TLS handshakes.
    StreamHellos = "stream", "hellos";
    /// Data records of a conn that was never opened, or is forgotten.
    StreamDataUnknown = "stream", "data_unknown_conn";
    /// Data records of a conn that is not HTTP, or no longer.
    StreamDataNotHttp = "stream", "data_not_http";
    /// Data records of a flow that had ended.
    StreamDataAfterEnd = "stream", "data_after_end";
    /// End records of a conn that was never opened, or is forgotten.
    StreamEndsUnknown = "stream", "ends_unknown_conn";

    /// Bytes that data records given to a conn account for.
    StreamBytes = "stream", "bytes";
    /// Bytes that followed on those before.
    StreamBytesInOrder = "stream", "bytes_in_order";
    /// Bytes that came ahead of others and were held.
    StreamBytesHeld = "stream", "bytes_held";
    /// Bytes that came a second time.
    StreamBytesDuplicate = "stream", "bytes_duplicate";
    /// Bytes whose position another record had claimed.
    StreamBytesOverlap = "stream", "bytes_overlap";
    /// Bytes held until their turn came.
    StreamBytesReleased = "stream", "bytes_released";
    /// Bytes held that were found to overlap each other.
    StreamBytesHeldOverlap = "stream", "bytes_held_overlap";
    /// Bytes handed to the parsers.
    StreamBytesDelivered = "stream", "bytes_delivered";
    /// Bytes that are not needed, by the agent's word or that of the call they are in.
    StreamBytesSkipped = "stream", "bytes_skipped";
    /// Bytes beyond the most that is copied of one call.
    StreamBytesLimit = "stream", "bytes_copy_limit";
    /// Bytes in memory that could not be read.
    StreamBytesFault = "stream", "bytes_read_fault";
    /// Bytes moved by a path that is not seen.
    StreamBytesUnseen = "stream", "bytes_unseen_path";
    /// Bytes from before it was known which end of the conn asks.
    StreamBytesUndecided = "stream", "bytes_undecided";
    /// Bytes left over when a conn was found not to be HTTP.
    StreamBytesNotHttp = "stream", "bytes_not_http";

    /// Holes in streams.
    StreamGaps = "stream", "gaps";
    /// Bytes in holes after the ring was full.
    StreamGapBytesRing = "stream", "gap_bytes_ring_full";
    /// Bytes in holes that no record accounts for.
    StreamGapBytesUnseen = "stream", "gap_bytes_unseen_path";
    /// Conns made room for another: the table was full.
    StreamConnsEvicted = "stream", "conns_evicted";
    /// Conns forgotten after long quiet.
    StreamConnsForgotten = "stream", "conns_forgotten";
    /// Conns whose end was not heard, but whose address came back.
    StreamConnsReplaced = "stream", "conns_replaced";
    /// Conns found not to be HTTP.
    StreamConnsNotHttp = "stream", "conns_not_http";
    /// Times a conn gave up what it held to keep within the budget.
    StreamSheds = "stream", "sheds";

    /// Bytes given to the parsers.
    ProtocolBytes = "protocol", "bytes";
    /// Bytes of heads.
    ProtocolBytesHead = "protocol", "bytes_head";
    /// Bytes of bodies.
    ProtocolBytesBody = "protocol", "bytes_body";
    /// Bytes that frame: chunk lines, trailers, empty lines between messages.
    ProtocolBytesFraming = "protocol", "bytes_framing";
    /// Bytes passed over: before the first message, after a loss, after the last.
    ProtocolBytesPassed = "protocol", "bytes_passed";
    /// Heads read.
    ProtocolMessages = "protocol", "messages";
    /// Heads of requests.
    ProtocolRequests = "protocol", "requests";
    /// Heads of final responses.
    ProtocolResponses = "protocol", "responses";
    /// Heads of interim responses.
    ProtocolInterims = "protocol", "interims";
    /// Times the framing was lost.
    ProtocolLosses = "protocol", "losses";
    /// Conns that spoke HTTP/2.
    ProtocolHttp2 = "protocol", "http2_conns";

    /// Exchanges begun.
    ExchangesBegun = "exchange", "begun";
    /// Exchanges reported.
    ExchangesReported = "exchange", "reported";
    /// Reports of exchanges that were still under way.
    ExchangesPartial = "exchange", "partial";
    /// Exchanges of which nothing was understood and nothing came: not reported.
    ExchangesVoid = "exchange", "void";
    /// Reported with request and response.
    ExchangesPaired = "exchange", "paired";
    /// Reported with a request alone.
    ExchangesRequestOnly = "exchange", "request_only";
    /// Reported with a response alone.
    ExchangesResponseOnly = "exchange", "response_only";
    /// Reported with neither head: both were lost.
    ExchangesHeadless = "exchange", "headless";
    /// Reported with both halves whole, or truncated by limit.
    ExchangesComplete = "exchange", "complete";
    /// Reported with a half that is not.
    ExchangesIncomplete = "exchange", "incomplete";
    /// Bodies of which less was kept than is configured, to stay within `limits`.
    ExchangesBodiesShed = "exchange", "bodies_shed";

    /// Exchanges that asked for static assets, left out to stay within `limits`.
    BudgetStaticAssets = "budget", "static_assets";
    /// Exchanges left out that were as one before: same client, same request, answered with success.
    BudgetRepeats = "budget", "repeats";
    /// Exchanges left out that were like one before but for numbers in the path and values in the query.
    BudgetAlike = "budget", "alike";
    /// Times that what is heard was given up, since hearing itself took more than `limits.cpu`: what the
    /// ring then had no room for counts as `ring_full`.
    BudgetPauses = "budget", "pauses";

    /// Acts of servers that the queue had no room for: nothing is proven by them.
    QueueActsFull = "queue", "acts_full";
    /// Exchanges offered to the queue.
    QueueOffered = "queue", "offered";
    /// Exchanges taken out of it.
    QueueTaken = "queue", "taken";
    /// Exchanges for which it had no room.
    QueueFull = "queue", "full";
    /// Exchanges offered when nobody took any more.
    QueueClosed = "queue", "closed";

    /// Exchanges whose process was asked for in the table of processes.
    LookupExchanges = "lookup", "exchanges";
    /// … and was there.
    LookupHits = "lookup", "hits";
    /// … and was not.
    LookupMisses = "lookup", "misses";
    /// Misses that were answered in time.
    LookupFound = "lookup", "found";
    /// Misses that were not, or not wholly: the exchange went on with what was known.
    LookupTimeouts = "lookup", "timeouts";
    /// Processes that were gone when they were looked at.
    LookupGone = "lookup", "gone";
    /// Questions for which there was no room.
    LookupRefused = "lookup", "refused";
    /// Processes that made room in the table for others.
    LookupEvictions = "lookup", "evictions";

    /// Exchanges sealed and handed to every output.
    Sealed = "seal", "sealed";
    /// Exchanges that no output took any more.
    SealUndelivered = "seal", "undelivered";
    /// Exchanges of TLS sessions that could not be tied to their socket: without `client`, `peer` and
    /// `server`.
    SealUntied = "seal", "untied";

    /// Tokens whose secret was not tried with those that everybody knows: too many came at once.
    SecretsRefused = "detect", "secrets_refused";
    /// Findings handed to every output.
    Findings = "detect", "findings";
    /// Alerts that opened no incident, since `detect.suppress` has an entry for them.
    FindingsSuppressed = "detect", "findings_suppressed";
    /// Alerts that opened no incident, since too many were opened in that minute.
    FindingsOverLimit = "detect", "findings_over_limit";

    /// Records offered to the journal.
    JournalOffered = "journal", "offered";
    /// Records in frames that were written.
    JournalAccepted = "journal", "accepted";
    /// Records that are no line of JSON, or one too long.
    JournalRefused = "journal", "refused";
    /// Exchanges left out: the journal could not write, or had no room for them.
    JournalShedExchanges = "journal", "shed_exchanges";
    /// Findings left out: not even the reserve had room, or nothing could be written for long.
    JournalShedFindings = "journal", "shed_findings";
    /// Notices left out likewise.
    JournalShedNotices = "journal", "shed_notices";
    /// Records written that were synced.
    JournalDurable = "journal", "durable";
    /// Records written that are gone: a sync failed, and they could not be read again.
    JournalLost = "journal", "lost";
    /// Records written that were not synced at the end.
    JournalUnsynced = "journal", "unsynced";
    /// Links written: frames, checkpoints, retirements, starts.
    JournalLinks = "journal", "links";
    /// Bytes written.
    JournalBytes = "journal", "bytes";
    /// Checkpoints signed.
    JournalCheckpoints = "journal", "checkpoints";
    /// Syncs that succeeded.
    JournalSyncs = "journal", "syncs";
    /// Syncs that failed.
    JournalSyncFailures = "journal", "sync_failures";
    /// Times the journal could not be opened or written.
    JournalWriteFailures = "journal", "write_failures";
    /// Segments deleted on purpose.
    JournalRetiredSegments = "journal", "retired_segments";
    /// Records in deleted segments that a configured sink had not got.
    JournalUnsentDropped = "journal", "unsent_dropped";
    /// Records in a torn frame that were cut off at the start.
    JournalCutRecords = "journal", "cut_records";

    /// Lines given to a sink.
    SinkLinesIn = "sink", "lines_in";
    /// Lines a sink has written.
    SinkLinesWritten = "sink", "lines_written";
    /// Lines a sink could not write: it failed, or waited to try again.
    SinkLinesFailed = "sink", "lines_failed";
    /// Events of the journal that a sink acknowledged, or refused for good.
    SinkSettled = "sink", "settled";
    /// Events of the journal that a sink acknowledged.
    SinkAccepted = "sink", "accepted";
    /// Events of the journal that a sink refused for good: they lie among the dead letters.
    SinkRefused = "sink", "refused";
    /// Attempts to deliver after which events were left.
    SinkRetries = "sink", "retries";
    /// Files renamed because they were large or old.
    SinkRotations = "sink", "rotations";

    /// Times the configuration was read again and is in force.
    ConfigReloads = "config", "reloads";
    /// Times it was read again and is wrong: the one before stayed in force.
    ConfigRefused = "config", "reloads_refused";
}

const COUNT: usize = Counter::ALL.len();

/// One stage's counters, or the sum of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl Counters {
    /// Adds `n`.
    pub fn add(&mut self, counter: Counter, n: u64) {
        if let Some(slot) = self.0.get_mut(counter as usize) {
            // Hostile lengths add up beyond 64 bits; sums still balance.
            *slot = slot.wrapping_add(n);
        }
    }

    /// How many.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// Adds all of `other`.
    pub fn absorb(&mut self, other: &Self) {
        for (slot, n) in self.0.iter_mut().zip(other.0) {
            *slot = slot.wrapping_add(n);
        }
    }
}
