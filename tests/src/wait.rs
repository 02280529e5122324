//! Polling with a deadline, so that no test waits for a fixed time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Longest anything in a test may take before the test fails: a second or two, but an emulated machine
/// beside other work takes many times as long.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Asks `poll` until it has an answer.
///
/// # Errors
/// Those of `poll`, and that `what` did not come within [`DEADLINE`].
pub fn until<T>(what: &str, poll: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(DEADLINE, what, poll)
}

/// As [`until`], with another deadline.
///
/// # Errors
/// Those of `poll`, and that `what` did not come within `deadline`.
pub fn until_within<T>(
    deadline: Duration,
    what: &str,
    mut poll: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = poll()? {
            return Ok(answer);
        }
        if began.elapsed() > deadline {
            bail!("{what}: not within {} s", deadline.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`], for a fact.
///
/// # Errors
/// As [`until`].
pub fn until_true(what: &str, mut poll: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, || Ok(poll()?.then_some(())))
}
