mod behaviour;
mod evasion;
mod incidents;
mod inventory;
mod reports;
pub(super) mod support;
