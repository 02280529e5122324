//! Words that no ordinary value holds, all looked for in one pass.

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

use super::super::View;

/// What no ordinary value holds.
const TELLING: &[(&str, u8, &str)] = &[
    ("${ifs", 6, "ifs_as_space"),
    ("$ifs", 6, "ifs_as_space"),
    ("/dev/tcp/", 6, "network_by_file"),
    ("/dev/udp/", 6, "network_by_file"),
    ("/bin/sh", 5, "shell_by_path"),
    ("/bin/bash", 5, "shell_by_path"),
    ("/bin/cat", 5, "program_by_path"),
    ("/bin/ls", 5, "program_by_path"),
    ("/usr/bin/id", 5, "program_by_path"),
    ("/usr/bin/env", 3, "program_by_path"),
    ("%systemroot%", 5, "windows_variable"),
    ("%comspec%", 5, "windows_variable"),
    ("system32\\cmd", 5, "windows_shell"),
    ("cmd.exe /c", 6, "windows_shell"),
    ("cmd /c", 5, "windows_shell"),
    ("powershell -e", 6, "windows_shell"),
    ("invoke-expression", 5, "windows_shell"),
    ("invoke-webrequest", 5, "windows_shell"),
    ("net localgroup ", 5, "windows_accounts"),
    ("\\currentcontrolset\\", 5, "windows_registry"),
    ("\\repair\\sam", 5, "windows_accounts"),
    ("\\repair\\system", 5, "windows_accounts"),
    ("(){ :", 6, "fork_bomb"),
    ("(){:|", 6, "fork_bomb"),
    ("|f& }", 6, "fork_bomb"),
    ("|base64 -d", 6, "decoded_and_run"),
    ("| base64 -d", 6, "decoded_and_run"),
    ("| sh", 4, "piped_to_shell"),
    ("|sh", 4, "piped_to_shell"),
    ("| bash", 5, "piped_to_shell"),
    ("|bash", 5, "piped_to_shell"),
    ("mkfifo /", 6, "backpipe"),
    ("nc -e", 6, "reverse_shell"),
    ("bash -i", 6, "reverse_shell"),
    ("sh -c ", 5, "shell_by_name"),
    ("<<<\"", 3, "here_string"),
    ("\\033[", 5, "terminal_escape"),
    ("$shell ", 5, "shell_by_variable"),
    ("${shell}", 6, "shell_by_variable"),
    ("iex (", 5, "windows_shell"),
    ("\n.databases", 5, "command_of_sqlite"),
    (";.databases", 5, "command_of_sqlite"),
];

/// The automaton of the words.
#[derive(Debug)]
pub(super) struct Telling(AhoCorasick);

impl Telling {
    pub(super) fn new() -> Result<Self, BuildError> {
        let words = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .build(TELLING.iter().map(|(needle, ..)| needle))?;
        Ok(Self(words))
    }

    /// The heaviest that the value holds, where it stands first.
    pub(super) fn heaviest(&self, view: &View<'_>) -> Option<(u8, &'static str, usize, usize)> {
        let mut best: Option<(u8, usize, &'static str, usize, usize)> = None;
        for hit in self.0.find_overlapping_iter(view.low) {
            let at = hit.pattern().as_usize();
            let Some((_, score, rule)) = TELLING.get(at) else {
                continue;
            };
            let prosaic = view.prose >= 8 && *score < 6;
            let score = if prosaic { score / 2 } else { *score };
            // Of two that weigh alike the one that stands first in the table is told.
            let heavier = |(have, place, ..): (u8, usize, _, _, _)| {
                have < score || have == score && at < place
            };
            if best.is_none_or(heavier) {
                best = Some((score, at, rule, hit.start(), hit.end()));
            }
        }
        best.map(|(score, _, rule, start, end)| (score, rule, start, end))
    }
}
