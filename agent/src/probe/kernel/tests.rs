//! Facts from made-up files, and the search for an exchange in made-up records.

use std::net::SocketAddr;

use super::super::hooks::Refusal;
use super::facts::{hidden_processes, lockdown, mounted, rights};
use super::tap::{Heard, probing, recorded};
use super::*;

const MOUNTS: &str = "\
24 1 0:22 / /proc rw,nosuid - proc proc rw,hidepid=2
25 1 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw
26 25 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
27 25 0:25 / /sys/kernel/tracing rw - tracefs tracefs rw
";

fn status(checks: &[Check], name: &str) -> Status {
    let check = checks.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("no {name}")).status
}

#[test]
fn mounts_are_found_by_their_kind() {
    assert_eq!(
        mounted(MOUNTS, "cgroup2").as_deref(),
        Some("/sys/fs/cgroup/unified")
    );
    assert_eq!(mounted(MOUNTS, "cgroup"), None);
    assert_eq!(mounted("", "tracefs"), None);
}

#[test]
fn hidden_processes_are_told() {
    let check = hidden_processes(MOUNTS).expect("hidepid=2");
    assert_eq!(check.status, Status::Less);
    let shown = MOUNTS.replace(",hidepid=2", "");
    assert_eq!(hidden_processes(&shown), None);
}

#[test]
fn lockdown_is_the_word_in_brackets() {
    let of = |text| lockdown(Some(text));
    assert_eq!(of("[none] integrity confidentiality").found, "none");
    assert_eq!(of("none [integrity] confidentiality").status, Status::Good);
    assert_eq!(of("none integrity [confidentiality]").status, Status::Bad);
    assert_eq!(lockdown(None).status, Status::Good);
}

#[test]
fn missing_capabilities_are_told_by_what_they_are_for() {
    let root = rights("Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
    assert!(root.iter().all(|check| check.status == Status::Good));
    let nobody = rights("Uid:\t1000\t65534\t1000\t1000\nCapEff:\t0000000000000000\n");
    assert_eq!(nobody[0].found, "number 65534");
    assert_eq!(status(&nobody, "CAP_BPF"), Status::Bad);
    assert_eq!(status(&nobody, "CAP_SYS_RESOURCE"), Status::Good);
    let admin = rights("Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000200000\n");
    assert_eq!(status(&admin, "CAP_PERFMON"), Status::Good);
    assert_eq!(rights("").len(), 1);
}

#[test]
fn a_refused_tap_costs_nothing_where_the_other_hears() {
    let bad = Check::new(Group::SyscallTap, "load and attach", "no").status(Status::Bad);
    let mut checks = [bad.clone()];
    settle(&["socket"], &mut checks);
    assert_eq!(checks[0].status, Status::Less);
    let mut checks = [bad];
    settle(&[], &mut checks);
    assert_eq!(checks[0].status, Status::Bad);
}

#[test]
fn a_privilege_that_probes_lack_is_named() {
    let io_error = |number| {
        aya::programs::ProgramError::SyscallError(aya::sys::SyscallError {
            call: "perf_event_open",
            io_error: io::Error::from_raw_os_error(number),
        })
    };
    let check = |number, expected: &str| {
        let [check] = &probing(&Err(Refusal::from(&io_error(number))))[..] else {
            panic!("one check");
        };
        assert_eq!(
            (check.status, check.lost.as_deref()),
            (Status::Less, Some("HTTPS"))
        );
        assert!(
            check.advice.as_ref().unwrap().contains(expected),
            "{check:?}"
        );
    };
    check(13, "CAP_SYS_ADMIN");
    check(1, "CAP_SYS_ADMIN");
    check(22, "report this");
    let go = Refusal::from(&io_error(22));
    let rustls = Refusal::from(&io_error(22));
    let all = probing(&Ok(vec![("go", go), ("rustls", rustls)]));
    assert_eq!(status(&all, "a probe in a process"), Status::Good);
    assert_eq!(status(&all, "programs for go"), Status::Less);
    assert_eq!(status(&all, "programs for rustls"), Status::Less);
    assert_eq!(
        status(&probing(&Ok(Vec::new())), "a probe in a process"),
        Status::Good
    );
}

#[test]
fn what_libraries_cost_without_records_is_named() {
    assert_eq!(recorded(&Ok(())).status, Status::Good);
    let check = recorded(&Err(io::Error::from_raw_os_error(13)));
    assert_eq!(check.status, Status::Less);
    assert!(check.lost.is_some() && check.advice.unwrap().contains("CAP_PERFMON"));
}

#[test]
fn a_report_says_what_machines_need() {
    let check = Check::new(Group::SocketTap, "x", "y").status(Status::Less);
    let report = Report {
        hears: vec!["socket"],
        checks: vec![check.lost("z")],
    };
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["hears"][0], "socket");
    assert_eq!(json["checks"][0]["group"], "socket_tap");
    assert_eq!(json["checks"][0]["status"], "less");
    assert_eq!(json["checks"][0]["lost"], "z");
    assert!(json["checks"][0].get("advice").is_none());
}

