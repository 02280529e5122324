//! What tries to get by: many names, many addresses, slowness, a shared address, bytes not seen.

use std::net::{IpAddr, Ipv6Addr};

use super::support::{HOST, Trial, login};
use crate::detect::{Facts, ObjectId, Options};
use crate::event::{Extent, Signal};

fn text(n: u64) -> &'static [u8] {
    Box::leak(format!("name{n}").into_bytes().into_boxed_slice())
}

#[test]
fn any_number_of_names_paths_and_addresses_hides_no_attack() {
    let mut trial = Trial::new(Options::default());
    for n in 0..30_000_u64 {
        let second = n / 100;
        trial.look(second, |facts| {
            facts.client = Some(IpAddr::from((0x3000_0000 + n as u32).to_be_bytes()));
            facts.path = text(n);
            facts.route = String::from_utf8_lossy(facts.path);
            facts.status = 404;
        });
        trial.look(second, |facts| {
            login(facts, text(n), 0x4000_0000 + n as u32, 401)
        });
        if n % 1500 == 0 {
            trial.look(second, |facts| {
                login(facts, b"alice", 0x5000_0000 + n as u32, 401)
            });
        }
    }
    let alice = trial.told.iter().any(|told| {
        let finding = told.finding(HOST);
        finding.detector.id == "auth-01"
    });
    assert!(alice && trial.has("auth-04"), "{:?}", trial.words());
}

#[test]
fn an_address_of_ipv6_is_its_network() {
    let mut trial = Trial::new(Options::default());
    for n in 0..12_u64 {
        trial.look(n, |facts| {
            login(facts, text(n / 6), 0, 401);
            let bits = (0x2001_0db8_0000_0001_u128 << 64) | u128::from(n * 7919);
            facts.client = Some(Ipv6Addr::from(bits).into());
        });
    }
    assert!(trial.has("auth-02"));
}

#[test]
fn guessing_slowly_is_found_all_the_same() {
    let mut trial = Trial::new(Options::default());
    for n in 0..30 {
        trial.look(n * 200, |facts| login(facts, b"alice", n as u32, 401));
    }
    assert!(trial.has("auth-01"));
    assert!(!trial.has("auth-02"));
}

#[test]
fn behind_a_shared_address_thresholds_rise() {
    let office = |users: u64| {
        let mut trial = Trial::new(Options::default());
        for n in 0..users {
            trial.look(n, |facts| {
                facts.user = Some(text(n));
                facts.client = Some(IpAddr::from([192, 0, 2, 1]));
            });
        }
        for n in 0..24 {
            trial.look(100 + n, |facts| {
                login(facts, text(n % 12), 0xc000_0201, 401)
            });
        }
        trial.has("auth-02") || trial.has("auth-03")
    };
    assert!(office(0) && !office(30));
}

fn object<'a>(facts: &mut Facts<'a>, user: &'a [u8], id: u64, status: u16) {
    facts.user = Some(user);
    facts.status = status;
    facts.route = "/orders/{id}".into();
    facts.ids.push(ObjectId {
        name: b"id",
        value: text(id),
    });
    if status == 403 {
        facts.signals.add(Signal::AuthorizationFailure);
    }
}

#[test]
fn enumeration_is_told_from_a_job_that_comes_back() {
    let mut thief = Trial::new(Options::default());
    for n in 0..60 {
        thief.look(n, |facts| {
            object(facts, b"eve", n, if n % 4 == 0 { 403 } else { 200 })
        });
    }
    assert!(thief.has("bola-01"));
    let mut job = Trial::new(Options::default());
    for day in 0..3 {
        for n in 0..60 {
            job.look(day * 10_000 + n, |facts| object(facts, b"report", n, 200));
        }
    }
    assert!(!job.has("bola-01"), "{:?}", job.words());
}

#[test]
fn what_was_not_seen_lowers_confidence_and_is_said() {
    let confidence = |seen: Extent| {
        let mut trial = Trial::new(Options::default());
        for n in 0..12 {
            trial.look(n, |facts| {
                login(facts, b"alice", 1, 401);
                facts.request_seen = seen;
            });
        }
        let finding = trial.told[0].finding(HOST);
        (
            finding.confidence,
            finding
                .remarks
                .iter()
                .any(|remark| remark.contains("not seen whole")),
        )
    };
    let (whole, said) = confidence(Extent::Whole);
    let (gap, gap_said) = confidence(Extent::Gap);
    assert!(gap < whole && gap_said && !said);
}

#[test]
fn one_client_that_retries_is_no_degradation_and_many_that_fail_are() {
    let failing = |clients: u64| {
        let mut trial = Trial::new(Options::default());
        for n in 0..200 {
            trial.look(n, |facts| facts.user = Some(text(n % 20)));
        }
        for n in 0..60 {
            trial.look(1000 + n * 3, |facts| {
                facts.user = Some(text(n % clients));
                facts.status = if n % 2 == 0 || clients == 1 { 503 } else { 200 };
            });
        }
        trial.has("base-02")
    };
    assert!(failing(10) && !failing(1));
}

#[test]
fn a_role_is_what_one_has_used_before() {
    let admin = |facts: &mut Facts<'_>, status: u16| {
        facts.signals.add(Signal::SensitiveAdmin);
        facts.route = "/admin/users".into();
        facts.status = status;
    };
    let mut trial = Trial::new(Options::default());
    for n in 0..20 {
        trial.look(n, |facts| {
            facts.user = Some(b"root");
            admin(facts, 200);
        });
    }
    trial.look(30, |facts| {
        facts.user = Some(b"root");
        admin(facts, 403);
    });
    assert!(!trial.has("bfla-01"));
    for n in 0..4 {
        trial.look(40 + n, |facts| {
            facts.user = Some(b"eve");
            admin(facts, 403);
        });
    }
    assert!(trial.has("bfla-01"));
}
