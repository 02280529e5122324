//! How often the reader of the ring is woken, and what that costs those who are heard.
//!
//! The probe runs in this process, with one policy after the other, and reads; a child makes small
//! exchanges with itself over TCP, as fast as it can.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eaves::capture::{KernelCounters, Source as _};
use eaves::probe::{self, Options, Probe};
use eaves_common::{Counter, Role};
use eaves_tests::agent::Mode;

use crate::table::range;

/// Bytes pending at which a busy reader is woken, and what ECOSYSTEM.md has for nginx and wrk.
const POLICIES: [(&str, u32, &str); 4] = [
    (
        "at the first record",
        0,
        "0.43–0.49 as soon as it has read all",
    ),
    (
        "at 64 KiB",
        64 << 10,
        "0.58–0.78 at each record from there on",
    ),
    ("at 256 KiB", 256 << 10, "0.85"),
    ("by the clock alone", u32::MAX, "0.66–0.81"),
];

const REQUEST: &[u8] = b"GET /hits HTTP/1.1\r\nHost: here\r\nAccept: application/json\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"heard\": true}";

/// Prints the throughput that is kept under each policy.
pub(super) fn policies(tap: Mode, object: &Path, rounds: usize, time: Duration) -> Result<()> {
    println!(
        "\n{} tap, a busy reader woken: throughput kept, wake-ups in 1 000 records",
        tap.name()
    );
    let mut kept = vec![Vec::new(); POLICIES.len()];
    let mut wakes = vec![Vec::new(); POLICIES.len()];
    for _ in 0..rounds {
        for ((_, wake_bytes, _), (kept, wakes)) in
            POLICIES.into_iter().zip(kept.iter_mut().zip(&mut wakes))
        {
            let without = child(time)?;
            let (with, counters) = heard(tap, object, wake_bytes, time)?;
            let records = counters.get(Counter::RecordsSent);
            ensure!(records > 0, "the {} tap heard nothing", tap.name());
            kept.push(with / without);
            wakes.push(counters.get(Counter::Wakeups) as f64 * 1e3 / records as f64);
        }
    }
    for ((name, _, plan), (kept, wakes)) in POLICIES.into_iter().zip(kept.iter().zip(&wakes)) {
        println!(
            "{name:<24} {:<24} {:<24} plan: {plan}",
            range(kept, 2),
            range(wakes, 3)
        );
    }
    Ok(())
}

/// Exchanges a second of a child that is heard under a policy.
fn heard(
    tap: Mode,
    object: &Path,
    wake_bytes: u32,
    time: Duration,
) -> Result<(f64, KernelCounters)> {
    let mut probe = probe::start(&Options {
        mode: match tap {
            Mode::Socket => probe::Mode::Socket,
            Mode::Syscall => probe::Mode::Syscall,
        },
        roles: vec![Role::Server],
        wake_bytes,
        object: Some(object.to_owned()),
        ..Options::default()
    })?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&mut probe, &done));
        let rate = child(time);
        done.store(true, Ordering::Relaxed);
        let counters = reader.join().ok().context("the reader panicked")??;
        Ok((rate?, counters))
    })
}

/// Reads until all is done; what the kernel counted by then.
fn read(probe: &mut Probe, done: &AtomicBool) -> Result<KernelCounters> {
    while !done.load(Ordering::Relaxed) {
        probe.read(Duration::from_millis(100), &mut |record| {
            std::hint::black_box(record);
        })?;
    }
    probe.kernel_counters().context("the kernel counts nothing")
}

/// Exchanges a second of a child.
fn child(time: Duration) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--load", &time.as_millis().to_string()])
        .output()?;
    ensure!(output.status.success(), "the load failed");
    let said = String::from_utf8(output.stdout)?;
    Ok(said.trim().parse()?)
}

/// Makes exchanges with itself; gives how many a second.
pub(super) fn load(time: Duration) -> Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let answering = thread::spawn(move || {
        let mut request = vec![0; REQUEST.len()];
        while server.read_exact(&mut request).is_ok() && server.write_all(ANSWER).is_ok() {}
    });
    let mut answer = vec![0; ANSWER.len()];
    let began = Instant::now();
    let mut exchanges = 0_u32;
    while began.elapsed() < time {
        client.write_all(REQUEST)?;
        client.read_exact(&mut answer)?;
        exchanges += 1;
    }
    let per_s = f64::from(exchanges) / began.elapsed().as_secs_f64();
    drop(client);
    answering.join().ok().context("the server panicked")?;
    Ok(per_s)
}
