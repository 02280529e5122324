//! How detectors are set.

use std::net::IpAddr;
use std::sync::Arc;

use super::inventory::Specification;
use super::row::{Id, Row};
use super::rows::ROWS;
use crate::clock::WallTime;

/// How detectors are set. What is left out is as the catalogue has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// One for each detector that is set otherwise.
    pub detectors: Vec<(Id, Change)>,
    /// What is not reported.
    pub suppress: Vec<Exempt>,
    /// What is not looked at.
    pub allow: Vec<Exempt>,
    /// Findings that may open in a minute.
    pub per_minute: u32,
    /// Seconds without anything new after which an incident is over.
    pub quiet_s: u32,
    /// Seconds that an endpoint must have been known before its baseline counts as ready.
    pub learn_s: u32,
    /// Exchanges of an endpoint that do as well.
    pub learn_events: u64,
    /// What documents say of the API; empty where there are none.
    pub specification: Arc<Specification>,
}

impl Default for Options {
    /// Sixty a minute and a gap of fifteen minutes, a day or a thousand events (DETECTION.md 5).
    fn default() -> Self {
        Self {
            detectors: Vec::new(),
            suppress: Vec::new(),
            allow: Vec::new(),
            per_minute: 60,
            quiet_s: 900,
            learn_s: 86_400,
            learn_events: 1000,
            specification: Arc::default(),
        }
    }
}

/// What is set otherwise of one detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// It does not look.
    pub disabled: bool,
    /// It looks, but what it finds is `info` and tagged `dry-run`.
    pub dry_run: bool,
    /// The count from which on it speaks.
    pub threshold: Option<u64>,
    /// Over how long it counts, seconds.
    pub window_s: Option<u32>,
}

/// What is not reported, or not looked at: all that is given must fit; what is empty fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exempt {
    /// Names of detectors or rules.
    pub detectors: Vec<String>,
    /// Accounts.
    pub users: Vec<String>,
    /// Networks of clients.
    pub clients: Vec<Network>,
    /// Routes, as events have them; one that ends in `*` is a beginning.
    pub routes: Vec<String>,
    /// Until when; always if it is left out.
    pub until: Option<WallTime>,
}

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address.
    pub address: IpAddr,
    /// How many bits of it count.
    pub bits: u8,
}

impl Network {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other) = match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let wide = |ip: std::net::Ipv4Addr| u128::from(u32::from(ip)) << 96;
                (wide(own), wide(other))
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own), u128::from(other)),
            _ => return false,
        };
        let differ = own ^ other;
        self.bits == 0 || differ.checked_shr(128 - u32::from(self.bits.min(128))) == Some(0)
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address or network, as in 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

/// How one detector is set, all taken together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) enabled: bool,
    pub(super) dry_run: bool,
    pub(super) threshold: u64,
    pub(super) window_s: u32,
}

/// How every detector is set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    all: Vec<Setting>,
    /// Whether an endpoint was watched for long enough, by its age in seconds or its exchanges.
    pub(super) learn_s: u32,
    pub(super) learn_events: u64,
}

impl Settings {
    pub(super) fn new(options: &Options) -> Self {
        let plain = Setting {
            enabled: false,
            dry_run: false,
            threshold: u64::MAX,
            window_s: 0,
        };
        let mut all = vec![plain; Id::ALL.len()];
        for row in ROWS.iter() {
            if let Some(setting) = all.get_mut(row.id as usize) {
                *setting = of(row, options);
            }
        }
        Self {
            all,
            learn_s: options.learn_s,
            learn_events: options.learn_events,
        }
    }

    pub(super) fn of(&self, id: Id) -> Setting {
        let none = Setting {
            enabled: false,
            dry_run: false,
            threshold: u64::MAX,
            window_s: 0,
        };
        self.all.get(id as usize).copied().unwrap_or(none)
    }
}

fn of(row: &Row, options: &Options) -> Setting {
    let changed = options.detectors.iter().find(|(id, _)| *id == row.id);
    let change = changed.map(|(_, change)| *change).unwrap_or_default();
    Setting {
        enabled: !change.disabled,
        dry_run: change.dry_run,
        threshold: change.threshold.unwrap_or(row.threshold),
        window_s: change.window_s.unwrap_or(row.window_s),
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[track_caller]
    fn check(network: &str, address: &str, expected: bool) {
        let network: Network = network.parse().unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), expected);
    }

    #[test]
    fn networks_hold_what_begins_as_they_do() {
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("2001:db8::/32", "2001:db8:1::9", true);
        check("::/0", "2001:db8:1::9", true);
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "x/8",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
