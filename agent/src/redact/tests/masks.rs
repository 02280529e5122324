//! What is masked, in which place, and what is let be.

use super::{exchange, half, head};
use crate::capture::Origin;
use crate::content::Parts;
use crate::event::write_line;
use crate::exchange::{Exchange, Half};
use crate::redact::{
    Marker, Masked, Options, Path, Pattern, Redactor, RoutePattern, Rules, SealContext, seal,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) type Fields<'a> = &'a [(&'a str, &'a str)];

fn message(word: &str, target: &str, fields: Fields<'_>, body: &[u8], status: u16) -> Half {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    half(
        head(word.as_bytes(), target.as_bytes(), &fields),
        status,
        body,
        1000,
    )
}

pub(super) fn asked(target: &str, fields: Fields<'_>, body: &str) -> Exchange {
    exchange(
        Some(message("POST", target, fields, body.as_bytes(), 0)),
        None,
    )
}

pub(super) fn answered(fields: Fields<'_>, body: &str) -> Exchange {
    exchange(None, Some(message("OK", "", fields, body.as_bytes(), 200)))
}

fn sealed_by(exchange: &Exchange, options: Options) -> String {
    let origin = Origin {
        host_id: "4c4c".into(),
        run: 7,
        ..Origin::default()
    };
    let redactor = Arc::new(Redactor::of_origin(&origin, options));
    let context = SealContext::new(&origin).redacting(Arc::clone(&redactor));
    // Marked in front of it, as the pipeline does, or when it is sealed: it is the same.
    let mut marked = exchange.clone();
    let parts = exchange.parts(Parts::new());
    marked.known.marks = Some(Marker::new().mark(&redactor, &parts));
    let lines = [exchange, &marked].map(|exchange| {
        let mut masked = Masked::new();
        masked.fill(exchange, &redactor);
        let mut line = Vec::new();
        write_line(&seal(exchange, &masked, &context), &mut line).unwrap();
        String::from_utf8(line).unwrap()
    });
    let [line, same] = lines;
    assert_eq!(line, same);
    line
}

/// The event, every hash in it written `#`.
pub(super) fn event_by(exchange: &Exchange, options: Options) -> Value {
    let line = sealed_by(exchange, options);
    let mut out = String::new();
    let mut rest = &line[..];
    while let Some((before, behind)) = rest.split_once("hmac:") {
        out.push_str(before);
        out.push('#');
        rest = &behind[16..];
    }
    out.push_str(rest);
    serde_json::from_str(&out).unwrap()
}

/// Checks what `at` in the event is, and what is told as sensitive.
#[track_caller]
fn check(exchange: &Exchange, at: &str, expected: &Value, sensitive: &[&str]) {
    let event = event_by(exchange, Options::default());
    assert_eq!(event.pointer(at), Some(expected), "{event}");
    let told = event.get("sensitive").cloned().unwrap_or_else(|| json!([]));
    assert_eq!(told, json!(sensitive));
}

#[test]
fn header_fields_keep_scheme_and_names_of_cookies() {
    let exchange = asked(
        "/",
        &[
            ("Authorization", "Bearer abc.def"),
            ("Proxy-Authorization", "Basic dTpw"),
            ("Cookie", "a=1; b=two"),
            ("X-Api-Key", "k"),
            ("Accept", "text/html"),
            ("Referer", "https://h/p?id=1&token=abc"),
        ],
        "",
    );
    check(
        &exchange,
        "/http/request/headers",
        &json!([
            ["authorization", "Bearer [masked:bearer:#]"],
            ["proxy-authorization", "Basic [masked:basic:#]"],
            ["cookie", "a=[masked:cookie:#]; b=[masked:cookie:#]"],
            ["x-api-key", "[masked:api_key:#]"],
            ["accept", "text/html"],
            ["referer", "https://h/p?id=1&token=[masked:token:#]"]
        ]),
        &[
            "request.headers.authorization:bearer",
            "request.headers.proxy-authorization:basic",
            "request.cookies.a:cookie",
            "request.cookies.b:cookie",
            "request.headers.x-api-key:api_key",
            "request.headers.referer.query.token:token",
        ],
    );
    let exchange = answered(
        &[
            ("Set-Cookie", "sid=abc; Path=/; HttpOnly"),
            ("Location", "/cb#access_token=abc&state=1"),
        ],
        "",
    );
    check(
        &exchange,
        "/http/response/headers",
        &json!([
            ["set-cookie", "sid=[masked:cookie:#]; Path=/; HttpOnly"],
            ["location", "/cb#access_token=[masked:token:#]&state=1"]
        ]),
        &[
            "response.cookies.sid:cookie",
            "response.headers.location.fragment.access_token:token",
        ],
    );
}

