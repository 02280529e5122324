//! The instruments themselves: each server's log says what each client asked, before Eaves is
//! judged by it.

use std::path::Path;

use anyhow::Result;
use eaves_tests::peer::{
    Mpm, Nginx, Server, apache, drive, go_server, gunicorn, haproxy, hyper_server, nginx,
    node_server, python_server,
};
use eaves_tests::sandbox::{Sandbox, Skip, everything_is_required};

const HYPER: &str = env!("CARGO_BIN_EXE_eaves-peer-hyper");

#[track_caller]
fn check(start: impl FnOnce(&Sandbox) -> Result<Server>) {
    let sandbox = Sandbox::new().unwrap();
    let done = start(&sandbox).and_then(|mut server| drive(&sandbox, &mut server, HYPER, 10));
    match done {
        Ok(log) => assert!(log.len() > 300),
        Err(error) if error.is::<Skip>() && !everything_is_required() => {
            eprintln!("skipped: {error:#}");
        }
        Err(error) => panic!("{error:#}"),
    }
}

#[test]
fn nginx_logs_what_was_asked() {
    check(|sandbox| nginx(sandbox, "nginx", &Nginx::default()));
}

#[test]
fn nginx_with_sendfile_and_workers_logs_what_was_asked() {
    let options = Nginx {
        sendfile: true,
        workers: 4,
        ..Nginx::default()
    };
    check(|sandbox| nginx(sandbox, "nginx", &options));
}

#[test]
fn apache_prefork_logs_what_was_asked() {
    check(|sandbox| apache(sandbox, "apache", Mpm::Prefork));
}

#[test]
fn apache_event_logs_what_was_asked() {
    check(|sandbox| apache(sandbox, "apache", Mpm::Event));
}

#[test]
fn python_logs_what_was_asked() {
    check(|sandbox| python_server(sandbox, "python"));
}

#[test]
fn gunicorn_logs_what_was_asked() {
    check(|sandbox| gunicorn(sandbox, "gunicorn"));
}

#[test]
fn node_logs_what_was_asked() {
    check(|sandbox| node_server(sandbox, "node"));
}

#[test]
fn go_logs_what_was_asked() {
    check(|sandbox| go_server(sandbox, "go"));
}

#[test]
fn hyper_logs_what_was_asked() {
    check(|sandbox| hyper_server(sandbox, "hyper", Path::new(HYPER)));
}

#[test]
fn haproxy_logs_what_was_asked() {
    let mut behind = None;
    check(|sandbox| {
        let place = behind
            .insert(nginx(sandbox, "nginx", &Nginx::default())?)
            .place()
            .clone();
        haproxy(sandbox, "haproxy", &place, None)
    });
}

#[test]
fn nginx_before_gunicorn_logs_what_was_asked() {
    let mut behind = None;
    check(|sandbox| {
        let place = behind
            .insert(gunicorn(sandbox, "gunicorn")?)
            .place()
            .clone();
        let upstream = Some(place);
        nginx(
            sandbox,
            "nginx",
            &Nginx {
                upstream,
                ..Nginx::default()
            },
        )
    });
}
