//! Random exchanges, cut, lost, repeated and swapped at random: what is reported whole is right,
//! what is not whole says so, nothing is paired wrongly or invented, and the ledger balances.

use std::collections::HashSet;

use eaves_common::{EndReason, Flow, Missing};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::run;
use crate::capture::ConnBuilder;
use crate::exchange::{Exchange, Half, Seen};

/// A small generator of numbers (splitmix64, Steele et al. 2014), so that a seed is the whole case.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % below.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

/// So many cases of a property, the same each time.
pub(super) fn fixed(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    }
}

/// One exchange as it truly was.
#[derive(Debug)]
struct Truth {
    method: &'static str,
    status: u16,
    request_body: Vec<u8>,
    response_body: Vec<u8>,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Truth {
    fn new(id: usize, hostile: bool, dice: &mut Dice) -> Self {
        // After a loss only methods that are not the end of another are believed.
        let methods = if hostile { 5 } else { 4 };
        let method =
            ["GET", "POST", "HEAD", "PUT", "UPDATEREDIRECTREFERENCE"][dice.roll(methods) as usize];
        let status = [200, 200, 404, 204, 304, 500][dice.roll(6) as usize];
        let request_body = match method {
            "POST" | "PUT" => body(id, hostile, dice),
            _ => Vec::new(),
        };
        let no_body = method == "HEAD" || matches!(status, 204 | 304);
        let full = body(id + 1000, hostile, dice);
        let mut request = Vec::new();
        if dice.one_in(8) {
            request.extend(b"\r\n");
        }
        request.extend(format!("{method} /x/{id} HTTP/1.1\r\nHost: example\r\n").bytes());
        if request_body.is_empty() {
            request.extend(b"\r\n");
        } else {
            encode(&request_body, &mut request, dice);
        }
        let mut response = Vec::new();
        if dice.one_in(6) {
            response.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        response.extend(format!("HTTP/1.1 {status} Said\r\nX-Id: {id}\r\n").bytes());
        if no_body {
            response.extend(format!("Content-Length: {}\r\n\r\n", full.len()).bytes());
        } else {
            encode(&full, &mut response, dice);
        }
        let response_body = if no_body { Vec::new() } else { full };
        Self {
            method,
            status,
            request_body,
            response_body,
            request,
            response,
        }
    }
}

fn body(id: usize, hostile: bool, dice: &mut Dice) -> Vec<u8> {
    let len = [0, 10, 300, 5_000, 40_000, 150_000][dice.roll(6) as usize];
    let len = dice.roll(len + 1) as usize;
    let text: &[u8] = if hostile {
        b"GET /fake HTTP/1.1\r\nHost: fake\r\n\r\nHTTP/1.1 200 OK\r\nX-Id: 7\r\n\r\n0\r\n\r\n"
    } else {
        b"{\"some\": \"bytes of json\", \"and\": [1, 2, 3]}\r\n"
    };
    let start = id % text.len();
    text.iter().cycle().skip(start).take(len).copied().collect()
}

/// The rest of a head, and a body by length or in chunks.
fn encode(body: &[u8], out: &mut Vec<u8>, dice: &mut Dice) {
    if dice.one_in(2) {
        out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        return out.extend(body);
    }
    out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(1 + dice.roll(rest.len() as u64) as usize);
        rest = after;
        let extension = if dice.one_in(4) { ";a=\"b\"" } else { "" };
        out.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n");
    if dice.one_in(3) {
        out.extend(b"X-Trailer: yes\r\n");
    }
    out.extend(b"\r\n");
}

/// What happens to records.
#[derive(Clone, Copy, Debug)]
struct Damage {
    /// One record in so many is lost; 0 for none.
    lost: u64,
    /// One in so many is copied in part.
    cut: u64,
    /// One in so many changes place with the next of its flow.
    swapped: u64,
    /// One in so many comes twice.
    repeated: u64,
    /// Bytes of a transfer at least.
    least: u64,
}

const NONE: Damage = Damage {
    lost: 0,
    cut: 0,
    swapped: 0,
    repeated: 0,
    least: 1,
};

/// Cuts `bytes` into records of one flow, and damages them; which exchanges lost bytes is told by
/// the flag.
fn transfers(
    conn: &mut ConnBuilder,
    flow: Flow,
    bytes: &[u8],
    damage: Damage,
    dice: &mut Dice,
) -> (Vec<Vec<u8>>, bool) {
    let mut records = Vec::new();
    let mut damaged = false;
    let mut rest = bytes;
    let most = [1, 20, 700, 16_384, 200_000][dice.roll(5) as usize].max(bytes.len() as u64 / 50);
    while !rest.is_empty() {
        let len = (damage.least + dice.roll(most)).min(rest.len() as u64);
        let (payload, after) = rest.split_at(len as usize);
        rest = after;
        if damage.lost > 0 && dice.one_in(damage.lost) {
            conn.pass(flow, len);
            conn.after_loss = dice.one_in(2);
            damaged = true;
        } else if damage.cut > 0 && dice.one_in(damage.cut) {
            let kept = &payload[..dice.roll(len) as usize];
            let missing =
                [Missing::Limit, Missing::Fault, Missing::UnseenPath][dice.roll(3) as usize];
            records.push(conn.part(flow, kept, len, missing));
            damaged = true;
        } else {
            records.push(conn.data(flow, payload));
        }
    }
    for pair in records.chunks_exact_mut(2) {
        if damage.swapped > 0 && dice.one_in(damage.swapped) {
            pair.reverse();
        }
    }
    if damage.repeated > 0 && dice.one_in(damage.repeated) && !records.is_empty() {
        let at = dice.roll(records.len() as u64) as usize;
        records.insert(at, records[at].clone());
    }
    (records, damaged)
}

struct Story {
    truths: Vec<Truth>,
    records: Vec<Vec<u8>>,
    /// Of each exchange, whether a record of it was damaged.
    damaged: Vec<bool>,
}

/// A conn's exchanges; with `pipelined`, several requests at once.
fn story(seed: u64, count: usize, pipelined: bool, hostile: bool, damage: Damage) -> Story {
    let dice = &mut Dice(seed);
    let truths: Vec<_> = (0..count).map(|id| Truth::new(id, hostile, dice)).collect();
    let mut conn = if dice.one_in(2) {
        ConnBuilder::tcp(1)
    } else {
        ConnBuilder::unix(1, 2)
    };
    let mut records = vec![conn.open()];
    let mut damaged = Vec::new();
    let mut rest = &truths[..];
    while !rest.is_empty() {
        let burst = if pipelined {
            2 + dice.roll(3) as usize
        } else {
            1
        };
        let (now, after) = rest.split_at(burst.min(rest.len()));
        // The first turn is left alone: it shows which end this is, and that turns are taken.
        let damage = if damaged.len() < 2 { NONE } else { damage };
        let requests: Vec<_> = now.iter().flat_map(|truth| truth.request.clone()).collect();
        let responses: Vec<_> = now
            .iter()
            .flat_map(|truth| truth.response.clone())
            .collect();
        conn.after_loss = false;
        let (sent, lost) = transfers(&mut conn, Flow::Received, &requests, damage, dice);
        records.extend(sent);
        conn.after_loss = false;
        let (answered, lost_too) = transfers(&mut conn, Flow::Sent, &responses, damage, dice);
        records.extend(answered);
        damaged.extend(now.iter().map(|_| lost || lost_too));
        rest = after;
    }
    records.push(conn.end(EndReason::SentFinished));
    if conn.has_sequence() {
        // Each way a FIN.
        conn.pass(Flow::Sent, 1);
        conn.pass(Flow::Received, 1);
    }
    records.push(conn.end(EndReason::ReceivedFinished));
    records.push(conn.end(EndReason::Closed));
    Story {
        truths,
        records,
        damaged,
    }
}

/// Which exchange a half belongs to, by what it says.
fn id(exchange: &Exchange, request: bool) -> Option<usize> {
    let text = if request {
        let head = &exchange.request.as_ref()?.head;
        head.get(head.target).strip_prefix(b"/x/")?
    } else {
        exchange.response.as_ref()?.head.field("x-id")?
    };
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn check_half(half: &Half, seen: Seen, body: &[u8], what: &str) {
    let content = &half.body.content;
    assert!(
        body.starts_with(content),
        "{what}: content is not the body's"
    );
    match seen {
        Seen::Whole => {
            assert_eq!(half.body.total_bytes, Some(body.len() as u64), "{what}");
            assert_eq!(content, body, "{what}");
        }
        Seen::Truncated => assert_eq!(half.body.total_bytes, Some(body.len() as u64), "{what}"),
        Seen::Gap => {
            let total = half.body.total_bytes;
            assert!(
                total.is_none_or(|n| n == body.len() as u64),
                "{what}: {total:?}"
            );
        }
        Seen::Unfinished => {
            let total = half.body.total_bytes;
            assert!(
                total.is_none_or(|n| n <= body.len() as u64),
                "{what}: {total:?}"
            );
        }
        Seen::JoinedLate | Seen::None => panic!("{what}: {seen:?} with a head"),
    }
}

/// Runs a story and judges what is reported of it: the ids of those that are complete.
fn judge(story: &Story) -> HashSet<usize> {
    let (out, _) = run(&story.records);
    let (mut asked, mut answered, mut complete) = (HashSet::new(), HashSet::new(), HashSet::new());
    for exchange in &out.exchanges {
        if let Some(half) = &exchange.request {
            let id = id(exchange, true).expect("an invented request");
            let truth = &story.truths[id];
            assert!(asked.insert(id), "request {id} twice");
            assert_eq!(half.head.get(half.head.word), truth.method.as_bytes());
            check_half(
                half,
                exchange.request_seen,
                &truth.request_body,
                &format!("request {id}"),
            );
        }
        if let Some(half) = &exchange.response {
            let id = id(exchange, false).expect("an invented response");
            let truth = &story.truths[id];
            assert!(answered.insert(id), "response {id} twice");
            assert_eq!(half.status, truth.status);
            // Without its request nobody can tell that HEAD has no body.
            if exchange.request.is_some() || truth.method != "HEAD" {
                let what = format!("response {id}");
                check_half(half, exchange.response_seen, &truth.response_body, &what);
            }
        }
        if let (Some(asked), Some(answered)) = (id(exchange, true), id(exchange, false)) {
            assert_eq!(asked, answered, "paired wrongly");
            complete.insert(asked);
        }
    }
    complete
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn undamaged_exchanges_are_all_whole(
        seed: u64, count in 1..12usize, pipelined: bool, hostile: bool,
    ) {
        let story = story(seed, count, pipelined, hostile, NONE);
        let (out, _) = run(&story.records);
        prop_assert_eq!(out.exchanges.len(), count);
        for exchange in &out.exchanges {
            for seen in [exchange.request_seen, exchange.response_seen] {
                prop_assert!(matches!(seen, Seen::Whole | Seen::Truncated), "{:?}", exchange);
            }
        }
        prop_assert_eq!(judge(&story).len(), count);
    }

    #[test]
    fn swapped_and_repeated_records_change_nothing(
        seed: u64, count in 2..12usize, swapped in 1..5u64, repeated in 1..5u64,
    ) {
        let damage = Damage { swapped, repeated, ..NONE };
        let story = story(seed, count, false, false, damage);
        prop_assert_eq!(judge(&story).len(), count);
    }

    #[test]
    fn after_damage_the_next_exchange_is_right_again(
        seed: u64, count in 3..16usize, lost in 0..30u64, cut in 0..30u64,
    ) {
        // Whoever writes the first line byte by byte is heard again one exchange later.
        let damage = Damage { lost, cut, repeated: 20, least: 60, ..NONE };
        let story = story(seed, count, false, false, damage);
        let complete = judge(&story);
        for id in 0..count {
            // Where the next request is lost too, nobody can tell.
            let next = story.damaged.get(id + 1).copied().unwrap_or(false);
            let told = story.damaged[id] || next || complete.contains(&id);
            prop_assert!(told, "{} of {:?}", id, story.damaged);
        }
    }

    #[test]
    fn damaged_exchanges_are_never_wrong(
        seed: u64, count in 2..16usize, lost in 0..30u64, cut in 0..30u64, swapped in 0..10u64,
    ) {
        let damage = Damage { lost, cut, swapped, repeated: 10, least: 1 };
        judge(&story(seed, count, false, false, damage));
    }

    #[test]
    fn damaged_pipelines_are_never_wrong(
        seed: u64, count in 2..16usize, lost in 0..30u64, cut in 0..30u64,
    ) {
        let damage = Damage { lost, cut, swapped: 10, repeated: 10, least: 1 };
        judge(&story(seed, count, true, false, damage));
    }
}

/// What random tries once found wrong: a response whose request was lost, and its body too, was
/// taken for an answer to HEAD as soon as the client asked anew.
#[test]
fn a_body_lost_whole_is_no_answer_to_head() {
    for (seed, count, lost, cut) in [
        (7_035_178_126_791_200_260, 9, 15, 7),
        (8_096_329_293_125_374_909, 11, 7, 4),
    ] {
        let damage = Damage {
            lost,
            cut,
            repeated: 20,
            least: 60,
            ..NONE
        };
        judge(&story(seed, count, false, false, damage));
    }
}
