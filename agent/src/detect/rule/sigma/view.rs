//! An event as Sigma's web server rules see a line of a log.

use std::sync::LazyLock;

use crate::detect::query;
use crate::filter::Fields;

/// Sigma's names for fields of a web server's log, and ours. `cs-uri` is path and query together.
const NAMES: &[(&str, &str)] = &[
    ("cs-method", "http.request.method"),
    ("cs-uri-stem", "url.path"),
    ("cs-uri-query", "url.query"),
    ("cs-user-agent", "user_agent.original"),
    ("cs-referer", "http.request.headers[\"referer\"]"),
    ("cs-cookie", "http.request.headers[\"cookie\"]"),
    ("cs-host", "url.domain"),
    ("sc-status", "http.response.status_code"),
    ("c-ip", "client.address"),
    ("cs-username", "user.id"),
    ("s-ip", "server.address"),
    ("s-port", "server.port"),
    ("sc-bytes", "http.response.body_bytes"),
    ("cs-bytes", "http.request.body_bytes"),
    ("cs-version", "network.protocol.version"),
];

/// The place of the query among them.
const QUERY: usize = 2;

/// Other names of the same.
const ALIASES: &[(&str, &str)] = &[
    ("c-uri", "cs-uri"),
    ("c-uri-stem", "cs-uri-stem"),
    ("c-uri-query", "cs-uri-query"),
    ("c-useragent", "cs-user-agent"),
    ("cs-useragent", "cs-user-agent"),
    ("c-referer", "cs-referer"),
    ("cs-referrer", "cs-referer"),
    ("c-cookie", "cs-cookie"),
    ("clientip", "c-ip"),
    ("src_ip", "c-ip"),
    ("status", "sc-status"),
    ("response", "sc-status"),
];

static FIELDS: LazyLock<Option<Fields>> = LazyLock::new(|| {
    let paths: Vec<&str> = NAMES.iter().map(|(_, path)| *path).collect();
    Fields::parse(&paths.join(", ")).ok()
});

/// The place of a field in a [`View`]; behind all others that of `cs-uri`.
pub(super) fn place_of(name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name.as_str(), |(_, name)| name);
    if name == "cs-uri" {
        return Some(NAMES.len());
    }
    NAMES.iter().position(|(sigma, _)| *sigma == name)
}

/// Our name of a field that is counted or grouped by.
pub(super) fn path_of(name: &str) -> Option<&'static str> {
    let at = place_of(name)?;
    // What differs in `cs-uri` differs in the path, as a rule.
    NAMES
        .get(at)
        .map_or(Some("url.path"), |(_, path)| Some(*path))
}

/// Values of one event, in lower case, as they are written and with percent signs decoded.
#[derive(Clone, Debug)]
pub(in super::super) struct View {
    values: Vec<Option<(String, String)>>,
}

impl View {
    /// Of the sealed event in `line`.
    pub(in super::super) fn of(line: &[u8]) -> Self {
        let Some(fields) = &*FIELDS else {
            return Self { values: Vec::new() };
        };
        let row = fields.of(line);
        let mut raw: Vec<Option<String>> = row
            .cells()
            .map(|cells| cells.first().map(|cell| cell.text().to_lowercase()))
            .collect();
        let part = |at: usize| raw.get(at).cloned().flatten();
        let uri = match (part(1), part(2)) {
            (Some(path), Some(query)) if !query.is_empty() => Some(format!("{path}?{query}")),
            (path, _) => path,
        };
        raw.push(uri);
        let both = |text: String| {
            let decoded = decoded(&text);
            (text, decoded)
        };
        Self {
            values: raw.into_iter().map(|text| text.map(both)).collect(),
        }
    }

    /// The value at `place`, as it is written and decoded.
    pub(super) fn at(&self, place: usize) -> Option<&(String, String)> {
        self.values.get(place).and_then(Option::as_ref)
    }

    /// Path and query together, where the query stands: most logs have one field for both, and rules look
    /// for paths in `cs-uri-query`.
    pub(super) fn whole(&self, place: usize) -> Option<&(String, String)> {
        if place == QUERY {
            self.at(NAMES.len())
        } else {
            None
        }
    }

    /// What stands in a line of a log, for keywords.
    pub(super) fn line(&self) -> impl Iterator<Item = &(String, String)> {
        self.values.iter().flatten()
    }
}

/// Percent signs decoded once, `+` as a space.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    String::from_utf8_lossy(&query::plain(text.as_bytes())).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{View, decoded, path_of, place_of};

    #[test]
    fn a_line_is_seen_as_written_and_decoded() {
        let line = br#"{"kind":"exchange","url":{"path":"/A%2e","query":"q=1%27+OR"},"http":{"response":{"status_code":404}}}"#;
        let view = View::of(line);
        let uri = view.at(place_of("cs-uri").unwrap()).unwrap();
        assert_eq!(uri.0, "/a%2e?q=1%27+or");
        assert_eq!(uri.1, "/a.?q=1' or");
        assert_eq!(view.at(place_of("SC-Status").unwrap()).unwrap().0, "404");
        assert!(view.at(place_of("c-useragent").unwrap()).is_none());
        assert_eq!(
            (place_of("nosuch"), path_of("clientip")),
            (None, Some("client.address"))
        );
        assert_eq!(decoded("%zz%4"), "%zz%4");
        assert_eq!(decoded("%+7a+b"), "% 7a b");
    }
}
