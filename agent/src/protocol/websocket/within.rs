//! WebSockets within the streams of an HTTP/2 conn (RFC 8441) whose heads nobody saw.

use std::collections::BTreeMap;

use super::late::Late;
use super::seek::Kept;

/// Streams that are searched at a time.
const SEARCHES_MAX: usize = 16;
/// Streams that are remembered, those among them in which none was found.
const STREAMS_MAX: usize = 128;

/// What was found in a stream.
#[derive(Debug)]
pub struct Found {
    /// The number of the flow to the server.
    pub to_server: usize,
    /// What is kept of each flow, from where a frame begins.
    pub kept: [Kept; 2],
}

/// Searches in the streams of a conn, whose flows are numbered 0 and 1.
#[derive(Debug, Default)]
pub struct Within {
    /// Of each stream the search, or that it is over.
    streams: BTreeMap<u32, Option<Box<Late>>>,
}

impl Within {
    /// Takes bytes of a stream, `first` where a frame of DATA begins with them: ends mostly put whole
    /// frames of WebSocket into those. What is found is found once.
    pub fn push(&mut self, stream: u32, flow: usize, first: bool, bytes: &[u8]) -> Option<Found> {
        if !self.streams.contains_key(&stream) {
            if !first || !Late::may_begin(bytes) {
                return None;
            }
            if self.searches() >= SEARCHES_MAX && !self.give_up_one() {
                return None;
            }
            self.make_room();
        }
        let search = self
            .streams
            .entry(stream)
            .or_insert_with(|| Some(Box::default()));
        let late = search.as_mut()?;
        if let Some(to_server) = late.push(flow, first, bytes) {
            let kept = search.take()?.take();
            return Some(Found { to_server, kept });
        }
        if late.is_hopeless() {
            *search = None;
        }
        None
    }

    /// Bytes of a stream never came; nobody knows how many if `n` is absent.
    pub fn gap(&mut self, stream: u32, flow: usize, n: Option<u64>) {
        if let Some(Some(late)) = self.streams.get_mut(&stream) {
            late.gap(flow, n);
        }
    }

    /// Bytes of any stream of a flow may have passed unseen.
    pub fn lose(&mut self, flow: usize) {
        for late in self.streams.values_mut().flatten() {
            late.gap(flow, None);
        }
    }

    /// The stream is over, or something else.
    pub fn end(&mut self, stream: u32) {
        if let Some(search) = self.streams.get_mut(&stream) {
            *search = None;
        }
    }

    /// How many streams are searched.
    #[must_use]
    pub fn searches(&self) -> usize {
        self.streams.values().flatten().count()
    }

    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let searches = self.streams.values().flatten().map(|late| late.bytes());
        let each = size_of::<(u32, Option<Box<Late>>)>() * 2;
        size_of::<Self>() + self.streams.len() * each + searches.sum::<usize>()
    }

    /// Ends a search that has found nothing to follow; whether there was one.
    fn give_up_one(&mut self) -> bool {
        let is_idle = |late: &Late| late.is_empty(0) && late.is_empty(1);
        let mut searches = self.streams.values_mut();
        let idle = searches.find(|one| one.as_deref().is_some_and(is_idle));
        idle.is_some_and(|idle| idle.take().is_some())
    }

    /// Forgets one stream if too many are remembered: the oldest in which nothing is searched.
    fn make_room(&mut self) {
        if self.streams.len() < STREAMS_MAX {
            return;
        }
        let mut streams = self.streams.iter();
        if let Some(stream) = streams.find(|(_, one)| one.is_none()).map(|(id, _)| *id) {
            self.streams.remove(&stream);
        }
    }
}
