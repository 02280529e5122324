use super::{Endpoints, HOSTS_MAX, REFUSED_MAX, TEMPLATES_MAX};
use crate::content::{Container, Side};
use crate::enrich::Identity;
use crate::enrich::testing::{exchange, request, response};
use crate::exchange::{Mark, Marks, Operation, Secret, Signal, Speech};
use crate::keyed::KeyedHash;
use proptest::prelude::*;

fn endpoints() -> Endpoints {
    Endpoints::new(&Identity {
        routes: vec!["/given/{thing}".to_owned()],
        ..Identity::default()
    })
}

fn ask(endpoints: &mut Endpoints, host: &str, target: &str, status: u16) -> Option<(String, u64)> {
    let response = (status > 0).then(|| response(status, &[], b""));
    let exchange = exchange(request("GET", target, &[("Host", host)], b""), response);
    let (route, _) = endpoints.find(&exchange)?;
    Some((route.template.to_string(), route.endpoint))
}

#[track_caller]
fn check(endpoints: &mut Endpoints, target: &str, status: u16, expected: Option<&str>) {
    let found = ask(endpoints, "a", target, status).map(|(text, _)| text);
    assert_eq!(found.as_deref(), expected, "{target} {status}");
}

#[test]
fn what_nobody_answers_has_no_template() {
    let endpoints = &mut endpoints();
    check(endpoints, "/users/7?x=/y", 404, None);
    check(endpoints, "/users/7", 0, None);
    check(endpoints, "/users/7", 200, Some("/users/{id}"));
    check(endpoints, "/users/8", 404, Some("/users/{id}"));
    check(endpoints, "/users/8", 0, Some("/users/{id}"));
    check(endpoints, "http://A:80/users/9", 500, Some("/users/{id}"));
    check(endpoints, "/given/x", 404, Some("/given/{thing}"));
    check(endpoints, "*", 404, None);
}

#[test]
fn what_is_refused_is_known_apart() {
    let endpoints = &mut endpoints();
    check(endpoints, "/login", 401, Some("/login"));
    check(endpoints, "/login", 404, Some("/login"));
    for n in 0..2 * REFUSED_MAX {
        let word = |n: usize| char::from(b'a' + (n % 18) as u8);
        let target = format!("/{}/{}/{}", word(n), word(n / 18), word(n / 324));
        ask(endpoints, "a", &target, 403);
    }
    check(endpoints, "/never/seen/before/at/all", 403, None);
    check(endpoints, "/r/seen", 200, Some("/r/seen"));
    assert_eq!(endpoints.templates, 1);
}

#[test]
fn endpoints_differ_by_host_and_template_and_are_the_same_each_time() {
    let (mut one, mut other) = (endpoints(), endpoints());
    let first = ask(&mut one, "a", "/users/7", 200).unwrap();
    assert_eq!(ask(&mut one, "A:8080", "/users/8", 200).unwrap(), first);
    assert_ne!(ask(&mut one, "b", "/users/8", 200).unwrap().1, first.1);
    assert_ne!(ask(&mut one, "a", "/users", 200).unwrap().1, first.1);
    assert_eq!(ask(&mut other, "a", "/users/9", 200).unwrap(), first);
}

#[test]
fn hosts_and_templates_are_bounded() {
    let endpoints = &mut endpoints();
    for n in 0..2 * HOSTS_MAX {
        assert!(ask(endpoints, &format!("h{n}"), "/x", 200).is_some());
    }
    assert_eq!(endpoints.hosts.len(), HOSTS_MAX);
    let letter = |n: usize| char::from(b'a' + (n % 20) as u8);
    for n in 0..8000 {
        let target = format!(
            "/{}{}/{}{}/{}",
            letter(n),
            'x',
            letter(n / 20),
            'y',
            letter(n / 400)
        );
        ask(endpoints, "h1", &target, 200);
    }
    assert!(endpoints.hosts[&b"h1"[..]].answered.len() <= TEMPLATES_MAX);
    check(endpoints, &"/x".repeat(5000), 200, None);
}

#[test]
fn beyond_the_limit_all_are_one_that_says_so() {
    let endpoints = &mut endpoints();
    endpoints.templates = super::ALL_TEMPLATES_MAX;
    check(endpoints, "/new", 200, Some("{overflow}"));
    check(endpoints, "/newer", 200, Some("{overflow}"));
    check(endpoints, "/newest", 404, None);
}

#[test]
fn names_of_grpc_are_words_however_many() {
    let endpoints = &mut endpoints();
    for n in 0..40_u8 {
        let target = format!("/shop.Cart/Do{}", char::from(b'A' + n));
        let fields = [("Host", "a"), ("Content-Type", "application/grpc+proto")];
        let exchange = exchange(
            request("POST", &target, &fields, b""),
            Some(response(200, &[], b"")),
        );
        let (route, _) = endpoints.find(&exchange).unwrap();
        assert_eq!(*route.template, *target);
    }
}

