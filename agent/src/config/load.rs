//! A file → a [`Config`], or everything that is wrong with it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::report::{Mistake, Mistakes, Place, Report};
use super::{Config, check, tree};

/// Largest file that is read, bytes: a configuration is a page or two.
pub const FILE_MAX_BYTES: u64 = 1 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no file: a folder, a device.
    #[error("configuration file {} is not a file", path.display())]
    NotFile {
        /// What is not.
        path: PathBuf,
    },
    /// It is larger than any configuration.
    #[error(
        "configuration file {} has {bytes} bytes; allowed: up to {FILE_MAX_BYTES}",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is not text.
    #[error(
        "configuration file {} is not UTF-8: byte {at}, on line {line}, is 0x{byte:02x}",
        path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset of the first byte that is not.
        at: usize,
        /// Its line.
        line: usize,
        /// The byte.
        byte: u8,
    },
    /// What it says is wrong.
    #[error("{0}")]
    Mistakes(Report),
}

/// Reads the configuration file `path`.
///
/// # Errors
/// [`ConfigError`] says why it cannot be read, or names every mistake in it.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(ConfigError::NotFile {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
            bytes: metadata.len().max(bytes.len() as u64),
        });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = bytes.get(..at).unwrap_or_default();
        ConfigError::NotUtf8 {
            path: path.to_owned(),
            at,
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            byte: bytes.get(at).copied().unwrap_or_default(),
        }
    })?;
    parse(&text).map_err(|mistakes| {
        ConfigError::Mistakes(Report::new(&path.display().to_string(), &text, mistakes))
    })
}

/// Reads a configuration from the text of a file.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<Config, Mistakes> {
    let mut mistakes = Mistakes::default();
    let root = match tree::read(text) {
        Ok(root) => root,
        Err((place, what)) => {
            mistakes.add(Mistake {
                place,
                key: String::new(),
                what: format!("not YAML: {what}"),
            });
            return Err(mistakes);
        }
    };
    let sound;
    (sound, mistakes) = check::check(&root, &Config::json_schema());
    // What is wrong has been taken out, so that contradictions among the rest show at once too.
    match serde_json::from_value::<Config>(sound) {
        Ok(config) => {
            for (path, what) in config.contradictions() {
                mistakes.add(Mistake {
                    place: check::place_of(&root, &path),
                    key: path.join("."),
                    what,
                });
            }
            if mistakes.is_empty() {
                return Ok(config);
            }
        }
        // The types ask for more than their schema says: one mistake, and no better place.
        Err(error) if mistakes.is_empty() => mistakes.add(Mistake {
            place: Place::default(),
            key: String::new(),
            what: error.to_string(),
        }),
        Err(_) => {}
    }
    Err(mistakes)
}
