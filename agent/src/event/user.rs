//! Who asked: account and credential, and the program they used.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::Text;
use crate::keyed::KeyedHash;

/// The account behind a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct User<'a> {
    /// Its name. Absent where only a credential is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Text<'a>>,
    /// Where that was learnt: `jwt.CLAIM`, `header.NAME`, `cookie.NAME`, `api_key.NAME`, `basic`,
    /// `body.FIELD`, or `login`: the credential was given to that user when they signed in.
    pub source: &'a str,
    /// Keyed hash of the token, key, cookie or password that was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<KeyedHash>,
}

/// The client's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserAgent<'a> {
    /// The User-Agent field, as sent.
    pub original: Text<'a>,
    /// Its name, as far as it is a known one or names itself.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'a str,
    /// Its version.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub version: &'a str,
    /// The operating system it says it runs on.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub os: &'a str,
    /// What kind of program it is. Absent for what makes no sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<AgentClass>,
}

/// Kinds of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentClass {
    /// A browser, used by a person.
    Browser,
    /// An application on a mobile device.
    MobileApp,
    /// A library in a program of somebody's own.
    Library,
    /// A program used by hand or in scripts.
    Tool,
    /// A crawler, monitor or other program that says it is one.
    Bot,
    /// A program that looks for weaknesses.
    Scanner,
}

impl AgentClass {
    /// Its name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::MobileApp => "mobile_app",
            Self::Library => "library",
            Self::Tool => "tool",
            Self::Bot => "bot",
            Self::Scanner => "scanner",
        }
    }
}
