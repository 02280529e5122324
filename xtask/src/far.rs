//! Real far ends of sinks, and peers of the kernel tests, that Debian does not package: a Kafka broker
//! out of its jars, Python's libraries that speak for ClickHouse, OpenTelemetry and librdkafka, those that
//! speak WebSocket, gRPC and HTTP/2; and what packages and projections are held against: published schemas, and
//! Helm as a library. Each is fetched once, by the ordinary client of its registry, into a folder of the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::{run, run_with_progress};
use crate::project::Project;
use crate::setup::Package;

/// What fetches from Maven Central and PyPI.
pub(crate) const FETCHERS: &[Package] = &[
    Package {
        name: "default-jre-headless",
        programs: &["java"],
    },
    Package {
        name: "maven",
        programs: &["mvn"],
    },
    Package {
        name: "python3-venv",
        programs: &["pip3"],
    },
];

/// What else fetches, and the far ends that Debian has.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "npm",
        programs: &["npm"],
    },
    Package {
        name: "openssl",
        programs: &["openssl"],
    },
    Package {
        name: "rsyslog",
        programs: &[],
    },
    Package {
        name: "rsyslog-openssl",
        programs: &[],
    },
    Package {
        name: "prometheus-alertmanager",
        programs: &["prometheus-alertmanager"],
    },
];

/// PyPI: ClickHouse's engine in a process, with what it loads at its start; OTLP's messages; librdkafka.
const PYTHON: &[&str] = &[
    "chdb-core-lite==26.5.0",
    "pyarrow==26.0.1",
    "opentelemetry-proto==1.45.2",
    "protobuf==7.36.2",
    "confluent-kafka==2.16.1",
    // The schemas of OCSF, and what holds JSON against them.
    "ocsf-json-schema==1.2.0",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "referencing==0.37.0",
    "rpds-py==2026.9.1",
    "attrs==26.1.0",
    "typing_extensions==4.16.0",
    // Peers of the kernel tests: WebSocket and gRPC.
    "websockets==17.4",
    "grpcio==1.85.3",
    // HTTP/2 on asyncio: a server, a client, and what both need.
    "hypercorn==0.18.0",
    "httpx==0.28.1",
    "h2==4.4.1",
    "hpack==4.2.0",
    "hyperframe==6.1.0",
    "h11==0.16.0",
    "wsproto==1.3.2",
    "priority==2.0.0",
    "httpcore==1.0.9",
    "anyio==4.16.0",
    "certifi==2026.10.19.post1",
    "idna==3.20",
    // HTTP/1.1 on asyncio: two servers, and what they need.
    "uvicorn==0.54.0",
    "click==8.5.1",
    "aiohttp==3.14.5",
    "aiohappyeyeballs==2.7.1",
    "aiosignal==1.4.0",
    "frozenlist==1.8.0",
    "multidict==7.2.1",
    "propcache==0.5.4",
    "yarl==1.25.1",
];

/// PyPI: Kubernetes' published schemas, and what holds objects against them.
const SCHEMAS: &[&str] = &[
    "kubernetes-validate==1.37.0",
    "PyYAML==6.0.4",
    "packaging==26.4",
    "importlib_resources==7.1.0",
    "typing_extensions==4.16.0",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "referencing==0.37.0",
    "rpds-py==2026.9.1",
    "attrs==26.1.0",
];

/// npm: Elastic's own list of the fields of ECS.
const ECS: &str = "@elastic/ecs@9.4.0";

/// npm: the WebSocket library of most servers that run on Node.
const WS: &str = "ws@8.23.0";

/// Maven Central: the broker, with all that it needs.
const KAFKA: &str = "4.1.1";

/// Maven Central: Helm's own code as a library, which is Helm 3.21.0.
const HELM: &str = "0.0.21";

/// Maven Central: Netty, and its TLS by BoringSSL.
const NETTY: [(&str, &str, &str); 2] = [
    ("io.netty", "netty-codec-http", "4.1.128.Final"),
    (
        "io.netty",
        "netty-tcnative-boringssl-static",
        "2.0.74.Final",
    ),
];

