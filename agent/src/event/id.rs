//! Ids: UUIDv7 (RFC 9562 §5.7) whose random part is a hash, so that a replay gives them again.

use std::hash::Hasher as _;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::clock::WallTime;

/// Names one record, or one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// Milliseconds of `time`, then 74 bits of `hash`.
    fn new(time: WallTime, hash: u128) -> Self {
        const VERSION: u128 = 0x7 << 76;
        const VARIANT: u128 = 0b10 << 62;
        const RANDOM: u128 = (0xfff << 64) | ((1 << 62) - 1);
        let ms = u128::from(time.0 / 1_000_000) & ((1 << 48) - 1);
        Self((ms << 80) | VERSION | VARIANT | (hash & RANDOM))
    }

    /// As it is written: 32 hex digits in five groups. Never allocates.
    #[must_use]
    pub fn to_text(self) -> [u8; 36] {
        let mut out = [b'-'; 36];
        let digits = out.iter_mut().enumerate();
        let places = digits.filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
        for ((_, place), nibble) in places.zip((0..32).rev()) {
            let digit = (self.0 >> (4 * nibble)) as u8 & 0xf;
            *place = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
        }
        out
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl std::str::FromStr for EventId {
    type Err = IdError;

    /// Reads what [`EventId::to_text`] writes, and any other UUID in that form.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut id = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) && byte == b'-' {
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(IdError)?;
            id = (id << 4) | u128::from(digit);
        }
        if text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4 {
            Ok(Self(id))
        } else {
            Err(IdError)
        }
    }
}

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 32 hexadecimal digits in five groups")]
pub struct IdError;

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for EventId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventId".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uuid", "description": "UUIDv7." })
    }
}

/// Makes the ids of one run of the agent on one host.
#[derive(Clone, Debug)]
pub struct Ids {
    keyed: SipHasher13,
    /// The same for all runs on this host.
    lasting: SipHasher13,
}

/// A conn, as ids name it. The agent may have forgotten it in between: then it is another, which
/// counts its exchanges anew.
#[derive(Clone, Copy, Debug)]
pub struct ConnName {
    /// Address of its sock.
    pub sock: u64,
    /// Inode number of its socket.
    pub inode: u64,
    /// When it was first heard, nanoseconds since boot.
    pub heard_ns: u64,
}

/// What an id is for: ids of different kinds never meet.
#[derive(Clone, Copy)]
enum Purpose {
    Exchange = 1,
    Connection = 2,
    Notice = 3,
    Incident = 4,
    Finding = 5,
    Campaign = 6,
}

impl Ids {
    /// Ids of the run `run` on the host whose machine id is `host_id`.
    #[must_use]
    pub fn new(host_id: &str, run: u64) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(host_id.as_bytes());
        let keyed = |hasher: SipHasher13| {
            let key = hasher.finish128();
            SipHasher13::new_with_keys(key.h1, key.h2)
        };
        let lasting = keyed(hasher);
        hasher.write_u64(run);
        Self {
            keyed: keyed(hasher),
            lasting,
        }
    }

    /// Id of report `report`, from 0, of the exchange `ordinal` of a conn, which began at `time`.
    #[must_use]
    pub fn exchange(&self, time: WallTime, conn: ConnName, ordinal: u64, report: u64) -> EventId {
        let ConnName {
            sock,
            inode,
            heard_ns,
        } = conn;
        let words = [sock, inode, heard_ns, ordinal, report];
        self.id(Purpose::Exchange, time, &words)
    }

    /// Id of the conn that was first heard at `time`.
    #[must_use]
    pub fn connection(&self, time: WallTime, conn: ConnName) -> EventId {
        let words = [conn.sock, conn.inode, conn.heard_ns];
        self.id(Purpose::Connection, time, &words)
    }

    /// Id of the notice `ordinal`, from 0, of this run.
    #[must_use]
    pub fn notice(&self, time: WallTime, ordinal: u64) -> EventId {
        self.id(Purpose::Notice, time, &[ordinal])
    }

    /// Id of the incident that `detector` opened at `time` for `key`, a hash of whom or what it is
    /// about. The same in every run, so that one run knows the incidents of another by their keys.
    #[must_use]
    pub fn incident(&self, time: WallTime, detector: &str, key: u64) -> EventId {
        let mut hasher = self.lasting;
        hasher.write(detector.as_bytes());
        let words = [hasher.finish(), key, time.0];
        id(self.lasting, Purpose::Incident, time, &words)
    }

    /// Id of the record `ordinal`, from 0, of an incident.
    #[must_use]
    pub fn finding(&self, time: WallTime, incident: EventId, ordinal: u64) -> EventId {
        let EventId(incident) = incident;
        let words = [(incident >> 64) as u64, incident as u64, ordinal];
        self.id(Purpose::Finding, time, &words)
    }

    /// Id of the campaign of the actor whose hash is `actor`, which began at `time`. The same in every
    /// run, as incidents are.
    #[must_use]
    pub fn campaign(&self, time: WallTime, actor: u64) -> EventId {
        id(self.lasting, Purpose::Campaign, time, &[actor, time.0])
    }

    fn id(&self, purpose: Purpose, time: WallTime, words: &[u64]) -> EventId {
        id(self.keyed, purpose, time, words)
    }
}

