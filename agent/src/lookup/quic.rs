//! Processes that may speak QUIC beside TCP: what goes over HTTP/3 no tap of sockets hears, so it is named.
//!
//! A process counts where it holds a UDP socket that is bound to the port of one of its TCP listeners,
//! as servers of HTTP/3 do (RFC 9114 §3.1 has clients find it that way), or to the ports of HTTPS. Ports at
//! which other services use both are left out. Whether it serves HTTP, what is heard of it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::net::{self, Process, table};
use crate::guard::{Need, keeping};
use crate::telemetry::kept;

/// The thread that looks.
const NAME: &str = "eaves-quic";

/// How often the host is looked through.
const EVERY: Duration = Duration::from_secs(60);

/// Processes that are named at a time, and servers that are told of.
const NAMED_MAX: usize = 64;

/// Ports of HTTPS, where UDP means QUIC whatever listens on TCP.
const HTTPS_PORTS: [u16; 2] = [443, 8443];

/// Ports of services that use TCP and UDP alike (IANA's registry): DNS, Kerberos, the port mapper, LDAP,
/// password changes, NFS, STUN, SIP, multicast DNS, memcached; gossip of Nomad, Docker Swarm, Consul (its DNS
/// too) and Alertmanager; logs of Fluentd.
const OTHER_PORTS: [u16; 19] = [
    53, 88, 111, 389, 464, 2049, 3478, 4648, 5060, 5061, 5349, 5353, 7946, 8301, 8302, 8600, 9094,
    11_211, 24_224,
];

/// States of sockets in the kernel's tables: a listener of TCP, a UDP socket without a peer.
const LISTENS: &str = "0A";
const UNCONNECTED: &str = "07";

/// A process that may speak QUIC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuicServer {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The UDP port.
    pub port: u16,
}

/// Looks at times for processes that may speak QUIC, beside the flow.
pub struct QuicWatch {
    from: Receiver<Vec<QuicServer>>,
    /// Those that there are, of which nothing was told yet.
    pending: Vec<QuicServer>,
    told: BTreeSet<(String, u16)>,
    /// The thread ends when this does.
    _ended: Sender<()>,
}

impl QuicWatch {
    /// Starts the thread that looks below `proc`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(proc: PathBuf) -> io::Result<Self> {
        let (to, from) = sync_channel(1);
        let (ended, is_ended) = channel();
        let watching = kept(NAME, || false, move || watch(&proc, &to, &is_ended));
        thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(keeping([Need::Processes], watching))?;
        Ok(Self {
            from,
            pending: Vec::new(),
            told: BTreeSet::new(),
            _ended: ended,
        })
    }

    /// Takes in what was found since; whether there is any to be told of.
    pub fn take(&mut self) -> bool {
        while let Ok(found) = self.from.try_recv() {
            let is_new = |one: &QuicServer| !self.told.contains(&(one.name.clone(), one.port));
            // Of a host that brings forth ever new names, those beyond the first are left to `doctor`.
            let room = NAMED_MAX.saturating_sub(self.told.len());
            self.pending = found.into_iter().filter(is_new).take(room).collect();
        }
        !self.pending.is_empty()
    }

    /// HTTP was heard of process `pid`: what is to be told of its QUIC, each server and port once.
    pub fn serves(&mut self, pid: u32) -> Option<QuicServer> {
        let at = self.pending.iter().position(|one| one.pid == pid)?;
        let found = self.pending.swap_remove(at);
        // Its other processes hold the same socket.
        let same = |one: &QuicServer| one.name == found.name && one.port == found.port;
        self.pending.retain(|one| !same(one));
        self.told.insert((found.name.clone(), found.port));
        Some(found)
    }
}

