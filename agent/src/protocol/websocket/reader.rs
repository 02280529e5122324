//! The frames of one direction → messages.

use super::deflate::{Failed, Inflater};
use super::frame::{COMPRESSED, CONTROL_MAX_BYTES, Form, HEADER_MAX_BYTES, Header, opcode};
use super::handshake::Extensions;
use super::sample::{Coded, Opcode, Sample, Samples, To};
use super::seek::{Kept, Seek, Sought};
use crate::protocol::{Anomalies, Anomaly};

/// Bytes unmasked at a time.
const PIECE_BYTES: usize = 1024;

/// What is told of a close frame without a code (RFC 6455 §7.1.5).
const NO_CODE: u16 = 1005;

/// Reads what one end sends.
#[derive(Debug)]
pub struct Reader {
    to: To,
    form: Form,
    inflater: Option<Inflater>,
    state: State,
    /// A header, or a control frame's payload, as far as it has come.
    buffer: Vec<u8>,
    message: Option<Box<Message>>,
    messages: u64,
    bytes: u64,
    /// Messages may have passed unseen.
    is_lost: bool,
    /// Boundaries were found by search, so that something odd speaks against them.
    is_sought: bool,
    close_code: Option<u16>,
    anomalies: Anomalies,
}

#[derive(Debug)]
enum State {
    /// A frame begins, or its header is under way.
    Header,
    Payload(Frame),
    /// Boundaries are not known.
    Seeking(Box<Seek>),
    /// The sender has closed: nothing follows (RFC 6455 §5.5.1).
    Over,
}

/// A frame under way.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    /// Bytes of payload that have passed, and that are to come.
    passed: u64,
    left: u64,
    /// Bytes of it are missing.
    holes: bool,
}

/// A message under way.
#[derive(Debug)]
struct Message {
    sample: Sample,
    /// It is to be kept.
    wanted: bool,
    /// What comes of it is decompressed.
    inflates: bool,
    /// Bytes of it as sent, that never came too.
    bytes: u64,
}

impl Reader {
    /// For what goes `to` one end, after a handshake that agreed on `extensions`.
    #[must_use]
    pub fn new(to: To, extensions: Extensions) -> Self {
        let inflater = extensions.deflate.map(|deflate| {
            Inflater::new(match to {
                To::Server => !deflate.client_no_context_takeover,
                To::Client => !deflate.server_no_context_takeover,
            })
        });
        Self {
            to,
            form: Form {
                masked: to == To::Server,
                compressed: inflater.is_some(),
            },
            inflater,
            state: State::Header,
            buffer: Vec::new(),
            message: None,
            messages: 0,
            bytes: 0,
            is_lost: false,
            is_sought: false,
            close_code: None,
            anomalies: Anomalies::NONE,
        }
    }

    /// For what goes `to` one end of a WebSocket that was open before anyone listened, from where a
    /// frame begins. What it agreed on nobody knows: compressed messages stay as they are.
    #[must_use]
    pub fn late(to: To) -> Self {
        let mut late = Self::new(to, Extensions::default());
        late.form.compressed = true;
        late.is_lost = true;
        late.is_sought = true;
        late
    }

    /// Messages that began, if none can have been missed.
    #[must_use]
    pub fn messages(&self) -> Option<u64> {
        (!self.is_lost).then_some(self.messages)
    }

