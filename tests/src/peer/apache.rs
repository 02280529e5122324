//! Apache httpd with its process models.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::{Certificate, Counts, Place, Server, utf8};
use crate::load::{Features, SIZES, STATUSES, body};
use crate::process::Process;
use crate::sandbox::{Sandbox, port, program};

/// Process model of Apache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// A process a connection.
    Prefork,
    /// Threads, with one that waits for all idle connections.
    Event,
    /// The same in one process.
    Single,
}

/// Where Debian keeps the modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Starts Apache in the sandbox.
///
/// # Errors
/// It is not installed or does not come up.
pub fn apache(sandbox: &Sandbox, name: &str, mpm: Mpm) -> Result<Server> {
    start(sandbox, name, mpm, None)
}

/// The same with threads, speaking HTTP/2 within TLS.
///
/// # Errors
/// As [`apache`].
pub fn apache_http2_tls(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    start(sandbox, name, Mpm::Event, Some(tls))
}

/// With threads of one process, speaking HTTP/1 within TLS.
///
/// # Errors
/// As [`apache`].
pub fn apache_tls(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    start(sandbox, name, Mpm::Single, Some(tls))
}

fn start(sandbox: &Sandbox, name: &str, mpm: Mpm, tls: Option<&Certificate>) -> Result<Server> {
    let apache = program("apache2", "apache2")?;
    for size in SIZES {
        sandbox.write(&format!("{name}/root/size/{size}"), body(size))?;
    }
    sandbox.write(&format!("{name}/root/take"), "taken\n")?;
    fs::create_dir_all(sandbox.file(&format!("{name}/mutex")))?;
    let port = port()?;
    let log = sandbox.file(&format!("{name}.log"));
    // A process a connection cannot speak HTTP/2.
    let speaks_http2 = mpm == Mpm::Event;
    let (mpm, limits) = model(mpm);
    let http2 = speaks_http2.then_some("http2");
    let ssl = tls.map(|_| "ssl");
    let mut config = format!("{}{limits}", modules(mpm, http2.into_iter().chain(ssl)));
    let _ = write!(
        config,
        "ServerName localhost
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
Mutex file:{folder}/mutex default
Listen 127.0.0.1:{port}
User www-data
Group www-data
ErrorLog {folder}/error.log
DocumentRoot {folder}/root
TypesConfig /dev/null
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
EnableSendfile Off
EnableMMAP Off
LogFormat \"%m\\t%U%q\\t%>s\\t%B\\t%{{remote}}p\" tsv
CustomLog {log} tsv
<Directory {folder}/root>
  Require all granted
</Directory>
RewriteEngine On
RewriteCond %{{QUERY_STRING}} ^id=([^&]+)
RewriteRule ^ - [E=XID:%1]
RewriteCond %{{REDIRECT_XID}} (.+)
RewriteRule ^ - [E=XID:%1]
Header always set x-id %{{XID}}e env=XID
",
        folder = utf8(&sandbox.file(name))?,
        log = utf8(&log)?,
    );
    config += &protocols(speaks_http2, tls)?;
    for status in STATUSES {
        let _ = writeln!(config, "RewriteRule ^/status/{status}$ - [R={status},L]");
    }
    let config = sandbox.write(&format!("{name}.conf"), config)?;
    let mut command = Command::new(apache);
    command.arg("-f").arg(&config).args(["-D", "FOREGROUND"]);
    Server {
        process: Process::start(sandbox, name, command)?,
        place: match tls {
            Some(_) => Place::Tls(port),
            None => Place::Tcp(port),
        },
        log,
        counts: Counts::Body,
        features: Features {
            chunked: false,
            chunked_requests: true,
            post_only: true,
        },
        gentle: Signal::TERM,
    }
    .ready()
}

/// The module, and how much of it there is.
const fn model(mpm: Mpm) -> (&'static str, &'static str) {
    match mpm {
        Mpm::Prefork => (
            "prefork",
            "StartServers 4\nMaxSpareServers 32\nMaxRequestWorkers 32\n",
        ),
        Mpm::Event => (
            "event",
            "StartServers 2\nThreadsPerChild 16\nMaxRequestWorkers 64\n",
        ),
        Mpm::Single => (
            "event",
            "ServerLimit 1\nStartServers 1\nThreadsPerChild 32\nMaxRequestWorkers 32\n",
        ),
    }
}

/// The lines that let it speak TLS, and HTTP/2.
fn protocols(http2: bool, tls: Option<&Certificate>) -> Result<String> {
    let spoken = match (http2, tls) {
        (false, _) => "",
        (true, None) => "Protocols h2c http/1.1\nH2MaxSessionStreams 200\n",
        (true, Some(_)) => "Protocols h2 http/1.1\n",
    };
    let Some(tls) = tls else {
        return Ok(spoken.to_owned());
    };
    Ok(format!(
        "{spoken}SSLEngine on\nSSLSessionCache none\nSSLCertificateFile {}\nSSLCertificateKeyFile {}\n",
        utf8(&tls.certificate)?,
        utf8(&tls.key)?
    ))
}

/// The lines that load its modules.
fn modules(mpm: &str, more: impl Iterator<Item = &'static str>) -> String {
    let mut lines = format!("LoadModule mpm_{mpm}_module {MODULES}/mod_mpm_{mpm}.so\n");
    let common = ["authz_core", "alias", "rewrite", "headers", "mime"];
    for module in common.into_iter().chain(more) {
        let _ = writeln!(
            lines,
            "LoadModule {module}_module {MODULES}/mod_{module}.so"
        );
    }
    lines
}
