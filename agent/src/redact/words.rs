//! The words that names are read by: a table to be kept up, made ready when the agent is compiled.

use super::names::Means;
use crate::exchange::Secret;

/// Longest word that means something.
pub(super) const LONGEST: usize = 16;

/// What a word means by itself.
const ALONE: &[(Means, &[&str])] = &[
    (
        Means::This(Secret::Password),
        &[
            "password",
            "passwords",
            "passwd",
            "passwort",
            "kennwort",
            "pwd",
            "pass",
            "passphrase",
            "passcode",
            "motdepasse",
            "contrasena",
            "senha",
            "userpass",
        ],
    ),
    (
        Means::This(Secret::Secret),
        &[
            "secret",
            "secrets",
            "clientsecret",
            "mnemonic",
            "seedphrase",
            "connectionstring",
        ],
    ),
    (
        Means::This(Secret::Token),
        &[
            "token",
            "tokens",
            "accesstoken",
            "refreshtoken",
            "idtoken",
            "authtoken",
            "csrf",
            "xsrf",
            "csrftoken",
            "xsrftoken",
            "bearer",
            "jwt",
            "samlresponse",
            "magiclink",
            "resetlink",
        ],
    ),
    (
        Means::This(Secret::ApiKey),
        &[
            "apikey",
            "apikeys",
            "accesskey",
            "secretkey",
            "privatekey",
            "authkey",
            "appkey",
            "hapikey",
        ],
    ),
    (
        Means::This(Secret::Credential),
        &["credential", "credentials", "authorization"],
    ),
    (
        Means::This(Secret::Session),
        &[
            "sessionid",
            "sessid",
            "phpsessid",
            "jsessionid",
            "sessionkey",
        ],
    ),
    (
        Means::This(Secret::CardCode),
        &["cvv", "cvc", "cvv2", "cvc2", "csc"],
    ),
    (Means::This(Secret::Code), &["otp", "totp"]),
    (
        Means::Digits(Secret::NationalId, 6),
        &["ssn", "pesel", "cpf", "nino", "aadhaar"],
    ),
    (Means::Digits(Secret::Iban, 8), &["iban"]),
    (
        Means::Digits(Secret::PaymentCard, 12),
        &["pan", "card", "cardnumber", "ccnumber", "creditcard", "cc"],
    ),
    (
        Means::Digits(Secret::Phone, 7),
        &[
            "phone",
            "telephone",
            "tel",
            "mobile",
            "cellphone",
            "msisdn",
            "fax",
            "phonenumber",
        ],
    ),
    (Means::Maybe(Secret::Session), &["session", "sid"]),
    (Means::Maybe(Secret::Code), &["code", "pin"]),
    (
        Means::Maybe(Secret::ApiKey),
        &["key", "auth", "sig", "signature"],
    ),
];

/// What two words behind each other mean; the first that fits counts.
const PAIRS: [(&[&str], &[&str], Means); 8] = [
    (
        &[
            "api",
            "access",
            "private",
            "secret",
            "auth",
            "encryption",
            "signing",
            "master",
            "license",
            "subscription",
            "functions",
            "account",
            "shared",
            "storage",
            "app",
            "application",
            "client",
            "consumer",
            "deploy",
            "webhook",
        ],
        &["key", "keys"],
        Means::This(Secret::ApiKey),
    ),
    (
        &[
            "auth",
            "authorization",
            "verification",
            "security",
            "reset",
            "confirmation",
            "login",
            "sms",
            "backup",
            "recovery",
            "invite",
            "activation",
            "device",
            "otp",
            "pin",
            "access",
            "factor",
            "2fa",
            "mfa",
        ],
        &["code", "codes"],
        Means::This(Secret::Code),
    ),
    (
        &["session"],
        &["id", "key", "cookie"],
        Means::This(Secret::Session),
    ),
    (
        &["security", "card"],
        &["code", "cvv", "cvc"],
        Means::This(Secret::CardCode),
    ),
    (
        &["magic", "reset", "invite", "saml"],
        &["link", "response"],
        Means::This(Secret::Token),
    ),
    (&["oauth"], &["verifier"], Means::This(Secret::Code)),
    (
        &["connection", "seed", "recovery"],
        &["string", "phrase"],
        Means::This(Secret::Secret),
    ),
    (
        &["national", "tax"],
        &["id"],
        Means::Digits(Secret::NationalId, 6),
    ),
];

