//! What one request shows beside injection: tokens with faults (JWT-01, 02, 04), credentials in the
//! URL (CRED-01), one id in two places (BOLA-03), tools and paths of scanners (SCAN-02, 03, 04).

use super::ScorerError;
use super::rules::{Rule, Rules, rule};
use super::secrets::{Secrets, Untried};
use super::token::Token;
use crate::clock::{BootTime, WallTime};
use crate::content::{self, Container, Kind, Layers, Part, Parts, Side};
use crate::detect::scanners::scanner;
use crate::exchange::{Exchange, Guess, ScoreHit};

/// What a detector of this kind weighs: one sign is enough.
const SCORE: u8 = 5;

/// Ids that are held against each other.
const IDS: usize = 64;

/// Methods that no API is called by.
const ODD_METHODS: &[&[u8]] = &[b"DEBUG", b"TRACE", b"TRACK"];

/// Files that are there by mistake, and that scanners ask for.
const FILES: &[Rule] = &[
    rule(
        "hidden_folder",
        SCORE,
        r"^/(?:[\w@-]+/)?\.(?:aider|amazonq|aws|azure|bzr|claude|cline|codeium|continue|copilot|cursor|docker|gemini|git|github|gitlab|hg|idea|kube|npm|roo|ssh|svn|terraform|vscode|windsurf|zed)(?:/|$)",
    ),
    rule(
        "hidden_file",
        SCORE,
        r"/\.(?:env(?:\.[\w-]+)?|htaccess|htpasswd|git-credentials|gitconfig|npmrc|pypirc|netrc|dockercfg|dockerenv|bash_history|zsh_history|mysql_history|DS_Store|user\.ini|vault_pass)(?:$|[~.])",
    ),
    rule(
        "backup_or_dump",
        SCORE,
        r"/(?:backup|dump|database|db|site|www|users|data|mysql|sql|prod|localhost)[\w.-]{0,24}\.(?:sql|bak|old|dump|zip|tar|tgz|gz|rar|7z)(?:\.(?:zip|gz|bz2|xz))?$|\.(?:sql|bak|swp|orig)(?:\.(?:zip|gz|bz2|xz))?$",
    ),
    rule(
        "settings_or_log",
        SCORE,
        r"/(?:wp-config\.php[\w.~]*|web\.config|phpinfo\.php|info\.php|debug\.log|error_log|id_rsa|server-status|config\.(?:php|inc|yml|yaml|bak)|docker-compose\.ya?ml|credentials(?:\.json)?|secrets?\.(?:json|ya?ml)|adminer\.php|\.?composer\.lock|actuator/(?:env|heapdump|gateway)|jolokia|etc/passwd)$",
    ),
    rule(
        "served_file_system",
        SCORE,
        r"^/@fs/|^/@id/__x00__|^/_?_?debug__?/|^/cgi-bin/",
    ),
];

/// Names under which a credential stands in a URL, and values that are one under any name.
const CREDENTIALS: &[Rule] = &[
    rule(
        "session_in_url",
        SCORE,
        r"^(?:jsessionid|phpsessid|asp\.net_sessionid|aspsessionid\w*|connect\.sid|cfid|cftoken|sessionid|session_id|_?\w{2,20}_session(?:_id)?|[\w.-]*session-?token)$",
    ),
    rule(
        "password_in_url",
        SCORE,
        r"^(?:password|passwd|pwd|passphrase|client_secret|secret_key|private_key|api_?secret)$",
    ),
    rule(
        "key_in_url",
        SCORE,
        r"^(?:api[_-]?key|apikey|access[_-]?token|auth[_-]?token|refresh[_-]?token|id_token|bearer)$",
    ),
];

/// Formats of keys.
const KEYS: &[Rule] = &[rule(
    "key_by_format",
    SCORE,
    r"(?-i:\bAKIA[0-9A-Z]{16}\b|\bghp_[0-9A-Za-z]{36}|\bgithub_pat_\w{40,}|\bsk_live_[0-9A-Za-z]{16,}|\bxox[bpars]-[0-9A-Za-z-]{16,}|\bAIza[0-9A-Za-z_-]{35}|\bglpat-[\w-]{20}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bnpm_[0-9A-Za-z]{36})",
)];

/// The rules.
#[derive(Debug)]
pub(super) struct Marks {
    files: Rules,
    credentials: Rules,
    keys: Rules,
}

/// A sign: detector, rule, and the bytes that show it.
type Sign<'b> = (&'static str, &'static str, &'b [u8]);

