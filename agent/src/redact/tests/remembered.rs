//! What is remembered of header fields and cookies is what is found in them.

use super::masks::{answered, asked};
use crate::capture::Origin;
use crate::content::Parts;
use crate::exchange::Exchange;
use crate::redact::{Marker, Options, Redactor, Rules};

/// Marks `exchanges` thrice with one memory, by each of `options` in turn, and holds each against one
/// that remembers nothing.
#[track_caller]
fn check(options: &[Options], exchanges: &[Exchange]) {
    let of = |options: &Options| Redactor::of_origin(&Origin::default(), options.clone());
    let redactors: Vec<Redactor> = options.iter().map(of).collect();
    let (mut marker, mut memory) = (Marker::new(), Parts::<'static>::new());
    for _ in 0..3 {
        for redactor in &redactors {
            // The second time what came before is known.
            for exchange in exchanges.iter().chain(exchanges).chain(exchanges) {
                let fresh = Marker::new().mark(redactor, &exchange.parts(Parts::new()));
                let parts = exchange.parts(memory);
                assert_eq!(marker.mark(redactor, &parts), fresh);
                memory = parts.recycle();
            }
        }
    }
}

fn leave(types: &[&str]) -> Options {
    Options {
        leave: types.iter().map(|one| (*one).to_owned()).collect(),
        ..Options::default()
    }
}

#[test]
fn it_is_what_is_found_in_them() {
    let cookies = r#"access_token={"a":"hunter2"}; phone=0171%202345678; a=b"#;
    let set = r#"access_token={"a":"hunter2"}; Path=/"#;
    let fields = [
        ("Cookie", cookies),
        ("X-Api-Key", "k"),
        ("Authorization", "Bearer abc.def"),
        ("X-User-Id", "7"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Note", "card 4111-1111-1111-1111"),
        ("X-Two", "a@example.org b@example.org"),
        ("Referer", "https://h/p?id=1&token=abc"),
        ("X-Json", r#"{"password":"p"}"#),
    ];
    let exchanges = [
        asked("/", &fields, ""),
        answered(&[("Set-Cookie", set), ("X-Api-Key", "k")], ""),
    ];
    let addresses = Options {
        ip_addresses: true,
        ..Options::default()
    };
    let pseudonyms = Options {
        pseudonymise_client: true,
        pseudonymise_user: true,
        ..Options::default()
    };
    for options in [
        Options::default(),
        leave(&["cookie"]),
        leave(&["token", "bearer"]),
        addresses,
        pseudonyms,
    ] {
        check(&[options], &exchanges);
    }
}

#[test]
fn what_was_not_looked_into_for_want_of_room_is_looked_into_where_there_is() {
    let cookie = [("Cookie", r#"access_token={"a":"hunter2"}"#)];
    let field = [("X-Json", r#"{"password":"p"}"#)];
    let no_room = |more: &str| format!("/?{}{more}", "a&".repeat(4094));
    let exchanges = [
        asked("/", &cookie, ""),
        asked(&no_room("a"), &cookie, ""),
        asked("/", &cookie, ""),
        asked("/", &field, ""),
        asked(&no_room("a"), &field, ""),
        asked(&no_room(""), &field, ""),
        asked("/", &field, ""),
    ];
    check(&[leave(&["cookie"])], &exchanges);
}

#[test]
fn another_redactor_knows_nothing_of_the_first() {
    let exchange = asked("/", &[("X-Internal", "i"), ("Cookie", "a=b")], "");
    let rules = Rules {
        names: vec!["x-internal".into()],
        ..Rules::default()
    };
    let ruled = Options {
        rules,
        ..Options::default()
    };
    check(
        &[Options::default(), ruled, leave(&["cookie"])],
        &[exchange],
    );
}

#[test]
fn parts_that_are_marked_twice_have_the_same_marks() {
    let values: Vec<String> = (0..1500).map(|n| format!("k{n}")).collect();
    let fields: Vec<(&str, &str)> = values
        .iter()
        .flat_map(|value| [("X-Api-Key", value.as_str()); 2])
        .collect();
    let exchange = asked("/", &fields, "");
    let redactor = Redactor::of_origin(&Origin::default(), Options::default());
    let mut marker = Marker::new();
    let parts = exchange.parts(Parts::new());
    let first = marker.mark(&redactor, &parts);
    assert_eq!(first.list.len(), fields.len());
    assert_eq!(marker.mark(&redactor, &parts), first);
}
