//! What the binary is linked with, and so which packages it needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::output;

/// Libraries by the Debian package that has them, and the name of that library's symbol versions.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("libc.so.6", "libc6", "GLIBC_"),
    ("libm.so.6", "libc6", "GLIBC_"),
    ("ld-linux-x86-64.so.2", "libc6", "GLIBC_"),
    ("libgcc_s.so.1", "libgcc-s1", "GCC_"),
];

/// The packages that `binary` needs, as a control file says it: `libc6 (>= 2.34), …`.
///
/// # Errors
/// If it needs a library that is in no package we know, or readelf cannot be run.
pub(super) fn depends(binary: &Path) -> Result<String> {
    packages(&read(binary)?)
}

/// Names of the libraries that `binary` needs, and those need of which `folder` has the files.
///
/// # Errors
/// As [`depends`].
pub(super) fn libraries(binary: &Path, folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![binary.to_path_buf()];
    while let Some(file) = waiting.pop() {
        for library in needed(&read(&file)?)? {
            known(library)?;
            if found.insert(library.to_owned()) {
                waiting.push(folder.join(library));
            }
        }
    }
    Ok(found)
}

/// What readelf prints of a file.
fn read(file: &Path) -> Result<String> {
    let mut readelf = Command::new("readelf");
    readelf
        .args(["--wide", "--dynamic", "--version-info"])
        .arg(file)
        .env("LC_ALL", "C");
    output(&mut readelf)
}

/// The libraries named as needed in what readelf printed.
fn needed(said: &str) -> Result<Vec<&str>> {
    let lines = said.lines().filter(|line| line.contains("(NEEDED)"));
    lines
        .map(|line| between(line, "[", "]").context("readelf names no library"))
        .collect()
}

/// The package of a library, and the name of its symbol versions.
fn known(library: &str) -> Result<(&'static str, &'static str)> {
    let Some((_, package, versions)) = LIBRARIES.iter().find(|(name, ..)| *name == library) else {
        bail!("the binary needs {library}, which no package of ours is known to bring");
    };
    Ok((package, versions))
}

/// The same, from what readelf printed.
fn packages(said: &str) -> Result<String> {
    let mut packages: Vec<(&str, &str)> = Vec::new();
    for library in needed(said)? {
        let package = known(library)?;
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    if packages.is_empty() {
        bail!("readelf names no library that the binary needs");
    }
    packages.sort_unstable();
    let each = packages.iter().map(|(package, versions)| {
        let newest = newest(said, versions);
        newest.map_or_else(
            || (*package).to_owned(),
            |newest| {
                let newest: Vec<_> = newest.iter().map(u32::to_string).collect();
                format!("{package} (>= {})", newest.join("."))
            },
        )
    });
    Ok(each.collect::<Vec<_>>().join(", "))
}

/// The newest version asked for: each stands as `Name: GLIBC_2.34  Flags: …`.
fn newest(said: &str, versions: &str) -> Option<Vec<u32>> {
    let asked = said.lines().filter_map(|line| {
        let (_, name) = line.split_once("Name: ")?;
        let numbers = name.split_whitespace().next()?.strip_prefix(versions)?;
        numbers
            .split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<Vec<u32>>>()
    });
    asked.max()
}

fn between<'a>(line: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(open)?;
    Some(rest.split_once(close)?.0)
}

#[cfg(test)]
mod tests {
    use super::packages;

    const SAID: &str = "\
Dynamic section at offset 0x1 contains 2 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
Version needs section '.gnu.version_r' contains 2 entries:
 000000: Version: 1  File: libgcc_s.so.1  Cnt: 2
  0x0010:   Name: GCC_3.0  Flags: none  Version: 7
  0x0020:   Name: GCC_4.2.0  Flags: none  Version: 9
 0x0030: Version: 1  File: libc.so.6  Cnt: 3
  0x0040:   Name: GLIBC_2.9  Flags: none  Version: 8
  0x0050:   Name: GLIBC_2.34  Flags: none  Version: 6
  0x0060:   Name: GLIBC_2.2.5  Flags: none  Version: 2
";

    #[test]
    fn the_newest_version_asked_for_is_needed() {
        assert_eq!(
            packages(SAID).unwrap(),
            "libc6 (>= 2.34), libgcc-s1 (>= 4.2.0)"
        );
    }

    #[test]
    fn a_library_that_nobody_expects_is_told() {
        let said = SAID.replace("libm.so.6", "libssl.so.3");
        assert!(
            packages(&said)
                .unwrap_err()
                .to_string()
                .contains("libssl.so.3")
        );
        assert!(packages("").is_err());
    }
}
