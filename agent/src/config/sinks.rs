//! Section `sinks`: `name: { type: { its options }, what goes there, how it is reached }`.
//!
//! The type's key stands beside common ones, so an entry has one `Option` a type: serde then points
//! at the exact key that is wrong, which a tagged enum does not.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Severity;
use crate::filter::Filter;
use crate::sink::{
    AlertmanagerOptions, AuthOptions, ClickhouseOptions, ElasticsearchOptions, FileOptions, Format,
    HttpOptions, KafkaOptions, Kind, LokiOptions, OtlpOptions, PagerdutyOptions, ProxyOptions,
    SlackOptions, SplunkHecOptions, SyslogOptions, TlsOptions, WebhookOptions, kafka_broker,
};
use crate::units::{Period, Size};

/// One place where events go. Exactly one type is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-exactly-one" = [
    "stdout", "file", "webhook", "elasticsearch", "splunk_hec", "loki", "otlp", "syslog", "clickhouse",
    "kafka", "alertmanager", "pagerduty", "slack"
]))]
pub struct SinkEntry {
    /// To standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutSink>,
    /// To a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
    /// To any HTTP endpoint, signed if you like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookOptions>,
    /// To Elasticsearch or OpenSearch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<ElasticsearchOptions>,
    /// To a Splunk HTTP Event Collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub splunk_hec: Option<SplunkHecOptions>,
    /// To Grafana Loki.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loki: Option<LokiOptions>,
    /// To an OpenTelemetry collector, as OTLP over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpOptions>,
    /// To a syslog server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<SyslogOptions>,
    /// To ClickHouse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clickhouse: Option<ClickhouseOptions>,
    /// To a topic of Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaOptions>,
    /// To Prometheus Alertmanager: findings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<AlertmanagerOptions>,
    /// To PagerDuty: findings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<PagerdutyOptions>,
    /// To a Slack channel: findings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackOptions>,
    /// What goes there. Left out: everything; findings alone where people are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minItems" = 1, "uniqueItems" = true))]
    pub events: Option<Vec<Kind>>,
    /// Findings and notices below this do not go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<Severity>,
    /// Which events: a filter, as `eaves query` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "filter"))]
    pub r#where: Option<String>,
    /// In which words. Left out: `eaves`; `ecs` for Elasticsearch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// From where on, when the sink is new. Left out: `oldest`; `now` where people are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// How many events make a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchEntry>,
    /// Certificates, for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsOptions>,
    /// Who we are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthOptions>,
    /// A proxy on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyOptions>,
    /// How requests are compressed. Left out: `none`; `gzip` for OTLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// How long one request may take. Left out: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "100ms", "x-max" = "10m"))]
    pub timeout: Option<Period>,
}

/// How many events make a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchEntry {
    /// Bytes of events after which a request is made.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "16MiB"))]
    pub bytes: Size,
    /// Most events in one request.
    #[schemars(range(min = 1, max = 100_000))]
    pub events: u32,
    /// How long an exchange waits for others. Findings and notices go at once.
    #[schemars(extend("x-min" = "0s", "x-max" = "5m"))]
    pub delay: Period,
}

impl Default for BatchEntry {
    fn default() -> Self {
        Self {
            bytes: Size::mebi(1),
            events: 5000,
            delay: Period::seconds(1),
        }
    }
}

/// From where on a new sink is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// All that the journal still has
    Oldest,
    /// What comes from now on
    Now,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all
    None,
    /// By gzip
    Gzip,
}

