//! How much and how often.

mod costly;
mod flood;
mod flow;
mod rate;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 4] = [&rate::ROW, &flood::ROW, &costly::ROW, &flow::ROW];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Abuse {
    rate: rate::Rates,
    flood: flood::Flood,
    costly: costly::Costly,
    flow: flow::Flow,
}

impl Abuse {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.rate.look(scene);
        self.flood.look(scene);
        self.costly.look(scene);
        self.flow.look(scene);
    }
}
