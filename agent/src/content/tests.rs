use super::{Body, BodyForm, Container, Kind, Layer, Message, Parts, Place, Side, Signs};
use proptest::prelude::*;

const FORM: &str = "application/x-www-form-urlencoded";

type Fields<'a> = &'a [(&'a str, &'a str)];

fn bytes<'a>(field: &'a (&'a str, &'a str)) -> (&'a [u8], &'a [u8]) {
    (field.0.as_bytes(), field.1.as_bytes())
}

fn taken<'a>(target: &'a str, fields: Fields<'a>, body: Body<'a>) -> Parts<'a> {
    let mut parts = Parts::new();
    parts.take(Message {
        side: Side::Request,
        target: target.as_bytes(),
        fields: fields.iter().map(bytes),
        trailers: [].iter().map(bytes),
        body,
    });
    parts
}

fn body<'a>(media_type: &'a str, content: &'a [u8]) -> Body<'a> {
    Body {
        content,
        media_type: Some(media_type.as_bytes()).filter(|name| !name.is_empty()),
        is_whole: true,
        is_coded: false,
    }
}

/// What a span of a message holds.
fn bytes_at<'a>(
    target: &'a str,
    fields: Fields<'a>,
    content: &'a [u8],
    (container, range): (Container, std::ops::Range<usize>),
) -> &'a [u8] {
    let container = match container {
        Container::Target => target.as_bytes(),
        Container::Field(at) => fields[usize::from(at)].1.as_bytes(),
        Container::Body => content,
        Container::Trailer(_) | Container::Message(_) => b"",
    };
    &container[range]
}

/// Names, values and layers of all parts; the raw bytes of each are where it says.
fn told(parts: &Parts<'_>, target: &str, fields: Fields<'_>, content: &[u8]) -> Vec<String> {
    let spelled = |part: super::Part<'_, '_>| {
        let at = bytes_at(target, fields, content, part.span());
        if !part.is_nested() {
            assert_eq!(at, part.raw(), "{part:?}");
        }
        let layers: Vec<_> = part.layers().iter().map(Layer::as_str).collect();
        let cut = if part.is_cut() { "…" } else { "" };
        let layers = if layers.is_empty() {
            String::new()
        } else {
            format!(" <{}>", layers.join(" "))
        };
        let name = part.name().unwrap();
        format!(
            "{name} = {}{cut}{layers}",
            String::from_utf8_lossy(part.value())
        )
    };
    parts.iter().map(spelled).collect()
}

fn have_the_signs_of_their_values(parts: &Parts<'_>) {
    let is_other =
        |part: &super::Part<'_, '_>| part.kind() == Kind::Text && !part.signs().is_time();
    for part in parts.iter().filter(is_other) {
        let has = |is: fn(&u8) -> bool| part.value().iter().any(is);
        for (sign, has) in [
            (Signs::DIGIT, has(u8::is_ascii_digit)),
            (Signs::AT, has(|byte| *byte == b'@')),
            (Signs::PAIR, has(|byte| b"=:".contains(byte))),
            (
                Signs::CODING,
                has(|byte| b"%&\\".contains(byte) || !byte.is_ascii()),
            ),
            (Signs::WITHIN, has(|byte| b"{[</?#=:".contains(byte))),
            (Signs::DOT, has(|byte| *byte == b'.')),
        ] {
            assert!(!has || part.signs().may_have(sign), "{part:?}");
        }
    }
}

