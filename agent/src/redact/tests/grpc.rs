//! What a server says of how a call of gRPC ended is decoded, and masked as all else.

use serde_json::Value;

use super::{exchange, get, head, ok};
use crate::capture::Origin;
use crate::event::write_line;
use crate::exchange::{Grpc, Route};
use crate::redact::{Masked, Options, Pattern, Redactor, RoutePattern, Rules, SealContext, seal};

/// The status message that is reported of one that came in trailers, or as those of gRPC-Web do.
#[track_caller]
fn check(sent: &str, context: &SealContext, expected: impl Fn(&str) -> bool) {
    for in_trailers in [true, false] {
        let mut response = ok(b"");
        if in_trailers {
            let fields: [(&[u8], &[u8]); 2] =
                [(b"grpc-status", b"5"), (b"grpc-message", sent.as_bytes())];
            response.trailers = Some(Box::new(head(b"", b"", &fields)));
        }
        let mut exchange = exchange(Some(get(b"/shop.Cart/Add")), Some(response));
        exchange.known.spoken.grpc = Some(Box::new(Grpc {
            status: Some(5),
            message: Some(sent.as_bytes().to_vec()),
            ..Grpc::default()
        }));
        exchange.known.route = Some(Route {
            host: "".into(),
            template: "/shop.Cart/Add".into(),
            endpoint: 1,
        });
        let mut masked = Masked::new();
        masked.fill(&exchange, context.redactor());
        let mut line = Vec::new();
        write_line(&seal(&exchange, &masked, context), &mut line).unwrap();
        let event: Value = serde_json::from_slice(&line).unwrap();
        let told = event["grpc"]["status_message"].as_str().unwrap();
        assert!(expected(told), "{told:?}, in trailers: {in_trailers}");
        let as_sent = event["http"]["response"]["trailers"].to_string();
        assert!(
            !told.contains("[masked:") || as_sent.contains("[masked:") == in_trailers,
            "{as_sent}"
        );
    }
}

#[test]
fn status_messages_are_decoded_and_masked() {
    let context = SealContext::new(&Origin::default());
    check("no such order", &context, |told| told == "no such order");
    check("caf%C3%A9 100%25 of 5%", &context, |told| {
        told == "caf\u{e9} 100% of 5%"
    });
    check("none at anna%40example.com", &context, |told| {
        told.contains("[masked:email:hmac:") && !told.contains("anna")
    });
    check("card%204111%201111%201111%201111", &context, |told| {
        told.contains("[masked:payment_card:hmac:") && !told.contains("1111")
    });
}

#[test]
fn a_message_whose_field_is_to_be_masked_is_masked() {
    let mut options = Options::default();
    options.rules.names.push("grpc-message".to_owned());
    let origin = Origin::default();
    let redactor = Redactor::of_origin(&origin, options);
    let context = SealContext::new(&origin).redacting(redactor.into());
    let mut response = ok(b"");
    response.trailers = Some(Box::new(head(
        b"",
        b"",
        &[(b"Grpc-Message", b"all%20of%20it")],
    )));
    let mut exchange = exchange(Some(get(b"/shop.Cart/Add")), Some(response));
    exchange.known.spoken.grpc = Some(Box::new(Grpc {
        message: Some(b"all%20of%20it".to_vec()),
        ..Grpc::default()
    }));
    let mut masked = Masked::new();
    masked.fill(&exchange, context.redactor());
    let told = String::from_utf8_lossy(masked.status_message().unwrap());
    assert!(
        told.starts_with("[masked:") && !told.contains("all"),
        "{told}"
    );
}

/// Rules that find the numbers of orders.
fn numbers_of_orders() -> Rules {
    let mut rules = Rules::default();
    let pattern = Pattern::parse("order [0-9]+").unwrap();
    rules.patterns.insert("order".to_owned(), pattern);
    rules
}

#[test]
fn patterns_hold_in_what_was_decoded() {
    let of_all = Options {
        rules: numbers_of_orders(),
        ..Options::default()
    };
    let route = RoutePattern::parse("/shop.Cart/*").unwrap();
    let of_route = Options {
        routes: vec![(route, numbers_of_orders())],
        ..Options::default()
    };
    let origin = Origin::default();
    for options in [of_all, of_route] {
        let redactor = Redactor::of_origin(&origin, options);
        let context = SealContext::new(&origin).redacting(redactor.into());
        for sent in [
            "no order 1234",
            "no%20order%201234",
            "no%20order%201234 of anna@example.com",
            "no%20order%201234%20of%20anna%40example.com",
            "no%2520order%25201234",
            "no order 1234 order%201234",
        ] {
            check(sent, &context, |told| {
                told.contains("[masked:") && !told.contains("1234") && !told.contains("anna")
            });
        }
        check("order%20of%20100%25", &context, |told| {
            told == "order of 100%"
        });
    }
}

#[test]
fn what_a_pattern_finds_as_it_was_sent_is_masked_alone() {
    let mut options = Options::default();
    let pattern = Pattern::parse("ORD-[0-9]+").unwrap();
    options.rules.patterns.insert("order".to_owned(), pattern);
    let origin = Origin::default();
    let redactor = Redactor::of_origin(&origin, options);
    let context = SealContext::new(&origin).redacting(redactor.into());
    check("no%20ORD-1234%20here", &context, |told| {
        told.starts_with("no [masked:order:hmac:") && told.ends_with("] here")
    });
}
