//! Prometheus Alertmanager: `/api/v2/alerts`. An incident is an alert: an update changes it, a close
//! resolves it.
//!
//! An alert that is not sent again counts as resolved after a while. So open incidents are remembered,
//! sent again every minute, and end by themselves some minutes after the agent did; they lie with the
//! sink's cursor, so that a restart goes on with them. The severity is a label, since routes go by it:
//! where it changes, the alert with the old one is resolved.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::batch::{Kind, Part};
use super::deliver::{Deliver, Delivering, Fate, Outcome, Problem};
use super::finding::Finding;
use super::http::{Client, HttpOptions, Request, SetupError};
use super::post::usual;
use crate::clock::WallTime;
use crate::event::stamp;

/// How often alerts that stand are sent again.
const AGAIN_EVERY: Duration = Duration::from_secs(60);

/// How long an alert stands that is not sent again.
const STANDS: Duration = Duration::from_secs(300);

/// Most open incidents that are remembered; beyond, the one longest without news is let go.
const OPEN_MAX: usize = 1000;

/// An incident of which nothing was heard for so long is let go.
const OPEN_LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Sends findings to Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerOptions {
    /// Where it is: `http://host:9093`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// Labels of every alert, beside those of the finding.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 12))]
    pub labels: BTreeMap<String, String>,
}

/// An Alertmanager.
pub struct Alertmanager {
    client: Client,
    alerts: Alerts,
    sent: Option<Instant>,
}

impl Alertmanager {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(options: &AlertmanagerOptions, http: &HttpOptions) -> Result<Self, SetupError> {
        Ok(Self {
            client: Client::new(&options.url, http)?,
            alerts: Alerts {
                labels: options.labels.clone(),
                open: BTreeMap::new(),
            },
            sent: None,
        })
    }

    async fn post(&mut self, alerts: Vec<Value>) -> Outcome {
        let body = Value::Array(alerts).to_string().into_bytes();
        let mut request = Request::new("application/json", body);
        request.path = "/api/v2/alerts".to_owned();
        match self.client.post(request).await {
            Ok(answer) => usual(&answer),
            Err(error) => Outcome::Retry(Problem::new(error.to_string())),
        }
    }
}

impl Deliver for Alertmanager {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(async move {
            let mut alerts = self.alerts.clone();
            match alerts.take_in(part, WallTime::now()) {
                Ok(changed) => {
                    let outcome = self.post(changed).await;
                    if outcome == Outcome::Accepted {
                        self.alerts = alerts;
                    }
                    outcome
                }
                Err(fates) => Outcome::Each(fates, None),
            }
        })
    }

    fn idle(&mut self) -> Delivering<'_> {
        Box::pin(async move {
            if self.sent.is_some_and(|sent| sent.elapsed() < AGAIN_EVERY) {
                return Outcome::Accepted;
            }
            let now = WallTime::now();
            self.alerts.let_go(now);
            let standing = self.alerts.standing(now);
            self.sent = Some(Instant::now());
            if standing.is_empty() {
                return Outcome::Accepted;
            }
            self.post(standing).await
        })
    }

    fn memory(&self) -> Value {
        serde_json::to_value(&self.alerts.open).unwrap_or_default()
    }

    fn remember(&mut self, memory: Value) {
        self.alerts.open = serde_json::from_value(memory).unwrap_or_default();
    }
}

/// The alerts that stand.
#[derive(Clone, Debug, Default)]
struct Alerts {
    labels: BTreeMap<String, String>,
    open: BTreeMap<String, Alert>,
}

/// One alert that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Alert {
    labels: Value,
    annotations: Value,
    since: String,
    /// When the incident was last heard of, nanoseconds since 1970.
    heard: u64,
}

impl Alerts {
    /// Takes findings in: the alerts that change by them, in their order.
    fn take_in(&mut self, part: Part<'_>, now: WallTime) -> Result<Vec<Value>, Vec<Fate>> {
        let mut changed = Vec::new();
        let mut fates = Vec::new();
        for item in part.items() {
            let finding = match item.kind {
                Kind::Finding => Finding::of(item.line),
                _ => Err("not a finding".to_owned()),
            };
            match finding {
                Ok(finding) => {
                    self.change(&finding, now, &mut changed);
                    fates.push(Fate::Retry);
                }
                Err(why) => fates.push(Fate::Refused(why)),
            }
        }
        if fates.iter().any(|fate| matches!(fate, Fate::Refused(_))) {
            return Err(fates);
        }
        Ok(changed)
    }

