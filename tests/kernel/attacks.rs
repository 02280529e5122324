//! Attacks on a shop that trusts what it is sent, over real sockets: each gives its finding in the
//! sink, and what customers do gives none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Agent, Mode, refused_exits};
use eaves_tests::peer::Shop;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use libtest_mimic::Trial;
use serde_json::Value;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = under_both_taps(
        "attacks::each_is_found_and_customers_are_not",
        each_is_found,
    );
    trials.extend(under_both_taps(
        "attacks::what_the_process_does_proves_them",
        the_process_proves,
    ));
    trials
}

/// How soon after its last answer an attack is to be told. It takes less than a tenth of that.
const SOON: Duration = Duration::from_secs(1);

/// Between two looks at the sink less passes than this, unless the machine stands still: the rest of a
/// longer while is not the agent's.
const STILL: Duration = Duration::from_millis(100);

fn each_is_found(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (shop, agent, events) = opened(sandbox, mode)?;
    customers(shop.port)?;
    wait::until_true("the customers' exchanges", || {
        Ok(exchanges(&events, shop.port)? >= CUSTOMERS)
    })?;
    let found = findings(&events)?;
    ensure!(
        found.is_empty(),
        "customers are taken for attackers: {found:?}"
    );
    for (detector, outcome, requests) in &attacks() {
        for request in requests {
            ask(shop.port, request)?;
        }
        let answered = Instant::now();
        let (mut looked, mut still) = (answered, Duration::ZERO);
        wait::until(&format!("a finding of {detector}"), || {
            still += looked.elapsed().saturating_sub(STILL);
            looked = Instant::now();
            let found = findings(&events)?;
            let told = |finding: &&Value| {
                finding["detector"]["id"] == *detector
                    && (outcome.is_empty() || finding["outcome"] == *outcome)
            };
            Ok(found.iter().find(told).map(|_| ()))
        })?;
        let took = answered.elapsed().saturating_sub(still);
        ensure!(
            took <= SOON,
            "the finding of {detector} came after {took:?}, beside {still:?} in which nothing ran"
        );
    }
    let report = agent.stop()?;
    report.balanced()
}

/// A shop, and an agent that hears it and writes to a file.
pub(crate) fn opened(sandbox: &Sandbox, mode: Mode) -> Result<(Shop, Agent, PathBuf)> {
    let folder = sandbox.file("files");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("terms.txt"), "Be kind.\n")?;
    fs::write(sandbox.file("ledger.txt"), "not for sale\n")?;
    let shop = Shop::open(folder)?;
    let events = sandbox.file("events.jsonl");
    let yaml = format!(
        "capture:\n  mode: {}\n  tls: false\n  roles: [server]\nsinks:\n  events:\n    file:\n      path: {}\n",
        mode.name(),
        events.display(),
    );
    let agent = Agent::run(sandbox, &yaml, &events)?;
    Ok((shop, agent, events))
}

/// Attacks whose answers show nothing: a child, a connect and an open of the server that hold what
/// was sent confirm them, others meanwhile do not.
fn the_process_proves(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let opens =
        mode == Mode::Syscall || !refused_exits()?.iter().any(|exit| exit == "do_filp_open");
    let (shop, agent, events) = opened(sandbox, mode)?;
    let inner = TcpListener::bind("127.0.0.1:0")?;
    let inner = inner.local_addr()?.port();
    let busy = TcpListener::bind("127.0.0.1:0")?;
    let busy = busy.local_addr()?.port();
    // Who serves is known from the first answer on.
    ask(shop.port, &get("/api/search?q=lamp"))?;
    let attacks = [
        (
            "inj-03",
            "host=127.0.0.1;cat+/etc/hostname".to_owned(),
            "ping",
        ),
        (
            "inj-05",
            format!("url=http://127.0.0.1:{inner}/admin"),
            "preview",
        ),
        ("inj-04", "name=../ledger.txt".to_owned(), "exists"),
    ];
    for (detector, query, _) in &attacks {
        ask(shop.port, &get(&format!("/api/careful/{busy}?{query}")))?;
        let found = wait::until(&format!("a finding of {detector}"), || {
            Ok(of(&findings(&events)?, detector, "/api/careful"))
        })?;
        ensure!(
            found["outcome"] == "answered",
            "an act that holds nothing of it confirms it: {found}"
        );
    }
    for (detector, query, endpoint) in &attacks {
        if *detector == "inj-04" && !opens {
            continue;
        }
        let route = format!("/api/{endpoint}");
        ask(shop.port, &get(&format!("{route}?{query}")))?;
        let found = wait::until(&format!("a finding of {detector}"), || {
            Ok(of(&findings(&events)?, detector, &route))
        })?;
        ensure!(found["outcome"] == "confirmed", "not confirmed: {found}");
        let proof = found["evidence"][0]["proof"].as_str().unwrap_or_default();
        ensure!(!proof.is_empty(), "it does not say by what: {found}");
    }
    let report = agent.stop()?;
    report.balanced()
}

