//! Connections: to the far end or through a proxy, in clear or by TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{HttpOptions, SetupError, Url, tls};
use crate::lookup::addresses;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long is listened for a far end that has gone.
const LISTEN: Duration = Duration::from_millis(1);

/// Longest answer of a proxy to CONNECT, bytes.
const PROXY_ANSWER_MAX_BYTES: usize = 8 << 10;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name is not known, or nobody answers there.
    #[error("{place} cannot be reached: {source}")]
    Reach {
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{place} did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout {
        /// Where.
        place: String,
    },
    /// TLS was not agreed upon.
    #[error("{place}: no TLS: {source}")]
    Tls {
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The proxy refused.
    #[error("the proxy {place} answered: {answer}")]
    Proxy {
        /// Where.
        place: String,
        /// What it said.
        answer: String,
    },
}

/// How the far end is reached.
pub(super) struct Connector {
    url: Url,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    proxy: Option<Proxy>,
}

struct Proxy {
    url: Url,
    authorization: Option<String>,
}

impl Connector {
    pub(super) fn new(url: &Url, options: &HttpOptions) -> Result<Self, SetupError> {
        let tls = if url.tls {
            let named = options.tls.server_name.as_ref().unwrap_or(&url.host);
            Some((tls::config(&options.tls)?, server_name(named)?))
        } else {
            None
        };
        let proxy = match &options.proxy {
            None => None,
            Some(proxy) => {
                let authorization = match (&proxy.user, &proxy.password) {
                    (Some(user), Some(password)) => {
                        Some(super::basic(user, password.read()?.expose()))
                    }
                    _ => None,
                };
                Some(Proxy {
                    url: Url::parse(&proxy.url)?,
                    authorization,
                })
            }
        };
        Ok(Self {
            url: url.clone(),
            tls,
            proxy,
        })
    }

    /// Whether requests name the far end in their target: a proxy in clear is asked so.
    pub(super) fn absolute(&self) -> bool {
        self.proxy.is_some() && self.tls.is_none()
    }

    /// What such a proxy is told of who we are.
    pub(super) fn proxy_authorization(&self) -> Option<&str> {
        let proxy = self.proxy.as_ref().filter(|_| self.absolute())?;
        proxy.authorization.as_deref()
    }

    pub(super) async fn connect(&self) -> Result<Stream, ConnectError> {
        let place = self.url.authority();
        match tokio::time::timeout(CONNECT_TIMEOUT, self.stand()).await {
            Ok(stream) => stream,
            Err(_) => Err(ConnectError::Timeout { place }),
        }
    }

    async fn stand(&self) -> Result<Stream, ConnectError> {
        let at = self.proxy.as_ref().map_or(&self.url, |proxy| &proxy.url);
        let mut stream = tcp(&at.host, at.port).await?;
        let Some((config, name)) = &self.tls else {
            return Ok(Stream::Clear(stream));
        };
        if let Some(proxy) = &self.proxy {
            self.tunnel(proxy, &mut stream).await?;
        }
        secured(
            stream,
            Arc::clone(config),
            name.clone(),
            &self.url.authority(),
        )
        .await
    }

    /// Asks the proxy for a tunnel (RFC 9110 §9.3.6).
    async fn tunnel(&self, proxy: &Proxy, stream: &mut TcpStream) -> Result<(), ConnectError> {
        let place = proxy.url.authority();
        let failed = |source| ConnectError::Reach {
            place: place.clone(),
            source,
        };
        let Url { host, port, .. } = &self.url;
        let host = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
        if let Some(authorization) = &proxy.authorization {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            // Byte by byte: what follows the head is no longer the proxy's.
            let byte = stream.read_u8().await.map_err(failed)?;
            answer.push(byte);
            if answer.len() > PROXY_ANSWER_MAX_BYTES {
                break;
            }
        }
        let line = answer
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        if line
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'))
        {
            Ok(())
        } else {
            Err(ConnectError::Proxy {
                place,
                answer: line.chars().filter(|c| !c.is_control()).take(200).collect(),
            })
        }
    }
}

/// The name a certificate must have.
pub(in super::super) fn server_name(name: &str) -> Result<ServerName<'static>, SetupError> {
    let wrong = |_| SetupError::Url(super::UrlError::Form(name.to_owned()));
    ServerName::try_from(name.to_owned()).map_err(wrong)
}

/// A connection in clear.
pub(in super::super) async fn tcp(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let failed = |source| ConnectError::Reach {
        place: format!("{host}:{port}"),
        source,
    };
    let addresses = addresses(host, port).await.map_err(failed)?;
    let stream = TcpStream::connect(&*addresses).await.map_err(failed)?;
    // Batches are written whole: waiting for more would only delay their ends.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// TLS over `stream`.
pub(in super::super) async fn secured(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    place: &str,
) -> Result<Stream, ConnectError> {
    let connected = TlsConnector::from(config).connect(name, stream).await;
    let connected = connected.map_err(|source| ConnectError::Tls {
        place: place.to_owned(),
        source,
    })?;
    Ok(Stream::Tls(Box::new(connected)))
}

/// A connection.
pub(in super::super) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether the far end has neither closed nor reset the connection, as far as the kernel has heard
    /// within [`LISTEN`].
    pub(in super::super) async fn stands(&mut self) -> bool {
        let mut byte = [0];
        // What a far end says that has nothing to say is passed over.
        match tokio::time::timeout(LISTEN, self.read(&mut byte)).await {
            Ok(Ok(bytes)) => bytes > 0,
            Ok(Err(_)) => false,
            Err(_) => true,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
