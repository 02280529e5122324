//! `requests`: one JSON object a line, as test sets of requests are kept.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use super::{Recorded, Row, RowError};
use crate::clock::WallTime;
use crate::event::{Location, parse_stamp};
use crate::lookup::Geo;

/// A line. What it has beyond these is left aside.
#[derive(Deserialize)]
#[serde(expecting = "an object that has a `path`")]
struct Line {
    id: Option<Value>,
    ts: Option<Value>,
    method: Option<String>,
    path: String,
    headers: Option<Value>,
    body: Option<Value>,
    status: Option<u16>,
    client_ip: Option<String>,
    user: Option<String>,
    geo: Option<Value>,
    ua: Option<String>,
    req_bytes: Option<f64>,
    resp_bytes: Option<f64>,
    lat_ms: Option<f64>,
    resp_headers: Option<Value>,
    resp_body: Option<Value>,
}

/// Reads the line of this `number`.
///
/// # Errors
/// [`RowError`] if it is no such object, or tells a time or an address that is none.
pub fn requests(line: &[u8], number: u64) -> Result<Row, RowError> {
    let line: Line = serde_json::from_slice(line)?;
    let time = match &line.ts {
        None | Some(Value::Null) => None,
        Some(ts) => Some(date(ts).ok_or(RowError::Form(
            "`ts` is neither a time (RFC 3339) nor seconds since 1970",
        ))?),
    };
    let client = line.client_ip.as_deref().filter(|text| !text.is_empty());
    let client = client.map(str::parse::<IpAddr>).transpose();
    let client = client.map_err(|_| RowError::Form("`client_ip` is no address"))?;
    let mut fields = fields(line.headers);
    let has_agent = fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(b"user-agent"));
    if let Some(agent) = line.ua.filter(|_| !has_agent) {
        fields.push((b"user-agent".to_vec(), agent.into_bytes()));
    }
    let recorded = Recorded {
        id: line.id.map(text).and_then(|id| String::from_utf8(id).ok()),
        time,
        duration_ns: line.lat_ms.map_or(0, |ms| whole(ms * 1e6)),
        client,
        method: line.method.unwrap_or_else(|| "GET".to_owned()).into_bytes(),
        target: line.path.into_bytes(),
        fields,
        body: line.body.map(text).unwrap_or_default(),
        body_bytes: line.req_bytes.map(whole),
        status: line.status,
        reply_fields: self::fields(line.resp_headers),
        reply: line.resp_body.map(text).unwrap_or_default(),
        reply_bytes: line.resp_bytes.map(whole),
        user: line.user,
        geo: line.geo.as_ref().and_then(geo),
        ..Recorded::default()
    };
    Ok(recorded.into_row(number))
}

/// A string as its bytes, `null` as none, anything else as JSON.
pub(super) fn text(value: Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

/// `{name: value}`, `{name: [value…]}`, `[[name, value]…]` or `[{name, value}…]`.
pub(super) fn fields(value: Option<Value>) -> Vec<(Vec<u8>, Vec<u8>)> {
    match value {
        Some(Value::Object(map)) => map
            .into_iter()
            .flat_map(|(name, value)| {
                let values = match value {
                    Value::Array(values) => values,
                    one => vec![one],
                };
                values
                    .into_iter()
                    .map(move |value| (name.clone().into_bytes(), text(value)))
            })
            .collect(),
        Some(Value::Array(list)) => list.into_iter().filter_map(pair).collect(),
        _ => Vec::new(),
    }
}

fn pair(value: Value) -> Option<(Vec<u8>, Vec<u8>)> {
    match value {
        Value::Array(pair) => {
            let mut pair = pair.into_iter();
            Some((text(pair.next()?), text(pair.next()?)))
        }
        Value::Object(mut map) => Some((text(map.remove("name")?), text(map.remove("value")?))),
        _ => None,
    }
}

/// A country's code, or an object with `country`, `location` (latitude, longitude) and `asn`.
fn geo(value: &Value) -> Option<Geo> {
    let country = value.as_str().or_else(|| value.get("country")?.as_str())?;
    let degrees = |at: usize| value.get("location")?.get(at)?.as_f64();
    let asn = value.get("asn").and_then(Value::as_u64);
    Some(Geo {
        country: Some(country.to_owned()),
        location: degrees(0)
            .zip(degrees(1))
            .and_then(|(latitude, longitude)| Location::of(latitude, longitude)),
        as_number: asn.and_then(|number| u32::try_from(number).ok()),
        as_name: None,
    })
}

/// RFC 3339, or seconds since 1970.
fn date(value: &Value) -> Option<WallTime> {
    match value {
        Value::String(text) => parse_stamp(text.as_bytes()),
        Value::Number(number) => number
            .as_f64()
            .map(|seconds| WallTime(whole(seconds * 1e9))),
        _ => None,
    }
}

/// Not below 0, and as much as fits.
fn whole(number: f64) -> u64 {
    number as u64
}
