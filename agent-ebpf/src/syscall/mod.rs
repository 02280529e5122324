//! The syscall tap.

mod exit;
pub(crate) mod fd;
mod path;
