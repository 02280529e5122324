//! Rows that judge by what is usual, owned or known: what fires each once that is learnt, what tries to
//! get by and fires it all the same, and what does not, be it a neighbour or a way past it that the
//! catalogue tells of.

use std::net::IpAddr;

use super::rows::{check, far, household, name, near};
use super::support::{HOST, Trial, login};
use crate::detect::{Facts, ObjectId, Sensitive};

const DAY_S: u64 = 86_400;

/// An address of a /64 of its own.
fn networks(n: u64) -> Option<IpAddr> {
    let bits = (0x2001_0db8_u128 << 96) | (u128::from(n) << 64) | 9;
    Some(IpAddr::from(bits.to_be_bytes()))
}

/// Where the `n`th call comes from.
type From = fn(u64) -> Option<IpAddr>;

#[test]
fn auth_04_stuffing() {
    let stuff = |trial: &mut Trial, start: u64, tries: u64, names: u64, from: From| {
        for n in 0..tries {
            trial.look(start + n * 290 / tries, |facts| {
                login(facts, name(n % names), 0, 401);
                facts.client = from(start + n);
            });
        }
    };
    let sudden =
        |names: u64, from: From| move |trial: &mut Trial| stuff(trial, 3000, 40, names, from);
    let with_logins_that_work = |trial: &mut Trial| {
        for n in 0..200 {
            trial.look(3000 + n, |facts| {
                let status = if n % 5 == 0 { 401 } else { 200 };
                login(facts, name(n), 0, status);
                facts.client = far(n);
            });
        }
    };
    // Two in a hundred more every five minutes, after so many weeks of one mistake in three hours.
    let slowly_more = |weeks: u64| {
        move |trial: &mut Trial| {
            for slot in 0..weeks * 56 {
                stuff(trial, slot * 10_800, 1, 1, far);
            }
            let mut tries = 15.0;
            for stretch in 0..50 {
                let start = weeks * 7 * DAY_S + stretch * 300;
                stuff(trial, start, tries as u64, 500, far);
                tries *= 1.02;
            }
        }
    };
    check(
        "auth-04",
        &[
            &sudden(40, far),
            &sudden(40, networks),
            &with_logins_that_work,
            &slowly_more(4),
        ],
        &[
            &sudden(3, far),
            &sudden(40, |n| near(n % 8)),
            &sudden(40, household),
            &slowly_more(0),
        ],
    );
}

/// One call of an account for an object of a route.
fn object(trial: &mut Trial, second: u64, user: &'static [u8], id: u64, method: &'static [u8]) {
    trial.look(second, |facts| {
        facts.user = Some(user);
        facts.client = far(second);
        facts.method = method;
        facts.route = "/orders/{id}".into();
        facts.ids.push(ObjectId {
            name: b"id",
            value: name(id),
        });
    });
}

#[test]
fn bola_02_objects_of_others() {
    // Twenty accounts use five objects each, three times; `first` and `shared` are what is done to them.
    let owned = |first: bool, shared: u64, then: fn(&mut Trial)| {
        move |trial: &mut Trial| {
            for id in 0..100 {
                if first {
                    object(trial, id, b"eve", id, b"GET");
                }
                for n in 0..3 {
                    object(trial, 1000 + id * 9 + n, name(id / 5), id, b"GET");
                }
                if id < shared {
                    object(trial, 1000 + id * 9 + 5, name(77), id, b"GET");
                }
            }
            then(trial);
        }
    };
    let takes = |trial: &mut Trial| {
        for n in 0..4 {
            object(trial, 20_000 + n, b"eve", n * 17, b"GET");
        }
    };
    let takes_between_own = |trial: &mut Trial| {
        for n in 0..40 {
            let id = if n % 10 == 5 { n } else { 500 + n % 10 };
            object(trial, 20_000 + n * 5, b"eve", id, b"GET");
        }
    };
    let takes_by_several_methods = |trial: &mut Trial| {
        for (method, n) in [b"GET", b"PUT", b"GET"].into_iter().zip(0..) {
            object(trial, 20_000 + n * 5, b"eve", 30 + n, method);
        }
    };
    let two = |trial: &mut Trial| {
        for n in 0..6 {
            object(trial, 20_000 + n, b"eve", n % 2, b"GET");
        }
    };
    check(
        "bola-02",
        &[
            &owned(false, 0, takes),
            &owned(false, 0, takes_between_own),
            &owned(false, 0, takes_by_several_methods),
            &owned(true, 0, takes),
        ],
        &[&owned(false, 0, two), &owned(false, 60, takes), &takes],
    );
}

