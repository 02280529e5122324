//! Kafka's own broker, one in KRaft mode, and what librdkafka reads from it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Authority, Far, fetched, python};
use crate::sandbox::{Sandbox, port, program};

/// User of the broker's listener with SASL.
const USER: &str = "eaves";

/// The user's password.
const PASSWORD: &str = "s3cret=really";

/// A broker.
#[derive(Debug)]
pub struct Kafka {
    far: Option<Far>,
    java: PathBuf,
    config: PathBuf,
    libs: String,
    /// Where it listens in clear; clients are told [`Kafka::told`] instead.
    pub port: u16,
    /// Where it listens for our own reader.
    reader: u16,
    /// Where it listens with TLS and SASL.
    pub secure: u16,
}

/// A record of a topic.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Its key.
    pub key: Option<String>,
    /// Its time.
    pub time_ms: i64,
    /// Header field `eaves.id`.
    pub id: String,
    /// Header field `eaves.kind`.
    pub kind: String,
    /// The event.
    pub value: Value,
}

impl Kafka {
    /// User and password that it knows, by PLAIN and both SCRAMs.
    pub const ACCOUNT: (&'static str, &'static str) = (USER, PASSWORD);

    /// Starts one whose topics have three partitions. In clear its clients are told to come by `told`; with TLS
    /// it has a certificate of `authority` for `localhost`.
    ///
    /// # Errors
    /// It is not here, or does not come up.
    pub fn start(sandbox: &Sandbox, authority: &Authority, told: u16) -> Result<Self> {
        let libs = format!("{}/libs/*", fetched("kafka")?.display());
        let java = program("java", "default-jre-headless")?;
        let [port, reader, secure, controller] = [port()?, port()?, port()?, port()?];
        let (certificate, key) = authority.sign("localhost")?;
        let pem = [
            std::fs::read_to_string(key)?,
            std::fs::read_to_string(certificate)?,
        ]
        .concat();
        let pem = sandbox.write("kafka/keys.pem", pem)?;
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
        let config = format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CLEAR://127.0.0.1:{port},READER://127.0.0.1:{reader},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLEAR://127.0.0.1:{told},READER://127.0.0.1:{reader},SECURE://localhost:{secure}
listener.security.protocol.map=CLEAR:PLAINTEXT,READER:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=READER
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=3
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
transaction.state.log.replication.factor=1
message.max.bytes=200000
ssl.keystore.type=PEM
ssl.keystore.location={pem}
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config={plain} required user_{USER}=\"{PASSWORD}\";
listener.name.secure.scram-sha-256.sasl.jaas.config={scram} required;
listener.name.secure.scram-sha-512.sasl.jaas.config={scram} required;
",
            data = sandbox.file("kafka/data").display(),
            pem = pem.display(),
        );
        let mut kafka = Self {
            far: None,
            java,
            config: sandbox.write("kafka/server.properties", config)?,
            libs,
            port,
            reader,
            secure,
        };
        let mut format = kafka.command("kafka.tools.StorageTool");
        format
            .args(["format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c"])
            .arg(&kafka.config);
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let account = format!("{mechanism}=[name={USER},password=\"{PASSWORD}\"]");
            format.args(["--add-scram", &account]);
        }
        let formatted = format.output().context("java")?;
        if !formatted.status.success() {
            let said = [formatted.stdout, formatted.stderr].concat();
            bail!("the broker's storage: {}", String::from_utf8_lossy(&said));
        }
        kafka.begin(sandbox)?;
        Ok(kafka)
    }

    fn command(&self, class: &str) -> Command {
        let mut command = Command::new(&self.java);
        command.args([
            "-Xmx384m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &self.libs,
            class,
        ]);
        command
    }

    /// Starts it, after [`Kafka::end`] too.
    ///
    /// # Errors
    /// It does not come up.
    pub fn begin(&mut self, sandbox: &Sandbox) -> Result<()> {
        let mut command = self.command("kafka.Kafka");
        command.arg(&self.config);
        self.far = Some(Far::start(sandbox, "kafka", command, self.port)?);
        Ok(())
    }

    /// Kills it.
    pub fn end(&mut self) {
        self.far = None;
    }

    /// All records of `topic`, as librdkafka reads them.
    ///
    /// # Errors
    /// It cannot read them all.
    pub fn records(&self, sandbox: &Sandbox, topic: &str) -> Result<Vec<Record>> {
        let mut command = python(sandbox, "consume", include_str!("consume.py"))?;
        command.args([&format!("127.0.0.1:{}", self.reader), topic]);
        let output = command.output()?;
        if !output.status.success() {
            bail!("reader: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let records = text.lines().map(serde_json::from_str);
        Ok(records.collect::<Result<_, _>>()?)
    }
}
