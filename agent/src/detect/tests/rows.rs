//! Rows of the catalogue one by one: what fires each, what tries to get by and fires it all the same,
//! and its neighbour, which does not.

use std::net::IpAddr;

use super::support::{Trial, login};
use crate::detect::{Cost, Facts, Mark, Options, Place, value_hash};
use crate::event::Signal;

/// Plays each trace to detectors of its own: those of `fires` have `detector` speak, of `quiet` not.
#[track_caller]
pub(super) fn check(detector: &str, fires: &[&dyn Fn(&mut Trial)], quiet: &[&dyn Fn(&mut Trial)]) {
    let traces = fires.iter().map(|trace| (trace, true));
    let traces = traces.chain(quiet.iter().map(|trace| (trace, false)));
    for (number, (trace, expected)) in traces.enumerate() {
        let mut trial = Trial::new(Options::default());
        trace(&mut trial);
        let words = trial.words();
        assert_eq!(trial.has(detector), expected, "trace {number}: {words:?}");
    }
}

pub(super) fn name(n: u64) -> &'static [u8] {
    Box::leak(format!("name{n}").into_bytes().into_boxed_slice())
}

/// An address of a network of 256 in which `n` counts, or one of as many networks.
pub(super) fn near(n: u64) -> Option<IpAddr> {
    Some(IpAddr::from([198, 51, 100, n as u8]))
}

pub(super) fn far(n: u64) -> Option<IpAddr> {
    Some(IpAddr::from([11, n as u8, (n >> 8) as u8, 9]))
}

/// An address of one household's /64.
pub(super) fn household(n: u64) -> Option<IpAddr> {
    let bits = (0x2001_0db8_0000_0007_u128 << 64) | u128::from(n * 7919 + 1);
    Some(IpAddr::from(bits.to_be_bytes()))
}

#[test]
fn auth_03_spray() {
    let tried = |names: u64, each: u64, from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            for n in 0..names * each {
                trial.look(n * 10, |facts| {
                    login(facts, name(n / each), 0, 401);
                    facts.client = from(n);
                });
            }
        }
    };
    let here = |_| near(1);
    check(
        "auth-03",
        &[
            &tried(12, 1, here),
            &tried(12, 1, household),
            &tried(24, 1, |n| near(n % 4)),
        ],
        &[&tried(9, 1, here), &tried(12, 5, here)],
    );
}

#[test]
fn auth_06_one_time_codes() {
    let tried = |codes: u64, times: u64, status: u16, from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            for n in 0..codes * times {
                trial.look(n * 20, |facts| {
                    login(facts, b"alice", 0, status);
                    facts.route = "/login/otp".into();
                    facts.client = from(n);
                    facts.code = Some(value_hash(name(n / times)));
                });
            }
        }
    };
    let here = |_| near(1);
    check(
        "auth-06",
        &[&tried(6, 1, 401, here), &tried(6, 1, 401, far)],
        &[
            &tried(2, 1, 401, here),
            &tried(2, 10, 401, here),
            &tried(9, 1, 200, here),
        ],
    );
}

#[test]
fn auth_07_names_asked_for() {
    let asked = |names: u64, other: u16, from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            for n in 0..names {
                trial.look(n * 15, |facts| {
                    facts.client = from(n);
                    facts.method = b"POST";
                    facts.route = "/password/reset".into();
                    facts.login = Some(name(n));
                    facts.status = if n % 3 == 0 { 200 } else { other };
                    facts.signals.add(Signal::SensitiveAccount);
                });
            }
        }
    };
    let here = |_| near(1);
    check(
        "auth-07",
        &[&asked(20, 404, here), &asked(20, 404, household)],
        &[&asked(20, 200, here), &asked(10, 404, here)],
    );
}