#[test]
fn the_url_is_masked_wherever_it_is_told() {
    let exchange = asked("/u/bob%40example.com/x?api_key=abc&q=1", &[], "");
    let event = event_by(&exchange, Options::default());
    assert_eq!(event["url"]["path"], "/u/[masked:email:#]/x");
    assert_eq!(event["url"]["query"], "api_key=[masked:api_key:#]&q=1");
    let exchange = asked("http://u:pw1234@h/?x=1", &[], "");
    let event = event_by(&exchange, Options::default());
    assert!(!event.to_string().contains("pw1234"), "{event}");
}

#[test]
fn bodies_of_every_form() {
    let json = [("Content-Type", "application/json")];
    let body = |text: &str| json!(text);
    check(
        &asked(
            "/",
            &json,
            r#"{"user":"bob","password":"a\"b","cards":[{"no":4111111111111111}]}"#,
        ),
        "/http/request/body/content",
        &body(
            r#"{"user":"bob","password":"[masked:password:#]","cards":[{"no":"[masked:payment_card:#]"}]}"#,
        ),
        &[
            "request.body:$.password:password",
            "request.body:$.cards[*].no:payment_card",
        ],
    );
    check(
        &asked(
            "/",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            "a=1&pwd=x%20y&b=2",
        ),
        "/http/request/body/content",
        &body("a=1&pwd=[masked:password:#]&b=2"),
        &["request.body.pwd:password"],
    );
    check(
        &asked(
            "/",
            &[("Content-Type", "text/xml")],
            "<l><password a='1'>x</password><b>y</b></l>",
        ),
        "/http/request/body/content",
        &body("<l><password a='[masked:password:#]'>[masked:password:#]</password><b>y</b></l>"),
        &[
            "request.body:/l/password/@a:password",
            "request.body:/l/password:password",
        ],
    );
    check(
        &answered(
            &json,
            r#"{"data":"{\"token\":\"abc\"}","mail":"to bob@example.com, now"}"#,
        ),
        "/http/response/body/content",
        &body(r#"{"data":"{\"token\":\"[masked:token:#]\"}","mail":"to [masked:email:#], now"}"#),
        &[
            "response.body:$.data:$.token:token",
            "response.body:$.mail:email",
        ],
    );
    check(
        &answered(
            &[("Content-Type", "text/plain")],
            "login password=hunter2 ok, mail a@b.example",
        ),
        "/http/response/body/content",
        &body("login password=[masked:password:#] ok, mail [masked:email:#]"),
        &["response.body:password", "response.body:email"],
    );
    check(
        &answered(&json, r#"{"bob@example.com":{"age":1},"ok":true}"#),
        "/http/response/body/content",
        &body(r#"{"[masked:email:#]":{"age":1},"ok":true}"#),
        &["response.body:$:email"],
    );
}

#[test]
fn what_is_of_no_part_is_looked_at_too() {
    let key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let with = |kind: &'static str, text: &str| {
        let (given, left) = (
            text.replace('#', key),
            text.replace('#', "[masked:cloud_key:#]"),
        );
        let exchange = asked("/", &[("Content-Type", kind)], &given);
        let told = &["request.body:cloud_key"];
        check(&exchange, "/http/request/body/content", &json!(left), told);
    };
    with("application/graphql", "query { a(b: #) { c } }");
    with("text/xml", "<a # b='1'><c/></a #>");
    with(
        "multipart/form-data; boundary=b",
        "see #\r\n--b\r\nX-Note: #\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--\r\n",
    );
    let exchange = answered(&[("Set-Cookie", &format!("a=b; Path=/{key}"))], "");
    let left = json!([[
        "set-cookie",
        "a=[masked:cookie:#]; Path=/[masked:cloud_key:#]"
    ]]);
    let told = [
        "response.cookies.a:cookie",
        "response.headers.set-cookie:cloud_key",
    ];
    check(&exchange, "/http/response/headers", &left, &told);
}

#[test]
fn what_cannot_be_looked_into_is_left_out() {
    let png = asked(
        "/",
        &[("Content-Type", "image/png")],
        "\u{1}\u{2}\u{3}\u{4}PNG",
    );
    let body = json!({ "captured_bytes": 7, "media_type": "image/png" });
    check(&png, "/http/request/body", &body, &[]);
    let kept = Options {
        binary_bodies: true,
        ..Options::default()
    };
    let event = event_by(&png, kept);
    assert_eq!(event["http"]["request"]["body"]["encoding"], "text");
    let multipart = "--b\r\nContent-Disposition: form-data; name=a; filename=x\r\n\r\n\u{1}\u{2}\u{3}\r\n--b--\r\n";
    let exchange = asked(
        "/",
        &[("Content-Type", "multipart/form-data; boundary=b")],
        multipart,
    );
    let event = event_by(&exchange, Options::default());
    let content = event["http"]["request"]["body"]["content"]
        .as_str()
        .unwrap();
    assert!(
        content.contains("[binary:3]") && !content.contains('\u{1}'),
        "{content}"
    );
}

#[test]
fn ordinary_values_stay() {
    let body = r#"{"order":"ORD-2024-000123","id":"550e8400-e29b-41d4-a716-446655440000","at":1718876884123,
        "ts":"2024-06-20T11:48:04.123Z","code":"not_found","status":200,"key":"color","token_type":"Bearer",
        "expires_in":3600,"phone_id":"1234567890","sku":"9780306406157","version":"10.0.19045.3803",
        "hash":"d41d8cd98f00b204e9800998ecf8427e","max_tokens":4096,"name":"O'Brien","price":"1,234.56"}"#;
    let fields = [
        ("Content-Type", "application/json"),
        ("ETag", "\"6740a5d3-15e\""),
    ];
    check(
        &answered(&fields, body),
        "/http/response/body/content",
        &json!(body),
        &[],
    );
}

#[test]
fn the_configuration_adds_and_takes_away() {
    let options = || Options {
        rules: Rules {
            names: vec!["x-internal".into(), "nick".into()],
            paths: vec![Path::parse("$.user.address").unwrap()],
            patterns: [("employee".into(), Pattern::parse("E[0-9]{6}").unwrap())].into(),
            allow_names: vec!["csrf_token".into()],
            allow_paths: vec![Path::parse("$.public").unwrap()],
            allow_values: vec![Pattern::parse(".*@example\\.org").unwrap()],
        },
        last_four: vec!["payment_card".into()],
        ..Options::default()
    };
    let body = r#"{"nick":"n","user":{"address":{"city":"c"}},"note":"by E123456","csrf_token":"t",
        "public":{"password":"p"},"mail":"a@example.org","card":"4111-1111-1111-1111"}"#;
    let fields = [("Content-Type", "application/json"), ("X-Internal", "i")];
    let event = event_by(&asked("/", &fields, body), options());
    assert_eq!(
        event["http"]["request"]["headers"][1][1],
        "[masked:secret:#]"
    );
    let content = event["http"]["request"]["body"]["content"]
        .as_str()
        .unwrap();
    let expected = r#"{"nick":"[masked:secret:#]","user":{"address":{"city":"[masked:secret:#]"}},"note":"by [masked:employee:#]","csrf_token":"t",
        "public":{"password":"p"},"mail":"a@example.org","card":"****-****-****-1111"}"#;
    assert_eq!(content, expected);
    // Rules of a route count for that alone.
    let of_route = Options {
        routes: vec![(RoutePattern::parse("/a/*").unwrap(), options().rules)],
        ..Options::default()
    };
    let mut exchange = asked("/b/1", &fields, r#"{"nick":"n"}"#);
    let content = |exchange: &Exchange, options: &Options| {
        let event = event_by(exchange, options.clone());
        event["http"]["request"]["body"]["content"].clone()
    };
    assert_eq!(content(&exchange, &of_route), r#"{"nick":"n"}"#);
    let masked = r#"{"nick":"[masked:secret:#]"}"#;
    // By its template, or by its path, which may be one that nothing answers.
    exchange.known.route = Some(crate::exchange::Route {
        host: "".into(),
        template: "/a/{id}".into(),
        endpoint: 1,
    });
    assert_eq!(content(&exchange, &of_route), masked);
    let unanswered = asked("/a/1", &fields, r#"{"nick":"n"}"#);
    assert_eq!(content(&unanswered, &of_route), masked);
}

#[test]
fn all_rules_that_are_for_a_route_count() {
    let names = |name: &str| Rules {
        names: vec![name.to_owned()],
        ..Rules::default()
    };
    let route = |text: &str, name: &str| (RoutePattern::parse(text).unwrap(), names(name));
    let options = Options {
        rules: names("all"),
        routes: vec![
            route("/a/*", "one"),
            route("/b", "not"),
            route("*/a/{x}", "two"),
        ],
        ..Options::default()
    };
    let fields = [("Content-Type", "application/json"), ("Host", "h")];
    let body = r#"{"all":"1","one":"2","two":"3","not":"4"}"#;
    let event = event_by(&asked("/a/1", &fields, body), options);
    let content = &event["http"]["request"]["body"]["content"];
    let mask = "\"[masked:secret:#]\"";
    let expected = format!(r#"{{"all":{mask},"one":{mask},"two":{mask},"not":"4"}}"#);
    assert_eq!(*content, expected);
}

#[test]
fn equal_values_have_equal_masks_in_any_coding() {
    let of = |target: &str| sealed_by(&asked(target, &[], ""), Options::default());
    let hash = |line: &str| {
        line.split_once("hmac:")
            .map(|(_, rest)| rest[..16].to_owned())
            .unwrap()
    };
    let (plain, coded) = (of("/?token=a%20b"), of("/?token=%61+%62"));
    assert_eq!(hash(&plain), hash(&coded));
    assert_ne!(hash(&plain), hash(&of("/?token=a%20c")));
}

#[test]
fn clients_and_users_may_go_by_pseudonyms() {
    let options = Options {
        pseudonymise_client: true,
        pseudonymise_user: true,
        ..Options::default()
    };
    let fields = [("X-Forwarded-For", "203.0.113.7"), ("X-User-Id", "alice")];
    let line = sealed_by(&asked("/?user=alice", &fields, ""), options);
    assert!(
        !line.contains("203.0.113.7") && !line.contains("alice"),
        "{line}"
    );
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["client"]["address"], event["peer"]["address"]);
    assert_eq!(event["client"]["port"], 51_322);
}

#[test]
fn a_client_under_a_pseudonym_has_no_coordinates() {
    let mut exchange = asked("/", &[], "");
    exchange.known.geo = Some(Arc::new(crate::lookup::Geo {
        country: Some("DE".to_owned()),
        location: Some(crate::event::Location([525_200, 134_050])),
        as_number: Some(3320),
        as_name: None,
    }));
    let client = |pseudonymise_client| {
        let options = Options {
            pseudonymise_client,
            ..Options::default()
        };
        let line = sealed_by(&exchange, options);
        serde_json::from_str::<Value>(&line).unwrap()["client"].clone()
    };
    let (named, hidden) = (client(false), client(true));
    assert_eq!(named["geo"]["location"], json!([52.52, 13.405]));
    assert_eq!(hidden["geo"], json!({ "country": "DE" }));
    assert_eq!(hidden["as"], named["as"]);
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn base64(text: &str) -> String {
    let text = crate::base64::encode(text.as_bytes());
    text.trim_end_matches('=').to_owned()
}

/// An exchange with `secret` called `name`, in the place and the nesting of this number.
fn planted(place: usize, name: &str, secret: &str, cut: usize) -> Exchange {
    let json = format!(r#"{{"a":[1,{{"{name}":"{secret}"}}],"b":"c"}}"#);
    let quoted = json.replace('\\', "\\\\").replace('"', "\\\"");
    let form = "application/x-www-form-urlencoded";
    let as_json = |body: &str| asked("/", &[("Content-Type", "application/json")], body);
    let as_form = |body: &str| asked("/", &[("Content-Type", form)], body);
    let mut exchange = match place {
        0 => asked("/", &[("Authorization", &format!("Bearer {secret}"))], ""),
        1 => asked("/", &[("Cookie", &format!("x=1; {name}={secret}"))], ""),
        2 => asked(&format!("/p?x=1&{name}={secret}&y"), &[], ""),
        3 => asked(&format!("/p?{name}={}", percent(secret)), &[], ""),
        4 => asked(&format!("/p;{name}={secret}/x"), &[], ""),
        5 => as_json(&json),
        6 => as_json(&format!(r#"{{"x":"{quoted}"}}"#)),
        7 => as_form(&format!("x=1&{name}={secret}&z")),
        8 => as_form(&format!("x={}", percent(&json))),
        9 => as_form(&format!("x={}", base64(&json))),
        10 => asked(
            "/",
            &[("Referer", &format!("https://h/?{name}={secret}"))],
            "",
        ),
        11 => answered(&[("Location", &format!("https://h/#{name}={secret}"))], ""),
        12 => answered(
            &[("Content-Type", "text/xml")],
            &format!("<a><{name}>{secret}</{name}></a>"),
        ),
        13 => asked(
            "/",
            &[("Content-Type", "multipart/form-data; boundary=B")],
            &format!(
                "--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{secret}\r\n--B--"
            ),
        ),
        14 => as_json(&format!(
            r#"{{"query":"mutation {{ f({name}: \"{secret}\") {{ id }} }}"}}"#
        )),
        15 => answered(
            &[("Content-Type", "text/plain")],
            &format!("it says {name}={secret} here"),
        ),
        16 => answered(
            &[("Content-Type", "application/json")],
            &format!("{{\"a\":1, !! \"{name}\": \"{secret}\""),
        ),
        17 => answered(&[("Set-Cookie", &format!("{name}={secret}; Path=/"))], ""),
        18 => answered(&[], &json),
        _ => as_json(&format!(r#"{{"x":"https://h/?{name}={secret}"}}"#)),
    };
    for half in [&mut exchange.request, &mut exchange.response]
        .into_iter()
        .flatten()
    {
        let len = half.body.content.len();
        half.body.content.truncate(len.saturating_sub(cut));
    }
    if cut > 0 {
        exchange.request_seen = crate::exchange::Seen::Truncated;
        exchange.response_seen = crate::exchange::Seen::Truncated;
    }
    exchange
}

proptest! {
    #[test]
    fn no_planted_secret_is_ever_written(
        place in 0..20_usize,
        name in "(password|token|access_token|clientSecret|api-key|sessionId|db_passwd)",
        secret in "[A-Za-z0-9]{16,40}",
        cut in prop_oneof![Just(0_usize), 0..24_usize],
    ) {
        // XML has no such names.
        let exchange = planted(place, &name, &secret, cut);
        let line = sealed_by(&exchange, Options::default());
        // Of a value that is cut the beginning is a secret too.
        let start = &secret[..10];
        for form in [start.to_owned(), percent(start), base64(start)[..12].to_owned()] {
            prop_assert!(!line.contains(&form), "{} {}: {}", place, form, line);
        }
    }
}

#[test]
fn tokens_that_are_good_once_are_masked_in_a_path() {
    for (path, told) in [
        ("/password/reset/", true),
        ("/auth/Reset-Password/", true),
        ("/verify_email/", true),
        ("/orders/", false),
        ("/reset/orders/", false),
        ("/services/T0AB12CD3/B0AB12CD4/", true),
        ("/services/T0AB12CD3/orders/", false),
        ("/api/webhooks/123456789012345678/", true),
        ("/webhook/", true),
        ("/webhooks/all/", false),
    ] {
        for token in [
            "7SkQuzhOJqRJqb7JfWr3raaChSrINRRN",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "Zm9v-YmFy_8Jh2kd9",
            "nREsKUpsMsMMOocMKsDYrrgvREzASLMl",
        ] {
            let may_be_id = token.len() == 36 && !path.contains("set") && !path.contains("verify");
            let told = told && !may_be_id;
            let shown = if told { "[masked:token:#]" } else { token };
            let sensitive: &[&str] = if told {
                &["request.path[*]:token"]
            } else {
                &[]
            };
            let exchange = asked(&format!("{path}{token}/x"), &[], "");
            let expected = json!(format!("{path}{shown}/x"));
            check(&exchange, "/url/path", &expected, sensitive);
        }
    }
    let session = asked("/(S(lit3py55t21z5v55vlm25s55))/x", &[], "");
    let told = ["request.path[*]:token"];
    check(&session, "/url/path", &json!("/[masked:token:#]/x"), &told);
    for word in [
        "step-2-of-the-way",
        "2026-11-28-report",
        "anna-from-sales-2026",
        "a-very-long-word-indeed",
        "theNewPasswordForCustomers",
        "ALL-GREAT-LETTERS-HERE",
        "18374651",
    ] {
        let path = format!("/reset/{word}");
        check(&asked(&path, &[], ""), "/url/path", &json!(path), &[]);
    }
}

#[test]
fn a_body_whose_codings_were_taken_off_is_told_and_masked() {
    let fields = &[
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ];
    let mut exchange = answered(fields, r#"{"password":"hunter2-xyz","name":"anna"}"#);
    let at = "/http/response/body";
    // Nobody could look into what is still coded.
    let coded = json!({ "captured_bytes": 40, "media_type": "application/json" });
    check(&exchange, at, &coded, &[]);
    if let Some(response) = &mut exchange.response {
        response.body.is_decoded = true;
    }
    let plain = json!({
        "content": r#"{"password":"[masked:password:#]","name":"anna"}"#, "encoding": "text",
        "captured_bytes": 40, "media_type": "application/json", "decoded_from": "gzip",
    });
    check(
        &exchange,
        at,
        &plain,
        &["response.body:$.password:password"],
    );
}
