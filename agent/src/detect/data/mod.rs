//! What leaves: kinds of data, and how much of it.

mod errors;
mod exposure;
mod huge;
mod open;
mod paging;
mod volume;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 6] = [
    &exposure::ROW,
    &open::ROW,
    &errors::ROW,
    &volume::ROW,
    &huge::ROW,
    &paging::ROW,
];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    exposure: exposure::Exposure,
    open: open::Open,
    volume: volume::Volume,
    huge: huge::Huge,
    paging: paging::Paging,
}

impl Data {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        if !scene.succeeded() {
            return;
        }
        if scene.report.content {
            self.exposure.look(scene);
            self.open.look(scene);
        }
        self.volume.look(scene);
        if scene.report.whole {
            self.huge.look(scene);
        }
        if scene.report.content {
            self.paging.look(scene);
        }
    }
}
