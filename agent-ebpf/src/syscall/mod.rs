//! The syscall tap.

mod exit;
mod fd;
mod path;
