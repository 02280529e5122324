//! Eaves hears every API call on a Linux host.
//!
//! Data flows one way; a room imports rooms of a lower level only, and rooms of one level do not
//! know each other. `pipeline` alone joins them.
//!
//! ```text
//! 0  event telemetry clock      the words everyone uses
//!    units spelling             how numbers are written, what a misspelt word was meant to be
//!    keyed base64 memo          what stands for a secret; bytes as text; answers for bytes that come again
//!    guard                      what a thread may do
//! 1  capture protocol content   ring bytes → Record; bytes → Message; a body or value → named parts
//!    filter                     filter text → predicate
//! 2  probe lookup stream        kernel → Record; what the host knows; Record → Chunk
//! 3  exchange                   Chunk → Message → Exchange
//! 4  enrich redact detect       who and where; Exchange → ApiEvent; what exchanges tell → Finding
//! 5  journal                    lines → one durable log
//! 6  sink query                 lines → wire; journal → answers
//! 7  config                     each room's Options, loaded and checked
//! 8  pipeline                   the wiring
//! 9  api                        metrics and health, over HTTP on this host
//! 10 cli                        commands
//! ```
#![forbid(unsafe_code)]

pub mod base64;
pub(crate) mod bytes;
pub mod clock;
pub mod event;
pub mod guard;
pub mod hex;
pub mod keyed;
pub mod memo;
pub mod spelling;
pub mod telemetry;
pub mod units;

pub mod capture;
pub mod content;
pub mod filter;
pub mod protocol;

pub mod lookup;
pub mod probe;
pub mod stream;

pub mod exchange;

pub mod catalog;
pub mod detect;
pub mod enrich;
pub mod redact;

pub mod journal;

pub mod query;
pub mod sink;

pub mod config;

pub mod pipeline;

pub mod api;

pub mod cli;
