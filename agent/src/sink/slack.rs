//! Slack: an incoming webhook, several events in one message, since a channel takes about one a second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::batch::{Kind, Part};
use super::deliver::{Deliver, Fate, Outcome};
use super::finding::Finding;
use super::format::message;
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{Api, Posted, usual};
use super::secret::SecretText;
use crate::clock::WallTime;

/// Most blocks that one message holds.
const BLOCKS_MAX: usize = 50;

/// Longest text of one block, bytes, escaped: 3000 characters are allowed.
const TEXT_MAX_BYTES: usize = 3000;

/// Tells findings and notices to a Slack channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackOptions {
    /// The incoming webhook's URL, which is a secret: `${file:/etc/eaves/slack}`.
    pub url: SecretText,
}

/// What is sent to Slack.
pub struct Slack;

impl Slack {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(
        options: &SlackOptions,
        http: &HttpOptions,
    ) -> Result<Box<dyn Deliver>, SetupError> {
        let url = options.url.read()?;
        let client = Client::new(url.expose(), http);
        // What is wrong with the URL must not be told with the URL in it.
        let client = client.map_err(|error| match error {
            SetupError::Url(_) => SetupError::Header("the webhook's url".to_owned()),
            other => other,
        })?;
        Ok(Posted::boxed(Self, client))
    }
}

impl Api for Slack {
    fn request(&self, part: Part<'_>, _: WallTime) -> Result<Request, Vec<Fate>> {
        let texts: Vec<String> = part
            .items()
            .map(|item| text(item.kind, item.line))
            .collect();
        let blocks: Vec<Value> = texts
            .chunks(texts.len().div_ceil(BLOCKS_MAX).max(1))
            .map(|texts| {
                let text = json!({ "type": "mrkdwn", "text": escaped(&texts.join("\n")) });
                json!({ "type": "section", "text": text })
            })
            .collect();
        // What stands in notifications, where blocks are not shown.
        let short = match part.items().next() {
            Some(first) if part.len() == 1 => message(first.line),
            _ => format!("{} events", part.len()),
        };
        let body = json!({ "text": escaped(&short), "blocks": blocks });
        Ok(Request::new(
            "application/json",
            body.to_string().into_bytes(),
        ))
    }

    fn judge(&self, _: Part<'_>, answer: &Answer) -> Outcome {
        usual(answer)
    }
}

/// What is said of one event.
fn text(kind: Kind, line: &[u8]) -> String {
    match Finding::of(line) {
        Ok(finding) if kind == Kind::Finding => {
            let state = if finding.is_closed() { "closed, " } else { "" };
            let lines = [
                format!("{state}{}: {}", finding.severity(), finding.title),
                finding.who(),
                finding.what(),
                finding.advice.clone().unwrap_or_default(),
                format!("incident {}", finding.key()),
            ];
            let lines = lines.into_iter().filter(|line| !line.is_empty());
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => message(line),
    }
}

/// As much as fits, with what Slack asks to be escaped, so that no text makes a link or calls a channel.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let mut bytes = [0; 4];
        let told = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            c => c.encode_utf8(&mut bytes),
        };
        if out.len() + told.len() > TEXT_MAX_BYTES {
            break;
        }
        out.push_str(told);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Api as _, BLOCKS_MAX, Slack};
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::finding::line;
    use crate::sink::format::Format;
    use serde_json::Value;

    fn sent(lines: &[&str]) -> Value {
        let batch = batch(Format::Eaves, lines);
        let places: Vec<usize> = (0..lines.len()).collect();
        let request = Slack
            .request(Part::new(&batch, &places), WallTime(0))
            .unwrap();
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn a_finding_is_told_without_a_link_in_it() {
        let body = sent(&[&line("i", "open", "high")]);
        assert_eq!(body["text"], "20 failed &lt;logins&gt;");
        let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
        let expected = "high: 20 failed &lt;logins&gt;\nalice from 203.0.113.7\nPOST api.example.com/login nginx\nLock &amp; tell\nincident i";
        assert_eq!(text, expected);
    }

    #[test]
    fn many_events_are_one_message_that_is_not_too_long() {
        let line = line("i", "open", "high");
        let body = sent(&vec![line.as_str(); 300]);
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= BLOCKS_MAX);
        let longest = blocks
            .iter()
            .map(|b| b["text"]["text"].as_str().unwrap().len());
        assert!(longest.max().unwrap() <= 3000);
        assert_eq!(body["text"], "300 events");
    }
}
