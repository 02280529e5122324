//! What `lookup` finds is masked before it is shared: its tables hold no secret.

use crate::lookup::Mask;
use crate::redact::{mask_arguments, mask_label};

/// Masks by the rules of `redact`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Masks;

impl Mask for Masks {
    fn command_line(&self, arguments: &[u8]) -> Vec<u8> {
        mask_arguments(arguments, &masked)
    }

    fn label(&self, name: &str, value: String) -> String {
        mask_label(name, &value, &masked)
    }
}

/// Says of what type it was.
fn masked(kind: &str, _: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"[masked:");
    out.extend_from_slice(kind.as_bytes());
    out.push(b']');
}
