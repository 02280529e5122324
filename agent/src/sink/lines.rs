//! A sink that lines are written to, standard output or a file, as one that events are delivered to.

use super::batch::Part;
use super::deliver::{Deliver, Delivering, Fate, Outcome, Problem};
use super::{Sink, SinkError};
use crate::clock::WallTime;

/// Delivers to a [`Sink`]: a line counts as arrived when it is written.
pub struct Lines<S> {
    sink: S,
}

impl<S: Sink> Lines<S> {
    /// Delivers to `sink`.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self { sink }
    }

    fn write(&mut self, part: Part<'_>) -> Outcome {
        let records = part.len() as u64;
        let lines = part.joined(b"\n");
        match self.sink.write(&lines, records, WallTime::now()) {
            Ok(delivery) if delivery.failed == 0 => Outcome::Accepted,
            Ok(delivery) => {
                let written = usize::try_from(delivery.written).unwrap_or(usize::MAX);
                let mut fates = vec![Fate::Accepted; written.min(part.len())];
                fates.resize(part.len(), Fate::Retry);
                let what = delivery
                    .problem
                    .as_ref()
                    .map_or_else(|| "it waits to try again".to_owned(), told);
                Outcome::Each(fates, Some(Problem::new(what)))
            }
            Err(error) => Outcome::Retry(Problem::new(told(&error))),
        }
    }
}

/// The problem with its cause.
fn told(problem: &SinkError) -> String {
    match std::error::Error::source(problem) {
        Some(cause) => format!("{problem}: {cause}"),
        None => problem.to_string(),
    }
}

impl<S: Sink + Send> Deliver for Lines<S> {
    fn deliver<'a>(&'a mut self, part: Part<'a>) -> Delivering<'a> {
        Box::pin(async move { self.write(part) })
    }

    fn reopen(&mut self) {
        if let Err(error) = self.sink.reopen(WallTime::now()) {
            tracing::error!("{}", told(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::clock::WallTime;
    use crate::sink::batch::{Part, batch};
    use crate::sink::deliver::{Fate, Outcome, Problem};
    use crate::sink::format::Format;
    use crate::sink::{Delivery, Sink, SinkError};
    use crate::telemetry::Counters;

    /// Takes so many lines, then no more.
    struct Full(u64, Counters);

    impl Sink for Full {
        fn write(&mut self, _: &[u8], records: u64, _: WallTime) -> Result<Delivery, SinkError> {
            let written = records.min(self.0);
            self.0 -= written;
            let failed = records - written;
            Ok(Delivery {
                written,
                failed,
                problem: None,
            })
        }
        fn reopen(&mut self, _: WallTime) -> Result<(), SinkError> {
            Ok(())
        }
        fn close(&mut self) {}
        fn counters(&self) -> &Counters {
            &self.1
        }
    }

    #[test]
    fn what_was_not_written_is_delivered_again() {
        let line = r#"{"kind":"exchange","id":"a","time":""}"#;
        let batch = batch(Format::Eaves, &[line, line, line]);
        let part = Part::new(&batch, &[0, 1, 2]);
        let mut lines = Lines::new(Full(4, Counters::default()));
        assert_eq!(lines.write(part), Outcome::Accepted);
        let fates = vec![Fate::Accepted, Fate::Retry, Fate::Retry];
        let problem = Problem::new("it waits to try again");
        assert_eq!(lines.write(part), Outcome::Each(fates, Some(problem)));
    }
}
