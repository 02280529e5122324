//! Endpoints that nobody knows of, or nobody should use any more.

mod deprecated;
mod drift;
mod shadow;
mod specification;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub use specification::{Answer, Form, Names, Operation, Specification};

pub(super) const ROWS: [&Row; 3] = [&shadow::ROW, &deprecated::ROW, &drift::ROW];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Inventory {
    shadow: shadow::Shadow,
    deprecated: deprecated::Deprecated,
    drift: drift::Drift,
}

impl Inventory {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        if !scene.succeeded() {
            return;
        }
        let judged = scene.books.options.specification.judge(scene.facts);
        self.shadow.look(&judged, scene);
        self.deprecated.look(&judged, scene);
        self.drift.look(&judged, scene);
    }
}
