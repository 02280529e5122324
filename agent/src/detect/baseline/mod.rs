//! What differs from what is usual.

mod errors;
mod order;
mod outlier;
mod rate;
mod size;
mod trees;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 5] = [
    &rate::ROW,
    &errors::ROW,
    &size::ROW,
    &order::ROW,
    &outlier::ROW,
];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Baselines {
    rate: rate::Rates,
    errors: errors::Errors,
    size: size::Sizes,
    order: order::Order,
    outlier: outlier::Outlier,
}

impl Baselines {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.rate.look(scene);
        self.errors.look(scene);
        self.size.look(scene);
        self.order.look(scene);
        self.outlier.look(scene);
    }
}
