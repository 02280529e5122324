use super::{Asked, Ending, Framing, Limits, Parser, Side, Step};
use crate::protocol::{Anomalies, Head};
use crate::telemetry::{Counter, Counters};

/// Feeds `pieces` and tells what was found, bodies joined; `end` if the direction ends well after.
fn told(side: Side, asked: Asked, limits: &Limits, pieces: &[&[u8]], end: bool) -> Vec<String> {
    let mut parser = Parser::new(side);
    let mut counters = Counters::default();
    let mut told = Vec::new();
    let mut fed = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let mut input = *piece;
        fed += piece.len() as u64;
        loop {
            let first = at == 0 && input.len() == piece.len();
            let step = parser.step(&mut input, first, asked, limits, &mut counters);
            if step == Step::More {
                break;
            }
            tell(step, &mut told);
        }
        assert!(input.is_empty(), "bytes left over");
        assert!(
            parser.bytes() < 3 * limits.head_bytes + 8192,
            "holds {}",
            parser.bytes()
        );
    }
    if end {
        match parser.end(true) {
            Ending::Completes => {
                let step = parser.step(&mut &b""[..], false, asked, limits, &mut counters);
                tell(step, &mut told);
            }
            Ending::Between => {}
            Ending::Cuts(place) => told.push(format!("cut in {place:?}").to_lowercase()),
        }
    }
    let parts = [
        Counter::ProtocolBytesHead,
        Counter::ProtocolBytesBody,
        Counter::ProtocolBytesFraming,
        Counter::ProtocolBytesPassed,
    ];
    assert_eq!(
        parts.map(|part| counters.get(part)).iter().sum::<u64>(),
        fed
    );
    told
}

fn tell(step: Step<'_>, told: &mut Vec<String>) {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let names = |anomalies: Anomalies| {
        let names = anomalies.names();
        names
            .iter()
            .map(|name| format!(" !{name}"))
            .collect::<String>()
    };
    let fields = |head: &Head| {
        let fields = head.fields();
        let fields = fields.map(|(name, value)| format!(" {}={}", text(name), text(value)));
        fields.collect::<String>()
    };
    match step {
        Step::More => {}
        Step::Head(message) => {
            let head = &message.head;
            let framing = match message.framing {
                Framing::None => "none".to_owned(),
                Framing::Length(length) => format!("length {length}"),
                Framing::Chunked => "chunked".to_owned(),
                Framing::UntilClose => "until close".to_owned(),
                Framing::Tunnel => "tunnel".to_owned(),
            };
            let (word, target) = (text(head.get(head.word)), text(head.get(head.target)));
            let start = match message.status {
                0 => format!("{word} {target}"),
                status => format!("{status} {word}"),
            };
            told.push(format!(
                "{start}{} ({framing}){}",
                fields(head),
                names(message.anomalies)
            ));
        }
        Step::Body(bytes) => match told.last_mut() {
            Some(last) if last.starts_with("body ") => last.push_str(&text(bytes)),
            _ => told.push(format!("body {}", text(bytes))),
        },
        Step::Missing(n) => told.push(format!("missing {n}")),
        Step::End {
            trailers,
            anomalies,
        } => {
            let trailers = trailers.map_or(String::new(), |head| fields(&head));
            told.push(format!("end{trailers}{}", names(anomalies)));
        }
        Step::Lost { place, anomalies } => {
            told.push(format!("lost {place:?}{}", names(anomalies)).to_lowercase());
        }
        Step::Http2 { .. } => told.push("http2".to_owned()),
    }
}

/// Whole, cut at each byte, and byte by byte: the same is found.
#[track_caller]
fn check_with(side: Side, asked: Asked, limits: Limits, input: &[u8], expected: &[&str]) {
    let whole = told(side, asked, &limits, &[input], true);
    assert_eq!(whole, expected, "whole");
    for cut in 1..input.len() {
        let (front, back) = input.split_at(cut);
        let cut_told = told(side, asked, &limits, &[front, back], true);
        assert_eq!(cut_told, expected, "cut at byte {cut}");
    }
    let bytes: Vec<_> = input.chunks(1).collect();
    assert_eq!(
        told(side, asked, &limits, &bytes, true),
        expected,
        "byte by byte"
    );
}

#[track_caller]
fn requests(input: &[u8], expected: &[&str]) {
    check_with(
        Side::Request,
        Asked::Other,
        Limits::default(),
        input,
        expected,
    );
}

