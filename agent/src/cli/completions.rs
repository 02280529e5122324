//! `eaves completions`: scripts that make a shell complete our arguments.

use clap_complete::Shell;

use super::{Exit, output};

/// Prints a script that makes a shell complete the arguments of `eaves`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves completions bash > /etc/bash_completion.d/eaves
  eaves completions zsh  > \"${fpath[1]}/_eaves\"
  eaves completions fish > ~/.config/fish/completions/eaves.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "eaves", &mut script);
    output::to_stdout(&script)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_shell_gets_a_script_that_names_the_commands() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut crate::cli::command(), "eaves", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("completions"), "{shell}");
        }
    }
}
