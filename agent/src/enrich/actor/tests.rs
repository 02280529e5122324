//! Users of whole exchanges, since some are only known by what went before.

use crate::clock::{BootTime, WallTime};
use crate::enrich::testing::{exchange, request, response};
use crate::enrich::{Enrich, Identity, Nothing, UserSource};
use crate::exchange::{Exchange, Signal};
use crate::keyed::HashKey;

const BOOT: BootTime = BootTime(WallTime(1_700_000_000_000_000_000));
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn key() -> HashKey {
    HashKey::new(b"key")
}

fn enrich() -> Enrich {
    Enrich::new(Identity::default(), key())
}

fn heard(enrich: &mut Enrich, mut exchange: Exchange) -> Exchange {
    enrich.exchange(&mut exchange, BOOT);
    exchange
}

fn get(enrich: &mut Enrich, fields: &[(&str, &str)]) -> Exchange {
    let ok = response(200, &[], b"ok");
    heard(
        enrich,
        exchange(request("GET", "/items?x-api-key=q1", fields, b""), Some(ok)),
    )
}

fn told(exchange: &Exchange) -> String {
    let Some(user) = &exchange.known.user else {
        return "nobody".to_owned();
    };
    let id = user
        .id
        .as_deref()
        .map_or("-", |id| str::from_utf8(id).unwrap());
    let shown = if user.credential.is_some() { " +" } else { "" };
    format!("{id} by {}{shown}", user.source)
}

#[track_caller]
fn check(identity: Identity, fields: &[(&str, &str)], expected: &str) {
    let mut enrich = Enrich::new(identity, key());
    assert_eq!(told(&get(&mut enrich, fields)), expected, "{fields:?}");
}

fn only(source: UserSource) -> Identity {
    Identity {
        user: vec![source],
        ..Identity::default()
    }
}

/// A token whose subject is alice.
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln";

#[test]
fn each_source_is_read() {
    let bearer = format!("Bearer {JWT}");
    let cookie = format!("a=b; anything={JWT}");
    let default = Identity::default;
    check(
        default(),
        &[("Authorization", &bearer)],
        "alice by jwt.sub +",
    );
    check(
        default(),
        &[("authorization", &bearer.to_uppercase())],
        "- by api_key.x-api-key +",
    );
    check(default(), &[("Cookie", &cookie)], "alice by jwt.sub +");
    check(
        default(),
        &[("Authorization", "Basic QWxhZGRpbjpvcGVu")],
        "Aladdin by basic +",
    );
    check(
        default(),
        &[("X-API-Key", "k1")],
        "- by api_key.x-api-key +",
    );
    check(default(), &[], "- by api_key.x-api-key +");
    let without_key = Identity {
        user: default()
            .user
            .into_iter()
            .filter(|source| source.api_key.is_none())
            .collect(),
        ..default()
    };
    check(without_key.clone(), &[], "nobody");
    check(
        without_key.clone(),
        &[("Authorization", "Bearer opaque")],
        "- by bearer +",
    );
    check(
        without_key.clone(),
        &[("Cookie", "x=1; sid=\"s1\"")],
        "- by cookie.sid +",
    );
    check(without_key, &[("Cookie", "sid=")], "nobody");
    let header = UserSource {
        header: Some("X-User-Id".to_owned()),
        ..UserSource::default()
    };
    check(
        only(header.clone()),
        &[("x-user-id", " bob ")],
        "bob by header.x-user-id",
    );
    check(only(header), &[("x-user-id", &"b".repeat(1000))], "nobody");
}

#[test]
fn the_order_decides_and_a_name_comes_before_a_credential() {
    let bearer = format!("Bearer {JWT}");
    let fields = [
        ("Authorization", &*bearer),
        ("X-User-Id", "bob"),
        ("Cookie", "sid=1"),
    ];
    let source = |cookie: Option<&str>, header: Option<&str>, bearer: bool| UserSource {
        cookie: cookie.map(str::to_owned),
        header: header.map(str::to_owned),
        bearer: bearer.then_some(Nothing {}),
        ..UserSource::default()
    };
    let identity = Identity {
        user: vec![
            source(Some("sid"), None, false),
            source(None, Some("X-User-Id"), false),
            source(None, None, true),
        ],
        ..Identity::default()
    };
    check(identity, &fields, "bob by header.x-user-id +");
}

