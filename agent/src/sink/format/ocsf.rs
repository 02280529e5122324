//! Open Cybersecurity Schema Framework 1.8 (schema.ocsf.io): one JSON object an event.
//!
//! An exchange is HTTP Activity (4002), a finding Detection Finding (2004), and what the agent says of
//! itself Application Lifecycle (6002), of which `start` and `stop` are activities and the others are
//! named. What OCSF has no attribute for lies in `unmapped`, by the event's own names; so do times,
//! since OCSF counts in milliseconds.

use serde_json::{Value, json};

use super::event::{Event, Kind, Object, as_text, is_ip, milliseconds, named_fields};

/// Version of OCSF whose attributes these are.
const VERSION: &str = "1.8.0";

/// Fields of an exchange that go over as they are.
const EXCHANGE: &[(&str, &str)] = &[
    ("http.request.body_bytes", "http_request.body_length"),
    ("http.response.body_bytes", "http_response.body_length"),
    ("network.protocol.version", "http_request.version"),
    ("url.scheme", "http_request.url.scheme"),
    ("url.domain", "http_request.url.hostname"),
    ("url.port", "http_request.url.port"),
    ("url.path", "http_request.url.path"),
    ("url.query", "http_request.url.query_string"),
    ("user_agent.original", "http_request.user_agent"),
    ("client.port", "src_endpoint.port"),
    ("client.via", "src_endpoint.intermediate_ips"),
    ("client.geo.country", "src_endpoint.location.country"),
    ("client.as.number", "src_endpoint.autonomous_system.number"),
    ("client.as.name", "src_endpoint.autonomous_system.name"),
    ("peer.port", "proxy_endpoint.port"),
    ("server.port", "dst_endpoint.port"),
    ("tls.server_name", "tls.sni"),
    ("tls.cipher", "tls.cipher"),
    ("user.id", "actor.user.uid"),
    ("process.pid", "actor.process.pid"),
    ("process.name", "actor.process.name"),
    ("process.command_line", "actor.process.cmd_line"),
    ("process.user", "actor.process.user.name"),
    ("process.parent.pid", "actor.process.parent_process.pid"),
    ("process.parent.name", "actor.process.parent_process.name"),
    ("container.id", "actor.process.container.uid"),
    ("container.name", "actor.process.container.name"),
    ("container.image", "actor.process.container.image.uid"),
];

/// Fields of a finding that go over as they are.
const FINDING: &[(&str, &str)] = &[
    ("incident", "finding_info.uid"),
    ("title", "finding_info.title"),
    ("detector.id", "finding_info.analytic.uid"),
    ("detector.name", "finding_info.analytic.name"),
    ("advice", "remediation.desc"),
    ("count", "count"),
];

/// The event as OCSF has it.
pub(super) fn project(mut event: Event) -> Value {
    let mut out = Object::default();
    let message = event.message();
    match event.kind {
        Kind::Exchange => exchange(&mut event, &mut out),
        Kind::Finding => finding(&mut event, &mut out),
        Kind::Notice => notice(&mut event, &mut out),
    }
    out.put_some("time", event.text("time").and_then(milliseconds));
    out.put("message", message);
    out.put("metadata.version", VERSION);
    out.put("metadata.product.name", "Eaves");
    out.put("metadata.product.vendor_name", "Eaves");
    out.put("metadata.product.version", env!("CARGO_PKG_VERSION"));
    out.put_some("metadata.uid", event.take("id"));
    let mut profiles = vec!["host"];
    if out.has("proxy_endpoint") {
        profiles.push("network_proxy");
    }
    if out.has_at("actor.process.container") {
        profiles.push("container");
    }
    out.put("metadata.profiles", profiles);
    // The object asks for a name of the host.
    if let Some(host) = event.take("host.name") {
        out.put("device.type_id", 1);
        out.put("device.type", "Server");
        out.put("device.hostname", host);
        out.put_some("device.uid", event.take("host.id"));
    }
    out.put("unmapped", event.into_rest());
    out.into_value()
}

/// What class and activity the event is of, and what OCSF wants to be told of both.
fn class(out: &mut Object, class: (u64, u64, &str), activity: (u64, &str)) {
    let (category_uid, class_uid, class_name) = class;
    let (activity_id, activity_name) = activity;
    out.put("category_uid", category_uid);
    out.put("class_uid", class_uid);
    out.put("class_name", class_name);
    out.put("activity_id", activity_id);
    out.put("activity_name", activity_name);
    out.put("type_uid", class_uid * 100 + activity_id);
    out.put("type_name", format!("{class_name}: {activity_name}"));
}