fn id(mut hasher: SipHasher13, purpose: Purpose, time: WallTime, words: &[u64]) -> EventId {
    hasher.write_u64(purpose as u64);
    for word in words {
        hasher.write_u64(*word);
    }
    let hash = hasher.finish128();
    EventId::new(time, (u128::from(hash.h1) << 64) | u128::from(hash.h2))
}

#[cfg(test)]
mod tests {
    use super::{ConnName, EventId, Ids};
    use crate::clock::WallTime;

    const TIME: WallTime = WallTime(1_645_557_742_000_999_999);

    fn conn(sock: u64, inode: u64, heard_ns: u64) -> ConnName {
        ConnName {
            sock,
            inode,
            heard_ns,
        }
    }

    #[test]
    fn layout_is_that_of_the_rfc() {
        // The example of RFC 9562, appendix A.6.
        let hash = (0xcc3 << 64) | 0x18c4_dc0c_0c07_398f;
        let id = EventId::new(TIME, hash);
        assert_eq!(id.to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        let full = EventId::new(WallTime(u64::MAX), u128::MAX).to_string();
        assert_eq!(&full[14..15], "7");
        assert_eq!(&full[19..20], "b");
    }

    #[test]
    fn whatever_differs_makes_another_id_and_a_replay_the_same() {
        let ids = |host, run| {
            let ids = Ids::new(host, run);
            [
                ids.exchange(TIME, conn(1, 2, 9), 3, 0),
                ids.exchange(TIME, conn(1, 2, 9), 3, 1),
                ids.exchange(TIME, conn(1, 2, 9), 4, 0),
                ids.exchange(TIME, conn(1, 3, 9), 3, 0),
                ids.exchange(TIME, conn(2, 2, 9), 3, 0),
                ids.exchange(TIME, conn(1, 2, 8), 3, 0),
                ids.connection(TIME, conn(1, 2, 9)),
                ids.connection(TIME, conn(1, 2, 8)),
                ids.notice(TIME, 1),
                ids.finding(TIME, ids.incident(TIME, "auth-01", 1), 0),
                ids.finding(TIME, ids.incident(TIME, "auth-01", 1), 1),
            ]
        };
        let mut all = [ids("a", 1), ids("a", 2), ids("b", 1)].concat();
        assert_eq!(ids("a", 1), ids("a", 1));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 33);
        // An incident is the same in each run.
        let incident = |host, run, detector| Ids::new(host, run).incident(TIME, detector, 1);
        assert_eq!(incident("a", 1, "auth-01"), incident("a", 2, "auth-01"));
        assert_ne!(incident("a", 1, "auth-01"), incident("b", 1, "auth-01"));
        assert_ne!(incident("a", 1, "auth-01"), incident("a", 1, "auth-02"));
        // So is a campaign.
        let campaign = |host, run, actor| Ids::new(host, run).campaign(TIME, actor);
        assert_eq!(campaign("a", 1, 1), campaign("a", 2, 1));
        assert_ne!(campaign("a", 1, 1), campaign("b", 1, 1));
        assert_ne!(campaign("a", 1, 1), campaign("a", 1, 2));
    }

    #[test]
    fn an_id_can_be_read_again() {
        let id = Ids::new("a", 1).notice(TIME, 1);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "",
            "017f22e279b07cc398c4dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        ] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_stay_the_same_from_version_to_version() {
        let id = Ids::new("4c4c4544", 7).exchange(TIME, conn(1, 2, 9), 3, 0);
        assert_eq!(id.to_string(), "017f22e2-79b0-7333-8664-f3c8b44c8c7b");
    }
}
