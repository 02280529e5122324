//! JWT-01 to JWT-04 and CRED-01: what one exchange shows by itself.

use crate::detect::row::{Family, Id, Row};
use crate::event::Severity;

pub(in crate::detect) const JWT_01: Row = Row {
    id: Id::Jwt01,
    name: "token without signature",
    family: Family::Token,
    version: 1,
    impact: Severity::Critical,
    threshold: 1,
    window_s: 0,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[347],
    attack: &["T1550.001"],
    means: "A token says that it is not signed (`alg: none`) or carries no signature: anybody can write one.",
    decides: "The header of a JSON Web Token, whatever the spelling of `none`, or an empty signature. Answered with 2xx it was accepted.",
    fools: "Tokens in places that are not read as such.",
    advice: "If it was answered, the service does not check signatures: take every claim it ever accepted for forged. Fix the list of allowed algorithms.",
};

pub(in crate::detect) const JWT_02: Row = Row {
    id: Id::Jwt02,
    name: "expired token accepted",
    family: Family::Token,
    version: 1,
    impact: Severity::High,
    threshold: 1,
    window_s: 0,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[613],
    attack: &["T1550.001"],
    means: "A token was answered that is past its time, or not yet valid.",
    decides: "`exp` and `nbf` against the time of the request, with a minute for clocks that differ; only where the answer is 2xx and needs a token.",
    fools: "Endpoints that answer everybody look the same: the finding says which.",
    advice: "See whether the endpoint answers without a token too. If not, it does not check the time.",
};

pub(in crate::detect) const JWT_03: Row = Row {
    id: Id::Jwt03,
    name: "weak token secret",
    family: Family::Token,
    version: 1,
    impact: Severity::Critical,
    threshold: 1,
    window_s: 0,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[1391],
    attack: &["T1550.001"],
    means: "Tokens are signed with a secret from a public list: anybody can sign one.",
    decides: "The signature of one token for each issuer and key is checked with the secrets of a list, once, beside the flow.",
    fools: "Weak secrets that are not on the list.",
    advice: "Replace the secret at once, and end all sessions.",
};

pub(in crate::detect) const JWT_04: Row = Row {
    id: Id::Jwt04,
    name: "token header injection",
    family: Family::Token,
    version: 1,
    impact: Severity::High,
    threshold: 1,
    window_s: 0,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[347],
    attack: &["T1190"],
    means: "The header of a token tells the service which key to check it with: a path, an address, a statement, or a key of its own.",
    decides: "The grammar of `kid`, `jku`, `x5u` and `jwk` in the header.",
    fools: "Addresses of an attacker that look like yours.",
    advice: "If it was answered with 2xx, the service took a key that the sender chose. Allow keys by name from a list.",
};

pub(in crate::detect) const CRED_01: Row = Row {
    id: Id::Cred01,
    name: "credentials in URL",
    family: Family::Token,
    version: 1,
    impact: Severity::Medium,
    threshold: 1,
    window_s: 0,
    owasp: &["API8:2023", "API7:2019"],
    cwe: &[598],
    attack: &["T1552"],
    means: "A password, key or token stands in the URL, from where it goes to logs, histories and Referer fields.",
    decides: "Names of parameters together with the form of their values, and the known forms of keys anywhere in the URL.",
    fools: "Short secrets under harmless names.",
    advice: "Take the value for known and replace it. Send it in a header field or in the body.",
};
