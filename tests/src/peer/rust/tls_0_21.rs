//! TLS of the hyper peer, by rustls 0.21.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::{ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::{
    Certificate, ClientConfig, Error, PrivateKey, ServerConfig, ServerName,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What makes sessions of a server with these files.
pub(crate) fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor> {
    let certificates = rustls_pemfile::certs(&mut BufReader::new(File::open(certificate)?))?;
    let keys = rustls_pemfile::pkcs8_private_keys(&mut BufReader::new(File::open(key)?))?;
    let key = keys.into_iter().next().context("no key")?;
    let config = ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_single_cert(
            certificates.into_iter().map(Certificate).collect(),
            PrivateKey(key),
        )?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Begins a session of a client, with whomever.
pub(crate) async fn connect(stream: TcpStream) -> Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder()
        .with_safe_defaults()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector
        .connect(ServerName::try_from("localhost")?, stream)
        .await?)
}

/// Takes every certificate.
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &Certificate,
        _: &[Certificate],
        _: &ServerName,
        _: &mut dyn Iterator<Item = &[u8]>,
        _: &[u8],
        _: SystemTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
}
