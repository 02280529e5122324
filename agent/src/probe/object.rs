//! The kernel object: the one within this binary, or the file named by `--ebpf-object`.

use std::borrow::Cow;
use std::path::Path;

use super::ProbeError;

/// Largest object that is read, bytes; ours has a tenth of it.
const OBJECT_MAX_BYTES: u64 = 16 << 20;

/// The object's bytes.
///
/// # Errors
/// [`ProbeError::NoObject`] if no file is named and none is embedded, [`ProbeError::Object`] if
/// the file cannot be read.
pub(super) fn bytes(file: Option<&Path>) -> Result<Cow<'static, [u8]>, ProbeError> {
    let Some(path) = file else {
        return embedded().map(Cow::Borrowed).ok_or(ProbeError::NoObject);
    };
    let unreadable = |source| ProbeError::Object {
        path: path.to_owned(),
        source,
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.len() > OBJECT_MAX_BYTES {
        let source = std::io::Error::other("too long to be a kernel object");
        return Err(unreadable(source));
    }
    std::fs::read(path).map(Cow::Owned).map_err(unreadable)
}

/// Whether this binary has an object in it.
#[must_use]
pub fn is_embedded() -> bool {
    embedded().is_some()
}

#[cfg(embedded_object)]
fn embedded() -> Option<&'static [u8]> {
    Some(aya::include_bytes_aligned!(env!("AGENT_EBPF_OBJECT")))
}

#[cfg(not(embedded_object))]
fn embedded() -> Option<&'static [u8]> {
    None
}
