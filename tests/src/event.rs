//! The agent's JSON lines read back, as EVENTS.md fixes them: written apart from the agent's own
//! types, so that a change of the words shows.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One reported exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchange {
    /// `id`.
    pub id: String,
    /// `role`.
    pub role: String,
    /// `network.transport`.
    pub transport: String,
    /// `http.request.method`; empty if the request was not seen.
    pub method: String,
    /// `url.path` and `url.query` joined; empty if the request was not seen.
    pub target: String,
    /// `http.response.status_code`.
    pub status: Option<u16>,
    /// `http.request.body_bytes`.
    pub request_bytes: Option<u64>,
    /// `http.response.body_bytes`.
    pub response_bytes: Option<u64>,
    /// `client.port`.
    pub client_port: Option<u16>,
    /// `server.port`.
    pub server_port: Option<u16>,
    /// `server.address`: of a Unix socket, its path.
    pub server_address: String,
    /// `process.name`.
    pub process: String,
    /// `process.pid`.
    pub pid: u64,
    /// `completeness.request`.
    pub request_seen: String,
    /// `completeness.response`.
    pub response_seen: String,
    /// `completeness.missing_bytes`.
    pub missing_bytes: u64,
    /// `completeness.reasons`.
    pub reasons: Vec<String>,
    /// `anomalies`.
    pub anomalies: Vec<String>,
    /// Whether a later report of it follows.
    pub partial: bool,
    /// The whole event.
    pub value: Arc<Value>,
}

impl Exchange {
    /// Whether the request and the response were seen from first to last byte.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.request_seen == "whole" && self.response_seen == "whole"
    }

    /// The first value of a header field; `side` is `request` or `response`.
    #[must_use]
    pub fn header(&self, side: &str, name: &str) -> Option<&str> {
        let headers = self
            .value
            .pointer(&format!("/http/{side}/headers"))?
            .as_array()?;
        headers
            .iter()
            .find(|pair| pair.get(0).and_then(Value::as_str) == Some(name))
            .and_then(|pair| pair.get(1))
            .and_then(Value::as_str)
    }

    /// Text of a body as far as it was kept: `side` is `request` or `response`.
    #[must_use]
    pub fn body(&self, side: &str) -> Option<&str> {
        let body = self.value.pointer(&format!("/http/{side}/body"))?;
        match body.get("encoding").and_then(Value::as_str) {
            Some("text") => body.get("content")?.as_str(),
            _ => None,
        }
    }

    /// One line for a failure.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} {} {} {:?} body {:?}/{:?} client {:?} server {}:{:?} {}/{} missing {} {:?} {:?} {}",
            self.role,
            self.method,
            self.target,
            self.status,
            self.request_bytes,
            self.response_bytes,
            self.client_port,
            self.server_address,
            self.server_port,
            self.request_seen,
            self.response_seen,
            self.missing_bytes,
            self.reasons,
            self.anomalies,
            self.process,
        )
    }
}

/// One line of the agent's output.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `kind: exchange`.
    Exchange(Box<Exchange>),
    /// `kind: notice`, by its name.
    Notice(String, Value),
    /// `kind: finding`.
    Finding(Value),
}

/// Reads one line.
///
/// # Errors
/// It is not JSON, not of a known kind, or lacks what every event has.
pub fn parse(line: &str) -> Result<Event> {
    let value: Value =
        serde_json::from_str(line).with_context(|| format!("not JSON: {line:.300}"))?;
    if value.get("schema").and_then(Value::as_u64) != Some(1) {
        bail!("no schema 1: {line:.300}");
    }
    match value.get("kind").and_then(Value::as_str) {
        Some("exchange") => Ok(Event::Exchange(Box::new(exchange(value)?))),
        Some("notice") => {
            let name = string(&value, "/name").with_context(|| format!("no name: {line:.300}"))?;
            Ok(Event::Notice(name, value))
        }
        Some("finding") => Ok(Event::Finding(value)),
        kind => bail!("kind {kind:?}: {line:.300}"),
    }
}

