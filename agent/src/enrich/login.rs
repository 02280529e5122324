//! Signing in: who does, what they are given for it, and whether it went well.

use std::sync::Arc;

use super::token::user;
use crate::content::{Kind, Side};
use crate::exchange::{Half, url};

/// Names of the fields in which a response gives a token, without what joins their words.
const TOKEN_FIELDS: &[&str] = &[
    "token",
    "accesstoken",
    "idtoken",
    "authtoken",
    "sessiontoken",
    "sessionid",
    "session",
    "jwt",
    "bearer",
    "apitoken",
    "key",
];

/// Shortest token. What is shorter is a word: `"session": "open"`.
const TOKEN_MIN_BYTES: usize = 12;

/// Most bytes of a response in which words of failure are looked for.
const WORDS_MAX_BYTES: usize = 8 * 1024;

/// What a page or message says when signing in went wrong, in lower case.
const FAILED: &[&str] = &[
    "invalid credential",
    "invalid username",
    "invalid user name",
    "invalid login",
    "invalid email or password",
    "invalid password",
    "incorrect password",
    "incorrect username",
    "incorrect email",
    "wrong password",
    "wrong username",
    "bad credentials",
    "login failed",
    "sign in failed",
    "sign-in failed",
    "authentication failed",
    "authentication failure",
    "not authenticated",
    "account locked",
    "account is locked",
    "unauthorized",
    "type=\"password\"",
    "type='password'",
];

/// Words in a redirection that lead back to where somebody came from.
const LED_BACK: &[&str] = &[
    "error", "fail", "denied", "invalid", "login", "signin", "sign_in",
];

/// The first of `fields` that the body of `request` has, its number and its value: who signs in.
pub(super) fn name(request: &Half, fields: &[Box<str>]) -> Option<(usize, Arc<[u8]>)> {
    if request.body.content.is_empty() {
        return None;
    }
    let parts = request.body_parts(Side::Request);
    let mut best: Option<(usize, Arc<[u8]>)> = None;
    for part in parts.iter().filter(|part| part.kind() == Kind::Text) {
        let Some(name) = part.name() else { continue };
        let word = name.word();
        let before = best.as_ref().map_or(fields.len(), |(at, _)| *at);
        let mut earlier = fields.iter().take(before);
        let found = earlier.position(|field| field.as_bytes().eq_ignore_ascii_case(word));
        if let Some(at) = found
            && let Some(user) = user(part.value())
        {
            best = Some((at, user));
        }
    }
    best
}

/// The value of a Set-Cookie field that gives one of the sessions `names`; none where one is taken away.
pub(super) fn cookie_given<'v>(field: &'v [u8], names: &[Box<str>]) -> Option<&'v [u8]> {
    let mut pieces = field.split(|byte| *byte == b';');
    let pair = pieces.next()?;
    let (name, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
    let name = name.trim_ascii();
    if !names.iter().any(|want| want.as_bytes() == name) {
        return None;
    }
    let taken = pieces.any(|piece| {
        let piece = piece.trim_ascii();
        piece.eq_ignore_ascii_case(b"max-age=0")
            || piece.starts_with(b"expires=Thu, 01 Jan 1970")
            || piece.starts_with(b"Expires=Thu, 01 Jan 1970")
    });
    let value = value.get(1..)?.trim_ascii();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let value = quoted.unwrap_or(value);
    (!taken && !value.is_empty() && value != b"deleted").then_some(value)
}

/// Tells the tokens that the body of `response` gives.
pub(super) fn tokens_given(response: &Half, mut tell: impl FnMut(&[u8])) {
    let content = &response.body.content;
    if !content.trim_ascii_start().starts_with(b"{") {
        return;
    }
    let parts = response.body_parts(Side::Response);
    for part in parts
        .iter()
        .filter(|part| part.kind() == Kind::Text && !part.is_nested())
    {
        let Some(name) = part.name() else { continue };
        let word: Vec<u8> = name
            .word()
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
            .collect();
        let named = TOKEN_FIELDS.iter().any(|field| field.as_bytes() == word);
        if named && part.value().len() >= TOKEN_MIN_BYTES && !part.is_cut() {
            tell(part.value());
        }
    }
}

/// Whether what `response` says is that signing in went wrong. `None` if it cannot be read.
pub(super) fn says_failed(response: &Half) -> Option<bool> {
    if (300..400).contains(&response.status) {
        let location = response.head.field("location")?.to_ascii_lowercase();
        let location = str::from_utf8(&location).ok()?;
        return Some(LED_BACK.iter().any(|word| location.contains(word)));
    }
    if response.body.content.is_empty() {
        return Some(false);
    }
    if response.is_coded() {
        return None;
    }
    let content = &response.body.content;
    let text = content
        .get(..content.len().min(WORDS_MAX_BYTES))?
        .to_ascii_lowercase();
    let contains = |word: &str| memchr::memmem::find(&text, word.as_bytes()).is_some();
    if FAILED.iter().any(|word| contains(word)) {
        return Some(true);
    }
    if !text.trim_ascii_start().starts_with(b"{") {
        return Some(false);
    }
    let parts = response.body_parts(Side::Response);
    Some(parts.iter().any(|part| {
        let word = part.name().map_or(&b""[..], crate::content::Name::word);
        let value = part.value();
        let is = |names: &[&str]| {
            names
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        };
        let says = |words: &[&str]| {
            words
                .iter()
                .any(|one| value.eq_ignore_ascii_case(one.as_bytes()))
        };
        if is(&["success", "ok", "authenticated", "loggedIn", "logged_in"]) {
            return says(&["false", "0"]);
        }
        if is(&["status", "result"]) {
            return says(&["error", "fail", "failed", "failure", "denied"]);
        }
        is(&["error", "errors", "error_code", "errorMessage"])
            && !says(&["", "null", "false", "0", "[]", "{}", "none"])
    }))
}

