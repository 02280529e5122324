//! A row of the catalogue: what a detector is called, how it decides by default, and what to do when
//! it fires.

use crate::event::Severity;

macro_rules! ids {
    ($($variant:ident = $id:literal,)+) => {
        /// Every detector there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id {
            $(#[doc = concat!("`", $id, "`")] $variant,)+
        }

        impl Id {
            /// All, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As configuration and findings have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                }
            }
        }
    };
}

ids! {
    Auth01 = "auth-01",
    Auth02 = "auth-02",
    Auth03 = "auth-03",
    Auth04 = "auth-04",
    Auth05 = "auth-05",
    Auth06 = "auth-06",
    Auth07 = "auth-07",
    Auth08 = "auth-08",
    Jwt01 = "jwt-01",
    Jwt02 = "jwt-02",
    Jwt03 = "jwt-03",
    Jwt04 = "jwt-04",
    Jwt05 = "jwt-05",
    Cred01 = "cred-01",
    Cred02 = "cred-02",
    Bola01 = "bola-01",
    Bola02 = "bola-02",
    Bola03 = "bola-03",
    Bfla01 = "bfla-01",
    Bfla02 = "bfla-02",
    Mass01 = "mass-01",
    Data01 = "data-01",
    Data02 = "data-02",
    Data03 = "data-03",
    Exf01 = "exf-01",
    Exf02 = "exf-02",
    Exf03 = "exf-03",
    Rate01 = "rate-01",
    Rate02 = "rate-02",
    Rate03 = "rate-03",
    Flow01 = "flow-01",
    Base01 = "base-01",
    Base02 = "base-02",
    Base03 = "base-03",
    Seq01 = "seq-01",
    Scan01 = "scan-01",
    Scan02 = "scan-02",
    Scan03 = "scan-03",
    Scan04 = "scan-04",
    Inj01 = "inj-01",
    Inj02 = "inj-02",
    Inj03 = "inj-03",
    Inj04 = "inj-04",
    Inj05 = "inj-05",
    Inj06 = "inj-06",
    Inj07 = "inj-07",
    Inj08 = "inj-08",
    Inj09 = "inj-09",
    Inj10 = "inj-10",
    Inj11 = "inj-11",
    Inj12 = "inj-12",
    Inj13 = "inj-13",
    Inj14 = "inj-14",
    Inv01 = "inv-01",
    Inv02 = "inv-02",
    Inv03 = "inv-03",
    Loc01 = "loc-01",
    Loc02 = "loc-02",
    Loc03 = "loc-03",
    Anom01 = "anom-01",
}

impl std::str::FromStr for Id {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let named = |id: &&Self| id.name() == name;
        Self::ALL.iter().find(named).copied().ok_or(())
    }
}

/// Detectors that look for one kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Signing in.
    Auth,
    /// Tokens and credentials.
    Token,
    /// What one may see and do.
    Access,
    /// What leaves.
    Data,
    /// How much and how often.
    Abuse,
    /// Looking for what is there.
    Probing,
    /// Code in values.
    Injection,
    /// What differs from what is usual.
    Baseline,
    /// Endpoints that nobody knows of.
    Inventory,
    /// From where, and with what.
    Place,
}

impl Family {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Token => "token",
            Self::Access => "access",
            Self::Data => "data",
            Self::Abuse => "abuse",
            Self::Probing => "probing",
            Self::Injection => "injection",
            Self::Baseline => "baseline",
            Self::Inventory => "inventory",
            Self::Place => "place",
        }
    }

    /// Where it stands in a chain of attack: incidents of a campaign are told in this order.
    #[must_use]
    pub const fn step(self) -> u8 {
        match self {
            Self::Probing => 0,
            Self::Inventory => 1,
            Self::Auth | Self::Token => 2,
            Self::Place => 3,
            Self::Injection => 4,
            Self::Access => 5,
            Self::Abuse | Self::Baseline => 6,
            Self::Data => 7,
        }
    }
}

/// A row of the catalogue.
#[derive(Debug)]
pub struct Row {
    /// Which detector.
    pub id: Id,
    /// What it looks for.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// Rises when it decides in another way.
    pub version: u32,
    /// How bad it is where it works.
    pub impact: Severity,
    /// The count from which on it speaks.
    pub threshold: u64,
    /// Over how long it counts, seconds; 0 where a single exchange decides.
    pub window_s: u32,
    /// OWASP API Security Top 10.
    pub owasp: &'static [&'static str],
    /// CWE.
    pub cwe: &'static [u32],
    /// MITRE ATT&CK.
    pub attack: &'static [&'static str],
    /// What it means.
    pub means: &'static str,
    /// How it decides, with the defaults and why.
    pub decides: &'static str,
    /// What fools it.
    pub fools: &'static str,
    /// What to do when it fires.
    pub advice: &'static str,
}
