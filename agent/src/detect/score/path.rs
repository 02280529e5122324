//! INJ-04, ways out of a folder and into files nobody may ask for; files by address. Encodings of
//! dots and slashes that decoding leaves (0x2e, %c0%ae cut short, doubled signs) are taken along.

use super::rules::{Rule, Rules, rule};
use super::text::{at, find, from, is_space, is_word, slice, starts};
use super::{Class, Found, Place, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "../",
    "..\\",
    "..%",
    "..;",
    "..0x",
    ".././",
    "..2f",
    "..5c",
    "...",
    "0x2e",
    "2e2e",
    "%2e",
    "%5c",
    "%c0",
    "%u2",
    "/.../",
    "\\.\\",
    "/./",
    "/.\\",
    ".\\.",
    ".\\",
    "etc",
    "passwd",
    "shadow",
    "boot.ini",
    "oot.ini",
    "win.ini",
    "web-inf",
    "/proc/",
    "/var/",
    "/usr/",
    "/root",
    "/sys/",
    "/dev/",
    "/tmp/",
    "/home/",
    "/opt/",
    "/bin/",
    "/boot",
    "/srv/",
    "php.ini",
    "httpd",
    ".conf",
    ".log",
    "log/",
    "logs/",
    "log\\",
    "access_log",
    "error_log",
    "access.log",
    "error.log",
    "c:\\",
    "c:/",
    "windows",
    "winnt",
    "php:",
    "file:",
    "expect:",
    "zip:",
    "phar:",
    "data:",
    "compress.",
    "ssh2.",
    "glob:",
    "gopher:",
    "dict:",
    "jar:",
    "netdoc:",
    "ogg:",
    "rar:",
    "zlib:",
    "unc",
    "\\\\",
    "id_rsa",
    ".ssh",
    ".htaccess",
    ".htpasswd",
    ".bash_history",
    "localstart.asp",
    "desktop.ini",
    "http://",
    "https://",
    "ftp://",
    "https?",
    "http?",
    "ftp?",
    "ftps",
    "file?",
    "system32",
    "inetpub",
    "my.cnf",
    "my.ini",
    "global.asa",
    "wp-config",
    "ntuser",
    "..\u{00c0}",
    "/library",
    "/apache",
    "\\apache",
    "program files",
    "autoexec",
    "%00",
    ".inc",
    "./.",
    "c:",
    "/etc",
    "\\xampp",
    "/xampp",
    "/@fs",
    "%0",
    ".mdb",
    "%n",
    "/mnt/",
    "/private/",
    "/cygdrive",
    ".sql",
    ".bak",
    "users/",
    "system/",
    "x5c",
    "&&type",
    "/database",
    "/admin",
];

