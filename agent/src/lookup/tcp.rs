//! Processes that hold a TCP socket: those that may speak TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::quic::{FILES_MAX, NAMESPACES_MAX, inode, processes, table};

/// The processes below `proc` that hold a TCP socket, with their names.
#[must_use]
pub fn tcp_processes(proc: &Path) -> Vec<(u32, String)> {
    let mut namespaces: BTreeMap<OsString, BTreeSet<u64>> = BTreeMap::new();
    let mut found = Vec::new();
    for pid in processes(proc) {
        let folder = proc.join(pid.to_string());
        // Kernel threads, and processes that are gone, have none.
        let Ok(namespace) = fs::read_link(folder.join("ns/net")) else {
            continue;
        };
        let namespace = namespace.into_os_string();
        if !namespaces.contains_key(&namespace) {
            if namespaces.len() >= NAMESPACES_MAX {
                continue;
            }
            namespaces.insert(namespace.clone(), sockets(&folder.join("net")));
        }
        let holds = |sockets: &BTreeSet<u64>| {
            let files = fs::read_dir(folder.join("fd")).into_iter().flatten();
            files.take(FILES_MAX).flatten().any(|file| {
                let link = fs::read_link(file.path()).ok();
                let inode = link.and_then(|link| inode(&link));
                inode.is_some_and(|inode| sockets.contains(&inode))
            })
        };
        if namespaces.get(&namespace).is_some_and(holds) {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            found.push((pid, name.trim_end().to_owned()));
        }
    }
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