/// Names asked for on `route`, all answered `status`, with the text that `says` gives for each.
fn answered(
    names: u64,
    route: &'static str,
    status: u16,
    says: fn(u64) -> u64,
) -> impl Fn(&mut Trial) {
    move |trial: &mut Trial| {
        for n in 0..names {
            trial.look(n * 15, |facts| {
                facts.client = near(1);
                facts.method = b"POST";
                facts.route = route.into();
                facts.login = Some(name(n));
                facts.status = status;
                facts.answer = Some(says(n));
                facts.signals.add(if route == "/login" {
                    Signal::SensitiveLogin
                } else {
                    Signal::SensitiveAccount
                });
                if route == "/login" {
                    facts.signals.add(Signal::AuthenticationFailure);
                }
            });
        }
    }
}

#[test]
fn auth_07_answers_that_differ_in_text_alone() {
    let by_turns = |n| 7 + u64::from(n % 4 == 0);
    // Each unknown name gets a text of its own, which fills what is remembered.
    let among_others = |n| {
        if n % 3 == 0 {
            7
        } else if n % 3 == 1 {
            8
        } else {
            100 + n
        }
    };
    check(
        "auth-07",
        &[
            &answered(20, "/login", 401, by_turns),
            &answered(20, "/password/reset", 200, by_turns),
            &answered(20, "/register", 200, by_turns),
            &answered(60, "/register", 200, among_others),
        ],
        &[
            &answered(40, "/password/reset", 200, |_| 7),
            // A limit is reached, and everybody is told so from then on.
            &answered(40, "/password/reset", 200, |n| 7 + u64::from(n > 20)),
            // No two texts are the same: it is not the account that makes the difference.
            &answered(40, "/password/reset", 200, |n| n + 1),
            &answered(10, "/login", 401, by_turns),
        ],
    );
}

#[test]
fn auth_07_answers_of_different_routes_and_limits_are_no_split() {
    let mixed = |trial: &mut Trial| {
        for n in 0..30 {
            let (route, status, text) = if n % 2 == 0 {
                ("/register", 201, 7)
            } else {
                ("/password/reset", 404, 8)
            };
            answered_once(trial, n, route, status, text);
        }
    };
    let limited = |trial: &mut Trial| {
        for n in 0..30 {
            trial.look(n * 15, |facts| {
                facts.client = near(1);
                facts.route = "/password/reset".into();
                facts.login = Some(name(n));
                facts.signals.add(Signal::SensitiveAccount);
                facts.status = if n % 3 == 0 { 200 } else { 429 };
                if n % 3 != 0 {
                    facts.signals.add(Signal::RateLimited);
                }
            });
        }
    };
    check("auth-07", &[], &[&mixed, &limited]);
}

fn answered_once(trial: &mut Trial, n: u64, route: &'static str, status: u16, text: u64) {
    trial.look(n * 15, |facts| {
        facts.client = near(1);
        facts.route = route.into();
        facts.login = Some(name(n));
        facts.status = status;
        facts.answer = Some(text);
        facts.signals.add(Signal::SensitiveAccount);
    });
}

#[test]
fn auth_08_refused_again_and_again() {
    let refused = |times: u64, routes: u64, user: bool, from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            for n in 0..times {
                trial.look(n * 5, |facts| {
                    facts.client = from(n);
                    facts.user = user.then_some(&b"eve"[..]);
                    facts.route = format!("/part{}", n % routes).into();
                    facts.status = 403;
                    facts.signals.add(Signal::AuthorizationFailure);
                });
            }
        }
    };
    let here = |_| near(1);
    check(
        "auth-08",
        &[
            &refused(24, 4, false, here),
            &refused(24, 4, false, household),
            &refused(12, 3, true, far),
        ],
        &[&refused(60, 1, false, here), &refused(15, 4, false, here)],
    );
}

