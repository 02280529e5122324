//! Elastic Common Schema 9 (elastic.co/guide/en/ecs): one JSON document an event.
//!
//! What ECS has no field for lies under `eaves`, by the event's own names.

use serde_json::{Value, json};

use super::event::{Event, Kind, Object, as_text, is_ip, named_fields};

/// Version of ECS whose fields these are.
const VERSION: &str = "9.0.0";

/// What all events have.
const COMMON: &[(&str, &str)] = &[
    ("id", "event.id"),
    ("host.name", "host.name"),
    ("host.id", "host.id"),
];

/// Fields of an exchange that go over as they are.
const EXCHANGE: &[(&str, &str)] = &[
    ("duration_ns", "event.duration"),
    ("network.transport", "network.transport"),
    ("network.protocol.name", "network.protocol"),
    ("network.protocol.version", "http.version"),
    ("client.port", "client.port"),
    ("client.geo.country", "client.geo.country_iso_code"),
    ("client.as.number", "client.as.number"),
    ("client.as.name", "client.as.organization.name"),
    ("peer.port", "source.port"),
    ("server.port", "destination.port"),
    ("tls.server_name", "tls.client.server_name"),
    ("tls.cipher", "tls.cipher"),
    ("tls.next_protocol", "tls.next_protocol"),
    ("url.scheme", "url.scheme"),
    ("url.domain", "url.domain"),
    ("url.port", "url.port"),
    ("url.path", "url.path"),
    ("url.query", "url.query"),
    ("http.route", "labels.route"),
    ("http.request.method", "http.request.method"),
    ("http.request.body_bytes", "http.request.body.bytes"),
    ("http.request.body.media_type", "http.request.mime_type"),
    ("http.response.status_code", "http.response.status_code"),
    ("http.response.body_bytes", "http.response.body.bytes"),
    ("http.response.body.media_type", "http.response.mime_type"),
    ("user.id", "user.id"),
    ("user_agent.original", "user_agent.original"),
    ("user_agent.name", "user_agent.name"),
    ("user_agent.version", "user_agent.version"),
    ("user_agent.os", "user_agent.os.full"),
    ("process.pid", "process.pid"),
    ("process.name", "process.name"),
    ("process.executable", "process.executable"),
    ("process.command_line", "process.command_line"),
    ("process.start", "process.start"),
    ("process.user", "process.user.name"),
    ("process.parent.pid", "process.parent.pid"),
    ("process.parent.name", "process.parent.name"),
    ("container.id", "container.id"),
    ("container.name", "container.name"),
    ("container.image", "container.image.name"),
    ("kubernetes.namespace", "orchestrator.namespace"),
    ("kubernetes.pod", "orchestrator.resource.name"),
];

/// Fields of a finding that go over as they are.
const FINDING: &[(&str, &str)] = &[
    ("first_seen", "event.start"),
    ("last_seen", "event.end"),
    ("detector.id", "rule.id"),
    ("detector.name", "rule.name"),
    ("actor.user", "user.id"),
    ("target.domain", "url.domain"),
    ("target.route", "labels.route"),
    ("target.method", "http.request.method"),
    ("target.process", "process.name"),
];

/// The event as ECS has it.
pub(super) fn project(mut event: Event) -> Value {
    let mut out = Object::default();
    let message = event.message();
    if let Some(time) = event.take("time") {
        out.put("@timestamp", time.clone());
        if event.kind == Kind::Exchange {
            out.put("event.start", time);
        } else {
            out.put("event.created", time);
        }
    }
    out.put("message", message);
    out.put("ecs.version", VERSION);
    out.put("event.module", "eaves");
    out.put("event.provider", "eaves");
    event.shift(COMMON, &mut out);
    match event.kind {
        Kind::Exchange => exchange(&mut event, &mut out),
        Kind::Finding => finding(&mut event, &mut out),
        Kind::Notice => notice(&mut event, &mut out),
    }
    out.put("eaves", event.into_rest());
    out.into_value()
}

