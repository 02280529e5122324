//! TLS that is not heard: what the probes say of it, held against what was heard, each told once.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::capture::ConnOpen;
use crate::event::{Detail, PortKind, Role, Severity};
use crate::probe::Unheard;

/// How long a process whose library is probed has for an exchange to come out.
const HOLD: Duration = Duration::from_secs(20);
/// For how long an exchange counts for its process and port.
const RECENT: Duration = Duration::from_secs(60);
/// Processes and ports of which it is kept that they are heard.
const HEARD_MAX: usize = 4096;
/// Processes that are held.
const HELD_MAX: usize = 64;
/// Names, ports and ends that are told of in one run.
const TOLD_MAX: usize = 1024;
/// Most that are told of in a minute: others come again, with what they send next.
const TOLD_PER_MINUTE: usize = 8;

/// Whose TLS is not heard.
pub(super) struct UnheardWatch {
    from: Receiver<Unheard>,
    heard: HashMap<(u32, u16), Instant>,
    held: Vec<(Instant, Unheard)>,
    told: BTreeSet<(String, u16, bool)>,
    minute: Option<(Instant, usize)>,
}

impl UnheardWatch {
    pub(super) fn new(from: Receiver<Unheard>) -> Self {
        Self {
            from,
            heard: HashMap::new(),
            held: Vec::new(),
            told: BTreeSet::new(),
            minute: None,
        }
    }

    /// An exchange was heard of this conn's end.
    pub(super) fn heard(&mut self, open: &ConnOpen, role: eaves_common::Role, now: Instant) {
        if open.library.is_none() {
            return;
        }
        let server = match role {
            eaves_common::Role::Server => open.local,
            eaves_common::Role::Client => open.remote,
        };
        // Of a session without a socket it may be any.
        let port = server.map_or(0, |(_, port)| port);
        if self.heard.len() >= HEARD_MAX {
            self.heard
                .retain(|_, time| now.duration_since(*time) < RECENT);
        }
        if self.heard.len() < HEARD_MAX || self.heard.contains_key(&(open.tgid, port)) {
            self.heard.insert((open.tgid, port), now);
        }
    }

    /// What is to be told now.
    pub(super) fn take(&mut self, now: Instant) -> Vec<(Severity, Detail<'static>)> {
        let mut ready = Vec::new();
        for unheard in self.from.try_iter() {
            if !unheard.speaks.is_heard() {
                ready.push(unheard);
            } else if self.held.len() < HELD_MAX
                && self.held.iter().all(|(_, held)| !same(held, &unheard))
            {
                self.held.push((now, unheard));
            }
        }
        let due = |(since, _): &mut (Instant, Unheard)| now.duration_since(*since) >= HOLD;
        for (_, unheard) in self.held.extract_if(.., due) {
            let recent = |port| {
                let time = self.heard.get(&(unheard.pid, port));
                time.is_some_and(|time| now.duration_since(*time) < RECENT)
            };
            if !recent(unheard.port) && !recent(0) {
                ready.push(unheard);
            }
        }
        ready
            .into_iter()
            .filter_map(|unheard| self.tell(&unheard, now))
            .collect()
    }

    /// Its notice, if it was not told of before and there is room.
    fn tell(&mut self, unheard: &Unheard, now: Instant) -> Option<(Severity, Detail<'static>)> {
        let serves = unheard.role == eaves_common::Role::Server;
        let key = (unheard.process.clone(), unheard.port, serves);
        if self.told.contains(&key) || self.told.len() >= TOLD_MAX {
            return None;
        }
        let minute = self.minute.get_or_insert((now, 0));
        if now.duration_since(minute.0) >= RECENT {
            *minute = (now, 0);
        }
        if minute.1 >= TOLD_PER_MINUTE {
            return None;
        }
        minute.1 += 1;
        self.told.insert(key);
        let severity = if serves && !unheard.speaks.is_heard() {
            Severity::Medium
        } else {
            Severity::Low
        };
        Some((severity, detail(unheard, serves)))
    }
}

fn same(one: &Unheard, other: &Unheard) -> bool {
    (one.pid, one.port, one.role) == (other.pid, other.port, other.role)
}

fn detail(unheard: &Unheard, serves: bool) -> Detail<'static> {
    let role = if serves { Role::Server } else { Role::Client };
    Detail::Tls {
        process: unheard.process.clone(),
        pid: unheard.pid,
        port: unheard.port,
        transport: PortKind::Tcp,
        role: Some(role),
        library: unheard.speaks.library,
        library_version: unheard.speaks.version.clone(),
        reason: unheard.speaks.reason().into(),
        advice: Some(unheard.speaks.advice()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc::sync_channel;
    use std::time::{Duration, Instant};

    use eaves_common::{Role, TlsLibrary};

    use super::{TOLD_PER_MINUTE, UnheardWatch};
    use crate::capture::ConnOpen;
    use crate::event::Detail;
    use crate::probe::{Speaks, Unheard, Verdict};

    fn unheard(pid: u32, port: u16, verdict: Verdict) -> Unheard {
        Unheard {
            pid,
            process: "java".to_owned(),
            role: Role::Server,
            port,
            conns: 1,
            speaks: Speaks {
                library: Some("jsse"),
                version: None,
                verdict,
            },
        }
    }

    /// Ports that are told of when `found` comes and `later` has passed; before, `heard` is heard.
    #[track_caller]
    fn check(found: &[Unheard], heard: &[(u32, u16)], later: u64, expected: &[u16]) {
        let (to, from) = sync_channel(64);
        let mut watch = UnheardWatch::new(from);
        let begin = Instant::now();
        for one in found {
            to.send(one.clone()).unwrap();
        }
        let mut told = watch.take(begin);
        for (pid, port) in heard {
            let address = IpAddr::from(Ipv4Addr::LOCALHOST);
            let open = ConnOpen {
                tgid: *pid,
                local: (*port != 0).then_some((address, *port)),
                library: Some(TlsLibrary::OpenSsl),
                ..ConnOpen::default()
            };
            watch.heard(&open, Role::Server, begin);
        }
        told.extend(watch.take(begin + Duration::from_secs(later)));
        let ports: Vec<u16> = told
            .iter()
            .map(|(_, detail)| match detail {
                Detail::Tls { port, .. } => *port,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ports, expected);
    }

    #[test]
    fn one_process_and_port_is_told_of_once() {
        let java = |pid, port| unheard(pid, port, Verdict::Java);
        check(
            &[java(1, 443), java(1, 443), java(2, 443), java(1, 8443)],
            &[],
            0,
            &[443, 8443],
        );
    }

    #[test]
    fn what_is_probed_is_told_of_only_if_nothing_comes_out_of_it() {
        let probed = |port| unheard(1, port, Verdict::Heard);
        check(&[probed(443)], &[], 19, &[]);
        check(&[probed(443), probed(443)], &[], 20, &[443]);
        check(&[probed(443)], &[(1, 443)], 20, &[]);
        // A session whose socket is not known may be that one.
        check(&[probed(443)], &[(1, 0)], 20, &[]);
        check(&[probed(443)], &[(2, 443), (1, 444)], 20, &[443]);
        check(&[probed(443)], &[(1, 443)], 61, &[443]);
    }

    #[test]
    fn a_host_that_brings_forth_ever_new_ports_does_not_flood() {
        let many: Vec<_> = (1..64)
            .map(|port| unheard(1, port, Verdict::Java))
            .collect();
        let first: Vec<u16> = (1..=TOLD_PER_MINUTE as u16).collect();
        check(&many, &[], 1, &first);
    }
}
