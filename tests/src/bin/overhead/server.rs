//! nginx as DESIGN's numbers have it: one worker, a small JSON answer, kept connections.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use eaves_tests::peer::Certificate;
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::wait;

/// Fields that wrk and the client of fixed rate send: ten, as a browser or a gateway would.
pub(super) const FIELDS: [(&str, &str); 9] = [
    (
        "User-Agent",
        "overhead/1.0 (measures what it costs to be heard)",
    ),
    ("Accept", "application/json, text/plain;q=0.9, */*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Cache-Control", "no-cache"),
    ("Cookie", "theme=dark; session=b3f1c9a07d5e4b22"),
    ("Origin", "http://shop.example"),
    ("Referer", "http://shop.example/basket"),
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Request-Id", "7f3a2d10-5b0e-4c77-9a64-0d5a7a3be001"),
];

/// Target of the measured requests.
pub(super) const TARGET: &str = "/api/orders/42?expand=items";

/// Bytes of the answer's body.
const BODY_BYTES: usize = 350;

/// The answer's body: a small JSON object.
fn body() -> String {
    let mut body = String::from(
        r#"{"id":42,"state":"paid","currency":"EUR","items":[{"sku":"A-1009","count":2,"cents":1299},{"sku":"B-77","count":1,"cents":450}],"note":""#,
    );
    let end = r#""}"#;
    let pad = BODY_BYTES.saturating_sub(body.len() + end.len());
    body.extend("left at the door, thank you; ".chars().cycle().take(pad));
    body.push_str(end);
    body
}

/// A running nginx.
pub(super) struct Server {
    process: Process,
    /// Port without an access log.
    pub(super) port: u16,
    /// Port with one.
    pub(super) logged_port: u16,
    /// Port where it speaks TLS, without an access log.
    pub(super) tls_port: u16,
    status_port: u16,
    /// The access log.
    pub(super) log: PathBuf,
}

impl Server {
    pub(super) fn start(sandbox: &Sandbox) -> Result<Self> {
        let (plain, logged, encrypted, status) = (port()?, port()?, port()?, port()?);
        let tls = Certificate::new(sandbox)?;
        let log = sandbox.file("access.log");
        let folder = sandbox.path().display();
        let body = body();
        let answer = format!("default_type application/json; return 200 '{body}';");
        let config = format!(
            "user root; worker_processes 1; daemon off; pid {folder}/nginx.pid;
error_log {folder}/error.log warn; worker_rlimit_nofile 30000;
events {{ worker_connections 25000; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600; sendfile off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  log_format one '$request_method $request_uri $status';
  server {{ listen 127.0.0.1:{plain} backlog=16384; location / {{ {answer} }} }}
  server {{ listen 127.0.0.1:{logged} backlog=16384; access_log {log} one buffer=256k;
    location / {{ {answer} }} }}
  server {{ listen 127.0.0.1:{encrypted} ssl backlog=16384; ssl_certificate {certificate};
    ssl_certificate_key {key}; location / {{ {answer} }} }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
",
            log = log.display(),
            certificate = tls.certificate.display(),
            key = tls.key.display(),
        );
        let config = sandbox.write("nginx.conf", config)?;
        let mut command = Command::new(program("nginx", "nginx")?);
        command
            .arg("-c")
            .arg(config)
            .arg("-p")
            .arg(sandbox.path())
            .args(["-e", "stderr"]);
        let process = Process::start(sandbox, "nginx", command)?;
        let server = Self {
            process,
            port: plain,
            logged_port: logged,
            tls_port: encrypted,
            status_port: status,
            log,
        };
        wait::until_true("nginx", || Ok(server.requests().is_ok()))?;
        Ok(server)
    }

    /// The worker's process id.
    pub(super) fn worker(&self) -> Result<u32> {
        let master = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        let first = children
            .split_whitespace()
            .next()
            .context("nginx has no worker")?;
        Ok(first.parse()?)
    }

    /// Requests it has answered on all its ports, by its own count.
    pub(super) fn requests(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.status_port))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        // " ACCEPTED HANDLED REQUESTS", under a line that names them.
        let line = answer
            .lines()
            .skip_while(|line| !line.starts_with("server accepts"))
            .nth(1);
        let last = line.and_then(|line| line.split_whitespace().last());
        Ok(last.context("nginx counts no requests")?.parse()?)
    }

    /// Has it write out its log, as logrotate would.
    pub(super) fn flush_log(&self) -> Result<()> {
        self.process.signal(rustix::process::Signal::USR1)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_is_json_of_the_size_the_goals_name() {
        let body = super::body();
        assert_eq!(body.len(), super::BODY_BYTES);
        assert!(
            serde_json::from_str::<serde_json::Value>(&body).is_ok(),
            "{body}"
        );
    }
}
