//! RATE-03, how much one GraphQL request asks for: how deep it nests, how many aliases it has, how
//! many operations come in one request.

use crate::content::{self, Layers, Part, Parts, Side};
use crate::exchange::ScoreHit;

/// Depth, aliases and operations beyond which a request is costly (DETECTION 7).
const DEPTH: u32 = 10;
const ALIASES: u32 = 30;
const BATCH: u32 = 20;

/// What the documents of a request ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::detect) struct Cost {
    /// How deep the deepest nests.
    pub(in crate::detect) depth: u32,
    /// Aliases in all of them.
    pub(in crate::detect) aliases: u32,
    /// How many came.
    pub(in crate::detect) documents: u32,
}

/// What the request costs.
pub(in crate::detect) fn of(parts: &Parts<'_>) -> Cost {
    first(parts).0
}

/// Adds what the request costs, if that is beyond the bounds.
pub(super) fn look(parts: &Parts<'_>, hits: &mut Vec<ScoreHit>) {
    let (total, place) = first(parts);
    let documents = total.documents;
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
        proof: "",
    });
}

/// The cost, and the first document.
fn first<'p, 'a>(parts: &'p Parts<'a>) -> (Cost, Option<Part<'p, 'a>>) {
    let mut total = Cost::default();
    let mut place = None;
    for part in parts
        .iter()
        .filter(|part| part.side() == Side::Request && !part.is_nested())
    {
        let Some(name) = part.name() else { continue };
        let asks = name.last_word() == b"query" || part.place() == content::Place::Text;
        if !asks || !is_document(part.value()) {
            continue;
        }
        total.documents += 1;
        let cost = read(part.value());
        total.depth = total.depth.max(cost.depth);
        total.aliases += cost.aliases;
        place.get_or_insert(part);
    }
    (total, place)
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
    use super::read;

    #[track_caller]
    fn check(document: &str, depth: u32, aliases: u32) {
        let cost = read(document.as_bytes());
        assert_eq!((cost.depth, cost.aliases), (depth, aliases));
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
