//! lighttpd, which speaks TLS by the library that its module has.

use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::{Certificate, Counts, Place, Server, utf8};
use crate::load::Features;
use crate::process::Process;
use crate::sandbox::{Sandbox, port, program};

/// Starts lighttpd in the sandbox, speaking TLS by this module, `mod_gnutls` for one; everything goes on to
/// `behind`.
///
/// # Errors
/// It or the module is not installed, or it does not come up.
pub fn lighttpd(
    sandbox: &Sandbox,
    name: &str,
    module: &str,
    behind: &Place,
    tls: &Certificate,
) -> Result<Server> {
    let lighttpd = program("lighttpd", "lighttpd")?;
    let port = port()?;
    let log = sandbox.file(&format!("{name}.log"));
    let config = format!(
        r#"server.modules = ("mod_accesslog", "mod_proxy", "{module}")
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{error}"
server.upload-dirs = ("{folder}")
server.max-keep-alive-requests = 100000
server.max-request-size = 65536
accesslog.filename = "{log}"
accesslog.format = "%m\t%U?%q\t%s\t%B\t%{{remote}}p"
ssl.engine = "enable"
ssl.pemfile = "{certificate}"
ssl.privkey = "{key}"
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {behind})))
"#,
        folder = utf8(sandbox.path())?,
        error = utf8(&sandbox.file(&format!("{name}.error.log")))?,
        log = utf8(&log)?,
        certificate = utf8(&tls.certificate)?,
        key = utf8(&tls.key)?,
        behind = behind.port()?,
    );
    let config = sandbox.write(&format!("{name}.conf"), config)?;
    let mut command = Command::new(lighttpd);
    command.arg("-D").arg("-f").arg(&config);
    Server {
        process: Process::start(sandbox, name, command)?,
        place: Place::Tls(port),
        log,
        counts: Counts::Body,
        features: Features::default(),
        gentle: Signal::INT,
    }
    .ready()
}
