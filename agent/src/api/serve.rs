//! The server: one thread, few connections, small requests.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;

use super::Subject;
use super::answer::answer;
use crate::config::Listen;
use crate::guard::{May, Need, keeping};
use crate::telemetry::{kept, tried_beside};

/// The thread.
const NAME: &str = "eaves-api";

/// Connections at once; others wait.
const CONNECTIONS_MAX: usize = 16;

/// Bytes of a request's head.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// How long a request's head may take to come.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may stand.
const CONNECTION_WITHIN: Duration = Duration::from_secs(300);

/// Who may open the socket: the agent's user and group.
const SOCKET_MODE: u32 = 0o660;

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It cannot listen there.
    #[error("api.listen: {place}")]
    Listen {
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent does.
    #[error("api.listen: {} is another agent's{}", path.display(), of_pid(*pid))]
    Taken {
        /// Where.
        path: PathBuf,
        /// Its process, if it can be known.
        pid: Option<i32>,
    },
    /// The system gives no thread.
    #[error("no thread for the API")]
    Thread(#[source] io::Error),
}

fn of_pid(pid: Option<i32>) -> String {
    pid.map_or(String::new(), |pid| format!(", process {pid}"))
}

/// The server, running until it is dropped.
#[derive(Debug)]
pub struct Api {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    path: Option<PathBuf>,
}

/// What it listens on.
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Api {
    /// Answers for `subject` at `listen`.
    ///
    /// # Errors
    /// [`ApiError`] if it cannot listen there.
    pub fn start(listen: &Listen, subject: Subject) -> Result<Self, ApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ApiError::Thread)?;
        let listener = runtime.block_on(open(listen))?;
        let (stop, stopped) = watch::channel(false);
        let may = May::from([Need::Write, Need::Answer, Need::Own]);
        let may = subject.dir.iter().fold(may, May::reading);
        let (subject, is_stopped) = (Arc::new(subject), stopped.clone());
        let over = move || *is_stopped.borrow();
        let serving = kept(NAME, over, move || {
            let serving = serve(&listener, &subject, stopped.clone());
            LocalSet::new().block_on(&runtime, serving);
        });
        let thread = thread::Builder::new().name(NAME.into());
        let thread = thread.spawn(keeping(may, serving));
        let path = match listen {
            Listen::Unix(path) => Some(path.clone()),
            Listen::Tcp(_) => None,
        };
        Ok(Self {
            stop,
            thread: Some(thread.map_err(ApiError::Thread)?),
            path,
        })
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
        if let Some(path) = &self.path {
            // The next start does so too.
            let _ = fs::remove_file(path);
        }
    }
}

async fn open(listen: &Listen) -> Result<Listener, ApiError> {
    let failed = |source| ApiError::Listen {
        place: match listen {
            Listen::Unix(path) => path.display().to_string(),
            Listen::Tcp(address) => address.to_string(),
        },
        source,
    };
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            Ok(Listener::Tcp(listener))
        }
        Listen::Unix(path) => {
            make_room(path).await?;
            let listener = UnixListener::bind(path).map_err(failed)?;
            let mode = fs::Permissions::from_mode(SOCKET_MODE);
            fs::set_permissions(path, mode).map_err(failed)?;
            Ok(Listener::Unix(listener))
        }
    }
}

/// Removes the socket of an agent that is gone; its folder is made if it is missing.
async fn make_room(path: &Path) -> Result<(), ApiError> {
    let failed = |source| ApiError::Listen {
        place: path.display().to_string(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match UnixStream::connect(path).await {
        Ok(other) => {
            let pid = other.peer_cred().ok().and_then(|peer| peer.pid());
            let path = path.to_owned();
            Err(ApiError::Taken { path, pid })
        }
        // A file that is no socket refuses too, and stays: that is told when it is bound.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            fs::remove_file(path).map_err(failed)
        }
        Err(_) => Ok(()),
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket())
}

/// Serves until it is told to stop.
async fn serve(listener: &Listener, subject: &Arc<Subject>, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // A semaphore that is never closed always gives.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let subject = Arc::clone(subject);
        let connection: Box<dyn Connection> = tokio::select! {
            _ = stopped.changed() => return,
            accepted = accept(listener) => match accepted {
                Ok(connection) => connection,
                Err(_) => {
                    // No file descriptor is left: there may be one in a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let over_tcp = matches!(listener, Listener::Tcp(_));
        let answering = async move {
            let service = service_fn(|request| {
                let answered = answer(&request, &subject, over_tcp);
                async move { Ok::<_, Infallible>(answered) }
            });
            let mut server = http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(HEAD_MAX_BYTES);
            let serving = server.serve_connection(TokioIo::new(connection), service);
            // Who asks badly, or leaves, is owed nothing.
            let _ = tokio::time::timeout(CONNECTION_WITHIN, serving).await;
            drop(place);
        };
        tokio::task::spawn_local(tried_beside(NAME, answering));
    }
}

async fn accept(listener: &Listener) -> io::Result<Box<dyn Connection>> {
    Ok(match listener {
        Listener::Unix(listener) => Box::new(listener.accept().await?.0),
        Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
    })
}

/// What is read and written.
trait Connection: AsyncRead + AsyncWrite + Unpin {}

impl<C: AsyncRead + AsyncWrite + Unpin> Connection for C {}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::{Api, ApiError};
    use crate::api::{About, Subject};
    use crate::clock::WallTime;
    use crate::config::{Config, Listen};
    use crate::pipeline::Board;

    fn start(path: &Path) -> Result<Api, ApiError> {
        let subject = Subject {
            about: About {
                version: "1".to_owned(),
                tap: "socket".to_owned(),
                kernel: "6".to_owned(),
                pid: 7,
                started: WallTime::now(),
            },
            board: Arc::new(Board::default()),
            config: Arc::new(Config::default()),
            dir: None,
        };
        Api::start(&Listen::Unix(path.to_owned()), subject)
    }

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!(
            "eaves-api-{name}-{}/eaves.sock",
            std::process::id()
        ))
    }

    fn ask(path: &Path, request: &str) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answered = String::new();
        stream.read_to_string(&mut answered).unwrap();
        answered
    }

    #[test]
    fn metrics_are_whole_and_the_socket_is_not_for_everybody() {
        let path = place("metrics");
        let api = start(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let answered = ask(&path, "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
        assert!(
            answered.contains("\neaves_exchange_reported_total 0.0\n"),
            "{answered}"
        );
        assert!(
            answered.contains("\neaves_room_state{room=\"capture\"} 2.0\n"),
            "{answered}"
        );
        assert!(answered.ends_with("# EOF\n"), "{answered}");
        let bad = ask(&path, "rubbish\r\n\r\n");
        assert!(bad.starts_with("HTTP/1.1 400"), "{bad}");
        drop(api);
        assert!(!path.exists());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_second_agent_is_told_of_the_first_and_one_that_is_gone_leaves_room() {
        let path = place("second");
        let first = start(&path).unwrap();
        let refused = start(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            refused.ends_with(&format!("is another agent's, process {pid}")),
            "{refused}"
        );
        drop(first);
        // A socket that nobody listens on.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(start(&path).unwrap());
        std::fs::write(&path, "no socket").unwrap();
        assert!(start(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"no socket");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
