//! Messages of WebSocket, which have no head: what their bytes look like says what they are.

use super::arena::{NONE, Parts, Step};
use super::body;
use super::coding::Coding;
use super::layer::Layers;
use super::place::{Container, Kind, Place, Side};
use super::walk::{Lies, Source, Value, Walk};

impl<'a> Parts<'a> {
    /// Takes one apart, the sample `number` of its exchange; its parts come behind those that are there.
    pub fn take_message(&mut self, side: Side, number: u16, content: &'a [u8], is_whole: bool) {
        if content.is_empty() {
            return;
        }
        let mut walk = Walk::new(self, side);
        let root = walk.wordless(NONE, Step::Message(u32::from(number)));
        let source = Source {
            bytes: content,
            lies: Lies::Wire {
                bytes: content,
                container: Container::Message(number),
                start: 0,
            },
            layers: Layers::NONE,
            is_cut: !is_whole,
            depth: 0,
        };
        if body::is_text(content) {
            body::of_text(&mut walk, source, b"", root);
        } else {
            let mut value = Value::text(root, Place::Text, Coding::None);
            value.kind = Kind::Binary;
            walk.push(&source, 0..content.len(), value);
        }
    }
}
