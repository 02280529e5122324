//! Exchanges as an HTTP archive (HAR 1.2), as browsers and proxies read it.
//!
//! Of a timing that is not known the archive says -1; of a body that was not kept, its size only.
//! What HAR has no place for stands under names that begin with `_`.

use serde_json::{Map, Value, json};

/// Writes an archive, entry by entry.
#[derive(Debug, Default)]
pub struct Har {
    entries: u64,
}

impl Har {
    /// Appends what comes before the first entry.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let version = env!("CARGO_PKG_VERSION");
        let creator = json!({ "name": "eaves", "version": version });
        let start = format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[");
        out.extend_from_slice(start.as_bytes());
    }

    /// Appends the entry of one exchange. Other records have no place in an archive.
    pub fn entry(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        if at(&event, "/kind") != "exchange" {
            return;
        }
        out.extend_from_slice(if self.entries == 0 { b"\n" } else { b",\n" });
        self.entries += 1;
        out.extend_from_slice(entry(&event).to_string().as_bytes());
    }

    /// Appends what comes behind the last entry.
    pub fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n]}}\n");
    }
}

const UNKNOWN: i64 = -1;

/// What is at `path` (RFC 6901) below `value`; null if there is nothing.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn entry(event: &Value) -> Value {
    let ms = |ns: &Value| ns.as_f64().map(|ns| ns / 1e6);
    let (whole, first) = (
        ms(at(event, "/duration_ns")),
        ms(at(event, "/time_to_first_byte_ns")),
    );
    let receive = whole
        .zip(first)
        .map(|(whole, first)| (whole - first).max(0.0));
    let or_unknown = |known: Option<f64>| known.map_or(json!(UNKNOWN), Value::from);
    let mut entry = json!({
        "startedDateTime": at(event, "/time"),
        "time": or_unknown(whole),
        "request": request(event),
        "response": response(event),
        "cache": {},
        "timings": {
            "blocked": UNKNOWN,
            "dns": UNKNOWN,
            "connect": UNKNOWN,
            "ssl": UNKNOWN,
            "send": UNKNOWN,
            "wait": or_unknown(first),
            "receive": or_unknown(receive),
        },
        "connection": at(event, "/network/connection"),
        "_id": at(event, "/id"),
    });
    if let Some(entry) = entry.as_object_mut() {
        let server = at(event, "/server/address").as_str();
        // The archive wants an IP address there.
        if let Some(server) = server.filter(|server| server.parse::<std::net::IpAddr>().is_ok()) {
            entry.insert("serverIPAddress".to_owned(), server.into());
        }
        for (name, value) in [
            ("_client", at(event, "/client/address")),
            ("_user", at(event, "/user/id")),
            ("_process", at(event, "/process/name")),
            ("_completeness", at(event, "/completeness")),
            ("_anomalies", at(event, "/anomalies")),
        ] {
            if !value.is_null() {
                entry.insert(name.to_owned(), value.clone());
            }
        }
    }
    entry
}

fn request(event: &Value) -> Value {
    let request = at(event, "/http/request");
    let cookies = fields(request, "cookie").flat_map(|value| value.split(';'));
    let mut archived = json!({
        "method": text(at(request, "/method")),
        "url": url(event),
        "httpVersion": version(event),
        "cookies": cookies.filter_map(pair).collect::<Vec<_>>(),
        "headers": named(at(request, "/headers")),
        "queryString": text(at(event, "/url/query"))
            .split('&')
            .filter_map(pair)
            .collect::<Vec<_>>(),
        "headersSize": number(at(request, "/header_bytes")),
        "bodySize": number(at(request, "/body_bytes")),
    });
    let body = at(request, "/body");
    if let (Some(archived), Some(content)) =
        (archived.as_object_mut(), at(body, "/content").as_str())
    {
        let mut data = json!({
            "mimeType": text(at(body, "/media_type")),
            "params": [],
            "text": content,
        });
        encoding(body, &mut data, "_encoding");
        archived.insert("postData".to_owned(), data);
    }
    archived
}

