//! Tools that attackers use, against the shop that trusts what it is sent, over loopback alone and
//! bounded in requests and time: each gives the findings that it should.

use std::process::Command;

use anyhow::{Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under;
use eaves_tests::wait;
use libtest_mimic::Trial;

use crate::attacks::{findings, opened};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    vec![under(
        "tools::each_gives_its_findings",
        Mode::Syscall,
        each_gives_its_findings,
    )]
}

/// A tool: its package, its arguments, and the detectors that must speak, by one of several ids each.
struct Tool {
    name: &'static str,
    arguments: Vec<String>,
    detectors: &'static [&'static [&'static str]],
}

fn each_gives_its_findings(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (shop, agent, events) = opened(sandbox, mode)?;
    for tool in tools(sandbox, shop.port)? {
        let mut command = Command::new(program(tool.name, tool.name)?);
        // What they remember of other runs, and leave behind, lies in the sandbox.
        command
            .args(&tool.arguments)
            .env("HOME", sandbox.path())
            .current_dir(sandbox.path());
        let before = findings(&events)?.len();
        // How it ends says what it found, which is not the question here.
        Process::start(sandbox, tool.name, command)?.wait()?;
        for ids in tool.detectors {
            wait::until(&format!("{}: a finding of {ids:?}", tool.name), || {
                let found = findings(&events)?;
                let mut new = found.iter().skip(before);
                let is_it =
                    new.any(|finding| ids.iter().any(|id| finding["detector"]["id"] == *id));
                Ok(is_it.then_some(()))
            })?;
        }
    }
    let found = findings(&events)?;
    let confirmed = |id: &str| {
        let mut found = found.iter();
        found.any(|finding| finding["detector"]["id"] == id && finding["outcome"] == "confirmed")
    };
    ensure!(confirmed("inj-01"), "the database's error confirms nothing");
    let report = agent.stop()?;
    report.balanced()
}

/// The tools, each with as little to do as shows what it is.
fn tools(sandbox: &Sandbox, port: u16) -> Result<Vec<Tool>> {
    let words: String = (0..40).map(|n| format!("old-{n}/admin.php\n")).collect();
    let words = sandbox.write("words.txt", &words)?;
    let guesses: String = (0..16).map(|n| format!("guess-{n}\n")).collect();
    let guesses = sandbox.write("guesses.txt", &guesses)?;
    let (words, guesses) = (words.display(), guesses.display());
    let line = |line: String| line.split(' ').map(str::to_owned).collect();
    Ok(vec![
        Tool {
            name: "sqlmap",
            arguments: line(format!(
                "-u http://127.0.0.1:{port}/api/search?q=lamp --batch --technique E --timeout 3 --retries 0"
            )),
            detectors: &[&["scan-02"], &["inj-01"]],
        },
        Tool {
            name: "ffuf",
            arguments: line(format!(
                "-u http://127.0.0.1:{port}/FUZZ -w {words} -t 2 -s"
            )),
            detectors: &[&["scan-01"]],
        },
        Tool {
            name: "hydra",
            arguments: line(format!(
                "-l alice -P {guesses} -t 2 -I -s {port} 127.0.0.1 http-post-form /login:username=^USER^&password=^PASS^:F=wrong"
            )),
            detectors: &[&["auth-01", "auth-02"]],
        },
        Tool {
            name: "wapiti",
            arguments: line(format!(
                "-u http://127.0.0.1:{port}/page?name=x --scope page -m file --flush-session --no-bugreport --max-scan-time 4 -f json -o wapiti.json"
            )),
            detectors: &[&["inj-04"]],
        },
    ])
}
