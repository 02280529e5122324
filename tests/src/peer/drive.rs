//! Everything that goes through a server in one test.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Client, Manner, Server};
use crate::compare::Entry;
use crate::load::{Want, plan};
use crate::sandbox::Sandbox;

/// A client with its way of working, and how much it asks.
struct Load {
    client: fn(&Path) -> Client,
    connections: usize,
    keep: bool,
    requests: usize,
}

const LOADS: [Load; 8] = [
    load(|program| Client::Hyper(program.to_owned()), 8, true, 1200),
    load(|_| Client::Go, 6, true, 600),
    load(|_| Client::Python, 4, true, 400),
    load(|_| Client::Node, 8, true, 400),
    load(|_| Client::Curl, 2, true, 120),
    load(|program| Client::Hyper(program.to_owned()), 4, false, 300),
    load(|_| Client::Python, 4, false, 150),
    load(|_| Client::Curl, 2, false, 60),
];

const fn load(
    client: fn(&Path) -> Client,
    connections: usize,
    keep: bool,
    requests: usize,
) -> Load {
    Load {
        client,
        connections,
        keep,
        requests,
    }
}

/// Puts every load, divided by `share`, through a server, stops it, and gives its log, which must
/// say of each request what its target asked for. `hyper` is this package's binary.
///
/// # Errors
/// A client or the server fails, or the log is not what was asked.
pub fn drive(
    sandbox: &Sandbox,
    server: &mut Server,
    hyper: &str,
    share: usize,
) -> Result<Vec<Entry>> {
    let mut asked = Vec::new();
    for (number, load) in LOADS.iter().enumerate() {
        let name = format!("load{number}");
        let plan = plan(&name, load.requests / share.max(1), server.features());
        let manner = Manner {
            connections: load.connections,
            keep: load.keep,
        };
        let client = (load.client)(Path::new(hyper));
        client
            .run(sandbox, &name, server.place(), &plan, manner)
            .with_context(|| format!("{client:?} {manner:?}"))?;
        asked.extend(plan);
    }
    server.logged(asked.len())?;
    server.stop()?;
    let log = server.log()?;
    let mut expected: Vec<_> = asked.iter().map(outcome).collect();
    let mut logged: Vec<_> = log
        .iter()
        .map(|entry| Entry {
            client_port: None,
            ..entry.clone()
        })
        .collect();
    expected.sort();
    logged.sort();
    if let Some((want, have)) = expected
        .iter()
        .zip(&logged)
        .find(|(want, have)| !same(want, have))
    {
        anyhow::bail!("asked for {want:?}, the server logged {have:?}");
    }
    ensure!(
        expected.len() == logged.len(),
        "the server logged more than was asked"
    );
    Ok(log)
}

/// What a server makes of a request.
fn outcome(want: &Want) -> Entry {
    let path = want.target.split('?').next().unwrap_or_default();
    let status = match path.strip_prefix("/status/") {
        _ if want.conditional => Some(304),
        Some(status) => status.parse().ok(),
        None => Some(200),
    };
    let sized = crate::load::size_of_target(&want.target);
    let bodiless = want.method == "HEAD" || want.conditional;
    Entry {
        method: want.method.to_owned(),
        target: want.target.clone(),
        status,
        body_bytes: if bodiless {
            0
        } else {
            sized.unwrap_or(u64::MAX)
        },
        client_port: None,
    }
}

/// The same request with the same outcome; sizes of what has none in its target are the server's.
fn same(want: &Entry, have: &Entry) -> bool {
    want.method == have.method
        && want.target == have.target
        && want.status == have.status
        && (want.body_bytes == u64::MAX || want.body_bytes == have.body_bytes)
}