/// The first of `findings` that `detector` made of a route.
fn of(findings: &[Value], detector: &str, route: &str) -> Option<Value> {
    let is_it = |finding: &&Value| {
        let target = finding["target"]["route"].as_str().unwrap_or_default();
        finding["detector"]["id"] == detector && target.starts_with(route)
    };
    findings.iter().find(is_it).cloned()
}

/// Exchanges of [`customers`].
const CUSTOMERS: usize = 27;

/// A morning in the shop.
fn customers(port: u16) -> Result<()> {
    for name in ["alice", "bob", "carol"] {
        let login = format!("{{\"username\":\"{name}\",\"password\":\"correct horse\"}}");
        ask(port, &post("/api/login", &login))?;
        for order in 1..=3 {
            ask(
                port,
                &with_token(&format!("/api/orders/{name}-{order}"), name),
            )?;
        }
        ask(port, &get("/api/files?name=terms.txt"))?;
        for words in [
            "lamp+and+shade",
            "O'Brien's+lamp",
            "select+a+lamp+from+the+list",
        ] {
            ask(port, &get(&format!("/api/search?q={words}")))?;
        }
        ask(port, &get(&format!("/page?name={name}")))?;
    }
    Ok(())
}

/// A token that is signed with `secret`: jwt.io's own example of a bad one.
const WEAK_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.XbPfbIHMI6arZ3Y922BhjWgQzWXcXNrz0ogtVhfEd2o";

/// Detector, outcome where one is proven, and the requests.
fn attacks() -> Vec<(&'static str, &'static str, Vec<String>)> {
    let one = |request: String| vec![request];
    let wrong = |n: u32| {
        let body = format!("{{\"username\":\"alice\",\"password\":\"guess-{n}\"}}");
        post("/api/login", &body)
    };
    vec![
        (
            "inj-01",
            "confirmed",
            one(get("/api/search?q=1'+or+'1'%3D'1")),
        ),
        (
            "inj-02",
            "confirmed",
            one(get("/page?name=%3Cscript%3Ealert(1)%3C/script%3E")),
        ),
        (
            "inj-04",
            "confirmed",
            one(get("/api/files?name=../../../../../../../../etc/passwd")),
        ),
        (
            "jwt-03",
            "answered",
            one(format!(
                "GET /api/orders/4 HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {WEAK_TOKEN}\r\n\r\n"
            )),
        ),
        ("auth-01", "", (0..15).map(wrong).collect()),
        (
            "bola-01",
            "",
            (1000..1060)
                .map(|id| with_token(&format!("/api/orders/{id}"), "mallory"))
                .collect(),
        ),
        (
            "scan-01",
            "",
            (0..30)
                .map(|n| get(&format!("/old/{n}/admin.php")))
                .collect(),
        ),
    ]
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n")
}

fn with_token(target: &str, token: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer token-of-{token}-0123456789\r\n\r\n"
    )
}

fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// One request on a connection of its own; reads all of the answer.
fn ask(port: u16, request: &str) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 "), "no answer to {request}");
    Ok(())
}

/// Records of the file so far, whole lines alone.
fn records(events: &Path, kind: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(events).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut records = Vec::new();
    for line in whole.lines() {
        let record: Value = serde_json::from_str(line).context("a line of the sink")?;
        if record["kind"] == kind {
            records.push(record);
        }
    }
    Ok(records)
}

fn exchanges(events: &Path, port: u16) -> Result<usize> {
    let all = records(events, "exchange")?;
    Ok(all
        .iter()
        .filter(|one| one["server"]["port"] == port)
        .count())
}

/// Findings of the file so far.
pub(crate) fn findings(events: &Path) -> Result<Vec<Value>> {
    records(events, "finding")
}
