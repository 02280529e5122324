//! The client's program, as its User-Agent field says.

use super::AgentClass;

/// What a User-Agent field says; shared by all exchanges with the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name; empty if it has none.
    pub name: Box<str>,
    /// Its version; empty if it says none.
    pub version: Box<str>,
    /// Operating system; empty if it says none.
    pub os: Box<str>,
    /// What kind of program it is; `None` for what makes no sense.
    pub class: Option<AgentClass>,
}
