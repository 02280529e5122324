//! How well the detectors tell attacks from requests, by class and source, beside what others
//! publish; and how many requests a second one core judges.
//!
//! `cargo xtask detect-bench` runs it. The rows are those of `tests/fixtures/detect`. Grammars are tuned on
//! the sources that [`HELD_OUT`] does not name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eaves::clock::WallTime;
use eaves::detect::score::{Secrets, THRESHOLD, Token};
use eaves::exchange::Exchange;
use eaves::pipeline::Reading;
use eaves::pipeline::recorded::requests;
use serde_json::Value;

/// Requests that are judged to measure speed.
const JUDGED: usize = 100_000;

/// How many a second one core should judge (DESIGN, "Numbers to reach").
const GOAL_PER_S: f64 = 100_000.0;

/// Sources whose rows nobody looks at to tune a grammar: what is told of them is how many were found.
/// They hold attacks of every class, and benign parameters, names and objects. Before 2026-11-27 the
/// rows of all sources were looked at; forms written until then may have been seen in these.
const HELD_OUT: &[&str] = &[
    "crs-regression",
    "faker",
    "httpparams-train",
    "stripe-openapi",
];

/// Found and false alarms in %, as published (the WAF Comparison Project of 2025-11, BlazeHTTP) or
/// measured on these rows.
const OTHERS: &[(&str, f64, f64)] = &[
    ("open-appsec, default (published)", 99.56, 0.99),
    ("F5 NGINX App Protect, default (published)", 91.01, 2.87),
    ("NGINX ModSecurity CRS 4.20 (published)", 92.26, 18.64),
    ("Cloudflare managed + OWASP (published)", 63.46, 0.06),
    ("SafeLine balance, BlazeHTTP (published)", 71.65, 0.07),
    ("CRS 4.28 PL1, these rows", 86.4, 13.1),
    ("… without its policy rules, these rows", 85.7, 5.8),
    ("libinjection alone, these rows", 51.6, 1.1),
];

/// One class of one source, or many.
#[derive(Clone, Copy, Default)]
struct Tally {
    rows: u32,
    fired: u32,
}

impl Tally {
    fn add(&mut self, fired: bool) {
        self.rows += 1;
        self.fired += u32::from(fired);
    }

    fn percent(&self) -> f64 {
        100.0 * f64::from(self.fired) / f64::from(self.rows.max(1))
    }
}

/// All rows, and the two parts of them.
#[derive(Default)]
struct Sums {
    all: Tally,
    tuned: Tally,
    held_out: Tally,
}

/// A labelled row.
struct Labelled {
    class: String,
    source: String,
    exchange: Exchange,
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/detect");
    let attacks = labelled(&folder.join("malicious.jsonl.zst"))?;
    let plain = labelled(&folder.join("benign.jsonl.zst"))?;
    let mut reading = Reading::new()?;
    // `cargo bench -p eaves --bench all -- detect speed` measures nothing else.
    if std::env::args().any(|word| word == "speed") {
        return speed(&folder, &mut reading);
    }
    let found = judge("attacks found", attacks, &mut reading);
    let alarms = judge("false alarms", plain, &mut reading);
    println!(
        "\n{:<44} {:>8} {:>8}",
        "found and false alarms in %", "found", "false"
    );
    let rows = [
        ("eaves, these rows", found.all, alarms.all),
        ("… sources that it is tuned on", found.tuned, alarms.tuned),
        ("… sources held out", found.held_out, alarms.held_out),
    ];
    for (name, found, alarms) in rows {
        let (found, alarms) = (found.percent(), alarms.percent());
        println!("{name:<44} {found:>8.2} {alarms:>8.2}");
    }
    for (name, found, alarms) in OTHERS {
        println!("{name:<44} {found:>8.2} {alarms:>8.2}");
    }
    tokens(&folder.join("jwt.jsonl.zst"))?;
    speed(&folder, &mut reading)
}

fn lines(path: &PathBuf) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let packed = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = zstd::bulk::decompress(&packed, 64 << 20)?;
    let lines = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    Ok(lines
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()?)
}

