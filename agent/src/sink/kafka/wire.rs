//! Kafka's protocol, as far as a producer needs it: requests are written, answers read. Pure.
//!
//! ```text
//! request   size i32 │ API i16 │ version i16 │ correlation i32 │ client id: string │ body
//! answer    size i32 │ correlation i32 │ body
//! string    length i16, -1 for none │ UTF-8          bytes   length i32 │ bytes
//! array     count i32 │ its elements                 all numbers big endian
//! ```
//!
//! Versions are the newest before each API's flexible ones, with tagged fields and compact lengths:
//! brokers from 2.1 on, and 4 too, speak them. Answers are a broker's word, and so hostile: counts and
//! lengths are held against what is there.

/// Name by which brokers know us in their logs and quotas.
const CLIENT_ID: &str = "eaves";

/// What is asked of a broker, with the version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Api {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) name: &'static str,
}

const fn api(key: i16, version: i16, name: &'static str) -> Api {
    Api { key, version, name }
}

pub(super) const PRODUCE: Api = api(0, 7, "Produce");
pub(super) const METADATA: Api = api(3, 4, "Metadata");
pub(super) const SASL_HANDSHAKE: Api = api(17, 1, "SaslHandshake");
pub(super) const API_VERSIONS: Api = api(18, 0, "ApiVersions");
pub(super) const INIT_PRODUCER_ID: Api = api(22, 1, "InitProducerId");
pub(super) const SASL_AUTHENTICATE: Api = api(36, 0, "SaslAuthenticate");

/// What a broker must understand for us to speak with it.
pub(super) const NEEDED: [Api; 3] = [PRODUCE, METADATA, INIT_PRODUCER_ID];

/// An answer that is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker's answer is not one of Kafka")]
pub(super) struct WireError;

/// A request under way.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A request of `api`.
    pub(super) fn new(api: Api, correlation: i32) -> Self {
        let mut writer = Self(vec![0; 4]);
        writer.i16(api.key);
        writer.i16(api.version);
        writer.i32(correlation);
        writer.string(CLIENT_ID);
        writer
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// How many elements follow.
    pub(super) fn count(&mut self, count: usize) {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX));
    }

    pub(super) fn string(&mut self, text: &str) {
        let length = text.len().min(i16::MAX as usize);
        self.i16(length as i16);
        self.0
            .extend_from_slice(text.as_bytes().get(..length).unwrap_or_default());
    }

    /// A string that is not there.
    pub(super) fn none(&mut self) {
        self.i16(-1);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    /// The whole request.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let size = i32::try_from(self.0.len() - 4).unwrap_or(i32::MAX);
        for (to, from) in self.0.iter_mut().zip(size.to_be_bytes()) {
            *to = from;
        }
        self.0
    }
}

/// An answer being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(WireError)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn i16(&mut self) -> Result<i16, WireError> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, WireError> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, WireError> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool, WireError> {
        self.take().map(|[byte]| byte != 0)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A string, or nothing.
    pub(super) fn string(&mut self) -> Result<Option<&'a str>, WireError> {
        let length = self.i16()?;
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        let text = str::from_utf8(self.slice(length)?).map_err(|_| WireError)?;
        Ok(Some(text))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.i32()?).map_err(|_| WireError)?;
        self.slice(length)
    }

    /// An array, each element of at least one byte.
    pub(super) fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = usize::try_from(self.i32()?).unwrap_or_default();
        if count > self.0.len() {
            return Err(WireError);
        }
        (0..count).map(|_| element(self)).collect()
    }
}

/// Of each API that a broker has, the oldest and newest version.
pub(super) fn versions(answer: &[u8]) -> Result<Vec<(i16, i16, i16)>, WireError> {
    let mut answer = Reader(answer);
    if answer.i16()? != 0 {
        return Err(WireError);
    }
    answer.array(|answer| Ok((answer.i16()?, answer.i16()?, answer.i16()?)))
}

/// Asks who leads the partitions of `topic`, which is made if it is not there and the broker makes topics.
pub(super) fn metadata_request(topic: &str, correlation: i32) -> Vec<u8> {
    let mut request = Writer::new(METADATA, correlation);
    request.count(1);
    request.string(topic);
    request.bool(true);
    request.finish()
}

/// Who is there, and who leads what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Number, host and port of each broker.
    pub(super) brokers: Vec<(i32, String, u16)>,
    /// The topic's error, 0 for none.
    pub(super) error: i16,
    /// Of each partition, its number and its leader's, -1 for none.
    pub(super) leaders: Vec<(i32, i32)>,
}

/// Reads the answer about one topic.
pub(super) fn metadata(answer: &[u8]) -> Result<Metadata, WireError> {
    let mut answer = Reader(answer);
    let _throttle = answer.i32()?;
    let brokers = answer.array(|answer| {
        let number = answer.i32()?;
        let host = answer.string()?.unwrap_or_default().to_owned();
        let port = u16::try_from(answer.i32()?).map_err(|_| WireError)?;
        let _rack = answer.string()?;
        Ok((number, host, port))
    })?;
    let _cluster = answer.string()?;
    let _controller = answer.i32()?;
    let mut topics = answer.array(|answer| {
        let error = answer.i16()?;
        let _name = answer.string()?;
        let _internal = answer.bool()?;
        let leaders = answer.array(|answer| {
            let _error = answer.i16()?;
            let (partition, leader) = (answer.i32()?, answer.i32()?);
            for _ in 0..2 {
                let _replicas = answer.array(Reader::i32)?;
            }
            Ok((partition, leader))
        })?;
        Ok((error, leaders))
    })?;
    let (error, leaders) = topics.pop().ok_or(WireError)?;
    Ok(Metadata {
        brokers,
        error,
        leaders,
    })
}