#[track_caller]
fn check(target: &str, fields: Fields<'_>, body: Body<'_>, expected: &[&str]) {
    let parts = taken(target, fields, body);
    assert_eq!(told(&parts, target, fields, body.content), expected);
    have_the_signs_of_their_values(&parts);
    // The same memory gives the same parts, also once it knows the fields.
    let mut again = parts.recycle();
    for _ in 0..3 {
        again.take(Message {
            side: Side::Request,
            target: target.as_bytes(),
            fields: fields.iter().map(bytes),
            trailers: [].iter().map(bytes),
            body,
        });
        assert_eq!(told(&again, target, fields, body.content), expected);
        have_the_signs_of_their_values(&again);
        again = again.recycle();
    }
    // A body that is cut anywhere gives those parts that end before the cut, in that order.
    let ends_before = |part: &super::Part<'_, '_>, cut: usize| {
        let (container, range) = part.span();
        container != Container::Body || (range.end + 1 < cut && !part.is_nested())
    };
    let whole = taken(target, fields, body);
    for cut in 0..body.content.len() {
        let cut_body = Body {
            content: &body.content[..cut],
            is_whole: false,
            ..body
        };
        let some = taken(target, fields, cut_body);
        if some.form(Side::Request) != whole.form(Side::Request) {
            continue;
        }
        let begins = |have: &super::Part<'_, '_>, part: &super::Part<'_, '_>| {
            let ((container, have_at), (whole, at)) = (have.span(), part.span());
            let is_same = have_at.start == at.start && have.value().starts_with(part.value());
            // The head of a multipart's part is text until all of it is there.
            let is_text = have.place() == Place::Text && have_at.start <= at.start;
            container == whole && (is_same || (is_text && at.end <= have_at.end))
        };
        for part in whole.iter().filter(|part| ends_before(part, cut)) {
            let is_there = some.iter().any(|have| begins(&have, &part));
            assert!(
                is_there || part.kind() == Kind::Word,
                "cut at {cut}: {part:?}"
            );
        }
    }
}

#[test]
fn the_target_gives_segments_parameters_and_query() {
    check(
        "/users/a%2fb;v=1;x/?id=42&q=a+b%26&flag&=no&%6eame=",
        &[],
        Body::default(),
        &[
            "request.path[0] = users",
            "request.path[1] = a/b <percent>",
            "request.path[1].v = 1",
            "request.path[1].x = ",
            "request.query.id = 42",
            "request.query.q = a b& <plus percent>",
            "request.query.flag = ",
            "request.query. = no",
            "request.query.name = ",
        ],
    );
    check(
        "https://u@h:1/a?b=c",
        &[],
        Body::default(),
        &[
            "request.authority = https://u@h:1",
            "request.path[0] = a",
            "request.query.b = c",
        ],
    );
    check("*", &[], Body::default(), &["request.path[0] = *"]);
}

#[test]
fn header_fields_cookies_and_what_lies_in_them() {
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IiLCJhIjpbMV19.";
    let bearer = format!("Bearer {token}");
    check(
        "",
        &[
            ("Authorization", &bearer),
            ("Cookie", "s=a%20b; =x; lone ;  t=\"q\""),
            ("Set-Cookie", "sid=1; Path=/; HttpOnly"),
            ("Referer", "https://h/p?token=x%79#state=2"),
            ("Cache-Control", "max-age=0"),
        ],
        Body::default(),
        &[
            &format!("request.headers.authorization = {bearer}"),
            "request.headers.authorization:jwt.header.alg = none <jwt>",
            "request.headers.authorization:jwt.claims.sub = bob <jwt>",
            "request.headers.authorization:jwt.claims.a[0] = 1 <jwt>",
            "request.cookies.s = a b <percent>",
            "request.cookies. = x",
            "request.cookies. = lone",
            "request.cookies.t = \"q\"",
            "request.cookies.sid = 1",
            "request.headers.referer = https://h/p?token=x%79#state=2",
            "request.headers.referer.query.token = xy <url percent>",
            "request.headers.referer.fragment.state = 2 <url>",
            "request.headers.cache-control = max-age=0",
        ],
    );
}

#[test]
fn json_of_any_depth() {
    check(
        "",
        &[],
        body(
            "application/json; charset=utf-8",
            br#" {"user":{"name":"b\u00f6b","a b":[1,-2.5e3,[true,{}]]},"e":[],"":"x"} "#,
        ),
        &[
            "request.body:$.user.name = böb <escape>",
            "request.body:$.user['a b'][0] = 1",
            "request.body:$.user['a b'][1] = -2.5e3",
            "request.body:$.user['a b'][2][0] = true",
            "request.body:$.user['a b'][2][1] = {}",
            "request.body:$.e = []",
            "request.body:$[''] = x",
        ],
    );
}

