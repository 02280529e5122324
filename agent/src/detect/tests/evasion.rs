//! What tries to get by: many names, many addresses, slowness, a shared address, bytes not seen.

use std::net::{IpAddr, Ipv6Addr};

use super::support::{HOST, Trial, login};
use crate::detect::{Facts, ObjectId, Options, value_hash};
use crate::event::{Extent, IncidentState, Learnt, Outcome, Severity, Signal};

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

fn digits(n: u64) -> &'static [u8] {
    Box::leak(n.to_string().into_bytes().into_boxed_slice())
}

/// The incidents of an account that asks for a hundred ids, `step` apart, three nights long, on an
/// endpoint that `others` accounts ask for what they were given.
fn counting_up(others: u64, listed: bool, step: u64) -> Vec<(Severity, Option<Learnt>, Outcome)> {
    let mut trial = Trial::new(Options::default());
    let given = |trial: &mut Trial, second, user: &'static [u8], ids: &[u64]| {
        let hashes = ids.iter().map(|id| value_hash(digits(*id))).collect();
        trial.look(second, |facts| {
            facts.user = Some(user);
            facts.given = hashes;
        });
    };
    let asks = |trial: &mut Trial, second, user: &'static [u8], id| {
        trial.look(second, |facts| {
            object(facts, user, 0, 200);
            facts.ids[0].value = digits(id);
        });
    };
    for other in 0..others {
        let own: Vec<u64> = (0..5).map(|n| 90_000 + 1000 * n + other).collect();
        given(&mut trial, other * 60, text(other), &own);
        for id in own {
            asks(&mut trial, other * 60 + 1, text(other), id);
        }
    }
    for night in 1..4 {
        let ids: Vec<u64> = (0..100).map(|n| n * step).collect();
        if listed {
            given(&mut trial, night * 10_000, b"eve", &ids);
        }
        for (id, second) in ids.into_iter().zip(1..) {
            asks(&mut trial, night * 10_000 + second, b"eve", id);
        }
    }
    let of = trial.told.iter().map(|told| told.finding(HOST));
    let opened = of
        .filter(|finding| finding.detector.id == "bola-01" && finding.state == IncidentState::Open);
    opened
        .map(|finding| {
            let state = finding.baseline.map(|baseline| baseline.state);
            (finding.severity, state, finding.outcome)
        })
        .collect()
}

#[test]
fn counting_up_where_others_ask_for_what_they_were_given_is_told_as_low() {
    let low = (Severity::Low, Some(Learnt::Warming), Outcome::Answered);
    assert_eq!(counting_up(8, false, 1), [low]);
    assert_eq!(counting_up(8, true, 1), []);
    assert_eq!(counting_up(8, false, 37), []);
    // Where nobody else was seen, a job that runs for the first time looks the same.
    assert_eq!(counting_up(0, false, 1), []);
}

#[test]
fn what_is_kept_of_an_account_has_no_id_in_clear() {
    let mut trial = Trial::new(Options::default());
    let ids: [&'static [u8]; 3] = [b"4111111111111111", b"-9223372036854775808", b"7"];
    for (second, id) in (1..).zip(ids) {
        trial.look(second, |facts| {
            object(facts, b"eve", 0, 200);
            facts.ids[0].value = id;
        });
    }
    let text = serde_json::to_string(trial.detectors.learnt()).unwrap();
    assert!(text.contains("\"tail\":7"), "it is kept: {text}");
    assert!(!text.contains("4111111111111111"), "{text}");
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

/// A call with a password in the header, of the account `name`.
fn basic<'a>(facts: &mut Facts<'a>, name: &'a [u8], password: u64, refused: bool) {
    facts.client = Some(IpAddr::from([198, 51, 100, 9]));
    if refused {
        (facts.login, facts.status) = (Some(name), 401);
        facts.guess = Some(password);
        facts.signals.add(Signal::AuthenticationFailure);
    } else {
        facts.user = Some(name);
        facts.signals.add(Signal::AuthenticationSuccess);
    }
}

#[test]
fn passwords_in_the_header_are_guessed_on_any_route() {
    let mut thief = Trial::new(Options::default());
    for n in 0..12 {
        thief.look(n, |facts| basic(facts, b"alice", n, true));
    }
    assert!(thief.has("auth-01") && thief.has("auth-02"));
    // The owner goes on meanwhile from elsewhere; then the guess that is right is told.
    thief.look(13, |facts| {
        basic(facts, b"alice", 99, false);
        facts.client = Some(IpAddr::from([192, 0, 2, 77]));
    });
    assert!(!thief.has("auth-05"), "{:?}", thief.words());
    thief.look(14, |facts| basic(facts, b"alice", 99, false));
    assert!(thief.has("auth-05"), "{:?}", thief.words());
    // A client that was not told of a change calls on with the old password.
    let mut old = Trial::new(Options::default());
    for n in 0..500 {
        old.look(n * 10, |facts| basic(facts, b"report", 7, true));
    }
    assert!(
        !old.has("auth-01") && !old.has("auth-02"),
        "{:?}",
        old.words()
    );
}