const RULES: &[Rule] = &[
    rule(
        "climbs",
        6,
        r"(?:^|[^.\w])?(?:\.{2,}|\.\s\.|\.%00\.|(?:0x2e|%+2e|%u002e|%uff0e|%c0%[a2]e|2e){2})(?:[/\\]|%+2f|%+5c|0x2f|0x5c|%c[01]%[0-9a-f]{1,2}|%u221[56]|%%?\w{2}%?\w{0,2}|%\d%\w|2f|5c|;/|\|/)(?:.{0,12}?(?:\.{2,}|\.%00\.|(?:0x2e|%+2e|%u002e|%uff0e|%c0%[a2]e|2e){2})(?:[/\\]|%+2f|%+5c|0x2f|0x5c|%c[01]|%u221[56]|%%?\w{2}|%\d%\w|2f|5c|;/|\|/))+",
    ),
    rule("climbs_once", 3, r"(?:^|[=/\\:,])\.\.(?:[/\\]|%2f|%5c|;/)"),
    rule(
        "climbs_at_start",
        4,
        r"^\s*[/\\]*\.\.(?:[/\\]|%2f|%5c|;/)[\w./\\%-]*$",
    ),
    rule(
        "mixed_steps",
        5,
        r"(?:\.[/\\]+){6,}|(?:/\.\\|\\\./|\./\\|\.\\/|/\\\.){2,}|(?:[/\\]\.{2,}){3,}|(?:\.\.[/\\;]){2,}|\.{8,}[/\\]|[/\\]\.{20,}|(?:\.;\.|\\;\\|\.\.;){1,}",
    ),
    rule(
        "odd_dots",
        5,
        r"(?:0x2e|0x2f|0x5c){2,}|\.\.(?:0x2f|0x5c|%\d%\w|%%\w\w)|(?:%c0%ae|%u002e|%uff0e){2,}|(?:[^\x20-\x7e]{1,6}(?:[/\\]|%[0-9a-f%]{2,6})){3,}",
    ),
    rule(
        "accounts_file",
        6,
        r"(?:^|[^a-z0-9]|2f|5c|c0af|af)e(?:tc|[?*\[\]\\'x$@{}()]{1,4}c)(?:[/\\]|[^a-z0-9 ,]{1,12}|2f|5c|%+\w{1,3}(?:%\w{1,3})?)+\W?(?:passwd|shadow|master\.passwd|group|hosts|issue|motd|fstab|crontab|sudoers|subuid|resolv|hostname|gshadow|security|profile|inittab|network|mtab)",
    ),
    rule(
        "hidden_accounts_file",
        6,
        r"(?:%|0x|\.\.|[^\x20-\x7e]).*?(?:etc|system32)(?:[^a-z0-9 ,]|0x2f|0x5c).{0,12}?(?:passwd|issue|hosts|shadow|group|drivers)",
    ),
    rule("settings_of_servlets", 5, r"web-inf[/\\]?web\.xml"),
    rule(
        "password_file",
        5,
        r"(?:^|[^a-z])passwd(?:$|[\x00%#?;&|]|\.html)|etc.{0,3}passwd",
    ),
    rule(
        "windows_file",
        6,
        r"(?:^|[^a-z0-9])b?oot\.ini|(?:^|[^a-z])win\.ini|autoexec\.bat|system32[/\\](?:config|drivers|inetsrv|logfiles)|windows[/\\](?:repair|system32|win\.ini|panther|debug|csc|php\.ini|my\.ini)|winnt[/\\]|repair[/\\](?:sam|system|setup)|ntuser\.(?:dat|ini)|inetpub[/\\]|sysprep[/\\.]|unattend(?:ed)?\.(?:xml|txt)|boot\.ini|localstart\.asp|desktop\.ini|global\.asa",
    ),
    rule(
        "system_file_at_start",
        5,
        r"(?:^\W{0,6}(?:file:|\.)?/+|[^:/]//+)(?:etc|proc|sys|root|boot|dev|var/(?:log|lib|run|adm|spool|mail|cache|db|www|local|cpanel|webmin|apache2?|mysql|nm2|data)|usr/(?:local|lib|share|pkgsrc|etc|home|ports|spool|bin|sbin)|opt/(?:lampp|xampp|httpd|tomcat|jboss|apache2?)|private/etc|library/webserver|srv/www|logs?|apache2?|php[45]?|xampp|www/(?:conf|logs|apache)|volumes|mysql|bin|cygdrive|web/conf|home/[\w.]+/(?:\.|conf|public)|home2?/bin|system/|nsm|users/\w+/\.ssh)(?:/|$|\x00| )",
    ),
    rule(
        "drive_file_at_start",
        5,
        r"^\W{0,4}[a-z]:[/\\]+(?:windows|winnt|boot|program ?files|xampp|apache|php|wamp|mysql|inetpub|system|users[/\\]administrator|documents and settings|nginx|tomcat)",
    ),
    rule(
        "program_file_at_start",
        5,
        r"^\W{0,3}[/\\](?:apache2?|php\d?|xampp|mysql|program files)[/\\][\w\\/. ]{2,}",
    ),
    rule(
        "log_or_setting_file",
        5,
        r"^[\w./\\: -]{0,60}?(?:/|\\|^)(?:(?:access|error|ssl_error|ssl_access|httpd-access|httpd-error|php_errors?|suexec|referer|agent)[_.-]?log|php\.ini|httpd\.conf|my\.cnf|my\.ini|apache2?\.conf|nginx\.conf|web\.config|lighttpd\.conf|proftpd\.conf|vsftpd\.conf|sshd_config|server\.xml|tomcat-users\.xml|config\.inc\.php|settings\.php|configuration\.php|wp-config\.php|database\.yml)(?:\.\d|\.bak|\.old|~)?\s*\x00?$",
    ),
    rule(
        "process_file",
        5,
        r"(?:^|/)proc/(?:self|version|cmdline|\d+/|sched_debug|mounts|net/|cpuinfo|config\.gz|interrupts|meminfo|modules|partitions)",
    ),
    rule(
        "private_key",
        5,
        r"\.ssh[/\\](?:id_[a-z0-9]+|authorized_keys|known_hosts|config)|\.aws[/\\]credentials|\.bash_history|\.htpasswd|\.mysql_history|\.git[/\\](?:config|head)|(?:^|[/\\])web-inf[/\\]|(?:^|/)\.env(?:$|\.)",
    ),
    rule(
        "wrapper",
        6,
        r"(?:^|[^\w])(?:php|expect|zip|phar|glob|compress\.\w+|zlib|ssh2\.\w+|rar|ogg|netdoc|jar:(?:https?|file))://?\w|^\W{0,3}(?:data|expect|glob|zlib):(?://)?(?:text/(?:plain|html)|\w+[/\\]|;base64,|\w+$)|php://(?:input|filter|stdin|stdout|memory|temp|output)",
    ),
    rule(
        "file_address",
        5,
        r"(?:^|[\x22'=>\s/])file:/{1,3}(?:[a-z]:|[\w.%-]+)",
    ),
    rule(
        "address_for_code",
        5,
        r"^\s*(?:https?|ftps?)://[^\s?#/]{3,}",
    ),
    rule(
        "code_by_address",
        5,
        r"^\s*(?:https?|ftps?)://[^\s?#]{3,}\.(?:php\d?|txt|inc|jsp|asp|sh|pl|dat|phtml|gif\?|jpg\?)(?:\?|\x00|;|$)",
    ),
    rule(
        "address_cut_off",
        5,
        r"^\s*(?:https?|ftps?|file)(?:://[^\s?#/]{2,}[^\s?#]*)?\?+\s*$",
    ),
    rule(
        "network_share",
        4,
        r"^\s*\\\\(?:\w[\w.-]*|\d+\.\d+\.\d+\.\d+)\\\w+\$?",
    ),
    rule(
        "cut_by_nul",
        5,
        r"[\w/\\]\x00(?:\.\w{2,4})?$|%00(?:\.\w{2,4})?$",
    ),
    // Dots in two bytes, the second of which is none that may stand there.
    rule("overlong_dots", 5, r"(?:[\xc0\xc1]\.){2}[/\\]"),
    rule("ftp_address", 5, r"^\s*(?:ftps?|sftp|tftp)://\w"),
];

