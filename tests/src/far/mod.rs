//! Real far ends of sinks: Kafka's broker, ClickHouse's engine, an OTLP receiver of OpenTelemetry's own
//! messages, rsyslog, Alertmanager; and what stands between an agent and a far end.
//!
//! Debian has rsyslog and Alertmanager; the others lie in the folder that `EAVES_FAR_ENDS` names, or
//! `target/far-ends`, where `cargo xtask test e2e` fetches them.

mod kafka;
mod proxy;
mod relay;

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::Process;
use crate::sandbox::{Sandbox, Skip, port, program};
use crate::wait;

pub use kafka::{Kafka, Record};
pub use proxy::Proxy;
pub use relay::Relay;

/// A far end that listens on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Far {
    /// Its process.
    pub process: Process,
    /// Its port.
    pub port: u16,
}

impl Far {
    /// Starts `command`, and waits until it listens on `port`.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(sandbox: &Sandbox, name: &str, command: Command, port: u16) -> Result<Self> {
        let mut process = Process::start(sandbox, name, command)?;
        wait::until_true(&format!("{name} listens"), || {
            process.must_live()?;
            Ok(listens(port))
        })?;
        Ok(Self { process, port })
    }
}

/// Whether somebody takes connections there.
#[must_use]
pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Where what was fetched lies.
///
/// # Errors
/// [`Skip`] if nothing was.
pub(crate) fn fetched(name: &str) -> Result<PathBuf> {
    let named = std::env::var_os("EAVES_FAR_ENDS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/far-ends");
    let folder = named.unwrap_or(beside).join(name);
    if !folder.join("made-for").exists() {
        bail!(Skip(format!(
            "{name} is not in {}: `cargo xtask test e2e` fetches it",
            folder.display()
        )));
    }
    Ok(folder)
}

/// Python with the libraries of far ends, about to run `script`.
pub(crate) fn python(sandbox: &Sandbox, name: &str, script: &str) -> Result<Command> {
    let python = fetched("python")?.join("bin/python");
    let script = sandbox.write(&format!("{name}.py"), script)?;
    let mut command = Command::new(python);
    command.arg("-u").arg(script);
    Ok(command)
}

/// An OTLP receiver that fails as `faults` say, see `otlp.py`; its records go to `out`.
///
/// # Errors
/// It is not here, or does not come up.
pub fn otlp(sandbox: &Sandbox, out: &Path, faults: &str) -> Result<Far> {
    let port = port()?;
    let mut command = python(sandbox, "otlp", include_str!("otlp.py"))?;
    command.arg(port.to_string()).arg(out).arg(faults);
    Far::start(sandbox, "otlp", command, port)
}

/// ClickHouse with the table that `docs/` ships; it fails as `faults` say, see `clickhouse.py`.
///
/// # Errors
/// It is not here, or does not come up.
pub fn clickhouse(sandbox: &Sandbox, faults: &str) -> Result<Far> {
    let port = port()?;
    let mut command = python(sandbox, "clickhouse", include_str!("clickhouse.py"))?;
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clickhouse.sql");
    command
        .arg(port.to_string())
        .arg(sandbox.file("clickhouse"));
    command.arg(table).arg(faults);
    Far::start(sandbox, "clickhouse", command, port)
}

/// Holds records of `format`, one a line of `file`, against the schema that is published of it: `ecs`, `ocsf`
/// or `otel`.
///
/// # Errors
/// The schema is not here, or does not fit: with what is wrong.
pub fn fits_schema(sandbox: &Sandbox, format: &str, file: &Path) -> Result<()> {
    let mut command = if format == "ecs" {
        let script = sandbox.write("ecs.js", include_str!("ecs.js"))?;
        let mut command = Command::new(program("node", "nodejs")?);
        let package = fetched("ecs")?.join("node_modules/@elastic/ecs");
        command.arg(script).arg(package);
        command
    } else {
        let mut command = python(sandbox, "schemas", include_str!("schemas.py"))?;
        command.arg(format);
        command
    };
    let output = command.arg(file).output()?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{format}: {}", String::from_utf8_lossy(&said));
    }
    Ok(())
}

