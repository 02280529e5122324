//! Netty, whose TLS is `BoringSSL` by the OpenSSL provider that most servers in Java have.

use std::process::Command;

use anyhow::Result;

use super::script::with_tls;
use super::{Certificate, Server};
use crate::far::fetched;
use crate::load::Features;
use crate::sandbox::{Sandbox, program};

/// Starts it.
///
/// # Errors
/// It is not here, or does not come up.
pub fn netty(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    let java = program("java", "openjdk-17-jdk-headless")?;
    let source = sandbox.write("Server.java", include_str!("java/Server.java"))?;
    let mut command = Command::new(java);
    command
        .arg("-cp")
        .arg(fetched("netty")?.join("libs/*"))
        .arg(source);
    let mut server = with_tls(sandbox, name, command, tls)?;
    server.features = Features::default();
    Ok(server)
}
