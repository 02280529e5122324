//! A request's target and Host field, or HTTP/2's `:scheme`, `:authority` and `:path`, → [`Url`]
//! (RFC 9112 §3.2, RFC 9113 §8.3.1).

use super::Head;
use crate::event::{Lower, Text, Url};

/// What was asked for, as far as target and Host field say.
#[must_use]
pub fn url(head: &Head) -> Url<'_> {
    url_of(head, head.get(head.target), head.host())
}

/// As [`url`], with `target` and `host`, `:authority` or the Host field, in the place of those that
/// were sent.
#[must_use]
pub fn url_of<'a>(head: &'a Head, target: &'a [u8], host: Option<&'a [u8]>) -> Url<'a> {
    if head.get(head.word) == b"CONNECT" && head.scheme.is_none() {
        let host = host.filter(|_| head.authority.is_some());
        let target = host.unwrap_or(target);
        // A user and a password in front of the host are not told.
        let target = target.rsplit(|byte| *byte == b'@').next().unwrap_or(target);
        let (domain, port) = authority(target);
        return Url {
            domain,
            port,
            original: Some(Text(target)),
            ..Url::default()
        };
    }
    let mut url = Url {
        scheme: Some(Lower(head.scheme.map_or(b"http", |span| head.get(span)))),
        ..Url::default()
    };
    let mut rest = target;
    if let Some((scheme, host, behind)) = absolute(target) {
        url.scheme = Some(Lower(scheme));
        (url.domain, url.port) = authority(host);
        url.original = Some(Text(target));
        rest = behind;
    } else if let Some(host) = host {
        (url.domain, url.port) = authority(host.trim_ascii());
    }
    let (path, query) = match rest.iter().position(|byte| *byte == b'?') {
        Some(at) => (rest.get(..at), rest.get(at + 1..)),
        None => (Some(rest), None),
    };
    url.path = path.filter(|path| !path.is_empty()).map(Text);
    url.query = query.map(Text);
    url
}

/// Scheme, authority and the rest of a target in absolute form.
fn absolute(target: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    // RFC 3986 §3.1.
    if !scheme.first()?.is_ascii_alphabetic()
        || !scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    {
        return None;
    }
    let rest = rest.strip_prefix(b"://")?;
    let end = rest
        .iter()
        .position(|byte| b"/?#".contains(byte))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    Some((scheme, authority, rest))
}

/// Host, with the brackets of an IPv6 address, and port of `[user@]host[:port]`. What is not a port
/// stays with the host.
fn authority(bytes: &[u8]) -> (Option<Lower<'_>>, Option<u16>) {
    let behind = |mark| {
        bytes
            .iter()
            .rposition(|byte| *byte == mark)
            .map(|at| at + 1)
    };
    let bytes = behind(b'@').and_then(|at| bytes.get(at..)).unwrap_or(bytes);
    let (host, port) = port(bytes).unwrap_or((bytes, None));
    (Some(host).filter(|host| !host.is_empty()).map(Lower), port)
}

/// Splits `host:port`; an empty port is none. `None` if there is no colon with a port behind it, the
/// last colon within brackets being none.
fn port(bytes: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let at = bytes.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = bytes.split_at_checked(at)?;
    if host.first() == Some(&b'[') && !host.contains(&b']') {
        return None;
    }
    match port.get(1..)? {
        [] => Some((host, None)),
        digits if digits.iter().all(u8::is_ascii_digit) => {
            let number = str::from_utf8(digits).ok()?.parse().ok()?;
            Some((host, Some(number)))
        }
        _ => None,
    }
}
