//! Ciphertext that flows and is not heard: what the kernel saw of it, and whose it is.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::SyncSender;

use aya::maps::{HashMap as KernelMap, MapData};
use eaves_common::{CIPHERS_MAX, CipherKey, CipherValue, Role};
use tracing::debug;

use super::marks::{self, Mark};
use super::scan::{self, FileId, Mapped};
use super::verdict::{Inside, Speaks, judge};
use super::{ElfError, library};

/// Files of which it is kept what they say of themselves.
const MARKS_MAX: usize = 256;
/// Files that `doctor` keeps in mind.
const FILES_MAX: usize = 16_384;

/// A process, and an end of its conns, whose ciphertext is not heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// Which end it is.
    pub role: Role,
    /// The server's port.
    pub port: u16,
    /// Conns since it was looked last.
    pub conns: u32,
    /// What it speaks TLS with.
    pub speaks: Speaks,
}

/// What the kernel counts, and where to it is told.
pub(in super::super) struct Ciphers {
    map: KernelMap<MapData, CipherKey, CipherValue>,
    to: SyncSender<Unheard>,
}

impl Ciphers {
    pub(in super::super) const fn new(
        map: KernelMap<MapData, CipherKey, CipherValue>,
        to: SyncSender<Unheard>,
    ) -> Self {
        Self { map, to }
    }

    /// Takes what was counted since the last time. What is counted meanwhile may be lost.
    pub(super) fn take(&mut self) -> Vec<(CipherKey, CipherValue)> {
        let all = self.map.iter().take(CIPHERS_MAX as usize);
        let all: Vec<_> = all.filter_map(Result::ok).collect();
        for (key, _) in &all {
            // The kernel may have evicted it.
            let _ = self.map.remove(key);
        }
        all
    }

    /// Tells of one; where nobody takes it there are more than anybody reads.
    pub(super) fn tell(&self, unheard: Unheard) {
        debug!(?unheard, "ciphertext that is not heard");
        let _ = self.to.try_send(unheard);
    }
}

/// Name of process `pid`; `None` if it is gone.
pub(super) fn name(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

/// What is told of `value`, of a process of this name; `None` if one that may be heard has shown too
/// little yet.
pub(super) fn unheard(
    key: CipherKey,
    value: CipherValue,
    process: String,
    speaks: Speaks,
) -> Option<Unheard> {
    let conns = if speaks.is_heard() {
        value.busy
    } else {
        value.conns.max(value.busy)
    };
    let role = if key.role == Role::Client as u16 {
        Role::Client
    } else {
        Role::Server
    };
    (conns > 0).then_some(Unheard {
        pid: key.tgid,
        process,
        role,
        port: key.port,
        conns,
        speaks,
    })
}

/// What files say of themselves, each looked through once.
#[derive(Default)]
pub(super) struct Marks(HashMap<FileId, Option<Mark>>);

impl Marks {
    pub(super) fn of(&mut self, file: &Mapped) -> Option<Mark> {
        if let Some(known) = self.0.get(&file.id) {
            return known.clone();
        }
        if self.0.len() >= MARKS_MAX {
            self.0.clear();
        }
        let found = File::open(&file.link)
            .ok()
            .and_then(|open| marks::find(&open));
        self.0.insert(file.id, found.clone());
        found
    }
}

/// What processes speak TLS with, without probing anything.
#[derive(Default)]
pub struct Speakers {
    files: HashMap<FileId, Inside>,
    marks: Marks,
}

impl Speakers {
    /// Of process `pid`; `None` if it is gone.
    pub fn of(&mut self, pid: u32) -> Option<Speaks> {
        let mapped = scan::mapped(pid).unwrap_or_default();
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return None;
        }
        let mut files = Vec::new();
        for file in mapped {
            let inside = match self.files.get(&file.id) {
                Some(inside) => inside.clone(),
                None => inside(&file),
            };
            if self.files.len() < FILES_MAX {
                self.files.insert(file.id, inside.clone());
            }
            files.push((file, inside));
        }
        Some(judge(&files, |file| self.marks.of(file)))
    }
}

fn inside(file: &Mapped) -> Inside {
    let planned = File::open(&file.link).map_err(ElfError::from);
    match planned.and_then(|open| library::plan(&open)) {
        Ok(plan) => Inside::of(&plan),
        Err(error) => Inside::unreadable(&error),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use eaves_common::{CipherKey, CipherValue, Role};

    use super::super::verdict::{Speaks, Verdict};
    use super::{Speakers, Unheard, name, unheard};

    fn check(verdict: &Verdict, conns: u32, busy: u32) -> Option<Unheard> {
        let key = CipherKey {
            tgid: 7,
            port: 443,
            role: Role::Client as u16,
        };
        let speaks = Speaks {
            library: None,
            version: None,
            verdict: verdict.clone(),
        };
        unheard(key, CipherValue { conns, busy }, "curl".into(), speaks)
    }

    #[test]
    fn what_is_probed_is_told_of_only_when_more_than_a_handshake_went_unheard() {
        assert_eq!(check(&Verdict::Heard, 9, 0), None);
        let told = check(&Verdict::Heard, 9, 2).unwrap();
        assert_eq!((told.conns, told.process.as_str()), (2, "curl"));
        let told = check(&Verdict::Java, 9, 0).unwrap();
        assert_eq!((told.conns, told.role, told.port), (9, Role::Client, 443));
        assert_eq!(check(&Verdict::Java, 0, 0), None);
    }

    #[test]
    fn a_process_has_a_name_while_it_lives() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(name(std::process::id()).as_deref(), Some(own.trim_end()));
        assert_eq!(name(u32::MAX), None);
    }

    #[test]
    fn a_process_that_speaks_no_tls_is_not_said_to() {
        let mut speakers = Speakers::default();
        // This one has rustls in it, for the sinks.
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        // Twice: the second time by what is kept of its files.
        let found = [(); 2].map(|()| speakers.of(cat.id()).unwrap());
        drop(cat.stdin.take());
        cat.wait().unwrap();
        for speaks in found {
            assert_ne!(speaks.verdict, Verdict::Heard, "{speaks:?}");
        }
        assert_eq!(speakers.of(u32::MAX), None);
    }
}
