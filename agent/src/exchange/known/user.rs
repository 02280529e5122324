//! Whose account a request was made with.

use std::sync::Arc;

use crate::keyed::KeyedHash;

/// An account, a credential, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account's name, as sent; `None` where only a credential is known.
    pub id: Option<Arc<[u8]>>,
    /// Where that was learnt, as events say it.
    pub source: Arc<str>,
    /// What was shown to prove it, hashed.
    pub credential: Option<KeyedHash>,
}
