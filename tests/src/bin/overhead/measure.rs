//! One half of a pair: load, with or without Eaves, and what it used.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::wait;

use crate::agent::{Agent, Setting, Stopped};
use crate::fixed_rate::{self, Latency};
use crate::server::{FIELDS, Server, TARGET};

/// Ticks a second of `/proc/PID/stat` (USER_HZ, fixed at 100 on Linux's user interface).
const TICKS_PER_S: u64 = 100;

/// Bytes that dd copies one by one.
const BYTE_WISE: &str = "600000";

/// Connections of wrk at saturation.
const CONNECTIONS: u32 = 32;

/// What one half of a pair showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Half {
    /// Exchanges a second.
    pub(super) per_s: f64,
    /// CPU of nginx's worker for one exchange, in µs.
    pub(super) server_us: f64,
    /// CPU of the agent for one exchange, in µs.
    pub(super) agent_us: f64,
    /// Resident memory of the agent, at most, in bytes.
    pub(super) memory_bytes: u64,
    /// At a fixed rate: how long an answer took.
    pub(super) latency: Option<Latency>,
}

/// Exchanges in the server's log and in Eaves' output.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) logged: u64,
    pub(super) reported: u64,
    /// Of those reported, whole on both sides.
    pub(super) whole: u64,
    /// The ledger's lines.
    pub(super) ledger: String,
}

/// An agent without traffic.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    /// Share of one core.
    pub(super) cpu: f64,
    pub(super) memory_bytes: u64,
    /// From start to taps attached.
    pub(super) ready: Duration,
    /// From start to the first exchange written, where exchanges are written.
    pub(super) first: Option<Duration>,
}

/// Server and load.
pub(super) struct Bench<'a> {
    sandbox: &'a Sandbox,
    server: Server,
    load: Duration,
}

impl<'a> Bench<'a> {
    pub(super) fn start(sandbox: &'a Sandbox, load: Duration) -> Result<Self> {
        Ok(Self {
            sandbox,
            server: Server::start(sandbox)?,
            load,
        })
    }

    /// As many exchanges as go.
    pub(super) fn saturated(&self, setting: Option<Setting>) -> Result<Half> {
        let port = self.server.port;
        self.half(setting, || Ok((self.wrk("http", port, CONNECTIONS)?, None)))
    }

    /// The same over HTTPS.
    pub(super) fn saturated_tls(&self, setting: Option<Setting>) -> Result<Half> {
        let port = self.server.tls_port;
        self.half(setting, || {
            Ok((self.wrk("https", port, CONNECTIONS)?, None))
        })
    }

    /// A fixed number of exchanges a second.
    pub(super) fn at_rate(&self, setting: Option<Setting>, per_s: f64) -> Result<Half> {
        self.half(setting, || {
            let (done_per_s, latency) = fixed_rate::run(self.server.port, per_s, self.load)?;
            Ok((done_per_s, Some(latency)))
        })
    }

    /// Saturation over so many connections.
    pub(super) fn connections(&self, setting: Setting, connections: u32) -> Result<Half> {
        let port = self.server.port;
        self.half(Some(setting), || {
            Ok((self.wrk("http", port, connections)?, None))
        })
    }

    fn half(
        &self,
        setting: Option<Setting>,
        load: impl FnOnce() -> Result<(f64, Option<Latency>)>,
    ) -> Result<Half> {
        let agent = setting
            .map(|setting| Agent::start(self.sandbox, setting))
            .transpose()?;
        let agent_cpu = || agent.as_ref().map_or(Ok(Duration::ZERO), Agent::cpu);
        let worker = self.server.worker()?;
        let (server_before, agent_before) = (cpu(worker)?, agent_cpu()?);
        let requests_before = self.server.requests()?;
        let (per_s, latency) = load()?;
        let server_cpu = cpu(worker)?.saturating_sub(server_before);
        if let Some(agent) = &agent {
            agent.drain()?;
        }
        let agent_cpu = agent_cpu()?.saturating_sub(agent_before);
        // The last question about their number is one itself.
        let exchanges = self
            .server
            .requests()?
            .saturating_sub(requests_before + 1)
            .max(1) as f64;
        let memory_bytes = agent.as_ref().map_or(Ok((0, 0)), Agent::memory)?.1;
        if let Some(agent) = agent {
            agent.stop()?;
        }
        Ok(Half {
            per_s,
            server_us: server_cpu.as_secs_f64() * 1e6 / exchanges,
            agent_us: agent_cpu.as_secs_f64() * 1e6 / exchanges,
            memory_bytes,
            latency,
        })
    }

