//! Elasticsearch and OpenSearch: `_bulk` with `create`, the event's id as `_id`.
//!
//! A second `create` of one id is answered 409: it is there already, and that is what was wanted. So a
//! batch that is sent again leaves each event once. The answer is read item by item: a request that
//! succeeds may hold items that did not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Item, Part};
use super::deliver::{Deliver, Fate, Outcome, Problem};
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{Api, Posted, problem, usual};
use crate::clock::WallTime;

/// Sends events to Elasticsearch or OpenSearch by `_bulk`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElasticsearchOptions {
    /// Where it is: `https://host:9200`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// Data stream, index or alias that takes the events.
    #[serde(default = "index_by_default")]
    pub index: String,
    /// Ingest pipeline that they go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

fn index_by_default() -> String {
    "logs-eaves-default".to_owned()
}

/// What is sent to Elasticsearch.
pub struct Elasticsearch {
    /// Path and query of every request.
    path: String,
}

/// What is wanted of the answer: without this it repeats every id.
const PATH: &str =
    "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

impl Elasticsearch {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(
        options: &ElasticsearchOptions,
        http: &HttpOptions,
    ) -> Result<Box<dyn Deliver>, SetupError> {
        let client = Client::new(&options.url, http)?;
        Ok(Posted::boxed(Self::new(options), client))
    }

    fn new(options: &ElasticsearchOptions) -> Self {
        let index = super::http::percent(&options.index);
        let mut path = format!("/{index}{PATH}");
        if let Some(pipeline) = &options.pipeline {
            path.push_str("&pipeline=");
            path.push_str(&super::http::percent(pipeline));
        }
        Self { path }
    }
}

/// The event as a document: a data stream asks for `@timestamp`.
fn document(item: &Item<'_>, out: &mut Vec<u8>) {
    let dated = item.record.starts_with(b"{\"@timestamp\"");
    match item.record.strip_prefix(b"{") {
        Some(rest) if !dated => {
            let time = crate::event::stamp(WallTime(item.time_ns));
            out.extend_from_slice(b"{\"@timestamp\":\"");
            out.extend_from_slice(&time);
            out.extend_from_slice(if rest == b"}" { b"\"" } else { b"\"," });
            out.extend_from_slice(rest);
        }
        _ => out.extend_from_slice(item.record),
    }
    out.push(b'\n');
}

impl Api for Elasticsearch {
    fn request(&self, part: Part<'_>, _: WallTime) -> Result<Request, Vec<Fate>> {
        let mut body = Vec::new();
        for item in part.items() {
            let id = serde_json::Value::from(item.id);
            body.extend_from_slice(format!("{{\"create\":{{\"_id\":{id}}}}}\n").as_bytes());
            document(&item, &mut body);
        }
        let mut request = Request::new("application/x-ndjson", body);
        request.path.clone_from(&self.path);
        Ok(request)
    }

    fn judge(&self, part: Part<'_>, answer: &Answer) -> Outcome {
        if !answer.is_success() {
            return usual(answer);
        }
        let Ok(said) = serde_json::from_slice::<Said>(&answer.body) else {
            return Outcome::Retry(Problem::new(format!(
                "not an answer to _bulk: {}",
                answer.told()
            )));
        };
        if said.items.len() != part.len() {
            let (named, sent) = (said.items.len(), part.len());
            let what = format!("the answer names {named} of {sent} events");
            return Outcome::Retry(Problem::new(what));
        }
        if said.items.iter().all(|item| item.create.arrived()) {
            return Outcome::Accepted;
        }
        let mut why = None;
        let fates = said.items.into_iter().map(|Action { create }| {
            if create.arrived() {
                return Fate::Accepted;
            }
            let told = create.told();
            if create.refused() {
                return Fate::Refused(told);
            }
            why.get_or_insert(told);
            Fate::Retry
        });
        let fates: Vec<Fate> = fates.collect();
        let problem = why.map(|what| Problem {
            what,
            ..problem(answer)
        });
        Outcome::Each(fates, problem)
    }
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    items: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    create: Done,
}