fn exchange(event: &mut Event, out: &mut Object) {
    let method = event.text("http.request.method").unwrap_or_default();
    let activity = match method {
        "CONNECT" => (1, "Connect"),
        "DELETE" => (2, "Delete"),
        "GET" => (3, "Get"),
        "HEAD" => (4, "Head"),
        "OPTIONS" => (5, "Options"),
        "POST" => (6, "Post"),
        "PUT" => (7, "Put"),
        "TRACE" => (8, "Trace"),
        "PATCH" => (9, "Patch"),
        "" => (0, "Unknown"),
        other => (99, other),
    };
    class(out, (4, 4002, "HTTP Activity"), activity);
    if (1..99).contains(&activity.0) {
        out.put_some(
            "http_request.http_method",
            event.take("http.request.method"),
        );
    }
    out.put("severity_id", 1);
    out.put("severity", "Informational");
    if let Some(status) = event.take_number("http.response.status_code") {
        let (id, word) = if status < 400 {
            (1, "Success")
        } else {
            (2, "Failure")
        };
        out.put("status_id", id);
        out.put("status", word);
        out.put("status_code", status.to_string());
        out.put("http_response.code", status);
    }
    if let Some(duration) = event.number("duration_ns") {
        // The object asks for a code, without which the span stays where it was.
        if out.has("http_response") {
            out.put("http_response.latency", duration / 1_000_000);
        }
    }
    out.put_some("http_request.url.url_string", event.url());
    sizes(event, out);
    for (from, to) in [
        ("http.request.headers", "http_request.http_headers"),
        ("http.response.headers", "http_response.http_headers"),
    ] {
        if let Some(fields) = event.take(from) {
            out.put(to, named_fields(fields));
        }
    }
    endpoints(event, out);
    // The object asks for a version.
    if let Some(version) = event.take("tls.version") {
        out.put("tls.version", version);
        event.shift(
            &[("tls.server_name", "tls.sni"), ("tls.cipher", "tls.cipher")],
            out,
        );
    }
    let moves = EXCHANGE
        .iter()
        .filter(|(from, _)| !from.starts_with("tls."));
    event.shift(&moves.copied().collect::<Vec<_>>(), out);
    process(event, out);
    let cut = ["request", "response"]
        .iter()
        .any(|side| event.text(&format!("completeness.{side}")) == Some("truncated"));
    if cut {
        out.put("metadata.is_truncated", true);
    }
}

/// The ends of the connection, and the connection itself.
fn endpoints(event: &mut Event, out: &mut Object) {
    for (from, to) in [
        ("client.address", "src_endpoint"),
        ("peer.address", "proxy_endpoint"),
        ("server.address", "dst_endpoint"),
    ] {
        if let Some(address) = event.take_text(from) {
            // The path of a Unix socket is a name.
            let field = if is_ip(&address) { "ip" } else { "name" };
            out.put(&format!("{to}.{field}"), address);
        }
    }
    if let Some(Value::Array(place)) = event.get("client.geo.location")
        && let [lat, long] = place.as_slice()
    {
        let (lat, long) = (lat.clone(), long.clone());
        out.put("src_endpoint.location.lat", lat);
        out.put("src_endpoint.location.long", long);
        event.take("client.geo.location");
    }
    if let Some(transport) = event.text("network.transport")
        && transport == "tcp"
    {
        out.put("connection_info.protocol_name", transport);
        out.put("connection_info.protocol_num", 6);
    }
    let (direction, word) = match event.text("role") {
        Some("client") => (2, "Outbound"),
        _ => (1, "Inbound"),
    };
    out.put("connection_info.direction_id", direction);
    out.put("connection_info.direction", word);
    out.put_some("connection_info.uid", event.take("network.connection"));
}

/// What of the process does not go over as it is.
fn process(event: &mut Event, out: &mut Object) {
    if let Some(path) = event.take_text("process.executable") {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        out.put("actor.process.file.name", name);
        out.put("actor.process.file.path", path);
        out.put("actor.process.file.type_id", 1);
    }
    if let Some(started) = event.text("process.start").and_then(milliseconds) {
        out.put("actor.process.created_time", started);
    }
}

/// Bytes of head and body: of either message, and as traffic of the asking end.
fn sizes(event: &Event, out: &mut Object) {
    let length = |side: &str| {
        let head = event.number(&format!("http.{side}.header_bytes"))?;
        Some(head.saturating_add(event.number(&format!("http.{side}.body_bytes"))?))
    };
    let (asked, answered) = (length("request"), length("response"));
    out.put_some("http_request.length", asked);
    if out.has("http_response") {
        out.put_some("http_response.length", answered);
    }
    out.put_some("traffic.bytes_out", asked);
    out.put_some("traffic.bytes_in", answered);
}

