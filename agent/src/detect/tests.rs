mod behaviour;
mod evasion;
mod incidents;
mod inventory;
pub(super) mod support;
