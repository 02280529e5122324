//! CRED-02: secrets where others can read them.

use crate::detect::facts::Mark;
use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::value_hash;
use crate::event::{Outcome, Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Cred02,
    name: "credentials in clear",
    family: Family::Token,
    version: 1,
    impact: Severity::Medium,
    threshold: 1,
    window_s: 0,
    owasp: &["API8:2023", "API7:2019"],
    cwe: &[319],
    attack: &["T1040"],
    means: "A credential, a login or personal data passes where others on the way can read and change it.",
    decides: "A connection that was heard and has no TLS, neither a library's nor the kernel's, whose peer is neither this host nor a trusted proxy, with a credential, on a login route, or with personal data. One incident for each endpoint.",
    fools: "A tunnel outside of this host that Eaves cannot see (WireGuard, a mesh with its own hosts): name its addresses in `identity.trusted_proxies`.",
    advice: "Serve this endpoint over TLS alone, and take credentials that passed for known.",
};

pub(super) fn look(scene: &mut Scene<'_, '_>) {
    let facts = scene.facts;
    if !facts.marks.has(Mark::Exposed) || scene.setting(&ROW).is_none() {
        return;
    }
    let signs_in = scene.has(Signal::SensitiveLogin) && facts.method == b"POST";
    let what = if facts.marks.has(Mark::Credential) || facts.credential.is_some() {
        "credentials"
    } else if signs_in {
        "logins"
    } else if let Some(kind) = facts.sensitive.first() {
        kind.kind
    } else {
        return;
    };
    let said = Said {
        key: mix(scene.keys.endpoint, value_hash(b"clear")),
        about: About::Endpoint,
        outcome: Outcome::Answered,
        confidence: 0.9,
        title: &|n| format!("{n} exchanges with {what} in clear"),
        ..Said::default()
    };
    scene.raise(&ROW, &said);
}