fn finding(event: &mut Event, out: &mut Object) {
    let (activity, status) = match event.text("state") {
        Some("updated") => ((2, "Update"), (2, "In Progress")),
        Some("closed") => ((3, "Close"), (4, "Resolved")),
        _ => ((1, "Create"), (1, "New")),
    };
    class(out, (2, 2004, "Detection Finding"), activity);
    out.put("status_id", status.0);
    out.put("status", status.1);
    out.put("is_alert", true);
    severity(event, out);
    if let Some(confidence) = event.get("confidence").and_then(Value::as_f64) {
        out.put("confidence_score", (confidence * 100.0).round() as i64);
    }
    out.put("finding_info.analytic.type_id", 1);
    out.put("finding_info.analytic.type", "Rule");
    if let Some(version) = event.take_word("detector.version") {
        out.put("finding_info.analytic.version", version);
    }
    for (from, to) in [
        ("first_seen", "first_seen_time"),
        ("last_seen", "last_seen_time"),
    ] {
        let time = event.text(from).and_then(milliseconds);
        out.put_some(&format!("finding_info.{to}"), time);
    }
    let created = event.text("time").and_then(milliseconds);
    out.put_some("finding_info.created_time", created);
    let list = |event: &Event, path: &str| {
        let list = event.get(path).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let attacks: Vec<Value> = list(event, "attack").iter().map(attack).collect();
    if !attacks.is_empty() && list(event, "attack").iter().all(Value::is_string) {
        event.take("attack");
        out.put("finding_info.attacks", attacks);
    }
    let mut types = list(event, "owasp");
    let weaknesses = list(event, "cwe");
    types.extend(
        weaknesses
            .iter()
            .map(|number| Value::from(format!("CWE-{}", as_text(number)))),
    );
    if !types.is_empty() {
        out.put("finding_info.types", types);
    }
    let evidence = list(event, "evidence");
    let related: Vec<Value> = evidence
        .iter()
        .filter_map(|one| one.get("exchange"))
        .map(|id| json!({ "uid": id }))
        .collect();
    if !related.is_empty() {
        out.put("finding_info.related_events", related);
    }
    if !evidence.is_empty() {
        event.take("evidence");
        let artifacts: Vec<Value> = evidence
            .into_iter()
            .map(|one| artifact(event, one))
            .collect();
        out.put("evidences", artifacts);
    }
    event.shift(FINDING, out);
}

/// `T1110.001` as technique and sub-technique.
fn attack(id: &Value) -> Value {
    let id = as_text(id);
    match id.split_once('.') {
        Some((technique, _)) => json!({
            "technique": { "uid": technique },
            "sub_technique": { "uid": id },
        }),
        None => json!({ "technique": { "uid": id } }),
    }
}

/// One piece of evidence, whole, with who and where beside it.
fn artifact(event: &Event, evidence: Value) -> Value {
    let mut out = Object::default();
    if let Some(client) = event.text("actor.client").filter(|client| is_ip(client)) {
        out.put("src_endpoint.ip", client);
    }
    out.put_some("actor.user.uid", event.text("actor.user"));
    out.put_some("http_request.url.hostname", event.text("target.domain"));
    out.put_some("http_request.url.path", event.text("target.route"));
    out.put("data", evidence);
    out.into_value()
}

fn notice(event: &mut Event, out: &mut Object) {
    let name = event.take_text("name").unwrap_or_default();
    let activity = match name.as_str() {
        "start" => (3, "Start"),
        "stop" => (4, "Stop"),
        other => (99, other),
    };
    class(out, (6, 6002, "Application Lifecycle"), activity);
    severity(event, out);
    out.put("app.name", "Eaves");
    out.put("app.vendor_name", "Eaves");
    out.put("app.version", env!("CARGO_PKG_VERSION"));
}

fn severity(event: &mut Event, out: &mut Object) {
    let (id, word) = match event.take_text("severity").as_deref() {
        Some("info") => (1, "Informational"),
        Some("low") => (2, "Low"),
        Some("medium") => (3, "Medium"),
        Some("high") => (4, "High"),
        Some("critical") => (5, "Critical"),
        _ => (0, "Unknown"),
    };
    out.put("severity_id", id);
    out.put("severity", word);
}
