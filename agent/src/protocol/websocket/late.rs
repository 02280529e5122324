//! A WebSocket that was open before anyone listened: nothing says so but its frames.
//!
//! Both flows of a conn, or of a stream of HTTP/2, are searched for them ([`Seek`]), and it is one only if
//! both prove to have frames, those of one flow masked and those of the other not (RFC 6455 §5.1): each
//! several in a row over several transfers, with what an opcode, a length and the reserved bits may be.
//! Random bytes do not come to that, nor do protocols whose packets begin alike on one side. Bytes are
//! kept meanwhile, so that of what proves it nothing is lost but the payloads of long frames.

use super::frame::{Form, Header, may_be_first, opcode};
use super::seek::{Kept, Seek, Sought};

/// Bytes after which a search is given up.
const HOPELESS_BYTES: u64 = 256 * 1024;

/// Bytes after which it is where one flow has frames, or may have: a server may tell much before its client
/// says anything again, and a message may be long.
const ONE_SIDED_BYTES: u64 = 16 * 1024 * 1024;

/// Nobody knows what the handshake agreed on, nor which end this is.
const ANY: Sought = Sought {
    masked: None,
    compressed: true,
};

/// A search in both flows, numbered 0 and 1.
#[derive(Debug, Default)]
pub struct Late {
    flows: [Seek; 2],
    /// Bytes that did not prove it.
    unproven: u64,
}

impl Late {
    /// Whether a transfer that begins with `bytes` may be of one: a frame begins here, as far as they go.
    #[must_use]
    pub fn may_begin(bytes: &[u8]) -> bool {
        let Some(header) = Header::read(bytes) else {
            return bytes.first().is_some_and(|first| may_be_first(*first));
        };
        let form = Form {
            masked: header.mask.is_some(),
            compressed: true,
        };
        // An empty part of a message speaks for nothing: the bytes of other protocols begin so.
        header.is_valid(form) && !header.is_empty_part()
    }

    /// Whether a transfer that begins with `bytes` is, as far as they go, one frame of a client and no
    /// more: the last or only one of a message, a ping or a pong.
    #[must_use]
    pub fn is_one_of_a_client(bytes: &[u8]) -> bool {
        Header::read(bytes).is_some_and(|header| {
            let form = Form {
                masked: true,
                compressed: true,
            };
            let whole =
                header.fin && !matches!(header.opcode, opcode::CONTINUATION | opcode::CLOSE);
            let end = header.length.saturating_add(header.bytes as u64);
            whole && header.is_valid(form) && end >= bytes.len() as u64
        })
    }

    /// Takes `bytes` of a flow; the number of the flow to the server, if it is one beyond doubt.
    pub fn push(&mut self, flow: usize, first: bool, bytes: &[u8]) -> Option<usize> {
        let this = self.flows.get_mut(flow)?;
        this.walk(bytes, first, ANY);
        self.unproven = self.unproven.saturating_add(bytes.len() as u64);
        match self.flows.each_ref().map(Seek::proven) {
            [Some(one), Some(other)] if one != other => Some(usize::from(other)),
            _ => None,
        }
    }

    /// Whether what comes next in a flow belongs to a frame that began already, and another before it
    /// speaks for that.
    #[must_use]
    pub fn is_inside(&self, flow: usize) -> bool {
        self.flows.get(flow).is_some_and(Seek::is_inside)
    }

    /// Bytes of a flow never came; nobody knows how many if `n` is absent.
    pub fn gap(&mut self, flow: usize, n: Option<u64>) {
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.gap(n);
        }
    }

    /// So many bytes of a flow were left out on purpose.
    pub fn skip(&mut self, flow: usize, n: u64) {
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.skip(n);
        }
    }

    /// What it keeps of each flow, from where a frame begins.
    #[must_use]
    pub fn take(self) -> [Kept; 2] {
        self.flows.map(Seek::into_kept)
    }

    /// Whether nothing of a flow is kept.
    #[must_use]
    pub fn is_empty(&self, flow: usize) -> bool {
        self.flows.get(flow).is_none_or(Seek::is_empty)
    }

    /// Whether so much went by that it is none.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        let proven = self.flows.each_ref().map(|flow| flow.proven().is_some());
        let may_be = self.flows.iter().any(Seek::is_likely);
        let most = match proven {
            [true, true] => HOPELESS_BYTES,
            _ if may_be => ONE_SIDED_BYTES,
            _ => HOPELESS_BYTES,
        };
        self.unproven > most
    }

    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let flows = self.flows.iter().map(Seek::bytes).sum::<usize>();
        size_of::<Self>() - size_of::<[Seek; 2]>() + flows
    }
}

#[cfg(test)]
mod tests {
    use super::{HOPELESS_BYTES, Late, ONE_SIDED_BYTES};

    /// After how many bytes, a transfer of each flow at a time, the search is given up.
    #[track_caller]
    fn check(transfers: [&[u8]; 2], expected: u64) {
        let (mut late, mut pushed) = (Late::default(), 0);
        let longest = transfers.map(<[u8]>::len).into_iter().max().unwrap() as u64;
        while !late.is_hopeless() {
            for (flow, bytes) in transfers.into_iter().enumerate() {
                assert_eq!(late.push(flow, true, bytes), None);
                pushed += bytes.len() as u64;
            }
            assert!(pushed <= expected + 2 * longest, "{pushed} bytes");
        }
        assert!(pushed > expected, "{pushed} bytes");
    }

    #[test]
    fn what_only_looks_like_frames_is_given_up() {
        // Random bytes, zeros that are empty parts of a message, frames that no end or both mask.
        check([&[b'.'; 512], b""], HOPELESS_BYTES);
        check([&[0; 8], b""], HOPELESS_BYTES);
        check([&[0; 512], &[0; 512]], HOPELESS_BYTES);
        let plain = [&[0x82, 100][..], &[b'.'; 100]].concat();
        check([&plain, &plain], HOPELESS_BYTES);
        let masked = [&[0x82, 0x80 | 100, 1, 2, 3, 4][..], &[b'.'; 100]].concat();
        check([&masked, &masked], HOPELESS_BYTES);
    }

    #[test]
    fn a_gap_of_no_bytes_leaves_a_header_that_is_not_whole() {
        let mut late = Late::default();
        late.push(0, true, &[0x89]);
        late.gap(0, Some(0));
        late.push(0, false, &[0x80, 1, 2, 3, 4]);
        let plain = [0x81, 1, b'x'];
        let ping = [0x89, 0x80, 1, 2, 3, 4];
        let found = (0..3).find_map(|_| late.push(1, true, &plain).or(late.push(0, true, &ping)));
        assert_eq!(found, Some(0));
    }

    #[test]
    fn a_server_may_tell_much_before_its_client_does() {
        let plain = [&[0x82, 126, 4, 0][..], &[b'.'; 1024]].concat();
        check([b"", &plain], ONE_SIDED_BYTES);
        let (mut late, mut pushed) = (Late::default(), 0);
        while pushed < 2 * HOPELESS_BYTES {
            assert_eq!(
                (late.push(1, true, &plain), late.is_hopeless()),
                (None, false)
            );
            pushed += plain.len() as u64;
        }
        let ping = [0x89, 0x80, 1, 2, 3, 4];
        let found = (0..4).find_map(|_| late.push(0, true, &ping));
        assert_eq!(found, Some(0));
    }
}
