//! Every crate inherits the lints, and every dependency has its line in the docs.

use super::{File, Problem};

const DEPENDENCIES: &str = "docs/dependencies.md";

/// Checks every manifest, and the list of dependencies against the root's.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let listed = files.iter().find(|file| file.path == DEPENDENCIES);
    let mut wanted = Vec::new();
    for file in files {
        if file.path != "Cargo.toml" && !file.path.ends_with("/Cargo.toml") {
            continue;
        }
        let is_member = !has_section(&file.text, "workspace");
        if is_member && !inherits_lints(&file.text) {
            let what = "does not inherit the lints: `[lints]`, `workspace = true`";
            problems.push(Problem::new(&file.path, 0, what));
        }
        for (name, line) in external(&file.text) {
            if listed.is_none_or(|list| !list.text.contains(&format!("| {name} |"))) {
                let what = format!("{name} has no line in {DEPENDENCIES}");
                problems.push(Problem::new(&file.path, line, what));
            }
            wanted.push(name);
        }
    }
    if let Some(list) = listed {
        for (index, line) in list.text.lines().enumerate() {
            let named = line
                .strip_prefix("| ")
                .and_then(|rest| rest.split(" |").next());
            let Some(name) = named.filter(|name| is_crate_name(name)) else {
                continue;
            };
            if !wanted.contains(&name) {
                let what = format!("{name} is no dependency any more");
                problems.push(Problem::new(DEPENDENCIES, index + 1, what));
            }
        }
    }
    problems
}

/// Whether a first cell of the table is a crate: the header's is `crate`.
fn is_crate_name(cell: &str) -> bool {
    cell != "crate"
        && !cell.is_empty()
        && !cell.starts_with('-')
        && cell
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn has_section(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.trim() == format!("[{name}]"))
}

fn inherits_lints(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true")
}

/// Dependencies by version, not by `path` nor from the workspace, with their lines.
fn external(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut among = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            among = line.trim_end_matches(']').ends_with("dependencies");
        } else if among
            && let Some((name, value)) = line.split_once('=')
            && !name.contains(".workspace")
            && !name.starts_with([' ', '#'])
            && !value.contains("path =")
            && !value.contains("workspace = true")
        {
            found.push((name.trim(), index + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::file;

    const ROOT: &str =
        "[workspace]\n[workspace.dependencies]\nserde = \"1\"\nown = { path = \"x\" }\n";

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<_> = files.iter().map(|(path, text)| file(path, text)).collect();
        let found: Vec<_> = super::check(&files)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lints_are_inherited() {
        check(
            &[("a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n")],
            &[],
        );
        let told = "a/Cargo.toml: does not inherit the lints: `[lints]`, `workspace = true`";
        check(&[("a/Cargo.toml", "[package]\nname = \"a\"\n")], &[told]);
    }

    #[test]
    fn dependencies_are_listed() {
        let table = "| crate | why |\n| --- | --- |\n| serde | … |\n";
        check(
            &[("Cargo.toml", ROOT), ("docs/dependencies.md", table)],
            &[],
        );
        check(
            &[("Cargo.toml", ROOT)],
            &["Cargo.toml:3: serde has no line in docs/dependencies.md"],
        );
    }

    #[test]
    fn the_list_forgets_what_is_gone() {
        let table = "| serde | … |\n| gone-crate | … |\n";
        check(
            &[("Cargo.toml", ROOT), ("docs/dependencies.md", table)],
            &["docs/dependencies.md:2: gone-crate is no dependency any more"],
        );
    }
}
