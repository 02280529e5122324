//! OpenTelemetry: logs over OTLP/HTTP as protobuf, `/v1/logs`.
//!
//! An answer may say that some records were rejected, but not which. So a batch with rejected ones is
//! sent again by halves until they are found: the others come twice, under the same `log.record.uid`.

use prost::Message as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::batch::Part;
use super::deliver::{Deliver, Fate, Outcome};
use super::format::{LogRecord, log_record};
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{Api, Posted, problem};
use crate::clock::WallTime;

/// Sends log records to an OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtlpOptions {
    /// Where it is: `https://host:4318`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
}

/// What is sent to a collector.
pub struct Otlp;

impl Otlp {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(options: &OtlpOptions, http: &HttpOptions) -> Result<Box<dyn Deliver>, SetupError> {
        Ok(Posted::boxed(Self, Client::new(&options.url, http)?))
    }
}

impl Api for Otlp {
    fn request(&self, part: Part<'_>, now: WallTime) -> Result<Request, Vec<Fate>> {
        let records: Vec<_> = part.items().map(|item| log_record(item.line)).collect();
        if records.iter().any(Result::is_err) {
            let fates = records.into_iter().map(|record| match record {
                Ok(_) => Fate::Retry,
                Err(error) => Fate::Refused(error.to_string()),
            });
            return Err(fates.collect());
        }
        let mut request = proto::Logs::default();
        let mut about = None;
        for record in records.into_iter().flatten() {
            if about.as_ref() != Some(&record.resource) {
                about = Some(record.resource.clone());
                request.resource_logs.push(resource(&record.resource));
            }
            let last = request.resource_logs.last_mut();
            if let Some(scope) = last.and_then(|last| last.scope_logs.first_mut()) {
                scope.log_records.push(encoded(record, now));
            }
        }
        let mut request = Request::new("application/x-protobuf", request.encode_to_vec());
        request.path = "/v1/logs".to_owned();
        Ok(request)
    }

    /// What to try again is named by the specification (OTLP 1.9, "Failures"): 429, 502, 503, 504, and a
    /// failed connection. 408 and 500 are added to them, since nothing says that they are for good; as
    /// are 401, 403 and 404, which speak of rights and places.
    fn judge(&self, _: Part<'_>, answer: &Answer) -> Outcome {
        match answer.status {
            200..=299 => {
                let said = proto::Said::decode(answer.body.as_slice()).unwrap_or_default();
                match said.partial_success {
                    Some(partial) if partial.rejected_log_records > 0 => {
                        let (count, why) = (partial.rejected_log_records, partial.error_message);
                        Outcome::Refused(format!("{count} rejected: {why}"))
                    }
                    _ => Outcome::Accepted,
                }
            }
            401 | 403 | 404 | 408 | 429 | 500..=599 => Outcome::Retry(problem(answer)),
            _ => Outcome::Refused(answer.told()),
        }
    }
}

fn resource(about: &Map<String, Value>) -> proto::ResourceLogs {
    proto::ResourceLogs {
        resource: Some(proto::Resource {
            attributes: attributes(about),
        }),
        scope_logs: vec![proto::ScopeLogs {
            scope: Some(proto::Scope {
                name: "eaves".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            log_records: Vec::new(),
        }],
    }
}

fn encoded(record: LogRecord, now: WallTime) -> proto::LogRecord {
    proto::LogRecord {
        time_unix_nano: record.time_unix_nano,
        observed_time_unix_nano: now.0,
        severity_number: i32::try_from(record.severity_number).unwrap_or_default(),
        severity_text: record.severity_text,
        body: Some(any(&Value::String(record.body))),
        attributes: attributes(&record.attributes),
        event_name: record.event_name.to_owned(),
    }
}

fn attributes(map: &Map<String, Value>) -> Vec<proto::KeyValue> {
    let pairs = map.iter().map(|(key, value)| proto::KeyValue {
        key: key.clone(),
        value: Some(any(value)),
    });
    pairs.collect()
}

fn any(value: &Value) -> proto::AnyValue {
    use proto::Any;
    let value = match value {
        Value::Null => None,
        Value::Bool(value) => Some(Any::Bool(*value)),
        Value::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Any::Int(whole),
            // Beyond 63 bits, where a floating point number would be another number.
            _ if number.is_u64() => Any::Text(number.to_string()),
            (_, double) => Any::Double(double.unwrap_or_default()),
        }),
        Value::String(text) => Some(Any::Text(text.clone())),
        Value::Array(items) => Some(Any::Array(proto::ArrayValue {
            values: items.iter().map(any).collect(),
        })),
        Value::Object(map) => Some(Any::Map(proto::KeyValueList {
            values: attributes(map),
        })),
    };
    proto::AnyValue { value }
}

/// The messages of opentelemetry-proto 1.9 that are used, by their numbers there: the crate of that
/// name brings a gRPC stack along.
mod proto {
    use prost::{Message, Oneof};

