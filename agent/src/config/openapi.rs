//! OpenAPI documents (version 2 and 3): their paths, as routes, and what they say of each.

mod operations;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::detect::Specification;

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

/// A document that was read.
#[derive(Debug)]
pub(super) struct Document(Value);

/// Reads the document at `path`.
///
/// # Errors
/// It cannot be read, or is no OpenAPI document.
pub(super) fn read(path: &Path) -> Result<Document, OpenapiError> {
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
    read_document(&text).map_err(wrong)
}

fn read_document(text: &str) -> Result<Document, String> {
    // JSON is YAML, but slower so.
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let first = |error: serde_saphyr::Error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        };
        serde_saphyr::from_str(text).map_err(first)?
    };
    if value.get("paths").is_none_or(|paths| !paths.is_object()) {
        return Err("has no `paths`".to_owned());
    }
    Ok(Document(value))
}

impl Document {
    /// Its paths, each with the path of each of its servers in front.
    pub(super) fn routes(&self) -> Vec<String> {
        let bases = self.bases();
        let paths = self.0.get("paths").and_then(Value::as_object);
        let paths = paths.into_iter().flatten().map(|(path, _)| path);
        let paths = paths.filter(|path| path.starts_with('/'));
        let routes = paths.flat_map(|path| bases.iter().map(move |base| format!("{base}{path}")));
        let mut routes: Vec<_> = routes.take(ROUTES_MAX).collect();
        routes.sort_unstable();
        routes.dedup();
        routes
    }

    /// What it says of its operations.
    pub(super) fn specification(&self) -> Specification {
        operations::read(&self.0, &self.bases())
    }

    /// What stands in front of its paths; version 2 has one base in the servers' place.
    fn bases(&self) -> Vec<&str> {
        let servers = self.0.get("servers").and_then(Value::as_array);
        let urls = servers.into_iter().flatten().map(|one| one.get("url"));
        let mut bases: Vec<&str> = urls
            .map(|url| base(url.and_then(Value::as_str).unwrap_or_default()))
            .collect();
        bases.extend(self.0.get("basePath").and_then(Value::as_str).map(base));
        if bases.is_empty() {
            bases.push("");
        }
        bases
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
