//! Bodies. The Rust peers that are built by themselves have this file too.

/// What a body of `bytes` holds: lines that name its length and where they lie, so that bytes from
/// elsewhere, or of another body, show.
#[must_use]
pub fn body(bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes + 32);
    while body.len() < bytes {
        let line = format!("{bytes:>8} bytes, at {:>8}\n", body.len());
        body.extend_from_slice(line.as_bytes());
    }
    body.truncate(bytes);
    body
}
