//! Kafka: each event a record, kept by all replicas in sync before it counts as arrived.
//!
//! A client of our own, since it must do little and do that in our way: an idempotent producer whose
//! sequences are kept with the cursor, so that not even a kill makes an event stand in the topic twice. What
//! may come twice after all, when the cluster has forgotten the producer, has the same `eaves.id` among its
//! header fields. Events of one key are in one partition, in their order.

mod broker;
mod plan;
mod record;
mod sasl;
mod wire;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batch::Part;
use super::deliver::{Deliver, Delivering, Fate, Outcome, Preparing, Problem};
use super::http::{HttpOptions, SetupError, UrlError, tls_config};
use super::secret::SecretText;
use crate::filter::Fields;
use broker::{Broker, Manner};
use plan::{Plan, Routed, Shipment};
use sasl::Mechanism;
use wire::Metadata;

/// Sends events to a topic of Apache Kafka, or of what speaks its protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaOptions {
    /// Brokers of the cluster to begin with, the others are asked for: `tls://host:9093`, or
    /// `tcp://host:9092` in clear; all in one way.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true, "x-check-items" = "kafka_broker"))]
    pub brokers: Vec<String>,
    /// The topic.
    #[schemars(extend("x-check" = "kafka_topic"))]
    pub topic: String,
    /// What makes events keep their order, in one partition.
    #[serde(default)]
    pub key: RecordKey,
    /// User and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<SaslOptions>,
}

/// What the key of a record is. An event that has none of it goes to a partition by its id, without key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKey {
    /// The client's address
    #[default]
    Client,
    /// The route
    Route,
    /// The host that was asked
    Host,
    /// The event's id: each for itself
    Id,
}

/// User and password of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaslOptions {
    /// How they are told.
    pub mechanism: Mechanism,
    /// User.
    pub user: String,
    /// Password.
    pub password: SecretText,
}

/// Scheme, host and port of `tls://host:port` or `tcp://host:port`; true is TLS.
#[must_use]
pub fn kafka_broker(text: &str) -> Option<(bool, &str, u16)> {
    let (scheme, place) = text.split_once("://")?;
    let tls = match scheme {
        "tls" => true,
        "tcp" => false,
        _ => return None,
    };
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let named = !host.is_empty() && !host.contains(['/', '@', ' ']);
    named.then_some((tls, host, port))
}

/// A topic of a Kafka cluster.
pub struct Kafka {
    begin: Vec<(String, u16)>,
    topic: String,
    key: Option<Fields>,
    gzip: bool,
    manner: Manner,
    plan: Plan,
    metadata: Option<Metadata>,
    /// Connections to brokers by their numbers.
    open: BTreeMap<i32, Broker>,
    /// What was prepared for the next delivery.
    shipments: Vec<Shipment>,
}

