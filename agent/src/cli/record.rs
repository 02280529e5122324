//! `eaves record`: raw records to a file.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::Exit;
use super::session::{self, HearArgs, Session, Tapped};
use super::signals::Signals;
use crate::capture::{FileError, KernelCounters, Source, Writer};
use crate::clock::Ktime;
use crate::guard::{self, Need};
use crate::pipeline::Requests;
use crate::probe::Probe;
use eaves_common::{ConnId, Counter, Flow};

/// How long a quiet host is waited for before signals are looked at.
const WAIT: Duration = Duration::from_millis(200);

/// Record what the kernel hands over, to be put together later by `eaves replay`
///
/// The file holds what processes sent and received, unmasked: keep it as you would a packet
/// capture.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves record problem.cap
  eaves record - | zstd > problem.cap.zst")]
pub struct Args {
    #[command(flatten)]
    hear: HearArgs,

    /// File to write; - for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Record without looking: the kernel is never told what it need not copy
    #[arg(long)]
    raw: bool,
}

/// Records until Ctrl-C.
///
/// # Errors
/// The configuration is wrong, the host does not allow hearing, or the file cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.hear.config()?;
    let name = || args.file.display().to_string();
    check_file(&args.file, io::stdout().is_terminal())?;
    guard::raise();
    // A recording that is there is not touched before there is something to put in its place.
    let probe = args.hear.attach(&config)?;
    let file = create(&args.file)?;
    let origin = session::origin(&probe);
    let writer = Writer::new(file, &origin).with_context(name)?;
    let tapped = Tapped::of(&probe);
    let mut tee = Tee {
        probe,
        writer: Some(writer),
        failed: None,
        ended: false,
    };
    let ran = if args.raw {
        count(&mut tee, &tapped)
    } else {
        let session = Session {
            origin,
            options: session::options(&config)?,
            identity: config.identity().context(Exit::Usage)?,
            outputs: Vec::new(),
            lookup: None,
            unheard: None,
            redactor: session::redactor(&config, session::Secret::Run)?,
            recorded: false,
            keep: None,
            dir: None,
            board: None,
            detect: None,
            reload: None,
            systemd: None,
            ledger: true,
        };
        session.hear(&mut tee, &tapped)
    };
    let records = tee.finish().with_context(name)?;
    let _ = writeln!(
        io::stderr(),
        "eaves: {records} records in {}",
        args.file.display()
    );
    ran
}

/// Records without a pipeline, until a signal.
fn count(tee: &mut Tee, tapped: &Tapped) -> anyhow::Result<Exit> {
    guard::keep([Need::Maps]);
    let requests = Arc::new(Requests::default());
    let _signals = Signals::listen(&requests, None::<fn()>)?;
    guard::enclose(&[Need::Maps, Need::Detach, Need::Own].into());
    tapped.announce();
    let mut read = 0;
    while !requests.stopping() {
        match tee.read(WAIT, &mut |_| ())? {
            Some(more) => read += more,
            None => break,
        }
    }
    tee.close();
    // What was reserved before the tap was taken off may be submitted a moment later.
    for _ in 0..3 {
        while let Some(more @ 1..) = tee.read(Duration::from_millis(1), &mut |_| ())? {
            read += more;
        }
    }
    let counters = tee.kernel_counters().unwrap_or_default();
    let kept = |counter| counters.get(counter);
    let _ = writeln!(
        io::stderr(),
        "ledger (in = out + dropped)\n  kernel    records {} = records_sent {} + records_lost {}\n  reader    records_sent {} = records_read {read}",
        kept(Counter::Records),
        kept(Counter::RecordsSent),
        kept(Counter::RecordsLost),
        kept(Counter::RecordsSent),
    );
    Ok(Exit::Done)
}

/// Refuses to write to a terminal: a recording is no text.
fn check_file(path: &Path, terminal: bool) -> anyhow::Result<()> {
    if path == Path::new("-") && terminal {
        return Err(anyhow::anyhow!(
            "a recording is not for a terminal: name a file, or pipe it"
        ))
        .context(Exit::Usage);
    }
    Ok(())
}

/// The file, for its owner alone: what is recorded is not masked.
fn create(path: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options
        .open(path)
        .with_context(|| path.display().to_string())
        .context(Exit::Usage)?;
    Ok(Box::new(BufWriter::with_capacity(1 << 18, file)))
}

/// A tap whose records are written down as they are read.
struct Tee {
    probe: Probe,
    writer: Option<Writer<Box<dyn Write + Send>>>,
    failed: Option<FileError>,
    ended: bool,
}

impl Tee {
    /// Ends the file: how many records are in it.
    fn finish(&mut self) -> Result<u64, FileError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(writer) = self.writer.take() else {
            return Ok(0);
        };
        let records = writer.records();
        writer.finish().map(|_| records)
    }
}

impl Source for Tee {
    fn read(&mut self, wait: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>> {
        if self.failed.is_some() && !self.ended {
            // Nothing more can be written: time to end. What is still in the ring is only counted.
            self.ended = true;
            return Ok(None);
        }
        let Self {
            probe,
            writer,
            failed,
            ..
        } = self;
        probe.read(wait, &mut |record| {
            if let (Some(writer), None) = (writer.as_mut(), failed.as_ref())
                && let Err(error) = writer.record(record)
            {
                *failed = Some(error);
            }
            each(record);
        })
    }

    fn now(&self) -> Option<Ktime> {
        self.probe.now()
    }

    fn skip(&mut self, conn: ConnId, flow: Flow, until: u64) {
        self.probe.skip(conn, flow, until);
    }

    fn not_http(&mut self, conn: ConnId) {
        self.probe.not_http(conn);
    }

    fn unknown(&mut self, conn: ConnId) {
        self.probe.unknown(conn);
    }

    fn close(&mut self) {
        self.probe.close();
    }

    fn kernel_counters(&mut self) -> Option<KernelCounters> {
        self.probe.kernel_counters()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::{Exit, check_file, create};

    #[test]
    fn a_recording_is_not_for_a_terminal() {
        let refused = check_file(Path::new("-"), true).unwrap_err();
        assert_eq!(Exit::of(&refused), Exit::Usage);
        assert!(check_file(Path::new("-"), false).is_ok());
        assert!(check_file(Path::new("a.cap"), true).is_ok());
    }

    #[test]
    fn a_recording_is_for_its_owner_alone() {
        let path = std::env::temp_dir().join(format!("eaves-record-{}", std::process::id()));
        drop(create(&path).unwrap());
        let mode = path.metadata().unwrap().permissions().mode();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mode & 0o777, 0o600);
    }
}
