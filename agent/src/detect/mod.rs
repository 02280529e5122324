//! [`Facts`] of one exchange after another → what becomes of incidents.
//!
//! In: what an exchange tells, in the journal's order, with the time it has itself; no clock is ever
//! asked, so that a replay finds the same. Out: findings. This room judges alone: it sends, blocks
//! and masks nothing, and concludes nothing from bytes that were not seen.

mod facts;
pub mod score;

pub use facts::{Cost, Facts, Hit, Mark, Marks, ObjectId, Place, Sensitive, Shown};

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

/// Hash under which a value is counted.
///
/// Keyed with a constant, so that state outlives the process and a replay gives the same findings.
/// Who makes values collide on purpose gains nothing but to be counted less than he could by sending
/// fewer of them.
#[must_use]
pub fn value_hash(value: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6561_7665_7364_6574, 0x6563_7420_7374_6174);
    hasher.write(value);
    hasher.finish()
}
