//! What the handshake agreed on.

use crate::protocol::Head;

/// Extensions that the server's answer names (RFC 6455 §9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// permessage-deflate, if agreed.
    pub deflate: Option<Deflate>,
}

/// How permessage-deflate was agreed on (RFC 7692 §7.1). The size of a window does not matter to
/// whoever holds the largest there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflate {
    /// Each message of the client begins with an empty window.
    pub client_no_context_takeover: bool,
    /// Each message of the server does.
    pub server_no_context_takeover: bool,
}

/// Whether `response`, of this status, lets the conn go over to WebSocket: over HTTP/1 a 101 that
/// says so (RFC 6455 §4.2.2), over HTTP/2 success of a request with that `:protocol` (RFC 8441 §5).
#[must_use]
pub fn accepts(request: Option<&Head>, response: &Head, status: u16) -> bool {
    let is = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"websocket");
    if status == 101 {
        return response.field("upgrade").is_some_and(is);
    }
    let protocol = request.and_then(|head| Some(head.get(head.protocol?)));
    (200..300).contains(&status) && protocol.is_some_and(is)
}

impl Extensions {
    /// Those that the head of the server's answer names.
    #[must_use]
    pub fn of(response: &Head) -> Self {
        let mut found = Self::default();
        let named =
            |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(b"sec-websocket-extensions");
        let values = response.fields().filter(named);
        for extension in values.flat_map(|(_, value)| value.split(|byte| *byte == b',')) {
            let mut words = extension
                .split(|byte| *byte == b';')
                .map(<[u8]>::trim_ascii);
            if !words
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(b"permessage-deflate"))
            {
                continue;
            }
            let deflate = found.deflate.get_or_insert_default();
            for word in words {
                let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
                deflate.client_no_context_takeover |= is(b"client_no_context_takeover");
                deflate.server_no_context_takeover |= is(b"server_no_context_takeover");
            }
        }
        found
    }
}