/// Where they are; fetched if they are not there, or others are wanted by now.
///
/// # Errors
/// If a registry does not answer, or the folder cannot be written.
pub(crate) fn prepare(project: &Project) -> Result<PathBuf> {
    let folder = project.target.join("far-ends");
    once(&folder.join("python"), &PYTHON.join(" "), python)?;
    once(&folder.join("kafka"), KAFKA, kafka)?;
    once(&folder.join("netty"), &format!("{NETTY:?}"), |folder| {
        maven(folder, &NETTY)
    })?;
    once(&folder.join("ecs"), ECS, |folder| npm(folder, ECS))?;
    once(&folder.join("ws"), WS, |folder| npm(folder, WS))?;
    Ok(folder)
}

/// What judges manifest and chart: a Python that has the schemas, and Helm's library.
pub(crate) struct Judges {
    /// The Python.
    pub(crate) python: PathBuf,
    /// The library.
    pub(crate) helm: PathBuf,
}

/// Where they are; fetched if they are not there, or others are wanted by now.
///
/// # Errors
/// If a registry does not answer, or the folder cannot be written.
pub(crate) fn judges(project: &Project) -> Result<Judges> {
    let folder = project.target.join("far-ends");
    let (schemas, library) = (folder.join("kubernetes"), folder.join("helm"));
    once(&schemas, &SCHEMAS.join(" "), |folder| pip(folder, SCHEMAS))?;
    once(&library, HELM, helm)?;
    Ok(Judges {
        python: schemas.join("bin/python"),
        helm: library.join("helm-linux-amd64.so"),
    })
}

/// Calls `fetch` for a new `folder`, unless it was made for `what` before.
fn once(folder: &Path, what: &str, fetch: fn(&Path) -> Result<()>) -> Result<()> {
    let mark = folder.join("made-for");
    if fs::read_to_string(&mark).is_ok_and(|made| made == what) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fetch(folder)?;
    fs::write(&mark, what).with_context(|| format!("cannot write {}", mark.display()))
}

fn python(folder: &Path) -> Result<()> {
    pip(folder, PYTHON)
}

fn pip(folder: &Path, packages: &[&str]) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    // Of what the engine names as needed it loads pyarrow alone.
    pip.args([
        "install",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ]);
    run_with_progress("pip install (far ends)", pip.args(packages))
}

fn npm(folder: &Path, package: &str) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]);
    npm.arg("--prefix").arg(folder).arg(package);
    run_with_progress(&format!("npm install {package}"), &mut npm)
}

fn kafka(folder: &Path) -> Result<()> {
    maven(folder, &[("org.apache.kafka", "kafka_2.13", KAFKA)])
}

/// The library out of its jar.
fn helm(folder: &Path) -> Result<()> {
    maven(folder, &[("com.marcnuri.helm-java", "linux-amd64", HELM)])?;
    let libs = folder.join("libs");
    let jar = libs.join(format!("linux-amd64-{HELM}.jar"));
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(jar).arg(folder);
    run(&mut unpack)?;
    fs::remove_dir_all(&libs).with_context(|| format!("cannot remove {}", libs.display()))
}

/// Fetches artifacts, by group, name and version, and all that they need into `libs` of a folder.
fn maven(folder: &Path, artifacts: &[(&str, &str, &str)]) -> Result<()> {
    let pom = folder.join("pom.xml");
    let dependency = |(group, name, version): &(&str, &str, &str)| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        )
    };
    let needed: String = artifacts.iter().map(dependency).collect();
    fs::write(
        &pom,
        format!(
            r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>far-ends</groupId><artifactId>fetched</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{needed}</dependencies>
</project>
"#
        ),
    )?;
    let mut mvn = Command::new("mvn");
    mvn.args(["-B", "-q", "-f"]).arg(&pom);
    mvn.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    mvn.arg(format!(
        "-DoutputDirectory={}",
        folder.join("libs").display()
    ));
    run_with_progress(
        &format!("mvn dependency:copy-dependencies ({})", folder.display()),
        &mut mvn,
    )
}

#[cfg(test)]
mod tests {
    use super::once;
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let folder = std::env::temp_dir().join(format!("xtask-far-{}", std::process::id()));
        let fetch = |folder: &Path| Ok(fs::write(folder.join("fetched"), "")?);
        once(&folder, "1", fetch).unwrap();
        fs::remove_file(folder.join("fetched")).unwrap();
        once(&folder, "1", fetch).unwrap();
        assert!(!folder.join("fetched").exists());
        once(&folder, "2", fetch).unwrap();
        assert!(folder.join("fetched").exists());
        assert!(once(&folder, "3", |_| anyhow::bail!("no")).is_err());
        once(&folder, "3", fetch).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
