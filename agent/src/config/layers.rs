//! Where a configuration is written: the file, the files of the folder beside it, the environment.
//!
//! A later one overrides an earlier one key by key: mappings are put together, all else is
//! replaced. Each value remembers where it stands.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::load::ConfigError;
use super::report::{Mistake, Mistakes, Place, SECRETS};
use super::tree::{self, Node, Value};

/// Largest file that is read, bytes: a configuration is a page or two.
pub const FILE_MAX_BYTES: u64 = 1 << 20;

/// Files in the folder beside the configuration file.
const FILES_MAX: usize = 256;

/// The folder beside the configuration file whose `*.yaml` are read after it.
const FOLDER: &str = "conf.d";

/// What the names of variables begin with, and what stands between two keys in them.
const PREFIX: &str = "EAVES_";
const BETWEEN: &str = "__";

/// One text, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// A path, or a variable.
    pub(super) name: String,
    pub(super) text: String,
    /// The keys under which its value stands; none for a file.
    keys: Vec<String>,
}

impl Source {
    /// A file's.
    pub(super) const fn file(name: String, text: String) -> Self {
        let keys = Vec::new();
        Self { name, text, keys }
    }
}

/// The texts that `file`, the folder beside it and `variables` hold, each overriding those before.
/// `sections`: the keys of the whole, which a variable may set alone.
///
/// # Errors
/// [`ConfigError`] if one cannot be read. That `file` is not there is no error if it is `optional`.
pub(super) fn sources(
    file: &Path,
    optional: bool,
    variables: impl Iterator<Item = (String, String)>,
    sections: &[String],
) -> Result<Vec<Source>, ConfigError> {
    let mut sources = Vec::new();
    if !optional || file.exists() {
        sources.push(Source::file(file.display().to_string(), read(file)?));
    }
    for path in beside(file)? {
        sources.push(Source::file(path.display().to_string(), read(&path)?));
    }
    let mut set: Vec<_> = variables
        .filter_map(|(name, text)| {
            let keys = keys(&name, sections)?;
            Some(Source { name, text, keys })
        })
        .collect();
    // A section as a whole goes before keys in it.
    set.sort_by(|one, other| (one.keys.len(), &one.name).cmp(&(other.keys.len(), &other.name)));
    sources.extend(set);
    Ok(sources)
}

/// The keys that a variable of this name sets: `EAVES_CAPTURE__BODY__REQUEST` those of
/// `capture.body.request`. `None` for others: one without `__` is ours only if it names a section,
/// since Kubernetes sets `EAVES_PORT` and the like for a service of that name.
fn keys(name: &str, sections: &[String]) -> Option<Vec<String>> {
    let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let keys: Vec<String> = path.split(BETWEEN).map(str::to_owned).collect();
    let ours = keys.len() > 1 || keys.first().is_some_and(|key| sections.contains(key));
    ours.then_some(keys)
}

/// The `*.yaml` in the folder beside `file`, by name.
fn beside(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let folder = file.with_file_name(FOLDER);
    let failed = |source| ConfigError::Read {
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(b".yaml") && !name.starts_with(b".") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(ConfigError::TooMany { folder });
        }
    }
    files.sort();
    Ok(files)
}

/// The text of the file `path`.
fn read(path: &Path) -> Result<String, ConfigError> {
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
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = bytes.get(..at).unwrap_or_default();
        ConfigError::NotUtf8 {
            path: path.to_owned(),
            at,
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            byte: bytes.get(at).copied().unwrap_or_default(),
        }
    })
}

/// The tree of all `sources`; what is no YAML is a mistake.
pub(super) fn merged(sources: &[Source], mistakes: &mut Mistakes) -> Node {
    let mut root = Node {
        value: Value::Null,
        place: Place::default(),
    };
    for (index, source) in sources.iter().enumerate() {
        match tree::read(&source.text, index) {
            Ok(node) => overlay(&mut root, under(&source.keys, node)),
            Err((place, what)) => {
                if source
                    .keys
                    .last()
                    .is_some_and(|key| SECRETS.contains(&key.as_str()))
                {
                    let chars = source.text.chars().count();
                    let (line, column) = (1, 1);
                    mistakes.hide(Place {
                        source: index,
                        line,
                        column,
                        chars,
                    });
                }
                mistakes.add(Mistake {
                    place,
                    key: source.keys.join("."),
                    what: format!("not YAML: {what}"),
                });
            }
        }
    }
    root
}

