//! The second voter: JavaScript where a script context was already open, so that no tag is needed.

use super::super::rules::{Rule, Rules, rule};
use super::super::text::{at, from, is_space, slice};
use super::super::{Class, Found, ScorerError, View};

/// What opens this voter.
pub(in super::super) const GATE: &[&str] = &[
    "alert",
    "confirm",
    "prompt",
    "eval",
    "javascript",
    "vbscript",
    "document.",
    "document[",
    "window.",
    "window[",
    "fromcharcode",
    "settimeout",
    "setinterval",
    "constructor",
    "function(",
    "function (",
    "import(",
    "fetch(",
    "xmlhttprequest",
    "top[",
    "self[",
    "this[",
    "parent[",
    "frames[",
    "globalthis",
    "location",
    "atob(",
    "unescape(",
    "innerhtml",
    "expression(",
    "\\u00",
    "\\x",
    "data:text",
    "string.raw",
    "javas",
    "=&{",
    "-moz-binding",
    "console.log",
    "createelement",
    "data:,",
    "new image",
    "[][",
    "![]",
    "srcdoc",
    ".cookie",
    "ript:",
    "+adw-",
    "@import",
    "-->",
    "&#",
    "&tab;",
    "&newline;",
    "call`",
    "call `",
    "apply`",
    "![]",
    "+[]",
    "document/*",
    "document ",
    "valueof",
    "tostring",
];

