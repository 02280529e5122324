//! DATA-02: personal data for everybody.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::Table;
use crate::event::{Outcome, Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Data02,
    name: "personal data without authentication",
    family: Family::Data,
    version: 1,
    impact: Severity::High,
    threshold: 5,
    window_s: 3600,
    owasp: &["API3:2023", "API3:2019"],
    cwe: &[359],
    attack: &["T1213"],
    means: "An endpoint gives personal data to whoever asks.",
    decides: "Personal data in an answer with 2xx to a request without account, token, key or session cookie: one answer with a card number, a national id or an account number, \
        or five with other kinds. Answers to logins do not count.",
    fools: "A session that is bound to the connection (client certificates), or a credential in a field that is not known as one: name it in `identity.user`.",
    advice: "Ask for the endpoint without a credential yourself. If it answers, require one.",
};

/// Kinds of which one is enough.
const GRAVE: &[&str] = &[
    "payment_card",
    "card",
    "iban",
    "ssn",
    "us_ssn",
    "national_id",
    "passport",
    "password",
    "private_key",
];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Open {
    endpoints: Table<Tally, 1024, 7200>,
}

impl Open {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let facts = scene.facts;
        if facts.sensitive.is_empty() || scene.has_credential() {
            return;
        }
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let signs_in =
            scene.has(Signal::SensitiveLogin) || scene.has(Signal::AuthenticationSuccess);
        let personal = facts
            .sensitive
            .iter()
            .find(|kind| kind.in_response && is_personal(kind.kind));
        let (Some(personal), false) = (personal, signs_in) else {
            return;
        };
        let grave = facts
            .sensitive
            .iter()
            .any(|kind| kind.in_response && GRAVE.contains(&kind.kind));
        let key = scene.keys.endpoint;
        let Some(tally) = self.endpoints.entry(key, scene.now_s) else {
            return;
        };
        let count = tally.count(scene, setting.window_s);
        if !grave && count < setting.threshold {
            return;
        }
        let kind = personal.kind;
        let said = Said {
            key,
            about: About::Endpoint,
            count,
            threshold: grave.then_some(1),
            outcome: Outcome::Answered,
            confidence: 0.75,
            tally: Some(tally),
            title: &|n| {
                format!("{n} answers with personal data ({kind}) to requests without a credential")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}

/// Whether a kind of delicate value is about a person, and not a secret of a machine.
fn is_personal(kind: &str) -> bool {
    GRAVE.contains(&kind)
        || matches!(
            kind,
            "email" | "phone" | "name" | "address" | "date_of_birth" | "tax_id" | "person"
        )
}
