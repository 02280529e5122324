//! INJ-02, scripts in pages. A tokenizer walks the states of HTML (text, tag, attribute name,
//! value) and weighs what a browser would run; a second voter looks for JavaScript without tags.
//! Tags that only format, and links to ordinary addresses, weigh nothing: content has them.

mod loose;
mod script;
mod tags;

pub(super) use script::GATE as SCRIPT_GATE;

use super::text::{among, at, find, from, is_space, run, skip_space, slice, starts};
use super::{Class, Found, Hits, ScorerError, View};
use script::Script;
use tags::{EVENTS, EXECUTING, FORMATTING, LOADING};

/// Tags that are read of a value.
const TAGS: usize = 64;

/// Attributes that are read of a tag.
const ATTRIBUTES: usize = 32;

/// The two voters.
#[derive(Debug)]
pub(super) struct Html {
    script: Script,
}

impl Html {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            script: Script::new()?,
        })
    }

    /// Looks for what a browser would run.
    pub(super) fn look(&self, view: &View<'_>, hits: Hits, found: &mut Found) {
        let mut best: Option<(u8, &'static str, usize, usize)> = None;
        let mut take = |told: Option<(u8, &'static str)>, start: usize, end: usize| {
            if let Some((score, rule)) = told
                && best.is_none_or(|(have, ..)| have < score)
            {
                best = Some((score, rule, start, end));
            }
        };
        for place in memchr::memchr_iter(b'<', view.low).take(TAGS) {
            let (told, end) = tag(view.low, place);
            // Markdown shows tags in backticks, which is how one writes of them.
            let shown = place > 0 && at(view.low, place - 1) == b'`' && view.prose >= 4;
            let told = told.map(|told| alone(view, place, told));
            take(told.filter(|_| !shown), place, end);
            if let Some(end) = loose::spaced(view.low, place).filter(|_| !shown) {
                take(Some((5, "name_spaced_out")), place, end);
            }
        }
        if view.prose < 3
            && let Some(place) = loose::dangling(view.low)
        {
            take(Some((5, "tag_left_open")), place, view.low.len());
        }
        if hits.attribute {
            let (told, start, end) = loose_attribute(view.low);
            take(told, start, end);
        }
        if let Some((score, rule, start, end)) = best {
            found.add(Class::Html, rule, score, start, end);
        }
        if hits.script {
            self.script.look(view, found);
        }
    }
}

/// What loads a page or asks for input weighs more where it is not part of a text.
fn alone(view: &View<'_>, place: usize, told: (u8, &'static str)) -> (u8, &'static str) {
    let whole = view.prose < 2
        && place == skip_space(view.low, 0)
        && super::text::trim(view.low).ends_with(b">");
    match told {
        (4, "loads_page") if view.prose < 8 => (5, "loads_page"),
        (2 | 3, "form" | "loading_tag") if whole && asks(from(view.low, place + 1)) => (5, "form"),
        told => told,
    }
}

/// Whether a tag asks the reader for input.
fn asks(name: &[u8]) -> bool {
    ["form", "input"]
        .iter()
        .any(|word| starts(name, word) && !at(name, word.len()).is_ascii_alphanumeric())
}

