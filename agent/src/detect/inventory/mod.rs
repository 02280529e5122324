//! Endpoints that nobody knows of, or nobody should use any more.

mod deprecated;
mod drift;
mod shadow;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

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
        self.shadow.look(scene);
        self.deprecated.look(scene);
        self.drift.look(scene);
    }
}
