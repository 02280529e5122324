//! The check `dist`: what is packed is as promised.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{SUMS, TARBALL, deb, pack, rpm, shipped};
use crate::build::Parts;
use crate::command::{output, run, say};
use crate::ebpf;
use crate::project::Project;
use crate::setup::Package;
use crate::test::Tally;

/// What the check needs beside what packs.
pub(crate) const CHECKED: &[Package] = &[Package {
    name: "systemd",
    programs: &["systemd-analyze"],
}];

/// Most exposure that `systemd-analyze security` may see in the unit, of 100: its capabilities, the host's
/// network and processes, which hearing takes, count that much.
const EXPOSURE_MAX: u32 = 28;

/// Files that must be in the package, with their modes as tar shows them.
const PACKED: &[(&str, &str)] = &[
    ("-rwxr-xr-x", "./usr/bin/eaves"),
    ("-rw-r--r--", "./etc/eaves/eaves.yaml"),
    ("drwxr-xr-x", "./etc/eaves/conf.d/"),
    ("drwxr-xr-x", "./etc/eaves/rules.d/"),
    ("-rw-r--r--", "./usr/lib/systemd/system/eaves.service"),
    ("-rw-r--r--", "./usr/lib/sysusers.d/eaves.conf"),
    ("-rw-r--r--", "./usr/share/man/man1/eaves.1.gz"),
    (
        "-rw-r--r--",
        "./usr/share/bash-completion/completions/eaves",
    ),
    ("-rw-r--r--", "./usr/share/zsh/vendor-completions/_eaves"),
    (
        "-rw-r--r--",
        "./usr/share/fish/vendor_completions.d/eaves.fish",
    ),
    ("-rw-r--r--", "./usr/share/doc/eaves/copyright"),
    ("-rw-r--r--", "./usr/share/doc/eaves/docs/install.md"),
    ("-rw-r--r--", "./usr/share/eaves/alerts.yaml"),
    ("-rw-r--r--", "./usr/share/eaves/dashboard.json"),
    ("-rw-r--r--", "./usr/share/eaves/sbom.cdx.json"),
];

/// Files that must be in the tarball.
const LOOSE: &[&str] = &[
    "eaves",
    "eaves.1",
    "eaves.service",
    "eaves.yaml",
    "sysusers.conf",
    "LICENSE",
    "README.md",
    "completions/_eaves",
    "docs/install.md",
    "alerts.yaml",
    "dashboard.json",
    "sbom.cdx.json",
];

/// A fact that is looked at: its name, and what looks.
type Fact = (&'static str, fn(&Packed<'_>) -> Result<()>);

const FACTS: &[Fact] = &[
    ("two runs pack the same bytes", same_bytes),
    ("a binary without kernel object is refused", refused),
    (
        "the package holds what it should, and all is root's",
        listed,
    ),
    ("the package says what it needs", described),
    (
        "the package for rpm holds the same, and all is root's",
        listed_by_rpm,
    ),
    (
        "rpm is told what it needs, and what is configuration",
        described_by_rpm,
    ),
    ("the tarball holds what it should, and all is root's", loose),
    ("the sums are those of the files", summed),
    ("systemd takes the unit", verified),
    ("systemd sees little that the unit could do", secured),
    ("the configuration that is shipped is right", configured),
];

/// What was packed, to be looked at.
struct Packed<'a> {
    project: &'a Project,
    binary: &'a Path,
    to: &'a Path,
}

impl Packed<'_> {
    fn deb(&self) -> String {
        self.to.join(deb::name()).display().to_string()
    }

    fn given(&self, name: &str) -> Result<String> {
        let path = self.project.root.join("xtask/dist").join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// A folder for what a fact needs.
    fn aside(&self) -> std::path::PathBuf {
        self.project.target.join("dist-check")
    }
}

/// Packs `binary` and looks at what came of it.
///
/// # Errors
/// If it cannot be packed at all.
pub(crate) fn check(project: &Project, binary: &Path) -> Result<Tally> {
    let to = project.target.join("dist");
    pack(project, binary, Parts::default(), &to)?;
    let packed = Packed {
        project,
        binary,
        to: &to,
    };
    let mut tally = Tally::default();
    for (name, look) in FACTS {
        let _ = fs::remove_dir_all(packed.aside());
        fs::create_dir_all(packed.aside())?;
        let found = look(&packed);
        tally.count(found.is_ok());
        match found {
            Ok(()) => say(format!("ok: {name}")),
            Err(error) => say(format!("FAILED: {name}: {error:#}")),
        }
    }
    fs::remove_dir_all(packed.aside())?;
    Ok(tally)
}

