//! The socket tap.

mod length;
mod splice;
