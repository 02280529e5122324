//! `har`: an HTTP archive (HAR 1.2), as browsers and `eaves query --har` write it.

use serde::Deserialize;
use serde_json::Value;

use super::requests::fields;
use super::{Recorded, Row, RowError};
use crate::base64;
use crate::event::parse_stamp;

#[derive(Deserialize)]
#[serde(expecting = "an HTTP archive: an object that has a `log`")]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    time: Option<f64>,
    request: Request,
    response: Option<Response>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    headers: Option<Value>,
    post_data: Option<Text>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    headers: Option<Value>,
    content: Option<Text>,
}

#[derive(Deserialize)]
struct Text {
    text: Option<String>,
    encoding: Option<String>,
}

impl Text {
    /// What was written down.
    fn bytes(self) -> Vec<u8> {
        match self.encoding.as_deref() {
            Some("base64") => {
                base64::decode(self.text.as_deref().unwrap_or_default()).unwrap_or_default()
            }
            _ => self.text.unwrap_or_default().into_bytes(),
        }
    }
}

/// Reads a whole archive.
///
/// # Errors
/// [`RowError`] if it is none.
pub fn har(archive: &[u8]) -> Result<Vec<Row>, RowError> {
    let archive: Archive = serde_json::from_slice(archive)?;
    let rows = archive.log.entries.into_iter().zip(1..);
    Ok(rows.map(|(entry, number)| row(entry, number)).collect())
}

fn row(entry: Entry, number: u64) -> Row {
    let Entry {
        started_date_time,
        time,
        request,
        response,
    } = entry;
    let (reply_fields, reply, status) = match response {
        // A request without answer has the status 0 there.
        Some(response) if response.status > 0 => (
            fields(response.headers),
            response.content.map(Text::bytes).unwrap_or_default(),
            Some(response.status),
        ),
        _ => (Vec::new(), Vec::new(), None),
    };
    let mut fields = fields(request.headers);
    let named = |(name, _): &(Vec<u8>, Vec<u8>)| {
        name.eq_ignore_ascii_case(b"host") || name == b":authority"
    };
    if let Some(host) = host(&request.url).filter(|_| !fields.iter().any(named)) {
        fields.push((b"host".to_vec(), host.as_bytes().to_vec()));
    }
    Recorded {
        id: Some(number.to_string()),
        time: started_date_time.and_then(|date| parse_stamp(date.as_bytes())),
        duration_ns: time.map_or(0, |ms| (ms * 1e6) as u64),
        method: request.method.into_bytes(),
        target: target(&request.url).as_bytes().to_vec(),
        fields,
        body: request.post_data.map(Text::bytes).unwrap_or_default(),
        status,
        reply_fields,
        reply,
        ..Recorded::default()
    }
    .into_row(number)
}

/// Host and port of a URL, as a request names them.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest.get(..end)?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    (!host.is_empty()).then_some(host)
}

/// Path and query of a URL; a fragment was never sent.
fn target(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| {
        rest.find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("/")
    });
    rest.split('#').next().unwrap_or(rest)
}
