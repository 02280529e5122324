//! What the detectors that keep state conclude of what was recorded, as JSON lines.

use std::io::{self, BufWriter, Write as _};

use super::rows::{Item, Rows};
use super::{Args, Format};
use crate::capture::Origin;
use crate::cli::session::{self, Secret};
use crate::cli::{Exit, Globals, config};
use crate::clock::{BootTime, WallTime};
use crate::config::Config;
use crate::event::{IncidentState, write_line};
use crate::pipeline::Judging;
use crate::redact::SealContext;
use anyhow::Context as _;

/// What was done.
#[derive(Default)]
struct Summary {
    read: u64,
    records: u64,
    incidents: u64,
}

/// Prints each record of each incident, behind the request that led to it.
///
/// # Errors
/// A file cannot be read, or nobody reads the output.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let config = config::load(args.config.as_deref())?;
    let mut judging = judging(&config)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut rows = Rows::new(&args.files, args.format, globals);
    let mut summary = Summary::default();
    let mut line = Vec::new();
    while let Some(item) = rows.next()? {
        match item {
            Item::Request(mut row) => judging.request(&mut row),
            // A journal has findings and notices among its events.
            Item::Line(text) if !judging.event(&text) => {
                rows.unless_record(&text);
                continue;
            }
            Item::Line(_) => {}
        }
        summary.read += 1;
        judging.tell(|finding| {
            summary.records += 1;
            summary.incidents += u64::from(finding.state == IncidentState::Open);
            line.clear();
            write_line(finding, &mut line)?;
            out.write_all(&line).map_err(anyhow::Error::new)
        })?;
    }
    out.flush()?;
    let bad = rows.bad();
    let what = if args.format == Format::Events {
        "events"
    } else {
        "requests"
    };
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(
        io::stderr(),
        "eaves: {what} read: {}, incidents: {}, records of them: {}, not readable: {bad}",
        summary.read,
        summary.incidents,
        summary.records,
    );
    Ok(if summary.read == 0 && bad > 0 {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Detectors as the configuration sets them. The same file gives the same findings each time.
fn judging(config: &Config) -> anyhow::Result<Judging> {
    let origin = Origin {
        host_name: session::host_name(),
        host_id: String::new(),
        boot: BootTime(WallTime(0)),
        run: 0,
    };
    let redactor = session::redactor(config, Secret::Origin(&origin))?;
    let context = SealContext::new(&origin).redacting(redactor);
    let (options, rules) = config.detect().context(Exit::Usage)?.unwrap_or_default();
    let identity = config.identity().context(Exit::Usage)?;
    Ok(Judging::new(options, &rules, identity, context)?)
}
