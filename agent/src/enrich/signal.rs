//! What kind of API event an exchange is, by status, words of the route, and what was learnt.

use super::generations::Generations;
use super::login;
use crate::exchange::{Exchange, Half, Signal, Signals};

/// Login endpoints of which is remembered what their answers look like; twice as many at most.
const ENDPOINTS: usize = 512;

/// Looks of failures that are remembered of each.
const LOOKS: usize = 4;

/// Answers that gave a session after which one that gives none is a failure.
const GIVEN_MIN: u32 = 2;

/// What an answer looks like.
type Look = (u16, u64);

/// What is known of a login endpoint's answers.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    /// How many gave a session or a token.
    gave: u32,
    /// What failures that said so looked like, the last of them.
    failed: [Look; LOOKS],
    next: usize,
}

/// Learns what failures look like.
pub(super) struct Logins {
    known: Generations<u64, Answers>,
}

/// How signing in went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// Nobody can tell.
    Unknown,
}

impl Logins {
    pub(super) fn new() -> Self {
        Self {
            known: Generations::new(ENDPOINTS),
        }
    }

    /// How signing in at `endpoint` went; `gives` says whether `response` gives a session or a token.
    ///
    /// More than 401 is a failure: so is any refusal of what was sent, an answer that says so in
    /// words, one that looks as those did before, and one that gives no session where others did.
    pub(super) fn outcome(&mut self, endpoint: u64, response: &Half, gives: bool) -> Outcome {
        match response.status {
            400 | 401 | 403 | 404 | 409 | 410 | 422 | 423 => return Outcome::Failure,
            200..400 => {}
            _ => return Outcome::Unknown,
        }
        let look = (response.status, response.body.total_bytes.unwrap_or(0));
        if self.known.get(&endpoint).is_none() {
            self.known.insert(endpoint, Answers::default());
        }
        let Some(answers) = self.known.get(&endpoint) else {
            return Outcome::Unknown;
        };
        let said = login::says_failed(response);
        if said == Some(true) && !(gives && response.status >= 300) {
            if !answers.failed.contains(&look)
                && let Some(place) = answers.failed.get_mut(answers.next % LOOKS)
            {
                *place = look;
                answers.next = answers.next.wrapping_add(1);
            }
            return Outcome::Failure;
        }
        if gives {
            answers.gave = answers.gave.saturating_add(1);
            return Outcome::Success;
        }
        if answers.gave >= GIVEN_MIN || answers.failed.contains(&look) {
            return Outcome::Failure;
        }
        match said {
            Some(_) => Outcome::Success,
            None => Outcome::Unknown,
        }
    }
}

/// What the status says, `shown` being whether a credential was shown.
pub(super) fn by_status(exchange: &Exchange, shown: bool) -> Option<Signal> {
    let response = exchange.response.as_ref()?;
    let called = exchange.known.spoken.grpc.as_ref();
    let called = called.and_then(|call| call.status);
    match response.status {
        401 | 407 if shown => Some(Signal::AuthenticationFailure),
        401 | 403 | 407 => Some(Signal::AuthorizationFailure),
        400 | 413 | 414 | 415 | 422 | 431 => Some(Signal::InputRejected),
        429 => Some(Signal::RateLimited),
        500..600 => Some(Signal::ApplicationError),
        200 if called.is_some() => called.and_then(|status| by_call(status, shown)),
        200 => {
            let request = exchange.request.as_ref()?;
            let failed = login::graphql_failed(request, response);
            failed.then_some(Signal::ApplicationError)
        }
        _ => None,
    }
}

/// What the status of a call says, whose HTTP status is always 200 (gRPC, "Status codes").
const fn by_call(status: u32, shown: bool) -> Option<Signal> {
    Some(match status {
        16 if shown => Signal::AuthenticationFailure,
        7 | 16 => Signal::AuthorizationFailure,
        3 | 11 => Signal::InputRejected,
        8 => Signal::RateLimited,
        2 | 13..=15 => Signal::ApplicationError,
        _ => return None,
    })
}

/// The signals of an exchange, `sensitive` being what its route says and `outcome` how signing in went,
/// if that was what it was for.
pub(super) fn signals(
    exchange: &Exchange,
    sensitive: Signals,
    shown: bool,
    outcome: Option<Outcome>,
) -> Signals {
    let mut signals = sensitive;
    let status = by_status(exchange, shown);
    match (outcome, status) {
        (Some(Outcome::Success), _) => signals.add(Signal::AuthenticationSuccess),
        (Some(Outcome::Failure), _) => signals.add(Signal::AuthenticationFailure),
        (_, Some(signal)) => signals.add(signal),
        _ => {}
    }
    signals
}

#[cfg(test)]
mod tests {
    use super::{Logins, Outcome, by_status};
    use crate::enrich::testing::{exchange, request, response};

    #[test]
    fn the_status_says_what_went_wrong() {
        let check = |status, shown, expected: &str| {
            let exchange = exchange(
                request("GET", "/x", &[], b""),
                Some(response(status, &[], b"")),
            );
            let told = by_status(&exchange, shown).map_or("-", crate::exchange::Signal::name);
            assert_eq!(told, expected, "{status}");
        };
        check(200, true, "-");
        check(304, true, "-");
        check(404, true, "-");
        check(401, true, "authentication_failure");
        check(401, false, "authorization_failure");
        check(403, true, "authorization_failure");
        check(400, true, "input_rejected");
        check(422, false, "input_rejected");
        check(429, false, "rate_limited");
        check(500, false, "application_error");
        check(503, false, "application_error");
    }

    #[test]
    fn errors_of_graphql_are_errors() {
        let body = br#"{"errors":[{"message":"x"}]}"#;
        let exchange = exchange(
            request("POST", "/api/graphql", &[], b"{}"),
            Some(response(200, &[], body)),
        );
        assert!(by_status(&exchange, false).is_some());
    }

    #[test]
    fn signing_in_fails_in_many_ways() {
        let mut logins = Logins::new();
        let mut check = |status, body: &str, gives, expected| {
            let response = response(
                status,
                &[("Content-Type", "application/json")],
                body.as_bytes(),
            );
            assert_eq!(
                logins.outcome(7, &response, gives),
                expected,
                "{status} {body}"
            );
        };
        check(401, "", false, Outcome::Failure);
        check(422, "", false, Outcome::Failure);
        check(500, "", false, Outcome::Unknown);
        check(429, "", false, Outcome::Unknown);
        check(200, r#"{"hello":"bob"}"#, false, Outcome::Success);
        check(200, r#"{"success":false}"#, false, Outcome::Failure);
        check(200, r#"{"pulses" :false}"#, false, Outcome::Failure);
        check(
            200,
            r#"{"token":"abcdefghijklmnop"}"#,
            true,
            Outcome::Success,
        );
        check(
            200,
            r#"{"token":"abcdefghijklmnop"}"#,
            true,
            Outcome::Success,
        );
        check(200, r#"{"hello":"bob"}"#, false, Outcome::Failure);
    }
}