impl Marks {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            files: Rules::new(FILES)?,
            credentials: Rules::new(CREDENTIALS)?,
            keys: Rules::new(KEYS)?,
        })
    }

    /// Adds what the request shows.
    pub(super) fn look(
        &self,
        exchange: &Exchange,
        parts: &Parts<'_>,
        boot: BootTime,
        hits: &mut Vec<ScoreHit>,
    ) {
        let Some(request) = exchange.request.as_ref() else {
            return;
        };
        let head = &request.head;
        let method = head.get(head.word);
        if ODD_METHODS.contains(&method) {
            add(
                hits,
                ("scan-04", "odd_method", method),
                "request.method",
                None,
            );
        }
        let path = head
            .get(head.target)
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        self.files.each_match(path, |rule, _, _| {
            add(hits, ("scan-03", rule.name, path), "request.path", None)
        });
        if let Some(tool) = head.field("user-agent").and_then(scanner) {
            add(
                hits,
                ("scan-02", "scanner_agent", tool.as_bytes()),
                "request.headers.user-agent",
                None,
            );
        }
        let success = exchange
            .response
            .as_ref()
            .is_some_and(|half| (200..300).contains(&half.status));
        for part in parts
            .iter()
            .filter(|part| part.side() == Side::Request && part.kind() == Kind::Text)
        {
            self.part(part, boot.date(request.began), success, hits);
        }
        two_places(parts, hits);
    }

    fn part(&self, part: Part<'_, '_>, now: WallTime, success: bool, hits: &mut Vec<ScoreHit>) {
        let Some(name) = part.name() else { return };
        let value = part.value();
        if matches!(part.place(), content::Place::Query) && !part.is_nested() && value.len() >= 6 {
            self.credentials.each_match(name.word(), |rule, _, _| {
                add(hits, ("cred-01", rule.name, name.word()), "", Some(part))
            });
            self.keys.each_match(value, |rule, _, _| {
                add(hits, ("cred-01", rule.name, b"[masked]"), "", Some(part))
            });
        }
        let Some(token) = Token::read(bearer(value)) else {
            return;
        };
        if matches!(part.place(), content::Place::Query) && !part.is_nested() {
            add(
                hits,
                ("cred-01", "token_in_url", name.word()),
                "",
                Some(part),
            );
        }
        for fault in token.faults(now) {
            // Without a date nothing can be said of its times.
            if fault.if_accepted && (!success || now.0 == 0) {
                continue;
            }
            add(
                hits,
                (fault.detector, fault.rule, token.algorithm().as_bytes()),
                "",
                Some(part),
            );
        }
    }
}

/// Tries the secrets that everybody knows on the tokens of a request (JWT-03).
pub(super) fn weak_secrets(parts: &Parts<'_>, secrets: &mut Secrets, hits: &mut Vec<ScoreHit>) {
    for part in parts
        .iter()
        .filter(|part| part.side() == Side::Request && part.kind() == Kind::Text)
    {
        if let Some(secret) =
            Token::read(bearer(part.value())).and_then(|token| secrets.known(&token))
        {
            add(
                hits,
                ("jwt-03", "known_secret", secret.as_bytes()),
                "",
                Some(part),
            );
        }
    }
}

/// The first token of a request whose issuer and key were not seen before.
pub(super) fn untried(parts: &Parts<'_>, untried: &mut Untried) -> Option<Guess> {
    let mut values = parts
        .iter()
        .filter(|part| part.side() == Side::Request && part.kind() == Kind::Text);
    let is_it = |part: &Part<'_, '_>| {
        let token = bearer(part.value());
        // An object in base64, as every header of a token is.
        token.starts_with(b"eyJ") && untried.is_first(token)
    };
    let part = values.find(is_it)?;
    let mut hits = Vec::new();
    add(&mut hits, ("jwt-03", "known_secret", b""), "", Some(part));
    Some(Guess {
        token: bearer(part.value()).into(),
        hit: hits.pop()?,
    })
}

/// A token without the word before it in an Authorization field.
fn bearer(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"Bearer ")
        .or_else(|| value.strip_prefix(b"bearer "))
        .unwrap_or(value)
        .trim_ascii()
}

/// One name with two values: in the query twice, or in the query and at the top of the body.
fn two_places(parts: &Parts<'_>, hits: &mut Vec<ScoreHit>) {
    let mut seen: Vec<(&[u8], &[u8], content::Place)> = Vec::new();
    for part in parts
        .iter()
        .filter(|part| part.side() == Side::Request && !part.is_nested())
    {
        let Some(name) = part.name() else { continue };
        let top = match part.place() {
            content::Place::Query | content::Place::Form => true,
            content::Place::Json => name.parent().is_some_and(|above| {
                above.word().is_empty()
                    && above.parent().is_some_and(|body| body.parent().is_none())
            }),
            _ => false,
        };
        if !top || !is_id(name.word()) || part.value().is_empty() || seen.len() >= IDS {
            continue;
        }
        let other = seen.iter().find(|(word, value, place)| {
            *word == name.word()
                && *value != part.value()
                && (*place != part.place() || part.place() == content::Place::Query)
        });
        if other.is_some() {
            add(
                hits,
                ("bola-03", "id_in_two_places", part.value()),
                "",
                Some(part),
            );
        }
        seen.push((name.word(), part.value(), part.place()));
    }
}

/// Whether a name is that of one object's id; a plural, or one with brackets, is a list.
fn is_id(word: &[u8]) -> bool {
    let words: [&[u8]; 5] = [b"id", b"uid", b"user", b"account", b"uuid"];
    let end = word.len().saturating_sub(3);
    let last = word.get(end..).unwrap_or_default();
    words.iter().any(|one| word.eq_ignore_ascii_case(one))
        || last.eq_ignore_ascii_case(b"_id")
        || word.ends_with(b"Id")
        || last.eq_ignore_ascii_case(b"-id")
}

fn add(hits: &mut Vec<ScoreHit>, sign: Sign<'_>, label: &str, part: Option<Part<'_, '_>>) {
    let (detector, rule, fragment) = sign;
    if hits.iter().any(|hit| hit.detector == detector) {
        return;
    }
    let named = part.and_then(Part::name).map(|name| name.to_string());
    let (container, range) = part.map_or((Container::Target, 0..0), Part::span);
    hits.push(ScoreHit {
        detector,
        rule,
        score: SCORE,
        part: named.unwrap_or_else(|| label.to_owned()).into(),
        container,
        range,
        fragment: fragment.get(..200).unwrap_or(fragment).into(),
        layers: part.map_or(Layers::NONE, Part::layers),
        proof: "",
    });
}
