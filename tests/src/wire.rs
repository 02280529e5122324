//! Bytes sent and read by hand, for what no client would do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::sandbox::port;
use crate::wait::DEADLINE;

/// A TCP connection to a port of 127.0.0.1, without Nagle's delay, with a deadline on reads.
///
/// # Errors
/// Nobody listens.
pub fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Reads until `end` comes by, and gives all that was read.
///
/// # Errors
/// The other end closed before, or nothing came within the deadline.
pub fn read_until(stream: &mut impl Read, end: &[u8]) -> Result<Vec<u8>> {
    let mut have = Vec::new();
    let mut piece = [0; 4096];
    while !have.windows(end.len()).any(|window| window == end) {
        let read = stream.read(&mut piece).context("reading by hand")?;
        if read == 0 {
            bail!("closed after {:?}", String::from_utf8_lossy(&have));
        }
        have.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
    Ok(have)
}

/// Reads a response with a `content-length`, whole.
///
/// # Errors
/// As [`read_until`], or it has no length.
pub fn read_response(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut response = read_until(stream, b"\r\n\r\n")?;
    let head = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(0)
        + 4;
    let text = String::from_utf8_lossy(response.get(..head).unwrap_or_default()).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("no content-length")?.trim().parse()?;
    while response.len() < head + length {
        let mut rest = vec![0; head + length - response.len()];
        stream.read_exact(&mut rest)?;
        response.append(&mut rest);
    }
    Ok(response)
}

/// Reads until the other end closes or resets.
///
/// # Errors
/// Nothing comes within the deadline.
pub fn read_to_end(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut have = Vec::new();
    match stream.read_to_end(&mut have) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
        _ => Ok(have),
    }
}

/// A server of one connection after the other, each treated by `treat`, until `connections` have
/// been.
///
/// # Errors
/// It cannot listen.
pub fn serve(
    connections: usize,
    mut treat: impl FnMut(TcpStream) -> Result<()> + Send + 'static,
) -> Result<(u16, JoinHandle<Result<()>>)> {
    let port = port()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let thread = std::thread::spawn(move || {
        for _ in 0..connections {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            treat(stream)?;
        }
        Ok(())
    });
    Ok((port, thread))
}

/// The result of a thread.
///
/// # Errors
/// Its own, or that it panicked.
pub fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
}

/// Sends one byte at a time, `pause` apart.
///
/// # Errors
/// The other end is gone.
pub fn drip(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> Result<()> {
    for byte in bytes {
        stream.write_all(std::slice::from_ref(byte))?;
        std::thread::sleep(pause);
    }
    Ok(())
}