#[derive(Deserialize)]
struct Done {
    status: u16,
    error: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: String,
}

impl Done {
    fn arrived(&self) -> bool {
        matches!(self.status, 200..=299 | 409)
    }

    /// Whether the document itself is the reason. 401, 403 and 404 speak of rights and of an index that
    /// is blocked or not there, which a person can mend.
    fn refused(&self) -> bool {
        matches!(self.status, 400 | 405..=408 | 410..=428 | 431..=499)
    }

    fn told(&self) -> String {
        match &self.error {
            Some(Cause { kind, reason }) => format!("{} {kind}: {reason}", self.status),
            None => self.status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Api as _, Elasticsearch, ElasticsearchOptions};
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::deliver::{Fate, Outcome, Problem};
    use crate::sink::format::Format;
    use crate::sink::post::answer;

    fn sink(pipeline: Option<&str>) -> Elasticsearch {
        Elasticsearch::new(&ElasticsearchOptions {
            url: "http://es:9200".into(),
            index: "logs-eaves-x y".into(),
            pipeline: pipeline.map(str::to_owned),
        })
    }

    const LINE: &str =
        r#"{"kind":"exchange","schema":1,"id":"a-1","time":"1970-01-01T00:00:01.000000002Z"}"#;

    #[test]
    fn each_event_is_created_under_its_id_with_a_time() {
        let eaves = batch(Format::Eaves, &[LINE]);
        let request = sink(Some("p"))
            .request(Part::new(&eaves, &[0]), WallTime(0))
            .unwrap();
        assert!(request.path.starts_with("/logs-eaves-x%20y/_bulk?"));
        assert!(request.path.ends_with("&pipeline=p"));
        let expected = format!(
            "{{\"create\":{{\"_id\":\"a-1\"}}}}\n{{\"@timestamp\":\"1970-01-01T00:00:01.000000002Z\",{}\n",
            &LINE[1..]
        );
        assert_eq!(String::from_utf8(request.body).unwrap(), expected);
        let ecs = batch(Format::Ecs, &[LINE]);
        let request = sink(None)
            .request(Part::new(&ecs, &[0]), WallTime(0))
            .unwrap();
        let body = String::from_utf8(request.body).unwrap();
        assert_eq!(body.matches("@timestamp").count(), 1);
        assert_eq!(body.lines().count(), 2);
    }

    #[track_caller]
    fn check(status: u16, body: &str, expected: Outcome) {
        let batch = batch(Format::Eaves, &[LINE, LINE, LINE]);
        let part = Part::new(&batch, &[0, 1, 2]);
        assert_eq!(sink(None).judge(part, &answer(status, body)), expected);
    }

    #[test]
    fn every_item_of_the_answer_is_read() {
        let item = |status: u16| format!(r#"{{"create":{{"status":{status}}}}}"#);
        let items = |a, b, c| format!(r#"{{"items":[{},{},{}]}}"#, item(a), item(b), item(c));
        check(200, &items(201, 409, 200), Outcome::Accepted);
        let bad = r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue full"}}},{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"no"}}}]}"#;
        let fates = vec![
            Fate::Accepted,
            Fate::Retry,
            Fate::Refused("400 document_parsing_exception: no".into()),
        ];
        let problem = Problem::new("429 es_rejected_execution_exception: queue full");
        check(200, bad, Outcome::Each(fates, Some(problem)));
        let fates = vec![Fate::Retry, Fate::Retry, Fate::Accepted];
        check(
            200,
            &items(403, 503, 201),
            Outcome::Each(fates, Some(Problem::new("403"))),
        );
    }

    #[test]
    fn an_answer_that_is_none_is_no_success() {
        let again = |what: &str| Outcome::Retry(Problem::new(what));
        check(200, "<html>", again("not an answer to _bulk: 200 <html>"));
        check(
            200,
            r#"{"items":[]}"#,
            again("the answer names 0 of 3 events"),
        );
        check(401, "who?", again("401 who?"));
        check(413, "", Outcome::Refused("413".into()));
    }
}
