//! The ledger: what each stage counted, and where in = out + dropped does not hold.

use std::fmt;

use eaves_common::{Counter as Kernel, DropReason};

use crate::capture::KernelCounters;
use crate::event::Count;
use crate::telemetry::{Counter, Counters, HOST_BALANCES, LOSSES, SHARD_BALANCES};

/// What every stage counted, the kernel's first.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a> {
    /// The kernel's, where there is one.
    pub kernel: Option<&'a KernelCounters>,
    /// The agent's.
    pub counters: &'a Counters,
}

/// A sum that should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Stage it belongs to.
    pub stage: &'static str,
    /// What came in, and how much.
    pub whole: Vec<(&'static str, u64)>,
    /// What became of it.
    pub parts: Vec<(&'static str, u64)>,
}

impl Sum {
    /// Whether it counts nothing, since nothing of its stage is there: a journal or sinks that are not
    /// configured.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        let nothing = |counts: &[(_, u64)]| counts.iter().all(|(_, count)| *count == 0);
        matches!(self.stage, "journal" | "sink") && nothing(&self.whole) && nothing(&self.parts)
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        let total = |counts: &[(_, u64)]| {
            counts
                .iter()
                .fold(0, |sum: u64, (_, count)| sum.wrapping_add(*count))
        };
        total(&self.whole) == total(&self.parts)
    }
}

impl Ledger<'_> {
    /// Every sum, in the order of the stages.
    #[must_use]
    pub fn sums(&self) -> Vec<Sum> {
        let mut sums = self.kernel.map_or_else(Vec::new, kernel);
        if let Some(kernel) = self.kernel {
            sums.push(Sum {
                stage: "reader",
                whole: vec![("kernel records_sent", kernel.get(Kernel::RecordsSent))],
                parts: vec![("records_read", self.counters.get(Counter::RecordsRead))],
            });
        }
        for balance in SHARD_BALANCES.iter().chain(HOST_BALANCES) {
            let named = |counter: &Counter| (counter.name(), self.counters.get(*counter));
            sums.push(Sum {
                stage: balance.stage,
                whole: balance.into.iter().map(named).collect(),
                parts: balance.out.iter().map(named).collect(),
            });
        }
        sums
    }

    /// Every count of every stage.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        let mut counts = Vec::new();
        if let Some(kernel) = self.kernel {
            let count = |name, count| Count {
                stage: KERNEL,
                name,
                count,
            };
            counts.extend(
                Kernel::ALL
                    .iter()
                    .map(|counter| count(counter.name(), kernel.get(*counter))),
            );
            let dropped = DropReason::ALL.iter();
            counts.extend(dropped.map(|reason| count(reason.name(), kernel.dropped(*reason))));
        }
        counts.extend(Counter::ALL.iter().map(|counter| self.count(*counter)));
        counts
    }

    /// Counts of what was lost: neither passed on nor left out on purpose.
    #[must_use]
    pub fn losses(&self) -> Vec<Count> {
        let mut losses = Vec::new();
        if let Some(kernel) = self.kernel {
            let count = |name, count| Count {
                stage: KERNEL,
                name,
                count,
            };
            for counter in [Kernel::RecordsLost, Kernel::BytesLost, Kernel::Missed] {
                losses.push(count(counter.name(), kernel.get(counter)));
            }
            for reason in [
                DropReason::KernelRead,
                DropReason::State,
                DropReason::RingFull,
                DropReason::Compat,
            ] {
                losses.push(count(reason.name(), kernel.dropped(reason)));
            }
        }
        losses.extend(LOSSES.iter().map(|counter| self.count(*counter)));
        losses
    }

    fn count(&self, counter: Counter) -> Count {
        Count {
            stage: counter.stage(),
            name: counter.name(),
            count: self.counters.get(counter),
        }
    }
}

/// The kernel programs' stage.
const KERNEL: &str = "kernel";

fn kernel(kernel: &KernelCounters) -> Vec<Sum> {
    let named = |counter: Kernel| (counter.name(), kernel.get(counter));
    let mut transfers = vec![named(Kernel::TransfersSent)];
    transfers.extend(
        DropReason::ALL
            .iter()
            .map(|reason| (reason.name(), kernel.dropped(*reason))),
    );
    let sum = |whole, parts| Sum {
        stage: KERNEL,
        whole: vec![whole],
        parts,
    };
    vec![
        sum(named(Kernel::Transfers), transfers),
        sum(
            named(Kernel::RecursionMisses),
            vec![named(Kernel::StoodIn), named(Kernel::Missed)],
        ),
        sum(
            named(Kernel::Records),
            vec![named(Kernel::RecordsSent), named(Kernel::RecordsLost)],
        ),
        sum(
            named(Kernel::Bytes),
            vec![
                named(Kernel::BytesCopied),
                named(Kernel::BytesNamed),
                named(Kernel::BytesLost),
            ],
        ),
    ]
}

impl fmt::Display for Ledger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ledger (in = out + dropped)")?;
        let mut last = "";
        for sum in self.sums().iter().filter(|sum| !sum.is_absent()) {
            let stage = if sum.stage == last { "" } else { sum.stage };
            last = sum.stage;
            write!(f, "  {stage:<9} ")?;
            terms(f, &sum.whole)?;
            f.write_str(" = ")?;
            terms(f, &sum.parts)?;
            writeln!(f, "{}", if sum.holds() { "" } else { "   DOES NOT HOLD" })?;
        }
        Ok(())
    }
}

/// The first term, and of the others those that are not nothing.
fn terms(f: &mut fmt::Formatter<'_>, terms: &[(&'static str, u64)]) -> fmt::Result {
    for (at, (name, count)) in terms.iter().enumerate() {
        if at == 0 {
            write!(f, "{name} {count}")?;
        } else if *count > 0 {
            write!(f, " + {name} {count}")?;
        }
    }
    Ok(())
}