/// Names of parameters that take a file.
const FILE_NAMES: &[&str] = &[
    "file", "path", "page", "doc", "include", "template", "src", "dir", "folder", "document",
    "load", "root", "config", "inc", "conf",
];

/// The rules.
#[derive(Debug)]
pub(super) struct Path {
    rules: Rules,
}

impl Path {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for ways to files.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if matches!(view.place, Place::Agent) {
            return;
        }
        let mut best: Option<(u8, &'static str, usize, usize)> = None;
        let mut rest = 0_u8;
        self.rules.each_match(view.bytes, |rule, start, end| {
            let mut score = rule.score;
            // A file named in a sentence, or a relative link in markdown, is read by nobody.
            let shown = view.is_shown(start) || view.is_shown(end.saturating_sub(1));
            if view.prose >= 6 || shown || is_in_sentence(view, start) || is_link(view, start) {
                score = score * 2 / 5;
            }
            let referer = view.place == Place::Referer;
            if referer
                && matches!(
                    rule.name,
                    "code_by_address" | "address_cut_off" | "ftp_address"
                )
            {
                return;
            }
            if rule.name == "address_for_code" && !names_code(view.name) {
                return;
            }
            if rule.name == "code_by_address"
                && !names_file(view.name)
                && !by_number(view.low)
                && view.place != Place::Path
            {
                score = 3;
            }
            if best.is_none_or(|(have, ..)| have < score) {
                rest = rest.max(best.map_or(0, |(have, ..)| have));
                best = Some((score, rule.name, start, end));
            } else {
                rest = rest.max(score);
            }
        });
        // Who sends a file names it, and not the folder it shall lie in.
        if view.name == b"filename"
            && best.is_none_or(|(have, ..)| have < 5)
            && (starts(view.low, "/") || find(view.low, "../").is_some())
        {
            best = Some((5, "folder_in_file_name", 0, view.low.len()));
        }
        if let Some((score, rule, start, end)) = best {
            found.add(
                Class::Path,
                rule,
                score.saturating_add(rest / 2),
                start,
                end,
            );
        }
    }
}

