//! Whether a process's TLS is heard, by which library, or why not.

use std::path::Path;

use super::library::Plan;
use super::marks::Mark;
use super::scan::Mapped;

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inside {
    /// The library that is in it.
    pub(super) library: Option<&'static str>,
    /// Its version.
    pub(super) version: Option<String>,
    /// It is probed, or could be.
    pub(super) heard: bool,
    /// Why it is not.
    pub(super) why: Option<String>,
    /// That is for want of a privilege.
    pub(super) denied: bool,
}

impl Inside {
    /// Of a file with this plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let go = plan.go.clone().filter(|version| !version.is_empty());
        Self {
            library: plan.library.map(super::library::Library::name),
            version: go.map(|go| go.trim_start_matches("go").to_owned()),
            heard: plan.hears(),
            why: plan.why_not().or_else(|| plan.damaged.clone()),
            denied: false,
        }
    }

    /// Of a file whose functions cannot be looked for.
    pub(super) fn unreadable(error: &dyn std::error::Error) -> Self {
        Self {
            why: Some(error.to_string()),
            ..Self::default()
        }
    }
}

/// Whether a process's TLS is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its library is probed.
    Heard,
    /// The library's functions are not as they must be, or its file is not.
    Refused(String),
    /// The kernel does not let the agent probe it.
    Denied(String),
    /// Java, which compiles its own TLS as it runs.
    Java,
    /// A library of another make, in a file of its own.
    OtherLibrary,
    /// A library that is part of the program, without functions that are known.
    LinkedIn,
    /// Its files cannot be seen.
    Unreadable,
    /// The kernel takes no probes in processes.
    NoProbes,
    /// Nothing that speaks TLS was found in it.
    Unknown,
}

/// What a process speaks TLS with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// The library, if that is known.
    pub library: Option<&'static str>,
    /// Its version, if that is known.
    pub version: Option<String>,
    /// Whether it is heard.
    pub verdict: Verdict,
}

impl Speaks {
    fn of(library: Option<&'static str>, verdict: Verdict) -> Self {
        Self {
            library,
            version: None,
            verdict,
        }
    }

    /// Where the kernel takes no probes.
    pub(super) fn without_probes() -> Self {
        Self::of(None, Verdict::NoProbes)
    }

    /// Whether its library is probed.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        matches!(self.verdict, Verdict::Heard)
    }

    /// The library by name and version, as far as is known.
    #[must_use]
    pub fn library_words(&self) -> String {
        let name = self.library.unwrap_or("TLS of unknown make");
        let version = self.version.as_deref();
        version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
    }

    /// Why it is not heard; of one that is, why there may be nothing.
    #[must_use]
    pub fn reason(&self) -> String {
        let library = self.library_words();
        match &self.verdict {
            Verdict::Heard => format!(
                "{library} is probed, but no HTTP comes out of it: these conns carry something else, or \
                 another library of the process speaks on them"
            ),
            Verdict::Refused(why) => format!("{library} cannot be probed: {why}"),
            Verdict::Denied(why) => format!("the kernel does not let {library} be probed: {why}"),
            Verdict::Java => {
                "Java's own TLS (JSSE) is compiled as it runs: no function of it can be \
                              probed"
                    .to_owned()
            }
            Verdict::OtherLibrary => format!("{library} is none of the libraries that are probed"),
            Verdict::LinkedIn => format!(
                "{library} is part of the program, and no function of it is found: stripped, or not \
                 among the libraries that are probed"
            ),
            Verdict::Unreadable => "the files in its memory may not be looked at".to_owned(),
            Verdict::NoProbes => "the kernel takes no probes in processes".to_owned(),
            Verdict::Unknown => "no TLS library that is known is found in it".to_owned(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self.verdict {
            Verdict::Heard => "if it carries HTTP, report it with the log of level debug",
            Verdict::Java => {
                "end TLS in a proxy in front of it (nginx, HAProxy), or give the server an OpenSSL \
                 provider (Tomcat Native, netty-tcnative)"
            }
            Verdict::Refused(_) | Verdict::LinkedIn => {
                "use a build with its symbols or a shared library, or end TLS in a proxy in front of it \
                 (nginx, HAProxy)"
            }
            Verdict::Denied(_) => {
                "run the agent as root, or with CAP_SYS_ADMIN, which kernels since July 2025 want for this"
            }
            Verdict::OtherLibrary | Verdict::Unknown => {
                "end TLS in a proxy in front of it (nginx, HAProxy)"
            }
            Verdict::Unreadable => {
                "run the agent as root, or with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE"
            }
            Verdict::NoProbes => "see `eaves doctor` for what the kernel lacks",
        }
    }
}

/// Libraries that are known by the name of their file, and not probed.
const OTHERS: [(&[u8], &str); 4] = [
    (b"libmbedtls.", "mbedtls"),
    (b"libwolfssl.", "wolfssl"),
    (b"libs2n.", "s2n"),
    (b"libtls.", "libretls"),
];

/// Judges a process by the files with code in its memory; `marks` looks for what one says of itself.
pub(super) fn judge(
    files: &[(Mapped, Inside)],
    mut marks: impl FnMut(&Mapped) -> Option<Mark>,
) -> Speaks {
    let mut of_library = |file: &Mapped, inside: &Inside, verdict: Verdict| {
        let mut version = inside.version.clone();
        if version.is_none() && inside.library != Some("go") {
            // OpenSSL's own name stands in the library beside it.
            let beside = files.iter().map(|(file, _)| file);
            let mut named = beside.filter(|beside| is_named(&beside.path, b"libcrypto."));
            let mark = named.find_map(&mut marks).or_else(|| marks(file));
            let same = mark.filter(|mark| Some(mark.library) == inside.library);
            version = same.and_then(|mark| mark.version);
        }
        Speaks {
            version,
            ..Speaks::of(inside.library, verdict)
        }
    };
    let with_library = || {
        let all = files.iter();
        all.filter(|(_, inside)| inside.library.is_some())
    };
    if let Some((file, inside)) = with_library().find(|(_, inside)| inside.heard) {
        return of_library(file, inside, Verdict::Heard);
    }
    if let Some((file, inside)) = with_library().next() {
        let why = inside.why.clone();
        let why = why.unwrap_or_else(|| "functions of it are missing".to_owned());
        let verdict = if inside.denied {
            Verdict::Denied(why)
        } else {
            Verdict::Refused(why)
        };
        return of_library(file, inside, verdict);
    }
    if files.is_empty() {
        return Speaks::of(None, Verdict::Unreadable);
    }
    if files
        .iter()
        .any(|(file, _)| is_named(&file.path, b"libjvm.so"))
    {
        return Speaks::of(Some("jsse"), Verdict::Java);
    }
    for (beginning, library) in OTHERS {
        if files
            .iter()
            .any(|(file, _)| is_named(&file.path, beginning))
        {
            return Speaks::of(Some(library), Verdict::OtherLibrary);
        }
    }
    let Some((program, inside)) = files.iter().find(|(file, _)| file.is_program) else {
        return Speaks::of(None, Verdict::Unknown);
    };
    match (marks(program), &inside.why) {
        (Some(Mark { library, version }), _) => Speaks {
            version,
            ..Speaks::of(Some(library), Verdict::LinkedIn)
        },
        (None, Some(why)) => Speaks::of(None, Verdict::Refused(why.clone())),
        (None, None) => Speaks::of(None, Verdict::Unknown),
    }
}

fn is_named(path: &Path, beginning: &[u8]) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(beginning)
}