/// Checks that whichever of `sources` stands first in the list says who it is.
#[track_caller]
fn check_order(asked: &Exchange, sources: &[(UserSource, &str)]) {
    for first in 0..sources.len() {
        let mut list = sources.to_vec();
        list.rotate_left(first);
        let expected = list[0].1;
        let identity = Identity {
            user: list.into_iter().map(|(source, _)| source).collect(),
            ..Identity::default()
        };
        let mut enrich = Enrich::new(identity, key());
        let told = told(&heard(&mut enrich, asked.clone()));
        assert!(told.starts_with(expected), "{told}, not {expected}");
    }
}

#[test]
fn the_first_source_of_the_list_that_names_somebody_wins() {
    let cookie = format!("anything={JWT}");
    let fields = [
        ("Authorization", "Basic QWxhZGRpbjpvcGVu"),
        ("Cookie", &*cookie),
        ("X-User-Id", "bob"),
        JSON,
    ];
    let body = br#"{"username":"carol","password":"p"}"#;
    let refused = response(401, &[], b"");
    let asked = exchange(request("POST", "/login", &fields, body), Some(refused));
    let none = UserSource::default;
    let (jwt, header) = (Some("sub".to_owned()), Some("X-User-Id".to_owned()));
    let (basic, body) = (Some(Nothing {}), Some("username".to_owned()));
    let sources = [
        (UserSource { jwt, ..none() }, "alice by jwt.sub"),
        (UserSource { basic, ..none() }, "Aladdin by basic"),
        (UserSource { header, ..none() }, "bob by header.x-user-id"),
        (UserSource { body, ..none() }, "carol by "),
    ];
    check_order(&asked, &sources);
}

#[test]
fn the_first_credential_of_the_list_wins_where_nobody_is_named() {
    let fields = [
        ("Authorization", "Bearer opaque"),
        ("Cookie", "sid=1"),
        ("X-Api-Key", "k1"),
    ];
    let asked = exchange(request("GET", "/items", &fields, b""), None);
    let none = UserSource::default;
    let (cookie, api_key) = (Some("sid".to_owned()), Some("X-Api-Key".to_owned()));
    let bearer = Some(Nothing {});
    let sources = [
        (UserSource { cookie, ..none() }, "- by cookie.sid +"),
        (UserSource { api_key, ..none() }, "- by api_key.X-Api-Key +"),
        (UserSource { bearer, ..none() }, "- by bearer +"),
    ];
    check_order(&asked, &sources);
}

#[test]
fn a_credential_is_its_hash() {
    let exchange = get(
        &mut enrich(),
        &[("Authorization", "Bearer opaque"), ("X-Api-Key", "k1")],
    );
    let user = exchange.known.user.unwrap();
    assert_eq!(user.credential, Some(key().hash(b"k1")));
}

