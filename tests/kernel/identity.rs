//! Who asked, behind real proxies: an app of which the client is far away and the peer on this host
//! names the client all the same, and no client can name another.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use libtest_mimic::Trial;
use serde_json::Value;

use super::place::{Cgroup, container_id, text};

/// The client's addresses, of the networks for documentation (RFC 5737, RFC 3849).
const CLIENT: [&str; 2] = ["198.51.100.7", "2001:db8::7"];

/// Who the client says it is.
const SPOOFED: &str = "203.0.113.66";

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("identity::haproxy_before_an_app", behind_haproxy),
        under_both_taps("identity::nginx_before_an_app_in_a_pod", behind_nginx),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Addresses that this host has while the test runs.
struct Far {
    ip: PathBuf,
}

impl Far {
    fn add() -> Result<Self> {
        let far = Self {
            ip: program("ip", "iproute2")?,
        };
        for address in CLIENT {
            far.address("replace", address)?;
        }
        Ok(far)
    }

    fn address(&self, verb: &str, address: &str) -> Result<()> {
        let bits = if address.contains(':') { 128 } else { 32 };
        let mut command = Command::new(&self.ip);
        command.args(["address", verb, &format!("{address}/{bits}"), "dev", "lo"]);
        if address.contains(':') && verb != "del" {
            command.arg("nodad");
        }
        let status = command.status()?;
        ensure!(status.success(), "{command:?}: {status}");
        Ok(())
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        for address in CLIENT {
            let _ = self.address("del", address);
        }
    }
}

/// Where the app listens: plain and behind the PROXY protocol, over TCP and as Unix sockets.
struct App {
    _process: Process,
    tcp: [u16; 2],
    unix: [PathBuf; 2],
}

impl App {
    /// nginx, in this cgroup, as one process.
    fn start(sandbox: &Sandbox, cgroup: &Cgroup) -> Result<Self> {
        let tcp = [port()?, port()?];
        let unix = ["plain.sock", "proxied.sock"].map(|name| sandbox.file(name));
        let server = format!(
            "listen 127.0.0.1:{}; listen 127.0.0.1:{} proxy_protocol;
    listen unix:{}; listen unix:{} proxy_protocol;
    location / {{ return 200 \"ok\\n\"; }}",
            tcp[0],
            tcp[1],
            unix[0].display(),
            unix[1].display(),
        );
        let command = cgroup.enter(&program("nginx", "nginx")?)?;
        let mut process = nginx(sandbox, "app", command, &server)?;
        wait::until("the app", || {
            process.must_live()?;
            Ok(unix.iter().all(|path| path.exists()).then_some(()))
        })?;
        Ok(Self {
            _process: process,
            tcp,
            unix,
        })
    }
}

/// nginx as one process, which `command` starts, with one server.
fn nginx(sandbox: &Sandbox, name: &str, mut command: Command, server: &str) -> Result<Process> {
    let folder = sandbox.file(name);
    std::fs::create_dir(&folder)?;
    let folder = folder.display();
    let config = sandbox.write(
        &format!("{name}.conf"),
        format!(
            "user root; master_process off; daemon off; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    {server}
  }}
}}
"
        ),
    )?;
    command.args(["-e", "stderr", "-p"]).arg(sandbox.path());
    command.arg("-c").arg(&config);
    Process::start(sandbox, name, command)
}

/// This host, to a client of such an address.
fn here(client: &str) -> &'static str {
    if client.contains(':') {
        "[::1]"
    } else {
        "127.0.0.1"
    }
}

/// One way to the app: its name, which the target tells, the port of its front, what haproxy does
/// there, where it hands over, and the client's address.
struct Way {
    name: String,
    front: u16,
    mode: &'static str,
    server: String,
    client: &'static str,
}

fn ways(app: &App) -> Result<Vec<Way>> {
    let kinds = [
        ("field", "mode http\n  option forwardfor", 0, ""),
        ("v1", "mode tcp", 1, "send-proxy"),
        ("v2", "mode tcp", 1, "send-proxy-v2"),
    ];
    let mut ways = Vec::new();
    for (name, mode, at, send) in kinds {
        let places = [
            ("tcp", format!("127.0.0.1:{}", app.tcp[at])),
            ("unix", format!("unix@{}", app.unix[at].display())),
        ];
        for (kind, place) in places {
            for client in CLIENT {
                let family = if client.contains(':') { 6 } else { 4 };
                ways.push(Way {
                    name: format!("/{name}/{kind}/{family}"),
                    front: port()?,
                    mode,
                    server: format!("{place} {send}"),
                    client,
                });
            }
        }
    }
    Ok(ways)
}

/// haproxy with a front for each way.
fn haproxy(sandbox: &Sandbox, ways: &[Way]) -> Result<Process> {
    let haproxy = program("haproxy", "haproxy")?;
    let mut config =
        "global\n  nbthread 1\ndefaults\n  timeout connect 10s\n  timeout client 60s\n  \
                      timeout server 60s\n"
            .to_owned();
    for (number, way) in ways.iter().enumerate() {
        let here = here(way.client);
        config.push_str(&format!(
            "listen way{number}\n  {}\n  bind {here}:{}\n  server app {}\n",
            way.mode, way.front, way.server
        ));
    }
    let config = sandbox.write("haproxy.conf", config)?;
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(&config);
    Process::start(sandbox, "haproxy", command)
}

