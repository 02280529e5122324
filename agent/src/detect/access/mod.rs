//! What one may see and do: objects, functions, fields.

mod fields;
mod foreign;
mod methods;
mod objects;
mod privileged;
mod twice;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 6] = [
    &objects::ROW,
    &foreign::ROW,
    &twice::ROW,
    &privileged::ROW,
    &methods::ROW,
    &fields::ROW,
];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Access {
    objects: objects::Objects,
    foreign: foreign::Foreign,
    privileged: privileged::Privileged,
    methods: methods::Methods,
    fields: fields::Fields,
}

impl Access {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.objects.look(&self.foreign, scene);
        self.foreign.look(scene);
        self.privileged.look(scene);
        self.methods.look(scene);
        self.fields.look(scene);
    }
}
