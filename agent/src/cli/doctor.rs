//! `eaves doctor`: what this host lets Eaves hear, and why not.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use super::{Exit, Globals, output};
use crate::lookup::{QuicServer, quic_servers, tcp_processes};
use crate::probe::{Check, Ends, Group, Report, Speakers, Speaks, Status, Trial, Verdict, examine};

/// How long one step of the trial exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Processes that are named for their TLS.
const PROCESSES_MAX: usize = 1024;

/// Characters of what was found that people are shown.
const FOUND_CHARS: usize = 240;

/// Say what this host lets Eaves hear, by trying, and why not the rest
///
/// Every tap is loaded, attached, and given an HTTP exchange to hear that a child process makes
/// over the loopback address. Nothing is left behind.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit codes:
  0  at least one tap hears
  3  none does; what is said tells why")]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Kernel object to load in place of the embedded one
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    ebpf_object: Option<PathBuf>,

    /// Make the exchange that the taps are tried with, and print both ends' addresses
    #[arg(long, hide = true)]
    make_exchange: bool,
}

/// Looks, tries, and says.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    if args.make_exchange {
        return make_exchange();
    }
    let mut report = examine(Trial {
        object: args.ebpf_object.clone(),
        exchange: &mut exchange_of_child,
    });
    report.checks.extend(tls());
    report.checks.extend(quic());
    let text = if args.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        words(&report, globals.color.colours(io::stdout().is_terminal()))
    };
    output::to_stdout(text.as_bytes())?;
    Ok(if report.hears.is_empty() {
        Exit::Host
    } else {
        Exit::Done
    })
}

/// The processes that hold a TCP socket and have something in memory that speaks TLS: whether that is
/// heard.
fn tls() -> Vec<Check> {
    let mut speakers = Speakers::default();
    let own = std::process::id();
    let processes = tcp_processes(Path::new("/proc")).into_iter();
    let checks = processes
        .filter(|(pid, _)| *pid != own)
        .filter_map(|(pid, name)| {
            let speaks = speakers.of(pid)?;
            tls_of(format!("{name} ({pid})"), &speaks)
        });
    checks.take(PROCESSES_MAX).collect()
}

/// What is said of one; `None` if nothing in it is known to speak TLS.
fn tls_of(name: String, speaks: &Speaks) -> Option<Check> {
    let heard = speaks.is_heard();
    let said = match speaks.verdict {
        Verdict::Unknown => return None,
        Verdict::Refused(_) if speaks.library.is_none() => return None,
        Verdict::Heard => format!("TLS by {}: its plaintext is heard", speaks.library_words()),
        _ => format!("TLS is not heard: {}", speaks.reason()),
    };
    let unless = |text: &str| (!heard).then(|| text.to_owned());
    Some(Check {
        group: Group::Processes,
        name,
        status: if heard { Status::Good } else { Status::Less },
        found: said,
        lost: unless("what it sends and receives over TLS"),
        advice: unless(speaks.advice()),
    })
}

/// The processes that may serve HTTP/3, which cannot be heard.
fn quic() -> impl Iterator<Item = Check> {
    let found = quic_servers(Path::new("/proc")).into_iter();
    found.map(|QuicServer { pid, name, port }| {
        Check {
        group: Group::Processes,
        name: format!("{name} ({pid})"),
        status: Status::Less,
        found: format!("UDP port {port} is open beside its TCP listener, as for QUIC"),
        lost: Some("HTTP/3, if it is QUIC: no socket shows what that carries".to_owned()),
        advice: Some(
            "if it serves HTTP/3, switch that off there to have all heard: clients stay with HTTP/2"
                .to_owned(),
        ),
    }
    })
}

/// The report for people.
fn words(report: &Report, colours: bool) -> String {
    let paint = |status: Status, word: &str| {
        let code = match status {
            Status::Good => 32,
            Status::Less => 33,
            Status::Bad => 31,
        };
        if colours {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    };
    let (status, verdict) = match report.hears.as_slice() {
        [] => (
            Status::Bad,
            "Eaves cannot hear HTTP on this host".to_owned(),
        ),
        [tap, ..] => (
            Status::Good,
            format!("Eaves can hear HTTP on this host, with the {tap} tap"),
        ),
    };
    let mut text = paint(status, &verdict) + "\n";
    let mut group = None;
    let width = report.checks.iter().map(|check| check.name.len()).max();
    let width = width.unwrap_or(0);
    for check in &report.checks {
        if group.replace(check.group) != Some(check.group) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "\n{}", heading(check.group));
        }
        line(&mut text, check, width, &paint);
    }
    text
}