#[test]
fn who_asks_for_a_password_names_an_account_without_being_its_user() {
    let asked = |path: &str, fields: &[(&str, &str)]| {
        let fields = [&[JSON], fields].concat();
        let request = request("POST", path, &fields, br#"{"email":"anna@a.example"}"#);
        let exchange = heard(
            &mut enrich(),
            exchange(request, Some(response(200, &[], b"{}"))),
        );
        (
            exchange.known.user.map(|user| user.id),
            exchange.known.login,
        )
    };
    let anna = Some(b"anna@a.example".as_slice());
    for path in ["/password/reset", "/api/v1/register", "/forgot-password"] {
        let (user, login) = asked(path, &[]);
        assert_eq!((user, login.as_deref()), (None, anna), "{path}");
    }
    // Who has shown who they are changes what is theirs.
    let (user, login) = asked("/account/profile", &[("Authorization", "Bearer opaque")]);
    assert_eq!((user, login), (Some(None), None));
    assert_eq!(asked("/orders", &[]), (None, None));
}

#[test]
fn a_session_is_the_user_s_who_was_given_it() {
    let mut enrich = enrich();
    let login = |enrich: &mut Enrich, name: &str, status, fields: &[(&str, &str)], answer: &str| {
        let body = format!(r#"{{"username":"{name}","password":"p"}}"#);
        let request = request("POST", "/login", &[JSON], body.as_bytes());
        let response = response(status, fields, answer.as_bytes());
        heard(enrich, exchange(request, Some(response)))
    };
    let failed = login(&mut enrich, "mallory", 401, &[("Set-Cookie", "sid=m1")], "");
    assert!(failed.known.signals.has(Signal::AuthenticationFailure));
    assert_eq!(failed.known.login.as_deref(), Some(&b"mallory"[..]));
    assert_eq!(
        told(&get(&mut enrich, &[("Cookie", "sid=m1")])),
        "- by api_key.x-api-key +"
    );

    let cookie = [
        ("Set-Cookie", "theme=dark"),
        ("Set-Cookie", "sid=s1; Path=/"),
    ];
    let signed_in = login(&mut enrich, "bob", 200, &cookie, "");
    assert!(signed_in.known.signals.has(Signal::AuthenticationSuccess));
    assert!(signed_in.known.signals.has(Signal::SensitiveLogin));
    assert_eq!(
        told(&get(&mut enrich, &[("Cookie", "sid=s1")])),
        "bob by login +"
    );

    let token = r#"{"access_token":"0123456789abcdef"}"#;
    login(&mut enrich, "carol", 200, &[JSON], token);
    let bearer = [("Authorization", "Bearer 0123456789abcdef")];
    assert_eq!(told(&get(&mut enrich, &bearer)), "carol by login +");

    // A session that is given for another is the same user's.
    let renewed = exchange(
        request("GET", "/items", &[("Cookie", "sid=s1")], b""),
        Some(response(200, &[("Set-Cookie", "sid=s2")], b"")),
    );
    heard(&mut enrich, renewed);
    assert_eq!(
        told(&get(&mut enrich, &[("Cookie", "sid=s2")])),
        "bob by login +"
    );

    let signed_out = exchange(
        request("POST", "/logout", &[("Cookie", "sid=s2")], b""),
        Some(response(204, &[], b"")),
    );
    heard(&mut enrich, signed_out);
    assert_eq!(
        told(&get(&mut enrich, &[("Cookie", "sid=s2")])),
        "- by api_key.x-api-key +"
    );
}

#[test]
fn a_session_that_is_not_used_expires() {
    let mut enrich = enrich();
    let body = br#"{"username":"bob"}"#;
    let login = exchange(
        request("POST", "/login", &[JSON], body),
        Some(response(200, &[("Set-Cookie", "sid=s1")], b"")),
    );
    heard(&mut enrich, login);
    let later = |enrich: &mut Enrich, hours: u64| {
        let mut exchange = exchange(request("GET", "/items", &[("Cookie", "sid=s1")], b""), None);
        let ns = hours * 3_600_000_000_000;
        enrich.exchange(&mut exchange, BootTime(WallTime(BOOT.0.0 + ns)));
        told(&exchange)
    };
    assert_eq!(later(&mut enrich, 20), "bob by login +");
    assert_eq!(later(&mut enrich, 40), "bob by login +");
    assert_eq!(later(&mut enrich, 140), "- by cookie.sid +");
}

#[test]
fn sessions_and_templates_outlive_another_identity() {
    let mut enrich = enrich();
    let given = [("Set-Cookie", "sid=s1; Path=/")];
    let body = br#"{"username":"alice","password":"p"}"#;
    let asked = request("POST", "/login", &[JSON], body);
    heard(
        &mut enrich,
        exchange(asked, Some(response(200, &given, b""))),
    );
    let shown = [("Cookie", "sid=s1")];
    assert_eq!(told(&get(&mut enrich, &shown)), "alice by login +");
    let before = enrich.templates();
    let mut identity = Identity {
        routes: vec!["/items/{id}".to_owned()],
        trusted_hops: 1,
        ..Identity::default()
    };
    identity.user.insert(
        0,
        UserSource {
            header: Some("X-Account".to_owned()),
            ..UserSource::default()
        },
    );
    enrich.set(identity);
    assert_eq!(told(&get(&mut enrich, &shown)), "alice by login +");
    let named = [("X-Account", "bob")];
    assert_eq!(told(&get(&mut enrich, &named)), "bob by header.x-account");
    assert_eq!(enrich.templates(), before, "what was learnt");
    let found = exchange(
        request("GET", "/items/7", &[], b""),
        Some(response(200, &[], b"")),
    );
    let route = heard(&mut enrich, found).known.route.unwrap();
    assert_eq!(&*route.template, "/items/{id}", "at the first sight");
}