    /// Bytes of their payloads as sent, as far as they came, if none can have been missed.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        (!self.is_lost).then_some(self.bytes)
    }

    /// The code that the sender closed with; 1005 if it gave none.
    #[must_use]
    pub const fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// What was odd.
    #[must_use]
    pub const fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// Bytes to come that belong to a message of which nothing more is kept.
    #[must_use]
    pub fn unneeded(&self) -> u64 {
        let State::Payload(frame) = &self.state else {
            return 0;
        };
        let wanted = self.message.as_ref().is_some_and(|message| {
            message.inflates || message.wanted && message.is_plain_and_whole()
        });
        if wanted || frame.header.is_control() {
            0
        } else {
            frame.left
        }
    }

    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| {
            size_of::<Message>() + message.sample.content.capacity()
        });
        let seek = match &self.state {
            State::Seeking(seek) => seek.bytes(),
            _ => 0,
        };
        let inflater = self.inflater.as_ref().map_or(0, Inflater::bytes);
        self.buffer.capacity() + message + seek + inflater
    }

    /// Bytes came. `first`: they begin where a transfer began.
    pub fn push(&mut self, bytes: &[u8], first: bool, samples: &mut Samples) {
        let (mut input, mut first) = (bytes, first);
        while !input.is_empty() {
            match &mut self.state {
                State::Header => self.header(&mut input, samples),
                State::Payload(_) => self.payload(&mut input, samples),
                State::Seeking(seek) => {
                    let sought = Sought {
                        masked: Some(self.form.masked),
                        compressed: self.form.compressed,
                    };
                    let found = seek.take(input, first, sought);
                    input = &[];
                    if let Some(found) = found {
                        self.state = State::Header;
                        self.is_sought = true;
                        self.push_kept(&found, samples);
                    }
                }
                State::Over => return,
            }
            first = false;
        }
    }

    /// What a search kept, from where a frame begins.
    pub fn push_kept(&mut self, kept: &Kept, samples: &mut Samples) {
        self.push(&kept.front, false, samples);
        self.gap(kept.left_out, samples);
        self.push(&kept.rest, false, samples);
    }

    /// Bytes that are not there passed: they never came, or nobody wanted them.
    pub fn gap(&mut self, missing: u64, samples: &mut Samples) {
        let mut missing = missing;
        while missing > 0 {
            let State::Payload(frame) = &mut self.state else {
                return self.lose(samples);
            };
            let n = missing.min(frame.left);
            missing -= n;
            frame.left -= n;
            frame.passed += n;
            frame.holes = true;
            if !frame.header.is_control() {
                self.bytes += n;
                if let Some(message) = &mut self.message {
                    message.bytes += n;
                }
                self.pass();
            }
            self.end_if_due(samples);
        }
    }

    /// An unknown number of bytes never came.
    pub fn lose(&mut self, samples: &mut Samples) {
        if matches!(self.state, State::Over) {
            return;
        }
        self.cut(samples);
        if let Some(inflater) = &mut self.inflater {
            inflater.forget();
        }
        self.is_lost = true;
        self.buffer = Vec::new();
        self.state = State::Seeking(Box::default());
    }

    /// The direction ended: tells what there is of a message that is not whole.
    pub fn end(&mut self, samples: &mut Samples) {
        self.cut(samples);
        self.state = State::Over;
    }

    /// Gives up what it holds; later messages that need it cannot be decompressed.
    pub fn shed(&mut self) {
        if let Some(inflater) = &mut self.inflater
            && inflater.bytes() > 0
        {
            inflater.forget();
        }
        if let Some(message) = &mut self.message {
            message.sample.content = Vec::new();
            message.sample.is_cut = true;
            message.inflates = false;
        }
    }

    /// Some of the message under way is not there.
    fn pass(&mut self) {
        let Some(message) = &mut self.message else {
            return;
        };
        message.sample.is_cut = true;
        if std::mem::take(&mut message.inflates)
            && let Some(inflater) = &mut self.inflater
        {
            inflater.forget();
        }
    }

    /// Nothing more will be known of the message under way, nor how long it is.
    fn cut(&mut self, samples: &mut Samples) {
        self.pass();
        if let Some(message) = self.message.take() {
            message.tell(None, samples);
        }
    }

    fn header(&mut self, input: &mut &[u8], samples: &mut Samples) {
        let header = if self.buffer.is_empty()
            && let Some(header) = Header::read(input)
        {
            *input = input.get(header.bytes..).unwrap_or_default();
            header
        } else {
            let had = self.buffer.len();
            let room = HEADER_MAX_BYTES.saturating_sub(had).min(input.len());
            self.buffer
                .extend_from_slice(input.get(..room).unwrap_or_default());
            let Some(header) = Header::read(&self.buffer) else {
                *input = &[];
                return;
            };
            *input = input.get(header.bytes - had..).unwrap_or_default();
            self.buffer.clear();
            header
        };
        let continues = header.opcode == opcode::CONTINUATION;
        let misfits = !header.is_control() && continues != self.message.is_some();
        // What a message found behind a loss goes on from has passed unseen.
        let goes_on_unseen = continues && self.is_lost;
        if !header.is_valid(self.form) || (misfits && !goes_on_unseen) {
            self.anomalies.add(Anomaly::InvalidFrame);
            if self.is_sought || !header.is_possible() {
                return self.lose(samples);
            }
        }
        self.begin(&header, samples);
        self.state = State::Payload(Frame {
            header,
            passed: 0,
            left: header.length,
            holes: false,
        });
        self.end_if_due(samples);
    }

    /// A frame of a message begins.
    fn begin(&mut self, header: &Header, samples: &mut Samples) {
        if header.is_control() {
            return;
        }
        if header.opcode == opcode::CONTINUATION {
            if let Some(message) = &mut self.message {
                message.sample.fragments = message.sample.fragments.saturating_add(1);
            }
            return;
        }
        self.cut(samples);
        self.messages += 1;
        let wanted = samples.are_wanted();
        let coded = if header.reserved == 0 {
            Coded::No
        } else {
            self.begin_coded(header, wanted)
        };
        self.message = Some(Box::new(Message {
            sample: Sample {
                to: self.to,
                opcode: match header.opcode {
                    opcode::TEXT => Opcode::Text,
                    _ => Opcode::Binary,
                },
                bytes: None,
                fragments: 1,
                content: Vec::new(),
                is_cut: false,
                coded,
            },
            wanted,
            inflates: coded == Coded::TakenOff,
            bytes: 0,
        }));
    }

    /// A message begins that is compressed, or coded as nobody knows.
    fn begin_coded(&mut self, header: &Header, wanted: bool) -> Coded {
        let Some(inflater) = &mut self.inflater else {
            return Coded::Left;
        };
        let serves = wanted || !inflater.can_skip();
        if header.reserved == COMPRESSED && serves && inflater.begin() {
            Coded::TakenOff
        } else {
            Coded::Left
        }
    }

    fn payload(&mut self, input: &mut &[u8], samples: &mut Samples) {
        let State::Payload(frame) = &mut self.state else {
            return;
        };
        let n = usize::try_from(frame.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let (bytes, rest) = input.split_at_checked(n).unwrap_or((input, &[]));
        *input = rest;
        let (header, mut at) = (frame.header, frame.passed);
        frame.left -= n as u64;
        frame.passed += n as u64;
        if header.is_control() {
            let room = CONTROL_MAX_BYTES.saturating_sub(self.buffer.len());
            let kept = bytes.get(..room.min(n)).unwrap_or_default();
            let start = self.buffer.len();
            self.buffer.extend_from_slice(kept);
            let kept = self.buffer.get_mut(start..).unwrap_or_default();
            unmask(kept, header.mask, at);
        } else {
            self.bytes += n as u64;
            let mut piece = [0; PIECE_BYTES];
            for part in bytes.chunks(PIECE_BYTES) {
                if !self.needs_bytes() {
                    break;
                }
                let plain = piece.get_mut(..part.len()).unwrap_or_default();
                plain.copy_from_slice(part);
                unmask(plain, header.mask, at);
                at += part.len() as u64;
                self.data(plain, samples);
            }
            if let Some(message) = &mut self.message {
                message.bytes += n as u64;
            }
        }
        self.end_if_due(samples);
    }

    /// Whether the bytes of the message under way serve for anything.
    fn needs_bytes(&self) -> bool {
        let message = self.message.as_ref();
        message.is_some_and(|one| one.inflates || one.wanted && one.is_plain_and_whole())
    }

    /// Bytes of a message, unmasked.
    fn data(&mut self, plain: &[u8], samples: &mut Samples) {
        let Some(message) = &mut self.message else {
            return;
        };
        if !message.inflates {
            return message.keep(plain, samples);
        }
        if let Some(inflater) = &mut self.inflater {
            let result = inflater.push(plain, &mut |made| message.keep(made, samples));
            self.anomalies.absorb(message.failed(result));
        }
    }

    /// Ends the frame under way, if all of it has passed.
    fn end_if_due(&mut self, samples: &mut Samples) {
        let State::Payload(frame) = &self.state else {
            return;
        };
        let frame = *frame;
        if frame.left > 0 {
            return;
        }
        self.state = State::Header;
        if frame.header.is_control() {
            let payload = std::mem::take(&mut self.buffer);
            if frame.header.opcode == opcode::CLOSE {
                self.close(&payload, frame.holes, samples);
            }
        } else if frame.header.fin {
            if let (Some(message), Some(inflater)) = (&mut self.message, &mut self.inflater)
                && message.inflates
            {
                let result = inflater.end(&mut |made| message.keep(made, samples));
                self.anomalies.absorb(message.failed(result));
            }
            if let Some(message) = self.message.take() {
                let bytes = message.bytes;
                message.tell(Some(bytes), samples);
            }
        }
    }

    /// The sender closes.
    fn close(&mut self, payload: &[u8], holes: bool, samples: &mut Samples) {
        self.end(samples);
        if holes {
            return;
        }
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        self.close_code = Some(code.unwrap_or(NO_CODE));
        let reason = payload.get(2..).unwrap_or_default();
        if !reason.is_empty() && samples.are_wanted() {
            let room = samples.take_room(self.to, reason.len());
            samples.add(Sample {
                to: self.to,
                opcode: Opcode::Close,
                bytes: Some(payload.len() as u64),
                fragments: 1,
                content: reason.get(..room).unwrap_or_default().to_vec(),
                is_cut: room < reason.len(),
                coded: Coded::No,
            });
        }
    }
}