#[test]
fn bfla_02_methods_nobody_uses() {
    let route = |readers: u64, writer: bool, methods: &'static [&'static [u8]]| {
        move |trial: &mut Trial| {
            let call = |trial: &mut Trial, second, user, method: &'static [u8], status| {
                trial.look(second, |facts| {
                    facts.user = Some(user);
                    facts.client = far(second);
                    (facts.method, facts.status) = (method, status);
                });
            };
            if writer {
                call(trial, 0, name(0), b"DELETE", 200);
            }
            for n in 0..240 {
                call(trial, n, name(n % readers), b"GET", 200);
            }
            for (method, n) in methods.iter().zip(0..) {
                call(
                    trial,
                    400 + n * 60,
                    b"eve",
                    method,
                    200 + n as u16 % 2 * 203,
                );
            }
        }
    };
    const DELETES: &[&[u8]] = &[b"DELETE", b"DELETE", b"DELETE"];
    check(
        "bfla-02",
        &[
            &route(8, false, DELETES),
            &route(8, false, &[b"PUT", b"PATCH", b"DELETE"]),
            &route(
                8,
                false,
                &[b"GET", b"DELETE", b"GET", b"POST", b"GET", b"PUT"],
            ),
        ],
        &[
            &route(8, true, DELETES),
            &route(8, false, &[b"DELETE", b"DELETE"]),
            &route(4, false, DELETES),
        ],
    );
}

#[test]
fn mass_01_fields_nobody_sets() {
    let sent = |bodies: u64, made_up: u64, field: &'static [u8], status: u16| {
        move |trial: &mut Trial| {
            let body = |trial: &mut Trial, second, user, fields: Vec<&'static [u8]>, status| {
                trial.look(second, |facts| {
                    facts.user = Some(user);
                    (facts.method, facts.status) = (b"POST", status);
                    facts.fields = fields;
                });
            };
            for n in 0..bodies {
                body(trial, n, name(n % 9), vec![b"email", b"plan"], 200);
            }
            for n in 0..made_up {
                body(trial, 1000 + n, b"eve", vec![b"email", name(n)], 200);
            }
            body(trial, 2000, b"eve", vec![b"email", b"plan", field], status);
        }
    };
    check(
        "mass-01",
        &[
            &sent(60, 0, b"role", 200),
            &sent(60, 0, b"profile.isAdmin", 200),
            &sent(60, 0, b"user[is_staff]", 422),
            // Names without number push nothing out that is not learnt anew.
            &sent(60, 300, b"ROLE", 200),
        ],
        &[
            &sent(60, 0, b"nickname", 200),
            &sent(60, 0, b"plan", 200),
            &sent(40, 0, b"role", 200),
        ],
    );
}

#[test]
fn data_01_more_than_it_used_to_give() {
    let gives = |usual: u32, kinds: &'static [&'static str], count: u32, wait: u64| {
        move |trial: &mut Trial| {
            let answer = |trial: &mut Trial, second: u64, kind, count| {
                trial.look(second, |facts| {
                    facts.user = Some(name(second % 30));
                    facts.client = far(second);
                    if count > 0 {
                        facts.sensitive.push(Sensitive {
                            kind,
                            in_response: true,
                            count,
                        });
                    }
                });
            };
            for n in 0..120 {
                answer(trial, n * 5, "payment_card", usual);
            }
            for n in 0..6 {
                let second = 1000 + n * wait;
                for plain in 1..20 {
                    answer(trial, second + plain * wait / 20, "payment_card", usual);
                }
                answer(trial, second, kinds[n as usize % kinds.len()], count);
            }
        }
    };
    check(
        "data-01",
        &[
            &gives(0, &["payment_card"], 1, 10),
            &gives(0, &["payment_card", "national_id", "email"], 1, 50),
            &gives(1, &["payment_card"], 12, 10),
        ],
        &[
            &gives(1, &["payment_card"], 1, 10),
            &gives(1, &["payment_card"], 9, 10),
            &gives(0, &["payment_card"], 1, 120),
        ],
    );
}

