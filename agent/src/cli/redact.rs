//! `eaves redact`: what would be masked in a recording, and by which rule.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::Exit;
use super::session::{self, Secret};
use crate::capture::{Reader, Replay, Source as _};
use crate::clock::BootTime;
use crate::config::Role;
use crate::content::{Parts, operation};
use crate::enrich::Enrich;
use crate::exchange::{Exchange, Operation};
use crate::pipeline::{Outcome, Shard};
use crate::redact::{Marker, Redactor};

/// Explain what is masked in the exchanges of a recording
///
/// A line for each value that would be masked: the exchange's number, where the value stands, its
/// type, which rule found it, and what was asked for. The values themselves are not shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves redact --explain problem.cap
  eaves redact --explain problem.cap --config new.yaml --json | jq -r .rule | sort | uniq -c")]
pub struct Args {
    /// The recording, made by `eaves record`
    #[arg(long, value_name = "FILE", required = true)]
    explain: PathBuf,

    /// Print JSON lines
    #[arg(long)]
    json: bool,

    /// Configuration file, for its sections `redact` and `identity`, which has routes
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Explains.
///
/// # Errors
/// The file cannot be read, is no recording, or ends before it should.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut config = super::config::load(args.config.as_deref())?;
    config.capture.roles = vec![Role::Server, Role::Client];
    let shown = args.explain.display().to_string();
    let file = File::open(&args.explain)
        .with_context(|| shown.clone())
        .context(Exit::Usage)?;
    let reader = Reader::new(BufReader::new(file)).with_context(|| shown.clone())?;
    let redactor = session::redactor(&config, Secret::Origin(reader.origin()))?;
    let boot = reader.origin().boot;
    let mut replay = Replay::new(reader, false);
    let mut shard = Shard::new(&session::options(&config)?.shard);
    let mut out = Outcome::default();
    let identity = config.identity().context(Exit::Usage)?;
    let mut explainer = Explainer {
        enrich: Enrich::new(identity, redactor.key().clone()),
        boot,
        redactor,
        marker: Marker::new(),
        number: 0,
        json: args.json,
    };
    let mut last = crate::clock::Ktime(0);
    loop {
        let read = replay.read(Duration::ZERO, &mut |record| {
            if let Some(time) = record.get(8..16).and_then(|bytes| bytes.try_into().ok()) {
                last = last.max(crate::clock::Ktime(u64::from_ne_bytes(time)));
            }
            shard.push(record, &mut out);
        })?;
        explainer.all(&mut out)?;
        if read.is_none() {
            break;
        }
    }
    shard.finish(last, &mut out);
    explainer.all(&mut out)?;
    match replay.error() {
        None => Ok(Exit::Done),
        Some(error) => Err(error).with_context(|| shown),
    }
}

struct Explainer {
    enrich: Enrich,
    boot: BootTime,
    redactor: Arc<Redactor>,
    marker: Marker,
    /// Of the exchange, from 1.
    number: u64,
    json: bool,
}

impl Explainer {
    fn all(&mut self, out: &mut Outcome) -> anyhow::Result<()> {
        out.words.clear();
        out.processes.clear();
        for mut exchange in std::mem::take(&mut out.exchanges) {
            self.number += 1;
            self.find_route(&mut exchange);
            self.one(&exchange)?;
        }
        Ok(())
    }

    /// Finds out which endpoint it was, as the agent does: rules may be for one route alone.
    fn find_route(&mut self, exchange: &mut Exchange) {
        let parts = exchange.parts(Parts::new());
        let marks = self.marker.mark(&self.redactor, &parts);
        let operation = operation(&parts).map(|found| Box::new(Operation::of(&found)));
        drop(parts);
        exchange.known.marks = Some(marks);
        exchange.known.operation = operation;
        self.marker.hide_names(&self.redactor, exchange);
        self.enrich.exchange(exchange, self.boot);
    }

    fn one(&mut self, exchange: &Exchange) -> anyhow::Result<()> {
        let route = exchange.known.route.as_ref();
        let route = route.map_or("", |route| &*route.template);
        let parts = exchange.parts(Parts::new());
        let mut to = io::stdout().lock();
        for found in self.marker.explain(&self.redactor, exchange, &parts) {
            let bytes = found.mark.end - found.mark.start;
            if self.json {
                let line = json!({
                    "exchange": self.number, "route": route, "part": found.part, "type": found.kind,
                    "rule": found.rule, "bytes": bytes,
                });
                writeln!(to, "{line}")?;
            } else {
                let (number, part, kind, rule) = (self.number, found.part, found.kind, found.rule);
                writeln!(
                    to,
                    "{number:>6}  {part:<48}  {kind:<14}  {rule:<16}  {route}"
                )?;
            }
        }
        Ok(())
    }
}
