//! A message's raw pieces → its values as named [`Part`]s.
//!
//! In: target, header fields, body with its media type ([`Message`]). Out: [`Parts`], an arena that
//! is filled in one pass and read by all rooms behind. A part knows its kind of place, its name as
//! EVENTS spells it, where its raw bytes lie, its value with the coding of its place taken off, and
//! which layers those were. Containers within values (JSON in a form, the claims of a token, the
//! query of a Referer, base64 of text) are taken apart too, two deep.
//!
//! What [`Decoder`] does is the dear second step: the forms that a value has once it is decoded
//! again, for those who look for attacks.
//!
//! Pure: it knows no conn and no exchange. All input is hostile: work is linear in it, depth, count
//! and decoded bytes are bounded, and what a bound leaves over is one part of text, so that nothing
//! is hidden by it. A body that is cut gives the parts it has, and the value at the cut is one.

mod arena;
mod body;
mod coding;
mod deep;
mod eight;
mod form;
mod graphql;
mod json;
mod layer;
mod message;
mod multipart;
mod nest;
mod operation;
mod part;
mod place;
mod signs;
mod target;
mod timestamp;
mod walk;
mod xml;

pub use arena::Parts;
pub use deep::Decoder;
pub use layer::{Layer, Layers};
pub use multipart::{MultipartPart, multipart_parts};
pub use operation::{Operation, Speech, operation};
pub use part::{LooseText, Name, Part};
pub use place::{BodyForm, Container, Kind, Place, Side};
pub use signs::Signs;
pub use walk::{Body, Message};

#[cfg(test)]
mod tests;
