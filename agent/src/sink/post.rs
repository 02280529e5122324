//! Sinks that are one HTTP request a batch: what they have in common.

use super::batch::Part;
use super::deliver::{Deliver, Delivering, Fate, Outcome, Problem};
use super::http::{Answer, Client, Request};
use crate::clock::WallTime;
use crate::hex;

/// What one such sink sends, and how it reads the answer. Pure.
pub(super) trait Api: Send {
    /// The request that sends `part`; where one cannot be made, each event's fate.
    fn request(&self, part: Part<'_>, now: WallTime) -> Result<Request, Vec<Fate>>;

    /// See [`Deliver::probes`].
    fn probes(&self) -> bool {
        true
    }

    /// What the answer says became of `part`.
    fn judge(&self, part: Part<'_>, answer: &Answer) -> Outcome;
}

/// An [`Api`] with the client that speaks to it.
pub(super) struct Posted<A> {
    api: A,
    client: Client,
}

impl<A: Api + 'static> Posted<A> {
    pub(super) fn boxed(api: A, client: Client) -> Box<dyn Deliver> {
        Box::new(Self { api, client })
    }
}

impl<A: Api> Deliver for Posted<A> {
    fn probes(&self) -> bool {
        self.api.probes()
    }

    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(async move {
            let request = match self.api.request(part, WallTime::now()) {
                Ok(request) => request,
                Err(fates) => return Outcome::Each(fates, None),
            };
            match self.client.post(request).await {
                Ok(answer) => self.api.judge(part, &answer),
                Err(error) => Outcome::Retry(Problem::new(error.to_string())),
            }
        })
    }
}

/// What a status says where the sink's own documents say no more.
///
/// Refused is what speaks of the content: 400, 413, 414, 415, 422, 431. All else that is no success is
/// tried again, since it speaks of the far end, of who we are, or of where we look for it: an expired
/// token or a misspelt path must not turn a journal into dead letters.
pub(super) fn usual(answer: &Answer) -> Outcome {
    match answer.status {
        200..=299 => Outcome::Accepted,
        400 | 413 | 414 | 415 | 422 | 431 => Outcome::Refused(answer.told()),
        _ => Outcome::Retry(problem(answer)),
    }
}

/// The answer as a problem.
pub(super) fn problem(answer: &Answer) -> Problem {
    Problem {
        what: answer.told(),
        retry_after: answer.retry_after,
    }
}

/// A name for the events of `part` that is the same whenever the same are sent.
pub(super) fn token(part: Part<'_>) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for item in part.items() {
        context.update(item.id.as_bytes());
        context.update(b"\n");
    }
    hex::encode(context.finish().as_ref().get(..16).unwrap_or_default())
}

/// An answer, for tests of what is made of it.
#[cfg(test)]
pub(super) fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        retry_after: None,
        body: body.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::{answer, token, usual};
    use crate::sink::batch::{Part, batch};
    use crate::sink::deliver::{Outcome, Problem};
    use crate::sink::format::Format;
    use crate::sink::http::Answer;
    use std::time::Duration;

    #[test]
    fn content_is_refused_all_else_is_tried_again() {
        for status in [200, 201, 202, 204] {
            assert_eq!(usual(&answer(status, "")), Outcome::Accepted);
        }
        for status in [400, 413, 422] {
            let refused = Outcome::Refused(format!("{status} no"));
            assert_eq!(usual(&answer(status, "no")), refused);
        }
        for status in [301, 401, 403, 404, 408, 429, 500, 503, 599] {
            let again = Outcome::Retry(Problem::new(format!("{status}")));
            assert_eq!(usual(&answer(status, "")), again);
        }
        let asked = Answer {
            retry_after: Some(Duration::from_secs(7)),
            ..answer(429, "")
        };
        match usual(&asked) {
            Outcome::Retry(problem) => assert_eq!(problem.retry_after, asked.retry_after),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_names_the_events_and_their_order() {
        let line = |id: &str| format!(r#"{{"kind":"exchange","id":"{id}","time":""}}"#);
        let batch = batch(Format::Eaves, &[&line("a"), &line("b")]);
        let of = |places: &[usize]| token(Part::new(&batch, places));
        assert_eq!(of(&[0, 1]), of(&[0, 1]));
        assert_eq!(of(&[0, 1]).len(), 32);
        assert_ne!(of(&[0, 1]), of(&[1, 0]));
        assert_ne!(of(&[0]), of(&[0, 1]));
    }
}