/// nginx that takes TLS from those alone whose certificate `authority` signed, and hands requests on to `behind`
/// with the name in it as `X-Client`.
///
/// # Errors
/// It is not installed, or does not come up.
pub fn tls_front(sandbox: &Sandbox, authority: &Authority, behind: u16) -> Result<Far> {
    let port = port()?;
    let (certificate, key) = authority.sign("localhost")?;
    let folder = sandbox.file("front");
    std::fs::create_dir_all(&folder)?;
    let config = format!(
        "daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{ access_log off; client_max_body_size 64m;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
ssl_client_certificate {authority}; ssl_verify_client on;
location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_set_header X-Client $ssl_client_s_dn; }} }} }}
",
        folder = folder.display(),
        certificate = certificate.display(),
        key = key.display(),
        authority = authority.certificate.display(),
    );
    let config = sandbox.write("front.conf", config)?;
    let mut command = Command::new(program("nginx", "nginx")?);
    command.arg("-c").arg(config).args(["-e", "stderr"]);
    Far::start(sandbox, "front", command, port)
}

/// An Alertmanager that tells nobody.
///
/// # Errors
/// It is not installed, or does not come up.
pub fn alertmanager(sandbox: &Sandbox) -> Result<Far> {
    let port = port()?;
    let config = "route: { receiver: nobody }\nreceivers: [ { name: nobody } ]\n";
    let config = sandbox.write("alertmanager.yml", config)?;
    let mut command = Command::new(program(
        "prometheus-alertmanager",
        "prometheus-alertmanager",
    )?);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.path={}",
            sandbox.file("alertmanager").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    Far::start(sandbox, "alertmanager", command, port)
}

/// An rsyslogd that takes RFC 5424 over TLS from those whose certificate `authority` signed, and writes to
/// `out` a line of what it understood of each message: facility and severity, time, host, application,
/// kind, structured data, message, with tabs between.
///
/// # Errors
/// It is not installed, or does not come up.
pub fn rsyslog(
    sandbox: &Sandbox,
    authority: &Path,
    certificate: &Path,
    key: &Path,
    out: &Path,
) -> Result<Far> {
    let port = port()?;
    let work = sandbox.file("rsyslog");
    std::fs::create_dir_all(&work)?;
    let config = format!(
        r#"global(workDirectory="{work}" maxMessageSize="64k" DefaultNetstreamDriver="ossl"
  DefaultNetstreamDriverCAFile="{authority}"
  DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}"
  parser.escapeControlCharactersOnReceive="off")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="all" type="string"
  string="%pri%\t%timestamp:::date-rfc3339%\t%hostname%\t%app-name%\t%msgid%\t%structured-data%\t%msg%\n")
action(type="omfile" file="{out}" template="all")
"#,
        work = work.display(),
        authority = authority.display(),
        certificate = certificate.display(),
        key = key.display(),
        out = out.display(),
    );
    let config = sandbox.write("rsyslog.conf", config)?;
    let mut command = Command::new(program("rsyslogd", "rsyslog")?);
    command.arg("-n").arg("-f").arg(config);
    command.arg("-i").arg(sandbox.file("rsyslog.pid"));
    Far::start(sandbox, "rsyslogd", command, port)
}

/// Runs openssl, quietly.
///
/// # Errors
/// It is not installed, or fails.
fn openssl(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program("openssl", "openssl")?);
    let output = command.args(arguments).output()?;
    if !output.status.success() {
        bail!(
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// An authority, and what it signs.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    /// Its own certificate.
    pub certificate: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// openssl is not installed, or fails.
    pub fn new(sandbox: &Sandbox) -> Result<Self> {
        let folder = sandbox.path().to_owned();
        let (key, certificate) = (folder.join("ca.key"), folder.join("ca.pem"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=authority",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            text(&key)?,
            "-out",
            text(&certificate)?,
        ])?;
        Ok(Self {
            folder,
            certificate,
        })
    }

    /// Certificate and key of `name`.
    ///
    /// # Errors
    /// openssl fails.
    pub fn sign(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        let (key, asked, certificate) = (file("key"), file("csr"), file("pem"));
        openssl(&[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            &format!("subjectAltName=DNS:{name}"),
            "-keyout",
            text(&key)?,
            "-out",
            text(&asked)?,
        ])?;
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-copy_extensions",
            "copy",
            "-in",
            text(&asked)?,
            "-CA",
            text(&self.certificate)?,
            "-CAkey",
            text(&self.folder.join("ca.key"))?,
            "-CAcreateserial",
            "-out",
            text(&certificate)?,
        ])?;
        Ok((certificate, key))
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not text")
}
