//! Exchanges made up for tests.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::clock::WallTime;
use crate::detect::{Detectors, Facts, LeftOut, Options, Outcome, Shown, Told};
use crate::event::{Host, Ids, Signal};

/// Shows nothing of whom, and values as they are.
pub(in crate::detect) struct Quiet;

impl Shown for Quiet {
    fn client(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn user(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn login(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn credential(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn path(&self) -> Cow<'_, str> {
        "/".into()
    }
    fn value<'v>(&self, value: &'v [u8]) -> Cow<'v, str> {
        String::from_utf8_lossy(value)
    }
}

/// A time, in seconds after the start of a test.
pub(in crate::detect) fn at(second: u64) -> WallTime {
    WallTime((1_795_240_800 + second) * 1_000_000_000)
}

/// A plain exchange.
pub(in crate::detect) fn facts_at(time: WallTime, ordinal: u64, shown: &dyn Shown) -> Facts<'_> {
    let mut facts = Facts::new(Ids::new("h", 1).notice(time, ordinal), time, shown);
    facts.client = Some(IpAddr::from([203, 0, 113, 7]));
    facts.domain = Cow::Borrowed(b"api.example");
    facts.method = b"GET";
    facts.path = b"/things";
    facts.route = "/things".into();
    facts.status = 200;
    facts
}

/// Turns a plain exchange into a login for `name` from `client`.
pub(in crate::detect) fn login<'a>(
    facts: &mut Facts<'a>,
    name: &'a [u8],
    client: u32,
    status: u16,
) {
    facts.client = Some(IpAddr::from(client.to_be_bytes()));
    facts.method = b"POST";
    facts.path = b"/login";
    facts.route = "/login".into();
    facts.status = status;
    facts.login = Some(name);
    facts.signals.add(Signal::SensitiveLogin);
    facts.signals.add(if status == 200 {
        Signal::AuthenticationSuccess
    } else {
        Signal::AuthenticationFailure
    });
}

/// Detectors under test, and what they told.
pub(in crate::detect) struct Trial {
    pub(in crate::detect) detectors: Detectors,
    pub(in crate::detect) told: Vec<Told>,
    pub(in crate::detect) left_out: LeftOut,
    ordinal: u64,
}

impl Trial {
    pub(in crate::detect) fn new(options: Options) -> Self {
        Self {
            detectors: Detectors::new(options, Ids::new("h", 1)),
            told: Vec::new(),
            left_out: LeftOut::default(),
            ordinal: 0,
        }
    }

    /// Has a plain exchange of this second, changed by `change`, looked at.
    pub(in crate::detect) fn look<'a>(&mut self, second: u64, change: impl FnOnce(&mut Facts<'a>)) {
        let mut facts = facts_at(at(second), self.ordinal, &Quiet);
        self.ordinal += 1;
        change(&mut facts);
        let mut out = Outcome::default();
        self.detectors.look(&facts, &mut out);
        self.told.append(&mut out.told);
        self.left_out.suppressed += out.left_out.suppressed;
        self.left_out.over_limit += out.left_out.over_limit;
    }

    /// Detector and state of all that was told.
    pub(in crate::detect) fn words(&self) -> Vec<String> {
        let word = |told: &Told| {
            let finding = told.finding(HOST);
            format!("{} {:?}", finding.detector.id, finding.state)
        };
        self.told.iter().map(word).collect()
    }

    /// Whether `detector` has spoken.
    pub(in crate::detect) fn has(&self, detector: &str) -> bool {
        self.told
            .iter()
            .any(|told| told.finding(HOST).detector.id == detector)
    }
}

pub(in crate::detect) const HOST: Host<'_> = Host { name: "h", id: "" };
