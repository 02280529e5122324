//! Splunk HTTP Event Collector: `/services/collector/event`, with indexer acknowledgement.
//!
//! A 200 comes *before* the events are indexed. With a channel the collector answers with an `ackId`,
//! which `/services/collector/ack` turns true when they are; only that is an acknowledgement. Splunk
//! Cloud and collectors where the token does not ask for it have none: `ack: auto` takes what there is.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::batch::Part;
use super::deliver::{Deliver, Delivering, Outcome, Problem};
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{problem, usual};
use super::secret::SecretText;
use crate::hex;

/// How often is asked whether events are indexed.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long that may take before they are sent again.
const INDEXED_WITHIN: Duration = Duration::from_secs(120);

/// Sends events to a Splunk HTTP Event Collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplunkHecOptions {
    /// Where it is: `https://host:8088`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// The collector's token.
    pub token: SecretText,
    /// Index; left out: the token's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Source type.
    #[serde(default = "sourcetype_by_default")]
    pub sourcetype: String,
    /// Whether an event counts as arrived only when it is indexed.
    #[serde(default)]
    pub ack: Ack,
}

fn sourcetype_by_default() -> String {
    "eaves:event".to_owned()
}

/// Whether indexer acknowledgement is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// Where the collector gives it
    #[default]
    Auto,
    /// Always; a collector that does not give it is a failure
    On,
    /// Never
    Off,
}

/// A Splunk HTTP Event Collector.
pub struct SplunkHec {
    client: Client,
    envelope: Map<String, Value>,
    ack: Ack,
    channel: String,
}

impl SplunkHec {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(options: &SplunkHecOptions, http: &HttpOptions) -> Result<Self, SetupError> {
        let mut client = Client::new(&options.url, http)?;
        let token = options.token.read()?;
        client.always("authorization", &format!("Splunk {}", token.expose()))?;
        let mut bytes = [0; 16];
        // Where the system gives no randomness the channel is one that others may have too, which
        // costs an acknowledgement and so a repetition.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
        Ok(Self {
            client,
            envelope: envelope(options),
            ack: options.ack,
            channel: guid(&bytes),
        })
    }

