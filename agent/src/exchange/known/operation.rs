//! Which operation a request asks for, where one path serves many.

pub use crate::content::Speech;

/// An operation of GraphQL, JSON-RPC or SOAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is spoken.
    pub speech: Speech,
    /// What it is called, if it has a name: letters, digits and few other characters.
    pub name: Option<Box<str>>,
    /// The hash that the server knows its document by.
    pub persisted: Option<Box<str>>,
    /// Operations that came in one request.
    pub batch: u32,
}

impl Operation {
    /// Of `found`.
    #[must_use]
    pub fn of(found: &crate::content::Operation<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_boxed_str();
        let is_hash = |hash: &&[u8]| {
            hash.len() <= 128 && !hash.is_empty() && hash.iter().all(u8::is_ascii_alphanumeric)
        };
        Self {
            speech: found.speech,
            name: found.name.map(text),
            persisted: found.persisted.filter(is_hash).map(text),
            batch: found.batch,
        }
    }

    /// Memory it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.name, &self.persisted].into_iter().flatten();
        size_of::<Self>() + texts.map(|text| text.len()).sum::<usize>()
    }
}
