//! A proxy that asks who one is (RFC 9110 §9.3.6, §11.7): tunnels, and requests in the absolute form.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};

/// Longest head, bytes.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// A proxy on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// What the field Proxy-Authorization must hold.
    authorization: String,
    tunnels: AtomicU64,
    refused: AtomicU64,
}

impl Proxy {
    /// One that takes those who send this Proxy-Authorization.
    ///
    /// # Errors
    /// It gets no port.
    pub fn start(authorization: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a proxy's port")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            authorization: authorization.to_owned(),
            tunnels: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(stream));
            }
        });
        Ok(Self { port, state })
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Connections that it led on.
    #[must_use]
    pub fn tunnels(&self) -> u64 {
        self.state.tunnels.load(Ordering::SeqCst)
    }

    /// Requests that it refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&self, mut from: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX_BYTES {
            from.read_exact(&mut byte).ok()?;
            head.extend_from_slice(&byte);
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let field = format!("proxy-authorization: {}", self.authorization);
        if !text.lines().any(|line| line.eq_ignore_ascii_case(&field)) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            from.write_all(
                b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )
            .ok()?;
            return None;
        }
        let mut words = text.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let place = match target.strip_prefix("http://") {
            Some(rest) => rest.split('/').next()?,
            None => target,
        };
        let mut to = TcpStream::connect(place).ok()?;
        if method == "CONNECT" {
            from.write_all(b"HTTP/1.1 200 Tunnel\r\n\r\n").ok()?;
        } else {
            // The far end takes the absolute form too, as it must (RFC 9112 §3.2.2).
            to.write_all(&head).ok()?;
        }
        self.tunnels.fetch_add(1, Ordering::SeqCst);
        let (mut back, mut answers) = (from.try_clone().ok()?, to.try_clone().ok()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        Some(())
    }
}