/// What stands at the end of a word that is written in one with another, `userpassword`, and means
/// the same there.
const GLUED: [(&str, Means); 8] = [
    ("password", Means::This(Secret::Password)),
    ("passwd", Means::This(Secret::Password)),
    ("passphrase", Means::This(Secret::Password)),
    ("secret", Means::This(Secret::Secret)),
    ("token", Means::This(Secret::Token)),
    ("apikey", Means::This(Secret::ApiKey)),
    ("secretkey", Means::This(Secret::ApiKey)),
    ("sessionid", Means::This(Secret::Session)),
];

/// Header fields that say what is in them by their whole name.
const FIELDS: [(&str, Secret); 10] = [
    ("authentication", Secret::Credential),
    ("auth", Secret::Credential),
    ("x-auth", Secret::Credential),
    ("x-sentry-auth", Secret::Credential),
    ("cookie2", Secret::Cookie),
    ("x-pin", Secret::Code),
    ("fastly-key", Secret::ApiKey),
    ("x-pinecone-key", Secret::ApiKey),
    ("x-honeycomb-team", Secret::ApiKey),
    ("x-jfrog-art-api", Secret::ApiKey),
];

/// What a header field of this name holds, if all of its name says it.
pub(super) fn of_field(name: &[u8]) -> Option<Secret> {
    let is_it = |(field, _): &&(&str, Secret)| name.eq_ignore_ascii_case(field.as_bytes());
    FIELDS.iter().find(is_it).map(|(_, secret)| *secret)
}

/// What a word of `len` letters says by its end; `packed` are its last bytes in lower case.
pub(super) fn by_its_end(packed: u128, len: usize) -> Meant {
    let ends = |(word, _): &&(&str, Means)| {
        let bits = 8 * word.len() as u32;
        len > word.len()
            && packed << (u128::BITS - bits) == self::packed(word) << (u128::BITS - bits)
    };
    Meant {
        means: GLUED.iter().find(ends).map(|(_, means)| *means),
        ..Meant::NOTHING
    }
}

/// A name that ends with one of these is about a secret and holds none: `token_type`.
const ABOUT: &[&str] = &[
    "type",
    "types",
    "count",
    "length",
    "len",
    "size",
    "limit",
    "expires",
    "expiry",
    "expiration",
    "expire",
    "in",
    "at",
    "date",
    "time",
    "ttl",
    "url",
    "uri",
    "endpoint",
    "policy",
    "strength",
    "enabled",
    "required",
    "valid",
    "status",
    "usage",
    "used",
    "name",
    "label",
    "error",
    "errors",
    "message",
    "algorithm",
    "alg",
    "format",
    "version",
    "prefix",
    "title",
    "description",
    "scope",
    "scopes",
    "age",
    "changed",
    "websocket",
    "policies",
];

/// What a word says, and what it says with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) means: Option<Means>,
    pub(super) is_about: bool,
    pub(super) is_id: bool,
    /// A bit for each of the pairs that it begins, and that it ends.
    begins: u8,
    ends: u8,
}

impl Meant {
    pub(super) const NOTHING: Self = Self {
        means: None,
        is_about: false,
        is_id: false,
        begins: 0,
        ends: 0,
    };

    /// What it means in front of `next`.
    pub(super) fn before(self, next: Self) -> Option<Means> {
        let both = self.begins & next.ends;
        if both == 0 {
            return None;
        }
        PAIRS
            .get(both.trailing_zeros() as usize)
            .map(|(_, _, means)| *means)
    }
}

