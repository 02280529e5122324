//! Who is heard stays what he was: his code, when the probes are off it, and his answers, as they come and go.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::load::plan;
use eaves_tests::peer::{Certificate, Client, Manner, Nginx, Server, nginx};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under;
use eaves_tests::wait;
use libtest_mimic::Trial;

use crate::https::hearing;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        under("untouched::code_is_as_before", Mode::Socket, code),
        under(
            "untouched::answers_while_probes_come_and_go",
            Mode::Syscall,
            come_and_go,
        ),
    ]
}

fn server(sandbox: &Sandbox) -> Result<Server> {
    let options = Nginx {
        tls: Some(Certificate::new(sandbox)?),
        ..Nginx::default()
    };
    nginx(sandbox, "nginx", &options)
}

/// What a process has in memory of files with code in them, by address.
fn code_of(pid: u32) -> Result<BTreeMap<String, Vec<u8>>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut code = BTreeMap::new();
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next(), words.next());
        let (Some(range), Some("r-xp"), true) = (range, rights, line.contains(" /")) else {
            continue;
        };
        let (from, to) = range.split_once('-').context("no range")?;
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16));
        let (from, to) = (from?, to?);
        let mut bytes = vec![0; usize::try_from(to - from)?];
        memory.read_exact_at(&mut bytes, from)?;
        code.insert(line.to_owned(), bytes);
    }
    Ok(code)
}

/// With probes it is not what it was, and without them it is again, byte for byte.
fn code(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = server(sandbox)?;
    let pid = server.process().pid();
    let before = code_of(pid)?;
    ensure!(
        before.keys().any(|line| line.contains("libssl")),
        "no library in {:?}",
        before.keys()
    );
    let agent = hearing(sandbox, mode, "libssl")?;
    // The file that was found first may be another's.
    let other = wait::until("other code in the server", || {
        let now = code_of(pid)?;
        let differs = |line: &&String| now.get(*line) != before.get(*line);
        let other: Vec<_> = before.keys().filter(differs).collect();
        Ok((!other.is_empty()).then_some(other))
    })?;
    ensure!(
        other.iter().all(|line| line.contains("libssl")),
        "with probes other: {other:?}"
    );
    agent.stop()?.balanced()?;
    wait::until_true("the code as it was before", || Ok(code_of(pid)? == before))?;
    server.stop()
}

/// Requests go on, on kept connections and new ones, while an agent after the other comes and goes.
fn come_and_go(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const AGENTS: usize = 4;
    let mut server = server(sandbox)?;
    let (over, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let place = server.place().clone();
    let features = server.features();
    let load = |keep: bool| -> Result<()> {
        while over.load(Ordering::Relaxed) < AGENTS {
            let turn = asked.load(Ordering::Relaxed);
            let name = format!("load-{keep}-{turn}");
            let plan = plan(&name, 100, features);
            let manner = Manner {
                connections: 2,
                keep,
            };
            // Each has to have its answer.
            Client::Curl.run(sandbox, &name, &place, &plan, manner)?;
            asked.fetch_add(plan.len(), Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let loads = [true, false].map(|keep| scope.spawn(move || load(keep)));
        let agents = || -> Result<()> {
            for _ in 0..AGENTS {
                let stopped = hearing(sandbox, mode, "libssl").and_then(|agent| agent.stop());
                over.fetch_add(1, Ordering::Relaxed);
                stopped?.balanced()?;
            }
            Ok(())
        };
        let done = agents();
        // Whatever became of the agents, the loads end.
        over.store(AGENTS, Ordering::Relaxed);
        for load in loads {
            load.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        }
        done
    })?;
    let asked = asked.into_inner();
    server.logged(asked)?;
    server.stop()?;
    let log = server.log()?;
    // curl asks anew what it asked on a connection that the server had closed.
    ensure!(
        log.len() >= asked && log.len() <= asked + asked / 8,
        "{asked} asked, {} logged",
        log.len()
    );
    Ok(())
}
