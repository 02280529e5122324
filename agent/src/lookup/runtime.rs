//! Names, images and labels of containers, from the socket of the runtime that made them.
//!
//! Asked is `GET /containers/ID/json` of the Docker Engine API (1.12 and later), which Podman serves
//! too. Who may open that socket may start containers as root: so it is asked only where the
//! configuration names it, and only this one question.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use super::place::Container;
use super::process::Mask;

/// Longest that a runtime is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Largest answer that is read, bytes; most have about 10 KiB.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// Labels that are kept of a container or a pod; the others are left out.
const LABELS_MAX: usize = 64;

/// Longest name and value of a label, bytes; longer ones are left out.
const LABEL_MAX_BYTES: usize = 1024;

/// Longest name of a container or an image, bytes.
const NAME_MAX_BYTES: usize = 512;

/// Why a runtime did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RuntimeError {
    /// Its socket cannot be opened.
    #[error("{}: cannot be opened", socket.display())]
    Open {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It did not speak as it should.
    #[error("{}: no answer", socket.display())]
    Speak {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered with an error.
    #[error("{}: status {status}", socket.display())]
    Status {
        /// The socket.
        socket: PathBuf,
        /// Which.
        status: u16,
    },
    /// It took too long.
    #[error("{}: no answer within {} s", socket.display(), ANSWER_WITHIN.as_secs())]
    Late {
        /// The socket.
        socket: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    name: Option<String>,
    config: Option<InspectedConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// What the runtime at `socket` knows of the container `id`; `None` if it does not know it.
///
/// # Errors
/// [`RuntimeError`] says why it did not answer.
pub(super) async fn inspect(
    socket: &Path,
    id: &str,
    mask: &dyn Mask,
) -> Result<Option<Container>, RuntimeError> {
    let asked = tokio::time::timeout(ANSWER_WITHIN, ask(socket, id));
    let answer = asked.await.map_err(|_| RuntimeError::Late {
        socket: socket.to_owned(),
    })?;
    let Some(body) = answer? else { return Ok(None) };
    let inspected = serde_json::from_slice::<Inspected>(&body);
    let inspected = inspected.map_err(|error| speak(socket, error))?;
    Ok(Some(described(id, inspected, mask)))
}

fn speak(
    socket: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RuntimeError {
    RuntimeError::Speak {
        socket: socket.to_owned(),
        source: source.into(),
    }
}

async fn ask(socket: &Path, id: &str) -> Result<Option<Bytes>, RuntimeError> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.is_empty() || !id.bytes().all(safe) {
        return Ok(None);
    }
    let stream = UnixStream::connect(socket).await;
    let stream = stream.map_err(|source| RuntimeError::Open {
        socket: socket.to_owned(),
        source,
    })?;
    let failed = |error: hyper::Error| speak(socket, error);
    let (mut sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // It ends with the sender, or with the runtime's end of it.
    let conn = tokio::spawn(conn);
    let request = Request::get(format!("/containers/{id}/json"))
        .header("host", "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| speak(socket, error))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES);
    let body = body.collect().await.map_err(|error| speak(socket, error));
    conn.abort();
    match status {
        StatusCode::OK => Ok(Some(body?.to_bytes())),
        StatusCode::NOT_FOUND => Ok(None),
        status => Err(RuntimeError::Status {
            socket: socket.to_owned(),
            status: status.as_u16(),
        }),
    }
}

fn described(id: &str, inspected: Inspected, mask: &dyn Mask) -> Container {
    let short = |text: &String| !text.is_empty() && text.len() <= NAME_MAX_BYTES;
    let config = inspected.config;
    let (image, labels) = config.map_or((None, None), |config| (config.image, config.labels));
    // Docker writes the name as a path.
    let name = inspected
        .name
        .map(|name| name.trim_start_matches('/').to_owned());
    Container {
        id: id.to_owned(),
        name: name.filter(short),
        image: image.filter(short),
        labels: kept(labels.unwrap_or_default(), mask),
    }
}

/// The labels that are kept, masked.
pub(super) fn kept(labels: BTreeMap<String, String>, mask: &dyn Mask) -> Vec<(String, String)> {
    labels
        .into_iter()
        .filter(|(name, value)| name.len().max(value.len()) <= LABEL_MAX_BYTES)
        .take(LABELS_MAX)
        .map(|(name, value)| {
            let value = mask.label(&name, value);
            (name, value)
        })
        .collect()
}

#[cfg(test)]
mod tests;