fn labelled(path: &PathBuf) -> Result<Vec<Labelled>, Box<dyn std::error::Error>> {
    let text = |row: &Value, name| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    let mut rows = Vec::new();
    for (row, number) in lines(path)?.into_iter().zip(1..) {
        rows.push(Labelled {
            class: text(&row, "class"),
            source: text(&row, "source"),
            exchange: requests(row.to_string().as_bytes(), number)?.exchange,
        });
    }
    Ok(rows)
}

/// Judges all rows, prints how many fired by class and source, by source, and of either part.
fn judge(title: &str, rows: Vec<Labelled>, reading: &mut Reading) -> Sums {
    let mut tallies: BTreeMap<(String, String), Tally> = BTreeMap::new();
    let mut sources: BTreeMap<String, Tally> = BTreeMap::new();
    let mut sums = Sums::default();
    for mut row in rows {
        reading.read(&mut row.exchange);
        let fired = row.exchange.known.scores.highest >= THRESHOLD;
        let held_out = HELD_OUT.contains(&row.source.as_str());
        let part = if held_out {
            &mut sums.held_out
        } else {
            &mut sums.tuned
        };
        part.add(fired);
        sums.all.add(fired);
        sources.entry(row.source.clone()).or_default().add(fired);
        tallies
            .entry((row.class, row.source))
            .or_default()
            .add(fired);
    }
    println!("\n{title}");
    for ((class, source), tally) in &tallies {
        told(&format!("{class:<22} {source}"), tally);
    }
    println!("\n{title}, by source");
    for (source, tally) in &sources {
        let held_out = HELD_OUT.contains(&source.as_str());
        let part = if held_out { "held out" } else { "tuned on" };
        told(&format!("{source:<22} {part}"), tally);
    }
    told("tuned on", &sums.tuned);
    told("held out", &sums.held_out);
    told("all", &sums.all);
    sums
}

fn told(name: &str, tally: &Tally) {
    println!(
        "  {name:<45} {:>5} of {:>5} {:>7.2} %",
        tally.fired,
        tally.rows,
        tally.percent()
    );
}

/// Tokens, each at the time it was sent.
fn tokens(path: &PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for row in lines(path)? {
        let text = |name| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let now = WallTime(row.get("now").and_then(Value::as_u64).unwrap_or(0) * 1_000_000_000);
        let token = Token::read(text("token").as_bytes());
        let fired = token.is_some_and(|token| {
            !token.faults(now).is_empty() || secrets.signed_by(&token).is_some()
        });
        tallies
            .entry(format!("{} {}", text("label"), text("class")))
            .or_default()
            .add(fired);
    }
    println!("\ntokens");
    for (class, tally) in &tallies {
        told(class, tally);
    }
    Ok(())
}

/// Nineteen plain requests, then an attack, and so on.
fn speed(folder: &Path, reading: &mut Reading) -> Result<(), Box<dyn std::error::Error>> {
    let mut attacks = labelled(&folder.join("malicious.jsonl.zst"))?;
    let mut plain = labelled(&folder.join("benign.jsonl.zst"))?;
    let (attack_rows, plain_rows) = (attacks.len(), plain.len());
    let began = Instant::now();
    for at in 0..JUDGED {
        let row = if at % 20 == 19 {
            attacks.get_mut(at / 20 * 7 % attack_rows)
        } else {
            plain.get_mut(at % plain_rows)
        };
        if let Some(row) = row {
            reading.read(&mut row.exchange);
        }
    }
    said(
        "contents alone",
        began.elapsed().as_secs_f64() * 1e9 / JUDGED as f64,
    );
    said("all detectors", super::host::all_detectors_ns());
    Ok(())
}

fn said(what: &str, ns: f64) {
    println!(
        "\n{:.0} requests a second on one core, {what}, 95 % plain and 5 % attacks (goal {GOAL_PER_S:.0}): {:.1} us each",
        1e9 / ns,
        ns / 1e3
    );
}
