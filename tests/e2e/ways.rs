//! The ways to a far end: a proxy, TLS with certificates on both sides, a name that nobody knows; and that sinks
//! do not wait for each other.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use eaves_tests::far::{self, Authority, Proxy};
use eaves_tests::peer::{Collector, Got};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::wait::until_true;
use serde_json::Value;

use super::far::{counted, drain, draining, fails, kill, there};
use super::sinks::{all, check, configuration, journal, sinks, standing};

/// `Basic` of `eaves` and `pass:word` (RFC 7617).
const AUTHORIZATION: &str = "Basic ZWF2ZXM6cGFzczp3b3Jk";

fn ids(taken: &[Got]) -> BTreeSet<String> {
    let events = taken.iter().flat_map(|got| {
        let events: Vec<Value> = serde_json::from_slice(&got.body).unwrap();
        events
    });
    let ids = events.map(|event| event["id"].as_str().unwrap().to_owned());
    counted(ids).into_keys().collect()
}

fn well(_: &Got) -> (u16, String) {
    (200, String::new())
}

#[test]
fn a_proxy_is_asked_in_the_absolute_form_and_told_who_asks() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 100);
    let far = Collector::start(0, Vec::new(), well).unwrap();
    let proxy = Proxy::start(AUTHORIZATION).unwrap();
    let sink = |password: &str| {
        format!(
            "webhook: {{ url: 'http://127.0.0.1:{}/in' }}, proxy: {{ url: 'http://127.0.0.1:{}', user: eaves, password: '{password}' }}",
            far.port(),
            proxy.port()
        )
    };
    let file = configuration(&sandbox, &sink("wrong"));
    let Some(refused) = draining(&sandbox, "refused", &file) else {
        return;
    };
    fails(&file, "407");
    kill(refused);
    assert_eq!((proxy.tunnels(), far.got().len()), (0, 0));
    let file = configuration(&sandbox, &sink("pass:word"));
    drain(&file);
    check(&file, 100, 0);
    assert_eq!(ids(&far.taken()), all(100));
    assert!(proxy.tunnels() >= 1 && proxy.refused() >= 1);
    let target = format!("POST http://127.0.0.1:{}/in", far.port());
    let got = far.got();
    assert!(got.iter().all(|got| got.target == target), "{got:?}");
    // The far end is not told what the proxy was.
    assert!(got.iter().all(|got| got.header("authorization").is_none()));
}

#[test]
fn through_a_proxy_s_tunnel_both_sides_show_their_certificates() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 100);
    let Some(authority) = there(Authority::new(&sandbox)) else {
        return;
    };
    let behind = Collector::start(0, Vec::new(), well).unwrap();
    let Some(front) = there(far::tls_front(&sandbox, &authority, behind.port())) else {
        return;
    };
    let other = Sandbox::new().unwrap();
    let stranger = Authority::new(&other).unwrap();
    let (ours, key) = authority.sign("agent.example").unwrap();
    let proxy = Proxy::start(AUTHORIZATION).unwrap();
    let sink = |ca: &Authority, name: &str| {
        format!(
            "webhook: {{ url: 'https://127.0.0.1:{}/in' }}, proxy: {{ url: 'http://127.0.0.1:{}', user: eaves, password: 'pass:word' }}, tls: {{ ca: {}, certificate: {}, key: {}, server_name: {name} }}",
            front.port,
            proxy.port(),
            ca.certificate.display(),
            ours.display(),
            key.display()
        )
    };
    for (ca, name) in [(&stranger, "localhost"), (&authority, "other.example")] {
        let file = configuration(&sandbox, &sink(ca, name));
        let Some(refused) = draining(&sandbox, "refused", &file) else {
            return;
        };
        fails(&file, "no TLS");
        kill(refused);
    }
    assert!(behind.got().is_empty());
    let file = configuration(&sandbox, &sink(&authority, "localhost"));
    drain(&file);
    check(&file, 100, 0);
    assert_eq!(ids(&behind.taken()), all(100));
    let got = behind.got();
    assert!(
        got.iter()
            .all(|got| got.header("x-client") == Some("CN=agent.example"))
    );
}

#[test]
fn a_name_that_nobody_knows_loses_nothing() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 100);
    let file = configuration(
        &sandbox,
        "webhook: { url: 'http://no-such-host.invalid/in' }",
    );
    let Some(lost) = draining(&sandbox, "lost", &file) else {
        return;
    };
    fails(&file, "no-such-host.invalid");
    kill(lost);
    assert_eq!(standing(&file)["lag_events"], 100);
    let far = Collector::start(0, Vec::new(), well).unwrap();
    let sink = format!("webhook: {{ url: 'http://127.0.0.1:{}/in' }}", far.port());
    let file = configuration(&sandbox, &sink);
    drain(&file);
    check(&file, 100, 0);
    assert_eq!(ids(&far.taken()), all(100));
}

#[test]
fn a_slow_sink_slows_no_other_and_a_filter_counts_what_it_lets_pass() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 210);
    let fast = Collector::start(0, Vec::new(), well).unwrap();
    let slow = Collector::start(0, Vec::new(), |_| {
        thread::sleep(Duration::from_secs(3600));
        (200, String::new())
    });
    let slow = slow.unwrap();
    let yaml = format!(
        "journal: {{ dir: {}, min_free: 1MiB }}\nsinks:\n  fast: {{ webhook: {{ url: 'http://127.0.0.1:{}/' }} }}\n  slow: {{ webhook: {{ url: 'http://127.0.0.1:{}/' }}, timeout: 10m, where: 'client == 10.0.0.3' }}\n",
        sandbox.file("journal").display(),
        fast.port(),
        slow.port()
    );
    let file = sandbox.write("eaves.yaml", yaml).unwrap();
    let Some(both) = draining(&sandbox, "both", &file) else {
        return;
    };
    let lags = || -> Vec<u64> {
        let text = sinks(&file, &["--json"]).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| line["lag_events"].as_u64().unwrap())
            .collect()
    };
    // Of seven clients the slow one is told of one.
    until_true("the fast one has everything", || Ok(lags() == [0, 30])).unwrap();
    assert_eq!(ids(&fast.taken()), all(210));
    kill(both);
    assert_eq!(lags(), [0, 30]);
}
