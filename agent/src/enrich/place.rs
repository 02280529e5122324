//! Process, container and pod, from the table of processes.

use std::time::Instant;

use crate::capture::ConnOpen;
use crate::exchange::Exchange;
use crate::lookup::{Places, ProcessKey};

/// The process that last moved bytes of a conn, as its kernel record names it.
#[must_use]
pub fn process_key(open: &ConnOpen) -> ProcessKey {
    ProcessKey::new(open.tgid, open.process_start, open.cgroup, &open.comm)
}

/// Adds the process and where it runs; waits for `places` as long as they allow.
pub fn place(exchange: &mut Exchange, places: &mut Places, now: Instant) {
    exchange.known.place = places.of(&process_key(&exchange.conn.open), now);
}
