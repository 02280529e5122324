//! What is told of shedding, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::governor::{STEPS, Used};
use super::{Budget, Limits, PAUSE_MAX, pause};
use crate::event::{Detail, ShedState, ShedWhat};

/// A budget, with its dial so far up that `worst` is shed in part.
fn with_dial(budget: &mut Budget, cpu: u32, looks: u32) {
    for _ in 0..looks {
        budget.governor.look(Used {
            since_ms: 1_000,
            cpu,
            memory: 0,
            waiting: 0,
        });
    }
}

#[test]
fn a_notice_tells_of_the_beginning_each_class_and_the_end() {
    let now = Instant::now();
    let mut budget = Budget::new(Limits::default(), Arc::default(), now);
    let check = |budget: &mut Budget, shed, expected: Option<(ShedState, usize, u64)>| {
        let news = budget.news(shed);
        let told = news.map(|news| match news.detail {
            Detail::Shed {
                state,
                what,
                counts,
                ..
            } => (state, what.len(), counts.iter().map(|one| one.count).sum()),
            other => panic!("{other:?}"),
        });
        assert_eq!(told, expected);
    };
    check(&mut budget, [0; 5], None);
    with_dial(&mut budget, 1_000, 1);
    check(&mut budget, [7, 0, 0, 0, 0], Some((ShedState::Begun, 1, 0)));
    check(&mut budget, [9, 0, 0, 0, 0], None);
    with_dial(&mut budget, 1_000, u32::from(STEPS));
    check(
        &mut budget,
        [27, 0, 0, 0, 0],
        Some((ShedState::More, 2, 20)),
    );
    with_dial(&mut budget, 10, 20);
    let ended = Some((ShedState::Ended, 0, 24));
    check(&mut budget, [27, 4, 0, 0, 0], ended);
    check(&mut budget, [27, 4, 0, 0, 0], None);
    with_dial(&mut budget, 1_000, 2);
    check(
        &mut budget,
        [27, 4, 0, 0, 0],
        Some((ShedState::Begun, 1, 0)),
    );
}

#[test]
fn rest_grows_with_the_dial_and_has_a_bound() {
    let worked = Duration::from_millis(2);
    assert_eq!(pause(worked, 0), Duration::from_micros(500));
    assert_eq!(pause(worked, 8), Duration::from_millis(8));
    assert_eq!(pause(worked, STEPS), PAUSE_MAX);
    assert_eq!(pause(Duration::MAX, STEPS), PAUSE_MAX);
}

#[test]
fn work_on_what_is_heard_is_measured_only_where_it_is_paid_for() {
    let mut budget = Budget::new(Limits::default(), Arc::default(), Instant::now());
    assert_eq!(budget.begins(), None);
    with_dial(&mut budget, 100_000, 5);
    assert_eq!(budget.governor.worst(), Some(ShedWhat::Hearing));
    assert!(budget.begins().is_some());
}
