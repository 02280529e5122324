//! A certificate for servers that speak TLS.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::Process;
use crate::sandbox::{Sandbox, program};

/// A certificate that signs itself, and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The key's file.
    pub key: PathBuf,
    /// The certificate's file.
    pub certificate: PathBuf,
    /// Both in one file.
    pub both: PathBuf,
}

impl Certificate {
    /// One for `localhost`.
    ///
    /// # Errors
    /// OpenSSL's program is not installed or fails.
    pub fn new(sandbox: &Sandbox) -> Result<Self> {
        let (key, certificate) = (sandbox.file("server.key"), sandbox.file("server.pem"));
        let mut command = Command::new(program("openssl", "openssl")?);
        command
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        Process::start(sandbox, "openssl", command)?.finish()?;
        let both = [std::fs::read(&certificate)?, std::fs::read(&key)?].concat();
        let both = sandbox.write("server.both.pem", both)?;
        Ok(Self {
            key,
            certificate,
            both,
        })
    }
}