fn response(event: &Value) -> Value {
    let response = at(event, "/http/response");
    // What follows the first semicolon says how the cookie is kept.
    let cookies = fields(response, "set-cookie").filter_map(|value| value.split(';').next());
    let body = at(response, "/body");
    let mut content = json!({
        "size": number(at(response, "/body_bytes")),
        "mimeType": text(at(body, "/media_type")),
    });
    if let (Some(archived), Some(text)) = (content.as_object_mut(), at(body, "/content").as_str()) {
        archived.insert("text".to_owned(), text.into());
        encoding(body, &mut content, "encoding");
    }
    json!({
        // An answer that never came is written as browsers write it.
        "status": at(response, "/status_code").as_u64().unwrap_or(0),
        "statusText": "",
        "httpVersion": version(event),
        "cookies": cookies.filter_map(pair).collect::<Vec<_>>(),
        "headers": named(at(response, "/headers")),
        "content": content,
        "redirectURL": fields(response, "location").next().unwrap_or_default(),
        "headersSize": number(at(response, "/header_bytes")),
        "bodySize": number(at(response, "/body_bytes")),
    })
}

/// Says of a body that is no text how it is written.
fn encoding(body: &Value, data: &mut Value, name: &str) {
    if let (Some(data), Some("base64")) = (data.as_object_mut(), at(body, "/encoding").as_str()) {
        data.insert(name.to_owned(), "base64".into());
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> Value {
    if value.is_number() {
        value.clone()
    } else {
        json!(UNKNOWN)
    }
}

fn version(event: &Value) -> String {
    match at(event, "/network/protocol/version").as_str() {
        Some(version) => format!("HTTP/{version}"),
        None => "unknown".to_owned(),
    }
}

/// The whole address that was asked for. Where no host was named it is the server's.
fn url(event: &Value) -> String {
    let url = at(event, "/url");
    let scheme = at(url, "/scheme").as_str().unwrap_or("http");
    let server = text(at(event, "/server/address"));
    let host = match at(url, "/domain").as_str() {
        Some(domain) => domain.to_owned(),
        None if server.contains(':') => format!("[{server}]"),
        None => server.to_owned(),
    };
    let port = at(url, "/port").as_u64().map(|port| format!(":{port}"));
    let query = at(url, "/query").as_str().map(|query| format!("?{query}"));
    let (port, query) = (port.unwrap_or_default(), query.unwrap_or_default());
    format!("{scheme}://{host}{port}{}{query}", text(at(url, "/path")))
}

/// Values of the header fields `name`.
fn fields<'v>(message: &'v Value, name: &'v str) -> impl Iterator<Item = &'v str> {
    let pairs = at(message, "/headers").as_array().into_iter().flatten();
    pairs
        .filter(move |pair| at(pair, "/0") == name)
        .filter_map(|pair| at(pair, "/1").as_str())
}

fn named(headers: &Value) -> Vec<Value> {
    let pairs = headers.as_array().into_iter().flatten();
    pairs
        .map(|pair| json!({ "name": at(pair, "/0"), "value": at(pair, "/1") }))
        .collect()
}

/// `name=value`, as the archive has pairs.
fn pair(text: &str) -> Option<Value> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let mut pair = Map::new();
    pair.insert("name".to_owned(), name.trim().into());
    pair.insert("value".to_owned(), value.trim().into());
    (!name.trim().is_empty()).then_some(Value::Object(pair))
}

#[cfg(test)]
mod tests {
    use super::Har;
    use serde_json::{Value, json};

    fn archived(lines: &[Value]) -> Value {
        let mut har = Har::default();
        let mut out = Vec::new();
        har.begin(&mut out);
        for line in lines {
            har.entry(line.to_string().as_bytes(), &mut out);
        }
        har.end(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[track_caller]
    fn check(line: Value, at: &str, expected: Value) {
        let archive = archived(&[line]);
        let entry = &archive["log"]["entries"][0];
        assert_eq!(entry.pointer(at), Some(&expected), "{at} of {entry}");
    }

    fn exchange() -> Value {
        json!({
            "kind": "exchange", "id": "0193", "time": "2026-11-21T06:02:11.000000000Z",
            "duration_ns": 3_500_000, "time_to_first_byte_ns": 1_500_000,
            "network": { "protocol": { "name": "http", "version": "1.1" }, "connection": "c1" },
            "client": { "address": "203.0.113.7" }, "server": { "address": "10.0.0.5", "port": 8080 },
            "url": { "domain": "a.example", "port": 8080, "path": "/p", "query": "x=1&y" },
            "http": {
                "request": {
                    "method": "POST", "header_bytes": 90, "body_bytes": 3,
                    "headers": [["host", "a.example:8080"], ["cookie", "s=5; t=a=b"]],
                    "body": { "content": "a=1", "encoding": "text", "captured_bytes": 3, "media_type": "text/plain" },
                },
                "response": {
                    "status_code": 302, "header_bytes": 70, "body_bytes": 4,
                    "headers": [["location", "/q"], ["set-cookie", "u=7; Path=/"]],
                    "body": { "content": "//79/A==", "encoding": "base64", "captured_bytes": 4 },
                },
            },
        })
    }

    #[test]
    fn an_exchange_becomes_an_entry() {
        check(
            exchange(),
            "/startedDateTime",
            json!("2026-11-21T06:02:11.000000000Z"),
        );
        check(exchange(), "/time", json!(3.5));
        check(exchange(), "/timings/wait", json!(1.5));
        check(exchange(), "/timings/receive", json!(2.0));
        check(
            exchange(),
            "/request/url",
            json!("http://a.example:8080/p?x=1&y"),
        );
        check(exchange(), "/request/httpVersion", json!("HTTP/1.1"));
        check(
            exchange(),
            "/request/cookies/1",
            json!({ "name": "t", "value": "a=b" }),
        );
        check(
            exchange(),
            "/request/queryString/1",
            json!({ "name": "y", "value": "" }),
        );
        check(
            exchange(),
            "/request/headers/0",
            json!({ "name": "host", "value": "a.example:8080" }),
        );
        check(exchange(), "/request/postData/text", json!("a=1"));
        check(exchange(), "/response/status", json!(302));
        check(exchange(), "/response/redirectURL", json!("/q"));
        check(
            exchange(),
            "/response/cookies/0",
            json!({ "name": "u", "value": "7" }),
        );
        check(exchange(), "/serverIPAddress", json!("10.0.0.5"));
    }

    #[test]
    fn bodies_that_are_no_text_are_base64() {
        check(exchange(), "/response/content/encoding", json!("base64"));
        check(exchange(), "/response/content/text", json!("//79/A=="));
        check(exchange(), "/response/content/size", json!(4));
    }

    #[test]
    fn what_is_not_known_is_said_to_be() {
        let bare = || json!({ "kind": "exchange", "time": "2026-11-21T06:02:11Z", "server": { "address": "::1" }, "http": {} });
        check(bare(), "/time", json!(-1));
        check(bare(), "/timings/dns", json!(-1));
        check(bare(), "/timings/receive", json!(-1));
        check(bare(), "/request/bodySize", json!(-1));
        check(bare(), "/request/url", json!("http://[::1]"));
        check(bare(), "/response/status", json!(0));
        check(bare(), "/response/content/size", json!(-1));
    }

    #[test]
    fn an_archive_holds_exchanges_alone() {
        let archive = archived(&[exchange(), json!({ "kind": "notice" }), exchange()]);
        assert_eq!(archive["log"]["version"], "1.2");
        assert_eq!(archive["log"]["entries"].as_array().unwrap().len(), 2);
        assert_eq!(archived(&[])["log"]["entries"], json!([]));
    }
}
