//! What goes and what stays when as much is shed as can be.

use std::sync::Arc;

use super::super::governor::{Governor, Used};
use super::Sieve;
use crate::event::ShedWhat;
use crate::exchange::Exchange;
use crate::pipeline::recorded::requests;
use crate::telemetry::Counter;

/// A dial at its end.
fn full() -> Governor {
    let mut governor = Governor::new();
    for _ in 0..10 {
        governor.look(Used {
            since_ms: 1_000,
            cpu: 100_000,
            memory: 0,
            waiting: 0,
        });
    }
    governor
}

fn exchange(line: &str) -> Exchange {
    let mut exchange = requests(line.as_bytes(), 0).unwrap().exchange;
    for half in [&mut exchange.request, &mut exchange.response] {
        let body = &mut half.as_mut().unwrap().body;
        body.total_bytes = Some(body.content.len() as u64);
    }
    exchange
}

/// How many of the same exchange, ten times, stay; what each counter counted.
#[track_caller]
fn check(line: &str, stay: usize, counts: [u64; 3]) {
    let routes = Arc::new(vec!["/{tenant}/enter".to_owned()]);
    let mut sieve = Sieve::new(routes);
    let governor = full();
    let mut some: Vec<_> = (0..10).map(|_| exchange(line)).collect();
    sieve.sift(&mut some, &governor);
    let counters = [
        Counter::BudgetStaticAssets,
        Counter::BudgetRepeats,
        Counter::BudgetAlike,
    ];
    let counted = counters.map(|counter| sieve.counters.get(counter));
    assert_eq!((some.len(), counted), (stay, counts), "{line}");
}

#[test]
fn static_assets_and_repeats_go() {
    let asset = r#"{"path":"/static/app.js?v=3","status":200,"resp_headers":{"content-type":"text/javascript"}}"#;
    check(asset, 0, [10, 0, 0]);
    check(r#"{"path":"/a.png","status":304}"#, 0, [10, 0, 0]);
    check(r#"{"path":"/items/7","status":200}"#, 1, [0, 9, 0]);
    check(
        r#"{"method":"POST","path":"/items","body":"{}","status":201}"#,
        1,
        [0, 9, 0],
    );
}

#[test]
fn who_comes_in_errors_and_what_is_odd_stay() {
    for line in [
        r#"{"method":"POST","path":"/login","body":"{}","status":200}"#,
        r#"{"method":"POST","path":"/acme/enter","body":"{}","status":200}"#,
        r#"{"path":"/items/7","status":404}"#,
        r#"{"path":"/items/7","status":500}"#,
        r#"{"path":"/a.png","status":403}"#,
        r#"{"path":"/items/7","status":302}"#,
        r#"{"path":"/items/7","status":200,"resp_headers":{"set-cookie":"sid=1"}}"#,
        r#"{"path":"/items?q=1'","status":200}"#,
        r#"{"path":"/items/../../etc/passwd","status":200}"#,
        r#"{"path":"/items","ua":"${jndi:ldap://x}","status":200}"#,
        r#"{"path":"/items/%37","status":200}"#,
        r#"{"method":"POST","path":"/graphql","body":"{}","status":200}"#,
    ] {
        check(line, 10, [0; 3]);
    }
}

#[test]
fn what_is_no_asset_but_called_so_is_judged_as_any_other() {
    check(
        r#"{"path":"/api/users.js","status":200,"resp_headers":{"content-type":"application/json"}}"#,
        1,
        [0, 9, 0],
    );
    check(
        r#"{"method":"POST","path":"/a.png","status":200}"#,
        1,
        [0, 9, 0],
    );
}

/// How many of these stay.
#[track_caller]
fn stay(lines: &[&str], expected: usize) {
    let mut sieve = Sieve::new(Arc::default());
    let mut some: Vec<_> = lines.iter().map(|line| exchange(line)).collect();
    sieve.sift(&mut some, &full());
    assert_eq!(some.len(), expected, "{lines:?}");
}

#[test]
fn numbers_and_values_make_no_difference_but_words_and_credentials_do() {
    let (one, other) = (
        r#"{"path":"/items/7?page=1","status":200}"#,
        r#"{"path":"/items/8?page=2","status":200}"#,
    );
    stay(&[one, other], 1);
    stay(&[one, r#"{"path":"/users/7?page=1","status":200}"#], 2);
    stay(&[one, r#"{"path":"/items/7?sort=1","status":200}"#], 2);
    stay(&[one, r#"{"path":"/items/7?page=1","status":206}"#], 2);
    let known =
        r#"{"path":"/items/7?page=1","headers":{"authorization":"Basic YTpi"},"status":200}"#;
    let guess =
        r#"{"path":"/items/7?page=1","headers":{"authorization":"Basic YTpj"},"status":200}"#;
    stay(&[one, known, guess, known], 3);
}

#[test]
fn a_repeat_is_told_again_after_a_while() {
    let mut sieve = Sieve::new(Arc::default());
    let governor = full();
    let mut told = |second: u64| {
        let mut one = exchange(r#"{"path":"/items/7","status":200}"#);
        one.request.as_mut().unwrap().began.0 += second * 1_000_000_000;
        let mut some = vec![one];
        sieve.sift(&mut some, &governor);
        some.len()
    };
    assert_eq!(
        (told(1), told(2), told(10), told(11), told(12)),
        (1, 0, 0, 1, 0)
    );
}

#[test]
fn nothing_is_left_out_where_bodies_are_enough() {
    let mut governor = Governor::new();
    governor.look(Used {
        since_ms: 1_000,
        cpu: 1_000,
        memory: 0,
        waiting: 0,
    });
    assert_eq!(governor.worst(), Some(ShedWhat::Bodies));
    let mut some: Vec<_> = (0..9)
        .map(|_| exchange(r#"{"path":"/a.png","status":200}"#))
        .collect();
    let mut sieve = Sieve::new(Arc::default());
    sieve.sift(&mut some, &governor);
    assert_eq!(some.len(), 9);
    assert!(sieve.told.is_empty(), "no memory is taken for it");
}
