//! What the words of a path say of its endpoint.

use super::options::{Identity, SensitiveWords};
use crate::exchange::{Signal, Signals};

/// Words by which the last segment of a path signs somebody in.
const LOGIN: &[&str] = &[
    "login",
    "signin",
    "logon",
    "authenticate",
    "authentication",
    "auth",
    "token",
    "accesstoken",
    "session",
    "sessions",
    "jsecuritycheck",
    "wplogin",
    "sso",
    "callback",
];

/// Words by which the last segment of a path signs somebody out.
const LOGOUT: &[&str] = &["logout", "signout", "logoff", "revoke"];

const ACCOUNT: &[&str] = &[
    "account",
    "accounts",
    "profile",
    "password",
    "passwords",
    "passwd",
    "forgotpassword",
    "resetpassword",
    "passwordreset",
    "register",
    "registration",
    "signup",
    "mfa",
    "otp",
    "totp",
    "2fa",
    "twofactor",
    "recovery",
    "credentials",
    "apikeys",
];

const PAYMENT: &[&str] = &[
    "pay",
    "payment",
    "payments",
    "checkout",
    "transfer",
    "transfers",
    "withdraw",
    "withdrawal",
    "withdrawals",
    "refund",
    "refunds",
    "charge",
    "charges",
    "billing",
    "card",
    "cards",
    "wallet",
    "wallets",
    "payout",
    "payouts",
    "purchase",
    "purchases",
    "topup",
];

const ADMIN: &[&str] = &[
    "admin",
    "administrator",
    "administration",
    "actuator",
    "backoffice",
    "console",
    "management",
    "phpmyadmin",
    "superuser",
    "sysadmin",
    "wpadmin",
];

const EXPORT: &[&str] = &[
    "export",
    "exports",
    "dump",
    "dumps",
    "backup",
    "backups",
    "bulk",
    "download",
    "downloads",
];

/// Words in paths, and what they say.
pub(super) struct Words {
    more: SensitiveWords,
    login_routes: Vec<String>,
}

impl Words {
    /// Those that are known, and those that `identity` adds.
    pub(super) fn new(identity: &Identity) -> Self {
        let lower = |words: &Vec<String>| words.iter().map(|word| plain(word)).collect();
        let SensitiveWords {
            account,
            payment,
            admin,
            export,
        } = &identity.sensitive;
        Self {
            more: SensitiveWords {
                account: lower(account),
                payment: lower(payment),
                admin: lower(admin),
                export: lower(export),
            },
            login_routes: identity.login_routes.clone(),
        }
    }

    /// What the words of the template `text` say.
    pub(super) fn of(&self, text: &str) -> Signals {
        let mut signals = Signals::NONE;
        let lists = [
            (Signal::SensitiveAccount, ACCOUNT, &self.more.account),
            (Signal::SensitivePayment, PAYMENT, &self.more.payment),
            (Signal::SensitiveAdmin, ADMIN, &self.more.admin),
            (Signal::SensitiveExport, EXPORT, &self.more.export),
        ];
        let segments = text.split('/').filter(|segment| !segment.starts_with('{'));
        for segment in segments {
            // The whole segment, and the words that are joined in it.
            let whole = plain(segment);
            let words = segment
                .split(['-', '_', '.', ':'])
                .map(str::to_ascii_lowercase);
            for word in words.chain([whole]) {
                for (signal, known, more) in lists {
                    if known.contains(&word.as_str()) || more.contains(&word) {
                        signals.add(signal);
                    }
                }
            }
        }
        if self.signs_in(text) {
            signals.add(Signal::SensitiveLogin);
        }
        signals
    }

    /// Whether people sign in at `text`, a path or its template.
    fn signs_in(&self, text: &str) -> bool {
        let given = self.login_routes.iter().any(|route| {
            let path = route.get(route.find('/').unwrap_or(0)..).unwrap_or(route);
            path.split('/').count() == text.split('/').count()
                && path
                    .split('/')
                    .zip(text.split('/'))
                    .all(|(want, have)| want == have || want.starts_with('{'))
        });
        given || is_login(text)
    }
}

/// Whether the last segment of `path` is a word for signing in.
pub(super) fn is_login(path: &str) -> bool {
    LOGIN.contains(&last(path).as_str())
}

/// Whether the last segment of `path` is a word for signing out.
pub(super) fn is_logout(path: &str) -> bool {
    LOGOUT.contains(&last(path).as_str())
}

/// The last segment that is not empty, plain.
fn last(path: &str) -> String {
    let segments = path.rsplit('/');
    plain(
        segments
            .into_iter()
            .find(|one| !one.is_empty())
            .unwrap_or(""),
    )
}

/// A segment without a script's ending and what joins its words, in lower case.
fn plain(segment: &str) -> String {
    let stem = [".php", ".jsp", ".do", ".action", ".aspx", ".json"]
        .into_iter()
        .find_map(|ending| segment.strip_suffix(ending))
        .unwrap_or(segment);
    stem.chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Identity, SensitiveWords, Words};

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let identity = Identity {
            login_routes: vec!["/{tenant}/enter".to_owned()],
            sensitive: SensitiveWords {
                payment: vec!["Gift-Card".to_owned()],
                ..SensitiveWords::default()
            },
            ..Identity::default()
        };
        let signals = Words::new(&identity).of(template);
        let names: Vec<_> = signals
            .iter()
            .map(|signal| signal.name().trim_start_matches("sensitive:"))
            .collect();
        assert_eq!(names.join(" "), expected, "{template}");
    }

    #[test]
    fn the_words_of_a_path_say_what_it_is_for() {
        check("/api/v1/login", "login");
        check("/wp-login.php", "login");
        check("/users/sign_in", "login");
        check("/oauth2/token", "login");
        check("/acme/enter", "login");
        check("/login/history", "");
        check("/api/password-reset", "account");
        check("/users/{id}/profile", "account");
        check("/orders/{id}/refund", "payment");
        check("/shop/giftcard", "payment");
        check("/admin/users/export", "admin export");
        check("/paymentsystems", "");
        check("/{id}/users", "");
    }
}