    fn change(&mut self, finding: &Finding, now: WallTime, changed: &mut Vec<Value>) {
        let alert = self.alert(finding, now);
        let key = finding.key().to_owned();
        if let Some(before) = self.open.get(&key).filter(|old| old.labels != alert.labels) {
            changed.push(before.sent(now));
        }
        if finding.is_closed() {
            self.open.remove(&key);
            changed.push(alert.sent(now));
            return;
        }
        changed.push(alert.sent(until(now)));
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&key) {
            let oldest = self.open.iter().min_by_key(|(_, alert)| alert.heard);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.open.remove(&oldest);
            }
        }
        self.open.insert(key, alert);
    }

    fn alert(&self, finding: &Finding, now: WallTime) -> Alert {
        let mut labels = json!({
            "alertname": finding.detector.name,
            "detector": finding.detector.id,
            "incident": finding.key(),
            "severity": finding.severity(),
            "instance": finding.host.name,
        });
        if let Some(labels) = labels.as_object_mut() {
            for (name, value) in &self.labels {
                labels.insert(name.clone(), value.as_str().into());
            }
            // An empty label is none.
            labels.retain(|_, value| value != "");
        }
        Alert {
            labels,
            annotations: json!({
                "summary": finding.title,
                "actor": finding.who(),
                "target": finding.what(),
                "advice": finding.advice.clone().unwrap_or_default(),
                "count": finding.count.unwrap_or(1).to_string(),
            }),
            since: finding
                .first_seen
                .clone()
                .unwrap_or_else(|| finding.time.clone()),
            heard: now.0,
        }
    }

    /// All that stand, to be sent again.
    fn standing(&self, now: WallTime) -> Vec<Value> {
        self.open
            .values()
            .map(|alert| alert.sent(until(now)))
            .collect()
    }

    /// Lets incidents go of which nothing was heard for long.
    fn let_go(&mut self, now: WallTime) {
        let longest = u64::try_from(OPEN_LONGEST.as_nanos()).unwrap_or(u64::MAX);
        self.open
            .retain(|_, alert| now.0.saturating_sub(alert.heard) < longest);
    }
}

impl Alert {
    fn sent(&self, ends: WallTime) -> Value {
        let mut alert = json!({
            "labels": self.labels,
            "annotations": self.annotations,
            "endsAt": String::from_utf8_lossy(&stamp(ends)),
        });
        if let Some(alert) = alert.as_object_mut().filter(|_| !self.since.is_empty()) {
            alert.insert("startsAt".into(), self.since.as_str().into());
        }
        alert
    }
}

/// When an alert ends that is not sent again.
fn until(now: WallTime) -> WallTime {
    WallTime(
        now.0
            .saturating_add(u64::try_from(STANDS.as_nanos()).unwrap_or(u64::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::{Alerts, OPEN_MAX};
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::finding::line;
    use crate::sink::format::Format;
    use serde_json::Value;

    const NOW: WallTime = WallTime(1_000_000_000_000_000_000);

    /// What is sent: severity, and whether it stands.
    fn sent(alerts: &mut Alerts, lines: &[&str]) -> Vec<(String, bool)> {
        let batch = batch(Format::Eaves, lines);
        let places: Vec<usize> = (0..lines.len()).collect();
        let changed = alerts.take_in(Part::new(&batch, &places), NOW).unwrap();
        changed.iter().map(told).collect()
    }

    fn told(alert: &Value) -> (String, bool) {
        let ends = alert["endsAt"].as_str().unwrap();
        let severity = alert["labels"]["severity"].as_str().unwrap().to_owned();
        (severity, ends > "2001-09-09T01:46:40.000000000Z")
    }

    #[test]
    fn an_update_changes_an_alert_and_a_close_resolves_it() {
        let mut alerts = Alerts::default();
        let open = line("i", "open", "low");
        let raised = line("i", "updated", "high");
        let closed = line("i", "closed", "high");
        assert_eq!(sent(&mut alerts, &[&open]), [("low".into(), true)]);
        assert_eq!(alerts.standing(NOW).len(), 1);
        assert_eq!(
            sent(&mut alerts, &[&raised]),
            [("low".into(), false), ("high".into(), true)]
        );
        assert_eq!(alerts.standing(NOW).len(), 1);
        let memory = serde_json::to_value(&alerts.open).unwrap();
        assert_eq!(
            serde_json::from_value::<std::collections::BTreeMap<_, _>>(memory).unwrap(),
            alerts.open
        );
        assert_eq!(sent(&mut alerts, &[&closed]), [("high".into(), false)]);
        assert!(alerts.standing(NOW).is_empty());
        let labels = &alerts
            .alert(&super::Finding::of(open.as_bytes()).unwrap(), NOW)
            .labels;
        assert_eq!(labels["alertname"], "account brute force");
        assert_eq!(labels["instance"], "web-3");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut alerts = Alerts::default();
        for number in 0..OPEN_MAX + 5 {
            sent(&mut alerts, &[&line(&number.to_string(), "open", "low")]);
        }
        assert_eq!(alerts.open.len(), OPEN_MAX);
        alerts.let_go(WallTime(NOW.0 + 23 * 3_600_000_000_000));
        assert_eq!(alerts.open.len(), OPEN_MAX);
        alerts.let_go(WallTime(NOW.0 + 25 * 3_600_000_000_000));
        assert!(alerts.open.is_empty());
    }
}