#[test]
fn several_texts_of_json_and_what_is_none() {
    check(
        "",
        &[],
        body("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}\n\"b\"\n"),
        &[
            "request.body:$.a = 1",
            "request.body:$.a = 2",
            "request.body:$ = b",
        ],
    );
    check(
        "",
        &[],
        body("application/json", b"{\"a\":1, oops: 'password'}"),
        &["request.body:$.a = 1", "request.body = oops: 'password'}"],
    );
    check(
        "",
        &[],
        body("application/json", b"a=1&b=2"),
        &["request.body = a=1&b=2"],
    );
}

#[test]
fn forms_and_what_is_nested_in_them() {
    check(
        "",
        &[],
        body(
            FORM,
            b"p=%7B%22k%22%3A%22v%5Cn%22%7D&d=eyJwYXNzIjoieHl6dyJ9&u=https%3A%2F%2Fh%2F%3Fa%3Db",
        ),
        &[
            "request.body.p = {\"k\":\"v\\n\"} <percent>",
            "request.body.p:$.k = v\n <percent json escape>",
            "request.body.d = eyJwYXNzIjoieHl6dyJ9",
            "request.body.d = {\"pass\":\"xyzw\"} <base64>",
            "request.body.d:$.pass = xyzw <base64 json>",
            "request.body.u = https://h/?a=b <percent>",
            "request.body.u.query.a = b <percent url>",
        ],
    );
}

#[test]
fn multipart_with_files() {
    let content = b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\n\
        content-disposition: form-data; name=f; filename=\"x.bin\"\r\nContent-Type: image/png\r\n\r\n\
        \x89\x00\x01\x02\r\n--B\r\n\r\nbare\r\n--B--\r\n";
    let body = body("multipart/form-data; boundary=\"B\"", content);
    check(
        "",
        &[],
        body,
        &[
            "request.body.a = 1",
            "request.body.f.filename = x.bin",
            "request.body.f = \u{fffd}\0\u{1}\u{2}",
            "request.body. = bare",
        ],
    );
    let parts = taken("", &[], body);
    assert_eq!(parts.part(2).unwrap().kind(), Kind::Binary);
    assert_eq!(parts.form(Side::Request), BodyForm::Multipart);
}

#[test]
fn xml_with_attributes_cdata_and_doctype() {
    check(
        "",
        &[],
        body(
            "application/soap+xml",
            b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///e\">]>\
              <a k='&lt;1' bare><b>t&#65;</b><c/><![CDATA[<raw>]]></a>",
        ),
        &[
            "request.body: = xml version=\"1.0\"",
            "request.body: = <!DOCTYPE a [<!ENTITY x SYSTEM \"file:///e\">]>",
            "request.body:/a/@k = <1 <entity>",
            "request.body:/a/b = tA <entity>",
            "request.body:/a = <raw>",
        ],
    );
}

#[test]
fn graphql_documents_and_variables() {
    let content = br#"{"query":"mutation L { login(user: \"bob\", pin: 1234) { id } }","variables":{"p":"x"}}"#;
    let body = body("application/json", content);
    check(
        "",
        &[],
        body,
        &[
            "request.body:$.query = mutation L { login(user: \"bob\", pin: 1234) { id } } <escape>",
            "request.body:$.query:graphql.user = bob <escape graphql>",
            "request.body:$.query:graphql.pin = 1234 <escape graphql>",
            "request.body:$.variables.p = x",
        ],
    );
    let parts = taken("", &[], body);
    let places: Vec<_> = parts.iter().map(super::Part::place).collect();
    let graphql = Place::GraphQl;
    assert_eq!(places, [Place::Json, graphql, graphql, graphql]);
}

