//! Standard output.

use std::io::{self, ErrorKind, Write};

use super::backoff::Backoff;
use super::{Delivery, Sink, SinkError, count, line_feeds};
use crate::clock::WallTime;
use crate::telemetry::Counters;

/// Writes lines to standard output, or to what stands for it.
///
/// A line of which only a part could be written is completed before the next one; until then it
/// is counted neither as written nor as failed.
#[derive(Debug)]
pub struct StdoutSink<W = io::Stdout> {
    out: W,
    /// The end of a line whose beginning is written.
    rest: Vec<u8>,
    backoff: Backoff,
    counters: Counters,
}

impl StdoutSink {
    /// The process's standard output.
    #[must_use]
    pub fn new() -> Self {
        Self::to(io::stdout())
    }
}

impl Default for StdoutSink {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Write> StdoutSink<W> {
    /// Writes to `out` instead.
    pub fn to(out: W) -> Self {
        Self {
            out,
            rest: Vec::new(),
            backoff: Backoff::default(),
            counters: Counters::default(),
        }
    }

    /// Writes as much of `bytes` as it can: how many, and what failed.
    fn push(&mut self, bytes: &[u8]) -> (usize, Option<io::Error>) {
        let mut written = 0;
        loop {
            let rest = bytes.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.out.write(rest) {
                Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
                Ok(some) => written += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (written, Some(error)),
            }
        }
        (written, self.out.flush().err())
    }

    /// Completes the line that was begun.
    fn complete(&mut self) -> Option<io::Error> {
        let rest = std::mem::take(&mut self.rest);
        let (written, error) = self.push(&rest);
        self.rest = rest.get(written..).unwrap_or_default().to_vec();
        if !rest.is_empty() && self.rest.is_empty() {
            count(&mut self.counters, 1, 1);
        }
        error
    }

    fn failed(
        &mut self,
        error: io::Error,
        mut delivery: Delivery,
        now: WallTime,
    ) -> Result<Delivery, SinkError> {
        if error.kind() == ErrorKind::BrokenPipe {
            return Err(SinkError::Closed);
        }
        self.backoff.failed(now);
        delivery.problem = Some(SinkError::Stdout(error));
        Ok(delivery)
    }
}

impl<W: Write> Sink for StdoutSink<W> {
    fn write(&mut self, lines: &[u8], records: u64, now: WallTime) -> Result<Delivery, SinkError> {
        if !self.backoff.is_due(now) {
            return Ok(count(&mut self.counters, records, 0));
        }
        if let Some(error) = self.complete() {
            let delivery = count(&mut self.counters, records, 0);
            return self.failed(error, delivery, now);
        }
        let (written, error) = self.push(lines);
        let (there, rest) = lines.split_at_checked(written).unwrap_or((lines, &[]));
        let Some(error) = error else {
            self.backoff.succeeded();
            return Ok(count(&mut self.counters, records, records));
        };
        // The line that was begun is counted when it is complete.
        let begun = there.last().is_some_and(|byte| *byte != b'\n');
        if begun {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = end.map_or(rest.len(), |at| at + 1);
            self.rest = rest.get(..end).unwrap_or_default().to_vec();
        }
        let records = records.saturating_sub(u64::from(begun));
        let delivery = count(&mut self.counters, records, line_feeds(there));
        self.failed(error, delivery, now)
    }

    fn reopen(&mut self, _: WallTime) -> Result<(), SinkError> {
        Ok(())
    }

    fn close(&mut self) {
        if !self.rest.is_empty() {
            // Whether it worked shows in what is left.
            let _ = self.complete();
            if !std::mem::take(&mut self.rest).is_empty() {
                count(&mut self.counters, 1, 0);
            }
        }
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::StdoutSink;
    use crate::clock::WallTime;
    use crate::sink::{Sink, SinkError};
    use crate::telemetry::Counter;
    use std::io::{self, ErrorKind, Write};

    /// Takes so many bytes, then fails.
    struct Pipe {
        content: Vec<u8>,
        room: usize,
        failure: ErrorKind,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = bytes.len().min(self.room - self.content.len());
            if some == 0 {
                return Err(self.failure.into());
            }
            self.content.extend_from_slice(&bytes[..some]);
            Ok(some)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink(room: usize, failure: ErrorKind) -> StdoutSink<Pipe> {
        StdoutSink::to(Pipe {
            content: Vec::new(),
            room,
            failure,
        })
    }

    fn ledger(sink: &StdoutSink<Pipe>) -> [u64; 3] {
        use Counter::{SinkLinesFailed, SinkLinesIn, SinkLinesWritten};
        [SinkLinesIn, SinkLinesWritten, SinkLinesFailed].map(|c| sink.counters().get(c))
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn whole_batches_arrive() {
        let mut sink = sink(100, ErrorKind::Other);
        let delivery = sink.write(b"aa\nbb\n", 2, WallTime(0)).unwrap();
        assert_eq!((delivery.written, delivery.failed), (2, 0));
        assert_eq!(sink.out.content, b"aa\nbb\n");
        assert_eq!(ledger(&sink), [2, 2, 0]);
    }

    #[test]
    fn a_line_that_was_begun_is_completed_before_the_next() {
        let mut sink = sink(5, ErrorKind::StorageFull);
        let delivery = sink.write(b"aaa\nbbb\nccc\n", 3, WallTime(0)).unwrap();
        assert!(matches!(delivery.problem, Some(SinkError::Stdout(_))));
        assert_eq!(ledger(&sink), [2, 1, 1]);
        sink.out.room = 100;
        let early = sink.write(b"ddd\n", 1, WallTime(SECOND / 2)).unwrap();
        assert_eq!((early.failed, early.problem.is_none()), (1, true));
        sink.write(b"eee\n", 1, WallTime(SECOND)).unwrap();
        assert_eq!(sink.out.content, b"aaa\nbbb\neee\n");
        assert_eq!(ledger(&sink), [5, 3, 2]);
    }

    #[test]
    fn a_line_that_never_ends_is_counted_at_the_end() {
        let mut sink = sink(2, ErrorKind::StorageFull);
        sink.write(b"aaa\n", 1, WallTime(0)).unwrap();
        assert_eq!(ledger(&sink), [0, 0, 0]);
        sink.close();
        assert_eq!(ledger(&sink), [1, 0, 1]);
    }

    #[test]
    fn a_reader_that_went_away_is_told() {
        let mut sink = sink(4, ErrorKind::BrokenPipe);
        let error = sink.write(b"aaa\nbbb\n", 2, WallTime(0)).unwrap_err();
        assert!(matches!(error, SinkError::Closed));
        assert_eq!(ledger(&sink), [2, 1, 1]);
    }
}
