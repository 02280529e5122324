//! The wiring: a source's records through the shard, its exchanges through seal, events to the outputs.
//!
//! In: a [`Source`], what to seal with, where events go. Out: events, and what was counted. Three
//! threads: one hears (source and shard), one reads contents, one seals; a bounded queue through
//! them, which drops the newest and counts it, so that neither a long body nor a slow output holds
//! up the ring.

mod asset;
mod board;
mod budget;
mod change;
mod detect;
mod guessing;
mod hear;
mod host;
mod judging;
mod keep;
mod learnt;
mod ledger;
mod masks;
mod proving;
mod queue;
mod reading;
pub mod recorded;
mod route;
mod shard;
mod sinks;
mod standing;
mod stop;
mod unheard;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::capture::{KernelCounters, RingFill, Source};
use crate::clock::Ktime;
use crate::config::{Config, DescriptorError};
use crate::detect::score::ScorerError;
use crate::guard::{self, May, Need, bare, keeping};
use crate::telemetry::Counters;
use budget::Budget;

pub use board::{Board, RoomHealth, RoomState, Standing};
pub use budget::Limits;
pub use change::{Change, ChangeError, NewSinks, Refusal};
pub use detect::{Detect, rule_files};
pub use host::{Host, Output};
pub use judging::Judging;
pub use keep::Keep;
pub use learnt::{Endpoints, Event};
pub use ledger::{Ledger, Sum};
pub use masks::Masks;
pub use reading::Reading;
pub use route::{Route, Routes};
pub use shard::{Options as ShardOptions, Outcome, Shard};
pub use sinks::{Sinks, SinksError};
pub use standing::SinkStanding;
pub use stop::Requests;

/// What was counted, and what is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The agent's counters.
    pub counters: Counters,
    /// The kernel's, where there is one.
    pub kernel: Option<KernelCounters>,
    /// How full the ring was, where there is one.
    pub ring: Option<RingFill>,
    /// Conns known.
    pub conns: u64,
    /// Bytes held for conns.
    pub held_bytes: u64,
    /// Time of the last record.
    pub last: Ktime,
}

impl Counted {
    /// The ledger of it.
    #[must_use]
    pub const fn ledger(&self) -> Ledger<'_> {
        Ledger {
            kernel: self.kernel.as_ref(),
            counters: &self.counters,
        }
    }
}

/// How a pipeline is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// The stages keyed by conn.
    pub shard: ShardOptions,
    /// Bytes of exchanges that may wait to be sealed.
    pub queue_bytes: u64,
    /// What the agent may use, where it hears live.
    pub limits: Limits,
    /// What the thread that seals may do, where it hears live.
    pub may: May,
}

impl Options {
    /// As `config` has it, with the descriptor files that it names.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn of(config: &Config) -> Result<Self, DescriptorError> {
        Ok(Self {
            shard: ShardOptions {
                stream: config.stream(),
                exchange: config.exchange()?,
            },
            queue_bytes: config.queue_bytes(),
            limits: Limits {
                cpu: config.limits.cpu,
                memory: config.limits.memory,
            },
            may: May::default(),
        })
    }
}

/// Why a pipeline ended other than by its source's end or a request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The source could not be read.
    #[error("records can be read no longer")]
    Source(#[source] io::Error),
    /// An output has nobody who reads it.
    #[error("an output is closed")]
    Output(#[source] io::Error),
    /// The grammars of the detectors could not be built.
    #[error("the detectors cannot be built")]
    Detectors(#[from] ScorerError),
    /// One could not be started, or ended as it should not.
    #[error("a thread of the pipeline {0}")]
    Thread(&'static str),
}

/// Runs `source` into `host` until its end, or until a stop is asked for; returns when all that
/// was heard is delivered.
///
/// # Errors
/// [`RunError`]; everything heard before it has been passed on.
pub fn run<S: Source + Send>(
    source: &mut S,
    host: &mut Host<'_>,
    options: &Options,
    requests: &Requests,
) -> Result<(), RunError> {
    let (queue_in, through, queue_out) = queue::queue(options.queue_bytes);
    let shard = Shard::new(&options.shard);
    let live = source.now().is_some();
    let proving = proving::Proving::new(live);
    let mut proving = proving
        .guessing()
        .map_err(|_| RunError::Thread("could not be started"))?;
    let asking = host.take_asking();
    let routes = Arc::clone(&options.shard.exchange.login_routes);
    let budget = live.then(|| Budget::new(options.limits, routes, Instant::now()));
    let context = host.context().clone();
    thread::scope(|scope| {
        let named = |name: &str| thread::Builder::new().name(name.into());
        let reader = named("eaves-read")
            .spawn_scoped(
                scope,
                bare(move || {
                    // Takes a tenth of a second, in which the ring is read already.
                    let reading = Reading::new()?.marking(&context).leaving_guesses();
                    through.run(&mut proving, reading);
                    Ok(())
                }),
            )
            .map_err(|_| RunError::Thread("could not be started"))?;
        let capture = named("eaves-capture")
            .spawn_scoped(
                scope,
                keeping([Need::Maps, Need::Detach, Need::Own], move || {
                    hear::hear(source, shard, queue_in, (asking, budget), requests)
                }),
            )
            .map_err(|_| RunError::Thread("could not be started"))?;
        if live {
            // All that need more than this thread have been started.
            guard::enclose(&options.may);
        }
        let sealed = host.run(queue_out, requests).map_err(RunError::Output);
        let read = reader.join();
        if !matches!(read, Ok(Ok(()))) {
            // Nothing that is heard gets any further.
            requests.stop();
        }
        let heard = capture.join();
        let (Ok(read), Ok(heard)) = (read, heard) else {
            return Err(RunError::Thread("has panicked"));
        };
        read.map_err(RunError::Detectors)?;
        heard.map_err(RunError::Source).map(|_| ()).and(sealed)
    })
}

#[cfg(test)]
mod tests;
