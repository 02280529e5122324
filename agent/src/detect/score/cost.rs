//! RATE-03, how much one GraphQL request asks for: how deep it nests, how many aliases it has, how
//! many operations come in one request.

use crate::content::{self, Layers, Parts, Side};
use crate::exchange::ScoreHit;

/// Depth, aliases and operations beyond which a request is costly (DETECTION 7).
const DEPTH: u32 = 10;
const ALIASES: u32 = 30;
const BATCH: u32 = 20;

/// What one document asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    depth: u32,
    aliases: u32,
}

/// Adds what the request costs, if that is beyond the bounds.
pub(super) fn look(parts: &Parts<'_>, hits: &mut Vec<ScoreHit>) {
    let mut total = Cost::default();
    let mut documents = 0_u32;
    let mut place = None;
    for part in parts
        .iter()
        .filter(|part| part.side() == Side::Request && !part.is_nested())
    {
        let Some(name) = part.name() else { continue };
        let whole = part.place() == content::Place::Text && is_document(part.value());
        if name.last_word() != b"query" && !whole || !is_document(part.value()) {
            continue;
        }
        documents += 1;
        let cost = read(part.value());
        total.depth = total.depth.max(cost.depth);
        total.aliases += cost.aliases;
        place.get_or_insert(part);
    }
    let rule = match total {
        Cost { depth, .. } if depth > DEPTH => "graphql_depth",
        Cost { aliases, .. } if aliases > ALIASES => "graphql_aliases",
        _ if documents > BATCH => "graphql_batch",
        _ => return,
    };
    let Some(part) = place else { return };
    let (container, range) = part.span();
    hits.push(ScoreHit {
        detector: "rate-03",
        rule,
        score: 5,
        part: part
            .name()
            .map(|name| name.to_string())
            .unwrap_or_default()
            .into(),
        container,
        range,
        fragment: format!(
            "depth {}, aliases {}, operations {documents}",
            total.depth, total.aliases
        )
        .into_bytes()
        .into(),
        layers: Layers::NONE,
    });
}

fn is_document(value: &[u8]) -> bool {
    let start = value.trim_ascii_start();
    [
        &b"query"[..],
        b"mutation",
        b"subscription",
        b"fragment",
        b"{",
    ]
    .iter()
    .any(|word| start.starts_with(word))
        && value.contains(&b'{')
}

/// Depth of braces and aliases outside arguments and strings, in one pass (GraphQL §2.7, §2.8).
fn read(document: &[u8]) -> Cost {
    let mut cost = Cost::default();
    let (mut braces, mut arguments) = (0_u32, 0_u32);
    let mut quoted = false;
    let mut escaped = false;
    for byte in document {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'(' => arguments += 1,
            b')' => arguments = arguments.saturating_sub(1),
            b'{' if arguments == 0 => {
                braces += 1;
                cost.depth = cost.depth.max(braces);
            }
            b'}' if arguments == 0 => braces = braces.saturating_sub(1),
            b':' if arguments == 0 && braces > 0 => cost.aliases += 1,
            _ => {}
        }
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::{Cost, read};

    #[track_caller]
    fn check(document: &str, depth: u32, aliases: u32) {
        assert_eq!(read(document.as_bytes()), Cost { depth, aliases });
    }

    #[test]
    fn braces_and_aliases_are_counted() {
        check("{ me { name } }", 2, 0);
        check(
            "query($a: Int) { x: user(id: $a, b: {c: {d: 1}}) { y: name } }",
            2,
            2,
        );
        check("{ a(t: \"}{ x: \\\" {\") }", 1, 0);
        check(&format!("{}{}", "{a".repeat(40), "}".repeat(40)), 40, 0);
    }
}
