//! What the rooms behind learn of an exchange. `pipeline` has it put there, one room after the
//! other, so that none of them has to know another; nothing of it is masked.

mod client;
mod content;
mod device;
mod guess;
mod marks;
mod novelty;
mod operation;
mod proof;
mod route;
mod score;
mod spoken;
mod user;
mod websocket;

use std::sync::Arc;

pub use client::Client;
pub use content::{Content, Words};
pub use device::Device;
pub use guess::Guess;
pub use marks::{Mark, Marks, Secret};
pub use novelty::{Novel, Novelty};
pub use operation::{Operation, Speech};
pub use proof::Proof;
pub use route::Route;
pub use score::{ScoreHit, Scores};
pub use spoken::{Grpc, Messages as GrpcMessages, Spoken};
pub use user::User;
pub use websocket::WebSocket;

pub use crate::event::{AgentClass, Signal, Signals};
use crate::lookup::{Geo, Place};

/// Who called, what, from where, and what of it is delicate: a field for each answer, filled by the
/// room that finds it. All empty while an exchange is being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What is spoken inside it; filled by `exchange`.
    pub spoken: Spoken,
    /// Who asked, behind the proxies that are believed. `None` if no address is known.
    pub client: Option<Client>,
    /// Whose account it was, or which credential.
    pub user: Option<User>,
    /// The account that somebody tried to sign in as, or named to have it made or its password sent.
    pub login: Option<Arc<[u8]>>,
    /// The client's program. `None` if the request says nothing of it.
    pub device: Option<Arc<Device>>,
    /// The endpoint. `None` without a request.
    pub route: Option<Route>,
    /// What kind of API event it is.
    pub signals: Signals,
    /// What of it is sensitive. `None` if nobody looked.
    pub marks: Option<Marks>,
    /// What of it was seen for the first time.
    pub novelty: Novelty,
    /// The process and where it runs; absent where nothing is looked up. Its command line and labels
    /// are masked already.
    pub place: Option<Arc<Place>>,
    /// What the stateless detectors found in its content.
    pub scores: Scores,
    /// A token in it whose secret is to be guessed; taken off before the exchange goes on.
    pub guess: Option<Box<Guess>>,
    /// What its process did that proves some of that.
    pub proofs: Vec<Proof>,
    /// Where the client's address is; absent where no database says.
    pub geo: Option<Arc<Geo>>,
    /// What its values ask for and give out.
    pub content: Content,
    /// Which operation it asks for, where one path serves many.
    pub operation: Option<Box<Operation>>,
}

impl Known {
    /// Memory it holds beyond its own size, in bytes; what is shared with a table is the table's.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.client.as_ref().map_or(0, Client::bytes)
            + self.marks.as_ref().map_or(0, Marks::bytes)
            + self.scores.bytes()
            + self
                .proofs
                .iter()
                .map(|proof| size_of::<Proof>() + proof.act.len())
                .sum::<usize>()
            + self.content.bytes()
            + self.spoken.bytes()
            + self.operation.as_ref().map_or(0, |one| one.bytes())
    }
}
