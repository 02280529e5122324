//! INJ-05, addresses that make the server, or the reader's browser, go where it should not: the
//! host itself, its metadata service, private networks, numbers written to hide them, and
//! redirections whose host hides behind slashes or a name before `@`. An ordinary address is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::{at, find, from, is_space, run, skip_space, slice, starts, trim};
use super::{Class, Found, Place, View};

/// What opens this grammar, beside [`MARKS`].
pub(super) const GATE: &[&str] = &[
    "://",
    "//",
    "/\t/",
    "/\\",
    "\\/",
    "http:",
    "https:",
    "localhost",
    "169.254",
    "metadata",
    "127.",
    "0x7f",
    "::1",
    "::ffff",
    "gopher:",
    "dict:",
    "ldap:",
    "tftp:",
    "internal",
    "loopback",
    "localdomain",
    "\u{3002}",
    "data:text",
    "%2f%2f",
    "nip.io",
    "xip.io",
    "burpcollaborator",
    "oastify",
    "interact.sh",
    "\\\\",
    "100.100.100.200",
    "192.0.0.192",
    "unix:",
    "//..",
];

/// Letters that are drawn as slashes, and marks of Japanese that repeat the letter before them and begin
/// no word: what hides that a host's name follows.
pub(super) const MARKS: &[&str] = &[
    "\u{2044}", "\u{2215}", "\u{2216}", "\u{29f5}", "\u{29f8}", "\u{29f9}", "\u{ff0f}", "\u{ff3c}",
    "\u{fe68}", "\u{3031}", "\u{3032}", "\u{3033}", "\u{3034}", "\u{3035}", "\u{309d}", "\u{309e}",
    "\u{30fd}", "\u{30fe}",
];

/// Names of hosts that are this host or its cloud's metadata service.
const INNER_HOSTS: &[&str] = &[
    "host.docker.internal",
    "instance-data",
    "ip6-localhost",
    "ip6-loopback",
    "ipv6-localhost",
    "kubernetes.default",
    "kubernetes.default.svc",
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
    "loopback",
    "metadata",
    "metadata.google.internal",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
];

/// Hosts that exist to tell who called them, and names that stand for numbers.
const TELLING_SUFFIXES: &[&str] = &[
    "burpcollaborator.net",
    "oastify.com",
    "interact.sh",
    "oast.pro",
    "oast.fun",
    "oast.live",
    "oast.site",
    "oast.online",
    "oast.me",
    "nip.io",
    "xip.io",
    "sslip.io",
    "localtest.me",
    "lvh.me",
    "requestbin.net",
    "dnslog.cn",
    "canarytokens.com",
];

/// Names of parameters that take an address to go to.
const GOING_NAMES: &[&str] = &[
    "redir",
    "return",
    "next",
    "url",
    "uri",
    "dest",
    "goto",
    "target",
    "continue",
    "callback",
    "link",
    "forward",
    "rurl",
    "out",
    "view",
    "image_url",
    "checkout",
    "domain",
    "feed",
    "host",
    "site",
    "webhook",
    "ssrf",
    "proxy",
    "fetch",
    "lang",
    "page",
];

/// Schemes that make a server speak what it was not meant to.
const ODD_SCHEMES: &[&str] = &[
    "gopher:", "dict:", "ldap:", "ldaps:", "tftp:", "netdoc:", "jar:", "sftp:", "ssh:", "rmi:",
    "imap:", "smb:", "unix:",
];

/// Looks for addresses.
pub(super) fn look(view: &View<'_>, found: &mut Found) {
    if matches!(view.place, Place::Agent) {
        return;
    }
    let low = trim(view.low);
    let offset = skip_space(view.low, 0);
    if low.iter().filter(|byte| is_space(**byte)).count() > 6 {
        return inside(view, found);
    }
    let going = {
        let name = view.name.to_ascii_lowercase();
        GOING_NAMES.iter().any(|word| find(&name, word).is_some())
    };
    let told = if is_in_many_parameters(low) {
        Some((5, "address_in_many_parameters"))
    } else {
        weigh(low, going, view.place)
    };
    let Some((score, rule)) = told else {
        return;
    };
    found.add(Class::Url, rule, score, offset, offset + low.len());
}

