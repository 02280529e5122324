//! PagerDuty Events API v2: `/v2/enqueue`, one event a request, `dedup_key` the incident.
//!
//! Every record of an open incident triggers, which changes the alert that is there; a close resolves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::batch::{Item, Kind, Part};
use super::deliver::{Deliver, Delivering, Fate, Outcome, Problem};
use super::finding::Finding;
use super::http::{Client, HttpOptions, Request, SetupError};
use super::post::usual;
use super::secret::{Secret, SecretText};

/// Longest summary, characters.
const SUMMARY_MAX_CHARS: usize = 1024;

/// Longest `dedup_key`, characters.
const KEY_MAX_CHARS: usize = 255;

/// Sends findings to PagerDuty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerdutyOptions {
    /// Integration key of the service.
    pub routing_key: SecretText,
    /// Where PagerDuty is; another for the EU region.
    #[serde(default = "url_by_default")]
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
}

fn url_by_default() -> String {
    "https://events.pagerduty.com".to_owned()
}

/// PagerDuty.
pub struct Pagerduty {
    client: Client,
    routing_key: Secret,
}

impl Pagerduty {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(options: &PagerdutyOptions, http: &HttpOptions) -> Result<Self, SetupError> {
        Ok(Self {
            client: Client::new(&options.url, http)?,
            routing_key: options.routing_key.read()?,
        })
    }

    async fn send(&mut self, part: Part<'_>) -> Outcome {
        let mut fates = Vec::with_capacity(part.len());
        for item in part.items() {
            let body = match enqueued(&item, self.routing_key.expose()) {
                Ok(body) => body,
                Err(why) => {
                    fates.push(Fate::Refused(why));
                    continue;
                }
            };
            let mut request = Request::new("application/json", body.to_string().into_bytes());
            request.path = "/v2/enqueue".to_owned();
            let outcome = match self.client.post(request).await {
                Ok(answer) => usual(&answer),
                Err(error) => Outcome::Retry(Problem::new(error.to_string())),
            };
            match outcome {
                Outcome::Accepted => fates.push(Fate::Accepted),
                Outcome::Refused(why) => fates.push(Fate::Refused(why)),
                // The others wait for this one, so that their order stays.
                Outcome::Retry(problem) => {
                    fates.resize(part.len(), Fate::Retry);
                    return Outcome::Each(fates, Some(problem));
                }
                Outcome::Each(..) => fates.push(Fate::Retry),
            }
        }
        Outcome::Each(fates, None)
    }
}

impl Deliver for Pagerduty {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(self.send(part))
    }
}

/// What is sent of one finding.
fn enqueued(item: &Item<'_>, routing_key: &str) -> Result<Value, String> {
    if item.kind != Kind::Finding {
        return Err("not a finding".to_owned());
    }
    let finding = Finding::of(item.line)?;
    let key: String = finding.key().chars().take(KEY_MAX_CHARS).collect();
    if finding.is_closed() {
        return Ok(json!({
            "routing_key": routing_key, "event_action": "resolve", "dedup_key": key,
        }));
    }
    let severity = match finding.severity() {
        "critical" => "critical",
        "high" => "error",
        "medium" | "low" => "warning",
        _ => "info",
    };
    let summary: String = finding.title.chars().take(SUMMARY_MAX_CHARS).collect();
    let source = if finding.host.name.is_empty() {
        "eaves"
    } else {
        &finding.host.name
    };
    let details: Value = serde_json::from_slice(item.record)
        .unwrap_or_else(|_| String::from_utf8_lossy(item.record).into());
    Ok(json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": summary,
            "source": source,
            "severity": severity,
            "timestamp": finding.time,
            "component": finding.what(),
            "group": finding.target.domain,
            "class": finding.detector.name,
            "custom_details": details,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::enqueued;
    use crate::sink::batch::batch;
    use crate::sink::finding::line;
    use crate::sink::format::Format;

    #[test]
    fn an_open_incident_triggers_and_a_closed_one_resolves() {
        let lines = [
            line("i", "open", "high"),
            line("i", "updated", "critical"),
            line("i", "closed", "high"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let batch = batch(Format::Eaves, &lines);
        let of = |at: usize| enqueued(&batch.get(at).unwrap(), "key").unwrap();
        let expected = [
            ("trigger", Some("error")),
            ("trigger", Some("critical")),
            ("resolve", None),
        ];
        for (at, (action, severity)) in expected.into_iter().enumerate() {
            let sent = of(at);
            assert_eq!(sent["event_action"], action);
            assert_eq!(sent["dedup_key"], "i");
            assert_eq!(sent["routing_key"], "key");
            assert_eq!(sent["payload"]["severity"].as_str(), severity);
        }
        assert_eq!(of(0)["payload"]["custom_details"]["count"], 20);
        assert_eq!(of(0)["payload"]["source"], "web-3");
    }

    #[test]
    fn what_is_no_finding_is_refused() {
        let notice = r#"{"kind":"notice","id":"n","time":"","name":"loss","severity":"low"}"#;
        let batch = batch(Format::Eaves, &[notice]);
        assert!(enqueued(&batch.get(0).unwrap(), "key").is_err());
    }
}