fn exchange(event: &mut Event, out: &mut Object) {
    out.put("event.kind", "event");
    out.put("event.category", json!(["web", "network"]));
    out.put("event.type", json!(["access"]));
    out.put("event.dataset", "eaves.exchange");
    out.put("event.action", "http-request");
    let outcome = match event.number("http.response.status_code") {
        Some(status) if status < 400 => "success",
        Some(_) => "failure",
        None => "unknown",
    };
    out.put("event.outcome", outcome);
    let direction = match event.text("role") {
        Some("client") => "egress",
        _ => "ingress",
    };
    out.put("network.direction", direction);
    out.put_some("url.full", event.url());
    let original = event.take_text("url.original").or_else(|| target(event));
    out.put_some("url.original", original);
    let mut ips = Vec::new();
    for (from, to) in [
        ("client.address", "client"),
        ("peer.address", "source"),
        ("server.address", "destination"),
    ] {
        if let Some(address) = event.take_text(from) {
            put_address(to, address, &mut ips, out);
        }
    }
    if !ips.is_empty() {
        out.put("related.ip", ips);
    }
    out.put_some(
        "related.user",
        event.text("user.id").map(|user| json!([user])),
    );
    if let Some(Value::Array(place)) = event.get("client.geo.location")
        && let [lat, lon] = place.as_slice()
    {
        let point = json!({ "lat": lat, "lon": lon });
        out.put("client.geo.location", point);
        event.take("client.geo.location");
    }
    if let Some(version) = event.take("tls.version") {
        out.put("tls.version", version);
        out.put("tls.version_protocol", "tls");
    }
    for side in ["request", "response"] {
        message(event, side, out);
    }
    event.shift(EXCHANGE, out);
}

/// The target as it was sent, as far as path and query tell.
fn target(event: &Event) -> Option<String> {
    let path = event.text("url.path")?;
    Some(match event.text("url.query") {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

fn put_address(to: &str, address: String, ips: &mut Vec<Value>, out: &mut Object) {
    if is_ip(&address) {
        out.put(&format!("{to}.ip"), address.clone());
        let ip = Value::from(address.clone());
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    out.put(&format!("{to}.address"), address);
}

/// Sizes and content of one side's message.
fn message(event: &mut Event, side: &str, out: &mut Object) {
    let at = |name: &str| format!("http.{side}.{name}");
    let head = event.number(&at("header_bytes"));
    let body = event.number(&at("body_bytes"));
    if let (Some(head), Some(body)) = (head, body) {
        out.put(&at("bytes"), head.saturating_add(body));
    }
    if event.text(&at("body.encoding")) == Some("text")
        && let Some(content) = event.take(&at("body.content"))
    {
        out.put(&at("body.content"), content);
    }
    // Names of fields are anybody's choice: as keys they would be a mapping without end.
    for fields in ["headers", "trailers"] {
        event.amend(&at(fields), named_fields);
    }
}

fn finding(event: &mut Event, out: &mut Object) {
    out.put("event.kind", "alert");
    out.put("event.category", json!(["intrusion_detection", "web"]));
    out.put("event.type", json!(["info"]));
    out.put("event.dataset", "eaves.finding");
    severity(event, out);
    if let Some(confidence) = event.get("confidence").and_then(Value::as_f64) {
        out.put("event.risk_score", (confidence * 100.0).round());
    }
    if let Some(version) = event.take_word("detector.version") {
        out.put("rule.version", version);
    }
    event.shift(FINDING, out);
    event.take_text("title");
    let client = event.text("actor.client").map(str::to_owned);
    if let Some(client) = client.filter(|client| is_ip(client)) {
        out.put("client.ip", client.clone());
        out.put("source.ip", client.clone());
        out.put("related.ip", json!([client]));
    }
    if let Some(attack) = event.take("attack") {
        out.put("threat.framework", "MITRE ATT&CK");
        out.put("threat.technique.id", attack);
    }
    let words = |path: &str| {
        let list = event.get(path).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let mut tags = words("owasp");
    let weaknesses = words("cwe");
    tags.extend(
        weaknesses
            .iter()
            .map(|number| Value::from(format!("CWE-{}", as_text(number)))),
    );
    if !tags.is_empty() {
        out.put("tags", tags);
    }
}

fn notice(event: &mut Event, out: &mut Object) {
    out.put("event.kind", "event");
    out.put("event.category", json!(["host"]));
    out.put("event.type", json!(["info"]));
    out.put("event.dataset", "eaves.notice");
    severity(event, out);
    out.put_some("event.action", event.take("name"));
}

/// The word as number too: those that Elastic's own rules use for their four words.
fn severity(event: &Event, out: &mut Object) {
    let number = match event.text("severity") {
        Some("info") => 1,
        Some("low") => 21,
        Some("medium") => 47,
        Some("high") => 73,
        Some("critical") => 99,
        _ => return,
    };
    out.put("event.severity", number);
    out.put_some("log.level", event.text("severity"));
}
