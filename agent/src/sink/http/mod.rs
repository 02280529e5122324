//! HTTP client of the sinks: one connection, kept, to one far end.
//!
//! In: a request. Out: an [`Answer`], or an [`HttpError`] that holds no secret. Everything is bounded:
//! time to connect, time for the whole exchange, bytes of the answer. It neither retries nor judges,
//! but for one case: a kept connection that the far end had closed before any byte of the request was
//! sent on it is replaced by a new one.

mod connect;
mod tls;
mod url;

use std::io::{self, Write as _};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request as HttpRequest};
use hyper_util::rt::TokioIo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::retry::retry_after;
use super::secret::{SecretError, SecretText};
use crate::base64;
use crate::clock::WallTime;

pub use connect::ConnectError;
use connect::Connector;
pub(super) use connect::{Stream, secured, server_name, tcp};
pub(super) use tls::config as tls_config;
pub use tls::{TlsError, TlsOptions};
pub use url::UrlError;
pub(super) use url::{Url, percent};

/// Longest head of an answer, bytes.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// Most of an answer that is read, bytes. The largest are those of `_bulk`, a line an event.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// How a far end is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// Certificates, for `https`.
    pub tls: TlsOptions,
    /// `http://host:port` of a proxy.
    pub proxy: Option<ProxyOptions>,
    /// Who we are.
    pub auth: Option<AuthOptions>,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// How long one request may take.
    pub timeout: Duration,
}

/// A proxy between the sink and its far end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyOptions {
    /// Where it is: `http://host:port`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// User, for Basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password, for Basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}

/// How a sink says who it is. Exactly one way is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-exactly-one" = ["basic", "bearer", "header"]))]
pub struct AuthOptions {
    /// By user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicOptions>,
    /// By a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretText>,
    /// By a header field of any name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderOptions>,
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicOptions {
    /// User.
    pub user: String,
    /// Password.
    pub password: SecretText,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderOptions {
    /// Its name.
    #[schemars(extend("x-check" = "field_name"))]
    pub name: String,
    /// Its value.
    pub value: SecretText,
}

/// A sink's far end cannot be spoken to as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The URL is none.
    #[error("url")]
    Url(#[from] UrlError),
    /// The certificates are none.
    #[error("tls")]
    Tls(#[from] TlsError),
    /// A secret cannot be had.
    #[error("secret")]
    Secret(#[from] SecretError),
    /// A header field cannot be sent.
    #[error("{0} is not a header field that can be sent")]
    Header(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is too long.
    #[error("the answer is longer than {ANSWER_MAX_BYTES} bytes")]
    TooLong,
    /// The request cannot be put together.
    #[error("the request cannot be put together: {0}")]
    Request(String),
}

/// One request.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// What is added to the path of the URL, query included.
    pub path: String,
    /// Header fields beside those of the client.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A body of this type, to the URL as it stands.
    #[must_use]
    pub(super) fn new(content_type: &str, body: Vec<u8>) -> Self {
        Self {
            path: String::new(),
            headers: vec![("content-type", content_type.to_owned())],
            body,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status code.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it says that all is well.
    #[must_use]
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Status and the beginning of the body, on one line, for a person.
    #[must_use]
    pub(super) fn told(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..600).unwrap_or(&self.body));
        let words: Vec<&str> = text.split_whitespace().collect();
        let text: String = words.join(" ");
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        format!("{} {text}", self.status).trim_end().to_owned()
    }
}

/// A client of one far end.
pub(super) struct Client {
    url: Url,
    connector: Connector,
    headers: Vec<(HeaderName, HeaderValue)>,
    gzip: bool,
    timeout: Duration,
    kept: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of `url`. Reads certificates and secrets, connects to nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] if what is configured cannot be used.
    pub(super) fn new(url: &str, options: &HttpOptions) -> Result<Self, SetupError> {
        let url = Url::parse(url)?;
        let connector = Connector::new(&url, options)?;
        let mut headers = vec![
            (header::HOST, value("host", &url.authority())?),
            (
                header::USER_AGENT,
                HeaderValue::from_static(concat!("eaves/", env!("CARGO_PKG_VERSION"))),
            ),
        ];
        if let Some(auth) = &options.auth {
            headers.extend(authorization(auth)?);
        }
        Ok(Self {
            url,
            connector,
            headers,
            gzip: options.gzip,
            timeout: options.timeout,
            kept: None,
        })
    }

    /// Adds a header field to every request.
    ///
    /// # Errors
    /// [`SetupError::Header`] if it cannot be sent.
    pub(super) fn always(&mut self, name: &str, secret: &str) -> Result<(), SetupError> {
        let wrong = || SetupError::Header(name.to_owned());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        self.headers.push((key, value(name, secret)?));
        Ok(())
    }

    /// Posts `request`.
    ///
    /// # Errors
    /// [`HttpError`] if no whole answer came; what the far end made of the request is then not known.
    pub(super) async fn post(&mut self, request: Request) -> Result<Answer, HttpError> {
        let timeout = self.timeout;
        let answer = tokio::time::timeout(timeout, self.exchange(request)).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.kept = None;
                Err(error)
            }
            Err(_) => {
                self.kept = None;
                Err(HttpError::Timeout(timeout))
            }
        }
    }

    async fn exchange(&mut self, request: Request) -> Result<Answer, HttpError> {
        let (parts, body) = self.parts(request)?;
        let mut message = HttpRequest::from_parts(parts, Full::new(body));
        let kept = self.kept.take().filter(|kept| !kept.is_closed());
        let reused = kept.is_some();
        let mut sender = match kept {
            Some(kept) => kept,
            None => self.open().await?,
        };
        if reused && sender.ready().await.is_err() {
            sender = self.open().await?;
        }
        let response = match sender.try_send_request(message).await {
            Ok(response) => response,
            Err(mut failed) => match failed.take_message() {
                // Not a byte of it was sent: the far end had closed the connection that was kept.
                Some(unsent) if reused => {
                    message = unsent;
                    sender = self.open().await?;
                    let sent = sender.send_request(message).await;
                    sent.map_err(|error| HttpError::Broken(cause(&error)))?
                }
                _ => return Err(HttpError::Broken(cause(failed.error()))),
            },
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                HttpError::TooLong
            } else {
                HttpError::Broken(error.to_string())
            }
        })?;
        self.kept = Some(sender);
        let now = WallTime::now().0 / 1_000_000_000;
        let asked = head.headers.get(header::RETRY_AFTER);
        let asked = asked.and_then(|asked| retry_after(asked.to_str().ok()?, now));
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: asked,
            body: body.to_bytes().to_vec(),
        })
    }

    /// A new connection, driven by a task that ends with it.
    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let stream: Stream = self.connector.connect().await?;
        let handshake = http1::Builder::new()
            .max_buf_size(HEAD_MAX_BYTES)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(|error| HttpError::Broken(cause(&error)))?;
        tokio::spawn(async move {
            // How it ended shows in the request that it ended under.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn parts(&self, request: Request) -> Result<(Parts, Bytes), HttpError> {
        let wrong = |error: &dyn std::fmt::Display| HttpError::Request(error.to_string());
        let target = self.url.target(&request.path, self.connector.absolute());
        let mut head = HttpRequest::builder().method(Method::POST).uri(target);
        for (name, value) in &self.headers {
            head = head.header(name, value);
        }
        if let Some(proxy) = self.connector.proxy_authorization() {
            head = head.header(header::PROXY_AUTHORIZATION, proxy);
        }
        for (name, value) in &request.headers {
            head = head.header(*name, value);
        }
        let mut body = request.body;
        if self.gzip && body.len() >= 512 {
            body = gzip(&body).map_err(|error| wrong(&error))?;
            head = head.header(header::CONTENT_ENCODING, "gzip");
        }
        let (parts, ()) = head.body(()).map_err(|error| wrong(&error))?.into_parts();
        Ok((parts, Bytes::from(body)))
    }
}

