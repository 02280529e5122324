//! Six hours of a made-up shop, with attacks and what looks like them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::WallTime;
use crate::detect::{
    Detectors, Facts, Hit, Mark, ObjectId, Options, Outcome, Place, Sensitive, Shown, Told,
    value_hash,
};
use crate::event::{Host, Ids, IncidentState, Signal, parse_stamp};

/// One exchange of the file.
#[derive(Deserialize)]
struct Row {
    ts: String,
    method: String,
    path: String,
    status: u16,
    client_ip: String,
    ua: String,
    req_bytes: u64,
    resp_bytes: u64,
    lat_ms: f64,
    user: Option<String>,
    geo: Option<String>,
    #[serde(default)]
    req_fields: Vec<String>,
    #[serde(default)]
    resp_fields: Vec<String>,
    #[serde(default)]
    body_ids: serde_json::Map<String, Value>,
    login_user: Option<String>,
    #[serde(default)]
    resp_headers: serde_json::Map<String, Value>,
    auth: Option<String>,
}

impl Shown for Row {
    fn client(&self) -> Option<Cow<'_, str>> {
        Some(self.client_ip.as_str().into())
    }
    fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(Into::into)
    }
    fn login(&self) -> Option<Cow<'_, str>> {
        self.login_user.as_deref().map(Into::into)
    }
    fn credential(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn path(&self) -> Cow<'_, str> {
        self.path.split('?').next().unwrap().into()
    }
    fn value<'v>(&self, value: &'v [u8]) -> Cow<'v, str> {
        String::from_utf8_lossy(value)
    }
}

/// The path with what varies in braces.
fn route(path: &str) -> String {
    let varies = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
            || part.len() == 36 && part.matches('-').count() == 4
    };
    let parts = path
        .split('/')
        .map(|part| if varies(part) { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// What the row tells; `ids` are those of its body as text.
fn facts<'a>(row: &'a Row, ordinal: u64, ids: &'a [(String, String)]) -> Facts<'a> {
    let time = parse_stamp(row.ts.as_bytes()).unwrap();
    let id = Ids::new("shop", 1).notice(time, ordinal);
    let mut facts = Facts::new(id, time, row);
    let (path, query) = row.path.split_once('?').unwrap_or((&row.path, ""));
    facts.client = Some(row.client_ip.parse::<IpAddr>().unwrap());
    facts.user = row.user.as_deref().map(str::as_bytes);
    facts.agent = row.ua.as_bytes();
    facts.device = Some(value_hash(row.ua.as_bytes()));
    facts.login = row.login_user.as_deref().map(str::as_bytes);
    facts.place = row.geo.as_deref().map(|geo| Place {
        country: geo.as_bytes().try_into().unwrap(),
        ..Place::default()
    });
    facts.domain = Cow::Borrowed(b"shop.example");
    facts.method = row.method.as_bytes();
    (facts.path, facts.query) = (path.as_bytes(), query.as_bytes());
    facts.route = route(path).into();
    facts.status = row.status;
    (facts.request_bytes, facts.response_bytes) = (Some(row.req_bytes), Some(row.resp_bytes));
    facts.duration_ns = Some((row.lat_ms * 1e6) as u64);
    if let Some(id) = path.rsplit('/').next()
        && facts.route.ends_with("{id}")
    {
        facts.ids.push(ObjectId {
            name: b"id",
            value: id.as_bytes(),
        });
    }
    facts.ids.extend(ids.iter().map(|(name, value)| ObjectId {
        name: name.as_bytes(),
        value: value.as_bytes(),
    }));
    facts.fields = row.req_fields.iter().map(|name| name.as_bytes()).collect();
    facts.reply_fields = row.resp_fields.iter().map(|name| name.as_bytes()).collect();
    for (field, kind) in [("ssn", "national_id"), ("card_number", "payment_card")] {
        if row.resp_fields.iter().any(|name| name == field) {
            facts.sensitive.push(Sensitive {
                kind,
                in_response: true,
                count: 1,
            });
        }
    }
    if row.resp_headers.contains_key("Deprecation") {
        facts.marks.add(Mark::Deprecated);
    }
    if row.auth.is_some() {
        facts.marks.add(Mark::Credential);
    }
    let login = path.ends_with("/login");
    let signals = [
        (login, Signal::SensitiveLogin),
        (row.status == 401, Signal::AuthenticationFailure),
        (row.status == 403, Signal::AuthorizationFailure),
        (login && row.status == 200, Signal::AuthenticationSuccess),
        (
            path.contains("/admin/") || path.contains("/internal/"),
            Signal::SensitiveAdmin,
        ),
        (
            path.contains("/users/") && row.method != "GET",
            Signal::SensitiveAccount,
        ),
        (path.contains("/export"), Signal::SensitiveExport),
    ];
    for (_, signal) in signals.into_iter().filter(|(holds, _)| *holds) {
        facts.signals.add(signal);
    }
    facts.hits = hits(row);
    facts
}

/// What the detectors that look at single exchanges would say of the few rows they are for.
fn hits(row: &Row) -> Vec<Hit<'static>> {
    let hit = |detector| Hit {
        detector,
        confidence: 0.9,
        outcome: crate::event::Outcome::Answered,
        about: None,
        part: "request".into(),
        excerpt: "".into(),
        decoded_by: Vec::new(),
        proof: "".into(),
    };
    let mut hits = Vec::new();
    if row.path.contains("password=") || row.path.contains("token=") {
        hits.push(hit("cred-01"));
    }
    hits
}

/// What is said to be there.
#[derive(Deserialize)]
struct Episode {
    episode: String,
    label: String,
    class: String,
    start: String,
    end: String,
    keys: serde_json::Map<String, Value>,
    families: Vec<String>,
}

/// The words of the truth for what a detector finds.
fn families(detector: &str) -> &'static [&'static str] {
    match detector {
        "auth-01" | "auth-02" | "auth-03" => &["auth-bruteforce"],
        "auth-04" => &["credential-stuffing"],
        "auth-05" => &["account-takeover"],
        "auth-08" => &["unauthorized-access"],
        "cred-01" => &["creds-in-url"],
        "bola-01" | "bola-02" => &["bola"],
        "bfla-01" | "bfla-02" => &["bfla"],
        "mass-01" => &["mass-assignment"],
        "data-01" => &["data-exposure"],
        "data-02" => &["pii"],
        "exf-01" => &["exfiltration"],
        "exf-02" => &["response-size", "exfiltration"],
        "exf-03" => &["scraping"],
        "rate-01" => &["rate"],
        "rate-02" => &["dos"],
        "base-02" => &["error-rate"],
        "scan-01" | "scan-03" | "scan-04" => &["probing"],
        "scan-02" => &["scanner-ua"],
        "inv-01" => &["new-endpoint", "shadow"],
        "inv-02" => &["deprecated-endpoint"],
        "inv-03" => &["schema-drift"],
        "loc-01" | "loc-02" => &["new-location"],
        "loc-03" => &["new-device"],
        _ => &["none"],
    }
}

