//! What commands that listen have in common: the configuration, and options that go before it.

use std::path::PathBuf;

use super::config;
use crate::config::{Config, Mode, Role, Size};

/// The configuration, and options that go before it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "What is heard")]
pub struct CaptureArgs {
    /// Configuration file; by default /etc/eaves/eaves.yaml, or the defaults if that is not there
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Which tap listens, instead of `capture.mode`
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,

    /// Which side of connections is reported, instead of `capture.roles`; may be given twice
    #[arg(long = "role", value_name = "ROLE", value_enum)]
    pub roles: Vec<Role>,

    /// How much of each body is kept, instead of `capture.body`: 0, 512, 16KiB
    #[arg(long, value_name = "SIZE", value_parser = body_size)]
    pub bodies: Option<Size>,

    /// A port, of either end, that is left out beside those in `capture.exclude`; may be repeated
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub exclude_port: Vec<u16>,
}

impl CaptureArgs {
    /// Whether an option goes before the configuration.
    pub fn chooses(&self) -> bool {
        self.mode.is_some()
            || self.bodies.is_some()
            || !self.roles.is_empty()
            || !self.exclude_port.is_empty()
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// The file cannot be read or is wrong: ends in [`Exit::Usage`](super::Exit::Usage).
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = config::load(self.config.as_deref())?;
        let capture = &mut config.capture;
        if let Some(mode) = self.mode {
            capture.mode = mode;
        }
        if !self.roles.is_empty() {
            capture.roles.clone_from(&self.roles);
            capture.roles.dedup();
        }
        if let Some(size) = self.bodies {
            (capture.body.request, capture.body.response) = (size, size);
        }
        capture.exclude.ports.extend_from_slice(&self.exclude_port);
        Ok(config)
    }
}

fn body_size(text: &str) -> Result<Size, String> {
    let size: Size = text
        .parse()
        .map_err(|error| format!("{error}; allowed: {}", Size::ALLOWED))?;
    if size > crate::config::BODY_MAX {
        return Err(format!("allowed: up to {}", crate::config::BODY_MAX));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::CaptureArgs;
    use crate::config::{Mode, Role, Size};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        capture: CaptureArgs,
    }

    fn parse(line: &[&str]) -> Result<CaptureArgs, clap::Error> {
        let line = ["eaves"].iter().chain(line);
        Line::try_parse_from(line).map(|line| line.capture)
    }

    #[test]
    fn options_go_before_the_file() {
        let file = std::env::temp_dir().join(format!("eaves-capture-{}", std::process::id()));
        let yaml = "capture: { mode: socket, roles: [server], exclude: { ports: [22] } }";
        std::fs::write(&file, yaml).unwrap();
        let line = ["--mode", "syscall", "--role", "client", "--bodies", "1KiB"];
        let mut args = parse(&line).unwrap();
        args.config = Some(file.clone());
        args.exclude_port = vec![80];
        let capture = args.config().unwrap().capture;
        std::fs::remove_file(file).unwrap();
        assert_eq!(capture.mode, Mode::Syscall);
        assert_eq!(capture.roles, [Role::Client]);
        assert_eq!(capture.body.response, Size::kibi(1));
        assert_eq!(capture.exclude.ports, [22, 80]);
    }

    #[test]
    fn wrong_values_are_refused() {
        for line in [
            ["--mode", "tcpdump"],
            ["--role", "both"],
            ["--bodies", "17MiB"],
            ["--bodies", "x"],
            ["--exclude-port", "0"],
        ] {
            assert!(parse(&line).is_err(), "{line:?}");
        }
    }
}
