//! TLS that no probe hears is not missed in silence: a notice and `doctor` name the process, the library
//! and the reason, and do not name those that are heard.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Mode, command};
use eaves_tests::far::listens;
use eaves_tests::peer::{
    Certificate, Nginx, Place, RustBuild, Server, Works, linked_program, linked_server, nginx,
    rust_program, rust_tls_server,
};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::{under, under_both_taps};
use eaves_tests::wait;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::https::hearing;
use crate::servers::of;

/// Within this it has to be told.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Java's own server of HTTPS: `Server.java PORT KEYSTORE`.
const JAVA: &str = r#"
import com.sun.net.httpserver.*;
import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.security.KeyStore;
import javax.net.ssl.*;

public class Server {
    public static void main(String[] args) throws Exception {
        char[] password = "changeit".toCharArray();
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(new FileInputStream(args[1]), password);
        KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509");
        factory.init(keys, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(factory.getKeyManagers(), null, null);
        int port = Integer.parseInt(args[0]);
        HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", port), 16);
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        server.createContext("/", exchange -> {
            byte[] body = "hello".getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
"#;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let mut all = under_both_taps("unheard::stripped", stripped);
    all.extend([
        under("unheard::java", Mode::Syscall, java),
        under("unheard::stripped_rustls", Mode::Socket, stripped_rust),
        under("unheard::inlined_rustls", Mode::Socket, inlined_rust),
    ]);
    all
}

/// Java's server is named, once, with its reason; nginx beside it, which is heard, is not.
fn java(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let tls = Certificate::new(sandbox)?;
    let (port, mut server) = java_server(sandbox, &tls)?;
    let options = Nginx {
        tls: Some(tls),
        ..Nginx::default()
    };
    let mut beside = nginx(sandbox, "nginx", &options)?;
    let heard = beside.place().clone();
    let java = server.pid();
    named_by_doctor(&format!("({java})"), "less", "JSSE")?;
    named_by_doctor("nginx (", "good", "openssl 3.")?;

    let mut agent = hearing(sandbox, mode, "libssl")?;
    let began = Instant::now();
    // TLS 1.3, 1.2, one request a connection and several.
    for more in [&[][..], &["--tls-max", "1.2"], &["--http1.1"]] {
        ask(port, 3, more)?;
        ask(heard.port()?, 3, more)?;
    }
    ask(port, 1, &["--tls-max", "1.2"])?;
    told(sandbox, java)?;
    ensure!(began.elapsed() < TOLD_WITHIN, "{:?}", began.elapsed());
    // More of the same is not told again, nor does the wait make nginx look unheard.
    ask(port, 3, &[])?;
    ask(heard.port()?, 3, &[])?;
    std::thread::sleep(Duration::from_secs(11));
    agent.settle(|reported| of(reported, "server", &heard).len() >= 12)?;
    let report = agent.stop()?;
    let found = notices(&report.notices);
    let of_port = |port: u16| -> Vec<&Value> {
        let all = found.iter().copied();
        all.filter(|one| one["port"] == port).collect()
    };
    let [one] = of_port(port)[..] else {
        anyhow::bail!("{found:#?}");
    };
    for (name, expected) in [
        ("library", "jsse"),
        ("role", "server"),
        ("transport", "tcp"),
    ] {
        ensure!(one[name] == expected, "{one:#}");
    }
    ensure!(one["pid"] == java && one["process"] == "java", "{one:#}");
    ensure!(
        one["advice"]
            .as_str()
            .is_some_and(|text| text.contains("proxy")),
        "{one:#}"
    );
    ensure!(of_port(heard.port()?).is_empty(), "{found:#?}");
    // The client's end of the same is heard, by curl's library.
    let client = of(&report.exchanges, "client", &Place::Tcp(port));
    ensure!(client.len() == 13, "{} heard of curl", client.len());
    server.stop()?;
    beside.stop()?;
    report.balanced()
}

/// OpenSSL in a program without symbols is named; the same with symbols is heard, and
/// the doctor says so.
fn stripped(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let whole = linked_program()?;
    let bare = without_symbols(sandbox, &whole, &[])?;
    let start = |name: &str, program: &Path, tls: &Certificate| {
        linked_server(sandbox, name, program.to_owned(), Works::OnSockets, tls)
    };
    let words = "openssl is part of the program";
    deaf_beside_heard(sandbox, mode, [&bare, &whole], "openssl", words, start)
}

/// rustls in a program without symbols is named.
fn stripped_rust(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let whole = rust_program(RustBuild::Release)?;
    let bare = without_symbols(sandbox, &whole, &[])?;
    let start = |name: &str, program: &Path, tls: &Certificate| {
        rust_tls_server(sandbox, name, program, tls)
    };
    let words = "is part of the program";
    deaf_beside_heard(sandbox, mode, [&bare, &whole], "rustls", words, start)
}

/// rustls in a program of which the compiler left one function no more to be seen.
fn inlined_rust(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let whole = rust_program(RustBuild::Release)?;
    let some = ["--wildcard", "--strip-symbol=*take_received_plaintext*"];
    let bare = without_symbols(sandbox, &whole, &some)?;
    let start = |name: &str, program: &Path, tls: &Certificate| {
        rust_tls_server(sandbox, name, program, tls)
    };
    let words = "take_received_plaintext: it is no function of its own";
    deaf_beside_heard(sandbox, mode, [&bare, &whole], "rustls", words, start)
}

/// A copy of a program without its symbols, or without those.
fn without_symbols(sandbox: &Sandbox, whole: &Path, those: &[&str]) -> Result<PathBuf> {
    let bare = sandbox.file("bare-program");
    let mut objcopy = Command::new(program("objcopy", "binutils")?);
    if those.is_empty() {
        objcopy.arg("--strip-all");
    }
    objcopy.args(those).arg(whole).arg(&bare);
    Process::start(sandbox, "objcopy", objcopy)?.finish()?;
    Ok(bare)
}

/// Of two programs the first is named by notice and doctor, the other heard.
fn deaf_beside_heard(
    sandbox: &Sandbox,
    mode: Mode,
    [bare, whole]: [&Path; 2],
    library: &str,
    words: &str,
    start: impl Fn(&str, &Path, &Certificate) -> Result<Server>,
) -> Result<()> {
    let tls = Certificate::new(sandbox)?;
    let mut deaf = start("bare", bare, &tls)?;
    let mut heard = start("whole", whole, &tls)?;
    let port_of = |server: &Server| server.place().port();
    let file = whole.file_name().and_then(|name| name.to_str());
    let mut agent = hearing(sandbox, mode, file.context("a program without a name")?)?;
    for port in [port_of(&deaf)?, port_of(&heard)?] {
        ask(port, 4, &[])?;
    }
    let pid = told_of_port(sandbox, port_of(&deaf)?)?;
    named_by_doctor(&format!("({pid})"), "less", words)?;
    let place = heard.place().clone();
    agent.settle(|reported| of(reported, "server", &place).len() >= 4)?;
    let report = agent.stop()?;
    let found = notices(&report.notices);
    let of_port = |port: u16| found.iter().filter(|one| one["port"] == port).count();
    let counts = (of_port(port_of(&deaf)?), of_port(port_of(&heard)?));
    ensure!(counts == (1, 0), "{found:#?}");
    let one = found.iter().find(|one| one["pid"] == pid).context("none")?;
    ensure!(one["library"] == library, "{one:#}");
    let served = of(&report.exchanges, "server", &place);
    ensure!(served.len() == 4, "{} heard", served.len());
    deaf.stop()?;
    heard.stop()?;
    report.balanced()
}

fn java_server(sandbox: &Sandbox, tls: &Certificate) -> Result<(u16, Process)> {
    let java = program("java", "openjdk-17-jdk-headless")?;
    let store = sandbox.file("server.p12");
    let mut openssl = Command::new(program("openssl", "openssl")?);
    openssl
        .args(["pkcs12", "-export", "-passout", "pass:changeit", "-in"])
        .arg(&tls.both)
        .arg("-out")
        .arg(&store);
    Process::start(sandbox, "pkcs12", openssl)?.finish()?;
    let source = sandbox.write("Server.java", JAVA)?;
    let port = port()?;
    let mut command = Command::new(java);
    command.arg(source).arg(port.to_string()).arg(&store);
    let mut process = Process::start(sandbox, "java", command)?;
    wait::until_true("Java's server", || {
        process.must_live()?;
        Ok(listens(port))
    })?;
    Ok((port, process))
}

/// So many requests by one curl.
fn ask(port: u16, requests: usize, more: &[&str]) -> Result<()> {
    let mut curl = Command::new(program("curl", "curl")?);
    curl.args(["-s", "-S", "-k"]).args(more);
    curl.stdout(Stdio::null());
    for number in 0..requests {
        curl.arg(format!("https://127.0.0.1:{port}/{number}"));
    }
    ensure!(curl.status()?.success(), "curl to port {port}");
    Ok(())
}

/// The details of the notices of TLS.
fn notices(all: &[(String, Value)]) -> Vec<&Value> {
    let of_tls = all.iter().filter(|(name, _)| name == "tls");
    of_tls.map(|(_, notice)| &notice["detail"]).collect()
}

/// Waits for a notice that names process `pid`.
fn told(sandbox: &Sandbox, pid: u32) -> Result<()> {
    wait_for(sandbox, |detail| detail["pid"] == pid).map(|_| ())
}

/// Waits for a notice that names a port: the process's id.
fn told_of_port(sandbox: &Sandbox, port: u16) -> Result<u32> {
    let detail = wait_for(sandbox, |detail| detail["port"] == port)?;
    let pid = detail["pid"].as_u64().context("no pid")?;
    Ok(u32::try_from(pid)?)
}

fn wait_for(sandbox: &Sandbox, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let events = sandbox.file("agent.out");
    wait::until_within(TOLD_WITHIN, "a notice of TLS", || {
        Ok(find(&std::fs::read_to_string(Path::new(&events))?, &is_it))
    })
}

fn find(text: &str, is_it: &impl Fn(&Value) -> bool) -> Option<Value> {
    let lines = text
        .lines()
        .filter(|line| line.contains("\"name\":\"tls\""));
    let mut details = lines
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|mut notice| notice["detail"].take());
    details.find(|detail| is_it(detail))
}

/// The doctor says of a process whose name and id have `part` how it stands, and speaks of `words`.
fn named_by_doctor(part: &str, status: &str, words: &str) -> Result<()> {
    let doctor = command(["doctor", "--json"])?.output()?;
    let report: Value = serde_json::from_slice(&doctor.stdout)?;
    let checks = report["checks"].as_array().context("no checks")?;
    let mut of_it = checks.iter().filter(|check| {
        let name = check["name"].as_str().unwrap_or_default();
        check["group"] == "processes" && name.contains(part)
    });
    let check = of_it.next().context("the doctor does not name it")?;
    let found = check["found"].as_str().unwrap_or_default();
    ensure!(
        check["status"] == status && found.contains(words),
        "{check:#}"
    );
    Ok(())
}
