//! Addresses of names, asked of the system's resolver by a thread of its own: what that reads and loads, all of
//! `/etc` among it, nobody else needs to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::net::lookup_host;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::guard::{Need, keeping};
use crate::telemetry::kept;

/// The thread, and those that wait for the resolver in its place.
const NAME: &str = "eaves-names";

/// Questions that may wait; who asks waits beyond.
const ASKS: usize = 256;

/// Questions under way at once: each has a thread, as the resolver makes who asks wait.
const AT_ONCE: usize = 16;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 64;

struct Ask {
    host: String,
    port: u16,
    answer: oneshot::Sender<io::Result<Vec<SocketAddr>>>,
}

/// Asks the thread, once there is one.
static THREAD: OnceLock<mpsc::Sender<Ask>> = OnceLock::new();

/// Has names looked up by a thread from now on; who asks does so itself until then.
///
/// # Errors
/// The thread cannot be started.
pub fn start_names() -> io::Result<()> {
    let (to, mut asked) = mpsc::channel(ASKS);
    let serving = kept(NAME, || false, move || serve(&mut asked));
    thread::Builder::new()
        .name(NAME.into())
        .spawn(keeping([Need::Names], serving))?;
    // A second one has nobody who asks it, and ends.
    let _ = THREAD.set(to);
    Ok(())
}

/// The addresses of `host`, with `port`, in the order in which they are to be tried.
///
/// # Errors
/// As the resolver says.
pub async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![(ip, port).into()]);
    }
    match THREAD.get() {
        Some(thread) => ask(thread, host, port).await,
        None => resolve(host, port).await,
    }
}

async fn ask(thread: &mpsc::Sender<Ask>, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let fell = || io::Error::other("the thread that looks names up fell");
    let (answer, told) = oneshot::channel();
    let ask = Ask {
        host: host.to_owned(),
        port,
        answer,
    };
    thread.send(ask).await.map_err(|_| fell())?;
    told.await.map_err(|_| fell())?
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = lookup_host((host, port)).await?;
    Ok(found.take(ADDRESSES_MAX).collect())
}

fn serve(asked: &mut mpsc::Receiver<Ask>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name(NAME)
        .max_blocking_threads(AT_ONCE)
        .build();
    let Ok(runtime) = runtime else {
        // Who asks is told that nobody answers.
        while asked.blocking_recv().is_some() {}
        return;
    };
    runtime.block_on(async {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(ask) = asked.recv().await {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            tokio::spawn(async move {
                // Who asked may have given up.
                let _ = ask.answer.send(resolve(&ask.host, ask.port).await);
                drop(place);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{addresses, ask, serve};
    use std::net::SocketAddr;
    use tokio::sync::mpsc;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(work)
    }

    #[test]
    fn an_address_is_its_own_name() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7")] {
            let found = block_on(addresses(host, 7)).unwrap();
            assert_eq!(found, [expected.parse::<SocketAddr>().unwrap()]);
        }
    }

    #[test]
    fn the_thread_answers_as_the_resolver_does() {
        let (to, mut asked) = mpsc::channel(1);
        let thread = std::thread::spawn(move || serve(&mut asked));
        let (found, none) = block_on(async {
            let found = ask(&to, "localhost", 7).await;
            (found, ask(&to, "name.of.nobody.invalid", 7).await)
        });
        let found = found.unwrap();
        assert!(
            found
                .iter()
                .all(|one| one.ip().is_loopback() && one.port() == 7)
        );
        assert!(!found.is_empty());
        none.unwrap_err();
        drop(to);
        thread.join().unwrap();
    }
}