#[test]
fn operations_are_endpoints_of_their_own() {
    let endpoints = &mut endpoints();
    let mut check = |speech, name: Option<&str>, expected: &str, login| {
        let request = request("POST", "/graphql", &[("Host", "a")], b"{}");
        let mut exchange = exchange(request, Some(response(200, &[], b"{}")));
        exchange.known.operation = Some(Box::new(Operation {
            speech,
            name: name.map(Into::into),
            persisted: None,
            batch: 1,
        }));
        let (route, facts) = endpoints.find(&exchange).unwrap();
        assert_eq!(*route.template, *expected);
        assert_eq!(facts.sensitive.has(Signal::SensitiveLogin), login);
    };
    check(Speech::Query, Some("Me"), "/graphql#Me", false);
    check(Speech::Mutation, Some("signIn"), "/graphql#signIn", true);
    check(Speech::Query, None, "/graphql", false);
    check(
        Speech::JsonRpc,
        Some("order.get"),
        "/graphql#order.get",
        false,
    );
}

#[test]
fn templates_are_kept_and_known_again() {
    let one = &mut endpoints();
    for n in 0..40_u8 {
        ask(
            one,
            "a",
            &format!("/shops/{}/items", char::from(b'A' + n)),
            200,
        );
        ask(one, &format!("h{n}"), "/x/7", 200);
    }
    assert!(!one.take_joined().is_empty());
    let kept = one.templates();
    let text = serde_json::to_string(&kept).unwrap();
    let other = &mut endpoints();
    other.recall(&serde_json::from_str(&text).unwrap());
    assert_eq!(other.templates(), kept);
    check(other, "/shops/zzz/items", 404, Some("/shops/{name}/items"));
    assert_eq!(other.templates, one.templates);
    assert!(other.take_joined().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_scan_leaves_nothing_behind(
        scanned in proptest::collection::vec("(/[a-z0-9.%-]{1,12}){1,4}", 1..60),
    ) {
        let endpoints = &mut endpoints();
        check(endpoints, "/users/7", 200, Some("/users/{id}"));
        for target in &scanned {
            ask(endpoints, "a", target, 404);
        }
        prop_assert_eq!(endpoints.templates, 1);
        check(endpoints, "/users/8", 200, Some("/users/{id}"));
    }
}

#[test]
fn what_is_masked_is_no_word_of_a_template() {
    let endpoints = &mut endpoints();
    // A telephone number with spaces, as only redaction knows it.
    let number = "%2B49%20151%2026619622";
    let mut ask = |target: &str, masked: Option<&str>| {
        let response = Some(response(200, &[], b""));
        let mut exchange = exchange(request("GET", target, &[("Host", "a")], b""), response);
        let mark = masked.map(|masked| {
            let start = target.find(masked).unwrap() as u32;
            Mark {
                side: Side::Request,
                container: Container::Target,
                start,
                end: start + masked.len() as u32,
                secret: Secret::Phone,
                hash: KeyedHash(7),
                is_bare: false,
            }
        });
        exchange.known.marks = Some(Marks {
            list: mark.into_iter().collect(),
            ..Marks::default()
        });
        endpoints.find(&exchange).unwrap().0.template.to_string()
    };
    let template = "/call/{masked}/now";
    for target in [
        format!("/call/{number}/now"),
        format!("http://a/call/{number}/now?x={number}"),
    ] {
        assert_eq!(ask(&target, Some(number)), template, "{target}");
    }
    // What has a shape of its own keeps it; what is masked elsewhere changes nothing.
    let mail = "ann@example.com";
    assert_eq!(
        ask(&format!("/call/{mail}/now"), Some(mail)),
        "/call/{email}/now"
    );
    assert_eq!(ask(&format!("/list?x={number}"), Some(number)), "/list");
    assert_eq!(ask("/list", None), "/list");
}

#[test]
fn a_host_that_must_not_be_told_is_not_kept() {
    let endpoints = &mut endpoints();
    for (host, in_host, expected) in [("a", false, "a"), ("key.example", true, "{masked}")] {
        let request = request("GET", "/list", &[("Host", host)], b"");
        let mut exchange = exchange(request, Some(response(200, &[], b"")));
        exchange.known.marks = Some(Marks {
            in_host,
            ..Marks::default()
        });
        let (route, _) = endpoints.find(&exchange).unwrap();
        assert_eq!((&*route.host, &*route.template), (expected, "/list"));
    }
    let kept = endpoints.templates().hosts;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["a", "{masked}"]);
}
