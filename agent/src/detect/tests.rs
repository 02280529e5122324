mod behaviour;
mod evasion;
mod habits;
mod incidents;
mod inventory;
mod places;
mod reports;
mod rows;
pub(super) mod support;
