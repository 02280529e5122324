//! The parts of a multipart body, as they are reported.

use crate::content::multipart_parts;
use crate::event::{BodyPart, Lower, Text};

/// Parts that are told.
const PARTS_MAX: usize = 64;

/// The parts of `raw`, whose Content-Type field is `media_type`: sizes as they were sent, names as they
/// stand in `masked`, which is the same body with what is sensitive masked.
pub(super) fn parts<'a>(media_type: &[u8], raw: &[u8], masked: &'a [u8]) -> Vec<BodyPart<'a>> {
    let mut sizes = Vec::new();
    multipart_parts(media_type, raw, PARTS_MAX, &mut |part| {
        sizes.push(part.bytes)
    });
    if sizes.is_empty() {
        return Vec::new();
    }
    let mut told = Vec::with_capacity(sizes.len());
    multipart_parts(media_type, masked, PARTS_MAX, &mut |part| {
        told.push(BodyPart {
            name: part.name.map(Text),
            media_type: part.media_type.map(Lower),
            bytes: None,
        });
    });
    // A mask over a boundary leaves no telling which part is which.
    if told.len() != sizes.len() {
        return Vec::new();
    }
    for (part, bytes) in told.iter_mut().zip(sizes) {
        part.bytes = bytes.map(|bytes| bytes as u64);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::parts;
    use crate::event::{Lower, Text};

    const FIELD: &[u8] = b"multipart/form-data; boundary=xx";

    #[track_caller]
    fn check(raw: &[u8], masked: &[u8], expected: &[(&str, &str, Option<u64>)]) {
        let told: Vec<_> = parts(FIELD, raw, masked)
            .iter()
            .map(|part| {
                let name = part.name.map_or(&b""[..], |Text(name)| name);
                let media_type = part.media_type.map_or(&b""[..], |Lower(name)| name);
                (name, media_type, part.bytes)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, kind, bytes)| (name.as_bytes(), kind.as_bytes(), *bytes))
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn names_are_those_of_the_masked_body_and_sizes_those_of_the_other() {
        let raw = b"--xx\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png; q=1\r\n\r\n\0\x01\x02\r\n--xx--\r\n";
        let masked = b"--xx\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[masked]\r\n--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png; q=1\r\n\r\n[binary:3]\r\n--xx--\r\n";
        check(
            raw,
            masked,
            &[("password", "", Some(7)), ("file", "image/png", Some(3))],
        );
        let cut = &raw[..raw.len() - 12];
        check(
            cut,
            cut,
            &[("password", "", Some(7)), ("file", "image/png", None)],
        );
        check(raw, b"[masked]", &[]);
        check(b"no part", b"no part", &[]);
    }
}
