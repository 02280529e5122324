//! Names that stand before secrets in command lines, and shapes of secrets that need no name.

/// Parts of names; `-`, `_` and `.` are left out of a name before it is compared.
const SECRET_PARTS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "cookie",
    "bearer",
];

/// Ends of names.
const SECRET_ENDS: [&str; 5] = ["pass", "pwd", "authkey", "signingkey", "encryptionkey"];

/// Ends of names of what speaks about a secret and is none.
const HARMLESS_ENDS: [&str; 15] = [
    "file", "path", "dir", "url", "uri", "endpoint", "ttl", "lifetime", "length", "name", "type",
    "issuer", "bypass", "compass", "policy",
];

/// Programs, and the letters after which each takes a secret, in the same word or in the next.
const LETTERS: [(&str, &[&str]); 18] = [
    ("mysql", &["-p"]),
    ("mysqldump", &["-p"]),
    ("mysqladmin", &["-p"]),
    ("mysqlimport", &["-p"]),
    ("mariadb", &["-p"]),
    ("mariadb-dump", &["-p"]),
    ("mongo", &["-p"]),
    ("mongosh", &["-p"]),
    ("sshpass", &["-p"]),
    ("redis-cli", &["-a"]),
    ("ldapsearch", &["-w"]),
    ("ldapmodify", &["-w"]),
    ("ldapadd", &["-w"]),
    ("curl", &["-u", "--user", "-U", "--proxy-user", "-b"]),
    ("smbclient", &["-U"]),
    ("mosquitto_pub", &["-P"]),
    ("mosquitto_sub", &["-P"]),
    ("7z", &["-p"]),
];

/// Beginnings of keys by the form their maker gives them, the fewest bytes of each, and its type.
const TOKENS: [(&str, usize, &str); 21] = [
    ("AKIA", 20, "aws_access_key"),
    ("ASIA", 20, "aws_access_key"),
    ("AIza", 35, "google_api_key"),
    ("ya29.", 20, "google_token"),
    ("ghp_", 30, "github_token"),
    ("gho_", 30, "github_token"),
    ("ghs_", 30, "github_token"),
    ("ghu_", 30, "github_token"),
    ("github_pat_", 30, "github_token"),
    ("glpat-", 20, "gitlab_token"),
    ("xoxb-", 20, "slack_token"),
    ("xoxp-", 20, "slack_token"),
    ("xapp-", 20, "slack_token"),
    ("sk-", 24, "api_key"),
    ("sk_live_", 20, "stripe_key"),
    ("rk_live_", 20, "stripe_key"),
    ("hf_", 30, "api_key"),
    ("npm_", 30, "npm_token"),
    ("pypi-", 30, "pypi_token"),
    ("SG.", 40, "sendgrid_key"),
    ("hvs.", 20, "vault_token"),
];

/// Longest name that is looked at, bytes.
const NAME_MAX_BYTES: usize = 64;

/// Whether what stands under `name` is a secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    // The shell's own, a folder.
    if name.len() > NAME_MAX_BYTES || name == b"PWD" || name == b"OLDPWD" {
        return false;
    }
    let letters = name.iter().filter(|byte| !b"-_.".contains(byte));
    let name: String = letters
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let harmless = HARMLESS_ENDS.iter().any(|end| name.ends_with(end));
    !harmless
        && (SECRET_PARTS.iter().any(|part| name.contains(part))
            || SECRET_ENDS.iter().any(|end| name.ends_with(end)))
}

/// Whether letters of this program mean something.
pub(super) fn is_program(name: &[u8]) -> bool {
    LETTERS
        .iter()
        .any(|(program, _)| program.as_bytes() == name)
}

/// Where in `word` a secret begins, if it stands there by a letter of `program`; at its end, if it is
/// the next word.
pub(super) fn after_letter(program: &[u8], word: &[u8]) -> Option<usize> {
    let (_, letters) = LETTERS
        .iter()
        .find(|(name, _)| name.as_bytes() == program)?;
    let letters = letters.iter().map(|letter| letter.as_bytes());
    let mut fitting =
        letters.filter(|letter| word == *letter || (letter.len() == 2 && word.starts_with(letter)));
    let letter = fitting.next()?;
    // mysql asks for the password where none follows its letter.
    let asks = word == letter && (program.starts_with(b"mysql") || program.starts_with(b"mariadb"));
    (!asks).then_some(letter.len())
}

/// The type of a secret that its shape betrays.
pub(super) fn is_token(piece: &[u8]) -> Option<&'static str> {
    let begins = TOKENS
        .iter()
        .find(|(begin, least, _)| piece.starts_with(begin.as_bytes()) && piece.len() >= *least);
    if let Some((_, _, kind)) = begins {
        return Some(kind);
    }
    let dots = piece.iter().filter(|byte| **byte == b'.').count();
    (piece.starts_with(b"eyJ") && dots >= 2).then_some("jwt")
}