    /// `opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Logs {
        #[prost(message, repeated, tag = "1")]
        pub(super) resource_logs: Vec<ResourceLogs>,
    }

    /// `opentelemetry.proto.logs.v1.ResourceLogs`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ResourceLogs {
        #[prost(message, optional, tag = "1")]
        pub(super) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(super) scope_logs: Vec<ScopeLogs>,
    }

    /// `opentelemetry.proto.resource.v1.Resource`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(super) attributes: Vec<KeyValue>,
    }

    /// `opentelemetry.proto.logs.v1.ScopeLogs`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ScopeLogs {
        #[prost(message, optional, tag = "1")]
        pub(super) scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")]
        pub(super) log_records: Vec<LogRecord>,
    }

    /// `opentelemetry.proto.common.v1.InstrumentationScope`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Scope {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) version: String,
    }

    /// `opentelemetry.proto.logs.v1.LogRecord`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct LogRecord {
        #[prost(fixed64, tag = "1")]
        pub(super) time_unix_nano: u64,
        #[prost(int32, tag = "2")]
        pub(super) severity_number: i32,
        #[prost(string, tag = "3")]
        pub(super) severity_text: String,
        #[prost(message, optional, tag = "5")]
        pub(super) body: Option<AnyValue>,
        #[prost(message, repeated, tag = "6")]
        pub(super) attributes: Vec<KeyValue>,
        #[prost(fixed64, tag = "11")]
        pub(super) observed_time_unix_nano: u64,
        #[prost(string, tag = "12")]
        pub(super) event_name: String,
    }

    /// `opentelemetry.proto.common.v1.KeyValue`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<AnyValue>,
    }

    /// `opentelemetry.proto.common.v1.AnyValue`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct AnyValue {
        #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6")]
        pub(super) value: Option<Any>,
    }

    /// The value of an `AnyValue`.
    #[derive(Clone, PartialEq, Oneof)]
    pub(super) enum Any {
        #[prost(string, tag = "1")]
        Text(String),
        #[prost(bool, tag = "2")]
        Bool(bool),
        #[prost(int64, tag = "3")]
        Int(i64),
        #[prost(double, tag = "4")]
        Double(f64),
        #[prost(message, tag = "5")]
        Array(ArrayValue),
        #[prost(message, tag = "6")]
        Map(KeyValueList),
    }

    /// `opentelemetry.proto.common.v1.ArrayValue`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ArrayValue {
        #[prost(message, repeated, tag = "1")]
        pub(super) values: Vec<AnyValue>,
    }

    /// `opentelemetry.proto.common.v1.KeyValueList`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct KeyValueList {
        #[prost(message, repeated, tag = "1")]
        pub(super) values: Vec<KeyValue>,
    }

    /// `opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Said {
        #[prost(message, optional, tag = "1")]
        pub(super) partial_success: Option<Partial>,
    }

    /// `opentelemetry.proto.collector.logs.v1.ExportLogsPartialSuccess`
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Partial {
        #[prost(int64, tag = "1")]
        pub(super) rejected_log_records: i64,
        #[prost(string, tag = "2")]
        pub(super) error_message: String,
    }
}

#[cfg(test)]
mod tests {
    use super::proto::{Any, Logs, Partial, Said};
    use super::{Api as _, Otlp};
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::deliver::{Outcome, Problem};
    use crate::sink::format::Format;
    use crate::sink::http::Answer;
    use crate::sink::post::answer;
    use prost::Message as _;

    const A: &str = r#"{"kind":"exchange","schema":1,"id":"a","time":"1970-01-01T00:00:01.000000002Z","host":{"name":"h"},"http":{"response":{"status_code":500}},"x":[1,true,{"y":18446744073709551615}]}"#;
    const B: &str = r#"{"kind":"notice","id":"b","time":"1970-01-01T00:00:02Z","name":"loss","severity":"high","host":{"name":"h"}}"#;

    #[test]
    fn records_are_grouped_by_what_they_are_about() {
        let batch = batch(Format::Eaves, &[A, B]);
        let request = Otlp
            .request(Part::new(&batch, &[0, 1, 0]), WallTime(9))
            .unwrap();
        let logs = Logs::decode(request.body.as_slice()).unwrap();
        assert_eq!(logs.resource_logs.len(), 1);
        let records = &logs.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(records.len(), 3);
        assert_eq!(
            (
                records[0].time_unix_nano,
                records[0].observed_time_unix_nano
            ),
            (1_000_000_002, 9)
        );
        assert_eq!(records[0].event_name, "http.server.request");
        assert_eq!(
            (
                records[1].severity_number,
                records[1].severity_text.as_str()
            ),
            (17, "high")
        );
        let of = |name: &str| {
            let found = records[0].attributes.iter().find(|pair| pair.key == name);
            found.unwrap().value.clone().unwrap().value.unwrap()
        };
        assert_eq!(of("http.response.status_code"), Any::Int(500));
        assert_eq!(of("error.type"), Any::Text("500".into()));
        assert_eq!(of("log.record.uid"), Any::Text("a".into()));
        let Any::Array(list) = of("eaves.x") else {
            panic!("not a list");
        };
        assert_eq!(list.values[1].value, Some(Any::Bool(true)));
    }

    #[test]
    fn partial_success_is_no_success() {
        let batch = batch(Format::Eaves, &[A]);
        let check = |answer: Answer, expected: Outcome| {
            assert_eq!(Otlp.judge(Part::new(&batch, &[0]), &answer), expected);
        };
        let said = |rejected_log_records| {
            let partial = Partial {
                rejected_log_records,
                error_message: "too old".into(),
            };
            Said {
                partial_success: Some(partial),
            }
        };
        let with = |said: Said| Answer {
            body: said.encode_to_vec(),
            ..answer(200, "")
        };
        check(answer(200, ""), Outcome::Accepted);
        check(with(said(0)), Outcome::Accepted);
        check(
            with(said(1)),
            Outcome::Refused("1 rejected: too old".into()),
        );
        check(answer(400, "no"), Outcome::Refused("400 no".into()));
        check(answer(503, ""), Outcome::Retry(Problem::new("503")));
    }
}