/// Asks for the number of a producer without transactions.
pub(super) fn producer_request(correlation: i32) -> Vec<u8> {
    let mut request = Writer::new(INIT_PRODUCER_ID, correlation);
    request.none();
    request.i32(i32::MAX);
    request.finish()
}

/// Reads error, number and epoch of a producer.
pub(super) fn producer(answer: &[u8]) -> Result<(i16, i64, i16), WireError> {
    let mut answer = Reader(answer);
    let _throttle = answer.i32()?;
    Ok((answer.i16()?, answer.i64()?, answer.i16()?))
}

/// Asks to keep `batches`, one a partition, on all replicas that are in sync (`acks` -1).
pub(super) fn produce_request(
    topic: &str,
    batches: &[(i32, Vec<u8>)],
    within: std::time::Duration,
    correlation: i32,
) -> Vec<u8> {
    let mut request = Writer::new(PRODUCE, correlation);
    request.none();
    request.i16(-1);
    request.i32(i32::try_from(within.as_millis()).unwrap_or(i32::MAX));
    request.count(1);
    request.string(topic);
    request.count(batches.len());
    for (partition, batch) in batches {
        request.i32(*partition);
        request.bytes(batch);
    }
    request.finish()
}

/// Reads each partition's number and error.
pub(super) fn produced(answer: &[u8]) -> Result<Vec<(i32, i16)>, WireError> {
    let mut answer = Reader(answer);
    let topics = answer.array(|answer| {
        let _name = answer.string()?;
        answer.array(|answer| {
            let (partition, error) = (answer.i32()?, answer.i16()?);
            for _ in ["offset", "time", "first offset"] {
                answer.i64()?;
            }
            Ok((partition, error))
        })
    })?;
    Ok(topics.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::{
        Metadata, Reader, WireError, Writer, metadata, metadata_request, produce_request, produced,
        producer, versions,
    };
    use std::time::Duration;

    /// Checks that `read` reads `bytes`, and nothing of which a byte is missing.
    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(
        read: impl Fn(&[u8]) -> Result<T, WireError>,
        bytes: &[u8],
        expected: T,
    ) {
        assert_eq!(read(bytes), Ok(expected));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(WireError), "cut at byte {cut}");
        }
    }

    #[test]
    fn requests_are_those_of_the_protocol() {
        let expected = [
            &[0, 0, 0, 27, 0, 3, 0, 4, 0, 0, 0, 9, 0, 5][..],
            b"eaves",
            &[0, 0, 0, 1, 0, 5],
            b"topic",
            &[1],
        ];
        assert_eq!(metadata_request("topic", 9), expected.concat());
        let produce = produce_request("t", &[(2, b"batch".to_vec())], Duration::from_secs(1), 1);
        let body = [
            &[255, 255, 255, 255, 0, 0, 3, 232, 0, 0, 0, 1, 0, 1][..],
            b"t",
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5],
            b"batch",
        ];
        assert_eq!(produce[19..], body.concat());
        assert_eq!(produce[..4], u32::to_be_bytes(produce.len() as u32 - 4));
    }

    #[test]
    fn answers_are_read() {
        check(
            versions,
            &[0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 9],
            vec![(3, 0, 9)],
        );
        let answer = [
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1][..],
            b"h",
            &[0, 0, 0x23, 0x84, 255, 255, 255, 255, 0, 0, 0, 7],
            &[0, 0, 0, 1, 0, 0, 0, 1, b't', 0, 0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 2, 0, 0, 0, 7],
            &[0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 7],
        ];
        let expected = Metadata {
            brokers: vec![(7, "h".into(), 9092)],
            error: 0,
            leaders: vec![(2, 7)],
        };
        check(metadata, &answer.concat(), expected);
        let answer = [
            [0; 4].as_slice(),
            &[0, 0],
            &[0, 0, 0, 0, 0, 0, 1, 0],
            &[0, 3],
        ];
        check(producer, &answer.concat(), (0, 256, 3));
        let answer = [
            &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 2, 0, 45][..],
            &[0; 24],
        ];
        check(produced, &answer.concat(), vec![(2, 45)]);
    }

    #[test]
    fn counts_are_held_against_what_is_there() {
        for count in [[127, 255, 255, 255], [0, 0, 0, 5]] {
            let mut reader = Reader(&count);
            assert_eq!(reader.array(Reader::i32), Err(WireError));
        }
        let mut reader = Reader(&[255, 255, 255, 255]);
        assert_eq!(reader.array(Reader::i32), Ok(Vec::new()));
        let mut reader = Reader(&[0, 2, 255, 254]);
        assert_eq!(reader.string(), Err(WireError));
        let mut writer = Writer::new(super::PRODUCE, 1);
        writer.string(&"x".repeat(40_000));
        assert_eq!(writer.finish().len(), 19 + 2 + 32_767);
    }
}
