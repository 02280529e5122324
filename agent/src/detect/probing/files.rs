//! SCAN-03: files that should not be there to be read.

use crate::detect::incident::{About, mix};
use crate::detect::query;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::value_hash;
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Scan03,
    name: "sensitive file",
    family: Family::Probing,
    version: 1,
    impact: Severity::High,
    threshold: 1,
    window_s: 0,
    owasp: &["API8:2023", "API7:2019"],
    cwe: &[538],
    attack: &["T1083"],
    means: "A file with secrets, source or a dump was asked for, and was answered.",
    decides: "A path whose end is one of a list (.env, .git/config, private keys, dumps, backups of configuration, heap dumps), answered with 200 and a body that is no page of HTML: \
        applications of one page answer every path with that. Attempts that fail are counted by scan-01.",
    fools: "Files of other names. A page of HTML that shows the file.",
    advice: "Fetch the path yourself. If it is real, take every secret in it for known, replace them, and remove the file from what is served.",
};

/// Ends of paths, in lower case.
const ENDS: &[&str] = &[
    "/.env",
    "/.env.local",
    "/.env.production",
    "/.git/config",
    "/.git/head",
    "/.svn/entries",
    "/.htpasswd",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/.ssh/id_ed25519",
    "/id_rsa",
    "/.npmrc",
    "/.pgpass",
    "/.docker/config.json",
    "/.kube/config",
    "/wp-config.php.bak",
    "/wp-config.php~",
    "/web.config",
    "/actuator/heapdump",
    "/actuator/env",
    "/heapdump",
    "/dump.sql",
    "/backup.sql",
    "/database.sql",
    "/db.sql",
    "/backup.zip",
    "/backup.tar.gz",
    "/etc/passwd",
    "/etc/shadow",
    "/terraform.tfstate",
    "/.ds_store",
    "/config.php.bak",
    "/credentials.json",
    "/secrets.yml",
    "/secrets.yaml",
    "/application.properties",
    "/proc/self/environ",
];

/// Longest end, bytes.
const END_MAX: usize = 32;

pub(super) fn look(scene: &mut Scene<'_, '_>) {
    let facts = scene.facts;
    if facts.status != 200 || scene.setting(&ROW).is_none() {
        return;
    }
    // Each byte may have been sent as three.
    let start = facts.path.len().saturating_sub(3 * END_MAX);
    let end = facts.path.get(start..).unwrap_or_default();
    let end = query::plain(end);
    // Nearly all paths end otherwise: the last letter tells most of them.
    let Some(
        b'v' | b'l' | b'n' | b'g' | b'd' | b's' | b'a' | b'9' | b'c' | b'k' | b'~' | b'p' | b'z'
        | b'w' | b'e' | b'V' | b'D',
    ) = end.last().copied()
    else {
        return;
    };
    let low = end.to_ascii_lowercase();
    if !ENDS.iter().any(|one| low.ends_with(one.as_bytes())) {
        return;
    }
    let html = facts
        .reply_type
        .to_ascii_lowercase()
        .starts_with(b"text/html");
    if html || facts.response_bytes == Some(0) {
        return;
    }
    let key = mix(scene.keys.client, value_hash(facts.path));
    let bytes = facts.response_bytes;
    let said = Said {
        key,
        about: About::ActorAt,
        outcome: Outcome::Answered,
        confidence: 0.85,
        sample: Some(facts.path),
        title: &|_| match bytes {
            Some(bytes) => format!("a sensitive file was answered with {bytes} bytes"),
            None => "a sensitive file was answered".to_owned(),
        },
        ..Said::default()
    };
    scene.raise(&ROW, &said);
}
