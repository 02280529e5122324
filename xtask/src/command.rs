//! Runs other programs: visibly, with progress, or for their output.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// Lines of a failed program's output that are shown.
pub(crate) const TAIL_LINES: usize = 60;

/// How often a long step says that it goes on, where no terminal can show a spinner.
const STILL_EVERY: Duration = Duration::from_secs(20);

/// Says one line to the person who waits.
pub(crate) fn say(line: impl AsRef<str>) {
    eprintln!("xtask: {}", line.as_ref());
}

/// Runs `command` with its output in plain sight.
///
/// # Errors
/// If it cannot be started, or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    check(status, command)
}

/// Runs `command` and gives its standard output; its standard error is shown.
///
/// # Errors
/// If it cannot be started, fails, or says what is not UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    check(output.status, command)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed what is not text", shown(command)))
}

/// Standard output of `command` if it could be run and succeeded. Nothing is shown.
pub(crate) fn probe(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout).ok()
}

/// Runs a long `command` with its output out of sight: a spinner with its last line on a
/// terminal, now and then a line where there is none. If it fails, the end of its output is shown.
///
/// # Errors
/// If it cannot be started, or fails.
pub(crate) fn run_with_progress(title: &str, command: &mut Command) -> Result<()> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);

    let spinner = spinner(title);
    let mut tail = VecDeque::new();
    let mut spoke = Instant::now();
    loop {
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => {
                if let Some(spinner) = &spinner {
                    spinner.set_message(line.clone());
                }
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if spinner.is_none() && spoke.elapsed() >= STILL_EVERY {
            spoke = Instant::now();
            let last = tail.back().map_or("", String::as_str);
            say(format!(
                "  … {title}: {} s; {last}",
                began.elapsed().as_secs()
            ));
        }
    }
    let status = child.wait()?;
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    if !status.success() {
        for line in tail {
            eprintln!("    {line}");
        }
    }
    check(status, command)?;
    say(format!(
        "{title}: done in {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Runs `command` with its output in `log`, and hands over `each` line of it.
///
/// # Errors
/// If it cannot be started, fails, or the log cannot be written.
pub(crate) fn run_watched(
    command: &mut Command,
    log: &mut impl Write,
    mut each: impl FnMut(&str),
) -> Result<()> {
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    for line in lines {
        writeln!(log, "{line}").context("cannot write the log")?;
        each(&line);
    }
    check(child.wait()?, command)
}

/// Sends each line of `from` on, from a thread of its own.
fn forward(from: Option<impl Read + Send + 'static>, to: mpsc::Sender<String>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if !text.is_empty() && to.send(text).is_err() {
                return;
            }
        }
    });
}

fn spinner(title: &str) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        say(format!("{title} …"));
        return None;
    }
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg:.dim}")
    {
        spinner.set_style(style);
    }
    spinner.set_prefix(title.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    Some(spinner)
}

fn check(status: ExitStatus, command: &Command) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("{} failed: {status}", shown(command))
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains('\n') {
                "'…'".to_owned()
            } else if word.is_empty() || word.contains([' ', '"', '$', ';', '|', '&']) {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
