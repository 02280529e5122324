//! Programs of peers, built once a run.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

/// Programs by how they are built.
pub(super) struct Built<How>(Mutex<Option<HashMap<How, PathBuf>>>);

impl<How: Copy + Eq + Hash> Built<How> {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The program, by `build` if it was not built yet.
    ///
    /// # Errors
    /// What `build` says.
    pub(super) fn get(&self, how: How, build: fn(How) -> Result<PathBuf>) -> Result<PathBuf> {
        let mut built = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let built = built.get_or_insert_with(HashMap::new);
        if let Some(path) = built.get(&how) {
            return Ok(path.clone());
        }
        let path = build(how)?;
        built.insert(how, path.clone());
        Ok(path)
    }
}
