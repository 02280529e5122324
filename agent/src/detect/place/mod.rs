//! From where an account is used, and with what.

mod country;
mod device;
mod travel;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 3] = [&country::ROW, &travel::ROW, &device::ROW];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Places {
    country: country::Countries,
    travel: travel::Travel,
    device: device::Devices,
}

impl Places {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        // A credential that was refused says nothing of where its owner is.
        let refused = matches!(scene.facts.status, 0 | 401 | 403);
        if scene.keys.user == 0 || refused {
            return;
        }
        let new_device = self.device.look(scene);
        self.country.look(scene, new_device);
        self.travel.look(scene);
    }
}
