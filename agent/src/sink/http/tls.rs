//! Certificates: whom a sink trusts, and who it is itself.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest file of certificates that is read, bytes: a distribution's bundle has 250 KiB.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Where distributions keep the authorities that a host trusts.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Certificates for a connection by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// PEM file of the authorities that are trusted. Left out: those that this host trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "absolute_path"))]
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate, and those above it, with which the sink says who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "absolute_path"))]
    pub certificate: Option<PathBuf>,
    /// PEM file of that certificate's private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "absolute_path"))]
    pub key: Option<PathBuf>,
    /// Name that the far end's certificate must have. Left out: the host's in the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds none.
    #[error("file {} holds no {what} in PEM form", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// This host has no list of authorities where lists are known to lie.
    #[error("no list of trusted authorities on this host; name one as tls.ca")]
    NoBundle,
    /// A certificate without key, or a key without certificate.
    #[error("tls.certificate and tls.key go together")]
    Half,
    /// The library refuses them.
    #[error("certificates cannot be used")]
    Rustls(#[source] rustls::Error),
}

/// The library's configuration by `options`.
///
/// # Errors
/// [`TlsError`] if a file cannot be used.
pub(in super::super) fn config(options: &TlsOptions) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?
        .with_root_certificates(roots(options)?);
    let config = match (&options.certificate, &options.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let pem = read(key)?;
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::Empty {
                path: key.clone(),
                what: "private key",
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::Rustls)?
        }
        _ => return Err(TlsError::Half),
    };
    Ok(Arc::new(config))
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsError> {
    let path = match &options.ca {
        Some(path) => path.as_path(),
        None => {
            let there = BUNDLES.iter().map(Path::new).find(|path| path.exists());
            there.ok_or(TlsError::NoBundle)?
        }
    };
    let mut roots = RootCertStore::empty();
    // A bundle may hold one that the library does not like; that is no reason to trust none.
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(TlsError::Empty {
            path: path.to_owned(),
            what: "certificate that can be trusted",
        });
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Empty {
            path: path.to_owned(),
            what: "certificate",
        }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{TlsError, TlsOptions, config};

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let check = |options: TlsOptions, word: &str| {
            let error = config(&options).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        let ca = |path: &str| TlsOptions {
            ca: Some(path.into()),
            ..TlsOptions::default()
        };
        check(ca("/no/such/file"), "/no/such/file");
        check(ca("/dev/null"), "holds no certificate");
        let half = TlsOptions {
            key: Some("/dev/null".into()),
            ..TlsOptions::default()
        };
        let error = config(&half).unwrap_err();
        assert!(
            matches!(error, TlsError::Half | TlsError::NoBundle),
            "{error}"
        );
    }
}
