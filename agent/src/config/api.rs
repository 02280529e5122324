//! Section `api`: where the agent says how it does.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where metrics and health can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// `unix:/path`, which the agent's user and group may open, or `tcp://127.0.0.1:PORT`, which every
    /// user of this host may.
    #[schemars(extend("x-check" = "listen"))]
    pub listen: String,
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket.
    Unix(PathBuf),
    /// A port, for this host alone.
    Tcp(SocketAddr),
}

impl Listen {
    /// What `text` says; `None` if it says no such thing, or would let other hosts in.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let address: SocketAddr = text.strip_prefix("tcp://")?.parse().ok()?;
        let ours = address.ip().is_loopback() && address.port() > 0;
        ours.then_some(Self::Tcp(address))
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: "unix:/run/eaves/eaves.sock".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Api, Listen};

    #[test]
    fn no_other_host_is_let_in() {
        let check = |text, expected| assert_eq!(Listen::parse(text), expected, "{text}");
        let tcp = |text: &str| Some(Listen::Tcp(text.parse().unwrap()));
        let usual = Api::default().listen;
        check(&usual, Some(Listen::Unix("/run/eaves/eaves.sock".into())));
        check("tcp://127.0.0.1:9180", tcp("127.0.0.1:9180"));
        check("tcp://[::1]:9180", tcp("[::1]:9180"));
        for text in [
            "",
            "unix:",
            "unix:run/x",
            "tcp://0.0.0.0:9180",
            "tcp://localhost:9180",
            "127.0.0.1:9180",
        ] {
            check(text, None);
        }
        check("tcp://10.0.0.1:9180", None);
        check("tcp://127.0.0.1:0", None);
    }
}