#[test]
fn jwt_05_one_token_in_many_places() {
    let used = |times: u64, status: u16, lands: [u8; 2], from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            for n in 0..times {
                trial.look(n * 30, |facts| {
                    facts.client = from(n);
                    facts.credential = Some(7);
                    facts.status = status;
                    facts.place = Some(Place {
                        country: [b'D', lands[n as usize % 2]],
                        ..Place::default()
                    });
                });
            }
        }
    };
    // A key of a service, from so many machines for two hours, and then from more.
    let machines = |usual: u64, then: u64| {
        move |trial: &mut Trial| {
            for (n, from) in (0..120)
                .map(|n| (n, n % usual))
                .chain((0..then).map(|n| (130, n)))
            {
                trial.look(n * 60, |facts| {
                    (facts.client, facts.credential) = (near(from), Some(7));
                });
            }
        }
    };
    check(
        "jwt-05",
        &[
            &used(6, 200, *b"EE", far),
            &used(2, 200, *b"EK", far),
            &machines(3, 8),
        ],
        &[
            &used(4, 200, *b"EE", far),
            &used(12, 401, *b"EE", far),
            &used(12, 200, *b"EE", household),
            &machines(4, 7),
        ],
    );
}

#[test]
fn cred_02_in_clear() {
    let passed = |exposed: bool, credential: bool, signs_in: bool| {
        move |trial: &mut Trial| {
            trial.look(0, |facts| {
                let marks = [(exposed, Mark::Exposed), (credential, Mark::Credential)];
                for (_, mark) in marks.into_iter().filter(|(holds, _)| *holds) {
                    facts.marks.add(mark);
                }
                if signs_in {
                    facts.method = b"POST";
                    facts.signals.add(Signal::SensitiveLogin);
                }
            });
        }
    };
    check(
        "cred-02",
        &[&passed(true, true, false), &passed(true, false, true)],
        &[&passed(false, true, true), &passed(true, false, false)],
    );
}

#[test]
fn exf_02_a_huge_answer() {
    let answered = |usual: u64, bytes: u64, in_reports: u64| {
        move |trial: &mut Trial| {
            for n in 0..30 {
                trial.look(n * 20, |facts| {
                    facts.user = Some(name(n));
                    facts.response_bytes = Some(usual);
                });
            }
            for number in 1..=in_reports {
                trial.look(1000, |facts| {
                    facts.user = Some(b"eve");
                    facts.response_bytes = Some(bytes * number / in_reports);
                    if in_reports > 1 {
                        facts.partial = number < in_reports;
                        let first = crate::event::Ids::new("r", 1).notice(facts.time, 0);
                        facts.first = Some(first);
                    }
                });
            }
        }
    };
    check(
        "exf-02",
        &[&answered(9000, 20 << 20, 1), &answered(9000, 20 << 20, 9)],
        &[&answered(9000, 9 << 20, 1), &answered(4 << 20, 20 << 20, 1)],
    );
}

#[test]
fn rate_03_costly_calls() {
    let asked = |depth: u32, aliases: u32, batch: u32| {
        move |trial: &mut Trial| {
            trial.look(0, |facts| {
                facts.cost = Cost {
                    depth,
                    aliases,
                    batch,
                };
            });
        }
    };
    let slow = |everybody: bool, ms: u64| {
        move |trial: &mut Trial| {
            let took = |facts: &mut Facts<'_>, n: u64, ms: u64| {
                facts.user = Some(name(n));
                facts.client = far(n);
                facts.duration_ns = Some(ms * 1_000_000);
            };
            for n in 0..400 {
                trial.look(n * 5, |facts| took(facts, n % 40, 4 + n % 3));
            }
            for n in 0..40 {
                let who = if everybody || n % 4 > 0 { n } else { 999 };
                let ms = if everybody || n % 4 == 0 { ms } else { 5 };
                trial.look(2000 + n * 5, |facts| took(facts, who, ms));
            }
        }
    };
    check(
        "rate-03",
        &[
            &asked(10, 0, 1),
            &asked(1, 30, 1),
            &asked(1, 0, 20),
            &slow(false, 3000),
        ],
        &[&asked(9, 29, 19), &slow(true, 3000), &slow(false, 30)],
    );
}

