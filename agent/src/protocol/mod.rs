//! Bytes → messages, one direction at a time.
//!
//! In: bytes in order, and what of them is missing. Out: heads, pieces of bodies, ends, and each
//! [`Anomaly`] by name. A parser may start in the middle of a message and may lose bytes; it knows
//! no conn, no clock, and decides no policy. Bodies are handed on as they come and never held.

mod anomaly;
pub mod coding;
mod field;
pub mod grpc;
pub mod http1;
pub mod http2;
mod sniff;
pub mod tls;
pub mod websocket;

pub use anomaly::{Anomalies, Anomaly};
pub use field::{Head, Span, Version};
pub use sniff::{Opening, opening};
