//! What the host knows of processes and addresses: bounded tables, filled beside the flow.
//!
//! In: names of processes as kernel records carry them, client addresses. Out: [`Place`] and
//! [`Geo`], shared. Files and sockets are read by threads of this room alone; who asks a table waits
//! at most [`Options::wait`] for a process that was never asked for, and not at all for anything
//! else. A process is named by its id, its start, its name and its cgroup, since ids come back and
//! processes become others. It does not judge, and it masks nothing.

mod cgroup;
mod cgroups;
mod place;
mod places;
mod proc;
mod process;
mod table;
mod users;

use std::time::Duration;

pub use cgroup::{CgroupPlace, cgroup_place};
pub use place::{Container, Owner, Parent, Place, Pod, Process, ProcessKey};
pub use places::{Asking, Places};
pub use process::{Answer, Ask, Mask, Sources};

/// What is looked up, and how long is waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest that an exchange waits for its process.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_millis(50),
        }
    }
}
