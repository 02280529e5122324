//! What the host knows of processes and addresses: bounded tables, filled beside the flow.
//!
//! In: names of processes as kernel records carry them, what those that serve do, client addresses.
//! Out: [`Place`] and [`Geo`], shared, and [`Acts`]. Files and sockets are read by threads of this room alone; who asks a table waits
//! at most [`Options::wait`] for a process that was never asked for, and not at all for anything
//! else. A process is named by its id, its start, its name and its cgroup, since ids come back and
//! processes become others. It does not judge, and it masks nothing.

mod acts;
mod cgroup;
mod cgroups;
mod describe;
mod geo;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod names;
mod net;
mod place;
mod places;
mod pods;
mod proc;
mod process;
mod quic;
mod runtime;
mod table;
mod tcp;
mod users;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use acts::Acts;
pub use cgroup::{CgroupPlace, cgroup_place};
pub use describe::Others;
pub use geo::{Atlas, Geo, GeoError, GeoFiles, GeoTable};
pub use names::{addresses, start_names};
pub use place::{Container, Owner, Parent, Place, Pod, Process, ProcessKey};
pub use places::{Asking, Places};
pub use pods::PodsOptions;
pub use process::{Answer, Ask, Mask, Sources};
pub use quic::{QuicServer, QuicWatch, quic_servers};
pub use tcp::tcp_processes;

/// What is looked up, and how long is waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest that an exchange waits for its process.
    pub wait: Duration,
    /// Who is asked about containers and pods.
    pub others: Others,
    /// What says where addresses are.
    pub geo: GeoFiles,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_millis(50),
            others: Others::default(),
            geo: GeoFiles::default(),
        }
    }
}

/// All tables of a host, and the threads behind them.
pub struct Lookup {
    /// Of processes.
    pub places: Places,
    /// Asks for processes ahead of time.
    pub asking: Asking,
    /// Of addresses, where there is a database.
    pub atlas: Option<Atlas>,
    /// Of processes that speak QUIC.
    pub quic: QuicWatch,
}

impl Lookup {
    /// Starts to look up processes in `sources`, and what else the options name.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(options: &Options, sources: Sources, mask: Arc<dyn Mask>) -> io::Result<Self> {
        let quic = QuicWatch::start(sources.proc.clone())?;
        let (places, asking) = Places::start(options, sources, mask)?;
        Ok(Self {
            quic,
            places,
            asking,
            atlas: Atlas::start(&options.geo)?,
        })
    }
}
