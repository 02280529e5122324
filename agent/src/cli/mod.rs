//! The commands: arguments in, exit code out.
//!
//! Output for machines goes to standard output as JSON lines; everything for people goes to
//! standard error or, on a terminal, to a table. A command is one file with its `Args` and a `run`.

mod capture;
mod completions;
mod config;
mod detect;
mod doctor;
mod endpoints;
mod exit;
mod findings;
mod lines;
mod man;
mod matching;
mod output;
mod query;
mod record;
mod redact;
mod reference;
mod reload;
mod replay;
mod rules;
mod run;
mod session;
mod signals;
mod sinks;
mod status;
mod systemd;
mod verify;
mod watch;

use std::io::{self, IsTerminal as _, Write as _};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::telemetry::{LogFormat, LogOptions, with_causes};

use crate::config::ConfigError;

pub use capture::CaptureArgs;
pub use exit::{Exit, is_closed_output};
pub use output::{Lines, terminal_columns};

const ABOUT: &str = "Hears every HTTP API exchange on this host, and writes it down";

const LONG_ABOUT: &str = "\
Eaves hears every HTTP API exchange on this Linux host and writes each down as one event.

Kernel programs (eBPF) listen where processes read and write their sockets; the agent puts requests \
and responses together. No application is changed and no traffic is touched. Whatever was missed is \
counted and said.";

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  a check failed
  2  wrong arguments or configuration
  3  the host does not allow it
  4  failed under way

Environment:
  EAVES_LOG  as --log, which goes before it
  NO_COLOR   if set to anything, no colours

Output for machines goes to standard output, one JSON object a line; what is said to people goes to \
standard error.";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "eaves",
    version,
    long_version = LONG_VERSION,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_long_help = AFTER_HELP,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[cfg(embedded_object)]
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nlicence: Apache-2.0; kernel programs: Dual MIT/GPL\nkernel object: embedded"
);
#[cfg(not(embedded_object))]
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nlicence: Apache-2.0; kernel programs: Dual MIT/GPL\nkernel object: not embedded"
);

/// What every command takes.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// What to log, to standard error: error, warn, info, debug, trace, off, or by room
    ///
    /// By room as in `warn,eaves::stream=debug`. Default: info for `run`, warn for other commands.
    /// Payload and header values are never logged.
    #[arg(long, global = true, value_name = "LEVEL", env = "EAVES_LOG")]
    pub log: Option<String>,

    /// How log lines look
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorChoice,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    #[default]
    Auto,
    /// Always, into files and pipes too
    Always,
    /// Never
    Never,
}

impl ColorChoice {
    /// Whether to colour output that does or does not go to a terminal.
    #[must_use]
    pub fn colours(self, terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
            }
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every HTTP exchange on this host as it happens, one line each
    Watch(watch::Args),
    /// Hear this host's HTTP exchanges and send them where the configuration says
    Run(run::Args),
    /// Show records of the journal that match a filter, or count them
    Query(Box<query::Args>),
    /// Show the endpoints that were seen: the API inventory
    Endpoints(endpoints::Args),
    /// Show incidents that detectors found, the newest state of each
    Findings(findings::Args),
    /// Detectors, and rules of your own: list, explain, check, test
    Rules(rules::Args),
    /// Record what the kernel hands over, to be put together later by `eaves replay`
    Record(record::Args),
    /// Put the exchanges of a recording together again, without root and without a kernel
    Replay(replay::Args),
    /// Run the detectors over recorded requests
    Detect(detect::Args),
    /// Explain what is masked in the exchanges of a recording
    Redact(redact::Args),
    /// Prove that the journal is whole: nothing altered, removed or in another order
    Verify(verify::Args),
    /// Say what this host lets Eaves hear, by trying, and why not the rest
    Doctor(doctor::Args),
    /// Show where each sink stands in the journal; send again or delete what it refused
    Sinks(sinks::Args),
    /// Show how the running agent does, room by room
    Status(status::Args),
    /// Check or show the configuration
    Config(config::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
}

/// The whole command line as clap knows it: help, manual and completions come from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that has gone away is no reason to complain.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    let globals = &cli.globals;
    let log = LogOptions {
        filter: globals
            .log
            .clone()
            .unwrap_or_else(|| cli.command.default_log().to_owned()),
        format: globals.log_format,
        colours: globals.color.colours(io::stderr().is_terminal()),
    };
    crate::telemetry::quiet_panics();
    if let Err(error) = crate::telemetry::log_to_stderr(&log) {
        complain(&error.into());
        return Exit::Usage;
    }
    match cli.command.run(globals) {
        Ok(exit) => exit,
        Err(error) if is_closed_output(&error) => Exit::Done,
        Err(error) => {
            complain(&error);
            Exit::of(&error)
        }
    }
}

impl Command {
    fn run(&self, globals: &Globals) -> anyhow::Result<Exit> {
        match self {
            Self::Watch(args) => watch::run(args, globals),
            Self::Run(args) => run::run(args),
            Self::Query(args) => query::run(args, globals),
            Self::Endpoints(args) => endpoints::run(args, globals),
            Self::Findings(args) => findings::run(args, globals),
            Self::Rules(args) => rules::run(args),
            Self::Record(args) => record::run(args),
            Self::Replay(args) => replay::run(args, globals),
            Self::Detect(args) => detect::run(args, globals),
            Self::Redact(args) => redact::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Doctor(args) => doctor::run(args, globals),
            Self::Sinks(args) => sinks::run(args),
            Self::Status(args) => status::run(args),
            Self::Config(args) => config::run(args),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(args),
        }
    }

    fn default_log(&self) -> &'static str {
        match self {
            Self::Run(_) => "info",
            _ => "warn",
        }
    }
}

/// Says `error` and its causes on standard error.
fn complain(error: &anyhow::Error) {
    // Where standard error is closed there is nobody to tell.
    let _ = match error.downcast_ref() {
        // A report begins each mistake with the file's name, as editors like it.
        Some(ConfigError::Mistakes(report)) => writeln!(io::stderr(), "{report}"),
        _ => writeln!(io::stderr(), "eaves: {}", with_causes(error.as_ref())),
    };
}

#[cfg(test)]
mod tests {
    use super::{Cli, ColorChoice, command};
    use clap::Parser as _;

    #[test]
    fn definitions_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_and_option_explains_itself() {
        fn look(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} says nothing");
            for arg in command.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{path}: {} says nothing",
                    arg.get_id()
                );
            }
            for sub in command.get_subcommands() {
                look(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        look(&command(), "eaves");
    }

    #[test]
    fn global_options_go_before_and_behind_the_command() {
        for line in [
            ["eaves", "--log", "debug", "man"],
            ["eaves", "man", "--log", "debug"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.globals.log.as_deref(), Some("debug"));
        }
    }

    #[test]
    fn colour_by_word_asks_nobody() {
        assert!(ColorChoice::Always.colours(false));
        assert!(!ColorChoice::Never.colours(true));
        assert!(!ColorChoice::Auto.colours(false));
    }
}
