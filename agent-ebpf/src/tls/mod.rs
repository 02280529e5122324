//! TLS tap: plaintext where a process's TLS library takes it and gives it.
//!
//! A probe on the way into the library's read or write function notes the call, one on the way
//! out sends what it moved. What the thread does on a socket in between ties the session to that
//! socket: the addresses are its, its bytes are ciphertext and passed over, and its end ends the
//! session. A conn is here the session, from its first bytes to its end, by the address that the
//! process knows it by. A library that works on memory does nothing on sockets: there the records that a
//! session wrote and a socket sent say it (`wire.rs`). A session whose socket is not seen is
//! heard without addresses.

mod call;
mod go;
mod rustls;
mod send;
mod tie;
mod wire;

use eaves_common::NEWS_OVER;

use crate::maps::{Counters, news};

pub(crate) use call::Call;
pub(crate) use go::Carrier;
pub(crate) use rustls::{Layout, Seen, Write};
pub(crate) use send::pieces;
pub(crate) use tie::{Session, announce, carried, carries, ended};
pub(crate) use wire::{Mark, Wire, first};

/// The counters of a program in a process; `None` also once the agent reads no more, since these programs
/// come off last, one by one.
#[inline(always)]
fn counters(row: u32) -> Option<Counters> {
    if news() == NEWS_OVER {
        return None;
    }
    Counters::of(row)
}