const RULES: &[Rule] = &[
    rule(
        "script_scheme_at_start",
        6,
        r#"^[\s"'<>/\\(]*j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*(?::|&colon;|&#)"#,
    ),
    rule(
        "script_scheme",
        4,
        r#"(?:java|vb|live|j)script\s*:\s*[\w.\[(/*'"`%&\\]"#,
    ),
    rule(
        "call_dialogue",
        4,
        r#"(?:^|[^\w.$])(?:alert|confirm|prompt|al\\u0065rt|\\u0061lert)\s*(?:\(|`|&lpar;|&#40;|\?\.)\s*(?:[\w"'`/.\\\[\]<>!+-]|&|\)|$)"#,
    ),
    rule(
        "dialogue_elsewhere",
        4,
        r#"(?:window|self|top|parent|this|frames|globalthis|document)\s*(?:\.\s*|\[\s*["'`/])\w*(?:alert|confirm|prompt|eval|al["'`]\s*\+|e["'`]\s*\+)"#,
    ),
    rule(
        "bracket_access",
        5,
        r#"(?:window|self|top|parent|this|frames|globalthis)\s*\[\s*(?:["'`/][^\]]{1,40}\]\s*[(`\[]|["'`]\\x|\w+\s*\(|\\x|8680439|["'`]\w+["'`]\s*\+|/\w+/\.source)"#,
    ),
    rule(
        "constructor_chain",
        5,
        r#"(?:\[\s*\]|\{\s*\}|["'`]{2}|\(\s*\)|\))\s*(?:\[\s*["'`]\w+["'`]\s*\]|\.\s*\w+)?\s*(?:\[\s*["'`]constructor["'`]\s*\]|\.\s*constructor)\s*(?:[(\[.`])|constructor\s*[.\[]\s*["'`]?constructor|this\.constructor\.constructor"#,
    ),
    rule(
        "evaluates",
        4,
        r#"(?:^|[^\w.$])(?:eval|execscript|settimeout|setinterval|function)\s*(?:\(\s*(?:\w+\s*,\s*\d|["'`/\w]+\s*[(.+]|["'`]|location|name|atob|unescape|string|this|\\)|`)"#,
    ),
    // What ends comments, sections and strings at once fits no single place.
    rule("ends_every_context", 5, r#"["'`]{2,}\s*-->|-->\s*\]\]>"#),
    rule(
        "padded_entity",
        5,
        r"&#(?:x0{2,}(?:3c|22|27)|0{2,}(?:60|34|39))\b",
    ),
    rule(
        "entity_within_word",
        5,
        r"[a-z]&(?:tab|newline);(?:&(?:tab|newline);)*[a-z]",
    ),
    rule(
        "called_by_template",
        5,
        r"\.\s*(?:/\*.{0,20}?\*/\s*)?(?:call|apply)\s*`",
    ),
    rule(
        "letters_from_brackets",
        5,
        r"\[\s*[+ ]!*[+ ]{0,3}\[\]\s*\]|\+!!\[\]|^\s*[+-]?!{1,2}\[\]\s*$",
    ),
    // `"in valueOf=`: leaves a string and gives an object the function that is called for its value.
    rule(
        "value_function_set",
        5,
        r#"["'`]\s*(?:in|instanceof|[,;+*/&|^-])\s*(?:\w+\s*\.\s*)?(?:valueof|tostring)\s*="#,
    ),
    rule("script_in_style", 5, r#"url\s*\(\s*["']?\s*javascript"#),
    rule("string_from_codes", 5, r#"string\s*\.\s*fromcharcode"#),
    rule(
        "document_written",
        5,
        r#"document\s*(?:\.|\[\s*["'])\s*(?:write(?:ln)?|cookie|domain|location|body|createelement|documentelement|head|forms|url|referrer)\b\s*(?:["']\s*\])?\s*(?:[(=.;,)+\]`}]|$)"#,
    ),
    rule(
        "location_set",
        4,
        r#"(?:(?:window|document|self|top|parent|this)\s*\.\s*|^|[;'"(=,]\s*)location\s*(?:\.\s*(?:href|assign|replace|hash|search)\s*)?(?:=[^=]|\(\s*["'`/])"#,
    ),
    rule(
        "import_of_address",
        5,
        r#"(?:^|[^\w.])(?:import|fetch|\$\.getscript|importscripts|navigator\.sendbeacon|\$\.get)\s*\(\s*["'`]?(?:https?:)?//"#,
    ),
    rule(
        "new_function",
        5,
        r#"new\s+function\s*[(`]|function\s*\(\s*["'`]"#,
    ),
    rule(
        "cookie_read",
        4,
        r#"\.cookie\b\s*(?:[;=)+,]|$)|document\.cookie"#,
    ),
    rule(
        "request_made",
        4,
        r#"new\s+(?:xmlhttprequest|image)\b\s*[(;.]"#,
    ),
    rule(
        "style_runs",
        5,
        r#"(?::|\b)\s*expr(?:ession|/\*.{0,40}?\*/ession)\s*\(|-moz-binding\s*:|behaviou?r\s*:\s*url|@import\s*["'(u]|ex/\*.{0,60}\*/pression\s*\("#,
    ),
    rule("entity_in_script", 5, r#"=\s*&\{|^\W*&\{.*\}"#),
    rule(
        "data_page",
        5,
        r#"data\s*:\s*(?:text/html|image/svg\+xml|text/javascript|application/(?:x-)?javascript|text/xml)[;,]|data:text/\w+;base64,|data:,[^;]*(?:<|expression|alert)"#,
    ),
    rule("seven_bit_tag", 6, r"\xbc/?script[\xc2\xc3\x82]{0,4}\xbe"),
    rule(
        "object_alone",
        5,
        r"^\s*(?:window|document|self)\s*(?:\+\s*)?(?:/\*.{0,20}?\*/\s*)?(?:\+\s*)?\.\s*(?:/\*.{0,20}?\*/\s*)?(?:location|cookie|domain|body|name|open|write\w*|queryselector\w*|getelement\w+)\b",
    ),
    rule("utf7_tag", 6, r#"\+adw-?\s*/?(?:script|img|svg|iframe)"#),
    rule(
        "escaped_name",
        4,
        r#"(?:\\u00[0-9a-f]{2}|\\u\{[0-9a-f]+\}|\\x[0-9a-f]{2}|\\[0-7]{2,3}){5,}"#,
    ),
    rule(
        "non_letters",
        5,
        r#"(?:\[\]|!\[\]|!!\[\]|\+\[\]|\(!\[\]\+\[\]\)){4,}|[\[\]()!+ ]{28,}"#,
    ),
    rule(
        "handler_in_property",
        5,
        r#"(?:onerror|onload|innerhtml|outerhtml|srcdoc)\s*=\s*(?:alert|eval|prompt|confirm|["'`<]|\w+\()|onerror\s*=\s*\w+\s*;\s*throw"#,
    ),
];

/// JavaScript's own words, with what must stand around them.
#[derive(Debug)]
pub(super) struct Script {
    rules: Rules,
}

impl Script {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        let mut heaviest: Option<(u8, &'static str, usize, usize)> = None;
        let mut rest = 0_u8;
        self.rules.each_match(view.bytes, |rule, start, end| {
            let mut score = rule.score;
            let before = slice(view.low, 0, start + 1);
            // Where a value begins with the call, or leaves a string for it, nobody tells of code.
            let bare = view.prose <= 2
                && (before
                    .iter()
                    .all(|byte| !byte.is_ascii_alphanumeric() || start == 0)
                    || before.iter().any(|byte| {
                        matches!(byte, b'"' | b'\'' | b';' | b'`' | b'>' | b'{' | b'-' | b'=')
                    }));
            if bare {
                score += 1;
            } else if view.is_shown(start) || view.prose >= 8 {
                score = score * 3 / 5;
            }
            // Text between word characters is no call of its own.
            if is_space(at(view.low, start)) && view.prose >= 6 {
                score = score.saturating_sub(1);
            }
            if rule.name.starts_with("script_scheme") && is_title(view, end) {
                score /= 2;
            }
            rest = rest.saturating_add(1);
            if heaviest.is_none_or(|(have, ..)| have < score) {
                heaviest = Some((score, rule.name, start, end));
            }
        });
        if let Some((score, rule, start, end)) = heaviest {
            found.add(
                Class::Html,
                rule,
                score + u8::from(rest > 1 && view.prose < 8),
                start,
                end,
            );
        }
    }
}

/// Whether words follow the scheme and nothing that a script has: `JavaScript: the good parts`.
fn is_title(view: &View<'_>, end: usize) -> bool {
    let code = |byte: &u8| b"([{`=%&\\<>\"'/+;$".contains(byte);
    view.prose >= 2 && !from(view.low, end).iter().any(code)
}
