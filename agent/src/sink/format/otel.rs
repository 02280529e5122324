//! OpenTelemetry log records (semantic conventions 1.44), as OTLP JSON: one `LogsData` a line, which is
//! what the file receiver of a collector reads. The sink `otlp` sends the same records as protobuf.
//!
//! HTTP attributes are the stable ones. What the conventions have no attribute for is an attribute
//! `eaves.` with the event's own name; lists of objects stay structured values.

use serde_json::{Map, Value, json};

use super::FormatError;
use super::event::{Event, Kind, Object};

/// One log record, as OTLP divides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct LogRecord {
    /// Nanoseconds since 1970; 0 if not known.
    pub(in super::super) time_unix_nano: u64,
    /// 1–24; 0 if the event has none.
    pub(in super::super) severity_number: u32,
    /// The event's own word.
    pub(in super::super) severity_text: String,
    /// What the event is called.
    pub(in super::super) event_name: &'static str,
    /// One line for a person.
    pub(in super::super) body: String,
    /// Names and values.
    pub(in super::super) attributes: Map<String, Value>,
    /// What it is about, as names and values: host, process, container.
    pub(in super::super) resource: Map<String, Value>,
}

/// Methods that `http.request.method` may name.
const METHODS: &[&str] = &[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];

/// What the record is about.
const RESOURCE: &[(&str, &str)] = &[
    ("host.name", "host.name"),
    ("host.id", "host.id"),
    ("process.pid", "process.pid"),
    ("process.executable", "process.executable.path"),
    ("process.name", "process.executable.name"),
    ("process.command_line", "process.command_line"),
    ("process.user", "process.owner"),
    ("process.start", "process.creation.time"),
    ("process.parent.pid", "process.parent_pid"),
    ("container.id", "container.id"),
    ("container.name", "container.name"),
    ("container.image", "container.image.name"),
    ("kubernetes.namespace", "k8s.namespace.name"),
    ("kubernetes.pod", "k8s.pod.name"),
];

/// Fields of an exchange that go over as they are.
const EXCHANGE: &[(&str, &str)] = &[
    ("http.response.status_code", "http.response.status_code"),
    ("http.route", "http.route"),
    ("http.request.body_bytes", "http.request.body.size"),
    ("http.response.body_bytes", "http.response.body.size"),
    ("url.scheme", "url.scheme"),
    ("url.path", "url.path"),
    ("url.query", "url.query"),
    ("client.address", "client.address"),
    ("client.port", "client.port"),
    ("peer.address", "network.peer.address"),
    ("peer.port", "network.peer.port"),
    ("server.address", "network.local.address"),
    ("server.port", "network.local.port"),
    ("network.transport", "network.transport"),
    ("network.protocol.name", "network.protocol.name"),
    ("network.protocol.version", "network.protocol.version"),
    ("tls.version", "tls.protocol.version"),
    ("tls.server_name", "tls.client.server_name"),
    ("tls.cipher", "tls.cipher"),
    ("tls.next_protocol", "tls.next_protocol"),
    ("user.id", "enduser.id"),
    ("user_agent.original", "user_agent.original"),
    ("user_agent.name", "user_agent.name"),
    ("user_agent.version", "user_agent.version"),
    ("user_agent.os", "user_agent.os.name"),
];

/// Fields of a finding that go over as they are.
const FINDING: &[(&str, &str)] = &[
    ("detector.name", "security_rule.name"),
    ("actor.user", "enduser.id"),
    ("actor.client", "client.address"),
    ("target.domain", "server.address"),
    ("target.route", "http.route"),
];

/// `line` as a log record.
///
/// # Errors
/// [`FormatError`] if it is no event.
pub(in super::super) fn log_record(line: &[u8]) -> Result<LogRecord, FormatError> {
    Ok(record(Event::parse(line)?))
}

/// The event as a log record.
pub(super) fn record(mut event: Event) -> LogRecord {
    let mut attributes = Flat::default();
    let mut resource = Flat::default();
    resource.put("service.name", "eaves");
    let body = event.message();
    let time_unix_nano = event.time_ns("time").unwrap_or_default();
    if time_unix_nano > 0 {
        event.take("time");
    }
    attributes.put_some("log.record.uid", event.take("id"));
    for (from, to) in RESOURCE {
        resource.put_some(to, event.take(from));
    }
    let event_name = match event.kind {
        Kind::Exchange => exchange(&mut event, &mut attributes),
        Kind::Finding => finding(&mut event, &mut attributes),
        Kind::Notice => {
            attributes.put_some("eaves.notice", event.take("name"));
            "eaves.notice"
        }
    };
    let severity_text = event.take_text("severity").unwrap_or_default();
    let severity_number = match severity_text.as_str() {
        "low" => 13,
        "medium" => 14,
        "high" => 17,
        "critical" => 21,
        _ => 9,
    };
    attributes.rest("eaves", Value::Object(event.into_rest()));
    LogRecord {
        time_unix_nano,
        severity_number,
        severity_text,
        event_name,
        body,
        attributes: attributes.0,
        resource: resource.0,
    }
}

