//! What servers did a moment ago: programs they ran, addresses they connected to, files they opened.
//!
//! In: the acts of the kernel's records, in the order of the ring, which is that of their making up
//! to a few microseconds between processors. Out: whether one of them, in a span of time, is what
//! somebody looks for. An act that the server did before, with nobody asking for it, is its habit and
//! shows nothing. Pure, and bounded for each server and in all: who makes one server busy makes it
//! forget its own acts alone.

use std::collections::{HashMap, VecDeque};

use crate::capture::Act;
use crate::clock::Ktime;

/// Acts that are kept of one server.
const ACTS_MAX: usize = 512;

/// Servers of which acts are kept.
const SERVERS_MAX: usize = 256;

/// How long one is kept.
const KEPT_NS: u64 = 120 * 1_000_000_000;

/// Acts of servers.
#[derive(Debug, Default)]
pub struct Acts {
    servers: HashMap<u32, VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    act: Act,
    /// It showed what somebody looked for, so it is no habit.
    showed: bool,
}

impl Acts {
    /// Takes one in.
    pub fn add(&mut self, act: Act) {
        let server = act.server;
        if !self.servers.contains_key(&server) && self.servers.len() >= SERVERS_MAX {
            self.forget_one();
        }
        let kept = self.servers.entry(server).or_default();
        while kept.len() >= ACTS_MAX
            || kept
                .front()
                .is_some_and(|oldest| act.time.since(oldest.act.time) > KEPT_NS)
        {
            kept.pop_front();
        }
        kept.push_back(Kept { act, showed: false });
    }

    /// The first act of `server` between two times, both included, that `is_it`, unless it is a habit.
    pub fn find(
        &mut self,
        server: u32,
        (from, until): (Ktime, Ktime),
        mut is_it: impl FnMut(&Act) -> bool,
    ) -> Option<&Act> {
        let kept = self.servers.get_mut(&server)?;
        let found = kept.iter().position(|one| {
            (from..=until).contains(&one.act.time)
                && is_it(&one.act)
                && !kept.iter().any(|other| {
                    !other.showed && other.act.time < from && other.act.deed == one.act.deed
                })
        })?;
        let found = kept.get_mut(found)?;
        found.showed = true;
        Some(&found.act)
    }

    /// Forgets the server that has done nothing for longest.
    fn forget_one(&mut self) {
        let last = |kept: &VecDeque<Kept>| kept.back().map(|kept| kept.act.time);
        let oldest = self.servers.iter().min_by_key(|(_, kept)| last(kept));
        if let Some(server) = oldest.map(|(server, _)| *server) {
            self.servers.remove(&server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ACTS_MAX, Acts, SERVERS_MAX};
    use crate::capture::{Act, Deed};
    use crate::clock::Ktime;

    fn opens(server: u32, time: u64, path: &str) -> Act {
        Act {
            time: Ktime(time),
            server,
            tgid: server,
            tid: server,
            deed: Deed::Open {
                path: path.as_bytes().to_vec(),
            },
        }
    }

    /// Whether server 7 is found to have opened `path` between the times 100 and 200.
    #[track_caller]
    fn check(acts: &mut Acts, path: &str, expected: bool) {
        let span = (Ktime(100), Ktime(200));
        let wanted = opens(7, 0, path).deed;
        let found = acts.find(7, span, |act| act.deed == wanted);
        assert_eq!(found.is_some(), expected, "{path}");
    }

    #[test]
    fn only_what_the_server_did_meanwhile_counts() {
        let mut acts = Acts::default();
        acts.add(opens(7, 150, "/a"));
        acts.add(opens(8, 150, "/b"));
        acts.add(opens(7, 201, "/c"));
        acts.add(opens(7, 99, "/d"));
        check(&mut acts, "/a", true);
        for path in ["/b", "/c", "/d", "/e"] {
            check(&mut acts, path, false);
        }
    }

    #[test]
    fn a_habit_shows_nothing_but_what_has_shown_is_none() {
        let mut acts = Acts::default();
        acts.add(opens(7, 50, "/habit"));
        acts.add(opens(7, 150, "/habit"));
        check(&mut acts, "/habit", false);
        acts.add(opens(7, 60, "/asked"));
        let span = (Ktime(55), Ktime(65));
        assert!(acts.find(7, span, |_| true).is_some());
        acts.add(opens(7, 160, "/asked"));
        check(&mut acts, "/asked", true);
    }

    #[test]
    fn a_busy_server_forgets_its_own_acts_alone() {
        let mut acts = Acts::default();
        acts.add(opens(7, 150, "/a"));
        for n in 0..ACTS_MAX as u64 {
            acts.add(opens(8, 150 + n, "/x"));
        }
        check(&mut acts, "/a", true);
        for n in 0..ACTS_MAX as u64 {
            acts.add(opens(7, 150 + n, "/x"));
        }
        check(&mut acts, "/a", false);
        for server in 100..100 + SERVERS_MAX as u32 {
            acts.add(opens(server, 1_000, "/x"));
        }
        assert_eq!(acts.servers.len(), SERVERS_MAX);
        check(&mut acts, "/x", false);
    }
}