/// One check: what was found, and below it what is lost and what to do.
fn line(text: &mut String, check: &Check, width: usize, paint: &dyn Fn(Status, &str) -> String) {
    let word = match check.status {
        Status::Good => "ok  ",
        Status::Less => "less",
        Status::Bad => "no  ",
    };
    let (word, name) = (paint(check.status, word), &check.name);
    let found = match check.found.char_indices().nth(FOUND_CHARS) {
        // The verifier's words are long, and not for everybody.
        Some((end, _)) => {
            let front = check.found.get(..end).unwrap_or_default();
            format!("{front}… (the rest: --json)")
        }
        None => check.found.clone(),
    };
    let _ = writeln!(text, "  {word}  {name:width$}  {found}");
    for (label, more) in [("lost", &check.lost), ("do", &check.advice)] {
        if let Some(more) = more {
            let _ = writeln!(text, "        {:width$}  {label}: {more}", "");
        }
    }
}

const fn heading(group: Group) -> &'static str {
    match group {
        Group::Kernel => "Kernel",
        Group::Privileges => "Privileges of this process",
        Group::Structures => "The kernel's structures",
        Group::SocketTap => "Socket tap",
        Group::SyscallTap => "Syscall tap",
        Group::TlsTap => "TLS tap",
        Group::Processes => "Processes",
    }
}

/// Has a child make an exchange, since the agent does not hear its own process.
fn exchange_of_child() -> io::Result<Ends> {
    let child = Command::new(std::env::current_exe()?)
        .args(["doctor", "--make-exchange"])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&child.stdout);
    let mut addresses = said.split_whitespace().map(str::parse::<SocketAddr>);
    match (addresses.next(), addresses.next()) {
        (Some(Ok(client)), Some(Ok(server))) if child.status.success() => {
            Ok(Ends { client, server })
        }
        _ => {
            let complaint = String::from_utf8_lossy(&child.stderr);
            Err(io::Error::other(complaint.trim().to_owned()))
        }
    }
}

/// Plays both ends of an exchange over the loopback address.
fn make_exchange() -> anyhow::Result<Exit> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("loopback address")?;
    let server = listener.local_addr()?;
    let answering = thread::spawn(move || answer(&listener));
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    let client = stream.local_addr()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let target = Trial::TARGET;
    let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    let answered = answering.join();
    answered.map_err(|_| anyhow::anyhow!("the server panicked"))??;
    output::to_stdout(format!("{client} {server}\n").as_bytes())?;
    Ok(Exit::Done)
}

/// Answers one request and closes.
fn answer(listener: &TcpListener) -> io::Result<()> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new((&stream).take(4096));
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    (&stream).write_all(response.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Check, Group, Report, Status, words};

    fn report(hears: Vec<&'static str>) -> Report {
        let check = |name: &str, status| Check {
            group: Group::Kernel,
            name: name.to_owned(),
            status,
            found: "found".to_owned(),
            lost: (status != Status::Good).then(|| "sight".to_owned()),
            advice: (status == Status::Bad).then(|| "pray".to_owned()),
        };
        let checks = vec![
            check("a", Status::Good),
            check("long", Status::Less),
            check("b", Status::Bad),
        ];
        Report { hears, checks }
    }

    #[test]
    fn words_are_aligned_and_say_what_is_lost_and_what_to_do() {
        let expected = "\
Eaves can hear HTTP on this host, with the socket tap

Kernel
  ok    a     found
  less  long  found
              lost: sight
  no    b     found
              lost: sight
              do: pray
";
        assert_eq!(words(&report(vec!["socket"]), false), expected);
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        assert!(words(&report(Vec::new()), true).starts_with("\x1b[31mEaves cannot hear"));
        assert!(!words(&report(Vec::new()), false).contains('\x1b'));
    }
}
