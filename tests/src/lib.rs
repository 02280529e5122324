//! Support for the whole-agent tests.
//!
//! ```text
//! trial       a kernel test: what it needs, and what it leaves when it fails
//! sandbox     a folder a test owns, ports, programs that must be there
//! wait        polling with a deadline
//! process     a child that never outlives its test
//! agent       the real binary, started, asked and stopped; its ledger
//! disk        a file system of a few kilobytes
//! event       its JSON lines read back
//! expect      what a case of eaves-calls says must be reported
//! load        what clients are told to ask for
//! far         real far ends of sinks, and what stands between
//! peer        real servers and clients, and their own access logs
//! capture     capture files made by hand
//! compare     what was reported against what the server logged
//! wire        bytes sent and read by hand
//! ```
#![forbid(unsafe_code)]

pub mod agent;
pub mod capture;
pub mod compare;
pub mod disk;
pub mod event;
pub mod expect;
pub mod far;
pub mod journal;
pub mod load;
pub mod peer;
pub mod process;
pub mod sandbox;
pub mod trial;
pub mod wait;
pub mod wire;
