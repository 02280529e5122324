//! What a thread may do beside reading bytes. Each begins by keeping what its work needs and giving up
//! the rest, for good.
//!
//! In: what it [`May`]. Out: a thread with these capabilities, where the agent had them, and no others, with
//! `no_new_privs`; and, once walls are [raised](raise), one that opens files in these folders alone (Landlock)
//! and makes the system calls of its kind of work alone (seccomp). Threads inherit: who starts one has at
//! least what that one keeps, and stands behind no wall that would be in its way. It is no wall between
//! threads, which share memory: it is what a mistake, or a path that somebody else chose, can't reach.

mod calls;
mod capabilities;
mod folders;
mod may;
mod needed;
mod walls;

use std::thread;

use rustix::thread::CapabilitySet;

pub use may::{May, Need};
pub use needed::{files, maps, rules};
pub use walls::{Wall, Walls, raise, raised, walls};

/// The body of a thread that may do this, and nothing else.
pub fn keeping<T>(may: impl Into<May>, body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let may = may.into();
    move || {
        enclose(&may);
        body()
    }
}

/// The body of a thread that keeps nothing.
pub fn bare<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    keeping([], body)
}

/// From now on this thread has these capabilities, and nothing else; walls are left for when all threads
/// have begun that must not stand behind them. That it can't be done is logged: the agent is then as it
/// would be without.
pub fn keep(may: impl Into<May>) {
    lower(&may.into());
}

/// From now on this thread may do this, and nothing else.
pub fn enclose(may: &May) {
    lower(may);
    walls::around(may);
}

fn lower(may: &May) {
    let sets = may.needs().iter().map(|need| need.capabilities());
    let wanted = sets.fold(CapabilitySet::empty(), CapabilitySet::union);
    if let Err(error) = capabilities::lower(wanted) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        tracing::warn!(thread = name, %error, "capabilities that are not needed stay");
    }
}

#[cfg(test)]
mod tests;
