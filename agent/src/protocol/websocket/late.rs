//! A WebSocket that was open before anyone listened: nothing says so but its frames.
//!
//! Both flows of a conn are searched for them ([`Seek`]), and it is one only if both prove to have
//! frames, those of one flow masked and those of the other not (RFC 6455 §5.1): each several in a row,
//! with what an opcode, a length and the reserved bits may be, and transfers that begin just where
//! they begin. Random bytes do not come to that, nor do protocols whose packets begin alike on one
//! side. Bytes are kept meanwhile, so that of what proves it nothing is lost.

use super::frame::{Form, Header};
use super::seek::{PROOF, Seek};

/// Bytes without any proof after which a search is given up.
const HOPELESS_BYTES: u64 = 256 * 1024;

/// A search in both flows, numbered 0 and 1.
#[derive(Debug, Default)]
pub struct Late {
    flows: [Flow; 2],
    /// Bytes since a flow last had a proof.
    unproven: u64,
}

#[derive(Debug, Default)]
struct Flow {
    seek: Seek,
    masked: bool,
}

impl Flow {
    const fn form(&self) -> Form {
        Form {
            masked: self.masked,
            // Nobody knows what the handshake agreed on.
            compressed: true,
        }
    }

    /// A transfer begins, and hardly anything is known yet: it is held against the form that a frame
    /// which may begin it has.
    fn turn(&mut self, bytes: &[u8]) {
        let Some(header) = Header::read(bytes) else {
            return;
        };
        let turned = Self {
            masked: header.mask.is_some(),
            ..Self::default()
        };
        if turned.masked != self.masked && header.is_valid(turned.form()) {
            *self = turned;
        }
    }
}

impl Late {
    /// Whether a transfer that begins with `bytes` may be of one: a frame begins here.
    #[must_use]
    pub fn may_begin(bytes: &[u8]) -> bool {
        Header::read(bytes).is_some_and(|header| {
            let form = Form {
                masked: header.mask.is_some(),
                compressed: true,
            };
            header.is_valid(form)
        })
    }

    /// Takes `bytes` of a flow; the number of the flow to the server, if it is one beyond doubt.
    pub fn push(&mut self, flow: usize, first: bool, bytes: &[u8]) -> Option<usize> {
        let this = self.flows.get_mut(flow)?;
        if first && this.seek.proof() < 2 {
            this.turn(bytes);
        }
        let form = this.form();
        this.seek.walk(bytes, first, form);
        this.seek.make_room();
        let [one, other] = &self.flows;
        let proven = [one, other].map(|flow| flow.seek.proof() >= PROOF);
        if proven == [false; 2] {
            self.unproven = self.unproven.saturating_add(bytes.len() as u64);
        } else {
            self.unproven = 0;
        }
        (proven == [true; 2] && one.masked != other.masked).then_some(usize::from(other.masked))
    }

    /// Bytes of a flow never came.
    pub fn gap(&mut self, flow: usize) {
        if let Some(flow) = self.flows.get_mut(flow) {
            *flow = Flow::default();
        }
    }

    /// The bytes that it keeps of each flow, from where a frame begins.
    #[must_use]
    pub fn take(self) -> [Vec<u8>; 2] {
        self.flows.map(|flow| flow.seek.into_kept())
    }

    /// How many bytes it keeps.
    #[must_use]
    pub fn bytes_kept(&self) -> u64 {
        self.flows
            .iter()
            .map(|flow| flow.seek.bytes_kept() as u64)
            .sum()
    }

    /// Whether so much went by that it is none.
    #[must_use]
    pub const fn is_hopeless(&self) -> bool {
        self.unproven > HOPELESS_BYTES
    }

    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let kept = self.flows.iter().map(|flow| flow.seek.bytes());
        size_of::<Self>() + kept.sum::<usize>()
    }
}