#[test]
fn exf_03_a_list_read_from_end_to_end() {
    let read = |pages: u64, wait: u64, from: From, query: fn(u64) -> String| {
        move |trial: &mut Trial| {
            for n in 0..pages {
                let query = Box::leak(query(n).into_boxed_str());
                trial.look(n * wait, |facts| {
                    (facts.user, facts.client) = (Some(&b"eve"[..]), from(n));
                    facts.query = query.as_bytes();
                });
            }
        }
    };
    let here: From = |_| near(1);
    let forwards = |n| format!("page={n}");
    // Products again, so slowly that there are many more of them than a window holds.
    let slowly_by_number = |trial: &mut Trial| {
        for n in 0..1000 {
            trial.look(n / 4, |facts| facts.client = far(n));
        }
        for n in 0..60 {
            let query = format!("p={}", n * n * 7919 % 10_007).leak().as_bytes();
            trial.look(300 + n * 20, |facts| {
                (facts.user, facts.query) = (Some(&b"eve"[..]), query);
            });
        }
    };
    check(
        "exf-03",
        &[
            &read(30, 5, here, forwards),
            &read(30, 5, far, forwards),
            &read(30, 5, here, |n| format!("page={}", 99 - n)),
            // In no order, with a word of the catalogue's written otherwise.
            &read(31, 5, here, |n| {
                format!("sort=a&OFFSET={}", n * 7 % 31 * 50)
            }),
            &read(30, 5, here, |n| format!("p%61ge=%3{}{}", n / 10, n % 10)),
        ],
        &[
            &read(15, 5, here, forwards),
            &read(60, 40, here, forwards),
            &read(60, 5, here, |n| format!("page={}", n % 4)),
            // Products, each by its number.
            &read(60, 5, here, |n| format!("p={}", n * n * 7919 % 10_007)),
            &slowly_by_number,
        ],
    );
}

#[test]
fn rate_01_one_caller_too_fast() {
    let called = |seconds: u64, per_s: u64, user: fn(u64) -> Option<&'static [u8]>, from: From| {
        move |trial: &mut Trial| {
            for n in 0..seconds * per_s {
                trial.look(n / per_s, |facts| {
                    (facts.user, facts.client) = (user(n), from(n));
                });
            }
        }
    };
    let grows = |trial: &mut Trial| {
        let mut second = 0;
        for (seconds, per_s) in [(500, 9), (30, 28), (20, 80)] {
            for n in 0..seconds * per_s {
                trial.look(second + n / per_s, |facts| facts.client = near(1));
            }
            second += seconds;
        }
    };
    let eve = |_| Some(&b"eve"[..]);
    let (nobody, here): (_, From) = (|_| None, |_| near(1));
    check(
        "rate-01",
        &[
            &called(2, 60, nobody, here),
            &called(2, 60, eve, far),
            &called(2, 60, nobody, household),
            &grows,
        ],
        &[
            &called(1, 50, nobody, here),
            &called(60, 9, nobody, here),
            &called(2, 60, |n| Some(name(n % 6)), here),
        ],
    );
}