fn watch(proc: &Path, to: &SyncSender<Vec<QuicServer>>, ended: &Receiver<()>) {
    loop {
        if to.send(quic_servers(proc)).is_err() {
            return;
        }
        if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// The processes below `proc` that may speak QUIC beside TCP.
#[must_use]
pub fn quic_servers(proc: &Path) -> Vec<QuicServer> {
    let mut found = Vec::new();
    net::each(proc, Sockets::read, |process, sockets: &Sockets| {
        if sockets.may_be_quic {
            let ports = sockets.quic_of(process);
            found.extend(ports.into_iter().map(|port| QuicServer {
                pid: process.pid,
                name: process.name(),
                port,
            }));
        }
        found.len() < NAMED_MAX
    });
    found.truncate(NAMED_MAX);
    found
}

/// The sockets of a network namespace by inode: their ports.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sockets {
    listeners: BTreeMap<u64, u16>,
    bound: BTreeMap<u64, u16>,
    /// Whether some process may speak QUIC.
    may_be_quic: bool,
}

impl Sockets {
    /// Of the namespace whose tables lie in `net`.
    fn read(net: &Path) -> Self {
        let mut sockets = Self::default();
        for name in ["udp", "udp6"] {
            let lines = table(&net.join(name));
            let unconnected = lines.filter_map(|line| socket(&line?, UNCONNECTED));
            sockets.bound.extend(unconnected);
        }
        sockets.bound.retain(|_, port| !OTHER_PORTS.contains(port));
        if sockets.bound.is_empty() {
            return sockets;
        }
        for name in ["tcp", "tcp6"] {
            // Listeners stand before all others, of which there may be a million.
            let lines = table(&net.join(name)).map_while(|line| socket(&line?, LISTENS));
            sockets.listeners.extend(lines);
        }
        let listens: BTreeSet<u16> = sockets.listeners.values().copied().collect();
        let is_quic = |port: &u16| HTTPS_PORTS.contains(port) || listens.contains(port);
        sockets.may_be_quic = !listens.is_empty() && sockets.bound.values().any(is_quic);
        sockets
    }

    /// The ports where the process may speak QUIC.
    fn quic_of(&self, process: &Process) -> BTreeSet<u16> {
        let (mut listens, mut bound) = (BTreeSet::<u16>::new(), BTreeSet::<u16>::new());
        for inode in process.sockets() {
            listens.extend(self.listeners.get(&inode));
            bound.extend(self.bound.get(&inode));
        }
        let is_quic = |port: &u16| {
            listens.contains(port) || (HTTPS_PORTS.contains(port) && !listens.is_empty())
        };
        bound.into_iter().filter(is_quic).collect()
    }
}

/// Inode and local port of a socket's line in `/proc/net` (proc(5)), if it is in `state`.
fn socket(line: &str, state: &str) -> Option<(u64, u16)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let is_in = fields.nth(1)? == state;
    let inode = fields.nth(5)?.parse().ok()?;
    (is_in && port != 0).then_some((inode, port))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{NAMED_MAX, QuicServer, QuicWatch, quic_servers, socket};

    #[track_caller]
    fn check(line: &str, state: &str, expected: Option<(u64, u16)>) {
        assert_eq!(socket(line, state), expected, "{line}");
    }

    #[test]
    fn lines_of_the_kernels_tables_are_read() {
        let line = "  12: 0100007F:01BB 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0";
        check(line, "07", Some((4711, 443)));
        check(line, "0A", None);
        let six = " 1: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12 1 0 100 0 0 10 0";
        check(six, "0A", Some((12, 8080)));
        check("  sl  local_address rem_address   st", "07", None);
        check("", "07", None);
        check("1: x:zz 0:0 07 a b c d e f", "07", None);
    }

    /// The ports that are told of this process.
    fn own() -> Vec<u16> {
        let all = quic_servers(Path::new("/proc"));
        let ours = all.into_iter().filter(|one| one.pid == std::process::id());
        ours.map(|one| one.port).collect()
    }

    #[test]
    fn a_port_that_a_process_has_of_both_kinds_is_quic() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!own().contains(&port));
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let found = own();
        assert!(found.contains(&port), "{found:?}");
        let beside = other.local_addr().unwrap().port();
        assert!(!found.contains(&beside) || beside == port);
        // One with a peer is a client's.
        udp.connect((Ipv4Addr::LOCALHOST, 9)).unwrap();
        assert!(!own().contains(&port));
    }

    /// What is found of processes of one namespace, each with a TCP listener and a UDP socket at the ports
    /// that are named.
    fn found(name: &str, processes: &[Vec<(u16, u16)>]) -> Vec<(u32, u16)> {
        let proc = std::env::temp_dir().join(format!("eaves-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&proc);
        let mut tables = ["heading\n".to_owned(), "heading\n".to_owned()];
        let mut inode = 1;
        for (pid, ports) in (1..).zip(processes) {
            let process = proc.join(format!("{pid}"));
            fs::create_dir_all(process.join("ns")).unwrap();
            fs::create_dir_all(process.join("fd")).unwrap();
            symlink("net:[1]", process.join("ns/net")).unwrap();
            symlink("../net", process.join("net")).unwrap();
            fs::write(process.join("comm"), "server\n").unwrap();
            for (tcp, udp) in ports {
                for (table, port, state) in [(0, tcp, "0A"), (1, udp, "07")] {
                    let line = format!("1: 00:{port:04X} 00:0000 {state} 0:0 00:0 0 0 0 {inode}\n");
                    tables[table] += &line;
                    symlink(
                        format!("socket:[{inode}]"),
                        process.join(format!("fd/{inode}")),
                    )
                    .unwrap();
                    inode += 1;
                }
            }
        }
        fs::create_dir(proc.join("net")).unwrap();
        let [tcp, udp] = tables;
        fs::write(proc.join("net/tcp"), tcp).unwrap();
        fs::write(proc.join("net/udp"), udp).unwrap();
        let found = quic_servers(&proc);
        fs::remove_dir_all(&proc).unwrap();
        found.into_iter().map(|one| (one.pid, one.port)).collect()
    }

    #[test]
    fn servers_are_found_by_their_ports_and_only_so_many_named() {
        // At the same port; at one of HTTPS beside another; of different ones; gossip and logs.
        let gossip = [4648, 7946, 8301, 8302, 8600, 9094, 24_224].map(|port| (port, port));
        let processes = [
            vec![(8080, 8080)],
            vec![(80, 443)],
            vec![(81, 4433)],
            gossip.to_vec(),
        ];
        assert_eq!(found("quic-ports", &processes), [(1, 8080), (2, 443)]);
        assert_eq!(found("quic-none", &processes[2..]), []);
        let many: Vec<_> = (1000..1100).map(|port| (port, port)).collect();
        assert_eq!(found("quic-many", &[many]).len(), NAMED_MAX);
    }

    #[test]
    fn what_serves_is_told_once() {
        let mut watch = QuicWatch::start("/nowhere".into()).unwrap();
        let one = |pid, port| QuicServer {
            pid,
            name: "nginx".to_owned(),
            port,
        };
        watch.pending = vec![one(7, 443), one(8, 443), one(8, 444)];
        assert_eq!(watch.serves(9), None);
        assert_eq!(watch.serves(8), Some(one(8, 443)));
        assert_eq!(watch.serves(8), Some(one(8, 444)));
        assert_eq!((watch.serves(7), watch.serves(8)), (None, None));
    }
}