    async fn send(&mut self, part: Part<'_>) -> Outcome {
        let mut request = Request::new("application/json", events(&self.envelope, part));
        request.path = "/services/collector/event".to_owned();
        if self.ack != Ack::Off {
            let channel = ("x-splunk-request-channel", self.channel.clone());
            request.headers.push(channel);
        }
        let answer = match self.client.post(request).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Retry(Problem::new(error.to_string())),
        };
        match judge(&answer, self.ack) {
            Judged::Done(outcome) => outcome,
            Judged::Await(id) => self.indexed(id).await,
        }
    }

    /// Asks until the events are indexed.
    async fn indexed(&mut self, id: u64) -> Outcome {
        let since = Instant::now();
        loop {
            let body = json!({ "acks": [id] }).to_string().into_bytes();
            let mut request = Request::new("application/json", body);
            request.path = format!("/services/collector/ack?channel={}", self.channel);
            let answer = match self.client.post(request).await {
                Ok(answer) => answer,
                Err(error) => return Outcome::Retry(Problem::new(error.to_string())),
            };
            if !answer.is_success() {
                return Outcome::Retry(problem(&answer));
            }
            if acknowledged(&answer, id) {
                return Outcome::Accepted;
            }
            if since.elapsed() > INDEXED_WITHIN {
                let within = INDEXED_WITHIN.as_secs();
                let what = format!("not indexed within {within} s, sent again");
                return Outcome::Retry(Problem::new(what));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Deliver for SplunkHec {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(self.send(part))
    }
}

/// What every event is wrapped in.
fn envelope(options: &SplunkHecOptions) -> Map<String, Value> {
    let mut envelope = Map::new();
    envelope.insert("source".into(), "eaves".into());
    envelope.insert("sourcetype".into(), options.sourcetype.as_str().into());
    if let Some(index) = &options.index {
        envelope.insert("index".into(), index.as_str().into());
    }
    envelope
}

/// The body: wrapped events, one behind the other.
fn events(envelope: &Map<String, Value>, part: Part<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    let common = Value::Object(envelope.clone()).to_string();
    let common = common.trim_end_matches('}');
    for item in part.items() {
        let (seconds, ms) = (
            item.time_ns / 1_000_000_000,
            item.time_ns / 1_000_000 % 1000,
        );
        let fields = json!({ "eaves_id": item.id });
        body.extend_from_slice(common.as_bytes());
        body.extend_from_slice(
            format!(",\"time\":{seconds}.{ms:03},\"fields\":{fields},\"event\":").as_bytes(),
        );
        if item.record.starts_with(b"{") {
            body.extend_from_slice(item.record);
        } else {
            let text = Value::from(String::from_utf8_lossy(item.record)).to_string();
            body.extend_from_slice(text.as_bytes());
        }
        body.extend_from_slice(b"}\n");
    }
    body
}

fn guid(bytes: &[u8; 16]) -> String {
    let mut text = hex::encode(bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// What the answer to events says.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Done(Outcome),
    /// They are acknowledged when this id is.
    Await(u64),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    code: u64,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

/// Codes of a 400 that speak of the configuration and not of an event: incorrect index, data channel
/// missing or invalid, acknowledgement disabled.
const CONFIGURATION: &[u64] = &[7, 10, 11, 14];

fn judge(answer: &Answer, ack: Ack) -> Judged {
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    Judged::Done(match answer.status {
        200..=299 => match (said.ack_id, ack) {
            (Some(id), Ack::Auto | Ack::On) => return Judged::Await(id),
            (None, Ack::On) => {
                let what = "the collector gives no acknowledgement: its token does not ask for it";
                Outcome::Retry(Problem::new(what))
            }
            _ => Outcome::Accepted,
        },
        400 if CONFIGURATION.contains(&said.code) => Outcome::Retry(problem(answer)),
        _ => usual(answer),
    })
}

fn acknowledged(answer: &Answer, id: u64) -> bool {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let acks = said.get("acks");
    acks.and_then(|acks| acks.get(id.to_string())) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::{Ack, Judged, Map, Value, acknowledged, events, guid, judge};
    use crate::sink::batch::{Part, batch};
    use crate::sink::deliver::Outcome;
    use crate::sink::format::Format;
    use crate::sink::post::answer;
    use serde_json::json;

    const LINE: &str =
        r#"{"kind":"exchange","schema":1,"id":"a","time":"1970-01-01T00:00:01.002000000Z"}"#;

    #[test]
    fn events_are_wrapped_one_behind_the_other() {
        let mut envelope = Map::new();
        envelope.insert("source".into(), "eaves".into());
        for (format, event) in [
            (Format::Eaves, serde_json::from_str::<Value>(LINE).unwrap()),
            (
                Format::Combined,
                json!("- - - [01/Jan/1970:00:00:01 +0000] \"-\" - - \"-\" \"-\""),
            ),
        ] {
            let batch = batch(format, &[LINE, LINE]);
            let body = events(&envelope, Part::new(&batch, &[0, 1]));
            let sent: Vec<Value> = serde_json::Deserializer::from_slice(&body)
                .into_iter()
                .map(Result::unwrap)
                .collect();
            let one = json!({
                "source": "eaves", "time": 1.002, "fields": { "eaves_id": "a" }, "event": event,
            });
            assert_eq!(sent, [one.clone(), one]);
        }
    }

    #[track_caller]
    fn check(status: u16, body: &str, ack: Ack, expected: &str) {
        let judged = match judge(&answer(status, body), ack) {
            Judged::Await(id) => format!("await {id}"),
            Judged::Done(Outcome::Accepted) => "accepted".to_owned(),
            Judged::Done(Outcome::Retry(_)) => "retry".to_owned(),
            Judged::Done(Outcome::Refused(_)) => "refused".to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(judged, expected, "{status} {body} {ack:?}");
    }

    #[test]
    fn a_success_counts_as_the_acknowledgement_says() {
        let with = r#"{"text":"Success","code":0,"ackId":7}"#;
        let without = r#"{"text":"Success","code":0}"#;
        check(200, with, Ack::Auto, "await 7");
        check(200, with, Ack::On, "await 7");
        check(200, with, Ack::Off, "accepted");
        check(200, without, Ack::Auto, "accepted");
        check(200, without, Ack::On, "retry");
        check(
            503,
            r#"{"text":"Server is busy","code":9}"#,
            Ack::Auto,
            "retry",
        );
        check(
            403,
            r#"{"text":"Invalid token","code":4}"#,
            Ack::Auto,
            "retry",
        );
        check(
            400,
            r#"{"text":"Incorrect index","code":7}"#,
            Ack::Auto,
            "retry",
        );
        check(
            400,
            r#"{"text":"Invalid data format","code":6}"#,
            Ack::Auto,
            "refused",
        );
        assert!(acknowledged(&answer(200, r#"{"acks":{"7":true}}"#), 7));
        assert!(!acknowledged(&answer(200, r#"{"acks":{"7":false}}"#), 7));
        assert!(!acknowledged(&answer(200, ""), 7));
    }

    #[test]
    fn a_channel_is_a_guid() {
        let channel = guid(&[0xab; 16]);
        assert_eq!(channel, "abababab-abab-abab-abab-abababababab");
    }
}