/// What a word of `len` letters says; `packed` are its bytes in lower case, the last one lowest.
pub(super) fn meant(packed: u128, len: usize) -> Meant {
    let last = (packed & 0x1f) as usize;
    let may = LENGTHS
        .get(last)
        .is_some_and(|lengths| lengths & 1 << len != 0);
    if !may {
        return Meant::NOTHING;
    }
    TABLE
        .words
        .get(..TABLE.count)
        .unwrap_or_default()
        .binary_search_by_key(&packed, |(word, _)| *word)
        .ok()
        .and_then(|at| TABLE.words.get(at))
        .map_or(Meant::NOTHING, |(_, meant)| *meant)
}

/// Most words that there is room for.
const MOST: usize = 256;

/// All words in order.
struct Table {
    words: [(u128, Meant); MOST],
    count: usize,
}

static TABLE: Table = Table::new();

/// For each last letter how long the words are that end with it: most words of names end here.
static LENGTHS: [u32; 32] = Table::new().lengths();

#[expect(
    clippy::indexing_slicing,
    reason = "worked out when compiled, where a bound that is passed is an error"
)]
impl Table {
    const fn new() -> Self {
        let mut table = Self {
            words: [(u128::MAX, Meant::NOTHING); MOST],
            count: 0,
        };
        let mut at = 0;
        while at < ALONE.len() {
            let (means, words) = ALONE[at];
            let mut each = 0;
            while each < words.len() {
                let place = table.place(words[each]);
                table.words[place].1.means = Some(means);
                each += 1;
            }
            at += 1;
        }
        at = 0;
        while at < PAIRS.len() {
            let (first, second, _) = PAIRS[at];
            let mut each = 0;
            while each < first.len() {
                let place = table.place(first[each]);
                table.words[place].1.begins |= 1 << at;
                each += 1;
            }
            each = 0;
            while each < second.len() {
                let place = table.place(second[each]);
                table.words[place].1.ends |= 1 << at;
                each += 1;
            }
            at += 1;
        }
        at = 0;
        while at < ABOUT.len() {
            let place = table.place(ABOUT[at]);
            table.words[place].1.is_about = true;
            at += 1;
        }
        let place = table.place("id");
        table.words[place].1.is_id = true;
        table
    }

    /// The place of `word`, which is made if there is none.
    const fn place(&mut self, word: &str) -> usize {
        let packed = packed(word);
        let mut at = 0;
        while at < self.count && self.words[at].0 < packed {
            at += 1;
        }
        if at < self.count && self.words[at].0 == packed {
            return at;
        }
        let mut to = self.count;
        while to > at {
            self.words[to] = self.words[to - 1];
            to -= 1;
        }
        self.words[at] = (packed, Meant::NOTHING);
        self.count += 1;
        at
    }

    const fn lengths(&self) -> [u32; 32] {
        let mut lengths = [0; 32];
        let mut at = 0;
        while at < self.count {
            let word = self.words[at].0;
            let len = (u128::BITS - word.leading_zeros()).div_ceil(8);
            lengths[(word & 0x1f) as usize] |= 1 << len;
            at += 1;
        }
        lengths
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "worked out when compiled, where a bound that is passed is an error"
)]
const fn packed(word: &str) -> u128 {
    let bytes = word.as_bytes();
    assert!(bytes.len() <= LONGEST, "the word is too long");
    let mut packed = 0;
    let mut at = 0;
    while at < bytes.len() {
        packed = packed << 8 | bytes[at] as u128;
        at += 1;
    }
    packed
}

/// The words that mean something alone, or begin or end a pair, for the test that there is a line for each.
#[cfg(test)]
pub(super) fn telling() -> impl Iterator<Item = &'static str> {
    let alone = ALONE.iter().flat_map(|(_, words)| words.iter());
    let pairs = PAIRS
        .iter()
        .flat_map(|(first, second, _)| first.iter().chain(*second));
    alone.chain(pairs).copied()
}

/// The words that a name about a secret ends with, likewise.
#[cfg(test)]
pub(super) fn about() -> impl Iterator<Item = &'static str> {
    ABOUT.iter().copied()
}
