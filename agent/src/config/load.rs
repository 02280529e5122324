//! Files and variables → a [`Config`], or everything that is wrong with it.

use std::io;
use std::path::{Path, PathBuf};

use super::layers::{self, FILE_MAX_BYTES, Source};
use super::report::{Mistake, Mistakes, Place, Report};
use super::tree::Node;
use super::{Config, DEFAULT_FILE, check, show};

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
    /// The folder beside it holds more files than any configuration.
    #[error("{} holds too many files", folder.display())]
    TooMany {
        /// The folder.
        folder: PathBuf,
    },
    /// What it says is wrong.
    #[error("{0}")]
    Mistakes(Report),
}

/// A configuration, and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// Files and variables it was read from, in the order in which they override each other.
    pub names: Vec<String>,
    root: Node,
}

impl Loaded {
    /// The configuration as YAML, every value written out, with the place it comes from beside it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        show::yaml(&self.config, |path| {
            let Some(place) = check::exact_place_of(&self.root, path) else {
                return Some("default".to_owned());
            };
            let name = self.names.get(place.source).map_or("", String::as_str);
            Some(format!("{name}:{}", place.line))
        })
    }
}

/// Reads the configuration: `file`, or the default one if that is there; then `conf.d/*.yaml` beside
/// it, by name; then variables such as `EAVES_CAPTURE__MODE`, each a value in YAML.
///
/// # Errors
/// [`ConfigError`] says what cannot be read, or names every mistake.
pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let variables = std::env::vars_os().filter_map(|(name, text)| {
        // A name that is no text is none of ours.
        Some((
            name.into_string().ok()?,
            text.to_string_lossy().into_owned(),
        ))
    });
    load_with(file, variables)
}

/// As [`load`], with these variables.
pub(super) fn load_with(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let schema = Config::json_schema();
    let sections = schema.get("properties").and_then(|all| all.as_object());
    let sections: Vec<_> = sections
        .into_iter()
        .flat_map(|all| all.keys().cloned())
        .collect();
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let sources = layers::sources(path, file.is_none(), variables, &sections)?;
    read(&sources).map_err(|mistakes| {
        let sources = sources.iter();
        let texts = sources.map(|source| (source.name.as_str(), source.text.as_str()));
        ConfigError::Mistakes(Report::new(texts, mistakes))
    })
}

/// Reads a configuration from the text of a file.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<Config, Mistakes> {
    let loaded = read(&[Source::file(String::new(), text.to_owned())])?;
    Ok(loaded.config)
}

fn read(sources: &[Source]) -> Result<Loaded, Mistakes> {
    let mut mistakes = Mistakes::default();
    let root = layers::merged(sources, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
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
                let names = sources.iter().map(|source| source.name.clone());
                return Ok(Loaded {
                    config,
                    names: names.collect(),
                    root,
                });
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
