//! `eaves findings`: incidents of the journal, the newest state of each.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::query::When;
use super::{Exit, Globals, config, output};
use crate::clock::WallTime;
use crate::event::Severity;
use crate::filter::Filter;
use crate::query::{Question, Scan, Step};

/// How often a journal that is followed is looked at.
const FOLLOW_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// Incidents that are kept in memory; of more, the oldest are left out and counted.
const INCIDENTS_MAX: usize = 100_000;

/// Incidents that detectors found
///
/// One line for each incident, as it stands. Reads the journal's files alone, like `eaves query`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves findings
  eaves findings --since 1d 'severity >= high'
  eaves findings --open
  eaves findings --follow --json | jq .title
  eaves findings 'detector == auth-01' --json

What each detector means and what to do, `eaves rules explain ID` says.")]
pub struct Args {
    /// Which findings, as in `severity >= high and detector == auth-01`
    #[arg(value_name = "FILTER")]
    filter: Option<Filter>,

    /// Folder of the journal; by default that of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,

    /// Configuration file that names the journal; by default /etc/eaves/eaves.yaml
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// From this time on: so long ago, as in 2h, or a time or a day
    #[arg(long, value_name = "TIME")]
    since: Option<When>,

    /// Only those that go on
    #[arg(long)]
    open: bool,

    /// Go on with what is found from now on, a line for each record, until Ctrl-C
    #[arg(long)]
    follow: bool,

    /// Print the records as JSON lines
    #[arg(long)]
    json: bool,
}

/// Lists them.
///
/// # Errors
/// The journal cannot be read, or only in part.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let text = match &args.filter {
        Some(filter) => format!("kind == finding and ({})", filter.text()),
        None => "kind == finding".to_owned(),
    };
    let filter = Filter::parse(&text).context(Exit::Usage)?;
    let question = Question {
        filter: Some(filter),
        since: args.since.map(|since| since.before(WallTime::now())),
        ..Question::default()
    };
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => config::journal_dir(args.config.as_deref())?,
    };
    let mut scan = Scan::new(&dir, question).context(Exit::Usage)?;
    let colours = globals.color.colours(io::stdout().is_terminal());
    let mut incidents = Incidents::default();
    let mut damaged = 0_u64;
    let mut first = true;
    loop {
        let mut out = Vec::new();
        let step = scan.step(|line| {
            if args.follow && !first {
                shown(line, args.json, colours, &mut out);
            } else {
                incidents.take(line, INCIDENTS_MAX);
            }
            ControlFlow::Continue(())
        });
        let ended = match step {
            Ok(Step::End) => true,
            Ok(Step::More | Step::Enough) => false,
            Err(damage) => {
                damaged += 1;
                output::to_stderr(format_args!("eaves: {:#}", anyhow::Error::new(damage)));
                false
            }
        };
        if ended && first {
            first = false;
            for line in incidents.lines(args.open) {
                shown(line, args.json, colours, &mut out);
            }
        }
        output::to_stdout(&out)?;
        if ended {
            if !args.follow {
                break;
            }
            std::thread::sleep(FOLLOW_EVERY);
        }
    }
    if incidents.left_out > 0 {
        let left_out = incidents.left_out;
        output::to_stderr(format_args!(
            "eaves: {left_out} older incidents are left out; ask with --since"
        ));
    }
    match damaged {
        0 => Ok(Exit::Done),
        _ => Err(anyhow::anyhow!(
            "parts of the journal that cannot be read: {damaged}"
        )),
    }
}

/// The last record of each incident, in the order in which they opened.
#[derive(Default)]
struct Incidents {
    lines: VecDeque<(String, Vec<u8>)>,
    /// Where each stands, counted from the first that ever was.
    places: HashMap<String, u64>,
    left_out: u64,
}

impl Incidents {
    /// Takes the record in `line`, and keeps at most so many incidents.
    fn take(&mut self, line: &[u8], most: usize) {
        let Ok(finding) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let Some(incident) = finding.get("incident").and_then(Value::as_str) else {
            return;
        };
        let at = self.places.get(incident).map(|at| at - self.left_out);
        let there = at.and_then(|at| self.lines.get_mut(usize::try_from(at).ok()?));
        if let Some((_, place)) = there {
            *place = line.to_vec();
            return;
        }
        if self.lines.len() >= most
            && let Some((oldest, _)) = self.lines.pop_front()
        {
            self.places.remove(&oldest);
            self.left_out += 1;
        }
        let at = self.left_out + self.lines.len() as u64;
        self.places.insert(incident.to_owned(), at);
        self.lines.push_back((incident.to_owned(), line.to_vec()));
    }