#[track_caller]
fn responses(input: &[u8], expected: &[&str]) {
    check_with(
        Side::Response,
        Asked::Other,
        Limits::default(),
        input,
        expected,
    );
}

#[test]
fn requests_follow_on_each_other() {
    requests(
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\r\nGET /c HTTP/1.0\r\n\r\n",
        &[
            "GET /a Host=x (none)",
            "end",
            "POST /b Content-Length=3 (length 3)",
            "body abc",
            "end",
            "GET /c (none)",
            "end",
        ],
    );
}

#[test]
fn targets_may_take_any_form_and_methods_any_name() {
    requests(
        b"OPTIONS * HTTP/1.1\r\n\r\nGET http://a/b HTTP/1.1\r\n\r\nCONNECT a:443 HTTP/1.1\r\n\r\nM-SEARCH x HTTP/1.1\r\n\r\n",
        &[
            "OPTIONS * (none)",
            "end",
            "GET http://a/b (none)",
            "end",
            "CONNECT a:443 (none)",
            "end",
            "M-SEARCH x (none)",
            "end",
        ],
    );
}

#[test]
fn bytes_beyond_ascii_are_kept() {
    requests(
        b"GET /\xff\xc3 HTTP/1.1\r\nX: \xe9\r\n\r\n",
        &["GET /\\xff\\xc3 X=\\xe9 (none) !target_not_ascii", "end"],
    );
    responses(
        b"HTTP/1.1 404 Non trouv\xe9\r\nContent-Length: 0\r\n\r\n",
        &["404 Non trouv\\xe9 Content-Length=0 (length 0)", "end"],
    );
}

#[test]
fn chunks_have_extensions_and_trailers() {
    requests(
        b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n00A \r\n0123456789\r\n0\r\nSum: 1\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        &[
            "PUT /a Transfer-Encoding=chunked (chunked)",
            "body abc0123456789",
            "end Sum=1 A=b !chunk_extension",
            "GET / (none)",
            "end",
        ],
    );
}

#[test]
fn sizes_of_chunks_that_are_none_lose_the_framing() {
    let head = "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunk, anomaly) in [
        ("10000000000000000\r\n", "chunk_size_too_large"),
        ("8000000000000000\r\n", "chunk_size_too_large"),
        ("xyz\r\n", "invalid_chunk"),
        ("-1\r\n", "invalid_chunk"),
        ("0x10\r\n", "invalid_chunk"),
        ("\r\n", "invalid_chunk"),
        ("1\r\nabc\r\n", "invalid_chunk"),
    ] {
        let input = format!("{head}{chunk}");
        let limits = Limits::default();
        let told = told(
            Side::Request,
            Asked::Other,
            &limits,
            &[input.as_bytes()],
            true,
        );
        let expected = format!("lost body !{anomaly}");
        assert!(told.contains(&expected), "{chunk:?}: {told:?}");
    }
    requests(
        format!("{head}7fffffffffffffff\r\nab").as_bytes(),
        &[
            "PUT /a Transfer-Encoding=chunked (chunked)",
            "body ab",
            "cut in body",
        ],
    );
}

#[test]
fn responses_end_as_their_status_says() {
    responses(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.0 200 OK\r\n\r\nuntil close",
        &[
            "100 Continue (none)",
            "end",
            "103 Early Hints Link=x (none)",
            "end",
            "204 No Content Content-Length=5 (none)",
            "end",
            "304 Not Modified Transfer-Encoding=chunked (none)",
            "end",
            "200 OK (until close)",
            "body until close",
            "end",
        ],
    );
}

#[test]
fn responses_end_as_the_request_asked() {
    let limits = Limits::default();
    check_with(
        Side::Response,
        Asked::Head,
        limits,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200\r\n\r\n",
        &[
            "200 OK Content-Length=5 (none)",
            "end",
            "200  (none)",
            "end",
        ],
    );
    check_with(
        Side::Response,
        Asked::Connect,
        limits,
        b"HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n\x16\x03",
        &[
            "407 No Content-Length=1 (length 1)",
            "body x",
            "end",
            "200 OK (tunnel)",
        ],
    );
    responses(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        &["101 Switching Protocols Upgrade=x (tunnel)"],
    );
}