impl SinkEntry {
    /// Its type and options; `None` if it names no type, which no checked configuration does.
    #[must_use]
    pub fn kind(&self) -> Option<SinkKind<'_>> {
        let stdout = self.stdout.as_ref().map(SinkKind::Stdout);
        let file = self.file.as_ref().map(SinkKind::File);
        let webhook = self.webhook.as_ref().map(SinkKind::Webhook);
        let elastic = self.elasticsearch.as_ref().map(SinkKind::Elasticsearch);
        let splunk = self.splunk_hec.as_ref().map(SinkKind::SplunkHec);
        let loki = self.loki.as_ref().map(SinkKind::Loki);
        let otlp = self.otlp.as_ref().map(SinkKind::Otlp);
        let syslog = self.syslog.as_ref().map(SinkKind::Syslog);
        let clickhouse = self.clickhouse.as_ref().map(SinkKind::Clickhouse);
        let kafka = self.kafka.as_ref().map(SinkKind::Kafka);
        let alertmanager = self.alertmanager.as_ref().map(SinkKind::Alertmanager);
        let pagerduty = self.pagerduty.as_ref().map(SinkKind::Pagerduty);
        let slack = self.slack.as_ref().map(SinkKind::Slack);
        let far = stdout.or(file).or(webhook).or(elastic).or(splunk).or(loki);
        let far = far.or(otlp).or(syslog).or(clickhouse).or(kafka);
        far.or(alertmanager).or(pagerduty).or(slack)
    }

    /// Whether it tells people, who are told of findings.
    #[must_use]
    pub const fn tells_people(&self) -> bool {
        self.alertmanager.is_some() || self.pagerduty.is_some() || self.slack.is_some()
    }

    /// The kinds of events that go there.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        match &self.events {
            Some(events) => events.clone(),
            None if self.tells_people() => vec![Kind::Finding],
            None => vec![Kind::Exchange, Kind::Finding, Kind::Notice],
        }
    }

    /// In which words events go there.
    #[must_use]
    pub fn format(&self) -> Format {
        let usual = if self.elasticsearch.is_some() {
            Format::Ecs
        } else {
            Format::Eaves
        };
        self.format.unwrap_or(usual)
    }

    /// Whether a new sink is told of what was before it.
    #[must_use]
    pub fn from_oldest(&self) -> bool {
        match self.from {
            Some(from) => from == From::Oldest,
            None => !self.tells_people(),
        }
    }

    /// Which events go there; none is named if all do.
    #[must_use]
    pub fn filter(&self) -> Option<Filter> {
        // What is no filter does not pass the check.
        Filter::parse(self.r#where.as_ref()?).ok()
    }

    /// How its far end is spoken to.
    #[must_use]
    pub fn http(&self) -> HttpOptions {
        let usual = if self.otlp.is_some() {
            Compression::Gzip
        } else {
            Compression::None
        };
        HttpOptions {
            tls: self.tls.clone().unwrap_or_default(),
            proxy: self.proxy.clone(),
            auth: self.auth.clone(),
            gzip: self.compression.unwrap_or(usual) == Compression::Gzip,
            timeout: self
                .timeout
                .map_or(Duration::from_secs(30), |Period(timeout)| timeout),
        }
    }
}

