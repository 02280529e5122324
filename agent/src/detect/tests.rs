mod behaviour;
mod evasion;
mod incidents;
pub(super) mod support;