#[test]
fn lengths_that_repeat_or_differ_are_told_and_the_first_holds() {
    for (fields, framing) in [
        (
            "Content-Length: 2\r\nContent-Length: 2",
            "length 2) !repeated_length",
        ),
        ("Content-Length: 2, 2", "length 2) !repeated_length"),
        (
            "Content-Length: 2\r\nContent-Length: 3",
            "length 2) !conflicting_length",
        ),
        (
            "Content-Length: 2\r\nContent-Length: x",
            "length 2) !conflicting_length",
        ),
        ("Content-Length: +2", "none) !invalid_length"),
        (
            "Content-Length: 9223372036854775808",
            "none) !invalid_length",
        ),
        ("Content-Length: -1", "none) !invalid_length"),
        ("Content-Length:", "none) !invalid_length"),
        (
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "chunked) !length_and_chunked",
        ),
        (
            "Transfer-Encoding: gzip, chunked",
            "chunked) !odd_transfer_coding",
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "until close) !odd_transfer_coding",
        ),
        (
            "Transfer-Encoding: xchunked",
            "until close) !odd_transfer_coding",
        ),
    ] {
        let input = format!("PUT / HTTP/1.1\r\n{fields}\r\n\r\n");
        let limits = Limits::default();
        let told = told(
            Side::Request,
            Asked::Other,
            &limits,
            &[input.as_bytes()],
            false,
        );
        assert!(
            told[0].ends_with(&format!("({framing}")),
            "{fields}: {told:?}"
        );
    }
    responses(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[
            "200 OK Transfer-Encoding=chunked (chunked) !transfer_coding_in_http10",
            "end",
        ],
    );
    responses(
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
        &[
            "200 OK Content-Length=x (until close) !invalid_length",
            "body abc",
            "end",
        ],
    );
}

#[test]
fn heads_written_oddly_are_read_as_servers_read_them() {
    requests(
        b"GET / HTTP/1.1\nA: b\n\n",
        &["GET / A=b (none) !bare_lf", "end"],
    );
    requests(
        b"GET / HTTP/1.1\r\nA: b\r\n  c\r\n\td\r\n\r\n",
        &["GET / A=b c d (none) !obs_fold", "end"],
    );
    requests(
        b"GET /a b  HTTP/1.1\r\nA : b\r\nnocolon\r\n: c\r\n\r\n",
        &[
            "GET /a b A=b nocolon= =c (none) !line_whitespace !field_name_whitespace !invalid_field",
            "end",
        ],
    );
    requests(
        b"GET / HTTP/1.3\r\nA: \x01\r\n\r\n",
        &["GET / A=\\x01 (none) !control_byte !odd_version", "end"],
    );
    responses(
        b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
        &["200 OK Content-Length=0 (length 0) !line_whitespace", "end"],
    );
}

#[test]
fn what_is_no_head_between_messages_is_told() {
    requests(
        b"GET / HTTP/1.1\r\n\r\nnonsense\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        &["GET / (none)", "end", "lost between !invalid_head"],
    );
    requests(
        b"GET / HTTP/1.1\r\n\r\nGET / HTTP/2.0\r\n\r\n",
        &["GET / (none)", "end", "lost head !invalid_head"],
    );
    responses(
        b"HTTP/1.1 204 X\r\n\r\nHTTP/1.1 016 X\r\n\r\n",
        &["204 X (none)", "end", "lost head !invalid_head"],
    );
    responses(
        b"HTTP/1.1 204 X\r\n\r\nICY 200 OK\r\n\r\n",
        &["204 X (none)", "end", "lost between !invalid_head"],
    );
}