impl Kafka {
    /// A sink by `options`. Connects to nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(options: &KafkaOptions, http: &HttpOptions) -> Result<Self, SetupError> {
        let mut begin = Vec::new();
        let mut by_tls = false;
        for text in &options.brokers {
            let broker = kafka_broker(text).ok_or_else(|| UrlError::Form(text.clone()))?;
            let (tls, host, port) = broker;
            by_tls |= tls;
            begin.push((host.to_owned(), port));
        }
        let tls = if by_tls {
            Some((tls_config(&http.tls)?, http.tls.server_name.clone()))
        } else {
            None
        };
        let sasl = match &options.sasl {
            None => None,
            Some(sasl) => Some((sasl.mechanism, sasl.user.clone(), sasl.password.read()?)),
        };
        let field = match options.key {
            RecordKey::Client => Some("client"),
            RecordKey::Route => Some("route"),
            RecordKey::Host => Some("host"),
            RecordKey::Id => None,
        };
        Ok(Self {
            begin,
            topic: options.topic.clone(),
            // These are names that filters know.
            key: field.and_then(|field| Fields::parse(field).ok()),
            gzip: http.gzip,
            manner: Manner {
                tls,
                sasl,
                within: http.timeout,
            },
            plan: Plan::default(),
            metadata: None,
            open: BTreeMap::new(),
            shipments: Vec::new(),
        })
    }

    /// The key of the event `line`; nothing if it has none.
    fn key_of(&self, line: &[u8], id: &str) -> Option<Vec<u8>> {
        let Some(fields) = &self.key else {
            return Some(id.as_bytes().to_vec());
        };
        let row = fields.of(line);
        let cell = row.cells().next()?.first()?;
        let text = cell.text();
        (!text.is_empty()).then(|| text.as_bytes().to_vec())
    }

    /// Plans what is sent of `part`: whether there is more to keep than is kept.
    async fn plan(&mut self, part: Part<'_>) -> Result<bool, Problem> {
        self.cluster().await?;
        self.producer().await?;
        let partitions = self
            .metadata
            .as_ref()
            .map_or(0, |known| known.leaders.len());
        let routed: Vec<Routed<'_>> = part
            .items()
            .map(|item| {
                let key = self.key_of(item.line, item.id);
                let by = key.as_deref().unwrap_or(item.id.as_bytes());
                Routed {
                    item,
                    partition: record::partition(by, partitions) as i32,
                    bytes: record::record_bytes(&item, key.as_deref()),
                }
            })
            .collect();
        let shipped = self.plan.ship(&routed);
        let (shipments, new) = match shipped {
            Ok(shipped) => shipped,
            Err(plan::Mismatch) => {
                // The configuration has changed, or the topic has grown, while events were under way.
                self.plan.forget();
                self.producer().await?;
                let mismatch = |_| Problem::new("events cannot be planned");
                self.plan.ship(&routed).map_err(mismatch)?
            }
        };
        self.shipments = shipments;
        Ok(new)
    }

    /// Asks for the cluster, if it is not known.
    async fn cluster(&mut self) -> Result<(), Problem> {
        if self.metadata.is_some() {
            return Ok(());
        }
        self.open.clear();
        let mut last = Problem::new("no broker is named");
        for (host, port) in self.begin.clone() {
            match self.metadata_from(&host, port).await {
                Ok(metadata) => {
                    self.metadata = Some(metadata);
                    return Ok(());
                }
                Err(what) => last = Problem::new(what),
            }
        }
        Err(last)
    }

    async fn metadata_from(&self, host: &str, port: u16) -> Result<Metadata, String> {
        let mut broker = Broker::connect(host, port, &self.manner).await?;
        let request = wire::metadata_request(&self.topic, broker.next());
        let answer = broker.ask(request).await?;
        let metadata = wire::metadata(&answer).map_err(|error| error.to_string())?;
        if metadata.error != 0 {
            return Err(format!("topic {}: {}", self.topic, error(metadata.error)));
        }
        if metadata.leaders.is_empty() {
            return Err(format!("topic {} has no partition yet", self.topic));
        }
        Ok(metadata)
    }

    /// Asks for a producer, if there is none.
    async fn producer(&mut self) -> Result<(), Problem> {
        if !self.plan.lacks_producer() {
            return Ok(());
        }
        let brokers = self.metadata.iter().flat_map(|known| &known.brokers);
        let numbers: Vec<i32> = brokers.map(|(number, ..)| *number).collect();
        let mut last = Problem::new("the cluster names no broker");
        for number in numbers {
            match self.producer_from(number).await {
                Ok((producer, epoch)) => {
                    self.plan.begin(producer, epoch);
                    return Ok(());
                }
                Err(what) => {
                    self.open.remove(&number);
                    last = Problem::new(what);
                }
            }
        }
        self.metadata = None;
        Err(last)
    }

    async fn producer_from(&mut self, number: i32) -> Result<(i64, i16), String> {
        let broker = self.broker(number).await?;
        let request = wire::producer_request(broker.next());
        let answer = broker.ask(request).await?;
        match wire::producer(&answer).map_err(|error| error.to_string())? {
            (0, producer, epoch) => Ok((producer, epoch)),
            (code, ..) => Err(format!("no producer: {}", error(code))),
        }
    }

    /// The connection to a broker, made if there is none.
    async fn broker(&mut self, number: i32) -> Result<&mut Broker, String> {
        self.open.retain(|_, broker| broker.is_fresh());
        if !self.open.contains_key(&number) {
            let mut brokers = self.metadata.iter().flat_map(|known| &known.brokers);
            let named = brokers.find(|(other, ..)| *other == number);
            let (_, host, port) = named.ok_or("a partition has no leader now")?;
            let broker = Broker::connect(host, *port, &self.manner).await?;
            self.open.insert(number, broker);
        }
        self.open
            .get_mut(&number)
            .ok_or_else(|| "a partition has no leader now".to_owned())
    }

    /// Sends what was prepared: of each partition one batch at a time, of all leaders at once.
    async fn send(&mut self, part: Part<'_>) -> Outcome {
        let mut fates = vec![Fate::Retry; part.len()];
        let mut problem = None;
        let mut lanes: BTreeMap<i32, std::vec::IntoIter<Shipment>> = BTreeMap::new();
        let mut grouped: BTreeMap<i32, Vec<Shipment>> = BTreeMap::new();
        for shipment in std::mem::take(&mut self.shipments) {
            grouped
                .entry(shipment.partition)
                .or_default()
                .push(shipment);
        }
        for (partition, shipments) in grouped {
            lanes.insert(partition, shipments.into_iter());
        }
        while !lanes.is_empty() {
            let mut round = Vec::new();
            lanes.retain(|_, lane| lane.next().map(|next| round.push(next)).is_some());
            for (shipment, answer) in self.round(part, round).await {
                if self.judge(&shipment, answer, &mut fates, &mut problem) {
                    continue;
                }
                let behind = lanes.remove(&shipment.partition);
                if behind.is_some_and(|lane| lane.len() > 0) && problem.is_none() {
                    let what = "what stood behind a record that was refused is sent again";
                    problem = Some(Problem::new(what));
                }
            }
        }
        if problem.is_some() {
            // Who leads may have changed, which a broker that fails cannot say.
            self.metadata = None;
        }
        Outcome::Each(fates, problem)
    }

    /// Notes what a broker said of one batch: whether the next of its partition may be sent.
    fn judge(
        &mut self,
        shipment: &Shipment,
        answer: Result<i16, String>,
        fates: &mut [Fate],
        problem: &mut Option<Problem>,
    ) -> bool {
        let (fate, what) = match answer {
            Ok(NONE | DUPLICATE_SEQUENCE) => {
                self.plan.arrived(shipment);
                (Fate::Accepted, None)
            }
            Ok(code) if REFUSED.contains(&code) => {
                if self.plan.refused(shipment) {
                    (Fate::Refused(error(code)), None)
                } else {
                    let what = format!("{}: it is sent by halves", error(code));
                    (Fate::Retry, Some(what))
                }
            }
            Ok(code) => {
                if FORGOTTEN.contains(&code) {
                    self.plan.forget();
                }
                (Fate::Retry, Some(error(code)))
            }
            Err(what) => (Fate::Retry, Some(what)),
        };
        let goes_on = fate == Fate::Accepted || shipment.refused;
        for place in &shipment.places {
            if let Some(slot) = fates.get_mut(*place) {
                slot.clone_from(&fate);
            }
        }
        if let Some(what) = what {
            *problem = Some(Problem::new(what));
        }
        goes_on
    }

    /// Sends one batch of each of several partitions: what became of each.
    async fn round(
        &mut self,
        part: Part<'_>,
        round: Vec<Shipment>,
    ) -> Vec<(Shipment, Result<i16, String>)> {
        let mut results = Vec::new();
        let mut by_leader: BTreeMap<i32, Vec<Shipment>> = BTreeMap::new();
        for shipment in round {
            if shipment.refused {
                // Killed before that was noted.
                results.push((shipment, Ok(REFUSED_BEFORE)));
                continue;
            }
            let mut leaders = self.metadata.iter().flat_map(|known| &known.leaders);
            let leader = leaders.find(|(partition, _)| *partition == shipment.partition);
            let leader = leader.map_or(-1, |(_, leader)| *leader);
            by_leader.entry(leader).or_default().push(shipment);
        }
        let mut asked = Vec::new();
        for (leader, shipments) in by_leader {
            let sent = self.ask(part, leader, &shipments).await;
            asked.push((leader, shipments, sent));
        }
        for (leader, shipments, sent) in asked {
            let answer = match (sent, self.open.get_mut(&leader)) {
                (Ok(()), Some(broker)) => broker.answer().await,
                (Err(what), _) => Err(what),
                (Ok(()), None) => Err("the connection is gone".to_owned()),
            };
            let codes = answer
                .and_then(|answer| wire::produced(&answer).map_err(|error| error.to_string()));
            if codes.is_err() {
                self.open.remove(&leader);
            }
            for shipment in shipments {
                let of = |codes: &Vec<(i32, i16)>| {
                    let mut codes = codes.iter();
                    let found = codes.find(|(partition, _)| *partition == shipment.partition);
                    found.map(|(_, code)| *code)
                };
                let code = match &codes {
                    Ok(codes) => of(codes).ok_or_else(|| "the answer names not all".to_owned()),
                    Err(what) => Err(what.clone()),
                };
                results.push((shipment, code));
            }
        }
        results
    }

    async fn ask(
        &mut self,
        part: Part<'_>,
        leader: i32,
        shipments: &[Shipment],
    ) -> Result<(), String> {
        let items: Vec<_> = part.items().collect();
        let mut batches = Vec::new();
        for shipment in shipments {
            let places = shipment.places.iter().filter_map(|place| items.get(*place));
            let keyed: Vec<_> = places
                .map(|item| (*item, self.key_of(item.line, item.id)))
                .collect();
            let records = keyed.iter().map(|(item, key)| (*item, key.as_deref()));
            let batch = record::batch(records, shipment.sender, self.gzip);
            let batch = batch.map_err(|error| format!("gzip: {error}"))?;
            batches.push((shipment.partition, batch));
        }
        let (topic, within) = (self.topic.clone(), self.manner.within);
        let broker = self.broker(leader).await?;
        let request = wire::produce_request(&topic, &batches, within, broker.next());
        broker.send(&request).await
    }
}

