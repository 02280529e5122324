//! A small HTTP server on this host alone: how the agent does, for people and for monitoring.
//!
//! In: what the pipeline posts on its board, the journal's folder. Out: `/metrics`, `/healthz`,
//! `/readyz`, `/status`. It changes nothing, and says nothing of what was heard but how much.

mod answer;
mod figures;
mod metrics;
mod serve;

use std::path::PathBuf;
use std::sync::Arc;

pub use answer::About;
pub use serve::{Api, ApiError};

use crate::config::Config;
use crate::pipeline::Board;

/// Whom the server answers for.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The agent.
    pub about: About,
    /// Where its pipeline posts how it stands.
    pub board: Arc<Board>,
    /// What it is told to do.
    pub config: Arc<Config>,
    /// The journal's folder, if there is one.
    pub dir: Option<PathBuf>,
}