/// Asks, from a far address and with the name of another, as soon as the front is there.
fn ask(client: &str, port: u16, target: &str) -> Result<()> {
    let curl = program("curl", "curl")?;
    let here = here(client);
    let mut command = Command::new(curl);
    command.args(["-sS", "--fail", "-o", "/dev/null", "--max-time", "10"]);
    command.args([
        "--retry",
        "100",
        "--retry-delay",
        "0",
        "--retry-connrefused",
    ]);
    command.args(["--retry-max-time", "10", "--interface", client]);
    for field in ["X-Forwarded-For: ", "X-Real-IP: ", "Forwarded: for="] {
        command.arg("-H").arg(format!("{field}{SPOOFED}"));
    }
    let status = command
        .arg(format!("http://{here}:{port}{target}"))
        .status()?;
    ensure!(status.success(), "curl for {target}: {status}");
    Ok(())
}

/// What the app was asked, by the container it runs in.
fn of_app<'e>(reported: &'e [Exchange], container: &'e str) -> impl Iterator<Item = &'e Exchange> {
    let there = move |exchange: &&Exchange| {
        let id = exchange.value.pointer("/container/id");
        exchange.role == "server" && id.and_then(Value::as_str) == Some(container)
    };
    reported.iter().filter(there)
}

fn one<'e>(reported: &'e [Exchange], container: &'e str, target: &str) -> Result<&'e Value> {
    let mut found = of_app(reported, container).filter(|exchange| exchange.target == target);
    match (found.next(), found.next()) {
        (Some(exchange), None) => Ok(&exchange.value),
        (None, _) => bail!("no exchange of the app for {target}"),
        _ => bail!("several exchanges of the app for {target}"),
    }
}

/// The client as it is told, and the hops that were believed.
fn must_be(event: &Value, client: &str, via: &[&str]) -> Result<()> {
    let told = text(event, "/client/address")?;
    ensure!(
        told == client,
        "the client is {told}, not {client}: {event}"
    );
    let believed = event.pointer("/client/via").and_then(Value::as_array);
    let believed: Vec<_> = believed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    ensure!(
        believed == via,
        "believed are {believed:?}, not {via:?}: {event}"
    );
    Ok(())
}

/// By field, by the PROXY protocol of both versions, over loopback and over a Unix socket, and asked
/// by nobody in between.
fn behind_haproxy(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let id = container_id();
    let cgroup = Cgroup::make(&format!(
        "eaves-{}.slice/docker-{id}.scope/system.slice/shop.service",
        mode.name()
    ))?;
    let far = Far::add()?;
    let app = App::start(sandbox, &cgroup)?;
    let ways = ways(&app)?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let front = haproxy(sandbox, &ways)?;
    for way in &ways {
        ask(way.client, way.front, &way.name)?;
    }
    ask(CLIENT[0], app.tcp[0], "/nobody")?;
    agent.settle(|reported| of_app(reported, &id).count() > ways.len())?;
    let report = agent.stop()?;
    drop((front, far));
    for way in &ways {
        let event = one(&report.exchanges, &id, &way.name)?;
        // A Unix socket has no address that could be told.
        let via: &[&str] = if way.name.contains("tcp") {
            &["127.0.0.1"]
        } else {
            &[]
        };
        must_be(event, way.client, via).context(way.name.clone())?;
        let port = event.pointer("/client/port").is_some();
        ensure!(port != way.name.starts_with("/field"), "{event}");
        ensure!(text(event, "/process/unit")? == "shop.service", "{event}");
        ensure!(text(event, "/process/name")? == "nginx", "{event}");
    }
    must_be(one(&report.exchanges, &id, "/nobody")?, CLIENT[0], &[])?;
    report.balanced()
}

/// Behind nginx; the app runs in a pod.
fn behind_nginx(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let id = container_id();
    let uid = format!("0b5f3f1e-7a3c-4c52-9d0a-{:012x}", std::process::id());
    let pods = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod";
    let cgroup = Cgroup::make(&format!(
        "eaves-{}.slice/{pods}{}.slice/cri-containerd-{id}.scope",
        mode.name(),
        uid.replace('-', "_")
    ))?;
    let far = Far::add()?;
    let app = App::start(sandbox, &cgroup)?;
    let front = port()?;
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    // It appends to what the client says.
    let server = format!(
        "listen 127.0.0.1:{front};
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    location /tcp {{ proxy_pass http://127.0.0.1:{}; }}
    location /unix {{ proxy_pass http://unix:{}:; }}",
        app.tcp[0],
        app.unix[0].display()
    );
    let command = Command::new(program("nginx", "nginx")?);
    let process = nginx(sandbox, "front", command, &server)?;
    for target in ["/tcp", "/unix"] {
        ask(CLIENT[0], front, target)?;
    }
    agent.settle(|reported| of_app(reported, &id).count() > 1)?;
    let report = agent.stop()?;
    drop((process, far));
    for (target, via) in [("/tcp", &["127.0.0.1"][..]), ("/unix", &[])] {
        let event = one(&report.exchanges, &id, target)?;
        must_be(event, CLIENT[0], via).context(target)?;
        ensure!(text(event, "/kubernetes/uid")? == uid, "{event}");
    }
    report.balanced()
}
