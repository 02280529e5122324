//! What kind of API event an exchange is.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};

macro_rules! signals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// One thing an exchange is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Signal {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Signal {
            /// All of them, in the order in which they are told.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in events.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

signals! {
    /// Somebody proved who they are.
    AuthenticationSuccess = "authentication_success",
    /// Somebody did not prove who they are.
    AuthenticationFailure = "authentication_failure",
    /// Somebody known may not do this.
    AuthorizationFailure = "authorization_failure",
    /// What was sent was not acceptable.
    InputRejected = "input_rejected",
    /// Too much was asked for.
    RateLimited = "rate_limited",
    /// The application failed.
    ApplicationError = "application_error",
    /// Signs somebody in.
    SensitiveLogin = "sensitive:login",
    /// Changes an account or what protects it.
    SensitiveAccount = "sensitive:account",
    /// Moves money or what is worth some.
    SensitivePayment = "sensitive:payment",
    /// Administers the service.
    SensitiveAdmin = "sensitive:admin",
    /// Hands out data in bulk.
    SensitiveExport = "sensitive:export",
}

/// Signals, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signals(u16);

const _: () = assert!(Signal::ALL.len() <= u16::BITS as usize);

impl Signals {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn add(&mut self, signal: Signal) {
        self.0 |= 1 << signal as u16;
    }

    /// Whether `signal` is among them.
    #[must_use]
    pub const fn has(self, signal: Signal) -> bool {
        self.0 & 1 << signal as u16 != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// All of them, in the order in which they are told.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL
            .iter()
            .copied()
            .filter(move |signal| self.has(*signal))
    }
}

impl FromIterator<Signal> for Signals {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        let mut all = Self::NONE;
        signals.into_iter().for_each(|signal| all.add(signal));
        all
    }
}

impl Serialize for Signals {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(None)?;
        for signal in self.iter() {
            list.serialize_element(signal.name())?;
        }
        list.end()
    }
}

impl JsonSchema for Signals {
    fn schema_name() -> Cow<'static, str> {
        "Signals".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Signal::ALL.iter().map(|signal| signal.name()).collect();
        json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
    }
}

#[cfg(test)]
mod tests {
    use super::{Signal, Signals};

    #[test]
    fn each_is_told_once_in_its_order() {
        let all = Signals::from_iter([
            Signal::SensitiveLogin,
            Signal::AuthenticationFailure,
            Signal::SensitiveLogin,
        ]);
        let told = serde_json::to_string(&all).unwrap();
        assert_eq!(told, r#"["authentication_failure","sensitive:login"]"#);
        assert!(all.has(Signal::SensitiveLogin) && !all.has(Signal::RateLimited));
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = Signal::ALL.iter().map(|signal| signal.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Signal::ALL.len());
        let every: Signals = Signal::ALL.iter().copied().collect();
        assert_eq!(every.iter().count(), Signal::ALL.len());
    }
}
