//! ClickHouse over HTTP: rows as JSONEachRow into a table of a few columns and the event whole.
//!
//! `docs/clickhouse.sql` makes the table. The deduplication token is the same whenever the same events
//! are sent, so a repeated block is dropped by a replicated table, or one with a deduplication window;
//! `ReplacingMergeTree` by id takes care of the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::batch::{Item, Part};
use super::deliver::{Deliver, Fate, Outcome};
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{Api, Posted, problem, token, usual};
use super::secret::SecretText;
use crate::clock::WallTime;

/// Inserts events into ClickHouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClickhouseOptions {
    /// Where its HTTP interface is: `https://host:8443`.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// Database.
    #[serde(default = "database_by_default")]
    #[schemars(extend("x-check" = "name"))]
    pub database: String,
    /// Table, as `docs/clickhouse.sql` makes it.
    #[serde(default = "table_by_default")]
    #[schemars(extend("x-check" = "name"))]
    pub table: String,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}

fn database_by_default() -> String {
    "default".to_owned()
}

fn table_by_default() -> String {
    "eaves".to_owned()
}

/// What is sent to ClickHouse.
pub struct Clickhouse {
    /// Path and query, to which the token is added.
    path: String,
}

/// Columns beside `id`, `time`, `kind` and `event`, and where their values stand in an event.
const COLUMNS: &[(&str, &str)] = &[
    ("host", "/host/name"),
    ("client", "/client/address"),
    ("user", "/user/id"),
    ("domain", "/url/domain"),
    ("method", "/http/request/method"),
    ("route", "/http/route"),
    ("path", "/url/path"),
    ("status", "/http/response/status_code"),
    ("duration_ns", "/duration_ns"),
    ("severity", "/severity"),
    ("incident", "/incident"),
];

impl Clickhouse {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(
        options: &ClickhouseOptions,
        http: &HttpOptions,
    ) -> Result<Box<dyn Deliver>, SetupError> {
        let mut client = Client::new(&options.url, http)?;
        if let Some(user) = &options.user {
            client.always("x-clickhouse-user", user)?;
        }
        if let Some(password) = &options.password {
            client.always("x-clickhouse-key", password.read()?.expose())?;
        }
        Ok(Posted::boxed(Self::new(options), client))
    }

    fn new(options: &ClickhouseOptions) -> Self {
        let ClickhouseOptions {
            database, table, ..
        } = options;
        // A name was checked to hold nothing that ends the quotes.
        let insert = format!("INSERT INTO \"{database}\".\"{table}\" FORMAT JSONEachRow");
        let query = super::http::percent(&insert);
        Self {
            path: format!("/?query={query}&date_time_input_format=best_effort"),
        }
    }
}

/// One row. Columns whose value is not known are left to the table's default.
fn row(item: &Item<'_>, out: &mut Vec<u8>) {
    let event: Value = serde_json::from_slice(item.line).unwrap_or_default();
    let mut row = Map::new();
    row.insert("id".into(), item.id.into());
    let time = crate::event::stamp(WallTime(item.time_ns));
    row.insert("time".into(), String::from_utf8_lossy(&time).into());
    if let Some(kind) = event.get("kind") {
        row.insert("kind".into(), kind.clone());
    }
    for (column, place) in COLUMNS {
        if let Some(value) = event.pointer(place) {
            row.insert((*column).to_owned(), value.clone());
        }
    }
    row.insert("event".into(), String::from_utf8_lossy(item.record).into());
    out.extend_from_slice(Value::Object(row).to_string().as_bytes());
    out.push(b'\n');
}

impl Api for Clickhouse {
    fn request(&self, part: Part<'_>, _: WallTime) -> Result<Request, Vec<Fate>> {
        let mut body = Vec::new();
        for item in part.items() {
            row(&item, &mut body);
        }
        let mut request = Request::new("application/x-ndjson", body);
        let token = token(part);
        request.path = format!("{}&insert_deduplication_token={token}", self.path);
        Ok(request)
    }

    /// By its token the server knows a block that it has, if it is the same block.
    fn probes(&self) -> bool {
        false
    }

    /// An error's code stands at the beginning of the body, whatever the status. These speak of the rows:
    /// 117 (INCORRECT_DATA), 53 (TYPE_MISMATCH), and what cannot be read: 6 (text), 25 and 26 (quotes), 27
    /// (another input), 33 (all data), 38 and 41 (dates), 72 (numbers).
    fn judge(&self, _: Part<'_>, answer: &Answer) -> Outcome {
        if answer.is_success() {
            return Outcome::Accepted;
        }
        let told = answer.told();
        let code = told.split_once("Code: ").map(|(_, code)| code);
        let code = code.and_then(|code| code.split(['.', ',', ' ']).next()?.parse::<u32>().ok());
        match (code, answer.status) {
            (Some(6 | 25 | 26 | 27 | 33 | 38 | 41 | 53 | 72 | 117), _) => Outcome::Refused(told),
            // Other errors of a request are of the query, the table, the user: a person mends them.
            (Some(_), _) | (None, 400) => Outcome::Retry(problem(answer)),
            (None, _) => usual(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Api as _, Clickhouse, ClickhouseOptions};
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::deliver::Outcome;
    use crate::sink::format::Format;
    use crate::sink::post::answer;
    use serde_json::{Value, json};

    const LINE: &str = r#"{"kind":"exchange","schema":1,"id":"a","time":"1970-01-01T00:00:01.000000002Z","http":{"response":{"status_code":200}},"host":{"name":"h"}}"#;

    fn sink() -> Clickhouse {
        Clickhouse::new(&ClickhouseOptions {
            url: "http://ch:8123".into(),
            database: "default".into(),
            table: "eaves".into(),
            user: None,
            password: None,
        })
    }

    #[test]
    fn a_row_has_the_columns_that_are_known_and_the_event_whole() {
        let batch = batch(Format::Eaves, &[LINE]);
        let request = sink()
            .request(Part::new(&batch, &[0]), WallTime(0))
            .unwrap();
        let row: Value = serde_json::from_slice(&request.body).unwrap();
        let expected = json!({
            "id": "a", "time": "1970-01-01T00:00:01.000000002Z", "kind": "exchange",
            "host": "h", "status": 200, "event": LINE,
        });
        assert_eq!(row, expected);
        assert!(
            request
                .path
                .starts_with("/?query=INSERT%20INTO%20%22default%22.%22eaves%22%20")
        );
        let again = sink()
            .request(Part::new(&batch, &[0]), WallTime(5))
            .unwrap();
        assert_eq!(request.path, again.path);
    }

    #[test]
    fn errors_of_rows_are_refused_others_tried_again() {
        let batch = batch(Format::Eaves, &[LINE]);
        let check = |status, body: &str, refused: Option<bool>| {
            let outcome = sink().judge(Part::new(&batch, &[0]), &answer(status, body));
            let found = match outcome {
                Outcome::Accepted => None,
                Outcome::Refused(_) => Some(true),
                _ => Some(false),
            };
            assert_eq!(found, refused, "{status} {body}");
        };
        check(200, "", None);
        check(500, "Code: 117. DB::Exception: bad", Some(true));
        check(500, "Code: 53, e.displayText() = DB::Exception", Some(true));
        check(404, "Code: 60. DB::Exception: no table", Some(false));
        check(500, "Code: 241. DB::Exception: memory", Some(false));
        check(503, "", Some(false));
        check(413, "", Some(true));
    }
}
