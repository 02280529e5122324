//! Which operation a request asks for, where one path serves many: GraphQL, JSON-RPC, SOAP.

use super::arena::Parts;
use super::graphql;
use super::part::{Name, Part};
use super::place::{BodyForm, Container, Kind, Place, Side};

/// Values of a request that are looked at.
const PARTS: usize = 512;

/// Longest name that is taken, bytes.
const NAME_MAX_BYTES: usize = 128;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// A query of GraphQL, or a fragment alone.
    Query,
    /// A mutation of GraphQL.
    Mutation,
    /// A subscription of GraphQL.
    Subscription,
    /// A document of GraphQL that the server has, by its hash.
    Persisted,
    /// JSON-RPC 2.0.
    JsonRpc,
    /// SOAP.
    Soap,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'p> {
    /// What is spoken.
    pub speech: Speech,
    /// What it is called, if it has a name.
    pub name: Option<&'p [u8]>,
    /// The hash that the server knows its document by.
    pub persisted: Option<&'p [u8]>,
    /// Operations that came in one request.
    pub batch: u32,
}

/// The operation that the request among `parts` asks for: of several the first.
#[must_use]
pub fn operation<'p>(parts: &'p Parts<'_>) -> Option<Operation<'p>> {
    match parts.form(Side::Request) {
        BodyForm::Xml => soap(parts),
        BodyForm::GraphQl => {
            let mut texts = parts.loose();
            let body = texts
                .find(|text| (text.side, text.container) == (Side::Request, Container::Body))?;
            Some(document(body.bytes, None, 1))
        }
        BodyForm::Json | BodyForm::Form | BodyForm::Empty | BodyForm::Multipart => asked(parts),
        BodyForm::Text | BodyForm::GrpcWebText | BodyForm::Binary => None,
    }
}

/// What the members of JSON, a form or the query say.
#[derive(Default)]
struct Said<'p> {
    document: Option<&'p [u8]>,
    name: Option<&'p [u8]>,
    hash: Option<&'p [u8]>,
    method: Option<&'p [u8]>,
    is_rpc: bool,
    documents: u32,
    methods: u32,
}

fn asked<'p>(parts: &'p Parts<'_>) -> Option<Operation<'p>> {
    let mut said = Said::default();
    let of_request = parts.iter().filter(|part| part.side() == Side::Request);
    for part in of_request.take(PARTS) {
        let Some(name) = part.name() else { continue };
        let word = name.word();
        // Few words matter, so most parts end here.
        if !matches!(word.len(), 5 | 6 | 7 | 10 | 13) || part.kind() != Kind::Text {
            continue;
        }
        match word {
            b"query" if is_top(part, name) && graphql::is_likely(part.value()) => {
                said.documents += 1;
                said.document.get_or_insert(part.value());
            }
            b"operationName" if is_top(part, name) => {
                said.name.get_or_insert(part.value());
            }
            b"sha256Hash"
                if name
                    .parent()
                    .is_some_and(|one| one.word() == b"persistedQuery") =>
            {
                said.hash.get_or_insert(part.value());
            }
            b"jsonrpc" if is_top(part, name) => said.is_rpc |= part.value() == b"2.0",
            b"method" if is_top(part, name) => {
                said.methods += 1;
                said.method.get_or_insert(part.value());
            }
            _ => {}
        }
    }
    said.operation()
}

/// Whether a part is a member of the outermost object, or of one in the outermost list; a field of a
/// form, or of the query.
fn is_top(part: Part<'_, '_>, name: Name<'_, '_>) -> bool {
    if part.is_nested() {
        return false;
    }
    match part.place() {
        Place::Query | Place::Form | Place::Multipart => true,
        Place::Json | Place::GraphQl => name.parent().is_some_and(|above| {
            let in_list = above.index().and_then(|_| above.parent());
            above.is_root() || in_list.is_some_and(Name::is_root)
        }),
        _ => false,
    }
}

impl<'p> Said<'p> {
    fn operation(self) -> Option<Operation<'p>> {
        if let Some(text) = self.document {
            let mut operation = document(text, self.name, self.documents);
            operation.persisted = self.hash;
            return Some(operation);
        }
        if self.hash.is_some() {
            return Some(Operation {
                speech: Speech::Persisted,
                name: self.name.filter(|name| is_name(name)),
                persisted: self.hash,
                batch: 1,
            });
        }
        let method = self.method.filter(|_| self.is_rpc)?;
        Some(Operation {
            speech: Speech::JsonRpc,
            name: Some(method).filter(|name| is_method(name)),
            persisted: None,
            batch: self.methods,
        })
    }
}

/// The operation of a GraphQL document that is called `wanted`, or else the first.
fn document<'p>(text: &'p [u8], wanted: Option<&'p [u8]>, batch: u32) -> Operation<'p> {
    let wanted = wanted.filter(|name| is_name(name));
    let (mut speech, mut name) = (Speech::Query, None);
    let mut is_first = true;
    graphql::operations(text, &mut |kind, called| {
        let is_it = wanted.is_some() && called == wanted;
        let kind = match kind {
            b"mutation" => Speech::Mutation,
            b"subscription" => Speech::Subscription,
            _ => Speech::Query,
        };
        if std::mem::take(&mut is_first) || is_it {
            (speech, name) = (kind, called);
        }
    });
    Operation {
        speech,
        name: wanted.or(name.filter(|name| is_name(name))),
        persisted: None,
        batch,
    }
}

