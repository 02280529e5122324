//! hyper as a test peer: `server PORT LOG [CERTIFICATE KEY]`, `client PLACE PLAN CONNECTIONS keep|close`.
//! With certificate and key, or `EAVES_TLS` in the environment, it speaks TLS, by rustls.

mod tls;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::{Result, bail};
use eaves_tests::load::body;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

type Body = BoxBody<Bytes, Infallible>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match arguments.as_slice() {
        ["server", port, log] => runtime.block_on(serve(port.parse()?, log, None)),
        ["server", port, log, certificate, key] => {
            let tls = tls::acceptor(certificate, key)?;
            runtime.block_on(serve(port.parse()?, log, Some(tls)))
        }
        ["client", place, plan, connections, manner] => {
            let wants = std::fs::read_to_string(plan)?
                .lines()
                .map(str::to_owned)
                .collect();
            runtime.block_on(load(place, wants, connections.parse()?, *manner == "keep"))
        }
        _ => bail!("server PORT LOG [CERTIFICATE KEY] | client PLACE PLAN CONNECTIONS keep|close"),
    }
}

async fn serve(port: u16, log: &str, tls: Option<TlsAcceptor>) -> Result<()> {
    let log = Arc::new(OpenOptions::new().append(true).create(true).open(log)?);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, from) = listener.accept().await?;
        let (log, tls) = (Arc::clone(&log), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => speak(stream, from.port(), log).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        speak(stream, from.port(), log).await;
                    }
                }
            }
        });
    }
}

async fn speak<T: AsyncRead + AsyncWrite + Unpin>(stream: T, port: u16, log: Arc<File>) {
    let service = service_fn(|request| answer(request, port, Arc::clone(&log)));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away is no fault of the server.
    let _gone = connection.await;
}

async fn answer(request: Request<Incoming>, port: u16, log: Arc<File>) -> Result<Response<Body>> {
    let (head, taken) = request.into_parts();
    taken.collect().await?;
    let query = head.uri.query().unwrap_or_default();
    let id = query.split('&').find_map(|pair| pair.strip_prefix("id="));
    let mut path = head.uri.path().split('/').skip(1);
    let (kind, number) = (
        path.next().unwrap_or_default(),
        path.next().unwrap_or_default(),
    );
    let conditional = head.headers.contains_key(header::IF_NONE_MATCH);
    let (status, content) = match kind {
        _ if conditional => (304, Vec::new()),
        "size" | "chunked" => (200, body(number.parse()?)),
        "status" if number == "204" => (204, Vec::new()),
        "status" => (number.parse()?, b"by order\n".to_vec()),
        "take" => (200, b"taken\n".to_vec()),
        _ => (404, b"nothing here\n".to_vec()),
    };
    let mut response = Response::builder().status(StatusCode::from_u16(status)?);
    if let Some(id) = id {
        response = response.header("x-id", id);
    }
    let sent = if head.method == Method::HEAD {
        0
    } else {
        content.len()
    };
    // Of one line, so that lines of several threads do not mix: O_APPEND and one write.
    let line = format!("{}\t{}\t{status}\t{sent}\t{port}\n", head.method, head.uri);
    (&*log).write_all(line.as_bytes())?;
    let whole = kind != "chunked" || conditional;
    Ok(response.body(if whole {
        Full::new(content.into()).boxed()
    } else {
        pieces(&content, 5000)
    })?)
}

/// A body of no known length: it goes chunked.
fn pieces(content: &[u8], bytes: usize) -> Body {
    Pieces(content.chunks(bytes).map(Bytes::copy_from_slice).collect()).boxed()
}

struct Pieces(VecDeque<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

async fn load(place: &str, wants: VecDeque<String>, connections: usize, keep: bool) -> Result<()> {
    let wants = Arc::new(Mutex::new(wants));
    let workers: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(work(place.to_owned(), Arc::clone(&wants), keep)))
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(())
}

async fn work(place: String, wants: Arc<Mutex<VecDeque<String>>>, keep: bool) -> Result<()> {
    let mut connection: Option<SendRequest<Body>> = None;
    loop {
        let next = wants
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(want) = next else { return Ok(()) };
        // A server may have closed what was to be kept: after some statuses Apache does.
        let kept = match connection.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => connect(&place).await?,
        };
        let response = sender.send_request(request(&want, keep)?).await?;
        response.into_body().collect().await?;
        connection = keep.then_some(sender);
    }
}

async fn connect(place: &str) -> Result<SendRequest<Body>> {
    match place.strip_prefix("unix:") {
        Some(path) => shake(TokioIo::new(UnixStream::connect(path).await?)).await,
        None => {
            let stream = TcpStream::connect(place).await?;
            if std::env::var_os("EAVES_TLS").is_none() {
                return shake(TokioIo::new(stream)).await;
            }
            shake(TokioIo::new(tls::connect(stream).await?)).await
        }
    }
}

async fn shake<T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static>(
    stream: T,
) -> Result<SendRequest<Body>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn request(want: &str, keep: bool) -> Result<Request<Body>> {
    let fields: Vec<&str> = want.split('\t').collect();
    let [method, target, bytes, chunked, conditional] = fields.as_slice() else {
        bail!("not a line of a plan: {want}");
    };
    let mut request = Request::builder()
        .method(*method)
        .uri(*target)
        .header("host", "localhost");
    if *conditional == "1" {
        request = request.header(header::IF_NONE_MATCH, "*");
    }
    if !keep {
        request = request.header(header::CONNECTION, "close");
    }
    let content = body(bytes.parse()?);
    let body = match *chunked {
        "1" => pieces(&content, 3500),
        _ => Full::new(content.into()).boxed(),
    };
    Ok(request.body(body)?)
}
