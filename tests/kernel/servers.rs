//! Real servers under real clients: what Eaves reports is what the server logged, none missing,
//! none invented, each pair right and whole.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::load::{Features, plan};
use eaves_tests::peer::{
    Mpm, Nginx, Place, Server, Wrk, apache, drive, go_server, gunicorn, haproxy, hyper_server,
    nginx, node_server, python_server, wrk,
};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;

/// The hyper peer.
const HYPER: &str = env!("CARGO_BIN_EXE_eaves-peer-hyper");

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let plain = |sandbox: &Sandbox| nginx(sandbox, "nginx", &Nginx::default());
    let workers = |sandbox: &Sandbox| {
        let options = Nginx {
            workers: 4,
            ..Nginx::default()
        };
        nginx(sandbox, "nginx", &options)
    };
    let prefork = |sandbox: &Sandbox| apache(sandbox, "apache", Mpm::Prefork);
    let event = |sandbox: &Sandbox| apache(sandbox, "apache", Mpm::Event);
    let hyper = |sandbox: &Sandbox| hyper_server(sandbox, "hyper", Path::new(HYPER));
    [
        one_server("nginx", plain),
        one_server("nginx_with_workers", workers),
        one_server("apache_prefork", prefork),
        one_server("apache_event", event),
        one_server("python", |sandbox| python_server(sandbox, "python")),
        one_server("node", |sandbox| node_server(sandbox, "node")),
        one_server("go", |sandbox| go_server(sandbox, "go")),
        one_server("hyper", hyper),
        one_server("gunicorn_on_a_unix_socket", |sandbox| {
            gunicorn(sandbox, "gunicorn")
        }),
        under_both_taps("servers::nginx_with_sendfile", sendfile),
        under_both_taps("servers::haproxy_before_nginx", |sandbox, mode| {
            let behind = nginx(sandbox, "nginx", &Nginx::default())?;
            let front = haproxy(sandbox, "haproxy", behind.place(), None)?;
            two_hops(sandbox, mode, front, behind, "haproxy")
        }),
        under_both_taps("servers::nginx_before_gunicorn", |sandbox, mode| {
            let behind = gunicorn(sandbox, "gunicorn")?;
            let upstream = Some(behind.place().clone());
            let front = nginx(
                sandbox,
                "nginx",
                &Nginx {
                    upstream,
                    ..Nginx::default()
                },
            )?;
            two_hops(sandbox, mode, front, behind, "nginx")
        }),
        under_both_taps("servers::nginx_under_wrk", under_wrk),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn one_server(
    name: &str,
    start: impl Fn(&Sandbox) -> Result<Server> + Clone + Send + 'static,
) -> Vec<Trial> {
    under_both_taps(&format!("servers::{name}"), move |sandbox, mode| {
        let mut server = start(sandbox)?;
        let place = server.place().clone();
        let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
        let log = drive(sandbox, &mut server, HYPER, 1)?;
        agent.settle(|reported| of(reported, "server", &place).len() >= log.len())?;
        let report = agent.stop()?;
        compare(
            &of(&report.exchanges, "server", &place),
            &log,
            Expect::Whole,
        )?;
        ensure!(
            of(&report.exchanges, "client", &place).is_empty(),
            "clients were not asked for"
        );
        report.balanced()
    })
}

/// Bodies that no call of the tap's copies: their bytes are missing, their sizes are not.
fn sendfile(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let options = Nginx {
        sendfile: true,
        ..Nginx::default()
    };
    let mut server = nginx(sandbox, "nginx", &options)?;
    let place = server.place().clone();
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    let log = drive(sandbox, &mut server, HYPER, 1)?;
    agent.settle(|reported| of(reported, "server", &place).len() >= log.len())?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "server", &place);
    compare(&reported, &log, Expect::Sendfile)?;
    let gaps = reported
        .iter()
        .filter(|exchange| exchange.response_seen == "gap")
        .count();
    ensure!(gaps > log.len() / 4, "only {gaps} bodies went by sendfile");
    report.balanced()
}

/// A server before another: each end of each hop, once.
fn two_hops(
    sandbox: &Sandbox,
    mode: Mode,
    mut front: Server,
    mut behind: Server,
    process: &str,
) -> Result<()> {
    let places = [front.place().clone(), behind.place().clone()];
    let mut agent = Agent::watch_clear(sandbox, mode, &["--role", "server", "--role", "client"])?;
    let front_log = drive(sandbox, &mut front, HYPER, 1)?;
    behind.logged(front_log.len())?;
    behind.stop()?;
    let behind_log = behind.log()?;
    let logs = [front_log, behind_log];
    let hops = || places.iter().zip(&logs);
    let heard = |reported: &[Exchange]| {
        hops().all(|(place, log)| {
            ["server", "client"]
                .iter()
                .all(|role| of(reported, role, place).len() >= log.len())
        })
    };
    agent.settle(heard)?;
    let report = agent.stop()?;
    for (place, log) in hops() {
        for role in ["server", "client"] {
            let reported = of(&report.exchanges, role, place);
            compare(&reported, log, Expect::Whole)
                .with_context(|| format!("{role}s at {place:?}"))?;
        }
    }
    let upstream = of(&report.exchanges, "client", &places[1]);
    ensure!(
        upstream.iter().all(|exchange| exchange.process == process),
        "somebody else than {process} asked the server behind"
    );
    report.balanced()
}

/// Thousands a second over kept connections; what wrk leaves unanswered at its end may lack its
/// response, and nothing else may.
fn under_wrk(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let load = Wrk {
        connections: 32,
        seconds: 2,
        delay_ms: 4,
    };
    let mut server = nginx(
        sandbox,
        "nginx",
        &Nginx {
            workers: 2,
            ..Nginx::default()
        },
    )?;
    let place = server.place().clone();
    let mut agent = Agent::watch_clear(sandbox, mode, &[])?;
    wrk(
        sandbox,
        place.port()?,
        &plan("wrk", 500, Features::default()),
        load,
    )?;
    server.stop()?;
    let log = server.log()?;
    ensure!(log.len() > 2000, "wrk asked {} times only", log.len());
    agent.settle(|reported| of(reported, "server", &place).len() >= log.len())?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "server", &place);
    let (answered, cut): (Vec<_>, Vec<_>) = reported.into_iter().partition(|exchange| {
        exchange.response_seen != "none" && exchange.response_seen != "unfinished"
    });
    ensure!(
        cut.len() <= load.connections as usize,
        "{} without their response",
        cut.len()
    );
    let mut log = log;
    for exchange in &cut {
        let same = |entry: &Entry| {
            entry.target == exchange.target && entry.client_port == exchange.client_port
        };
        let last = log.iter().rposition(same);
        log.swap_remove(last.with_context(|| format!("not in the log: {}", exchange.line()))?);
    }
    compare(&answered, &log, Expect::Whole)?;
    report.balanced()
}

/// The exchanges of one role at one place.
pub(crate) fn of(reported: &[Exchange], role: &str, place: &Place) -> Vec<Exchange> {
    let there = |exchange: &&Exchange| {
        exchange.role == role
            && match place {
                Place::Tcp(port) | Place::Tls(port) => exchange.server_port == Some(*port),
                Place::Unix(path) => {
                    exchange.transport == "unix" && Path::new(&exchange.server_address) == path
                }
            }
    };
    reported.iter().filter(there).cloned().collect()
}
