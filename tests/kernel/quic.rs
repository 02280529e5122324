//! A server that may speak QUIC beside HTTP over TCP: it is named, not missed in silence.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Agent, Mode, command};
use eaves_tests::far::listens;
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::under;
use eaves_tests::wait;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::servers::of;
use eaves_tests::peer::Place;

/// `server.py PORT quic|plain`: HTTP, and with it a UDP socket on the same port as servers of HTTP/3 have.
const SERVER: &str = "import http.server, socket, sys
port = int(sys.argv[1])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Alt-Svc', 'h3=:%d' % port)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *_): pass
if sys.argv[2] == 'quic':
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(('127.0.0.1', port))
http.server.HTTPServer(('127.0.0.1', port), Handler).serve_forever()
";

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let name = "quic::a_server_that_speaks_it_is_named";
    vec![under(name, Mode::Syscall, named)]
}

fn server(sandbox: &Sandbox, how: &str) -> Result<(u16, Process)> {
    let port = port()?;
    let script = sandbox.write("server.py", SERVER)?;
    let mut command = Command::new(program("python3", "python3")?);
    command.arg(script).arg(port.to_string()).arg(how);
    let mut process = Process::start(sandbox, how, command)?;
    wait::until_true("a server", || {
        process.must_live()?;
        Ok(listens(port))
    })?;
    Ok((port, process))
}

fn named(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (port, mut quic) = server(sandbox, "quic")?;
    let (beside, mut plain) = server(sandbox, "plain")?;
    let doctor = command(["doctor", "--json"])?.output()?;
    let found: Value = serde_json::from_slice(&doctor.stdout)?;
    let checks = found["checks"].as_array().context("no checks")?;
    let of_process = |pid: u32| {
        let ends = format!("({pid})");
        let text = |check: &'_ Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
        // Whether it speaks TLS too is another check.
        checks.iter().find(|check| {
            check["group"] == "processes"
                && text(check, "name").ends_with(&ends)
                && text(check, "found").contains("UDP port")
        })
    };
    let check = of_process(quic.pid()).context("doctor does not name it")?;
    let told = check["found"].as_str().unwrap_or_default();
    ensure!(told.contains(&format!("UDP port {port} ")), "{check}");
    let lost = check["lost"].as_str().unwrap_or_default();
    ensure!(lost.contains("if it is QUIC"), "{check}");
    ensure!(of_process(plain.pid()).is_none(), "doctor names the other");

    let mut agent = Agent::watch(sandbox, mode, &[])?;
    // The host is looked through beside the flow: the first that is heard may come before.
    for port in [port, beside].into_iter().cycle().take(8) {
        std::thread::sleep(Duration::from_millis(100));
        let mut curl = Command::new(program("curl", "curl")?);
        curl.args(["-s", "-S"])
            .arg(format!("http://127.0.0.1:{port}/"));
        ensure!(curl.status()?.success(), "curl");
    }
    agent.settle(|reported| {
        let mut ports = [port, beside].into_iter();
        ports.all(|port| of(reported, "server", &Place::Tcp(port)).len() >= 4)
    })?;
    let report = agent.stop()?;
    let named: Vec<&Value> = report
        .notices
        .iter()
        .filter(|(name, _)| name == "tls")
        .map(|(_, value)| &value["detail"])
        .collect();
    let of_port = |port: u16| named.iter().filter(|one| one["port"] == port).count();
    ensure!((of_port(port), of_port(beside)) == (1, 0), "{named:?}");
    let of_it = named.iter().find(|one| one["pid"] == quic.pid());
    let reason = of_it.and_then(|one| one["reason"].as_str());
    let is_a_guess = reason.is_some_and(|reason| reason.contains("if it is QUIC"));
    ensure!(is_a_guess, "{named:?}");
    quic.stop()?;
    plain.stop()?;
    report.balanced()
}