fn same_bytes(packed: &Packed<'_>) -> Result<()> {
    let again = packed.aside().join("again");
    pack(packed.project, packed.binary, Parts::default(), &again)?;
    let sums = |folder: &Path| fs::read_to_string(folder.join(SUMS));
    let (first, second) = (sums(packed.to)?, sums(&again)?);
    ensure!(first == second, "{first} is not {second}");
    let (wanted, summed) = (shipped().len(), first.lines().count());
    ensure!(summed == wanted, "{wanted} files are packed: {first}");
    let there = fs::read_dir(packed.to)?.count();
    ensure!(
        there == wanted + 1,
        "{there} files are there, the sums among them"
    );
    Ok(())
}

fn refused(packed: &Packed<'_>) -> Result<()> {
    let object = fs::read(ebpf::object(packed.project, ebpf::Options::default()))?;
    let mut bytes = fs::read(packed.binary)?;
    let at = (0..bytes.len()).find(|at| bytes.get(*at..).is_some_and(|b| b.starts_with(&object)));
    let at = at.context("the object is not in the binary")?;
    // One bit is enough to be another object.
    let last = bytes.get_mut(at + object.len() - 1);
    *last.context("the object ends in the binary")? ^= 1;
    let deaf = packed.aside().join("deaf");
    fs::write(&deaf, bytes)?;
    let to = packed.aside().join("refused");
    let Err(error) = pack(packed.project, &deaf, Parts::default(), &to) else {
        anyhow::bail!("it was packed");
    };
    ensure!(format!("{error}").contains("kernel object"), "{error}");
    ensure!(fs::read_dir(&to)?.next().is_none(), "something was left");
    Ok(())
}

fn listed(packed: &Packed<'_>) -> Result<()> {
    let list = output(Command::new("dpkg-deb").args(["--contents", &packed.deb()]))?;
    owned(&list)?;
    for (mode, path) in PACKED {
        let is_it = |line: &&str| line.starts_with(mode) && line.ends_with(&format!(" {path}"));
        ensure!(
            list.lines().any(|line| is_it(&line)),
            "no {mode} {path} in\n{list}"
        );
    }
    Ok(())
}

/// Everything is root's, and written by root alone.
fn owned(list: &str) -> Result<()> {
    for line in list.lines() {
        let mut columns = line.split_whitespace();
        let (mode, owner) = (columns.next(), columns.next());
        ensure!(
            matches!(owner, Some("root/root" | "0/0"))
                && matches!(mode, Some("-rwxr-xr-x" | "-rw-r--r--" | "drwxr-xr-x")),
            "{line}"
        );
    }
    Ok(())
}

fn described(packed: &Packed<'_>) -> Result<()> {
    let told = output(Command::new("dpkg-deb").args(["--info", &packed.deb()]))?;
    let has = |text: &str| {
        ensure!(told.contains(text), "no {text:?} in\n{told}");
        Ok(())
    };
    has(&format!(" Version: {}\n", env!("CARGO_PKG_VERSION")))?;
    has(" Architecture: amd64\n")?;
    has(" Depends: libc6 (>= 2.")?;
    for script in ["conffiles", "md5sums", "postinst", "postrm", "prerm"] {
        has(&format!(" {script} "))?;
    }
    Ok(())
}

/// What rpm prints of the package.
fn asked(packed: &Packed<'_>, question: &[&str]) -> Result<String> {
    let mut ask = Command::new("rpm");
    ask.args(["--query", "--package"])
        .args(question)
        .arg(packed.to.join(rpm::name()))
        .env("LC_ALL", "C");
    output(&mut ask)
}

fn listed_by_rpm(packed: &Packed<'_>) -> Result<()> {
    let format = "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} .%{FILENAMES}\n]";
    let list = asked(packed, &["--queryformat", format])?;
    owned(&list)?;
    for (mode, path) in PACKED {
        let path = match *path {
            // Debian's own.
            "./usr/share/doc/eaves/copyright" => "./usr/share/licenses/eaves/LICENSE",
            "./usr/share/zsh/vendor-completions/_eaves" => "./usr/share/zsh/site-functions/_eaves",
            path => path.trim_end_matches('/'),
        };
        let is_it = |line: &str| line.starts_with(mode) && line.ends_with(&format!(" {path}"));
        ensure!(list.lines().any(is_it), "no {mode} {path} in\n{list}");
    }
    Ok(())
}