/// Weighs the tag that begins at `here`, and where it ends.
fn tag(low: &[u8], here: usize) -> (Option<(u8, &'static str)>, usize) {
    let mut next = here + 1;
    // Browsers drop NUL and take a slash for a closing tag.
    while matches!(at(low, next), 0 | b'/' | b'%' | b'<') && next < here + 4 && next < low.len() {
        next += 1;
    }
    let closing = at(low, here + 1) == b'/';
    match at(low, next) {
        b'!' => return declaration(low, here, next),
        b'?' => {
            let rest = from(low, next + 1);
            let rule = (starts(rest, "import")
                || starts(rest, "xml:namespace")
                || starts(rest, "xml-stylesheet"))
            .then_some((5, "processing_instruction"));
            return (rule, next + 8);
        }
        byte if byte.is_ascii_alphabetic() => {}
        _ => return (None, here + 1),
    }
    let name_end = run(low, next, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_')
    });
    let name = slice(low, next, name_end);
    let behind = at(low, name_end);
    let ended = name_end >= low.len();
    // `<T>` and `a<b` are code and sums: a tag's name ends where HTML ends it.
    if !ended
        && !is_space(behind)
        && !matches!(
            behind,
            b'/' | b'>'
                | b'<'
                | b'"'
                | b'\''
                | b'\\'
                | b'&'
                | b'`'
                | b'+'
                | b'%'
                | b'?'
                | b','
                | b';'
                | b'.'
        )
        && behind < 0x80
    {
        return (None, name_end);
    }
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    let drawn = starts(name, "svg:") || starts(name, "math:");
    let mut told = by_name(if drawn { b"svg" } else { local }, ended);
    if closing {
        let runs = ends_more(local);
        let inside = memchr::memmem::find(slice(low, 0, here), local).is_some();
        return (
            runs.then_some((if inside { 2 } else { 5 }, "closing_tag")),
            name_end,
        );
    }
    let (attributes, end) = attributes(low, name_end, local);
    for one in attributes.into_iter().flatten() {
        if told.is_none_or(|(have, _)| have < one.0) {
            told = Some(one);
        }
    }
    // A value that leaves the attribute it was put into before it opens a tag.
    let broke_out = (1..256).contains(&here) && {
        let before = slice(low, here.saturating_sub(3), here);
        before.contains(&b'>')
            && before
                .iter()
                .any(|byte| matches!(byte, b'"' | b'\'' | b'`'))
            && memchr::memchr(b'<', slice(low, 0, here)).is_none()
    };
    if broke_out {
        let (score, rule) = told.unwrap_or((0, "tag_after_attribute"));
        told = Some(((score + 3).min(7), rule));
    }
    (told, end)
}

/// Whether the end of such an element changes how a browser reads what follows.
fn ends_more(name: &[u8]) -> bool {
    matches!(
        name,
        b"script"
            | b"textarea"
            | b"title"
            | b"style"
            | b"noscript"
            | b"html"
            | b"body"
            | b"xmp"
            | b"iframe"
            | b"noembed"
            | b"noframes"
    )
}

fn by_name(name: &[u8], ended: bool) -> Option<(u8, &'static str)> {
    match name {
        b"script" => Some((6, "script_tag")),
        _ if among(EXECUTING, name) => Some((if ended { 3 } else { 5 }, "executing_tag")),
        _ if among(LOADING, name) => Some((3, "loading_tag")),
        _ => None,
    }
}