/// Whether a line is of an exchange with a TCP server whose port `ours` does not own: told without
/// reading all of it, since a busy host writes many.
#[must_use]
pub fn is_foreign(line: &str, ours: impl Fn(u16) -> bool) -> bool {
    let server = line
        .split_once("\"server\":{")
        .and_then(|(_, rest)| rest.split_once('}'));
    let port = server.and_then(|(server, _)| server.split_once("\"port\":"));
    port.and_then(|(_, port)| port.parse().ok())
        .is_some_and(|port| !ours(port))
}

fn exchange(value: Value) -> Result<Exchange> {
    let need =
        |pointer: &str| string(&value, pointer).with_context(|| format!("no {pointer}: {value}"));
    let optional = |pointer: &str| string(&value, pointer).unwrap_or_default();
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64);
    let port = |pointer: &str| number(pointer).and_then(|port| u16::try_from(port).ok());
    let list = |pointer: &str| {
        let list = value.pointer(pointer).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let query = string(&value, "/url/query");
    let target =
        optional("/url/path") + &query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Exchange {
        id: need("/id")?,
        role: need("/role")?,
        transport: optional("/network/transport"),
        method: optional("/http/request/method"),
        target,
        status: port("/http/response/status_code"),
        request_bytes: number("/http/request/body_bytes"),
        response_bytes: number("/http/response/body_bytes"),
        client_port: port("/client/port"),
        server_port: port("/server/port"),
        server_address: optional("/server/address"),
        process: optional("/process/name"),
        pid: number("/process/pid").unwrap_or(0),
        request_seen: need("/completeness/request")?,
        response_seen: need("/completeness/response")?,
        missing_bytes: number("/completeness/missing_bytes").unwrap_or(0),
        reasons: list("/completeness/reasons"),
        anomalies: list("/anomalies"),
        partial: value
            .get("partial")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        value: Arc::new(value),
    })
}

fn string(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Event, is_foreign, parse};

    const EXCHANGE: &str = r#"{"kind":"exchange","schema":1,"id":"0193","time":"t","role":"server","network":{"transport":"tcp"},"client":{"address":"127.0.0.1","port":4},"server":{"address":"127.0.0.1","port":80},"url":{"path":"/a","query":"id=1"},"http":{"request":{"method":"GET","body_bytes":0},"response":{"status_code":200,"headers":[["x-id","1"]],"body_bytes":5,"body":{"encoding":"text","content":"hallo"}}},"process":{"pid":7,"name":"nginx"},"completeness":{"request":"whole","response":"truncated","reasons":["body_limit"]}}"#;

    #[test]
    fn an_exchange_is_read() {
        let Event::Exchange(read) = parse(EXCHANGE).unwrap() else {
            panic!("not an exchange")
        };
        assert_eq!((read.target.as_str(), read.status), ("/a?id=1", Some(200)));
        assert_eq!((read.client_port, read.response_bytes), (Some(4), Some(5)));
        assert_eq!(read.header("response", "x-id"), Some("1"));
        assert_eq!(read.body("response"), Some("hallo"));
        assert_eq!(read.reasons, ["body_limit"]);
        assert!(!read.is_whole());
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        assert!(parse("{}").is_err());
        assert!(parse(r#"{"kind":"exchange","schema":1}"#).is_err());
        assert!(parse(r#"{"kind":"other","schema":1}"#).is_err());
    }

    #[test]
    fn foreign_lines_are_known_by_the_port_of_their_server() {
        assert!(is_foreign(EXCHANGE, |port| port == 4));
        assert!(!is_foreign(EXCHANGE, |port| port == 80));
        assert!(!is_foreign(
            r#"{"kind":"notice","server":{"address":"/a"}}"#,
            |_| false
        ));
        assert!(!is_foreign("no event at all", |_| false));
    }
}
