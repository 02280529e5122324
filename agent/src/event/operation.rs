//! Operations where one path serves many, as reported.

use schemars::JsonSchema;
use serde::Serialize;

/// What a request asks of GraphQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GraphQl<'a> {
    /// What kind of operation it is; absent if the document was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<GraphQlOperation>,
    /// Its name; of several operations that of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// How deep the deepest document nests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Aliases in all documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<u32>,
    /// Operations that came in this request.
    pub batch: u32,
    /// The hash that the server knows the document by (persisted queries).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persisted_query: Option<&'a str>,
}

/// What kind of operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GraphQlOperation {
    /// It reads.
    Query,
    /// It changes something.
    Mutation,
    /// It asks to be told.
    Subscription,
}

/// A call whose method the body names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rpc<'a> {
    /// What is spoken.
    pub system: RpcSystem,
    /// The method; of several calls that of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// Calls that came in this request, if several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RpcSystem {
    /// JSON-RPC 2.0.
    JsonRpc,
    /// SOAP.
    Soap,
}
