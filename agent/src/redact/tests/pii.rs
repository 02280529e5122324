//! How much of the personal data in texts is found, and how much else.

use std::collections::BTreeMap;
use std::path::Path;

use crate::redact::shape::{Text, scan};
use serde_json::Value;

/// Found and marked, found alone, marked alone.
#[derive(Default)]
struct Score {
    both: u32,
    found: u32,
    marked: u32,
}

impl Score {
    fn f1(&self) -> f64 {
        let all = 2 * self.both + self.found + self.marked;
        f64::from(2 * self.both) / f64::from(all.max(1))
    }
}

/// What the texts call a type, and what we do.
fn kind(label: &str) -> &str {
    match label {
        "credit_card" => "payment_card",
        "ip" => "ip_address",
        "us_ssn" => "national_id",
        other => other,
    }
}

/// Checks that of each type in `kinds` at least so many are found in the texts of `file`, and few
/// others: F1 is 0.95 or more. What each type came to.
#[track_caller]
fn check(file: &str, kinds: &[(&str, u32)]) -> BTreeMap<String, Score> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pii");
    let texts = std::fs::read_to_string(fixtures.join(file)).unwrap();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for line in texts.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = row["text"].as_str().unwrap();
        let mut hits = Vec::new();
        let scanned = Text {
            bytes: text.as_bytes(),
            is_cut: false,
            addresses: true,
        };
        scan(scanned, &mut hits);
        let mut found: Vec<(&str, &str)> = hits
            .into_iter()
            .filter_map(|hit| Some((hit.secret.as_str(), text.get(hit.range)?)))
            .collect();
        for span in row["spans"].as_array().unwrap() {
            let (label, value) = (
                span["type"].as_str().unwrap(),
                span["value"].as_str().unwrap(),
            );
            let score = scores.entry(kind(label).to_owned()).or_default();
            let same = |hit: &(&str, &str)| hit.0 == kind(label) && hit.1 == value;
            match found.iter().position(same) {
                Some(at) => {
                    found.remove(at);
                    score.both += 1;
                }
                None => {
                    println!("{label} marked alone: {value}");
                    score.marked += 1;
                }
            }
        }
        for (kind, value) in found {
            println!("{kind} found alone: {value}");
            scores.entry(kind.to_owned()).or_default().found += 1;
        }
    }
    for (kind, score) in &scores {
        let Score {
            both,
            found,
            marked,
        } = score;
        println!(
            "{kind:14} f1 {:.3}  both {both:3}  found alone {found:3}  marked alone {marked:3}",
            score.f1()
        );
    }
    for (kind, least) in kinds {
        let score = &scores[*kind];
        assert!(
            score.f1() >= 0.95 && score.both >= *least,
            "{kind}: {:.3}",
            score.f1()
        );
    }
    scores
}

#[test]
fn cards_addresses_and_ids_are_found_in_texts() {
    let kinds = ["payment_card", "email", "national_id", "phone"];
    check("pii.jsonl", &kinds.map(|kind| (kind, 2)));
}

#[test]
fn account_numbers_of_every_country_are_told_from_broken_ones() {
    let scores = check("iban.jsonl", &[("iban", 100)]);
    // What is left of a broken one is hardly ever taken for something else.
    let others = scores.iter().filter(|(kind, _)| *kind != "iban");
    let found: u32 = others.map(|(_, score)| score.found).sum();
    assert!(found <= 2, "{found} of other types");
}
