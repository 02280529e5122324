//! A [`Source`] from a capture file, flat out or at the pace of the recording.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use super::file::{FileError, Reader};
use super::{Record, Source, decode};
use crate::clock::Ktime;

/// Records handed over at a time.
const BATCH: u64 = 1024;

/// Longest pause of a paced replay, whatever the recording says.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Replays a capture file.
#[derive(Debug)]
pub struct Replay<R> {
    reader: Reader<R>,
    paced: bool,
    last: Option<Ktime>,
    error: Option<FileError>,
}

impl<R: Read> Replay<R> {
    /// Replays what `reader` reads; `paced` keeps the recording's pauses.
    pub const fn new(reader: Reader<R>, paced: bool) -> Self {
        Self {
            reader,
            paced,
            last: None,
            error: None,
        }
    }

    /// What ended the replay before the file's end mark, once it has ended.
    pub const fn error(&mut self) -> Option<FileError> {
        self.error.take()
    }
}

impl<R: Read> Source for Replay<R> {
    fn read(&mut self, _wait: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>> {
        if self.error.is_some() {
            return Ok(None);
        }
        for count in 0..BATCH {
            match self.reader.next_record() {
                Ok(Some(record)) => {
                    if self.paced {
                        self.last = pause(record, self.last);
                    }
                    each(record);
                }
                Ok(None) if count == 0 => return Ok(None),
                Ok(None) => return Ok(Some(count)),
                Err(error) => {
                    self.error = Some(error);
                    return Ok(if count == 0 { None } else { Some(count) });
                }
            }
            if self.paced {
                return Ok(Some(1));
            }
        }
        Ok(Some(BATCH))
    }
}

/// Sleeps for the time between the last record and this one.
fn pause(record: &[u8], last: Option<Ktime>) -> Option<Ktime> {
    let time = match decode(record) {
        Ok(Record::Open(open)) => open.time,
        Ok(Record::Data(data)) => data.time,
        Ok(Record::End(ended)) => ended.time,
        Ok(Record::Act(act)) => act.time,
        Ok(Record::Hello(hello)) => hello.time,
        Err(_) => return last,
    };
    if let Some(last) = last {
        thread::sleep(Duration::from_nanos(time.since(last)).min(PAUSE_MAX));
    }
    Some(time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Replay;
    use crate::capture::Source;
    use crate::capture::file::{Origin, Reader, Writer};

    fn replay(file: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let mut replay = Replay::new(Reader::new(file).unwrap(), false);
        let mut records = Vec::new();
        let mut each = |record: &[u8]| records.push(record.to_vec());
        while replay.read(Duration::ZERO, &mut each).unwrap().is_some() {}
        (records, replay.error().is_some())
    }

    #[test]
    fn whole_records_before_a_cut_are_replayed() {
        let mut writer = Writer::new(Vec::new(), &Origin::default()).unwrap();
        for n in 0..3000u32 {
            writer.record(&n.to_ne_bytes()).unwrap();
        }
        let file = writer.finish().unwrap();
        let (records, failed) = replay(&file);
        assert_eq!((records.len(), failed), (3000, false));
        assert_eq!(records[2999], 2999u32.to_ne_bytes());
        let (records, failed) = replay(&file[..40 + 12 * 1500 + 5]);
        assert_eq!((records.len(), failed), (1500, true));
    }
}