/// Whether a GraphQL response says that something went wrong.
pub(super) fn graphql_failed(request: &Half, response: &Half) -> bool {
    let url = url(&request.head);
    let graphql = url.path.is_some_and(|path| path.0.ends_with(b"/graphql"));
    let content = &response.body.content;
    let begin = content
        .get(..content.len().min(WORDS_MAX_BYTES))
        .unwrap_or_default();
    graphql && memchr::memmem::find(begin, b"\"errors\":[{").is_some()
}

#[cfg(test)]
mod tests {
    use super::{cookie_given, name, says_failed, tokens_given};
    use crate::enrich::testing::{request, response};

    #[track_caller]
    fn signs_in(media_type: &str, body: &str, expected: Option<(usize, &str)>) {
        let fields = ["username", "email"].map(Into::into);
        let request = request(
            "POST",
            "/login",
            &[("Content-Type", media_type)],
            body.as_bytes(),
        );
        let found = name(&request, &fields);
        let found = found
            .as_ref()
            .map(|(at, name)| (*at, str::from_utf8(name).unwrap()));
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn who_signs_in_is_read_from_any_body() {
        signs_in(
            "application/json",
            r#"{"username":"bob","password":"x"}"#,
            Some((0, "bob")),
        );
        signs_in(
            "application/json",
            r#"{"user":{"email":"b@c.d"}}"#,
            Some((1, "b@c.d")),
        );
        signs_in(
            "application/json",
            r#"{"email":"b@c.d","username":"bob"}"#,
            Some((0, "bob")),
        );
        signs_in(
            "application/x-www-form-urlencoded",
            "password=x&username=bob+b%40c",
            Some((0, "bob b@c")),
        );
        signs_in(
            "application/json",
            r#"{"query":"mutation L($u:String!){login(username:$u){token}}","variables":{"username":"bob"}}"#,
            Some((0, "bob")),
        );
        signs_in(
            "application/json",
            r#"{"query":"mutation {login(username:\"bob\",password:\"x\"){token}}"}"#,
            Some((0, "bob")),
        );
        signs_in("application/json", r#"{"username":""}"#, None);
        signs_in("application/json", "", None);
        signs_in("application/json", r#"{"name":"bob"}"#, None);
    }

    #[test]
    fn sessions_are_given_and_taken_by_cookies() {
        let check = |field: &str, expected: Option<&str>| {
            let given = cookie_given(field.as_bytes(), &["sid".into()]);
            assert_eq!(given, expected.map(str::as_bytes), "{field}");
        };
        check("sid=abc; Path=/; HttpOnly", Some("abc"));
        check("sid=\"abc\"", Some("abc"));
        check("other=abc", None);
        check("sid=; Max-Age=0", None);
        check("sid=abc; Max-Age=0", None);
        check("sid=deleted; expires=Thu, 01 Jan 1970 00:00:00 GMT", None);
        check("sid", None);
    }

    #[test]
    fn tokens_are_given_in_json() {
        let check = |body: &str, expected: &[&str]| {
            let response = response(
                200,
                &[("Content-Type", "application/json")],
                body.as_bytes(),
            );
            let mut found = Vec::new();
            tokens_given(&response, |token| {
                found.push(String::from_utf8(token.to_vec()).unwrap())
            });
            assert_eq!(found, expected, "{body}");
        };
        check(
            r#"{"access_token":"abcdefghijklmnop","token_type":"bearer"}"#,
            &["abcdefghijklmnop"],
        );
        check(
            r#"{"data":{"login":{"token":"abcdefghijklmnop"}}}"#,
            &["abcdefghijklmnop"],
        );
        check(r#"{"token":"short"}"#, &[]);
        check("<html>", &[]);
    }

    #[test]
    fn failure_is_told_by_words() {
        let check = |status, fields: &[(&str, &str)], body: &str, expected| {
            let response = response(status, fields, body.as_bytes());
            assert_eq!(says_failed(&response), expected, "{body}");
        };
        let json = [("Content-Type", "application/json")];
        check(200, &json, r#"{"success":false}"#, Some(true));
        check(200, &json, r#"{"status":"error","code":7}"#, Some(true));
        check(200, &json, r#"{"error":"no such user"}"#, Some(true));
        check(200, &json, r#"{"error":null,"token":"x"}"#, Some(false));
        check(200, &json, r#"{"success":true}"#, Some(false));
        check(
            200,
            &json,
            r#"{"message":"Invalid credentials"}"#,
            Some(true),
        );
        check(200, &[], "<p>Login failed</p>", Some(true));
        check(
            200,
            &[],
            "<form><input type=\"password\"></form>",
            Some(true),
        );
        check(200, &[], "<h1>Welcome</h1>", Some(false));
        check(204, &[], "", Some(false));
        check(302, &[("Location", "/home")], "", Some(false));
        check(302, &[("Location", "/login?error=1")], "", Some(true));
        check(200, &[("Content-Encoding", "gzip")], "\u{1f}", None);
    }
}
