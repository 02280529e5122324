//! `h2`'s server on the same bytes that our parser reads: handed to it from memory, what it answers
//! thrown away.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

/// Bytes that a read gives: what a server's buffer mostly has room for.
const READ_BYTES: usize = 16 * 1024;

/// What the first gives: the preface, and hardly more.
const FIRST_BYTES: usize = 64;

/// Windows of the server, so that no client of ours must wait for them.
const WINDOW_BYTES: u32 = 1 << 24;

/// A client whose bytes have all come, and that stays: one that goes takes along what was not accepted yet.
struct Client<'b> {
    rest: &'b [u8],
    /// The server has seen the preface, and opened its windows since.
    waited: bool,
}

impl AsyncRead for Client<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            return Poll::Pending;
        }
        let began = self.rest.starts_with(b"PRI ");
        if !began && !std::mem::replace(&mut self.waited, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = if began { FIRST_BYTES } else { READ_BYTES };
        let (front, rest) = self
            .rest
            .split_at(self.rest.len().min(to.remaining()).min(most));
        to.put_slice(front);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A runtime on this thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// Serves the connection whose client sends `bytes` with `count` requests: how many bytes their bodies
/// have. Each is answered by its head alone; bodies are read to their end.
pub(crate) fn serve(runtime: &Runtime, bytes: &'static [u8], count: u32) -> usize {
    runtime.block_on(async {
        let mut server = h2::server::Builder::new();
        server
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let handshake = server.handshake::<_, &[u8]>(Client {
            rest: bytes,
            waited: false,
        });
        let mut connection = handshake.await.expect("a handshake");
        let mut body_bytes = 0;
        for _ in 0..count {
            let accepted = connection.accept().await.expect("a request");
            let (request, mut answer) = accepted.expect("a request as it should be");
            let mut body = request.into_body();
            let sent = answer.send_response(hyper::Response::new(()), true);
            sent.expect("an answer");
            while !body.is_end_stream() {
                // Frames are read as the connection is polled.
                let next = std::future::poll_fn(|context| match body.poll_data(context) {
                    Poll::Pending => match connection.poll_closed(context) {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(_) => body.poll_data(context),
                    },
                    ready => ready,
                });
                let Some(Ok(piece)) = next.await else { break };
                body_bytes += piece.len();
            }
        }
        body_bytes
    })
}
