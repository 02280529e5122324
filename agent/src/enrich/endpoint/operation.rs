//! GraphQL: one path for all, so the operation is the endpoint.

use crate::content::{Kind, Side};
use crate::enrich::login::parts;
use crate::exchange::Half;

/// Longest name of an operation, bytes.
const NAME_MAX_BYTES: usize = 64;

/// The name of the operation that `request` to `path` asks for; `None` for any other request, and for
/// operations without a name.
pub(super) fn operation(request: &Half, path: &[u8]) -> Option<String> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if !path.ends_with(b"/graphql") || request.body.content.is_empty() {
        return None;
    }
    let parts = parts(request, Side::Request);
    let of = |word: &[u8]| {
        let mut texts = parts.iter().filter(|part| part.kind() == Kind::Text);
        let part = texts.find(|part| part.name().is_some_and(|name| name.word() == word));
        part.map(|part| part.value())
    };
    let named = of(b"operationName").filter(|name| is_name(name));
    let name = named.or_else(|| of(b"query").and_then(name_in))?;
    Some(str::from_utf8(name).ok()?.to_owned())
}

/// The name of the first operation in a document (spec §2.3).
fn name_in(document: &[u8]) -> Option<&[u8]> {
    let text = document.trim_ascii_start();
    let words: [&[u8]; 3] = [b"query", b"mutation", b"subscription"];
    let rest = words.into_iter().find_map(|word| text.strip_prefix(word))?;
    let rest = rest
        .first()
        .is_some_and(u8::is_ascii_whitespace)
        .then(|| rest.trim_ascii_start())?;
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = rest
        .iter()
        .position(|byte| !part(byte))
        .unwrap_or(rest.len());
    rest.get(..end).filter(|name| is_name(name))
}

/// Whether `name` is one of GraphQL's (spec §2.1.9), and not too long.
fn is_name(name: &[u8]) -> bool {
    (1..=NAME_MAX_BYTES).contains(&name.len())
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !name.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::operation;
    use crate::enrich::testing::request;

    #[track_caller]
    fn check(path: &str, body: &str, expected: Option<&str>) {
        let fields = [("Content-Type", "application/json")];
        let request = request("POST", path, &fields, body.as_bytes());
        assert_eq!(
            operation(&request, path.as_bytes()).as_deref(),
            expected,
            "{body}"
        );
    }

    #[test]
    fn operations_are_named_by_the_request_or_the_document() {
        check(
            "/graphql",
            r#"{"operationName":"Me","query":"query Other { me }"}"#,
            Some("Me"),
        );
        check(
            "/api/graphql/",
            r#"{"query":"mutation signIn($u: String) { login }"}"#,
            Some("signIn"),
        );
        check(
            "/graphql",
            r#"{"operationName":null,"query":"query Me{me}"}"#,
            Some("Me"),
        );
        check("/graphql", r#"{"query":"{ me { id } }"}"#, None);
        check("/graphql", r#"{"query":"query { me }"}"#, None);
        check("/graphql", r#"{"operationName":"not a name"}"#, None);
        check("/graphql", "", None);
        check("/other", r#"{"operationName":"Me"}"#, None);
    }
}
