//! User ids → names, by the `/etc/passwd` of the process's own root.
//!
//! Users that only a name service knows (LDAP, systemd-homed) stay numbers: asking one would run
//! its code in the agent.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

/// Most that is read of a `passwd`, bytes.
const PASSWD_MAX_BYTES: u64 = 256 << 10;

/// Longest name of a user (useradd(8) allows 32; directories have longer ones).
const NAME_MAX_BYTES: usize = 256;

/// Files whose names are kept.
const FILES: usize = 64;

/// Names that are kept of each.
const NAMES: usize = 256;

/// What tells one state of a file from another: device, inode, size, and when its inode changed.
type FileState = (u64, u64, u64, i64, i64);

/// Names that have been looked up, by the state of the file they stood in.
#[derive(Debug, Default)]
pub(super) struct Users {
    known: HashMap<FileState, HashMap<u32, Option<String>>>,
}

impl Users {
    /// The name that `file`, a `passwd`, gives to `uid`.
    pub(super) fn name(&mut self, file: File, uid: u32) -> Option<String> {
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let state = (
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        if let Some(name) = self.known.get(&state).and_then(|names| names.get(&uid)) {
            return name.clone();
        }
        let mut text = Vec::new();
        file.take(PASSWD_MAX_BYTES).read_to_end(&mut text).ok()?;
        let name = name_in(&text, uid);
        // Containers come and go: to begin anew now and then costs less than to know which went.
        if self.known.len() >= FILES && !self.known.contains_key(&state) {
            self.known.clear();
        }
        let names = self.known.entry(state).or_default();
        if names.len() >= NAMES {
            names.clear();
        }
        names.insert(uid, name.clone());
        name
    }
}

/// The name of `uid` in the text of a `passwd` (passwd(5)).
fn name_in(text: &[u8], uid: u32) -> Option<String> {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        let number = std::str::from_utf8(fields.nth(1)?).ok()?;
        let is_name = !name.is_empty()
            && name.len() <= NAME_MAX_BYTES
            && !name.iter().any(u8::is_ascii_control);
        if !is_name || number.parse() != Ok(uid) {
            return None;
        }
        String::from_utf8(name.to_vec()).ok()
    })
}

/// The user whose rights a process has, in the text of its `status`: of `Uid:` the second number.
pub(super) fn effective_uid(status: &[u8]) -> Option<u32> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(b"Uid:"))?;
    let mut numbers = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    numbers.nth(1)?.parse().ok()
}

/// What `uid` is called inside a user namespace, by the text of a `uid_map`
/// (user_namespaces(7)): lines of its first number inside, its first outside, and how many follow.
pub(super) fn inside(map: &[u8], uid: u32) -> Option<u32> {
    let map = std::str::from_utf8(map).ok()?;
    map.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (first, outside, count) = (
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
        );
        let at = uid.checked_sub(outside).filter(|at| *at < count)?;
        first.checked_add(at)
    })
}

#[cfg(test)]
mod tests {
    use super::{effective_uid, inside, name_in};

    #[track_caller]
    fn check(passwd: &str, uid: u32, expected: Option<&str>) {
        assert_eq!(name_in(passwd.as_bytes(), uid).as_deref(), expected);
    }

    #[test]
    fn the_first_line_of_a_number_names_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n\
                      toor:x:0:0::/:/bin/sh\n";
        check(passwd, 0, Some("root"));
        check(passwd, 33, Some("www-data"));
        check(passwd, 34, None);
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        check("#\n:x:5:\na:x\nb\n\nc:x:5x:\nd:x:5:", 5, Some("d"));
        check("\u{1b}[31m:x:5:\n", 5, None);
        check(&format!("{}:x:5:\n", "a".repeat(300)), 5, None);
        check("", 0, None);
    }

    #[test]
    fn the_effective_user_is_the_second() {
        let uid = effective_uid(b"Name:\tx\nUid:\t1000\t33\t1000\t1000\nGid:\t1\n");
        assert_eq!(uid, Some(33));
        assert_eq!(effective_uid(b"Uid:\t1000\n"), None);
        assert_eq!(effective_uid(b""), None);
    }

    #[test]
    fn a_namespace_gives_other_numbers() {
        let host = b"         0          0 4294967295\n";
        assert_eq!(inside(host, 1000), Some(1000));
        let container = b"0 100000 65536\n70000 5 1\n";
        assert_eq!(inside(container, 100_033), Some(33));
        assert_eq!(inside(container, 5), Some(70_000));
        assert_eq!(inside(container, 0), None);
        assert_eq!(inside(b"x", 0), None);
        assert_eq!(inside(b"4294967295 0 2", 1), None);
    }
}
