//! `eaves endpoints`: the endpoints that were seen.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::query::Table;
use super::session::{self, Session};
use super::{Exit, Globals, config, output};
use crate::capture::{FileError, Reader, Replay};
use crate::catalog::{Catalog, Endpoint, Parameter};
use crate::config::Role;
use crate::event::stamp;
use crate::pipeline::{Endpoints, Event, Requests};

/// Longest line of a file of events, bytes.
const LINE_MAX_BYTES: u64 = 64 << 20;

/// Endpoints that were seen: the API inventory
///
/// Of the agent that writes the journal, as it kept them last (every five minutes, and when it
/// stopped); or of a recording or a file of events.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A table on a terminal, else JSON lines.

Examples:
  eaves endpoints
  eaves endpoints --json | jq 'select(.parameters[]?.kinds | contains([\"email\"]))'
  eaves endpoints problem.cap
  eaves query --json --since 1d | eaves endpoints -")]
pub struct Args {
    /// A recording made by `eaves record`, or events as JSON lines; - for standard input
    #[arg(value_name = "FILE", conflicts_with = "dir")]
    file: Option<PathBuf>,

    /// Folder of the journal; by default that of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,

    /// JSON lines on a terminal too
    #[arg(long)]
    json: bool,

    /// Configuration file that names the journal, or routes and limits for a recording; by default /etc/eaves/eaves.yaml
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Lists them.
///
/// # Errors
/// There is nothing to read, or it cannot be read.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let catalog = match (&args.file, &args.dir) {
        (Some(file), _) => of_file(file, args).with_context(|| file.display().to_string())?,
        (None, Some(dir)) => of_journal(dir)?,
        (None, None) => of_journal(&config::journal_dir(args.config.as_deref())?)?,
    };
    let terminal = io::stdout().is_terminal();
    let list = catalog.endpoints();
    let mut out = Vec::new();
    if args.json || !terminal {
        for endpoint in &list {
            serde_json::to_writer(&mut out, endpoint)?;
            out.push(b'\n');
        }
    } else {
        table(&list, globals.color.colours(terminal), &mut out);
    }
    output::to_stdout(&out)?;
    match catalog.beyond() {
        0 => {}
        n => output::to_stderr(format_args!(
            "eaves: {n} exchanges were of endpoints for which there was no room"
        )),
    }
    Ok(Exit::Done)
}

fn of_journal(dir: &Path) -> anyhow::Result<Catalog> {
    let found = Endpoints::load(dir)?;
    let (_, endpoints) = found
        .with_context(|| {
            format!(
                "nothing is kept in {} yet: an agent with a journal writes it every five minutes, and when it stops",
                dir.display()
            )
        })
        .context(Exit::Usage)?;
    Ok(Catalog::of(endpoints.catalog))
}

/// Of a recording or of events, which begin with a brace.
fn of_file(file: &Path, args: &Args) -> anyhow::Result<Catalog> {
    let mut from: Box<dyn BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(file).context(Exit::Usage)?;
        Box::new(BufReader::with_capacity(1 << 18, file))
    };
    if from.fill_buf()?.first().is_none_or(|byte| *byte == b'{') {
        return of_events(&mut *from);
    }
    let mut config = config::load(args.config.as_deref())?;
    config.capture.roles = vec![Role::Server, Role::Client];
    let reader = Reader::new(from).map_err(|error| match error {
        FileError::Magic | FileError::Version { .. } => {
            anyhow::Error::new(error).context(Exit::Usage)
        }
        _ => error.into(),
    })?;
    let session = Session {
        origin: reader.origin().clone(),
        options: session::options(&config)?,
        identity: config.identity().context(Exit::Usage)?,
        outputs: Vec::new(),
        recorded: true,
        keep: None,
        lookup: None,
        board: None,
        detect: None,
        unheard: None,
        redactor: session::redactor(&config, session::Secret::Origin(reader.origin()))?,
        dir: None,
        reload: None,
        systemd: None,
        ledger: false,
    };
    let mut replay = Replay::new(reader, false);
    let requests = Requests::default();
    let (_, catalog) = session.run(&mut replay, &requests, |_| Ok(()))?;
    match replay.error() {
        None => Ok(catalog),
        Some(error) => Err(error.into()),
    }
}

fn of_events(from: &mut dyn BufRead) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog::default();
    let mut line = Vec::new();
    let (mut lines, mut without) = (0_u64, 0_u64);
    loop {
        line.clear();
        let read = io::Read::take(&mut *from, LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        lines += 1;
        match Event::read(&line) {
            Some(event) => event.note(&mut catalog),
            None => without += 1,
        }
    }
    if without > 0 {
        output::to_stderr(format_args!(
            "eaves: {without} of {lines} lines tell of no endpoint of a server"
        ));
    }
    Ok(catalog)
}

fn table(list: &[Endpoint], colours: bool, out: &mut Vec<u8>) {
    let names = [
        "method",
        "host",
        "route",
        "calls",
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        "last",
        "parameters",
    ];
    let rows = list.iter().map(|one| {
        let class = |class: u16| {
            let of = one
                .statuses
                .iter()
                .filter(|(status, _)| status / 100 == class);
            of.map(|(_, count)| count).sum::<u64>().to_string()
        };
        let last = stamp(one.last);
        let last = str::from_utf8(last.get(..19).unwrap_or_default()).unwrap_or_default();
        let parameters: Vec<&str> = one.parameters.iter().map(name).collect();
        vec![
            one.method.clone(),
            one.host.clone(),
            one.route.clone(),
            one.count.to_string(),
            class(2),
            class(3),
            class(4),
            class(5),
            last.to_owned(),
            parameters.join(" "),
        ]
    });
    Table::all(&names.map(str::to_owned), rows.collect(), colours, out);
}

fn name(parameter: &Parameter) -> &str {
    &parameter.name
}
