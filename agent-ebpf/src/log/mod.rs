//! What the programs log, in builds with the feature `kernel-log`. In others not one instruction
//! comes of it: there is no room for words on the hot path.

#[cfg(feature = "kernel-log")]
mod lines;

#[cfg(feature = "kernel-log")]
pub(crate) use lines::{announced, dropped, ended, fault, lost, passed_over};

/// Writes one of the lines above. Its numbers are not even worked out in builds that do not log.
macro_rules! log {
    ($line:ident($($number:expr),* $(,)?)) => {
        #[cfg(feature = "kernel-log")]
        $crate::log::$line($($number),*);
    };
}
pub(crate) use log;