/// Whether what begins at `start` stands among the words of a short sentence.
fn is_in_sentence(view: &View<'_>, start: usize) -> bool {
    let before = start.saturating_sub(1);
    view.prose >= 4
        && start > 0
        && slice(view.low, before, start + 1)
            .iter()
            .any(|byte| is_space(*byte))
}

/// Whether it is where a link of markdown leads: `[Contribute](../../CONTRIBUTING.md)`.
fn is_link(view: &View<'_>, start: usize) -> bool {
    let before = slice(view.low, start.saturating_sub(2), start + 1);
    find(before, "](").is_some()
}

/// Settings of applications that say where their own code lies; never on another host.
const CODE_PATHS: &[&str] = &[
    "absolute_path",
    "absolutepath",
    "_conf[path",
    "doc_root",
    "docroot",
    "document_root",
    "include_path",
    "includepath",
    "inc_dir",
    "incdir",
    "lib_path",
    "libpath",
    "root_path",
    "rootpath",
    "root_dir",
];

/// Whether a parameter of this name is one of them.
fn names_code(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    CODE_PATHS.iter().any(|word| find(&name, word).is_some())
}

/// Whether the parameter's name says that it takes a file.
fn names_file(name: &[u8]) -> bool {
    let low = name.to_ascii_lowercase();
    FILE_NAMES.iter().any(|word| find(&low, word).is_some())
}

/// Whether the address names its host by number.
fn by_number(low: &[u8]) -> bool {
    find(low, "://").is_some_and(|place| {
        let host = from(low, place + 3);
        at(host, 0).is_ascii_digit()
            && !host
                .iter()
                .take_while(|byte| **byte != b'/')
                .any(|byte| is_word(*byte) && !byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score, score_named};

    #[test]
    fn an_address_where_an_application_looks_for_its_code_is_found() {
        let elsewhere = "http://evil.example/x";
        for name in ["include_path", "DOC_ROOT", "mosConfig_absolute_path"] {
            assert!(score_named(Class::Path, name, elsewhere) >= 5, "{name}");
        }
        assert!(score_named(Class::Path, "site", elsewhere) < 5);
    }

    #[test]
    fn ways_out_of_a_folder_are_found() {
        for value in [
            "../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "....//....//etc/hosts",
            "..0x2f..0x2f..0x2fetc/issue",
            "/etc/shadow",
            "/proc/self/environ",
            "php://filter/convert.base64-encode/resource=index",
            "file:///etc/hosts",
            "/var/log/apache2/access.log",
            "C:\\Windows\\system32\\drivers\\etc\\hosts",
            "..;/manager/html",
        ] {
            assert!(
                score(Class::Path, value) >= 5,
                "{value}: {}",
                score(Class::Path, value)
            );
        }
    }

    #[test]
    fn ordinary_paths_and_addresses_are_not() {
        for value in [
            "/products/2024/images/blue-chair.png",
            "https://example.com/blog/index.php?p=4",
            "https://cdn.example.com/a.txt",
            "Wait... what? Really...",
            "C:\\Users\\anna\\Documents\\invoice.pdf",
            "See [the guide](../guide/intro.md) for how to install it on your own server at home.",
            "/home/anna/projects/shop",
            "see etc. and so on",
        ] {
            quiet(value);
        }
    }
}