#[test]
fn bodies_that_are_no_text_have_no_parts() {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00";
    check("", &[], body("application/json", gzip), &[]);
    let coded = Body {
        is_coded: true,
        ..body("text/plain", b"abc")
    };
    check("", &[], coded, &[]);
    check(
        "",
        &[],
        body("application/grpc-web-text+proto", b"AAAAAAcKBWFAYi5j"),
        &[
            "request.body = AAAAAAcKBWFAYi5j",
            "request.body = \0\0\0\0\u{7}\n\u{5}a@b.c <base64>",
        ],
    );
}

#[test]
fn a_value_cut_by_the_limit_is_a_part_and_says_so() {
    for (media_type, content, expected) in [
        (
            "application/json",
            "{\"a\":\"secr",
            "request.body:$.a = secr…",
        ),
        ("application/json", "{\"a\":12", "request.body:$.a = 12…"),
        (FORM, "a=secr", "request.body.a = secr…"),
        ("text/xml", "<a>secr", "request.body:/a = secr…"),
        ("text/xml", "<a b='secr", "request.body:/a/@b = secr…"),
        ("text/plain", "secr", "request.body = secr…"),
        (
            "multipart/form-data; boundary=B",
            "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nsecr",
            "request.body.a = secr…",
        ),
    ] {
        let mut cut = body(media_type, content.as_bytes());
        cut.is_whole = false;
        check("", &[], cut, &[expected]);
    }
}

#[test]
fn bounds_leave_text_and_hide_nothing() {
    let deep = "[".repeat(100) + "\"secret\"";
    let many = format!("[{}\"secret\"]", "1,".repeat(5000));
    let pairs = "a=1&".repeat(5000) + "b=secret";
    let path = "/a".repeat(5000) + "/secret";
    for (target, body) in [
        ("", body("application/json", deep.as_bytes())),
        ("", body("application/json", many.as_bytes())),
        ("", body(FORM, pairs.as_bytes())),
        (&path[..], Body::default()),
    ] {
        let parts = taken(target, &[], body);
        assert!(parts.iter().len() <= super::arena::MOST_PARTS + 1);
        let last = parts.iter().last().unwrap();
        assert!(
            last.value().windows(6).any(|word| word == b"secret"),
            "{last:?}"
        );
    }
}

#[test]
fn bytes_of_a_value_are_found_in_the_message() {
    let content = br#"{"a":"{\"mail\":\"x\u0040y.z\"}"}"#;
    let parts = taken("", &[], body("application/json", content));
    let part = parts.iter().last().unwrap();
    assert_eq!(part.value(), b"x@y.z");
    let at = |range| bytes_at("", &[], content, part.span_of(range));
    assert_eq!(at(0..5), br"x\u0040y.z");
    assert_eq!(at(1..2), br"\u0040");
    let parts = taken("/?d=eyJwYXNzIjoieHl6dyJ9", &[], Body::default());
    let part = parts.iter().last().unwrap();
    assert_eq!(part.value(), b"xyzw");
    let at = bytes_at("/?d=eyJwYXNzIjoieHl6dyJ9", &[], b"", part.span_of(0..1));
    assert_eq!(at, b"eyJwYXNzIjoieHl6dyJ9");
}

proptest! {
    #[test]
    fn any_message_is_taken_apart(
        target in "[/?&=%+;#a-c]{0,30}",
        name in "(cookie|set-cookie|authorization|referer|x)",
        value in "[ -~]{0,30}",
        media_type in "(application/json|application/graphql|text/xml|multipart/x; boundary=b|application/grpc-web-text|)",
        content in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "[\\[\\]{}\",:\\\\a1 t\n-]{0,60}".prop_map(String::into_bytes),
            "[<>/!\\[\\]&;='a ?-]{0,60}".prop_map(String::into_bytes),
            "(--b|\r\n|\n|-|name=a;|content-disposition:| )*".prop_map(String::into_bytes),
        ],
    ) {
        let fields = [(&name[..], &value[..])];
        let parts = taken(&target, &fields, body(&media_type, &content));
        for part in parts.iter() {
            let at = bytes_at(&target, &fields, &content, part.span());
            prop_assert!(part.is_nested() || at == part.raw());
        }
        prop_assert!(parts.names().all(|name| name.parent_number().is_none_or(|at| at < name.number())));
    }
}
