//! MASS-01: fields that a client has no business to set.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::party::shown;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::Recent;
use crate::event::{Extent, Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Mass01,
    name: "mass assignment",
    family: Family::Access,
    version: 1,
    impact: Severity::High,
    threshold: 1,
    window_s: 0,
    owasp: &["API3:2023", "API6:2019"],
    cwe: &[915],
    attack: &["T1565.001"],
    means: "A request sets a field that nobody sets there, such as a role or a balance.",
    decides: "A field of the body that was never in one of at least 50 bodies of the endpoint that worked, and whose name tells of rights, money or ownership (role, is_admin, permissions, \
        balance, verified, tenant_id, …); or after 200 bodies any new field that the answer gives back with 2xx. One request is enough.",
    fools: "Harmless names. Endpoints where hardly anything was written yet: a field that was sent by then is one that is set there.",
    advice: "See whether the field was taken: read the object again. If it was, list the fields that may be set, and undo the change.",
};

/// Bodies from which on a sensitive name is new, and any name.
const SENSITIVE_AFTER: u32 = 50;
const ANY_AFTER: u32 = 200;
const MONTH_S: u32 = 30 * 86_400;

/// Words of names that tell of rights, money or ownership.
const WORDS: &[&str] = &[
    "admin",
    "role",
    "roles",
    "permission",
    "permissions",
    "privilege",
    "privileges",
    "scope",
    "scopes",
    "group",
    "groups",
    "superuser",
    "staff",
    "root",
    "owner",
    "ownerid",
    "tenant",
    "tenantid",
    "accountid",
    "userid",
    "balance",
    "credit",
    "creditlimit",
    "price",
    "discount",
    "paid",
    "verified",
    "approved",
    "banned",
    "plan",
    "tier",
    "subscription",
    "passwordhash",
    "emailverified",
    "isadmin",
    "isstaff",
    "issuperuser",
    "quota",
    "internal",
    "createdby",
    "usertype",
    "accounttype",
    "accesslevel",
];

/// Whether `name` tells of rights, money or ownership: one of its words, or all of them together.
fn is_sensitive(name: &[u8]) -> bool {
    let mut joined = String::new();
    let mut word = String::new();
    let mut hit = false;
    let mut last_lower = false;
    let is_word = |word: &str| WORDS.contains(&word);
    for byte in name.iter().take(64) {
        let letter = char::from(*byte);
        let parts = !letter.is_ascii_alphanumeric() || (letter.is_ascii_uppercase() && last_lower);
        if parts {
            hit |= is_word(&word);
            word.clear();
        }
        last_lower = letter.is_ascii_lowercase();
        if letter.is_ascii_alphanumeric() {
            word.push(letter.to_ascii_lowercase());
            joined.push(letter.to_ascii_lowercase());
        }
    }
    hit || is_word(&word) || is_word(&joined)
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Body {
    bodies: u32,
    names: Recent,
}

impl Worth for Body {
    fn worth(&self) -> u64 {
        self.bodies.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Fields {
    endpoints: Table<Body, 1024, MONTH_S>,
}

impl Fields {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let facts = scene.facts;
        if facts.fields.is_empty() || !matches!(facts.method, b"POST" | b"PUT" | b"PATCH") {
            return;
        }
        // Names that were not seen cannot be missing: only what is there is judged, so a body that was cut is no harm.
        let gap = matches!(facts.request_seen, Extent::Gap | Extent::JoinedLate);
        let Some(_) = scene.setting(&ROW).filter(|_| !gap) else {
            return;
        };
        let now_s = scene.now_s;
        let Some(body) = self.endpoints.entry(scene.keys.endpoint, now_s) else {
            return;
        };
        let mut found: Option<&[u8]> = None;
        for name in &facts.fields {
            if body.names.has(value_hash(name), now_s, MONTH_S) {
                continue;
            }
            let sensitive = body.bodies >= SENSITIVE_AFTER && is_sensitive(name);
            let echoed =
                body.bodies >= ANY_AFTER && scene.succeeded() && facts.reply_fields.contains(name);
            if sensitive || echoed {
                found = Some(name);
                break;
            }
        }
        let Some(name) = found else {
            if scene.succeeded() && !scene.flagged {
                body.bodies = body.bodies.saturating_add(1);
                for name in &facts.fields {
                    body.names.see(value_hash(name), now_s, MONTH_S);
                }
            }
            return;
        };
        let bodies = body.bodies;
        let text = shown(name);
        let said = Said {
            key: mix(scene.keys.actor, scene.keys.endpoint),
            about: About::ActorAt,
            outcome: if scene.succeeded() {
                Outcome::Answered
            } else {
                Outcome::Attempted
            },
            confidence: 0.8,
            sample: Some(name),
            title: &|n| {
                format!(
                    "{n} requests with a field nobody sets here, {text}, new after {bodies} bodies"
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}

#[cfg(test)]
mod tests {
    use super::is_sensitive;

    #[test]
    fn names_are_read_by_their_words() {
        for name in [
            "role",
            "is_admin",
            "isAdmin",
            "user.roles",
            "credit_limit",
            "tenantId",
            "ADMIN",
            "account-type",
        ] {
            assert!(is_sensitive(name.as_bytes()), "{name}");
        }
        for name in [
            "email",
            "displayName",
            "newsletter",
            "administration_fee_note",
            "qty",
            "",
            "parole",
        ] {
            assert!(!is_sensitive(name.as_bytes()), "{name}");
        }
    }
}