#[test]
fn flow_01_at_regular_intervals() {
    let paid = |wait: fn(u64) -> u64, accounts: u64, signal: Signal, method: &'static [u8]| {
        move |trial: &mut Trial| {
            let mut second = 0;
            for n in 0..24 {
                second += wait(n);
                trial.look(second, |facts| {
                    facts.client = near(1);
                    facts.user = Some(name(n % accounts));
                    facts.method = method;
                    facts.route = "/coupons".into();
                    facts.signals.add(signal);
                });
            }
        }
    };
    let (steady, human) = (|_| 12, |n| [2, 40, 9, 25, 3][n as usize % 5]);
    let pay = Signal::SensitivePayment;
    check(
        "flow-01",
        &[
            &paid(steady, 1, pay, b"POST"),
            &paid(|n| 10 + n % 5, 1, pay, b"POST"),
            &paid(steady, 4, Signal::SensitiveAccount, b"PUT"),
        ],
        &[
            &paid(human, 1, pay, b"POST"),
            &paid(steady, 1, pay, b"GET"),
            &paid(steady, 1, Signal::SensitiveExport, b"POST"),
        ],
    );
}

#[test]
fn base_01_spikes_and_drops() {
    let called = |usual: u64, then: u64, from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            let stretch = |trial: &mut Trial, at: u64, calls: u64| {
                for n in 0..calls {
                    trial.look(at * 300 + n * 299 / calls, |facts| facts.client = from(n));
                }
            };
            for at in 0..26 {
                stretch(trial, at, usual + at % 3);
            }
            stretch(trial, 26, then);
            stretch(trial, 27, 1);
        }
    };
    check(
        "base-01",
        &[&called(40, 300, far), &called(120, 20, far)],
        &[
            &called(40, 90, far),
            &called(120, 110, far),
            &called(20, 90, far),
        ],
    );
}

#[test]
fn base_03_large_requests() {
    let sent = |usual: u64, bytes: u64, status: u16| {
        move |trial: &mut Trial| {
            for n in 0..60 {
                trial.look(n * 20, |facts| {
                    (facts.method, facts.request_bytes) = (b"POST", Some(usual + n));
                    facts.user = Some(name(n));
                });
            }
            trial.look(2000, |facts| {
                (facts.method, facts.request_bytes) = (b"POST", Some(bytes));
                facts.status = status;
            });
        }
    };
    check(
        "base-03",
        &[&sent(900, 2 << 20, 200), &sent(900, 2 << 20, 413)],
        &[&sent(900, 900 << 10, 200), &sent(1 << 20, 5 << 20, 200)],
    );
}

#[test]
fn seq_01_an_order_nobody_takes() {
    let walked = |order: [usize; 8], from: fn(u64) -> Option<IpAddr>| {
        move |trial: &mut Trial| {
            let call = |trial: &mut Trial, second, user, n: u64, place: usize| {
                trial.look(second, |facts| {
                    facts.user = Some(user);
                    facts.client = from(n);
                    facts.route = ["/home", "/list", "/cart", "/pay", "/bye"][place % 5].into();
                });
            };
            for n in 0..1500 {
                call(trial, n * 2, name(n / 25), n / 25, n as usize);
            }
            for (place, n) in order.into_iter().zip(0..) {
                call(trial, 4000 + n * 9, b"eve", n, place);
            }
        }
    };
    check(
        "seq-01",
        &[
            &walked([4, 3, 2, 1, 0, 4, 3, 2], |_| near(1)),
            &walked([4, 2, 0, 3, 1, 4, 2, 0], far),
        ],
        &[
            &walked([0, 1, 2, 3, 4, 0, 1, 2], far),
            &walked([4, 3, 4, 0, 1, 0, 1, 2], far),
        ],
    );
}