const HOST: Host<'_> = Host {
    name: "shop",
    id: "",
};

fn read(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/../tests/fixtures/behaviour/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).unwrap()
}

fn lines<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Vec<T> {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// What the detectors tell of all rows, each looked at in its turn.
fn told(rows: &[Row]) -> Vec<Told> {
    let mut detectors = Detectors::new(Options::default(), Ids::new("shop", 1));
    let mut out = Outcome::default();
    for (ordinal, row) in rows.iter().enumerate() {
        let text = |value: &Value| value.to_string().trim_matches('"').to_owned();
        let ids: Vec<_> = row
            .body_ids
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        detectors.look(&facts(row, ordinal as u64, &ids), &mut out);
    }
    out.told
}

#[test]
fn attacks_are_found_and_what_looks_like_them_is_not() {
    let rows: Vec<Row> = lines(&zstd::decode_all(&read("events.jsonl.zst")[..]).unwrap());
    let episodes: Vec<Episode> = lines(&read("truth.jsonl"));
    let mut found = vec![Vec::new(); episodes.len()];
    let mut wrong = Vec::new();
    for told in told(&rows) {
        let finding = told.finding(HOST);
        if finding.state == IncidentState::Closed {
            continue;
        }
        let known = |text: &Option<Cow<'_, str>>| text.clone().unwrap_or_default().into_owned();
        let route = known(&finding.target.route);
        let keys = [
            known(&finding.actor.user),
            known(&finding.actor.client),
            known(&finding.target.user),
            format!("{} {route}", known(&finding.target.method)),
            route,
        ];
        let within = |episode: &Episode| {
            let time = |text: &str| parse_stamp(text.as_bytes()).unwrap();
            let end = WallTime(time(&episode.end).0 + 60_000_000_000);
            (time(&episode.start)..=end).contains(&finding.time)
                && episode
                    .keys
                    .values()
                    .any(|key| keys.iter().any(|own| key == own))
                && families(&finding.detector.id)
                    .iter()
                    .any(|own| episode.families.iter().any(|one| one == own))
        };
        match episodes.iter().position(within) {
            Some(at) => found[at].push(finding.detector.id.clone().into_owned()),
            None => wrong.push(format!(
                "{} {} {:?} {} {} {:?}",
                String::from_utf8_lossy(&crate::event::stamp(finding.time)),
                finding.detector.id,
                finding.severity,
                finding.title,
                keys.join(" | "),
                finding.samples,
            )),
        }
    }
    let attacks = episodes
        .iter()
        .zip(&found)
        .filter(|(one, _)| one.label == "attack");
    let missed: Vec<_> = attacks
        .filter(|(_, found)| found.is_empty())
        .map(|(one, _)| format!("{} {}", one.episode, one.class))
        .collect();
    print(&episodes, &found);
    println!(
        "  not found {missed:?}, false alerts {}: {wrong:#?}",
        wrong.len()
    );
    assert!(wrong.is_empty() && missed.len() <= 1);
}

/// How many of the attacks of each family were found.
fn print(episodes: &[Episode], found: &[Vec<String>]) {
    let mut families: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let attacks = episodes.iter().zip(found);
    for (one, found) in attacks.filter(|(one, _)| one.label == "attack") {
        for family in &one.families {
            let (hits, all) = families.entry(family).or_default();
            *hits += u32::from(!found.is_empty());
            *all += 1;
        }
    }
    println!("\nbehaviour day, by family");
    for (family, (hits, all)) in &families {
        println!("  {family:<45} {hits:>5} of {all:>5}");
    }
}
