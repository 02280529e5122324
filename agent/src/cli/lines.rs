//! Events on standard output, as lines for people.

use std::io::{self, IsTerminal as _, Write as _};

use super::Globals;
use super::output::{Lines, terminal_columns};
use crate::event::{ApiEvent, Detail, Finding, Notice};
use crate::pipeline::Output;
use crate::telemetry::Counters;

/// Writes a line for every exchange.
pub(super) struct People {
    lines: Lines,
    out: String,
    titled: bool,
    terminal: bool,
}

impl People {
    /// To standard output; in colours and as wide as the terminal, if it is one.
    pub(super) fn new(globals: &Globals) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            lines: Lines::new(globals.color.colours(terminal), terminal_columns()),
            out: String::new(),
            titled: false,
            terminal,
        }
    }

    fn title(&mut self) {
        if !self.titled {
            self.titled = true;
            self.out.push_str(&self.lines.header());
        }
    }
}

impl Output for People {
    fn wants_lines(&self) -> bool {
        false
    }

    fn exchange(&mut self, event: &ApiEvent<'_>, _: &[u8]) -> io::Result<()> {
        self.title();
        self.lines.exchange(event, &mut self.out);
        Ok(())
    }

    fn finding(&mut self, finding: &Finding<'_>, _: &[u8]) -> io::Result<()> {
        self.title();
        self.lines.finding(finding, &mut self.out);
        Ok(())
    }

    fn notice(&mut self, notice: &Notice<'_>, _: &[u8]) -> io::Result<()> {
        // How it begins and ends standard error says.
        if matches!(
            notice.detail,
            Detail::Loss { .. } | Detail::Shed { .. } | Detail::Room { .. }
        ) {
            self.title();
            self.lines.notice(notice, &mut self.out);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.terminal {
            // It may have been resized since.
            self.lines.resize(terminal_columns());
        }
        if self.out.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(self.out.as_bytes())
            .and_then(|()| stdout.flush());
        self.out.clear();
        written
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}