/// The first element in the body of an envelope (SOAP 1.2 §5.3).
fn soap<'p>(parts: &'p Parts<'_>) -> Option<Operation<'p>> {
    let is = |name: Option<Name<'p, '_>>, word: &[u8]| {
        name.is_some_and(|name| local(name.word()).eq_ignore_ascii_case(word))
    };
    let of_request = parts.names().filter(|name| name.side() == Side::Request);
    let method = of_request.take(PARTS).find(|name| {
        let above = name.parent();
        is(above, b"Body") && is(above.and_then(Name::parent), b"Envelope")
    })?;
    let name = local(method.word());
    Some(Operation {
        speech: Speech::Soap,
        name: Some(name).filter(|name| is_method(name)),
        persisted: None,
        batch: 1,
    })
}

/// An element's name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    let colon = name.iter().rposition(|byte| *byte == b':');
    colon.and_then(|at| name.get(at + 1..)).unwrap_or(name)
}

/// Whether `name` is one of GraphQL's (spec §2.1.9), and not too long.
fn is_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    (1..=NAME_MAX_BYTES).contains(&name.len())
        && name.iter().all(is_part)
        && !name.first().is_some_and(u8::is_ascii_digit)
}

/// Whether `name` is like those of methods.
fn is_method(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./$".contains(byte);
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::{Operation, Speech, operation};
    use crate::content::{Body, Message, Parts, Side};

    #[track_caller]
    fn check(target: &str, media_type: &str, body: &str, expected: Option<(Speech, &str, u32)>) {
        let mut parts = Parts::new();
        parts.take(Message {
            side: Side::Request,
            target: target.as_bytes(),
            fields: [].into_iter(),
            trailers: [].into_iter(),
            body: Body {
                content: body.as_bytes(),
                media_type: Some(media_type.as_bytes()),
                is_whole: true,
                is_coded: false,
            },
        });
        let found = operation(&parts);
        let told = |one: &Operation<'_>| {
            let name = one
                .name
                .map(|name| String::from_utf8_lossy(name).into_owned());
            (one.speech, name.unwrap_or_default(), one.batch)
        };
        let found = found.as_ref().map(told);
        let expected = expected.map(|(speech, name, batch)| (speech, name.to_owned(), batch));
        assert_eq!(found, expected, "{target} {body}");
    }

    const JSON: &str = "application/json";

    #[test]
    fn operations_of_graphql_are_named_by_the_request_or_the_document() {
        let named = r#"{"operationName":"Me","query":"query Other { me } mutation Me { b }"}"#;
        check("/g", JSON, named, Some((Speech::Mutation, "Me", 1)));
        let first = r#"{"query":"mutation signIn($u: String = \"}\") { login(a: {b: 1}) { c } }"}"#;
        check("/g", JSON, first, Some((Speech::Mutation, "signIn", 1)));
        let null = r#"{"operationName":null,"query":"query Me{me}","variables":{"query":"x"}}"#;
        check("/g", JSON, null, Some((Speech::Query, "Me", 1)));
        let fragment = r#"{"query":"fragment F on User { id } subscription News { new }"}"#;
        check(
            "/g",
            JSON,
            fragment,
            Some((Speech::Subscription, "News", 1)),
        );
        check(
            "/g",
            JSON,
            r#"{"query":"{ me { id } }"}"#,
            Some((Speech::Query, "", 1)),
        );
        let batch = r#"[{"query":"query A { a }"},{"query":"query B { b }"}]"#;
        check("/g", JSON, batch, Some((Speech::Query, "A", 2)));
        let plain = "query Me { me(id: 1) }";
        check(
            "/g",
            "application/graphql",
            plain,
            Some((Speech::Query, "Me", 1)),
        );
        check(
            "/g?query=query%20Me%20%7Bme%7D",
            "",
            "",
            Some((Speech::Query, "Me", 1)),
        );
        check("/g", JSON, r#"{"query":"shoes"}"#, None);
        check(
            "/g",
            JSON,
            r#"{"filter":{"query":"query Me { me }"}}"#,
            None,
        );
        check("/g", JSON, r#"{"operationName":"Me"}"#, None);
    }

    #[test]
    fn persisted_queries_are_known_by_their_hash() {
        let body = r#"{"operationName":"Me","extensions":{"persistedQuery":{"version":1,"sha256Hash":"ecf4"}}}"#;
        check("/g", JSON, body, Some((Speech::Persisted, "Me", 1)));
        let target = "/g?operationName=Me&extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22ecf4%22%7D%7D";
        check(target, "", "", Some((Speech::Persisted, "Me", 1)));
    }

    #[test]
    fn methods_of_rpc_are_read_off_the_body() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"order.get","params":{"method":"x"}}"#;
        check("/rpc", JSON, call, Some((Speech::JsonRpc, "order.get", 1)));
        let batch = r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#;
        check("/rpc", JSON, batch, Some((Speech::JsonRpc, "a", 2)));
        let odd = r#"{"jsonrpc":"2.0","method":"no method; at all"}"#;
        check("/rpc", JSON, odd, Some((Speech::JsonRpc, "", 1)));
        check("/rpc", JSON, r#"{"method":"get"}"#, None);
        let soap = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header><a>1</a></s:Header><s:Body><m:GetOrder xmlns:m=\"urn:x\"><m:Id>7</m:Id></m:GetOrder></s:Body></s:Envelope>";
        check(
            "/ws",
            "application/soap+xml",
            soap,
            Some((Speech::Soap, "GetOrder", 1)),
        );
        check("/ws", "text/xml", "<a><Body><b>1</b></Body></a>", None);
    }
}