impl Deliver for Kafka {
    fn prepare<'a>(&'a mut self, part: Part<'a>) -> Preparing<'a> {
        Box::pin(self.plan(part))
    }

    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(self.send(part))
    }

    fn probes(&self) -> bool {
        false
    }

    /// A batch that may have arrived is sent again as it was, so never in part.
    fn whole(&self) -> bool {
        true
    }

    fn awaits(&self) -> usize {
        self.plan.under_way()
    }

    fn passed(&mut self) {
        self.plan.passed();
    }

    fn memory(&self) -> Value {
        serde_json::to_value(&self.plan).unwrap_or_default()
    }

    fn remember(&mut self, memory: Value) {
        // What is no plan is one of a sink of another type that had this name.
        self.plan = serde_json::from_value(memory).unwrap_or_default();
    }
}

const NONE: i16 = 0;
const MESSAGE_TOO_LARGE: i16 = 10;
const DUPLICATE_SEQUENCE: i16 = 46;

/// Our own, where no broker was asked again.
const REFUSED_BEFORE: i16 = i16::MIN;

/// What speaks of the records themselves (`org.apache.kafka.common.protocol.Errors`).
const REFUSED: [i16; 5] = [MESSAGE_TOO_LARGE, 18, 32, 87, REFUSED_BEFORE];

