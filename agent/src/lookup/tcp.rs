//! Processes that hold a TCP socket: those that may speak TLS.

use std::collections::BTreeSet;
use std::path::Path;

use super::net::{self, table};

/// The processes below `proc` that hold a TCP socket, with their names.
#[must_use]
pub fn tcp_processes(proc: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    net::each(proc, sockets, |process, of| {
        if process.sockets().any(|inode| of.contains(&inode)) {
            found.push((process.pid, process.name()));
        }
        true
    });
    found
}

/// The inodes of a namespace's TCP sockets, as far as the tables are read: listeners come first.
fn sockets(net: &Path) -> BTreeSet<u64> {
    let tables = ["tcp", "tcp6"].into_iter();
    let lines = tables.flat_map(|name| table(&net.join(name)));
    let number = |line: Option<String>| line?.split_ascii_whitespace().nth(9)?.parse().ok();
    lines
        .filter_map(number)
        .filter(|inode| *inode != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::path::Path;

    use super::tcp_processes;

    #[test]
    fn a_process_with_a_tcp_socket_is_found() {
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = std::process::id();
        let all = tcp_processes(Path::new("/proc"));
        let found = all.iter().find(|(pid, _)| *pid == own);
        assert!(found.is_some_and(|(_, name)| !name.is_empty()), "{all:?}");
        assert_eq!(tcp_processes(Path::new("/nowhere")), []);
    }
}
