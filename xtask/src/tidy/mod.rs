//! What STYLE asks for, clippy cannot check and a machine can: `cargo xtask tidy`.
//!
//! Each check is a pure function from files to [`Problem`]s; this file reads the files.

mod documented;
mod levels;
mod manifests;
mod source;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::say;
use crate::project::Project;

/// Folders that hold nothing a person wrote.
const PASSED_OVER: &[&str] = &["target", ".git", "corpus", "artifacts", "node_modules"];

/// A file of the project.
pub(super) struct File {
    /// Path below the root, with `/`.
    pub(super) path: String,
    /// Its content.
    pub(super) text: String,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    path: String,
    /// From 1; 0 speaks of the whole file.
    line: usize,
    what: String,
}

impl Problem {
    pub(super) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Looks at every file of the project and prints what is wrong.
///
/// # Errors
/// If a file cannot be read, or anything is wrong.
pub(crate) fn tidy(project: &Project) -> Result<()> {
    let files = read_all(&project.root)?;
    let mut problems = text::check(&files);
    problems.extend(levels::check(&files));
    problems.extend(manifests::check(&files));
    problems.extend(documented::check(&files));
    problems.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("tidy: {} problems", problems.len());
    }
    say(format!("tidy: {} files, nothing to say", files.len()));
    Ok(())
}

/// Every file of the project that is text.
fn read_all(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !PASSED_OVER.iter().any(|passed| name == *passed) {
                    folders.push(entry.path());
                }
            } else if kind.is_file()
                && let Some(file) = read_text(root, entry.path())?
            {
                files.push(file);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A file as text; none if it is not.
fn read_text(root: &Path, path: PathBuf) -> Result<Option<File>> {
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    let path = path
        .strip_prefix(root)?
        .to_str()
        .context("a path is not text")?
        .to_owned();
    Ok(Some(File { path, text }))
}

#[cfg(test)]
pub(super) fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}
