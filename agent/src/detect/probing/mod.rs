//! Looking for what is there: paths, files, methods, and the tools that do it.

mod files;
mod methods;
mod paths;
mod tools;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 4] = [&paths::ROW, &tools::ROW, &files::ROW, &methods::ROW];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Probing {
    paths: paths::Paths,
    tools: tools::Tools,
    methods: methods::Methods,
}

impl Probing {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.paths.look(scene);
        self.tools.look(scene);
        files::look(scene);
        self.methods.look(scene);
    }
}