    fn lines(&self, open: bool) -> impl Iterator<Item = &[u8]> {
        let closed = |line: &&[u8]| memchr::memmem::find(line, br#""state":"closed""#).is_some();
        let lines = self.lines.iter().map(|(_, line)| line.as_slice());
        lines.filter(move |line| !(open && closed(line)))
    }
}

/// Appends one record: as it is, or as a line for people.
fn shown(line: &[u8], json: bool, colours: bool, out: &mut Vec<u8>) {
    if json {
        out.extend_from_slice(line);
        out.push(b'\n');
    } else if let Ok(finding) = serde_json::from_slice::<Value>(line) {
        out.extend_from_slice(told(&finding, colours).as_bytes());
        out.push(b'\n');
    }
}

fn told(finding: &Value, colours: bool) -> String {
    let text = |path: &str| {
        let value = finding.pointer(path);
        let text = value.and_then(Value::as_str).unwrap_or_default();
        output::safe_text(text, usize::MAX)
    };
    let last_seen = text("/last_seen");
    let date = last_seen.get(..19).unwrap_or_default().replace('T', " ");
    let severity = text("/severity");
    let place = [text("/target/method"), text("/target/route")].join(" ");
    let who = [
        text("/actor/user"),
        text("/actor/client"),
        text("/target/user"),
    ];
    let who: Vec<&str> = who
        .iter()
        .map(String::as_str)
        .filter(|who| !who.is_empty())
        .collect();
    let line = format!(
        "{date}  {severity:<8} {:<9} {:<7} {:<9}  {}{}{}",
        text("/detector/id"),
        text("/state"),
        text("/outcome"),
        text("/title"),
        if who.is_empty() {
            String::new()
        } else {
            format!("  [{}]", who.join(" "))
        },
        if place.trim().is_empty() {
            String::new()
        } else {
            format!("  {}", place.trim())
        },
    );
    let colour = match severity.as_str() {
        "critical" | "high" => "31",
        "medium" | "low" => "33",
        _ => "2",
    };
    if colours {
        format!("\u{1b}[{colour}m{line}\u{1b}[0m")
    } else {
        line
    }
}

/// A severity's word.
pub(super) const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::{Incidents, told};

    fn line(incident: &str, state: &str, title: &str) -> String {
        format!(
            r#"{{"kind":"finding","incident":"{incident}","state":"{state}","last_seen":"2026-11-21T06:02:11.5Z","severity":"high","outcome":"attempted","title":"{title}","detector":{{"id":"auth-01"}},"actor":{{"client":"203.0.113.7"}},"target":{{"route":"/login","method":"POST","user":"alice"}}}}"#
        )
    }

    #[test]
    fn the_last_state_of_each_incident_is_kept() {
        let mut incidents = Incidents::default();
        for (incident, state) in [("a", "open"), ("b", "open"), ("a", "closed")] {
            incidents.take(line(incident, state, "x").as_bytes(), 9);
        }
        incidents.take(b"no json", 9);
        assert_eq!(incidents.lines(false).count(), 2);
        let open: Vec<_> = incidents.lines(true).collect();
        assert_eq!(open, [line("b", "open", "x").as_bytes()]);
    }

    #[test]
    fn of_too_many_the_oldest_are_left_out() {
        let mut incidents = Incidents::default();
        for (incident, state) in [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4"), ("d", "5")] {
            incidents.take(line(incident, state, "x").as_bytes(), 2);
        }
        let kept: Vec<_> = incidents.lines(false).collect();
        let [c, d] = [line("c", "3", "x"), line("d", "5", "x")];
        assert_eq!(kept, [c.as_bytes(), d.as_bytes()]);
        assert_eq!(incidents.left_out, 2);
    }

    #[test]
    fn a_line_for_people_holds_nothing_a_terminal_obeys() {
        let finding = serde_json::from_str(&line("a", "open", "20 \\u001b[2J tries")).unwrap();
        let shown = told(&finding, false);
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(
            shown.starts_with("2026-11-21 06:02:11  high     auth-01"),
            "{shown}"
        );
        assert!(
            shown.ends_with("[203.0.113.7 alice]  POST /login"),
            "{shown}"
        );
    }
}