fn exchange(event: &mut Event, to: &mut Flat) -> &'static str {
    let server = event.text("role") != Some("client");
    if let Some(method) = event.take_text("http.request.method") {
        if METHODS.contains(&method.as_str()) {
            to.put("http.request.method", method);
        } else {
            to.put("http.request.method", "_OTHER");
            to.put("http.request.method_original", method);
        }
    }
    // For who serves, what the client did wrong is no error (HTTP spans, `error.type`).
    let error_from = if server { 500 } else { 400 };
    let status = event.number("http.response.status_code");
    if let Some(status) = status.filter(|status| *status >= error_from) {
        to.put("error.type", status.to_string());
    }
    match event.take("url.domain") {
        Some(domain) => {
            to.put("server.address", domain);
            let port = event.take("url.port");
            let port = port.or_else(|| event.get("server.port").cloned());
            to.put_some("server.port", port);
        }
        None => {
            to.put_some("server.address", event.get("server.address").cloned());
            to.put_some("server.port", event.get("server.port").cloned());
        }
    }
    if !server {
        to.put_some("url.full", event.url().map(Value::from));
        // The other end is then the peer, and this host's end the local one.
        let here = event
            .take("client.address")
            .or_else(|| event.take("peer.address"));
        to.put_some("network.local.address", here);
        to.put_some("network.local.port", event.take("client.port"));
        to.put_some("network.peer.address", event.take("server.address"));
        to.put_some("network.peer.port", event.take("server.port"));
    }
    for side in ["request", "response"] {
        let from = format!("http.{side}.headers");
        if let Some(Value::Array(fields)) = event.get(&from) {
            to.headers(side, fields);
            event.take(&from);
        }
        let body = format!("http.{side}.body");
        if event.text(&format!("{body}.encoding")) == Some("text") {
            let content = event.take(&format!("{body}.content"));
            to.put_some(&format!("{body}.content"), content);
        }
    }
    for (from, name) in EXCHANGE {
        to.put_some(name, event.take(from));
    }
    if server {
        "http.server.request"
    } else {
        "http.client.request"
    }
}

fn finding(event: &mut Event, to: &mut Flat) -> &'static str {
    event.take_text("title");
    for (from, name) in FINDING {
        to.put_some(name, event.take(from));
    }
    if let Some(version) = event.take_word("detector.version") {
        to.put("security_rule.version", version);
    }
    match event.take_text("target.method") {
        Some(method) if METHODS.contains(&method.as_str()) => to.put("http.request.method", method),
        Some(method) => {
            to.put("http.request.method", "_OTHER");
            to.put("http.request.method_original", method);
        }
        None => {}
    }
    "security.finding"
}

/// Attributes: names that hold dots, no objects in each other.
#[derive(Default)]
struct Flat(Map<String, Value>);

impl Flat {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn put_some(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Header fields as lists by name, and what is none as it is.
    fn headers(&mut self, side: &str, fields: &[Value]) {
        for field in fields {
            let pair = field.as_array().map(Vec::as_slice);
            let (name, value) = match pair {
                Some([Value::String(name), value]) => (name.as_str(), value),
                _ => ("", field),
            };
            let list = self
                .0
                .entry(format!("http.{side}.header.{name}"))
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(value.clone());
            }
        }
    }

    /// What is left of the event: objects become dots in the names.
    fn rest(&mut self, name: &str, value: Value) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, below) in map {
                    self.rest(&format!("{name}.{key}"), below);
                }
            }
            Value::Object(_) => {}
            other => self.put(name, other),
        }
    }
}

/// The event as OTLP JSON (opentelemetry-proto, `docs/specification.md`, "JSON Protobuf Encoding").
pub(super) fn project(event: Event) -> Value {
    let record = record(event);
    let mut log = Object::default();
    // 64-bit numbers are texts there.
    log.put("timeUnixNano", record.time_unix_nano.to_string());
    log.put("observedTimeUnixNano", record.time_unix_nano.to_string());
    log.put("severityNumber", record.severity_number);
    if !record.severity_text.is_empty() {
        log.put("severityText", record.severity_text);
    }
    log.put("eventName", record.event_name);
    log.put("body", json!({ "stringValue": record.body }));
    log.put("attributes", key_values(record.attributes));
    json!({ "resourceLogs": [ {
        "resource": { "attributes": key_values(record.resource) },
        "scopeLogs": [ {
            "scope": { "name": "eaves", "version": env!("CARGO_PKG_VERSION") },
            "logRecords": [ log.into_value() ],
        } ],
    } ] })
}

fn key_values(map: Map<String, Value>) -> Value {
    let pairs = map
        .into_iter()
        .map(|(key, value)| json!({ "key": key, "value": any_value(value) }));
    Value::Array(pairs.collect())
}

/// A value as `AnyValue` in OTLP JSON.
fn any_value(value: Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => json!({ "intValue": whole.to_string() }),
            // Beyond 63 bits, where a floating point number would be another number.
            None if number.is_u64() => json!({ "stringValue": number.to_string() }),
            None => json!({ "doubleValue": number.as_f64() }),
        },
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(items) => {
            let values: Vec<Value> = items.into_iter().map(any_value).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Value::Object(map) => json!({ "kvlistValue": { "values": key_values(map) } }),
    }
}
