//! nginx: static files, several workers, sendfile, upstreams.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::{Certificate, Counts, Place, Server, utf8};
use crate::load::{Features, SIZES, STATUSES, body};
use crate::process::Process;
use crate::sandbox::{Sandbox, port, program};

/// How nginx is set up.
#[derive(Clone, Debug, Default)]
pub struct Nginx {
    /// Static files go by sendfile(2).
    pub sendfile: bool,
    /// Worker processes; 0 stands for 1.
    pub workers: u8,
    /// Takes heads of 64 KiB.
    pub long_heads: bool,
    /// Speaks TLS with this certificate.
    pub tls: Option<Certificate>,
    /// TLS 1.3 too, which Debian's does not by itself.
    pub tls13: bool,
    /// Speaks HTTP/2, and nothing else where it is not TLS that tells.
    pub http2: bool,
    /// Everything goes on to this place, over kept connections.
    pub upstream: Option<Place>,
}

/// Starts nginx in the sandbox.
///
/// # Errors
/// It is not installed or does not come up.
pub fn nginx(sandbox: &Sandbox, name: &str, options: &Nginx) -> Result<Server> {
    let nginx = program("nginx", "nginx")?;
    for size in SIZES {
        sandbox.write(&format!("{name}/root/size/{size}"), body(size))?;
        sandbox.write(&format!("{name}/root/chunked/{size}"), body(size))?;
    }
    sandbox.write(&format!("{name}/root/take"), "")?;
    let port = port()?;
    let log = sandbox.file(&format!("{name}.log"));
    let locations = match &options.upstream {
        Some(place) => proxied(place),
        None => served(),
    };
    let upstream = match &options.upstream {
        Some(place) => format!(
            "upstream behind {{ server {}; keepalive 8; }}",
            place.argument()
        ),
        None => String::new(),
    };
    let config = format!(
        "user root; worker_processes {workers}; daemon off; pid {folder}/nginx.pid;
error_log {folder}/error.log warn; worker_rlimit_nofile 30000;
events {{ worker_connections 12000; }}
http {{
  log_format tsv escape=none \"$request_method\t$request_uri\t$status\t$body_bytes_sent\t$remote_port\";
  access_log {log} tsv;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  sendfile {sendfile}; client_max_body_size 64m; keepalive_requests 1000000; default_type text/plain;
  client_header_timeout 300; client_body_timeout 300; keepalive_timeout 300;
  {long_heads}
  {upstream}
  server {{ listen 127.0.0.1:{port} backlog=4096 {http2} {tls}; root {folder}/root; {locations} }}
}}
",
        workers = options.workers.max(1),
        folder = utf8(&sandbox.file(name))?,
        log = utf8(&log)?,
        tls = match &options.tls {
            Some(tls) => format!(
                "ssl; ssl_certificate {}; ssl_certificate_key {}{}",
                utf8(&tls.certificate)?,
                utf8(&tls.key)?,
                if options.tls13 { "; ssl_protocols TLSv1.2 TLSv1.3" } else { "" }
            ),
            None => String::new(),
        },
        http2 = if options.http2 { "http2" } else { "" },
        long_heads = if options.long_heads { "large_client_header_buffers 4 64k;" } else { "" },
        sendfile = if options.sendfile { "on" } else { "off" },
    );
    let config = sandbox.write(&format!("{name}.conf"), config)?;
    let mut command = Command::new(nginx);
    command
        .arg("-c")
        .arg(&config)
        .arg("-p")
        .arg(sandbox.path())
        .arg("-e")
        .arg("stderr");
    Server {
        process: Process::start(sandbox, name, command)?,
        place: if options.tls.is_some() {
            Place::Tls(port)
        } else {
            Place::Tcp(port)
        },
        log,
        counts: Counts::Framing,
        features: Features {
            chunked: true,
            chunked_requests: true,
            post_only: false,
        },
        gentle: Signal::QUIT,
    }
    .ready()
}

/// Answers of its own. SSI takes the length away, so that the body goes chunked. The mirror makes
/// nginx read a request's body before it answers: a client that is answered early may stop sending.
fn served() -> String {
    let mut locations = "location /size/ { add_header x-id $arg_id always; }
  location /chunked/ { ssi on; ssi_types text/plain; add_header x-id $arg_id always; }
  location /take { mirror /mirrored; error_page 405 =200 @taken; }
  location = /mirrored { internal; return 204; }
  location @taken { add_header x-id $arg_id always; return 200 \"taken\\n\"; }"
        .to_owned();
    for status in STATUSES {
        let text = if status == 204 {
            ""
        } else {
            " \"by order\\n\""
        };
        let _ = write!(
            locations,
            "\n  location = /status/{status} {{ add_header x-id $arg_id always; return {status}{text}; }}"
        );
    }
    locations
}

/// Everything from behind.
fn proxied(_: &Place) -> String {
    "location / { proxy_pass http://behind; proxy_http_version 1.1;
    proxy_set_header Connection \"\"; proxy_request_buffering off; }"
        .to_owned()
}