/// The cluster does not know the producer any more, or not where it was.
const FORGOTTEN: [i16; 4] = [45, 47, 59, 49];

/// What a broker means by a code.
fn error(code: i16) -> String {
    let what = match code {
        3 => "there is no such topic or partition",
        5 => "a partition has no leader now",
        6 => "another broker leads now",
        7 => "the replicas did not answer in time",
        MESSAGE_TOO_LARGE | 18 => "a message is larger than the broker takes",
        17 => "that is no name of a topic",
        19 | 20 => "too few replicas are in sync",
        29 | 31 => "we are not allowed to write there",
        32 => "a record's time is out of the broker's bounds",
        45 => "a sequence is missing",
        47 | 49 | 59 => "the producer is no longer known",
        56 => "the broker's disk fails",
        87 => "the broker does not take a record",
        REFUSED_BEFORE => "the broker refused it before the agent ended",
        _ => return format!("Kafka's error {code}"),
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Kafka, KafkaOptions, RecordKey, kafka_broker};
    use crate::sink::http::HttpOptions;

    #[track_caller]
    fn check(key: RecordKey, line: &str, expected: Option<&str>) {
        let options = KafkaOptions {
            brokers: vec!["tcp://127.0.0.1:9".into()],
            topic: "t".into(),
            key,
            sasl: None,
        };
        let sink = Kafka::open(&options, &HttpOptions::default()).unwrap();
        let found = sink.key_of(line.as_bytes(), "id-1");
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{line}");
    }

    #[test]
    fn records_have_the_key_that_was_asked_for() {
        let line = r#"{"kind":"exchange","client":{"address":"10.0.0.1"},"url":{"domain":"a"},"http":{"route":"/x/{id}"}}"#;
        check(RecordKey::Client, line, Some("10.0.0.1"));
        check(RecordKey::Route, line, Some("/x/{id}"));
        check(RecordKey::Host, line, Some("a"));
        check(RecordKey::Id, line, Some("id-1"));
        check(RecordKey::Client, r#"{"kind":"notice"}"#, None);
    }

    #[test]
    fn brokers_are_read() {
        let check = |text: &str, expected| assert_eq!(kafka_broker(text), expected, "{text}");
        check("tls://k:9093", Some((true, "k", 9093)));
        check("tcp://[::1]:9092", Some((false, "::1", 9092)));
        for none in [
            "k:9092",
            "tcp://k",
            "tcp://:1",
            "tcp://k:0",
            "http://k:1",
            "tcp://u@k:1",
            "tcp://k/:1",
        ] {
            check(none, None);
        }
    }
}