impl Message {
    const fn is_plain_and_whole(&self) -> bool {
        matches!(self.sample.coded, Coded::No) && !self.sample.is_cut
    }

    /// It is over: keeps it as a sample, if it is to be kept.
    fn tell(self, bytes: Option<u64>, samples: &mut Samples) {
        if self.wanted {
            let mut sample = self.sample;
            sample.bytes = bytes;
            sample.content.shrink_to_fit();
            samples.add(sample);
        }
    }

    /// Keeps plain bytes as far as there is room.
    fn keep(&mut self, plain: &[u8], samples: &mut Samples) {
        if !self.wanted || plain.is_empty() || self.sample.is_cut {
            return;
        }
        let room = samples.take_room(self.sample.to, plain.len());
        self.sample.is_cut |= room < plain.len();
        self.sample
            .content
            .extend_from_slice(plain.get(..room).unwrap_or_default());
    }

    /// What a failure to decompress it says.
    fn failed(&mut self, result: Result<(), Failed>) -> Anomalies {
        let Err(failed) = result else {
            return Anomalies::NONE;
        };
        self.inflates = false;
        self.sample.is_cut = true;
        match failed {
            Failed::Ended => Anomalies::NONE,
            Failed::Broken => Anomaly::InvalidCoding.into(),
            Failed::Swells => Anomaly::CodingSwells.into(),
        }
    }
}

/// Takes the mask off bytes that begin `at` bytes into the payload (RFC 6455 §5.3).
fn unmask(bytes: &mut [u8], mask: Option<[u8; 4]>, at: u64) {
    let Some(mut mask) = mask else {
        return;
    };
    mask.rotate_left((at % 4) as usize);
    let mut fours = bytes.chunks_exact_mut(4);
    for four in &mut fours {
        for (byte, key) in four.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
    for (byte, key) in fours.into_remainder().iter_mut().zip(mask) {
        *byte ^= key;
    }
}