#[test]
fn http2_and_proxy_heads_are_known() {
    requests(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", &["http2"]);
    requests(
        b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n\r\nPROXY / HTTP/1.1\r\n\r\n",
        &["GET / (none)", "end", "PROXY / (none)", "end"],
    );
}

#[test]
fn a_head_beyond_the_limit_is_cut_and_still_framed() {
    let limits = Limits {
        head_bytes: 64,
        fields: 4,
    };
    let long = "y".repeat(300);
    let input = format!(
        "POST /a HTTP/1.1\r\nA: b\r\nLong: {long}\r\nMore: {long}\r\ncontent-length: 2\r\nB: c\r\n\r\nxyGET / HTTP/1.1\r\n\r\n"
    );
    let kept = "y".repeat(64 - 30);
    let expected = format!("POST /a A=b Long={kept} content-length=2 (length 2) !head_too_long");
    let expected = [&*expected, "body xy", "end", "GET / (none)", "end"];
    check_with(
        Side::Request,
        Asked::Other,
        limits,
        input.as_bytes(),
        &expected,
    );
    let input = format!("GET /{long} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    let kept = "y".repeat(64 - 5);
    let expected = format!("GET /{kept} (none) !head_too_long");
    let expected = [&*expected, "end", "GET / (none)", "end"];
    check_with(
        Side::Request,
        Asked::Other,
        limits,
        input.as_bytes(),
        &expected,
    );
}

#[test]
fn more_fields_than_are_kept_are_told() {
    let limits = Limits {
        head_bytes: 1024,
        fields: 2,
    };
    check_with(
        Side::Request,
        Asked::Other,
        limits,
        b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
        &["GET / A=1 B=2 (none) !too_many_fields", "end"],
    );
}

#[test]
fn a_header_of_a_megabyte_takes_no_more_memory_than_the_limit() {
    let input = [
        b"GET / HTTP/1.1\r\nA: ".to_vec(),
        vec![b'y'; 1 << 20],
        b"\r\n\r\n".to_vec(),
    ]
    .concat();
    let pieces: Vec<_> = input.chunks(4096).collect();
    let told = told(
        Side::Request,
        Asked::Other,
        &Limits::default(),
        &pieces,
        true,
    );
    assert!(told[0].ends_with("(none) !head_too_long"));
    assert_eq!(told[1..], ["end"]);
}

#[test]
fn trailers_beyond_the_limit_are_passed_over() {
    let limits = Limits {
        head_bytes: 48,
        fields: 4,
    };
    let long = "z".repeat(100);
    let input = format!(
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nLong: {long}\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    );
    let pieces: Vec<_> = input.as_bytes().chunks(7).collect();
    let told = told(Side::Request, Asked::Other, &limits, &pieces, true);
    assert!(told[1].starts_with("end A=b Long=z") && told[1].ends_with(" !trailers_too_long"));
    assert_eq!(told[2..], ["GET / (none)", "end"]);
}

/// Feeds what stands before and after a gap of `missing` bytes; the second part is a transfer.
#[track_caller]
fn check_gap(before: &[u8], missing: u64, after: &[u8], expected: &[&str]) {
    let mut parser = Parser::new(Side::Request);
    let mut told = Vec::new();
    feed(&mut parser, before, &mut told);
    let mut left = missing;
    loop {
        match parser.gap(&mut left) {
            Step::More => break,
            step => tell(step, &mut told),
        }
    }
    feed(&mut parser, after, &mut told);
    assert_eq!(told, expected);
}

fn feed(parser: &mut Parser, bytes: &[u8], told: &mut Vec<String>) {
    let (limits, mut counters) = (Limits::default(), Counters::default());
    let mut input = bytes;
    loop {
        let first = input.len() == bytes.len();
        match parser.step(&mut input, first, Asked::Other, &limits, &mut counters) {
            Step::More => return,
            step => tell(step, told),
        }
    }
}

#[test]
fn a_gap_inside_a_body_of_known_length_keeps_the_framing() {
    let next = b"yGET / HTTP/1.1\r\n\r\n";
    check_gap(
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nx",
        3,
        next,
        &[
            "PUT / Content-Length=5 (length 5)",
            "body x",
            "missing 3",
            "body y",
            "end",
            "GET / (none)",
            "end",
        ],
    );
    check_gap(
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
        3,
        b"y\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        &[
            "PUT / Transfer-Encoding=chunked (chunked)",
            "body x",
            "missing 3",
            "body y",
            "end",
            "GET / (none)",
            "end",
        ],
    );
}

#[test]
fn after_a_gap_that_hides_the_framing_only_a_sure_head_counts() {
    let whole = &b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"[..];
    for before in [
        &b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx"[..],
        b"PUT / HTTP/1.1\r\nHo",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut expected = Vec::new();
        if before.starts_with(b"PUT / HTTP/1.1\r\nT") {
            expected.extend([
                "PUT / Transfer-Encoding=chunked (chunked)",
                "body x",
                "missing 4",
            ]);
            expected.push("lost body");
        } else if before.starts_with(b"PUT") {
            expected.push("lost head");
        } else {
            expected.extend(["GET / (none)", "end", "lost between"]);
        }
        let lost = expected.clone();
        expected.extend(["GET /next Host=x (none)", "end"]);
        check_gap(before, 40, whole, &expected);
        for unsure in [
            &b"T /next HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"GET /next HTTP/1.1\r\nnocolon\r\n\r\n",
            b"tail\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            check_gap(before, 40, unsure, &lost);
        }
    }
}
