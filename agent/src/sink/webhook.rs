//! Webhook: events to any HTTP endpoint, signed if a secret is given.
//!
//! ```text
//! POST url
//! Content-Type: application/json | application/x-ndjson
//! Idempotency-Key: 32 hex digits, the same whenever the same events are sent
//! X-Eaves-Timestamp: 1795240931                       seconds since 1970
//! X-Eaves-Signature: v1=HEX                           HMAC-SHA256(secret, timestamp "." body)
//! ```
//!
//! The body is signed as it is before compression. A receiver checks the signature and that the
//! timestamp is not old, so that a request that was seen cannot be sent again by another.

use ring::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::Part;
use super::deliver::{Deliver, Fate, Outcome};
use super::format::message;
use super::http::{Answer, Client, HttpOptions, Request, SetupError};
use super::post::{Api, Posted, token, usual};
use super::secret::SecretText;
use crate::clock::WallTime;
use crate::hex;

/// Posts events to a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookOptions {
    /// Where to.
    #[schemars(extend("x-check" = "http_url"))]
    pub url: String,
    /// What a request holds.
    #[serde(default)]
    pub body: WebhookBody,
    /// A JSON text in place of `body`, in which `${events}` stands for the list of events, `${count}`
    /// for their number, and `${text}`, between quotes, for a line about each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Signs each request with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
}

/// What a request of a webhook holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookBody {
    /// A JSON list of events
    #[default]
    Json,
    /// An event a line
    Ndjson,
}

/// What a webhook sends.
pub struct Webhook {
    body: WebhookBody,
    template: Option<String>,
    key: Option<hmac::Key>,
}

impl Webhook {
    /// A sink by `options`.
    ///
    /// # Errors
    /// [`SetupError`] if they cannot be used.
    pub fn open(
        options: &WebhookOptions,
        http: &HttpOptions,
    ) -> Result<Box<dyn Deliver>, SetupError> {
        let key = match &options.secret {
            None => None,
            Some(secret) => {
                let secret = secret.read()?;
                Some(hmac::Key::new(
                    hmac::HMAC_SHA256,
                    secret.expose().as_bytes(),
                ))
            }
        };
        let webhook = Self {
            body: options.body,
            template: options.template.clone(),
            key,
        };
        Ok(Posted::boxed(webhook, Client::new(&options.url, http)?))
    }

    fn content(&self, part: Part<'_>) -> (&'static str, Vec<u8>) {
        match (&self.template, self.body) {
            (Some(template), _) => ("application/json", filled(template, part)),
            (None, WebhookBody::Json) => ("application/json", list(part)),
            (None, WebhookBody::Ndjson) => ("application/x-ndjson", part.joined(b"\n")),
        }
    }
}

/// The records as a JSON list.
fn list(part: Part<'_>) -> Vec<u8> {
    let bytes = part.items().map(|item| item.record.len() + 1);
    let mut body = Vec::with_capacity(bytes.sum::<usize>() + 2);
    body.push(b'[');
    for item in part.items() {
        body.extend_from_slice(item.record);
        body.push(b',');
    }
    if !part.is_empty() {
        body.pop();
    }
    body.push(b']');
    body
}

/// `template` with its words replaced; what comes in their place is not looked at again.
fn filled(template: &str, part: Part<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("${") {
        out.extend_from_slice(before.as_bytes());
        let (word, after) = behind.split_once('}').unwrap_or((behind, ""));
        match word {
            "events" => out.extend_from_slice(&list(part)),
            "count" => out.extend_from_slice(part.len().to_string().as_bytes()),
            "text" => {
                let lines: Vec<String> = part.items().map(|item| message(item.line)).collect();
                let quoted = serde_json::Value::from(lines.join("\n")).to_string();
                let unquoted = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                out.extend_from_slice(unquoted.as_bytes());
            }
            _ => {
                out.extend_from_slice(b"${");
                rest = behind;
                continue;
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

impl Api for Webhook {
    fn request(&self, part: Part<'_>, now: WallTime) -> Result<Request, Vec<Fate>> {
        let (content_type, body) = self.content(part);
        let mut request = Request::new(content_type, body);
        request.headers.push(("idempotency-key", token(part)));
        if let Some(key) = &self.key {
            let timestamp = (now.0 / 1_000_000_000).to_string();
            let mut signing = hmac::Context::with_key(key);
            signing.update(timestamp.as_bytes());
            signing.update(b".");
            signing.update(&request.body);
            let signature = format!("v1={}", hex::encode(signing.sign().as_ref()));
            request.headers.push(("x-eaves-timestamp", timestamp));
            request.headers.push(("x-eaves-signature", signature));
        }
        Ok(request)
    }

    fn judge(&self, _: Part<'_>, answer: &Answer) -> Outcome {
        usual(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Api as _, Webhook, WebhookBody, hmac};
    use crate::clock::WallTime;
    use crate::hex;
    use crate::sink::batch::{Part, batch};
    use crate::sink::format::Format;
    use crate::sink::http::Request;

    const A: &str = r#"{"kind":"notice","schema":1,"id":"a","time":"","name":"start"}"#;
    const B: &str = r#"{"kind":"finding","schema":1,"id":"b","time":"","title":"say \"no\""}"#;

    fn request(webhook: &Webhook) -> Request {
        let batch = batch(Format::Eaves, &[A, B]);
        let part = Part::new(&batch, &[0, 1]);
        webhook
            .request(part, WallTime(1_700_000_000_999_999_999))
            .unwrap()
    }

    #[track_caller]
    fn check(body: WebhookBody, template: Option<&str>, expected: &str) {
        let template = template.map(str::to_owned);
        let key = None;
        let request = request(&Webhook {
            body,
            template,
            key,
        });
        assert_eq!(String::from_utf8(request.body).unwrap(), expected);
    }

    #[test]
    fn events_are_a_list_or_lines_or_what_the_template_says() {
        check(WebhookBody::Json, None, &format!("[{A},{B}]"));
        check(WebhookBody::Ndjson, None, &format!("{A}\n{B}\n"));
        check(
            WebhookBody::Json,
            Some(r#"{"n":${count},"all":${events},"text":"${text}","x":"${other} ${"}"#),
            &format!(
                r#"{{"n":2,"all":[{A},{B}],"text":"eaves: start\nsay \"no\"","x":"${{other}} ${{"}}"#
            ),
        );
    }

    #[test]
    fn a_signature_covers_time_and_body() {
        let webhook = Webhook {
            body: WebhookBody::Json,
            template: None,
            key: Some(hmac::Key::new(hmac::HMAC_SHA256, b"secret")),
        };
        let request = request(&webhook);
        let header = |name: &str| {
            let found = request.headers.iter().find(|(key, _)| *key == name);
            found.unwrap().1.clone()
        };
        assert_eq!(header("x-eaves-timestamp"), "1700000000");
        let signature = header("x-eaves-signature");
        let digits = signature.strip_prefix("v1=").unwrap();
        let bytes: [u8; 32] = hex::decode(digits.as_bytes()).unwrap();
        let signed = [b"1700000000.", request.body.as_slice()].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, &signed, &bytes).unwrap();
        assert_eq!(header("idempotency-key").len(), 32);
    }
}