/// Whether three parameters or more of a query in it have one address of another host: who tries which
/// of them leads away writes it so.
fn is_in_many_parameters(low: &[u8]) -> bool {
    let pairs = low.split(|byte| matches!(byte, b'?' | b'&')).take(32);
    let mut addresses = pairs
        .filter_map(|pair| pair.get(memchr::memchr(b'=', pair)? + 1..))
        .filter(|value| starts(value, "http") && find(value, "://").is_some());
    addresses
        .next()
        .is_some_and(|first| addresses.filter(|other| *other == first).count() >= 2)
}

/// Addresses within other text: the metadata service alone counts, no text has that by chance.
fn inside(view: &View<'_>, found: &mut Found) {
    for place in memchr::memmem::find_iter(view.low, b"://").take(8) {
        let host = host(from(view.low, place + 3));
        if let Some((score, rule)) = inner(host.name)
            && score >= 6
            && view.prose < 8
        {
            found.add(Class::Url, rule, 5, place, place + 3 + host.name.len());
        }
    }
}

fn weigh(low: &[u8], going: bool, place: Place) -> Option<(u8, &'static str)> {
    if place == Place::Path && !starts(low, "http") {
        return None;
    }
    if let Some(scheme) = ODD_SCHEMES.iter().find(|scheme| starts(low, scheme)) {
        let rest = from(low, scheme.len());
        let spoken = starts(rest, "//") || starts(rest, "http") || scheme.starts_with("unix");
        return spoken.then_some((6, "odd_scheme"));
    }
    let lead = run(low, 0, |byte| {
        matches!(byte, b'/' | b'\\' | b'.' | b'%' | b'@') || byte == b'\t'
    });
    let slashes = slice(low, 0, lead);
    let rest = from(low, lead);
    let (scheme, behind) = match rest {
        _ if starts(rest, "http:") => (true, from(rest, 5)),
        _ if starts(rest, "https:") => (true, from(rest, 6)),
        _ => (false, rest),
    };
    if !scheme {
        return without_scheme(low, slashes, rest, going, place);
    }
    let between = run(behind, 0, |byte| {
        matches!(byte, b'/' | b'\\') || is_space(byte)
    });
    let marks = slice(behind, 0, between);
    let host = host(from(behind, between));
    if let Some(told) = inner(host.name) {
        let referer = matches!(place, Place::Referer) || matches!(place, Place::Header) && !going;
        return (!referer || told.0 >= 6).then_some(told);
    }
    if !going {
        return (marks != b"//" && !marks.is_empty() && marks.contains(&b'\\'))
            .then_some((4, "odd_slashes"));
    }
    if !matches!(place, Place::Referer | Place::Header) {
        if marks != b"//" || !slashes.is_empty() {
            return Some((5, "odd_slashes"));
        }
        if host.user || find(low, "#@").is_some() {
            return Some((5, "host_behind_name"));
        }
        if from(behind, between)
            .iter()
            .take(80)
            .any(|byte| *byte == b'\\' || *byte >= 0x80 && host.name.contains(byte))
        {
            return Some((5, "odd_host"));
        }
        if find(low, "//..").is_some() || find(low, "/%2e%2e").is_some() {
            return Some((5, "climbs_in_address"));
        }
    }
    None
}

/// `//host`, `/\host`, `localhost/`, and their like.
fn without_scheme(
    low: &[u8],
    slashes: &[u8],
    rest: &[u8],
    going: bool,
    place: Place,
) -> Option<(u8, &'static str)> {
    let doubled = slashes
        .iter()
        .filter(|byte| matches!(byte, b'/' | b'\\' | b'\t'))
        .count()
        >= 2;
    if going
        && slashes == b"/"
        && place != Place::Path
        && MARKS.iter().any(|mark| starts(rest, mark))
    {
        let behind = host(rest);
        return behind.name.contains(&b'.').then_some((5, "odd_slashes"));
    }
    // A NUL ends the host for one reader and not for the other.
    if going && doubled && place != Place::Path && memchr::memchr(0, slice(rest, 0, 64)).is_some() {
        return Some((5, "odd_host"));
    }
    let host = host(rest);
    if going && doubled && host.user && place != Place::Path {
        return Some((5, "host_behind_name"));
    }
    // `/host/..`: climbs to where the host is one.
    if going
        && slashes == b"/"
        && host.name.contains(&b'.')
        && find(from(rest, host.name.len()), "//..")
            .or(find(rest, "/%2e%2e"))
            .is_some()
    {
        return Some((5, "climbs_in_address"));
    }
    let dotted = host.name.contains(&b'.')
        || host.name.iter().any(|byte| *byte >= 0x80)
        || find(host.name, "%e3%80%82").is_some();
    let lettered = host.name.iter().any(u8::is_ascii_alphabetic)
        || host.name.iter().filter(|byte| **byte == b'.').count() >= 2;
    if going && doubled && dotted && lettered && place != Place::Path {
        let file = slashes.contains(&b'.') && !slashes.ends_with(b"//");
        return (!file).then_some((5, "address_without_scheme"));
    }
    if slashes.is_empty() && going && !matches!(place, Place::Referer | Place::Header | Place::Path)
    {
        let ends = host.name.len() == low.len() || matches!(at(low, host.name.len()), b'/' | b':');
        if ends && (dotted || at(low, host.name.len()) == b'/' || host.name.len() == low.len()) {
            return inner(host.name).filter(|_| host.name != b"metadata");
        }
        if starts(low, "data:text/") || starts(low, "data:application/") {
            return Some((5, "odd_scheme"));
        }
    }
    None
}

