//! probe

mod btf;

pub use btf::{Absent, Btf, BtfError, Need, VMLINUX, offsets, read_vmlinux};