/// `node` as it stands under `keys`.
fn under(keys: &[String], node: Node) -> Node {
    let place = node.place;
    let inside = |node, key: &String| {
        let value = Value::Text(key.clone());
        let value = Value::Map(vec![(Node { value, place }, node)]);
        Node { value, place }
    };
    keys.iter().rev().fold(node, inside)
}

/// Puts `over` on top of `base`. Keys that stand twice in one source stay, so that they are told.
fn overlay(base: &mut Node, over: Node) {
    let source = over.place.source;
    match (&mut base.value, over.value) {
        // A section all of whose keys are comments says nothing.
        (Value::Map(_), Value::Null) => {}
        (Value::Map(entries), Value::Map(more)) => {
            for (key, value) in more {
                let before = entries
                    .iter_mut()
                    .find(|(k, _)| k.value == key.value && k.place.source != source);
                match before {
                    Some((k, below)) => {
                        *k = key;
                        overlay(below, value);
                    }
                    None => entries.push((key, value)),
                }
            }
            base.place = over.place;
        }
        (base_value, value) => {
            *base_value = value;
            base.place = over.place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, keys, merged, sources};
    use crate::config::report::Mistakes;
    use crate::config::tree::{Node, Value};

    fn plain(node: &Node) -> String {
        match &node.value {
            Value::Map(entries) => {
                let each = entries.iter().map(|(key, below)| {
                    let Value::Text(key) = &key.value else {
                        return "?".to_owned();
                    };
                    format!("{key}: {}", plain(below))
                });
                format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
            }
            Value::Int(number) => format!("{number}@{}", node.place.source),
            other => format!("{other:?}@{}", node.place.source),
        }
    }

    #[track_caller]
    fn check(texts: &[&str], expected: &str) {
        let files = texts.iter().map(|text| (*text).to_owned());
        let sources: Vec<_> = files
            .map(|text| Source::file(String::new(), text))
            .collect();
        let mut mistakes = Mistakes::default();
        assert_eq!(plain(&merged(&sources, &mut mistakes)), expected);
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }

    #[test]
    fn later_values_override_key_by_key() {
        check(
            &["a: 1\nb: {c: 2, d: 3}", "b: {d: 4}"],
            "{a: 1@0, b: {c: 2@0, d: 4@1}}",
        );
        check(&["a: {b: 1}", "a: 2"], "{a: 2@1}");
        check(&["a: 1", "", "# nothing"], "{a: 1@0}");
        check(&["a: {b: 1}", "a:"], "{a: {b: 1@0}}");
        check(&["", "a: 1"], "{a: 1@1}");
        check(&["a: 0", "a: 1\na: 2"], "{a: 1@1, a: 2@1}");
    }

    #[test]
    fn variables_name_keys_or_sections() {
        let sections = ["capture".to_owned()];
        let check = |name, expected: Option<&[&str]>| {
            let found = keys(name, &sections);
            let expected = expected.map(|keys| keys.iter().map(|&key| key.to_owned()).collect());
            assert_eq!(found, expected, "{name}");
        };
        check(
            "EAVES_CAPTURE__BODY__REQUEST",
            Some(&["capture", "body", "request"]),
        );
        check(
            "EAVES_LIMITS__COPY_PER_CALL",
            Some(&["limits", "copy_per_call"]),
        );
        check("EAVES_CAPTURE", Some(&["capture"]));
        check("EAVES_LOG", None);
        check("EAVES_PORT_80_TCP", None);
        check("OTHER__CAPTURE__MODE", None);
    }

    #[test]
    fn files_go_by_name_and_variables_last() {
        let dir = std::env::temp_dir().join(format!("eaves-layers-{}", std::process::id()));
        let folder = dir.join("conf.d");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["20-b.yaml", "10-a.yaml", ".hidden.yaml", "note.txt"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        let variables = [("EAVES_A__B", "1"), ("EAVES_A", "{}"), ("HOME", "/")];
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let sections = ["a".to_owned()];
        let file = dir.join("eaves.yaml");
        let found = sources(&file, true, variables.into_iter(), &sections).unwrap();
        let names: Vec<_> = found.iter().map(|source| source.name.as_str()).collect();
        let [.., first, second, third, fourth] = names.as_slice() else {
            panic!("{names:?}");
        };
        assert!(first.ends_with("10-a.yaml") && second.ends_with("20-b.yaml"));
        assert_eq!([*third, *fourth], ["EAVES_A", "EAVES_A__B"]);
        assert!(sources(&file, false, std::iter::empty(), &[]).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
