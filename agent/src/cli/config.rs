//! `eaves config`: what a configuration says, and whether it may.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;

use super::reference;
use super::{Exit, output};
use crate::config::{Config, DEFAULT_FILE, Loaded};
use crate::event;

/// Checks and shows the configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name every mistake in a configuration file at once, with line, column and what is allowed
    #[command(after_long_help = "\
Examples:
  eaves config check
  eaves config check ./eaves.yaml && systemctl restart eaves

Exit code 0 if the file may be used, 2 if not.")]
    Check(FileArg),
    /// Print the configuration in force, every value with where it comes from
    #[command(after_long_help = "\
Examples:
  eaves config show
  eaves config show ./eaves.yaml > everything.yaml")]
    Show(FileArg),
    /// Print the JSON Schema of the configuration file, or of the events
    #[command(after_long_help = "\
Examples:
  eaves config schema > eaves.schema.json
  eaves config schema --events > eaves-events.schema.json

With the first beside the file, editors that know `# yaml-language-server: $schema=eaves.schema.json` \
complete its keys and mark its mistakes.")]
    Schema(SchemaArgs),
    /// Print the manual of the configuration file, or of the events, as Markdown
    #[command(hide = true)]
    Reference(SchemaArgs),
}

#[derive(Debug, clap::Args)]
struct FileArg {
    /// The file; by default /etc/eaves/eaves.yaml, or the defaults if that is not there
    file: Option<PathBuf>,

    /// The file, as other commands take it
    #[arg(long, short, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
}

impl FileArg {
    fn file(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }
}

#[derive(Debug, clap::Args)]
struct SchemaArgs {
    /// Of the events instead of the configuration file
    #[arg(long)]
    events: bool,
}

/// Does what is asked.
///
/// # Errors
/// The file cannot be read or is wrong ([`Exit::Usage`]), or standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Check(arg) => {
            let names = loaded(arg.file())?.names;
            let names = if names.is_empty() {
                format!("{DEFAULT_FILE} is not there; the defaults")
            } else {
                names.join(", ")
            };
            output::to_stderr(format!("{names}: no mistakes"));
        }
        Command::Show(arg) => {
            let yaml = loaded(arg.file())?.to_yaml();
            output::to_stdout(yaml.as_bytes())?;
        }
        Command::Schema(arg) => {
            let schema = if arg.events {
                event::json_schema()
            } else {
                Config::json_schema()
            };
            output::to_stdout(format!("{schema:#}\n").as_bytes())?;
        }
        Command::Reference(arg) => {
            let page = if arg.events {
                reference::events()
            } else {
                reference::configuration()
            };
            output::to_stdout(page.as_bytes())?;
        }
    }
    Ok(Exit::Done)
}

/// The journal's folder by the configuration in `file`, or in the default file; or where it lies by default.
///
/// # Errors
/// As for [`load`].
pub(super) fn journal_dir(file: Option<&Path>) -> anyhow::Result<PathBuf> {
    Ok(load(file)?.journal.unwrap_or_default().dir)
}

/// The configuration in `file`, or in the default file if that is there, with what lies beside it
/// and what variables say; the defaults if there is nothing.
///
/// # Errors
/// A file cannot be read or is wrong: ends in [`Exit::Usage`].
pub(super) fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    loaded(file).map(|loaded| loaded.config)
}

fn loaded(file: Option<&Path>) -> anyhow::Result<Loaded> {
    crate::config::load(file).context(Exit::Usage)
}