fn described_by_rpm(packed: &Packed<'_>) -> Result<()> {
    let is = |question: &[&str], expected: &str| {
        let told = asked(packed, question)?;
        ensure!(told.trim() == expected, "{question:?}: {told}");
        Ok(())
    };
    is(&["--configfiles"], "/etc/eaves/eaves.yaml")?;
    is(&["--licensefiles"], "/usr/share/licenses/eaves/LICENSE")?;
    is(&["--queryformat", "%{BUILDHOST}"], "eaves.invalid")?;
    is(&["--queryformat", "%{ARCH}"], "x86_64")?;
    let needs = asked(packed, &["--requires"])?;
    for need in ["libc.so.6(GLIBC_2.", "/usr/sbin/groupadd", "/bin/sh"] {
        ensure!(needs.contains(need), "no {need:?} in\n{needs}");
    }
    Ok(())
}

fn loose(packed: &Packed<'_>) -> Result<()> {
    let file = packed.to.join(format!("{TARBALL}.tar.gz"));
    let mut tar = Command::new("tar");
    let list = output(tar.args(["--numeric-owner", "-tvzf"]).arg(file))?;
    owned(&list)?;
    for path in LOOSE {
        let end = format!(" {TARBALL}/{path}");
        ensure!(
            list.lines().any(|line| line.ends_with(&end)),
            "no {path} in\n{list}"
        );
    }
    Ok(())
}

fn summed(packed: &Packed<'_>) -> Result<()> {
    let mut sums = Command::new("sha256sum");
    run(sums
        .current_dir(packed.to)
        .args(["--check", "--quiet", "--strict", SUMS]))
}

/// The unit, with the binary where it is here.
fn unit(packed: &Packed<'_>) -> Result<std::path::PathBuf> {
    let binary = packed.binary.to_str().context("a path is not text")?;
    let text = packed
        .given("eaves.service")?
        .replace("/usr/bin/eaves", binary);
    let unit = packed.aside().join("eaves.service");
    fs::write(&unit, text)?;
    Ok(unit)
}

fn verified(packed: &Packed<'_>) -> Result<()> {
    let mut analyze = Command::new("systemd-analyze");
    let told = analyze
        // The manual page is not installed here.
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(unit(packed)?)
        .output()
        .context("cannot run systemd-analyze")?;
    let said = String::from_utf8_lossy(&told.stderr);
    // What it does not know it only warns of.
    ensure!(
        told.status.success() && !said.contains("eaves.service"),
        "{said}"
    );
    Ok(())
}

fn secured(packed: &Packed<'_>) -> Result<()> {
    let mut analyze = Command::new("systemd-analyze");
    analyze
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE_MAX}"))
        .arg(unit(packed)?);
    output(&mut analyze).map(drop)
}

fn configured(packed: &Packed<'_>) -> Result<()> {
    let file = packed.project.root.join("xtask/dist/eaves.yaml");
    run(Command::new(packed.binary)
        .args(["config", "check"])
        .arg(&file))?;
    // What stands there as a comment is to be right once it is let in.
    let text = fs::read_to_string(&file)?;
    let all: Vec<_> = text.lines().map(uncommented).collect();
    for example in ["capture:", "identity:", "redact:", "  siem:", "  local:"] {
        ensure!(
            all.iter().any(|line| line.starts_with(example)),
            "no example of {example}"
        );
    }
    let whole = packed.aside().join("eaves.yaml");
    fs::write(
        &whole,
        all.join("\n")
            .replace("${file:/etc/eaves/elastic.token}", "x"),
    )?;
    run(Command::new(packed.binary)
        .args(["config", "check"])
        .arg(whole))
}

/// A line of an example let in: `# sinks:` or `#   name: …`, no sentence.
fn uncommented(line: &str) -> &str {
    let Some(text) = line.strip_prefix("# ") else {
        return line;
    };
    let is_key = |text: &str| {
        let name = text.trim_start().split(':').next().unwrap_or_default();
        text.contains(':')
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let is_example = is_key(text) && (text.ends_with(':') || text.starts_with("  "));
    if is_example { text } else { line }
}

#[cfg(test)]
mod tests {
    use super::{owned, uncommented};

    #[test]
    fn examples_are_let_in_and_sentences_are_not() {
        assert_eq!(uncommented("# sinks:"), "sinks:");
        assert_eq!(
            uncommented("#   oncall: { slack: {} }"),
            "  oncall: { slack: {} }"
        );
        for line in [
            "# Every event goes: there",
            "#   eaves config check  names",
            "journal:",
            "#",
        ] {
            assert_eq!(uncommented(line), line);
        }
    }

    #[test]
    fn what_others_may_write_is_told() {
        let line = |mode: &str, owner: &str| format!("{mode} {owner} 12 2026-01-01 00:00 ./x");
        assert!(owned(&line("-rw-r--r--", "root/root")).is_ok());
        assert!(owned(&line("-rw-rw-r--", "root/root")).is_err());
        assert!(owned(&line("-rw-r--r--", "me/me")).is_err());
    }
}
