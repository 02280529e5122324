//! HTTP/2 over TLS between Python's hypercorn and httpx, both heard in OpenSSL: what is reported at either
//! end is what the server logged.
//!
//! On asyncio the library works on memory, and what its thread does on sockets it does between its calls: such
//! a session is heard without addresses. Where there are some they must be right.

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, httpx, hypercorn};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;

use crate::http2::is_http2;
use crate::https::{hearing, must_be_tls};

/// Requests of each client.
const REQUESTS: usize = 60;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    under_both_taps("asyncio::http2_over_tls", http2_over_tls)
}

/// The exchanges of one role that are over and that httpx asked for.
fn ours(reported: &[Exchange], role: &str) -> Vec<Exchange> {
    let asked = |one: &Exchange| ["?id=sync-", "?id=async-"].map(|id| one.target.contains(id));
    let is_ours = |one: &&Exchange| one.role == role && !one.partial && asked(one) != [false; 2];
    reported.iter().filter(is_ours).cloned().collect()
}

fn http2_over_tls(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = hypercorn(sandbox, "hypercorn", &Certificate::new(sandbox)?)?;
    let mut agent = hearing(sandbox, mode, "libssl")?;
    httpx(sandbox, &server, REQUESTS)?;
    server.logged(2 * REQUESTS)?;
    server.stop()?;
    let log = server.log()?;
    ensure!(log.len() == 2 * REQUESTS, "{} were logged", log.len());
    let ends = ["server", "client"];
    agent.settle(|reported| {
        let mut ends = ends.iter();
        ends.all(|role| ours(reported, role).len() >= log.len())
    })?;
    let report = agent.stop()?;
    for role in ends {
        let reported = ours(&report.exchanges, role);
        is_what_was_logged(&reported, &log).with_context(|| role.to_owned())?;
    }
    let known = ours(&report.exchanges, "client").into_iter();
    let known = known.filter(|one| one.client_port.is_some()).count();
    ensure!(known >= REQUESTS, "{known} have addresses");
    let all = report.exchanges.iter();
    let untied = all.filter(|one| one.client_port.is_none() && one.server_port.is_none());
    let (untied, counted) = (
        untied.count() as u64,
        report.ledger()?.get("seal", "untied")?,
    );
    ensure!(
        untied > 0 && untied == counted,
        "{untied} without addresses, {counted} counted"
    );
    report.balanced()
}

fn is_what_was_logged(reported: &[Exchange], log: &[Entry]) -> Result<()> {
    for exchange in reported.iter().filter(|one| one.client_port.is_some()) {
        let same = |entry: &&Entry| {
            entry.target == exchange.target && entry.client_port == exchange.client_port
        };
        ensure!(log.iter().any(|entry| same(&entry)), "{}", exchange.line());
    }
    let nowhere = |one: &Exchange| Exchange {
        client_port: None,
        ..one.clone()
    };
    let reported: Vec<_> = reported.iter().map(nowhere).collect();
    let log = log.iter().cloned().map(|entry| Entry {
        client_port: None,
        ..entry
    });
    compare(&reported, &log.collect::<Vec<_>>(), Expect::Whole)?;
    must_be_tls(&reported)?;
    ensure!(reported.iter().all(is_http2), "not all are of HTTP/2");
    Ok(())
}
