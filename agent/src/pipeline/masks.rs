//! What `lookup` finds is masked before it is shared: its tables hold no secret.

use crate::keyed::HashKey;
use crate::lookup::Mask;
use crate::redact::{mask_arguments, mask_label, stand_in};

/// Masks by the rules of `redact`, with the key of all hashes: one password on two command lines, or
/// in a request, is told to be one.
#[derive(Clone, Debug)]
pub struct Masks {
    key: HashKey,
}

impl Masks {
    /// Hashes with `key`.
    #[must_use]
    pub const fn new(key: HashKey) -> Self {
        Self { key }
    }

    fn masked(&self, kind: &str, value: &[u8], out: &mut Vec<u8>) {
        stand_in(out, kind, self.key.hash(value));
    }
}

impl Mask for Masks {
    fn command_line(&self, arguments: &[u8]) -> Vec<u8> {
        mask_arguments(arguments, &|kind, value, out| self.masked(kind, value, out))
    }

    fn label(&self, name: &str, value: String) -> String {
        mask_label(name, &value, &|kind, value, out| {
            self.masked(kind, value, out)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Masks;
    use crate::keyed::HashKey;
    use crate::lookup::Mask as _;

    #[test]
    fn one_secret_has_one_hash_wherever_it_stands() {
        let key = HashKey::new(b"key");
        let masks = Masks::new(key.clone());
        let hash = key.hash(b"hunter2");
        let line = masks.command_line(b"app\0--password=hunter2\0");
        let expected = format!("app --password=[masked:argument:{hash}]");
        assert_eq!(String::from_utf8_lossy(&line), expected);
        let label = masks.label("db-password", "hunter2".to_owned());
        assert_eq!(label, format!("[masked:argument:{hash}]"));
    }
}
