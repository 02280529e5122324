//! Rows about where an account is: what fires each, and what does not.

use super::rows::{check, name};
use super::support::Trial;
use crate::detect::{Options, Place};

/// An account's calls: when, the country, the place, and the device.
type Stay = (u64, [u8; 2], Option<[f64; 2]>, Option<u64>);

/// Thirty calls at home, then `stays`, each answered with `status`.
fn travels<const N: usize>(stays: [Stay; N], status: u16) -> impl Fn(&mut Trial) {
    move |trial: &mut Trial| {
        for n in 0..30 {
            stay(trial, n * 60, (0, *b"DE", BERLIN, Some(1)), 200, b"alice");
        }
        for at in stays {
            stay(trial, 1800 + at.0, at, status, b"alice");
        }
    }
}

fn stay(trial: &mut Trial, second: u64, at: Stay, status: u16, user: &'static [u8]) {
    let (_, country, location, device) = at;
    trial.look(second, |facts| {
        facts.user = Some(user);
        facts.place = Some(Place {
            country,
            location,
            ..Place::default()
        });
        (facts.device, facts.status) = (device, status);
    });
}

const BERLIN: Option<[f64; 2]> = Some([52.52, 13.405]);
const SYDNEY: Option<[f64; 2]> = Some([-33.869, 151.209]);
const LIMA: Option<[f64; 2]> = Some([-12.046, -77.043]);

#[test]
fn loc_01_another_country() {
    // Many accounts push out none that is used.
    let in_a_crowd = |trial: &mut Trial| {
        travels([], 200)(trial);
        for n in 0..9000 {
            stay(trial, 1900, (0, *b"DE", None, None), 200, name(n));
        }
        stay(trial, 2000, (0, *b"PE", None, None), 200, b"alice");
    };
    let few = |trial: &mut Trial| {
        for country in [*b"DE", *b"DE", *b"PE"] {
            stay(trial, 0, (0, country, None, None), 200, b"alice");
        }
    };
    check(
        "loc-01",
        &[
            &travels([(60, *b"PE", None, Some(1))], 200),
            // Places that the database does not have in between, and the old device.
            &travels([(60, [0, 0], None, None), (90, *b"PE", None, Some(1))], 404),
            &in_a_crowd,
        ],
        &[
            &travels([(60, *b"DE", None, Some(9))], 200),
            &travels([(60, *b"PE", None, Some(9))], 401),
            &travels([(60, [0, 0], None, Some(9))], 200),
            &few,
        ],
    );
}

#[test]
fn loc_02_faster_than_one_travels() {
    check(
        "loc-02",
        &[
            &travels([(3600, *b"AU", SYDNEY, Some(1))], 200),
            // By way of an address that is nowhere, and refused meanwhile.
            &travels(
                [(60, [0, 0], None, Some(1)), (3600, *b"AU", SYDNEY, Some(1))],
                200,
            ),
        ],
        &[
            &travels([(20 * 3600, *b"AU", SYDNEY, Some(1))], 200),
            &travels([(3600, *b"AU", SYDNEY, Some(1))], 401),
            &travels([(3600, *b"PL", Some([52.23, 17.01]), Some(1))], 200),
        ],
    );
    // What was told of one place makes that one usual, and no other.
    let mut trial = Trial::new(Options::default());
    let there_and_back = [SYDNEY, BERLIN, SYDNEY, BERLIN, LIMA];
    for (place, n) in there_and_back.into_iter().zip(0..) {
        stay(
            &mut trial,
            n * 3600,
            (0, *b"DE", place, Some(1)),
            200,
            b"alice",
        );
    }
    let opened = trial.words();
    let opened = opened.iter().filter(|word| *word == "loc-02 Open");
    assert_eq!(opened.count(), 2, "{:?}", trial.words());
    // Home, which was taken for a gateway when the account came back to it, is home again after a day.
    let mut trial = Trial::new(Options::default());
    let mut go = |second: u64, place| {
        let at = (0, *b"DE", place, Some(1));
        stay(&mut trial, second, at, 200, b"alice");
        let opened = trial.words();
        opened.iter().filter(|word| *word == "loc-02 Open").count()
    };
    assert_eq!((go(0, SYDNEY), go(3600, BERLIN)), (0, 1));
    for hour in 2..48 {
        assert_eq!(go(hour * 3600, BERLIN), 1);
    }
    assert_eq!(go(47 * 3600 + 60, LIMA), 2);
}

#[test]
fn loc_03_another_device() {
    check(
        "loc-03",
        &[
            &travels([(60, *b"DE", BERLIN, Some(9))], 200),
            // One that does not say what it is; one that is refused at first.
            &travels([(60, *b"DE", BERLIN, None)], 200),
            &travels([(60, *b"DE", BERLIN, Some(9))], 404),
        ],
        &[
            &travels([(60, *b"PE", LIMA, Some(1))], 200),
            &travels([(60, *b"DE", BERLIN, Some(9))], 403),
        ],
    );
}
