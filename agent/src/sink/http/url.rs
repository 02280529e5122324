//! `http://` and `https://` URLs of far ends.

use hyper::Uri;

/// Why a text is no URL of a far end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none at all.
    #[error("{0} is not a URL")]
    Form(String),
    /// It is one of something else.
    #[error("{0} is not a URL that begins with http:// or https://")]
    Scheme(String),
    /// It holds a user, and so most likely a password, which would be printed.
    #[error("a URL holds no user or password here: give them as auth")]
    User,
}

/// Where a far end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Url {
    /// Whether it is spoken to by TLS.
    pub(in super::super) tls: bool,
    /// Its name or address; an IPv6 address without brackets.
    pub(in super::super) host: String,
    /// Its port.
    pub(in super::super) port: u16,
    /// Path without a slash at its end.
    path: String,
    /// Query with its question mark, or nothing.
    query: String,
    /// Whether the port is that of the scheme.
    usual_port: bool,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`] if it is none.
    pub(in super::super) fn parse(text: &str) -> Result<Self, UrlError> {
        let form = || UrlError::Form(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| form())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(UrlError::Scheme(text.to_owned())),
        };
        let authority = uri.authority().ok_or_else(form)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::User);
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(form());
        }
        let usual = if tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(usual);
        let query = uri.query().map(|query| format!("?{query}"));
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
            query: query.unwrap_or_default(),
            usual_port: port == usual,
        })
    }

    /// Host, and port where it is not the usual one, as the Host field has them.
    #[must_use]
    pub(in super::super) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.usual_port {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The target of a request: the path with `more` behind it, and the query. In the absolute form
    /// that proxies want, if `absolute`.
    #[must_use]
    pub(in super::super) fn target(&self, more: &str, absolute: bool) -> String {
        let (path, query) = more.split_once('?').unwrap_or((more, ""));
        let mut target = String::new();
        if absolute {
            target.push_str("http://");
            target.push_str(&self.authority());
        }
        target.push_str(&self.path);
        target.push_str(path);
        if self.path.is_empty() && path.is_empty() {
            target.push('/');
        }
        target.push_str(&self.query);
        if !query.is_empty() {
            target.push(if self.query.is_empty() { '?' } else { '&' });
            target.push_str(query);
        }
        target
    }
}

/// `text` with every byte that is not unreserved (RFC 3986 §2.3) as `%NN`.
#[must_use]
pub(in super::super) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Url, UrlError, percent};

    #[track_caller]
    fn check(text: &str, authority: &str, target: &str) {
        let url = Url::parse(text).unwrap();
        assert_eq!(url.authority(), authority);
        assert_eq!(url.target("/_bulk?a=1", false), target);
    }

    #[test]
    fn paths_and_queries_are_put_together() {
        check("http://es:9200", "es:9200", "/_bulk?a=1");
        check("https://es/", "es", "/_bulk?a=1");
        check("https://es:443/x/", "es", "/x/_bulk?a=1");
        check("http://[::1]:80/x?k=v", "[::1]", "/x/_bulk?k=v&a=1");
        let url = Url::parse("http://proxied:8080").unwrap();
        assert_eq!(url.target("", false), "/");
        assert_eq!(url.target("", true), "http://proxied:8080/");
        assert_eq!(
            (url.tls, url.port, url.host.as_str()),
            (false, 8080, "proxied")
        );
    }

    #[test]
    fn what_is_no_url_of_a_far_end_says_so() {
        for text in ["", "es:9200", "/x", "ftp://x", "http://"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        assert_eq!(Url::parse("http://u:p@h/"), Err(UrlError::User));
    }

    #[test]
    fn what_is_reserved_is_escaped() {
        assert_eq!(percent("a-Z_1~ /é?"), "a-Z_1~%20%2F%C3%A9%3F");
    }
}