struct Host<'a> {
    name: &'a [u8],
    /// A user's name stands before it.
    user: bool,
}

/// The host of what stands behind `//`.
fn host(rest: &[u8]) -> Host<'_> {
    let end = run(rest, 0, |byte| {
        !is_space(byte)
            && !matches!(
                byte,
                b'/' | b'?' | b'#' | b'\\' | b'"' | b'\'' | b'<' | b')' | b'|' | b','
            )
    });
    let authority = slice(rest, 0, end);
    let (user, name) = match memchr::memrchr(b'@', authority) {
        Some(place) => (true, from(authority, place + 1)),
        None => (false, authority),
    };
    let name = if at(name, 0) == b'[' {
        let close = memchr::memchr(b']', name).map_or(name.len(), |n| n + 1);
        slice(name, 0, close)
    } else {
        slice(name, 0, memchr::memchr(b':', name).unwrap_or(name.len()))
    };
    Host { name, user }
}

/// As [`host`], without a user's name, and what follows it there.
pub(super) fn host_and_rest(rest: &[u8]) -> (&[u8], &[u8]) {
    let authority = run(rest, 0, |byte| {
        !is_space(byte) && !matches!(byte, b'/' | b'?' | b'#')
    });
    let user = memchr::memrchr(b'@', slice(rest, 0, authority)).map_or(0, |place| place + 1);
    let rest = from(rest, user);
    let name = host(rest).name;
    (name, from(rest, name.len()))
}

/// The address that a host is, in whichever notation, or is called; other names are not resolved.
pub(super) fn address(name: &[u8]) -> Option<IpAddr> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    if matches!(
        name,
        b"localhost" | b"localhost.localdomain" | b"ip6-localhost"
    ) {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    if let Some(inner) = name
        .strip_prefix(b"[")
        .and_then(|name| name.strip_suffix(b"]"))
    {
        let six: Ipv6Addr = str::from_utf8(inner).ok()?.parse().ok()?;
        return Some(IpAddr::V6(six).to_canonical());
    }
    number(name).map(|(address, _)| IpAddr::V4(address))
}

/// Whether a host is inside, and how it is written.
fn inner(name: &[u8]) -> Option<(u8, &'static str)> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    if INNER_HOSTS.iter().any(|have| have.as_bytes() == name) {
        let metadata = starts(name, "metadata") || starts(name, "instance");
        return Some(if metadata {
            (6, "metadata_service")
        } else {
            (5, "inner_host")
        });
    }
    if name.ends_with(b".internal") && starts(name, "metadata") {
        return Some((6, "metadata_service"));
    }
    if TELLING_SUFFIXES
        .iter()
        .any(|suffix| name.ends_with(suffix.as_bytes()))
    {
        return Some((5, "telling_host"));
    }
    if at(name, 0) == b'[' {
        let text = std::str::from_utf8(name.get(1..name.len().checked_sub(1)?)?).ok()?;
        let address: Ipv6Addr = text.split('%').next()?.parse().ok()?;
        return match address.to_ipv4_mapped() {
            Some(mapped) => Some((
                if is_inner(IpAddr::V4(mapped)) { 6 } else { 5 },
                "mapped_address",
            )),
            None if address.segments().iter().take(6).all(|part| *part == 0) => {
                Some((5, "mapped_address"))
            }
            None => is_inner(IpAddr::V6(address)).then_some((5, "inner_address")),
        };
    }
    let (address, odd) = number(name)?;
    match (is_inner(IpAddr::V4(address)), odd) {
        (_, true) => Some((6, "number_for_host")),
        (true, false)
            if address.is_link_local()
                || address.octets() == [100, 100, 100, 200]
                || address.octets() == [192, 0, 0, 192] =>
        {
            Some((6, "metadata_service"))
        }
        (true, false) => Some((5, "inner_address")),
        (false, false) => None,
    }
}

fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            four.is_loopback()
                || four.is_private()
                || four.is_link_local()
                || four.is_unspecified()
                || four.octets() == [100, 100, 100, 200]
                || four.octets() == [192, 0, 0, 192]
        }
        IpAddr::V6(six) => {
            six.is_loopback()
                || six.is_unspecified()
                || six.is_unique_local()
                || six.is_unicast_link_local()
        }
    }
}

/// An IPv4 address as C libraries read it: one to four numbers, decimal, octal or hexadecimal; and
/// whether it is written in another way than all others write it.
fn number(name: &[u8]) -> Option<(Ipv4Addr, bool)> {
    if name.is_empty()
        || !name
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'x'))
        || !name.first()?.is_ascii_digit()
    {
        return None;
    }
    let mut parts = [0_u64; 4];
    let mut count = 0;
    let mut odd = false;
    for part in name.split(|byte| *byte == b'.') {
        let text = std::str::from_utf8(part).ok()?;
        let (value, plain) = match text.strip_prefix("0x") {
            Some(hex) if hex.len() <= 16 => (u64::from_str_radix(hex, 16).ok()?, false),
            Some(_) => return None,
            None if text.len() > 1 && text.starts_with('0') => {
                (u64::from_str_radix(text, 8).ok()?, false)
            }
            None => (text.parse().ok()?, true),
        };
        odd |= !plain;
        *parts.get_mut(count)? = value;
        count += 1;
    }
    let last = *parts.get(count.checked_sub(1)?)?;
    let mut address = 0_u64;
    for (at, part) in parts.iter().take(count - 1).enumerate() {
        if *part > 255 {
            return None;
        }
        address |= part << (24 - 8 * at);
    }
    // Two numbers are a version or a price as often.
    if count < 4 && !odd && last < 256 && address == 0 {
        return None;
    }
    let address = u32::try_from((address | last) & 0xffff_ffff).ok()?;
    Some((Ipv4Addr::from(address), odd || count < 4))
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score, score_named};

    #[test]
    fn addresses_inside_are_found() {
        for value in [
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.1:6379/",
            "http://[::1]/admin",
            "http://[::ffff:10.0.0.1]/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "gopher://10.0.0.1:25/_HELO",
            "http://metadata.google.internal/computeMetadata/v1/",
            "https://user@10.0.0.7/x",
        ] {
            assert!(score(Class::Url, value) >= 5, "{value}");
        }
    }

    #[test]
    fn hidden_hosts_are_found_where_one_goes_to_them() {
        for value in [
            "//evil.example",
            "/\\evil.example",
            "https:/\\evil.example",
            "https://good.example@evil.example/",
            "//evil\0.example",
            "//good.example@https:///evil.example/",
            "/evil.example//..",
            "/\u{ff0f}evil.example",
            "/\u{3031}evil.example/x",
        ] {
            assert!(
                score_named(Class::Url, "redirect_uri", value) >= 5,
                "{value}"
            );
        }
    }

    #[test]
    fn ordinary_addresses_are_not() {
        for value in [
            "https://example.com/cb?state=1",
            "http://203.0.113.9/x",
            "/account/orders",
            "//cdn.example.com/x.js loaded twice in this page since monday",
            "version 1.2.3",
            "We run it at http://localhost:3000 while we develop, and at example.com in production.",
        ] {
            quiet(value);
        }
        assert_eq!(score_named(Class::Url, "next", "/account/orders?x=//y"), 0);
    }

    #[test]
    fn one_address_in_many_parameters_is_found() {
        let many = "/go?to=https://h.example&next=https://h.example&url=https://h.example";
        assert!(score(Class::Url, many) >= 5);
        for value in [
            "/share?u=https://h.example&t=https://h.example",
            "/links?a=https://a.example&b=https://b.example&c=https://c.example",
        ] {
            assert_eq!(score(Class::Url, value), 0, "{value}");
        }
    }
}