/// `<!DOCTYPE`, comments, CDATA.
fn declaration(low: &[u8], here: usize, next: usize) -> (Option<(u8, &'static str)>, usize) {
    let rest = from(low, next + 1);
    let told = if starts(rest, "--[if") || starts(rest, "[if") {
        Some((4, "conditional_comment"))
    } else if starts(rest, "[cdata[") && find(rest, "<").is_some_and(|n| n < 16) {
        Some((3, "split_by_cdata"))
    } else {
        None
    };
    (told, here + 4)
}

type Told = Option<(u8, &'static str)>;

/// The heaviest attributes of a tag whose name ends at `here`, and where the tag ends.
fn attributes(low: &[u8], here: usize, tag: &[u8]) -> ([Told; 2], usize) {
    let mut found: [Told; 2] = [None, None];
    let mut next = here;
    for _ in 0..ATTRIBUTES {
        next = run(low, next, |byte| {
            is_space(byte)
                || matches!(
                    byte,
                    b'/' | b'"'
                        | b'\''
                        | b'\\'
                        | b'`'
                        | b'&'
                        | b'+'
                        | b'%'
                        | b'<'
                        | b','
                        | b';'
                        | b'.'
                )
        });
        if next >= low.len() || at(low, next) == b'>' {
            return (found, next);
        }
        let end = run(low, next, |byte| {
            !is_space(byte) && !matches!(byte, b'=' | b'>' | b'/' | b'<')
        });
        let name = slice(low, next, end);
        let equals = skip_space(low, end);
        let (value, behind) = if at(low, equals) == b'=' {
            attribute_value(low, skip_space(low, equals + 1))
        } else {
            (&[][..], end.max(next + 1))
        };
        let told = attribute(name, value, tag, at(low, equals) == b'=');
        if let Some((score, _)) = told {
            let slot = found
                .iter_mut()
                .find(|have| have.is_none_or(|(have, _)| have < score));
            if let Some(slot) = slot {
                *slot = told;
            }
        }
        next = behind.max(next + 1);
    }
    (found, next)
}

fn attribute_value(low: &[u8], here: usize) -> (&[u8], usize) {
    match at(low, here) {
        quote @ (b'"' | b'\'' | b'`') => {
            let end =
                memchr::memchr(quote, from(low, here + 1)).map_or(low.len(), |n| here + 1 + n);
            (slice(low, here + 1, end), end + 1)
        }
        _ => {
            let end = run(low, here, |byte| !is_space(byte) && byte != b'>');
            (slice(low, here, end), end)
        }
    }
}

/// What an attribute weighs: handlers run, addresses with a script scheme run, styles may.
fn attribute(name: &[u8], value: &[u8], tag: &[u8], has_value: bool) -> Told {
    let raw = name;
    let name = name
        .rsplit(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
        .next()
        .unwrap_or(name);
    if let Some(event) = name.strip_prefix(b"on")
        && event.len() >= 3
        && has_value
        && event.iter().all(u8::is_ascii_alphabetic)
    {
        return Some((if among(EVENTS, event) { 6 } else { 5 }, "event_handler"));
    }
    match name {
        // XML Events.
        b"handler" if raw.contains(&b':') => Some((5, "event_handler")),
        b"srcdoc" => Some((6, "srcdoc")),
        b"style" if style_runs(value) => Some((6, "style_runs")),
        // What a framework binds to it, by another name, is an expression and no style.
        b"style" if raw == b"style" && leaves_style(value) => Some((5, "style_left")),
        b"formaction" | b"datasrc" | b"dynsrc" | b"lowsrc" | b"datafld" | b"dataformatas" => {
            Some((5, "loading_attribute"))
        }
        b"implementation" | b"xmlns" if find(value, "htc").is_some() => Some((5, "behaviour")),
        b"attributename" | b"begin" if matches!(tag, b"set" | b"animate") => {
            Some((5, "animated_attribute"))
        }
        _ if script_scheme(value) => Some((6, "script_address")),
        b"src" | b"href" | b"data" | b"code" | b"rel" | b"http-equiv" | b"background"
        | b"codebase" | b"action"
            if among(LOADING, tag) =>
        {
            let plain = starts(value, "http://")
                || starts(value, "https://")
                || value.first() == Some(&b'/') && !starts(value, "//");
            Some(match (tag, plain) {
                (b"form" | b"input" | b"button", _) => (2, "form"),
                (b"iframe" | b"frame", true) => (4, "loads_page"),
                (b"iframe" | b"frame", false) => (5, "loads_page"),
                _ => (5, "loads_code"),
            })
        }
        b"href" | b"src" if hides_host(value) => Some((5, "hidden_host")),
        b"src" if among(FORMATTING, tag) && !value.is_empty() && value.len() <= 2 => {
            Some((3, "no_address"))
        }
        _ => None,
    }
}

/// Whether the host of an address is written with percent signs, which hides where it leads.
fn hides_host(value: &[u8]) -> bool {
    let Some(scheme) = find(value, "://").filter(|n| *n < 8) else {
        return false;
    };
    let rest = from(value, scheme + 3);
    let end = run(rest, 0, |byte| !matches!(byte, b'/' | b'?' | b'#'));
    memchr::memchr_iter(b'%', slice(rest, 0, end)).count() > 1
}

/// Whether a browser takes the address for a script, with what it skips left out.
fn script_scheme(value: &[u8]) -> bool {
    let mut plain = [0_u8; 24];
    let mut length = 0;
    let mut next = 0;
    while next < value.len() && length < plain.len() {
        let rest = from(value, next);
        // Entities that stand for white space, written without or with their number.
        if let Some(skip) = [
            "&tab;",
            "&newline;",
            "&#9;",
            "&#10;",
            "&#13;",
            "&#x9;",
            "&#xa;",
            "&#xd;",
        ]
        .iter()
        .find(|entity| starts(rest, entity))
        {
            next += skip.len();
            continue;
        }
        if starts(rest, "&colon;") {
            if let Some(slot) = plain.get_mut(length) {
                *slot = b':';
                length += 1;
            }
            next += 7;
            continue;
        }
        let byte = at(value, next);
        next += 1;
        if byte <= b' '
            || byte == 0x7f
            || byte >= 0x80
            || matches!(byte, b'\\' | b'"' | b'\'' | b'`' | b'/') && length < 4
        {
            continue;
        }
        if let Some(slot) = plain.get_mut(length) {
            *slot = byte;
            length += 1;
        }
    }
    let plain = slice(&plain, 0, length);
    [
        "javascript:",
        "vbscript:",
        "livescript:",
        "mocha:",
        "jscript:",
        "data:text/html",
        "data:image/svg",
        "data:text/javascript",
        "data:application",
        "data:,",
        "feed:javascript",
        "view-source:",
        "mhtml:",
        "&{",
        "url(javascript",
    ]
    .iter()
    .any(|scheme| starts(plain, scheme))
}

/// Whether a style leaves the declarations that an attribute may have (CSS Style Attributes §3): by a
/// brace that closes or opens a block outside it, or a comment that does not end. Braces in pairs leave
/// nothing, and templates write theirs so.
fn leaves_style(value: &[u8]) -> bool {
    let comment = memchr::memmem::rfind(value, b"/*");
    if comment.is_some_and(|start| find(from(value, start + 2), "*/").is_none()) {
        return true;
    }
    let mut depth = 0_usize;
    for place in memchr::memchr2_iter(b'{', b'}', value) {
        let inner = match at(value, place) {
            b'{' => Some(depth + 1),
            _ => depth.checked_sub(1),
        };
        let Some(inner) = inner else {
            return true;
        };
        depth = inner;
    }
    depth > 0
}

fn style_runs(value: &[u8]) -> bool {
    // Letters written as escapes (CSS Syntax §4.3.7) hide a word.
    if memchr::memmem::find_iter(value, b"\\00").take(3).count() == 3 {
        return true;
    }
    let mut plain = Vec::with_capacity(value.len().min(512));
    let mut next = 0;
    while next < value.len() && plain.len() < 512 {
        let rest = from(value, next);
        if starts(rest, "/*") {
            next += memchr::memmem::find(rest, b"*/").map_or(rest.len(), |n| n + 2);
            continue;
        }
        let byte = at(value, next);
        if !is_space(byte) && byte != b'\\' {
            plain.push(byte);
        }
        next += 1;
    }
    [
        "expression(",
        "javascript:",
        "binding:url(",
        "content:url(",
        "-moz-binding",
        "behavior:",
        "behaviour:",
        "@import",
        "vbscript:",
        "-o-link",
    ]
    .iter()
    .any(|word| find(&plain, word).is_some())
}

/// An event handler without its tag: the value leaves the attribute it was put into.
fn loose_attribute(low: &[u8]) -> (Told, usize, usize) {
    // A quote that is left, and an attribute that loads or runs what the value names.
    for name in ["formaction", "srcdoc"] {
        if let Some(place) = find(low, name)
            && let Some(before) = place.checked_sub(1)
            && matches!(at(low, before), b'"' | b'\'' | b'`')
            && memchr::memchr(b'<', slice(low, 0, place)).is_none()
            && at(low, skip_space(low, place + name.len())) == b'='
            && super::text::prose_words(low) < 4
        {
            return (Some((5, "attribute_without_tag")), place, low.len());
        }
    }
    for place in memchr::memmem::find_iter(low, b"on").take(64) {
        let before = place.checked_sub(1).map_or(b' ', |n| at(low, n));
        if !is_space(before) && !matches!(before, b'"' | b'\'' | b'/' | b'`' | b'+' | b';' | b'>') {
            continue;
        }
        let end = run(low, place + 2, |byte| byte.is_ascii_alphabetic());
        if !among(EVENTS, slice(low, place + 2, end)) {
            continue;
        }
        let equals = skip_space(low, end);
        if at(low, equals) != b'=' || at(low, equals + 1) == b'=' {
            continue;
        }
        let value = from(low, skip_space(low, equals + 1));
        let call = value
            .iter()
            .take(80)
            .any(|byte| matches!(byte, b'(' | b'`' | b'='));
        let quoted = slice(low, 0, place)
            .iter()
            .any(|byte| matches!(byte, b'"' | b'\'' | b'`'));
        let sentence = super::text::prose_words(low) >= 6;
        let score = match (call, quoted || skip_space(low, 0) + 1 >= place) {
            (true, _) if sentence => 3,
            (true, true) => 6,
            (true, false) => 5,
            (false, true) if skip_space(low, 0) + 1 >= place => 5,
            (false, true) => 4,
            (false, false) => 2,
        };
        return (Some((score, "handler_without_tag")), place, equals + 1);
    }
    (None, 0, 0)
}

#[cfg(test)]
mod tests;
