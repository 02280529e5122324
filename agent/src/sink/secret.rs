//! Secrets: named in the configuration, read at start, never printed.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// Largest file a secret is read from, bytes.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// What stands for a secret that is written out in the configuration.
const HIDDEN: &str = "[hidden]";

/// A secret as the configuration has it: `${env:NAME}`, `${file:PATH}`, or the secret itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such variable.
    #[error("environment variable {0} is not set, or is not text")]
    Variable(String),
    /// There is no such file.
    #[error("secret file {path}")]
    File {
        /// The file.
        path: String,
        /// Why it cannot be read.
        #[source]
        source: io::Error,
    },
    /// It cannot stand where it must.
    #[error("a secret holds a line feed or a control character")]
    Control,
}

impl SecretText {
    /// The name in `${kind:NAME}`.
    fn reference(&self, kind: &str) -> Option<&str> {
        let name = self.0.strip_prefix("${")?.strip_suffix('}')?;
        name.strip_prefix(kind)?.strip_prefix(':')
    }

    /// The secret.
    ///
    /// # Errors
    /// [`SecretError`] if what it names is not there, or is nothing that a header field could hold.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let text = if let Some(name) = self.reference("env") {
            std::env::var(name).map_err(|_| SecretError::Variable(name.to_owned()))?
        } else if let Some(path) = self.reference("file") {
            read_file(path).map_err(|source| SecretError::File {
                path: path.to_owned(),
                source,
            })?
        } else {
            self.0.clone()
        };
        // A file ends with a line feed that nobody meant.
        let text = text.trim_end_matches(['\r', '\n']);
        if text.chars().any(char::is_control) {
            return Err(SecretError::Control);
        }
        Ok(Secret(text.to_owned()))
    }
}

fn read_file(path: &str) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    file.take(FILE_MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl SecretText {
    fn shown(&self) -> &str {
        let named = self.reference("env").or(self.reference("file")).is_some();
        if named { &self.0 } else { HIDDEN }
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.shown())
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-secret": true })
    }
}

impl Secret {
    /// The text itself, to be put into a request.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretError, SecretText};

    fn text(text: &str) -> SecretText {
        SecretText(text.to_owned())
    }

    #[test]
    fn a_secret_is_read_where_it_lies() {
        let folder = std::env::temp_dir().join(format!("eaves-secret-{}", std::process::id()));
        std::fs::write(&folder, "from a file\r\n").unwrap();
        let named = text(&format!("${{file:{}}}", folder.display()));
        assert_eq!(named.read().unwrap().expose(), "from a file");
        std::fs::write(&folder, "two\nlines\n").unwrap();
        assert!(matches!(named.read(), Err(SecretError::Control)));
        std::fs::remove_file(&folder).unwrap();
        assert!(matches!(named.read(), Err(SecretError::File { .. })));
        // Set by cargo for every test.
        let variable = text("${env:CARGO_PKG_NAME}").read().unwrap();
        assert_eq!(variable.expose(), "eaves");
        let none = text("${env:EAVES_NO_SUCH_VARIABLE}").read();
        assert!(matches!(none, Err(SecretError::Variable(_))));
        assert_eq!(text("plain").read().unwrap().expose(), "plain");
    }

    #[test]
    fn a_secret_is_never_printed() {
        let plain = text("hunter2");
        assert!(!format!("{plain:?} {:?}", plain.read().unwrap()).contains("hunter2"));
        assert_eq!(serde_json::to_value(&plain).unwrap(), "[hidden]");
        let named = text("${env:TOKEN}");
        assert_eq!(serde_json::to_value(&named).unwrap(), "${env:TOKEN}");
    }
}
