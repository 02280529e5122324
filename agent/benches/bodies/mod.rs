//! What a body costs that is taken apart and marked, by its form and its length.

use std::hint::black_box;

use eaves::content::Parts;
use eaves::exchange::Exchange;
use eaves::pipeline::{Outcome, Shard, ShardOptions};
use eaves::redact::{Marker, Redactor};

use crate::measure::{Bench, Cost, cost};
use crate::traffic::{Kind, Traffic, answer, users};

/// Times that a body is taken apart in a pass: so few that a pass is short.
const TIMES: u64 = 4;

/// A body of so many bytes, or a few more.
type Text = fn(usize) -> String;

/// Each with its media type.
const TEXTS: [(&str, &str, Text); 6] = [
    ("JSON, records of users", "application/json", |bytes| {
        users(7, bytes + 60)
    }),
    ("JSON, dates and e-mail", "application/json", |bytes| {
        let one = "\"2026-11-21 06:02\",\"a.b@example.com\",";
        format!("[{}0]", again(one, bytes))
    }),
    ("a form", "application/x-www-form-urlencoded", |bytes| {
        again(
            "name=Ada+Lovelace&team=engines&note=Please+ring+twice%2C+the+bell+is+quiet&",
            bytes,
        )
    }),
    ("text", "text/plain", |bytes| {
        again(
            "Please ring twice: the bell is quiet. The parcel of Monday (two boots, brown) has come.\n",
            bytes,
        )
    }),
    ("HTML", "text/html", |bytes| {
        again(
            "<p class=\"price\">EUR 129.00</p><a href=\"/c/shoes?size=42\">Boots &amp; shoes, brown</a>\n",
            bytes,
        )
    }),
    ("XML", "application/xml", |bytes| {
        let one = "<user id=\"7\"><name>Ada Lovelace</name><team>engines</team></user>";
        format!("<users>{}</users>", again(one, bytes))
    }),
];

fn again(text: &str, bytes: usize) -> String {
    text.repeat(bytes / text.len() + 1)
}

/// A row for the first bytes of each form, and one for those behind.
pub(crate) fn rows(bench: &Bench, redactor: &Redactor) {
    let mut marker = Marker::new();
    for (name, media_type, text) in TEXTS {
        let mut of = |kib: usize| {
            let exchange = exchange(media_type, &text(kib << 10));
            let mut memory = Parts::new();
            cost(TIMES, || {
                for _ in 0..TIMES {
                    let parts = exchange.parts(std::mem::take(&mut memory));
                    black_box(marker.mark(redactor, &parts));
                    memory = parts.recycle();
                }
            })
        };
        let byte = |Cost { ns, allocations }: Cost, kib: f64| Cost {
            ns: ns / (kib * 1024.0),
            allocations,
        };
        bench.step(&format!("{name}: a byte of 1 KiB"), || byte(of(1), 1.0));
        bench.step(&format!("{name}: each further byte (goal 5)"), || {
            let [one, sixteen] = [1, 16].map(&mut of);
            let further = Cost {
                ns: sixteen.ns - one.ns,
                allocations: sixteen.allocations - one.allocations,
            };
            byte(further, 15.0)
        });
    }
}

/// A small GET that is answered with this body.
fn exchange(media_type: &str, text: &str) -> Exchange {
    let (request, _) = Kind::Get.messages(7);
    let mut shard = Shard::new(&ShardOptions::default());
    let mut out = Outcome::default();
    for record in Traffic::new().of(&request, &answer(media_type, text)) {
        shard.push(&record, &mut out);
    }
    let exchange = out.exchanges.pop().expect("an exchange");
    let body = exchange.response.as_ref().map(|half| &half.body.content);
    assert_eq!(
        body.map(|content| content.len() >> 10),
        Some(text.len() >> 10)
    );
    exchange
}
