//! Section `capture`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Size;

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Which tap listens.
    pub mode: Mode,
    /// Whether HTTPS is heard too, in the TLS libraries of processes: OpenSSL and its like, GnuTLS, NSS, Go, rustls.
    pub tls: bool,
    /// Which side of each connection is reported. A connection between two processes of this host
    /// has both.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true))]
    pub roles: Vec<Role>,
    /// What is left out.
    pub exclude: Exclude,
    /// How much of each body is kept. What is beyond is counted, not kept.
    pub body: BodyLimits,
    /// Memory between kernel and agent. What finds it full is lost, and counted.
    #[schemars(extend("x-min" = "256KiB", "x-max" = "1GiB", "x-check" = "power_of_two"))]
    pub ring: Size,
    /// Most bytes copied of one call, at most a quarter of `ring`. What is beyond is a gap of known
    /// length.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "2MiB"))]
    pub copy_per_call: Size,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            tls: true,
            roles: vec![Role::Server],
            exclude: Exclude::default(),
            body: BodyLimits::default(),
            // 2 MiB read each 5 ms lose records at 280 000 a second. 8 MiB hold 7 000 small exchanges,
            // a sixth of a second of what two processors can serve.
            ring: Size::mebi(8),
            copy_per_call: Size::mebi(2),
        }
    }
}

/// Which tap listens.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The best this kernel allows
    #[default]
    Auto,
    /// Where sockets move bytes: Linux 6.3 and newer
    Socket,
    /// Where system calls return: Linux 5.10 and newer, costs more
    Syscall,
}

/// A side of a connection.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Processes of this host that answer requests
    Server,
    /// Processes of this host that send requests
    Client,
}

/// What is left out, in the kernel already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Exclude {
    /// Ports, of either end.
    #[schemars(inner(range(min = 1)), length(max = 256))]
    pub ports: Vec<u16>,
    /// Names of processes as in `/proc/PID/comm`, up to 15 bytes.
    #[schemars(length(max = 256), extend("x-check-items" = "process"))]
    pub processes: Vec<String>,
    /// Cgroups as in `/proc/PID/cgroup`, with all below them: `/system.slice/ssh.service`.
    #[schemars(length(max = 256), extend("x-check-items" = "absolute_path"))]
    pub cgroups: Vec<String>,
}

/// Most of a body that may be kept; the bounds below say the same.
pub const BODY_MAX: Size = Size::mebi(16);

/// How much of each body is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BodyLimits {
    /// Of each request.
    #[schemars(extend("x-max" = "16MiB"))]
    pub request: Size,
    /// Of each response.
    #[schemars(extend("x-max" = "16MiB"))]
    pub response: Size,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            request: Size::kibi(16),
            response: Size::kibi(16),
        }
    }
}
