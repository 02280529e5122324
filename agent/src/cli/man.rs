//! `eaves man`: the manual page, in roff.

use std::io::{self, Write as _};

use clap_mangen::Man;

use super::{Exit, output};

/// Prints the manual page, with every command, in roff.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves man | man -l -
  eaves man > /usr/share/man/man1/eaves.1")]
pub struct Args {}

/// Prints the page.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(_: &Args) -> anyhow::Result<Exit> {
    output::to_stdout(&page()?)?;
    Ok(Exit::Done)
}

/// The page: `eaves` itself, then a section for every command below it.
///
/// # Errors
/// None; writing to memory does not fail, but the generator may say so.
fn page() -> io::Result<Vec<u8>> {
    let mut root = super::command();
    root.build();
    let man = Man::new(root.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for command in root.get_subcommands().filter(|c| shown(c)) {
        section(command, command.get_name(), &mut page)?;
    }
    let mut notes = Vec::new();
    man.render_extra_section(&mut notes)?;
    retitled(&notes, |_| ".SH NOTES".to_owned(), &mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// A section for `command`, and one for each below it. Global options are told once, at the top.
fn section(command: &clap::Command, path: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let command = command.clone().mut_args(|arg| {
        if arg.is_global_set() {
            arg.hide(true)
        } else {
            arg
        }
    });
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if command.get_after_long_help().is_some() {
        man.render_extra_section(&mut text)?;
    }
    writeln!(page, ".SH \"EAVES {}\"", path.to_uppercase())?;
    let below = |title: &str| match title {
        "EXTRA" => ".SS EXAMPLES".to_owned(),
        other => format!(".SS {other}"),
    };
    retitled(&text, below, page)?;
    for below in command.get_subcommands().filter(|c| shown(c)) {
        section(below, &format!("{path} {}", below.get_name()), page)?;
    }
    Ok(())
}

/// Copies `text` with the titles of its sections written anew.
fn retitled(text: &[u8], title: impl Fn(&str) -> String, page: &mut Vec<u8>) -> io::Result<()> {
    for line in String::from_utf8_lossy(text).lines() {
        match line.strip_prefix(".SH ") {
            Some(old) => writeln!(page, "{}", title(old))?,
            None if line == "Examples:" => {}
            None => writeln!(page, "{line}")?,
        }
    }
    Ok(())
}

fn shown(command: &clap::Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

#[cfg(test)]
mod tests {
    use super::{page, shown};

    #[test]
    fn every_command_has_its_section() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        assert!(page.contains(".TH eaves 1"));
        for command in crate::cli::command().get_subcommands().filter(|c| shown(c)) {
            let title = format!(".SH \"EAVES {}\"", command.get_name().to_uppercase());
            assert!(page.contains(&title), "{title}");
        }
    }
}