#[cfg(test)]
mod tests {
    use super::super::marks::Mark;
    use super::super::scan::{FileId, Mapped};
    use super::{Inside, Verdict, judge};

    fn file(path: &str, is_program: bool, inside: Inside) -> (Mapped, Inside) {
        let id = FileId {
            device: (1, 1),
            inode: 1,
        };
        let mapped = Mapped {
            id,
            path: path.into(),
            is_program,
            link: path.into(),
        };
        (mapped, inside)
    }

    fn openssl(heard: bool) -> Inside {
        Inside {
            library: Some("openssl"),
            heard,
            why: (!heard).then(|| "it never returns".to_owned()),
            ..Inside::default()
        }
    }

    #[track_caller]
    fn check(files: &[(Mapped, Inside)], words: &str, verdict: &Verdict) {
        let found = judge(files, |file| {
            let mark = |library, version: &str| Mark {
                library,
                version: Some(version.to_owned()),
            };
            match file.path.to_str() {
                Some("/lib/libcrypto.so.3") => Some(mark("openssl", "3.0.19")),
                Some("/bin/rusty") => Some(mark("rustls", "0.23.20")),
                _ => None,
            }
        });
        assert_eq!(
            (found.library_words().as_str(), &found.verdict),
            (words, verdict)
        );
        assert!(!found.reason().contains("  ") && !found.advice().contains("  "));
    }

    #[test]
    fn what_is_probed_is_heard_and_named_with_its_version() {
        let crypto = file("/lib/libcrypto.so.3", false, Inside::default());
        let ssl = |heard| file("/lib/libssl.so.3", false, openssl(heard));
        let program = file("/bin/x", true, Inside::default());
        check(
            &[program.clone(), ssl(true), crypto.clone()],
            "openssl 3.0.19",
            &Verdict::Heard,
        );
        check(&[program.clone(), ssl(true)], "openssl", &Verdict::Heard);
        let why = Verdict::Refused("it never returns".to_owned());
        check(
            &[program.clone(), ssl(false), crypto.clone()],
            "openssl 3.0.19",
            &why,
        );
        let mut denied = ssl(false);
        denied.1.denied = true;
        let why = Verdict::Denied("it never returns".to_owned());
        check(&[program, denied, crypto], "openssl 3.0.19", &why);
    }

    #[test]
    fn what_is_not_heard_is_named_by_the_likeliest_reason() {
        let jvm = file("/jvm/libjvm.so", false, Inside::default());
        let java = file("/bin/java", true, Inside::default());
        check(&[java.clone(), jvm.clone()], "jsse", &Verdict::Java);
        // With OpenSSL beside it, that may be what it speaks with.
        let ssl = file("/lib/libssl.so.3", false, openssl(true));
        check(&[java, jvm, ssl], "openssl", &Verdict::Heard);
        let mbed = file("/lib/libmbedtls.so.14", false, Inside::default());
        check(&[mbed], "mbedtls", &Verdict::OtherLibrary);
        let rust = file("/bin/rusty", true, Inside::default());
        check(&[rust], "rustls 0.23.20", &Verdict::LinkedIn);
        let plain = file("/bin/plain", true, Inside::default());
        check(&[plain], "TLS of unknown make", &Verdict::Unknown);
        check(&[], "TLS of unknown make", &Verdict::Unreadable);
        let other = Inside {
            why: Some("not an ELF file".to_owned()),
            ..Inside::default()
        };
        let why = Verdict::Refused("not an ELF file".to_owned());
        check(
            &[file("/bin/arm", true, other)],
            "TLS of unknown make",
            &why,
        );
    }
}
