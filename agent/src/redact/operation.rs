//! Operations as they are reported: what is sensitive in their names was taken out when they were read.

use crate::event::{GraphQl, GraphQlOperation, Rpc, RpcSystem};
use crate::exchange::{Exchange, Speech};

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
