//! Small questions about bytes that several grammars ask.

/// The byte at `at`, or 0 beyond the end, which no grammar takes for anything.
pub(super) fn at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The bytes from `start` to before `end`; empty where there are none.
pub(super) fn slice(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}

/// The bytes from `start` on.
pub(super) fn from(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

/// Whether `byte` may stand in a name of most languages.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// White space as most grammars take it, vertical tab, NUL and no-break space among it.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0 | 0xa0)
}

/// The first place behind `start` that holds no white space.
pub(super) fn skip_space(bytes: &[u8], start: usize) -> usize {
    from(bytes, start)
        .iter()
        .position(|byte| !is_space(*byte))
        .map_or(bytes.len(), |n| start + n)
}

/// The end of the run of bytes from `start` that `holds`.
pub(super) fn run(bytes: &[u8], start: usize, holds: impl Fn(u8) -> bool) -> usize {
    from(bytes, start)
        .iter()
        .position(|byte| !holds(*byte))
        .map_or(bytes.len(), |n| start + n)
}

/// The value without the white space around it.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let start = skip_space(bytes, 0);
    let end = bytes
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(start, |n| n + 1);
    slice(bytes, start, end)
}

/// Whether `sorted` holds `word`; `sorted` is in order, which a test of each table checks.
pub(super) fn among(sorted: &[&str], word: &[u8]) -> bool {
    sorted
        .binary_search_by(|have| have.as_bytes().cmp(word))
        .is_ok()
}

/// Whether `bytes` begins with `prefix`.
pub(super) fn starts(bytes: &[u8], prefix: &str) -> bool {
    bytes.starts_with(prefix.as_bytes())
}

/// Where `needle` first stands in `bytes`.
pub(super) fn find(bytes: &[u8], needle: &str) -> Option<usize> {
    memchr::memmem::find(bytes, needle.as_bytes())
}

/// How many words of plain language stand side by side: a measure of prose. Counts to 64.
pub(super) fn prose_words(bytes: &[u8]) -> usize {
    bytes
        .split(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
        .filter(|word| {
            let word = word
                .strip_suffix(b",")
                .or_else(|| word.strip_suffix(b"."))
                .unwrap_or(word);
            word.len() > 1
                && word
                    .iter()
                    .all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
        })
        .take(64)
        .count()
}
