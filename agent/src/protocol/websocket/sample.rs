//! What is kept of messages.

use std::mem;

/// Messages of which something is kept between two reports.
const SAMPLES_MAX: usize = 16;

/// Which end a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The server: it comes from the client.
    Server,
    /// The client.
    Client,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A close frame that gives a reason.
    Close,
}

/// Whether a message was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coded {
    /// No.
    No,
    /// Yes; it is decompressed.
    TakenOff,
    /// Yes, and it cannot be decompressed: nothing of it is kept.
    Left,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Which end it goes to.
    pub to: To,
    /// What kind it is.
    pub opcode: Opcode,
    /// Bytes of its payload as sent, if its end was seen.
    pub bytes: Option<u64>,
    /// Frames that it came in.
    pub fragments: u32,
    /// Its first bytes, decompressed. Of a close frame the reason.
    pub content: Vec<u8>,
    /// There is more of it than is kept.
    pub is_cut: bool,
    /// Whether it was compressed.
    pub coded: Coded,
}

/// The first messages since the last report, and how many bytes may still be kept of others.
#[derive(Clone, Debug)]
pub struct Samples {
    list: Vec<Sample>,
    most: [usize; 2],
    room: [usize; 2],
}

impl Samples {
    /// None yet; of messages to the server and to the client at most so many bytes are kept
    /// between two reports.
    #[must_use]
    pub const fn new(to_server: usize, to_client: usize) -> Self {
        let most = [to_server, to_client];
        Self {
            list: Vec::new(),
            most,
            room: most,
        }
    }

    /// Those since the last time, in the order in which they ended.
    pub fn take(&mut self) -> Vec<Sample> {
        self.room = self.most;
        mem::take(&mut self.list)
    }

    /// Keeps no more bytes of those that are there, until they are taken.
    pub fn shed(&mut self) {
        self.room = [0; 2];
        for sample in &mut self.list {
            sample.is_cut |= !sample.content.is_empty();
            sample.content = Vec::new();
        }
    }

    /// Memory they hold, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let contents = self.list.iter().map(|sample| sample.content.capacity());
        self.list.capacity() * size_of::<Sample>() + contents.sum::<usize>()
    }

    /// Whether another one is wanted.
    pub(super) const fn are_wanted(&self) -> bool {
        self.list.len() < SAMPLES_MAX
    }

    /// Takes as many of `len` bytes as there is room for.
    pub(super) fn take_room(&mut self, to: To, len: usize) -> usize {
        let [server, client] = &mut self.room;
        let room = match to {
            To::Server => server,
            To::Client => client,
        };
        let taken = len.min(*room);
        *room -= taken;
        taken
    }

    pub(super) fn add(&mut self, sample: Sample) {
        if self.are_wanted() {
            self.list.push(sample);
        }
    }
}
