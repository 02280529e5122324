//! Blocks of header fields, put together from their frames (RFC 9113 §4.3, §6.10).

use std::mem;

use super::block::Block;
use super::frame::{HEADER_BYTES, Header, flag, kind, unpadded};
use super::parser::{Frame, Parser};
use super::step::Step;
use crate::protocol::http1::Limits;
use crate::protocol::{Anomalies, Anomaly};

/// A block under way over several frames (RFC 9113 §6.10).
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) stream: u32,
    promised: bool,
    over: bool,
    pub(super) fragments: Vec<u8>,
    frames_bytes: u64,
    holes: bool,
    /// More came than is kept.
    cut: bool,
}

impl Pending {
    fn new(header: &Header, promised: Option<u32>, frames_bytes: u64) -> Self {
        Self {
            stream: promised.unwrap_or(header.stream),
            promised: promised.is_some(),
            over: header.kind == kind::HEADERS && header.has(flag::END_STREAM),
            fragments: Vec::new(),
            frames_bytes,
            holes: false,
            cut: false,
        }
    }
}

impl Parser {
    /// A frame that carries a part of a block is over.
    pub(super) fn fragment(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        limits: &Limits,
    ) -> Option<Step<'static>> {
        let header = &frame.header;
        let mut fragment = payload;
        let mut promised = None;
        if header.kind != kind::CONTINUATION {
            let own = unpadded(header, payload);
            let own = match header.kind {
                kind::PUSH_PROMISE => own.and_then(|own| {
                    let (id, rest) = own.split_first_chunk::<4>()?;
                    promised = Some(u32::from_be_bytes(*id) & 0x7fff_ffff);
                    Some(rest)
                }),
                _ => own,
            };
            match own {
                Some(own) => fragment = own,
                None if frame.holes => fragment = &[],
                None => return Some(self.lost(Some(Anomaly::InvalidFrame))),
            }
        }
        let frame_bytes = HEADER_BYTES as u64 + u64::from(header.length);
        let ends = header.has(flag::END_HEADERS);
        let mut pending = match self.pending.take() {
            Some(pending) => pending,
            None if ends && !frame.holes && !frame.cut => {
                let pending = Pending::new(header, promised, frame_bytes);
                return Some(self.whole(&pending, fragment, limits));
            }
            None => Box::new(Pending::new(header, promised, 0)),
        };
        pending.frames_bytes += frame_bytes;
        pending.holes |= frame.holes;
        let room = limits.head_bytes.saturating_sub(pending.fragments.len());
        let kept = fragment.get(..room.min(fragment.len())).unwrap_or_default();
        if !pending.cut && !pending.holes {
            pending.fragments.extend_from_slice(kept);
        }
        pending.cut |= frame.cut || kept.len() < fragment.len();
        if !ends {
            self.pending = Some(pending);
            return None;
        }
        let fragments = mem::take(&mut pending.fragments);
        Some(self.whole(&pending, &fragments, limits))
    }

    /// All frames of a block have come, or as much of them as is kept.
    fn whole(&mut self, pending: &Pending, bytes: &[u8], limits: &Limits) -> Step<'static> {
        let (stream, over) = (pending.stream, pending.over);
        if pending.holes {
            self.decoder.forget();
            let mut anomalies = Anomalies::NONE;
            if pending.cut {
                anomalies.add(Anomaly::HeadTooLong);
            }
            return Step::HeadLost {
                stream,
                over,
                anomalies,
            };
        }
        let mut block = Box::<Block>::default();
        let decoded = self.decoder.decode(bytes, limits, &mut block);
        if pending.cut {
            self.decoder.forget();
            block.anomalies.add(Anomaly::HeadTooLong);
        } else if decoded.is_err() {
            return Step::HeadLost {
                stream,
                over,
                anomalies: Anomaly::InvalidHeaderBlock.into(),
            };
        }
        let bytes = pending.frames_bytes;
        if pending.promised {
            return Step::Promise {
                stream,
                block,
                bytes,
            };
        }
        Step::Head {
            stream,
            block,
            over,
            bytes,
        }
    }
}
