//! INJ-09, lookups of log4j and its like. Nested lookups are resolved first, innermost first, as
//! the library does: `${${lower:j}ndi:…}` and `${${::-j}${::-n}di:…}` are what they become.

use super::text::{at, find, slice, starts};
use super::{Class, Found, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "${", "jndi", "$\\u007b", "&lbrace;", "$%7b", "&#36;{", "\\u0024{", "%24%7b", "&dollar;",
    "$&#123",
];

/// Values up to this length are resolved: the library's own lines are shorter.
const LENGTH: usize = 2048;

/// Lookups resolved in one value; more are an attack by themselves.
const LOOKUPS: usize = 96;

/// Lookups that tell of the host.
const TELLING: &[&str] = &[
    "env:", "sys:", "java:", "ctx:", "main:", "docker:", "k8s:", "hostname", "spring:", "bundle:",
    "base64:", "script:", "dns:", "url:", "lower:", "upper:", "date:", "::-",
];

/// Looks for lookups.
pub(super) fn look(view: &View<'_>, found: &mut Found) {
    let low = slice(view.low, 0, LENGTH);
    let plain = unescape(low);
    let shown = view.prose >= 8;
    if let Some(place) = find(&plain, "jndi:") {
        let before = slice(&plain, place.saturating_sub(24), place);
        let rest = plain.get(place + 5..).unwrap_or_default();
        let scheme = [
            "ldap", "rmi", "dns", "nis", "iiop", "corba", "nds", "http", "$",
        ]
        .iter()
        .any(|scheme| starts(rest, scheme));
        if find(before, "${").is_some() || find(before, "{").is_some() || scheme {
            found.add(
                Class::Jndi,
                "jndi_lookup",
                if shown && !scheme { 4 } else { 7 },
                place,
                view.low.len().min(place + 60),
            );
            return;
        }
    }
    let (resolved, lookups) = resolve(plain);
    let start = find(low, "${").unwrap_or(0);
    if lookups > 0 && find(&resolved, "jndi:").is_some() {
        found.add(Class::Jndi, "nested_jndi_lookup", 7, start, low.len());
    } else if lookups >= 4 && !shown {
        found.add(Class::Jndi, "nested_lookups", 5, start, low.len());
    } else if let Some(place) = TELLING.iter().find_map(|word| lookup_of(low, word)) {
        found.add(
            Class::Jndi,
            "telling_lookup",
            if shown { 3 } else { 5 },
            place,
            low.len().min(place + 40),
        );
    }
}

/// Where `${word` stands.
fn lookup_of(low: &[u8], word: &str) -> Option<usize> {
    memchr::memmem::find_iter(low, b"${").find(|place| {
        let rest = low.get(place + 2..).unwrap_or_default();
        // `${env:NAME}` alone is how settings name what they take: a default or nesting is not.
        starts(rest, word)
            && (!matches!(word, "env:" | "sys:" | "ctx:" | "date:" | "spring:")
                || find(rest, ":-").is_some()
                || find(rest, "${").is_some())
    })
}

/// Marks in their escaped forms, put back.
fn unescape(low: &[u8]) -> Vec<u8> {
    const FORMS: &[(&str, u8)] = &[
        ("\\u0024", b'$'),
        ("\\u007b", b'{'),
        ("\\u007d", b'}'),
        ("&#36;", b'$'),
        ("&#x24;", b'$'),
        ("&dollar;", b'$'),
        ("&lbrace;", b'{'),
        ("&lcub;", b'{'),
        ("&#123;", b'{'),
        ("&#x7b;", b'{'),
        ("%7b", b'{'),
        ("%24", b'$'),
        ("&#58;", b':'),
        ("&colon;", b':'),
        ("\\u003a", b':'),
    ];
    let mut plain = Vec::with_capacity(low.len());
    let mut here = 0;
    while here < low.len() {
        let byte = at(low, here);
        if matches!(byte, b'\\' | b'&' | b'%')
            && let Some((form, is)) = FORMS
                .iter()
                .find(|(form, _)| starts(low.get(here..).unwrap_or_default(), form))
        {
            plain.push(*is);
            here += form.len();
        } else {
            plain.push(byte);
            here += 1;
        }
    }
    plain
}

/// Replaces each innermost lookup by what it becomes; how many there were. One pass with a stack of
/// where lookups began, so the work is linear.
fn resolve(text: Vec<u8>) -> (Vec<u8>, usize) {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut open: Vec<usize> = Vec::new();
    let mut lookups = 0;
    let mut here = 0;
    while here < text.len() {
        let byte = at(&text, here);
        if byte == b'$' && at(&text, here + 1) == b'{' && open.len() < LOOKUPS {
            open.push(out.len());
            out.extend_from_slice(b"${");
            here += 2;
            continue;
        }
        here += 1;
        let Some(start) = (byte == b'}').then(|| open.pop()).flatten() else {
            out.push(byte);
            continue;
        };
        if lookups >= LOOKUPS {
            out.push(byte);
            continue;
        }
        let inside = out.get(start + 2..).unwrap_or_default();
        // The outermost stays as it is: it is what is looked for.
        let becomes = value_of(inside).map(<[u8]>::to_vec);
        lookups += 1;
        match becomes {
            Some(value) => {
                out.truncate(start);
                out.extend_from_slice(&value);
            }
            None => out.push(b'}'),
        }
    }
    (out, lookups)
}

/// What a lookup becomes where that does not depend on the host: case, and defaults behind `:-`.
fn value_of(inside: &[u8]) -> Option<&[u8]> {
    if let Some(place) = find(inside, ":-") {
        return inside.get(place + 2..);
    }
    [&b"lower:"[..], b"upper:"]
        .iter()
        .find_map(|prefix| inside.strip_prefix(*prefix))
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score};

    #[test]
    fn lookups_are_found_however_they_are_nested() {
        for value in [
            "${jndi:ldap://h/a}",
            "${${lower:j}${lower:n}di:ldap://h/a}",
            "${${::-j}${::-n}${::-d}${::-i}:${::-r}mi://h/a}",
            "${${env:NOPE:-j}ndi${env:NOPE:-:}ldap://h/a}",
            "${j${k8s:k5:-ND}i:ldap://h/a}",
            "x ${JNDI:dns://h}",
            "$\\u007Bjndi:ldap://h/a}",
        ] {
            assert!(score(Class::Jndi, value) >= 5, "{value}");
        }
    }

    #[test]
    fn variables_of_settings_are_not() {
        for value in [
            "${HOME}/x",
            "${env:PATH}",
            "costs ${price} each",
            "${a} ${b}",
            "jndi is an interface of java",
        ] {
            quiet(value);
        }
    }
}
