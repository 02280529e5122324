//! A far end of sinks: an HTTP server that keeps what it gets and fails as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    /// Method and target.
    pub target: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the far end took it in.
    pub taken: bool,
}

impl Got {
    /// Its body as it was before compression.
    ///
    /// # Errors
    /// It is not compressed as the field says.
    pub fn plain(&self) -> Result<Vec<u8>> {
        if self.header("content-encoding") != Some("gzip") {
            return Ok(self.body.clone());
        }
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(self.body.as_slice()).read_to_end(&mut body)?;
        Ok(body)
    }

    /// The value of the header field `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(key, _)| key == name);
        field.map(|(_, value)| value.as_str())
    }
}

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered so, and not taken in.
    Answer(u16, &'static str, &'static str),
    /// The connection ends in the middle of its body.
    ResetMidBody,
    /// It is taken in, and the connection ends before the answer.
    TakenThenLost,
    /// It is taken in, and the answer drips, slower than anybody waits.
    Drip,
}

type Answers = dyn Fn(&Got) -> (u16, String) + Send + Sync;

/// An HTTP server that keeps what it gets.
pub struct Collector {
    port: u16,
    state: Arc<State>,
}

struct State {
    got: Mutex<Vec<Got>>,
    faults: Mutex<VecDeque<Fault>>,
    answers: Box<Answers>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Collector {
    /// Listens on `port`, or any if that is 0. What no fault is for is answered by `answers`.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn start(
        port: u16,
        faults: Vec<Fault>,
        answers: impl Fn(&Got) -> (u16, String) + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).context("a collector's port")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            got: Mutex::default(),
            faults: Mutex::new(faults.into()),
            answers: Box::new(answers),
        });
        let served = Arc::clone(&state);
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                thread::spawn(move || state.serve(stream));
            }
        });
        Ok(Self { port, state })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All requests that came whole.
    #[must_use]
    pub fn got(&self) -> Vec<Got> {
        lock(&self.state.got).clone()
    }

    /// Those it took in.
    #[must_use]
    pub fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.taken).collect()
    }
}

impl State {
    /// Answers the requests of one connection until it ends.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let mut words = line.split(' ');
            let target = format!("{} {}", words.next()?, words.next()?);
            let mut headers = Vec::new();
            loop {
                line.clear();
                reader.read_line(&mut line).ok()?;
                let Some((name, value)) = line.trim_end().split_once(':') else {
                    break;
                };
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            let mut got = Got {
                target,
                headers,
                body: Vec::new(),
                taken: false,
            };
            let length = got.header("content-length")?.parse().ok()?;
            let fault = lock(&self.faults).pop_front();
            let wanted = match fault {
                Some(Fault::ResetMidBody) => length / 2,
                _ => length,
            };
            got.body.resize(wanted, 0);
            reader.read_exact(&mut got.body).ok()?;
            if wanted < length {
                return None;
            }
            got.taken = !matches!(fault, Some(Fault::Answer(..)));
            // Taken in before it is answered, as a far end does that acknowledges.
            lock(&self.got).push(got.clone());
            let (status, more, body) = match fault {
                Some(Fault::TakenThenLost) => return None,
                Some(Fault::Drip) => {
                    for byte in b"HTTP/1.1 200 OK\r\n".iter().cycle().take(300) {
                        stream.write_all(&[*byte]).ok()?;
                        thread::sleep(Duration::from_millis(100));
                    }
                    return None;
                }
                Some(Fault::Answer(status, headers, body)) => (status, headers, body.to_owned()),
                _ => {
                    let (status, body) = (self.answers)(&got);
                    (status, "", body)
                }
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\n{more}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).ok()?;
        }
    }
}
