//! Whether a request is about who may come in: such are kept whole when others are cut short or left out.

use super::{Half, Head};

/// What stands, in any case and in any place, in the paths at which people sign in or out, get and change
/// what they sign in with, or send the call itself in the body. Wider than what makes such an event: that
/// is judged later, of what was kept.
const WORDS: &[&str] = &[
    "2fa",
    "account",
    "apikey",
    "auth",
    "callback",
    "credential",
    "gql",
    "graphql",
    "login",
    "logoff",
    "logon",
    "logout",
    "mfa",
    "otp",
    "passwd",
    "password",
    "recover",
    "register",
    "registration",
    "revoke",
    "rpc",
    "saml",
    "securitycheck",
    "session",
    "signin",
    "signoff",
    "signon",
    "signout",
    "signup",
    "soap",
    "sso",
    "token",
    "twofactor",
];

/// Longest path whose words are looked at; a longer one is taken to hold any.
const PATH_MAX_BYTES: usize = 1024;

/// Whether the request of this head may be about who comes in: by the words of its path, or since it is one
/// of `routes`, templates of the configuration, with or without a host in front.
#[must_use]
pub fn is_about_access(head: &Head, routes: &[String]) -> bool {
    let target = head.get(head.target);
    let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
    // What is percent-encoded may be any word.
    if path.len() > PATH_MAX_BYTES || path.contains(&b'%') {
        return true;
    }
    let letters: String = path
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'/')
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    WORDS.iter().any(|word| letters.contains(word)) || routes.iter().any(|route| fits(route, path))
}

/// Whether `path` is one of the template `route`.
fn fits(route: &str, path: &[u8]) -> bool {
    let route = route.get(route.find('/').unwrap_or(0)..).unwrap_or(route);
    let mut segments = path.split(|byte| *byte == b'/');
    let fit = route.split('/').all(|want| {
        let have = segments.next();
        have.is_some_and(|have| want.as_bytes() == have || want.starts_with('{'))
    });
    fit && segments.next().is_none()
}

/// How much of a body is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keep {
    pub(super) bytes: usize,
    /// Less than is configured, to keep within the agent's budget.
    pub(super) shed: bool,
}

/// Bodies in halves of what is configured: from so many on nothing is kept.
pub const SHORTEST: u8 = 8;

/// `bytes`, halved `times`.
const fn shorter(bytes: usize, times: u8) -> Keep {
    let less = if times >= SHORTEST { 0 } else { bytes >> times };
    Keep {
        bytes: less,
        shed: less < bytes,
    }
}

impl super::Context {
    /// How much of the body is kept of a request with this head.
    pub(super) fn keeps_request(&self, head: &Head) -> Keep {
        let bytes = self.options.request_body_bytes;
        if self.shorter == 0 || is_about_access(head, &self.options.login_routes) {
            return shorter(bytes, 0);
        }
        shorter(bytes, self.shorter)
    }

    /// How much is kept of the body of the response with this status to `request`. Errors are whole.
    pub(super) fn keeps_response(&self, status: u16, request: Option<&Half>) -> Keep {
        let bytes = self.options.response_body_bytes;
        let whole = || {
            let routes = &self.options.login_routes;
            status >= 400 || request.is_none_or(|half| is_about_access(&half.head, routes))
        };
        if self.shorter == 0 || whole() {
            return shorter(bytes, 0);
        }
        shorter(bytes, self.shorter)
    }
}

#[cfg(test)]
mod tests {
    use super::{Head, Keep, is_about_access, shorter};
    use crate::protocol::Span;

    #[track_caller]
    fn check(target: &str, expected: bool) {
        let head = Head {
            buffer: target.as_bytes().to_vec(),
            target: Span {
                start: 0,
                len: target.len() as u32,
            },
            ..Head::default()
        };
        let routes = ["shop.example/{tenant}/enter".to_owned()];
        assert_eq!(is_about_access(&head, &routes), expected, "{target}");
    }

    #[test]
    fn paths_say_whether_somebody_comes_in() {
        check("/api/v1/login", true);
        check("/wp-Login.php?redirect=1", true);
        check("/users/sign_in", true);
        check("/shop.AuthService/Check", true);
        check("/graphql", true);
        check("/acme/enter", true);
        check("/acme/enter/", false);
        check("/acme/leave", false);
        check("/%6cogin", true);
        check("/items/7?login=1", false);
        check("/static/app.js", false);
        check(&format!("/{}", "a".repeat(2000)), true);
        check("", false);
    }

    #[test]
    fn bodies_are_halved_until_nothing_is_left() {
        let kept = |times| shorter(16_384, times);
        let check = |times, bytes, shed| assert_eq!(kept(times), Keep { bytes, shed });
        check(0, 16_384, false);
        check(1, 8_192, true);
        check(7, 128, true);
        check(8, 0, true);
        assert!(!shorter(0, 8).shed, "nothing is kept in any case");
    }
}
