//! The socket tap.

mod length;