    /// Runs wrk; gives exchanges a second.
    fn wrk(&self, scheme: &str, port: u16, connections: u32) -> Result<f64> {
        let mut command = Command::new(program("wrk", "wrk")?);
        command.args([
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{}s", self.load.as_secs()),
        ]);
        for (name, value) in FIELDS {
            command.args(["-H", &format!("{name}: {value}")]);
        }
        command.arg(format!("{scheme}://127.0.0.1:{port}{TARGET}"));
        let mut wrk = Process::start(self.sandbox, "wrk", command)?;
        wrk.finish()?;
        let said = fs::read_to_string(self.sandbox.file("wrk.out"))?;
        if let Some(errors) = said.lines().find(|line| line.contains("Non-2xx")) {
            bail!("wrk: {errors}");
        }
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        Ok(rate.context("wrk says no rate")?.trim().parse()?)
    }

    /// Exchanges at saturation, in Eaves' output and in the server's log.
    pub(super) fn counted(&self, setting: Setting) -> Result<Counted> {
        File::create(&self.server.log)?;
        self.server.flush_log()?;
        let agent = Agent::start(self.sandbox, setting)?;
        self.wrk("http", self.server.logged_port, CONNECTIONS)?;
        agent.drain()?;
        self.server.flush_log()?;
        let Stopped { said, events } = agent.stop()?;
        let logged = BufReader::new(File::open(&self.server.log)?)
            .lines()
            .count() as u64;
        let mut counted = Counted {
            logged,
            ledger: ledger(&said),
            ..Counted::default()
        };
        for line in BufReader::new(File::open(events)?).lines() {
            let line = line?;
            if !line.contains(r#""kind":"exchange""#)
                || !line.contains(r#""path":"/api/orders/42""#)
            {
                continue;
            }
            let event: serde_json::Value = serde_json::from_str(&line)?;
            let is = |pointer: &str, value: &str| {
                event.pointer(pointer).and_then(serde_json::Value::as_str) == Some(value)
            };
            let server_port = event
                .pointer("/server/port")
                .and_then(serde_json::Value::as_u64);
            if server_port != Some(u64::from(self.server.logged_port)) {
                continue;
            }
            counted.reported += u64::from(event.pointer("/http/response/status_code").is_some());
            let whole =
                is("/completeness/request", "whole") && is("/completeness/response", "whole");
            counted.whole += u64::from(whole);
        }
        Ok(counted)
    }

    /// The agent's start, and its CPU and memory while nothing happens.
    pub(super) fn at_rest(&self, setting: Setting) -> Result<Rest> {
        let began = Instant::now();
        let agent = Agent::start(self.sandbox, setting)?;
        let mut first = None;
        if setting.depth == crate::agent::Depth::Everything {
            wait::until_true("the first exchange", || {
                self.server.requests()?;
                agent.first_event()
            })?;
            first = Some(began.elapsed());
        }
        agent.drain()?;
        let quiet = (self.load * 3).max(Duration::from_secs(3));
        let before = agent.fine_cpu()?;
        std::thread::sleep(quiet);
        let used = agent.fine_cpu()?.saturating_sub(before);
        let rest = Rest {
            cpu: used.as_secs_f64() / quiet.as_secs_f64(),
            memory_bytes: agent.memory()?.0,
            ready: agent.ready_after,
            first,
        };
        agent.stop()?;
        Ok(rest)
    }

    /// Seconds that reading and writing a file byte by byte takes: calls without a socket.
    pub(super) fn byte_wise(&self, setting: Option<Setting>) -> Result<f64> {
        let agent = setting
            .map(|setting| Agent::start(self.sandbox, setting))
            .transpose()?;
        let source = self.sandbox.file("bytes");
        if !source.exists() {
            fs::write(&source, vec![b'x'; BYTE_WISE.parse()?])?;
        }
        let mut command = Command::new("dd");
        command
            .arg(format!("if={}", source.display()))
            .arg(format!("of={}", self.sandbox.file("copy").display()))
            .args([
                "bs=1",
                &format!("count={BYTE_WISE}"),
                "conv=notrunc",
                "status=none",
            ]);
        let began = Instant::now();
        let mut dd = Process::start(self.sandbox, "dd", command)?;
        let status = dd.child().wait()?;
        let took = began.elapsed();
        if !status.success() {
            bail!("dd ended with {status}");
        }
        if let Some(agent) = agent {
            agent.stop()?;
        }
        Ok(took.as_secs_f64())
    }
}

/// Lines of what an agent said that hold its ledger.
fn ledger(said: &str) -> String {
    let lines: Vec<_> = said
        .lines()
        .skip_while(|line| !line.contains("ledger"))
        .collect();
    lines.join("\n")
}

/// CPU time of a process, its threads that have ended included: fields 14 and 15 of
/// `/proc/PID/stat` (proc(5)), in ticks of 10 ms.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before may hold anything but ends with the last parenthesis.
    let fields = stat.rsplit_once(')').context("no name in stat")?.1;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_S))
}

/// Resident memory of a process now and at most, in bytes.
pub(super) fn memory(pid: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let lines: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .collect();
    let bytes = |name: &str| -> Result<u64> {
        let kib = lines.get(name).with_context(|| format!("no {name}"))?;
        Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    };
    Ok((bytes("VmRSS")?, bytes("VmHWM")?))
}