/// The innermost cause: the outer ones only say that a connection failed.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn value(name: &str, text: &str) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SetupError::Header(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn authorization(auth: &AuthOptions) -> Result<Option<(HeaderName, HeaderValue)>, SetupError> {
    if let Some(BasicOptions { user, password }) = &auth.basic {
        let basic = basic(user, password.read()?.expose());
        return Ok(Some((
            header::AUTHORIZATION,
            value("authorization", &basic)?,
        )));
    }
    if let Some(token) = &auth.bearer {
        let bearer = format!("Bearer {}", token.read()?.expose());
        return Ok(Some((
            header::AUTHORIZATION,
            value("authorization", &bearer)?,
        )));
    }
    if let Some(HeaderOptions {
        name,
        value: secret,
    }) = &auth.header
    {
        let key = HeaderName::from_bytes(name.as_bytes());
        let key = key.map_err(|_| SetupError::Header(name.clone()))?;
        return Ok(Some((key, value(name, secret.read()?.expose())?)));
    }
    Ok(None)
}

/// `Basic …` (RFC 7617).
fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        base64::encode(format!("{user}:{password}").as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::{Answer, Client, HttpOptions, Request};
    use std::io::Read as _;
    use std::time::Duration;

    #[test]
    fn an_answer_is_told_on_one_line() {
        let answer = Answer {
            status: 400,
            body: b"{\n  \"error\":\t\"\x1bno\"\r\n}".to_vec(),
            ..Answer::default()
        };
        assert_eq!(answer.told(), "400 { \"error\": \"no\" }");
    }

    #[test]
    fn requests_are_compressed_where_that_is_worth_while() {
        let options = HttpOptions {
            gzip: true,
            timeout: Duration::from_secs(1),
            ..HttpOptions::default()
        };
        let client = Client::new("http://127.0.0.1:9/in?x=1", &options).unwrap();
        let body = b"0123456789".repeat(100);
        let (parts, sent) = client
            .parts(Request::new("text/plain", body.clone()))
            .unwrap();
        assert_eq!(parts.headers["content-encoding"], "gzip");
        assert_eq!(parts.headers["host"], "127.0.0.1:9");
        assert_eq!(parts.uri, "/in?x=1");
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&*sent)
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, body);
        let (parts, sent) = client
            .parts(Request::new("text/plain", b"a".to_vec()))
            .unwrap();
        assert!(!parts.headers.contains_key("content-encoding"));
        assert_eq!(&*sent, b"a");
    }
}
