//! Static files, which are worth least where there is not room for all.

/// Ends of their names.
const ASSETS: &[&[u8]] = &[
    b"avif",
    b"bmp",
    b"css",
    b"eot",
    b"gif",
    b"ico",
    b"jpeg",
    b"jpg",
    b"js",
    b"map",
    b"mjs",
    b"mp3",
    b"mp4",
    b"ogg",
    b"otf",
    b"png",
    b"svg",
    b"ttf",
    b"wasm",
    b"webm",
    b"webmanifest",
    b"webp",
    b"woff",
    b"woff2",
];

/// Whether a path names a static file.
pub(super) fn names_asset(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let mut parts = name.rsplitn(2, |byte| *byte == b'.');
    let (end, stem) = (parts.next().unwrap_or_default(), parts.next());
    stem.is_some() && ASSETS.iter().any(|asset| end.eq_ignore_ascii_case(asset))
}

#[cfg(test)]
mod tests {
    use super::names_asset;

    #[test]
    fn static_files_are_known_by_the_ends_of_their_names() {
        let check =
            |path: &str, expected| assert_eq!(names_asset(path.as_bytes()), expected, "{path}");
        check("/static/app.min.JS", true);
        check("/logo.svg", true);
        check("/fonts/x.woff2", true);
        for other in [
            "",
            "/",
            "/js",
            "/a.png/b",
            "/api/users.json",
            "/download.php",
            "/css.",
            "/x.pngx",
        ] {
            check(other, false);
        }
    }
}
