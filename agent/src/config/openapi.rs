//! Paths of OpenAPI documents (version 2 and 3), as routes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Most bytes of a document.
const DOCUMENT_MAX_BYTES: u64 = 16 << 20;

/// Most routes of one document.
const ROUTES_MAX: usize = 10_000;

/// A document that is none.
#[derive(Debug, thiserror::Error)]
#[error("identity.openapi: {}: {why}", path.display())]
pub struct OpenapiError {
    /// The document.
    path: PathBuf,
    /// What is wrong with it.
    why: String,
}

/// What is read of a document.
#[derive(Debug, Default, Deserialize)]
struct Document {
    #[serde(default)]
    servers: Vec<Server>,
    /// Version 2 has one of these in the servers' place.
    #[serde(default, rename = "basePath")]
    base_path: Option<String>,
    paths: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Server {
    #[serde(default)]
    url: String,
}

/// The paths of the document at `path`, each with the path of each of its servers in front.
///
/// # Errors
/// It cannot be read, or is no OpenAPI document.
pub(super) fn routes(path: &Path) -> Result<Vec<String>, OpenapiError> {
    let wrong = |why: String| OpenapiError {
        path: path.into(),
        why,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let read = file.take(DOCUMENT_MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > DOCUMENT_MAX_BYTES {
        return Err(wrong("is longer than 16 MiB".to_owned()));
    }
    let document = read_document(&text).map_err(wrong)?;
    Ok(document.routes())
}

fn read_document(text: &str) -> Result<Document, String> {
    // JSON is YAML, but slower so.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let first = |error: serde_saphyr::Error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    };
    serde_saphyr::from_str(text).map_err(first)
}

impl Document {
    fn routes(&self) -> Vec<String> {
        let mut bases: Vec<&str> = self
            .servers
            .iter()
            .map(|server| base(&server.url))
            .collect();
        bases.extend(self.base_path.as_deref().map(base));
        if bases.is_empty() {
            bases.push("");
        }
        let paths = self.paths.keys().filter(|path| path.starts_with('/'));
        let routes = paths.flat_map(|path| bases.iter().map(move |base| format!("{base}{path}")));
        let mut routes: Vec<_> = routes.take(ROUTES_MAX).collect();
        routes.sort_unstable();
        routes.dedup();
        routes
    }
}

/// The path of a server's URL, without the last slash.
fn base(url: &str) -> &str {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""),
        None if url.starts_with('/') => url,
        None => "",
    };
    path.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::read_document;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(read_document(text).unwrap().routes(), expected);
    }

    #[test]
    fn paths_stand_behind_their_servers() {
        check(
            "openapi: 3.1.0\nservers: [{url: 'https://api.example.com/v1/'}, {url: /v2}]\npaths:\n  /users/{id}: {get: {}}\n  x-other: 1\n",
            &["/v1/users/{id}", "/v2/users/{id}"],
        );
        check(
            r#"{"openapi":"3.0.0","paths":{"/a":{},"/b":{}}}"#,
            &["/a", "/b"],
        );
        check(
            r#"{"swagger":"2.0","basePath":"/api","paths":{"/a":{}}}"#,
            &["/api/a"],
        );
        check(
            r#"{"servers":[{"url":"https://h"}],"paths":{"/a":{}}}"#,
            &["/a"],
        );
    }

    #[test]
    fn what_is_no_document_is_said() {
        for text in ["", "[]", "{}", "a: 1", "{", "paths: 7"] {
            assert!(read_document(text).is_err(), "{text}");
        }
    }
}