/// A sink's type and options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind<'a> {
    /// To standard output.
    Stdout(&'a StdoutSink),
    /// To a file.
    File(&'a FileSink),
    /// To an HTTP endpoint.
    Webhook(&'a WebhookOptions),
    /// To Elasticsearch.
    Elasticsearch(&'a ElasticsearchOptions),
    /// To Splunk.
    SplunkHec(&'a SplunkHecOptions),
    /// To Loki.
    Loki(&'a LokiOptions),
    /// To an OpenTelemetry collector.
    Otlp(&'a OtlpOptions),
    /// To a syslog server.
    Syslog(&'a SyslogOptions),
    /// To ClickHouse.
    Clickhouse(&'a ClickhouseOptions),
    /// To Kafka.
    Kafka(&'a KafkaOptions),
    /// To Alertmanager.
    Alertmanager(&'a AlertmanagerOptions),
    /// To PagerDuty.
    Pagerduty(&'a PagerdutyOptions),
    /// To Slack.
    Slack(&'a SlackOptions),
}

/// Writes to standard output, one record a line. It has no options: `stdout: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutSink {}

/// Appends to a file, one record a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// The file. It is made if it is not there, readable by its owner and group; its folder must be
    /// there.
    #[schemars(extend("x-check" = "absolute_path"))]
    pub path: PathBuf,
    /// A file that has become so large is renamed to `PATH.1`, and a new one begun. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "64KiB", "x-max" = "1TiB"))]
    pub rotate_bytes: Option<Size>,
    /// A file that has become so old is renamed likewise. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1m", "x-max" = "366d"))]
    pub rotate_age: Option<Period>,
    /// How many renamed files are kept, `PATH.1` the newest. The oldest beyond is deleted.
    #[serde(default = "keep_by_default")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u32,
}

impl FileSink {
    /// As the sink takes it.
    #[must_use]
    pub fn options(&self, format: Format) -> FileOptions {
        FileOptions {
            format,
            path: self.path.clone(),
            rotate_bytes: self.rotate_bytes.map(Size::bytes),
            rotate_age: self.rotate_age.map(|Period(age)| age),
            keep: self.keep,
        }
    }
}

const fn keep_by_default() -> u32 {
    5
}

/// What is wrong with sinks that no single value shows: two that write to one place, words that the far
/// end does not take, and what only a journal makes possible.
pub(super) fn contradictions(
    sinks: &BTreeMap<String, SinkEntry>,
    journal: bool,
    found: &mut Vec<(Vec<String>, String)>,
) {
    let mut before: Vec<(&String, SinkKind<'_>)> = Vec::new();
    for (name, entry) in sinks {
        let Some(kind) = entry.kind() else { continue };
        let mut say = |key: &[&str], what: String| {
            let path = ["sinks", name].into_iter().chain(key.iter().copied());
            found.push((path.map(str::to_owned).collect(), what));
        };
        if entry.format == Some(Format::Combined) && entry.kinds() != [Kind::Exchange] {
            let what = "has a place for exchanges only; add events: [exchange]";
            say(&["format"], what.to_owned());
        }
        unfit(entry, kind, &mut say);
        if !journal && !matches!(kind, SinkKind::Stdout(_) | SinkKind::File(_)) {
            let what = "needs the journal, from which it is told again after a failure; add a section \
                        journal, or take stdout or file";
            say(&[], what.to_owned());
        }
        let twin = before.iter().find(|(_, other)| match (kind, other) {
            (SinkKind::Stdout(_), SinkKind::Stdout(_)) => true,
            (SinkKind::File(a), SinkKind::File(b)) => a.path == b.path,
            _ => false,
        });
        if let Some((other, _)) = twin {
            let (key, place): (&[&str], _) = match kind {
                SinkKind::File(_) => (&["file", "path"], "the same file"),
                _ => (&["stdout"], "standard output"),
            };
            let what = format!("writes to {place} as sinks.{other} does; one of them must go");
            say(key, what);
        }
        before.push((name, kind));
    }
}

/// Most bytes of a batch for Kafka: five batches of a producer are what a broker remembers of a partition.
const KAFKA_BATCH_MAX: Size = Size::mebi(4);

/// Keys of an entry that its type does nothing with: told, since who wrote them meant something.
fn unfit(entry: &SinkEntry, kind: SinkKind<'_>, say: &mut dyn FnMut(&[&str], String)) {
    let local = matches!(kind, SinkKind::Stdout(_) | SinkKind::File(_));
    let kafka = matches!(kind, SinkKind::Kafka(_));
    let http = !local && !kafka && !matches!(kind, SinkKind::Syslog(_));
    for (key, given, fits) in [
        ("tls", entry.tls.is_some(), !local),
        ("timeout", entry.timeout.is_some(), !local),
        ("auth", entry.auth.is_some(), http),
        ("proxy", entry.proxy.is_some(), http),
        ("compression", entry.compression.is_some(), http || kafka),
    ] {
        if given && !fits {
            say(&[key], "means nothing to a sink of this type".to_owned());
        }
    }
    if let SinkKind::Kafka(options) = kind {
        let tls = options.brokers.iter().filter_map(|text| kafka_broker(text));
        let mut tls: Vec<bool> = tls.map(|(tls, ..)| tls).collect();
        tls.dedup();
        if tls.len() > 1 {
            say(
                &["kafka", "brokers"],
                "are either all tls:// or all tcp://".to_owned(),
            );
        }
        let bytes = entry.batch.as_ref().map_or(0, |batch| batch.bytes.bytes());
        if bytes > KAFKA_BATCH_MAX.bytes() {
            let what = format!(
                "is more than {KAFKA_BATCH_MAX}, of which a broker still tells what comes twice"
            );
            say(&["batch", "bytes"], what);
        }
    }
    let json_only = matches!(
        kind,
        SinkKind::Webhook(_) | SinkKind::Elasticsearch(_) | SinkKind::Pagerduty(_)
    );
    if json_only && matches!(entry.format, Some(Format::Cef | Format::Combined)) {
        let what = "is not JSON, which is all that a sink of this type sends";
        say(&["format"], what.to_owned());
    }
    let findings_only = matches!(kind, SinkKind::Alertmanager(_) | SinkKind::Pagerduty(_));
    if findings_only && entry.kinds() != [Kind::Finding] {
        say(
            &["events"],
            "takes findings only; allowed: [finding]".to_owned(),
        );
    }
}
