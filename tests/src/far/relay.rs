//! What stands between an agent and a far end, and can keep answers back.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long an answer takes: so that there is time to do something in between.
const SLOWNESS: Duration = Duration::from_millis(30);

/// A port that leads to another one.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    to: u16,
    /// Whether answers are kept back.
    deaf: AtomicBool,
    /// Bytes of answers that were kept back.
    kept_back: AtomicU64,
}

impl Relay {
    /// From `port` to `to`, whether or not somebody listens there already.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn start(port: u16, to: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("a relay's port")?;
        let state = Arc::new(State {
            to,
            deaf: AtomicBool::new(false),
            kept_back: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        // Ends with the test's process.
        thread::spawn(move || {
            for from in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.join(&from));
            }
        });
        Ok(Self { port, state })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Keeps answers back, or no longer; requests pass in either case.
    pub fn keep_back(&self, deaf: bool) {
        self.state.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Bytes of answers that were kept back so far.
    #[must_use]
    pub fn kept_back(&self) -> u64 {
        self.state.kept_back.load(Ordering::SeqCst)
    }
}

impl State {
    fn join(self: Arc<Self>, from: &TcpStream) -> Option<()> {
        let to = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to)).ok()?;
        let (mut requests, mut onward) = (from.try_clone().ok()?, to.try_clone().ok()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut requests, &mut onward);
            let _ = onward.shutdown(Shutdown::Both);
        });
        let (mut answers, mut back) = (to, from.try_clone().ok()?);
        let mut piece = vec![0; 16 << 10];
        while let Ok(read @ 1..) = answers.read(&mut piece) {
            thread::sleep(SLOWNESS);
            if self.deaf.load(Ordering::SeqCst) {
                self.kept_back.fetch_add(read as u64, Ordering::SeqCst);
            } else if back.write_all(piece.get(..read)?).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Both);
        Some(())
    }
}
