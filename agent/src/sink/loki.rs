//! Grafana Loki: `/loki/api/v1/push` as JSON.
//!
//! Few labels make few streams: the ones given, and the kind of event. Ids are structured metadata. Loki
//! drops a second entry of the same stream, time and text, so repeats are harmless.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::batch::{Kind, Part};
use super::deliver::{Deliver, Fate, Outcome};
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{Api, Posted, usual};
use crate::clock::WallTime;

/// Pushes events to Loki.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LokiOptions {
    /// Where it is: `https://host:3100`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// Labels of every stream, beside `service_name` and `kind`.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 12))]
    pub labels: BTreeMap<String, String>,
    /// Tenant, where Loki has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// What is sent to Loki.
pub struct Loki {
    labels: BTreeMap<String, String>,
}

impl Loki {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(options: &LokiOptions, http: &HttpOptions) -> Result<Box<dyn Deliver>, SetupError> {
        let mut client = Client::new(&options.url, http)?;
        if let Some(tenant) = &options.tenant {
            client.always("x-scope-orgid", tenant)?;
        }
        let labels = options.labels.clone();
        Ok(Posted::boxed(Self { labels }, client))
    }

    fn stream(&self, part: Part<'_>, kind: Kind, name: &str) -> Option<Value> {
        let values = part.items().filter(|item| item.kind == kind).map(|item| {
            let line = String::from_utf8_lossy(item.record);
            json!([item.time_ns.to_string(), line, { "id": item.id }])
        });
        let values: Vec<Value> = values.collect();
        if values.is_empty() {
            return None;
        }
        let mut labels = json!({ "service_name": "eaves", "kind": name });
        if let Some(labels) = labels.as_object_mut() {
            let given = self.labels.iter();
            labels.extend(given.map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
        }
        Some(json!({ "stream": labels, "values": values }))
    }
}

impl Api for Loki {
    fn request(&self, part: Part<'_>, _: WallTime) -> Result<Request, Vec<Fate>> {
        let kinds = [
            (Kind::Exchange, "exchange"),
            (Kind::Finding, "finding"),
            (Kind::Notice, "notice"),
        ];
        let streams = kinds
            .into_iter()
            .filter_map(|(kind, name)| self.stream(part, kind, name));
        let body = json!({ "streams": streams.collect::<Vec<_>>() });
        let mut request = Request::new("application/json", body.to_string().into_bytes());
        request.path = "/loki/api/v1/push".to_owned();
        Ok(request)
    }

    fn judge(&self, _: Part<'_>, answer: &Answer) -> Outcome {
        usual(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Api as _, Loki};
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::format::Format;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    #[test]
    fn a_stream_a_kind_with_ids_as_metadata() {
        let exchange =
            r#"{"kind":"exchange","schema":1,"id":"a","time":"1970-01-01T00:00:01.000000002Z"}"#;
        let notice = r#"{"kind":"notice","id":"b","time":"1970-01-01T00:00:00Z","severity":"low"}"#;
        let batch = batch(Format::Eaves, &[exchange, notice, exchange]);
        let loki = Loki {
            labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        };
        let request = loki
            .request(Part::new(&batch, &[0, 1, 2]), WallTime(0))
            .unwrap();
        assert_eq!(request.path, "/loki/api/v1/push");
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        let entry = json!(["1000000002", exchange, { "id": "a" }]);
        let expected = json!({ "streams": [
            { "stream": { "service_name": "eaves", "kind": "exchange", "env": "prod" }, "values": [entry, entry] },
            { "stream": { "service_name": "eaves", "kind": "notice", "env": "prod" }, "values": [["0", notice, { "id": "b" }]] },
        ] });
        assert_eq!(sent, expected);
    }
}
