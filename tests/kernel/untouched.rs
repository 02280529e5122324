//! Who is heard stays what he was: his code, when the probes are off it, and his answers, as they come and go.

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

/// Code of one file in a process's memory.
struct Code {
    file: String,
    memory: Vec<u8>,
    /// The same in the file.
    own: Vec<u8>,
}

/// All of it, by files that are there.
fn code_of(pid: u32) -> Result<Vec<Code>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut code = Vec::new();
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [range, "r-xp", offset, _, _, path] = words[..] else {
            continue;
        };
        if !path.starts_with('/') {
            continue;
        }
        let number = |text: &str| u64::from_str_radix(text, 16);
        let (from, to) = range.split_once('-').context("no range")?;
        let (from, to, offset) = (number(from)?, number(to)?, number(offset)?);
        let file = File::open(path)?;
        // Behind the file's end the last page is empty.
        let there = file.metadata()?.len().saturating_sub(offset);
        let bytes = usize::try_from(there.min(to - from))?;
        let mut one = Code {
            file: path.to_owned(),
            memory: vec![0; bytes],
            own: vec![0; bytes],
        };
        memory.read_exact_at(&mut one.memory, from)?;
        file.read_exact_at(&mut one.own, offset)?;
        code.push(one);
    }
    Ok(code)
}

/// Files whose code in memory is another than in them.
fn altered(pid: u32) -> Result<Vec<String>> {
    let mut code = code_of(pid)?;
    ensure!(
        code.iter().any(|one| one.file.contains("libssl")),
        "the server has no library"
    );
    code.retain(|one| one.memory != one.own);
    Ok(code.into_iter().map(|one| one.file).collect())
}

/// With probes it is not what the files have, and without them it is again, byte for byte.
fn code(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = server(sandbox)?;
    let pid = server.process().pid();
    // Probes of an agent before may still come off.
    wait::until_true("code as the files have it", || Ok(altered(pid)?.is_empty()))?;
    let agent = hearing(sandbox, mode, "libssl")?;
    // The library that was found first may be another's.
    let other = wait::until("other code in the server", || {
        let other = altered(pid)?;
        Ok((!other.is_empty()).then_some(other))
    })?;
    ensure!(
        other.iter().all(|file| file.contains("libssl")),
        "with probes other: {other:?}"
    );
    agent.stop()?.balanced()?;
    wait::until_true("code as the files have it, again", || {
        Ok(altered(pid)?.is_empty())
    })?;
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
