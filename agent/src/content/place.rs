//! Where a part stands.

/// Which message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The request.
    #[default]
    Request,
    /// The response.
    Response,
}

impl Side {
    /// Its name in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// The bytes of a message that a span counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// The request target.
    #[default]
    Target,
    /// The value of the header field of this number, from 0.
    Field(u16),
    /// The body as kept.
    Body,
    /// The value of the trailer field of this number, from 0.
    Trailer(u16),
    /// The message of WebSocket of this number, from 0, among those that are kept.
    Message(u16),
}

/// What kind of place a value stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// A value of the query, of the target or of a URL within a value.
    Query,
    /// The fragment of a URL within a value.
    Fragment,
    /// A header or trailer field.
    Header,
    /// A cookie, asked to be set or sent back.
    Cookie,
    /// A field of a form.
    Form,
    /// A value in JSON.
    Json,
    /// A part of a multipart body, or a file name there.
    Multipart,
    /// Text or an attribute in XML.
    Xml,
    /// A variable or a literal argument of GraphQL.
    GraphQl,
    /// A member of a JWT's header or claims.
    Jwt,
    /// Text of no form that is known, or what was left when the form broke.
    #[default]
    Text,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Characters.
    #[default]
    Text,
    /// A bare number of JSON or GraphQL.
    Number,
    /// Another bare word there: `true`, `null`, an empty `{}` or `[]`.
    Word,
    /// Bytes that are no text, as of a file that is sent: nothing in them was looked at.
    Binary,
}

/// What the bytes of a body turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BodyForm {
    /// There is none.
    #[default]
    Empty,
    /// JSON, one text or several.
    Json,
    /// `a=b&c=d`.
    Form,
    /// Parts between boundaries.
    Multipart,
    /// XML.
    Xml,
    /// A GraphQL document.
    GraphQl,
    /// Text of no form that is known.
    Text,
    /// Base64 text of gRPC-Web.
    GrpcWebText,
    /// Not text: nothing in it was looked at.
    Binary,
}

impl BodyForm {
    /// Whether nothing in it was looked at.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Binary)
    }
}
