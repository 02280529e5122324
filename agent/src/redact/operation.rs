//! Operations as they are reported. Their names make routes, so what is sensitive in them is taken out
//! before those are found: whoever asks chooses what an operation is called.

use super::marker::Marker;
use super::masked::piece;
use super::redactor::Redactor;
use crate::content::{Container, Side};
use crate::event::{GraphQl, GraphQlOperation, Rpc, RpcSystem};
use crate::exchange::{Exchange, Mark, Speech};

impl Marker {
    /// Takes what must not be told out of that by which an exchange that is marked has its endpoint: the
    /// name of its operation, the hash of its query, its host.
    pub fn hide_names(&mut self, redactor: &Redactor, exchange: &mut Exchange) {
        self.note_host(redactor, exchange);
        self.hide_operation(redactor, exchange);
    }

    /// A name is told by its shape, by a pattern, or because it stands in what is masked of the request's
    /// target or body.
    fn hide_operation(&mut self, redactor: &Redactor, exchange: &mut Exchange) {
        let Some(mut operation) = exchange.known.operation.take() else {
            return;
        };
        let mut hides = |text: &mut Box<str>| self.secret_in(redactor, text.as_bytes()).is_some();
        operation.name.take_if(&mut hides);
        operation.persisted.take_if(&mut hides);
        operation.name.take_if(|name| is_masked(exchange, name));
        exchange.known.operation = Some(operation);
    }
}

/// Whether `name` stands, as a word, in something that is masked.
fn is_masked(exchange: &Exchange, name: &str) -> bool {
    let holds = |mark: &Mark| {
        let text = piece(exchange, mark.side, mark.container);
        let masked = text.get(mark.start as usize..mark.end as usize);
        masked.is_some_and(|masked| has_word(masked, name.as_bytes()))
    };
    let may = |mark: &&Mark| {
        mark.side == Side::Request && matches!(mark.container, Container::Target | Container::Body)
    };
    let marks = exchange.known.marks.as_ref();
    marks.is_some_and(|marks| marks.list.iter().filter(may).any(holds))
}

fn has_word(text: &[u8], word: &[u8]) -> bool {
    let is_part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    memchr::memmem::find_iter(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !is_part(before) && !is_part(text.get(at + word.len()))
    })
}

pub(super) fn graphql(exchange: &Exchange) -> Option<GraphQl<'_>> {
    let known = &exchange.known;
    let operation = known.operation.as_deref()?;
    let kind = match operation.speech {
        Speech::Query => Some(GraphQlOperation::Query),
        Speech::Mutation => Some(GraphQlOperation::Mutation),
        Speech::Subscription => Some(GraphQlOperation::Subscription),
        Speech::Persisted => None,
        Speech::JsonRpc | Speech::Soap => return None,
    };
    // Where there is a document it nests.
    let is_read = known.content.depth > 0;
    Some(GraphQl {
        operation: kind,
        name: operation.name.as_deref(),
        depth: is_read.then_some(known.content.depth),
        aliases: is_read.then_some(known.content.aliases),
        batch: operation.batch,
        persisted_query: operation.persisted.as_deref(),
    })
}

pub(super) fn rpc(exchange: &Exchange) -> Option<Rpc<'_>> {
    let operation = exchange.known.operation.as_deref()?;
    let system = match operation.speech {
        Speech::JsonRpc => RpcSystem::JsonRpc,
        Speech::Soap => RpcSystem::Soap,
        _ => return None,
    };
    Some(Rpc {
        system,
        method: operation.name.as_deref(),
        batch: (operation.batch > 1).then_some(operation.batch),
    })
}
