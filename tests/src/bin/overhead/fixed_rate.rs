//! A client that asks at a fixed rate, since wrk cannot.
//!
//! One thread over many kept connections: a request goes out when it is due, whether earlier ones
//! are answered or not, so a stall of the server shows in every request it delays. A time counts
//! from when the request was sent; where no connection was free, from when it was due.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::server::{FIELDS, TARGET};

/// Connections: far more than are ever busy at half load.
const CONNECTIONS: usize = 128;

/// Least share of the rate that must have been kept for the times to mean anything.
const KEPT_MIN: f64 = 0.98;

/// Times of answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latency {
    pub(super) median_us: f64,
    pub(super) p99_us: f64,
    /// Whether the client kept the rate.
    pub(super) kept: bool,
}

/// Asks for `load` at `per_s`; gives the exchanges a second that were done, and their times.
pub(super) fn run(port: u16, per_s: f64, load: Duration) -> Result<(f64, Latency)> {
    let mut client = Client::connect(port)?;
    let interval = Duration::from_secs_f64(1.0 / per_s.max(1.0));
    let began = Instant::now();
    let end = began + load;
    let mut due = began;
    while due < end {
        let now = Instant::now();
        while due <= now && due < end {
            client.send(now, due)?;
            due += interval;
        }
        client.receive(due.saturating_duration_since(Instant::now()))?;
    }
    let grace = Instant::now() + Duration::from_secs(5);
    while client.unanswered() > 0 {
        if Instant::now() > grace {
            bail!("{} requests have no answer", client.unanswered());
        }
        client.receive(Duration::from_millis(10))?;
    }
    let done_per_s = client.times.len() as f64 / began.elapsed().as_secs_f64();
    client.times.sort_unstable();
    let at = |share: f64| {
        let last = client.times.len().saturating_sub(1);
        let index = (client.times.len() as f64 * share) as usize;
        client
            .times
            .get(index.min(last))
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let kept = done_per_s >= per_s * KEPT_MIN;
    Ok((
        done_per_s,
        Latency {
            median_us: at(0.5),
            p99_us: at(0.99),
            kept,
        },
    ))
}

/// Connections and what is under way on each.
struct Client {
    request: String,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    free: Vec<usize>,
    /// When the requests were due that no connection was free for.
    waiting: VecDeque<Instant>,
    times: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    since: Instant,
}

impl Client {
    fn connect(port: u16) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for number in 0..CONNECTIONS {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let name = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, name, epoll::EventFlags::IN)?;
            let since = Instant::now();
            connections.push(Connection {
                stream,
                buffer: vec![0; 4096],
                filled: 0,
                since,
            });
        }
        Ok(Self {
            request: request(port),
            epoll,
            connections,
            free: (0..CONNECTIONS).collect(),
            waiting: VecDeque::new(),
            times: Vec::new(),
        })
    }

    fn unanswered(&self) -> usize {
        CONNECTIONS - self.free.len() + self.waiting.len()
    }

    /// Sends a request on a free connection, or has it wait for one.
    fn send(&mut self, now: Instant, due: Instant) -> Result<()> {
        let Some(number) = self.free.pop() else {
            self.waiting.push_back(due);
            return Ok(());
        };
        self.send_on(number, now)
    }

    fn send_on(&mut self, number: usize, since: Instant) -> Result<()> {
        let connection = self
            .connections
            .get_mut(number)
            .context("no such connection")?;
        connection.filled = 0;
        connection.since = since;
        let sent = connection.stream.write(self.request.as_bytes())?;
        if sent != self.request.len() {
            bail!(
                "a request of {} bytes did not go out at once",
                self.request.len()
            );
        }
        Ok(())
    }

    /// Takes in answers until `wait` is over or some came.
    fn receive(&mut self, wait: Duration) -> Result<()> {
        // epoll itself counts in milliseconds.
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        poll(
            &mut [PollFd::new(&self.epoll, PollFlags::IN)],
            Some(&timeout),
        )?;
        let mut events = Vec::with_capacity(CONNECTIONS);
        let none = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&none),
        )?;
        for event in events {
            let number = usize::try_from(event.data.u64())?;
            if self.answer(number)? {
                match self.waiting.pop_front() {
                    Some(due) => self.send_on(number, due)?,
                    None => self.free.push(number),
                }
            }
        }
        Ok(())
    }

    /// Reads what is there; whether the answer is whole.
    fn answer(&mut self, number: usize) -> Result<bool> {
        let connection = self
            .connections
            .get_mut(number)
            .context("no such connection")?;
        let room = connection
            .buffer
            .get_mut(connection.filled..)
            .unwrap_or_default();
        match connection.stream.read(room) {
            Ok(0) => bail!("the server closed a connection, or its answer is too long"),
            Ok(read) => connection.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let seen = connection
            .buffer
            .get(..connection.filled)
            .unwrap_or_default();
        let Some(whole) = length(seen)? else {
            return Ok(false);
        };
        if seen.len() > whole {
            bail!("more than one answer to a request");
        }
        if seen.len() == whole {
            self.times.push(connection.since.elapsed());
        }
        Ok(seen.len() == whole)
    }
}

fn request(port: u16) -> String {
    let mut request = format!("GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    for (name, value) in FIELDS {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Bytes of the answer that `seen` begins, once its head is there.
fn length(seen: &[u8]) -> Result<Option<usize>> {
    let Some(head) = seen.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(seen.get(..head).unwrap_or_default())?;
    if !text.starts_with("HTTP/1.1 200 ") {
        bail!(
            "the server answers {}",
            text.lines().next().unwrap_or_default()
        );
    }
    let body = text
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let body: usize = body.context("an answer without length")?.parse()?;
    Ok(Some(head + 4 + body))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(length(answer).unwrap(), Some(answer.len()));
        assert_eq!(length(&answer[..20]).unwrap(), None);
        assert!(length(b"HTTP/1.1 500 Oops\r\n\r\n").is_err());
    }
}
