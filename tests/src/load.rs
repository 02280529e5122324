//! What clients are told to ask for: a plan, one line a request, that every client reads.
//!
//! Every target names what it wants (`/size/N` N bytes, `/chunked/N` the same without a length,
//! `/status/C`, `/take` with a request body) and carries an id of its own, which the servers give
//! back as `x-id`: so each reported pair of request and response shows whether it belongs together.

mod body;

use std::fmt::Write as _;

pub use body::body;

/// Kinds of request a server understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `/chunked/N`.
    pub chunked: bool,
    /// Requests with a chunked body, to `/take`.
    pub chunked_requests: bool,
    /// `/take` by POST alone.
    pub post_only: bool,
}

/// Body sizes of `/size/N` and `/chunked/N`: around the copy classes of the kernel programs, the
/// 16 KiB of a body that are kept, and the 64 KiB of a call that are copied.
pub const SIZES: [usize; 16] = [
    0, 1, 13, 180, 255, 600, 1_024, 4_000, 4_096, 16_383, 16_384, 16_385, 40_000, 65_536, 70_001,
    300_000,
];

/// Statuses of `/status/C`: two of them without a body by definition.
pub const STATUSES: [u16; 5] = [204, 404, 500, 403, 410];

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Method.
    pub method: &'static str,
    /// Target in origin form.
    pub target: String,
    /// Bytes of request body; 0 for none.
    pub body_bytes: usize,
    /// Whether the body goes chunked.
    pub chunked: bool,
    /// Whether the request is conditional, so that the answer is 304.
    pub conditional: bool,
}

/// `count` requests of every kind a server understands; the same for the same `name`.
#[must_use]
pub fn plan(name: &str, count: usize, features: Features) -> Vec<Want> {
    let mut random = Random::new(name);
    (0..count)
        .map(|number| want(&mut random, format!("{name}-{number}"), features))
        .collect()
}

fn want(random: &mut Random, id: String, features: Features) -> Want {
    let get = |target: String| Want {
        method: "GET",
        target,
        body_bytes: 0,
        chunked: false,
        conditional: false,
    };
    let size = random.size();
    match random.below(20) {
        0 => Want {
            method: "HEAD",
            ..get(format!("/size/{size}?id={id}"))
        },
        1 => Want {
            conditional: true,
            ..get(format!("/size/13?id={id}"))
        },
        2 | 3 => {
            let status = random.pick(&STATUSES).copied().unwrap_or(404);
            get(format!("/status/{status}?id={id}"))
        }
        4..=7 => Want {
            method: match random.below(3) {
                0 if !features.post_only => "PUT",
                1 if !features.post_only => "PATCH",
                _ => "POST",
            },
            body_bytes: size.max(1),
            chunked: features.chunked_requests && random.below(3) == 0,
            ..get(format!("/take?id={id}&b={}", size.max(1)))
        },
        8..=10 if features.chunked => get(format!("/chunked/{size}?id={id}")),
        _ => get(format!("/size/{size}?id={id}")),
    }
}

/// The plan as the clients read it: `method \t target \t body bytes \t chunked \t conditional`.
#[must_use]
pub fn text(plan: &[Want]) -> String {
    let mut text = String::new();
    for want in plan {
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}",
            want.method,
            want.target,
            want.body_bytes,
            u8::from(want.chunked),
            u8::from(want.conditional)
        );
    }
    text
}

/// The `id` of a target, and the bytes its request body has.
#[must_use]
pub fn marks(target: &str) -> (Option<&str>, Option<u64>) {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    (value("id"), value("b").and_then(|bytes| bytes.parse().ok()))
}

/// Bytes of body that `/size/N` and `/chunked/N` stand for.
#[must_use]
pub fn size_of_target(target: &str) -> Option<u64> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let rest = path
        .strip_prefix("/chunked/")
        .or_else(|| path.strip_prefix("/size/"))?;
    rest.parse().ok()
}

/// A small generator (Steele, Lea, Flood: SplitMix64), so that a failing plan comes again.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded by a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.below(from.len() as u64);
        from.get(usize::try_from(index).ok()?)
    }

    /// One of [`SIZES`], small ones mostly.
    fn size(&mut self) -> usize {
        let among = if self.below(8) == 0 { SIZES.len() } else { 9 };
        self.pick(SIZES.get(..among).unwrap_or(&SIZES))
            .copied()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Features, body, marks, plan, size_of_target, text};

    #[test]
    fn a_plan_is_the_same_each_time_and_its_targets_are_unique() {
        let features = Features {
            chunked: true,
            chunked_requests: true,
            post_only: false,
        };
        let one = plan("a", 500, features);
        assert_eq!(one, plan("a", 500, features));
        assert_ne!(text(&one), text(&plan("b", 500, features)));
        let mut targets: Vec<_> = one.iter().map(|want| &want.target).collect();
        targets.sort();
        targets.dedup();
        assert_eq!(targets.len(), 500);
        assert!(one.iter().any(|want| want.chunked));
        assert!(one.iter().any(|want| want.conditional));
    }

    #[test]
    fn targets_say_what_they_want() {
        assert_eq!(marks("/take?id=a-1&b=17"), (Some("a-1"), Some(17)));
        assert_eq!(marks("/take"), (None, None));
        assert_eq!(size_of_target("/size/13?id=1"), Some(13));
        assert_eq!(size_of_target("/status/404"), None);
    }

    #[test]
    fn a_body_has_its_length() {
        for bytes in [0, 1, 31, 32, 33, 5000] {
            assert_eq!(body(bytes).len(), bytes);
        }
        assert_ne!(body(64), body(65)[..64]);
    }
}