#[test]
fn rate_02_a_flood() {
    let flood = |usual: u64, calls: u64, made_up: fn(&mut Facts<'_>, u64), from: From| {
        move |trial: &mut Trial| {
            let minute = |trial: &mut Trial, minute: u64, calls: u64| {
                for n in 0..calls {
                    trial.look(minute * 60 + n * 59 / calls, |facts| {
                        facts.client = from(n);
                        made_up(facts, n);
                    });
                }
            };
            for at in 0..4 {
                minute(trial, at, usual);
            }
            minute(trial, 4, calls);
        }
    };
    let nothing = |_: &mut Facts<'_>, _| {};
    let path = |facts: &mut Facts<'_>, n| {
        facts.path = name(n);
        facts.route = String::from_utf8_lossy(facts.path);
        facts.status = 404;
    };
    // The route works, by the method and under the host that all others use.
    let method = |facts: &mut Facts<'_>, n| {
        if n > 4 {
            (facts.method, facts.status) = (name(n), 405);
        }
    };
    let host = |facts: &mut Facts<'_>, n| {
        facts.domain = name(n).into();
        (facts.path, facts.status) = (b"/none", 404);
        facts.route = "/none".into();
    };
    check(
        "rate-02",
        &[
            &flood(4, 1300, nothing, far),
            &flood(4, 1300, nothing, household),
            &flood(4, 1300, path, far),
            &flood(4, 1300, method, far),
            &flood(4, 1300, host, far),
        ],
        &[
            &flood(4, 1100, nothing, far),
            &flood(280, 1300, nothing, far),
        ],
    );
    // What is counted together is no one endpoint.
    let mut trial = Trial::new(crate::detect::Options::default());
    flood(4, 1300, method, far)(&mut trial);
    for told in &trial.told {
        let finding = told.finding(HOST);
        if finding.detector.id == "rate-02" {
            let target = finding.target;
            assert!(target.route.is_none() && target.method.is_none());
        }
    }
}

#[test]
fn scan_04_methods_tried_out() {
    let tried =
        |times: u64, wait: u64, status: u16, methods: &'static [&'static [u8]], from: From| {
            move |trial: &mut Trial| {
                for n in 0..times {
                    trial.look(n * wait, |facts| {
                        facts.client = from(n);
                        facts.method = methods[n as usize % methods.len()];
                        facts.status = status;
                        facts.route = format!("/part{n}").into();
                    });
                }
            }
        };
    let here: From = |_| near(1);
    check(
        "scan-04",
        &[
            &tried(10, 20, 405, &[b"PUT"], here),
            &tried(10, 20, 200, &[b"get", b"GeT", b"JEFF"], here),
            &tried(
                4,
                60,
                405,
                &[b"PUT", b"DELETE", b"TRACE", b"PATCH"],
                household,
            ),
        ],
        &[
            &tried(9, 20, 405, &[b"PUT", b"DELETE"], here),
            &tried(20, 20, 404, &[b"PUT", b"DELETE", b"PATCH", b"POST"], here),
            &tried(30, 60, 405, &[b"PUT"], here),
        ],
    );
}

#[test]
fn inv_01_an_endpoint_that_was_not_there() {
    let new = |watched_s: u64, calls: u64, wait: u64, host: &'static [u8], status: u16| {
        move |trial: &mut Trial| {
            for n in 0..20 {
                trial.look(n * watched_s / 20, |facts| facts.user = Some(name(n)));
            }
            for n in 0..calls {
                trial.look(watched_s + n * wait, |facts| {
                    facts.client = far(n);
                    facts.domain = host.into();
                    facts.route = "/img/x.php".into();
                    facts.status = status;
                });
            }
        }
    };
    let host = b"api.example";
    check(
        "inv-01",
        &[
            &new(2 * DAY_S, 6, 10, host, 200),
            // Hours apart, each from elsewhere.
            &new(2 * DAY_S, 6, 4 * 3600, host, 200),
        ],
        &[
            &new(3600, 6, 10, host, 200),
            &new(2 * DAY_S, 4, 10, host, 200),
            &new(2 * DAY_S, 9, 10, host, 404),
            &new(2 * DAY_S, 9, 6 * 3600, host, 200),
            &new(2 * DAY_S, 6, 10, b"new.example", 200),
        ],
    );
}
