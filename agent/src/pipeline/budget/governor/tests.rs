//! Loads that were made up: what shedding saves of them, and where the dial comes to rest.

use super::{Cause, Governor, HOLD_MIN_MS, STEPS, TOP, Used};
use crate::event::ShedWhat;

const LOOK_MS: u32 = 250;

/// What a load costs, in thousandths of the limit: without shedding, and of that each class.
#[derive(Clone, Copy)]
struct Load {
    rest: u32,
    classes: [u32; 5],
}

impl Load {
    const NONE: Self = Self {
        rest: 10,
        classes: [0; 5],
    };

    fn cost(&self, governor: &Governor) -> u32 {
        let left = ShedWhat::ALL.iter().zip(self.classes).map(|(what, cost)| {
            let kept = STEPS - governor.share(*what);
            cost * u32::from(kept) / u32::from(STEPS)
        });
        self.rest + left.sum::<u32>()
    }
}

/// Lets a load last; what it cost at each look, and the dial behind it.
fn last(governor: &mut Governor, load: Load, seconds: u32) -> Vec<(u32, u8)> {
    let looks = seconds * 1_000 / LOOK_MS;
    let one = |_| {
        let cpu = load.cost(governor);
        governor.look(Used {
            since_ms: LOOK_MS,
            cpu,
            memory: 0,
            waiting: 0,
        });
        (cpu, governor.dial)
    };
    (0..looks).map(one).collect()
}

fn mean(looks: &[(u32, u8)]) -> u32 {
    looks.iter().map(|(cpu, _)| cpu).sum::<u32>() / u32::try_from(looks.len()).unwrap()
}

/// The load stays within the limit from the third second on, and sheds no class beyond `worst`.
#[track_caller]
fn check(load: Load, worst: Option<ShedWhat>) {
    let mut governor = Governor::new();
    let looks = last(&mut governor, load, 120);
    let settled = &looks[12..];
    assert!(mean(settled) <= 1_000, "{} of 1000", mean(settled));
    for window in settled.windows(20) {
        assert!(mean(window) <= 1_000, "{} of 1000 for 5 s", mean(window));
    }
    assert_eq!(governor.worst(), worst, "{looks:?}");
    let looks = last(&mut governor, Load::NONE, 30);
    assert_eq!(governor.dial, 0, "it recovers: {looks:?}");
}

#[test]
fn what_fits_is_left_alone() {
    let classes = [200, 200, 200, 100, 0];
    check(Load { rest: 150, classes }, None);
}

#[test]
fn the_cheapest_class_that_is_enough_is_shed() {
    let classes = [800, 100, 300, 100, 200];
    check(Load { rest: 100, classes }, Some(ShedWhat::Bodies));
    let classes = [400, 900, 300, 100, 0];
    check(Load { rest: 50, classes }, Some(ShedWhat::StaticAssets));
    let classes = [400, 900, 3_000, 100, 0];
    check(Load { rest: 50, classes }, Some(ShedWhat::Repeats));
    let classes = [4_000, 0, 0, 5_000, 500];
    check(Load { rest: 50, classes }, Some(ShedWhat::Alike));
    let classes = [100, 0, 0, 0, 5_000];
    check(Load { rest: 50, classes }, Some(ShedWhat::Hearing));
}

#[test]
fn a_short_peak_sheds_nothing() {
    let mut governor = Governor::new();
    for _ in 0..20 {
        last(&mut governor, Load::NONE, 3);
        governor.look(Used {
            since_ms: LOOK_MS,
            cpu: 2_500,
            memory: 0,
            waiting: 0,
        });
        assert_eq!(governor.dial, 0);
    }
}

#[test]
fn a_load_between_two_steps_does_not_make_it_swing() {
    // One step of a class is more than what lies between the two thresholds.
    let classes = [0, 0, 16_000, 0, 0];
    let load = Load { rest: 100, classes };
    let mut governor = Governor::new();
    last(&mut governor, load, 60);
    let looks = last(&mut governor, load, 300);
    let turns = looks.windows(2).filter(|two| two[0].1 < two[1].1).count();
    assert!(turns <= 20, "{turns} times in five minutes");
}

#[test]
fn it_falls_only_after_a_while() {
    let mut governor = Governor::new();
    last(
        &mut governor,
        Load {
            rest: 5_000,
            ..Load::NONE
        },
        10,
    );
    assert_eq!(governor.dial, TOP);
    let looks = last(&mut governor, Load::NONE, 1);
    assert!(
        u32::try_from(looks.len()).unwrap() * LOOK_MS < HOLD_MIN_MS,
        "{looks:?}"
    );
    assert_eq!(governor.dial, TOP);
}

#[test]
fn memory_sheds_while_it_grows_and_no_longer() {
    let mut governor = Governor::new();
    let mut at = |memory| {
        let grows = governor.look(Used {
            since_ms: 1_000,
            cpu: 10,
            memory,
            waiting: 0,
        });
        (grows, governor.dial)
    };
    assert_eq!(at(500), (false, 0));
    assert_eq!(at(910), (true, 1));
    assert_eq!(at(960), (true, 2));
    // It is not given back to the kernel, but there is room in it.
    for _ in 0..9 {
        assert_eq!(at(960), (false, 2));
    }
    for _ in 0..20 {
        assert!(!at(960).0);
    }
    assert_eq!(at(960), (false, 0));
    assert_eq!(at(970), (true, 1), "it grows again");
}

#[test]
fn what_waits_is_shed_before_there_is_no_room_and_never_rested_on() {
    let mut governor = Governor::new();
    let mut at = |waiting| {
        governor.look(Used {
            since_ms: LOOK_MS,
            cpu: 10,
            waiting,
            ..Used::default()
        });
        (governor.dial, governor.cause())
    };
    assert_eq!(at(750).0, 0);
    assert_eq!(at(760), (1, Cause::Backlog));
    assert_eq!(at(1_000).0, 1 + STEPS);
    assert_eq!(at(2_000).0, 1 + 2 * STEPS);
    for _ in 0..10 {
        at(2_000);
    }
    assert_eq!(at(2_000).0, TOP - STEPS, "not by hearing less");
    for _ in 0..100 {
        assert_eq!(at(700).0, TOP - STEPS, "it goes on while much waits");
    }
    for _ in 0..60 {
        at(100);
    }
    assert_eq!(at(100).0, 0);
}