/// Records as the kernel lays them out: header, then fields.
struct Conn {
    id: u64,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Conn {
    fn header(&self, kind: u16, size: usize) -> Vec<u8> {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(0_u16.to_ne_bytes());
        bytes.extend((size as u32).to_ne_bytes());
        for word in [1, self.id, 1] {
            bytes.extend(u64::to_ne_bytes(word));
        }
        bytes
    }

    fn open(&self) -> Vec<u8> {
        let mut bytes = self.header(2, 248);
        bytes.extend([0; 24]);
        for end in [self.local, self.remote] {
            let SocketAddr::V4(end) = end else {
                panic!("IPv4 only")
            };
            let mut address = [0; 24];
            address[..4].copy_from_slice(&end.ip().octets());
            address[16..18].copy_from_slice(&end.port().to_ne_bytes());
            bytes.extend(address);
        }
        bytes.extend([0; 12]);
        bytes.extend(2_u16.to_ne_bytes());
        bytes.extend(1_u16.to_ne_bytes());
        bytes.resize(248, 0);
        bytes
    }

    fn data(&self, flow: u16, payload: &[u8]) -> Vec<u8> {
        let len = payload.len();
        let mut bytes = self.header(1, 80 + len);
        for word in [len as u64, len as u64, 0, len as u64] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend((len as u32).to_ne_bytes());
        bytes.extend(flow.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }
}

#[test]
fn an_exchange_is_heard_only_with_both_ends_and_their_addresses() {
    let client: SocketAddr = "127.0.0.1:40000".parse().expect("address");
    let server: SocketAddr = "127.0.0.1:80".parse().expect("address");
    let other: SocketAddr = "127.0.0.1:81".parse().expect("address");
    let conn = |id, local, remote| Conn { id, local, remote };
    let (here, there) = (conn(1, server, client), conn(2, client, server));
    let request = b"GET /eaves-doctor HTTP/1.1\r\n\r\n";
    let response = b"HTTP/1.1 200 OK\r\n\r\n";
    let ends = Ends { client, server };
    let mut heard = Heard::default();
    let elsewhere = conn(3, other, client);
    for record in [
        elsewhere.open(),
        elsewhere.data(1, request),
        elsewhere.data(0, response),
        here.open(),
        here.data(1, b"GET / HTTP/1.1\r\n\r\n"),
        here.data(0, response),
        b"garbage".to_vec(),
    ] {
        heard.record(&record);
    }
    let mut check = |record: Vec<u8>, missing: Option<&str>| {
        let what = heard.missing(ends);
        assert_eq!(
            what.map(|what| what.split_once(" did not").map(|what| what.0)),
            missing.map(Some)
        );
        heard.record(&record);
    };
    check(here.data(1, request), Some("the server's end"));
    check(there.open(), Some("the client's end"));
    check(there.data(0, request), Some("the client's end"));
    check(here.data(1, response), Some("the server's end"));
    check(here.data(0, response), Some("the server's end"));
    check(there.data(1, response), Some("the client's end"));
    check(Vec::new(), None);
}

#[test]
fn an_exchange_is_found_among_many_conns() {
    let client: SocketAddr = "127.0.0.1:40000".parse().expect("address");
    let server: SocketAddr = "127.0.0.1:80".parse().expect("address");
    let mut heard = Heard::default();
    for id in 0..20_000 {
        let (local, remote) = (server, client);
        heard.record(&Conn { id, local, remote }.open());
    }
    for (id, local, remote, flow) in [(1, server, client, 1), (2, client, server, 0)] {
        let conn = Conn { id, local, remote };
        heard.record(&conn.open());
        heard.record(&conn.data(flow, b"GET /eaves-doctor HTTP/1.1\r\n\r\n"));
        heard.record(&conn.data(1 - flow, b"HTTP/1.1 200 OK\r\n\r\n"));
    }
    assert_eq!(heard.missing(Ends { client, server }), None);
}
