//! Half-space trees: how few others lie where a point lies (Tan, Ting and Liu, 2011).

use serde::{Deserialize, Serialize};

/// Features of a point, each from 0 to 1.
pub(super) const FEATURES: usize = 12;

const TREES: usize = 25;
const DEPTH: u32 = 8;
const NODES: usize = (1 << (DEPTH + 1)) - 1;

/// Points after which what was learnt takes the place of what was known.
const WINDOW: u32 = 512;

/// Points in a node below which a path ends, as a share of a window.
const SIZE_LIMIT: u32 = WINDOW / 10;

/// 25 trees of depth 8, 100 kB; a point costs about 200 look-ups.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trees {
    /// Points of the last whole window in each node, and of the one being learnt.
    known: Vec<u16>,
    learning: Vec<u16>,
    points: u32,
    windows: u32,
}

impl Default for Trees {
    fn default() -> Self {
        Self {
            known: vec![0; TREES * NODES],
            learning: vec![0; TREES * NODES],
            points: 0,
            windows: 0,
        }
    }
}

impl Trees {
    /// Whether a whole window was learnt.
    pub(super) const fn is_ready(&self) -> bool {
        self.windows > 0
    }

    /// Learns a point.
    pub(super) fn learn(&mut self, point: &[f32; FEATURES]) {
        for tree in 0..TREES {
            walk(tree, point, |node, _| {
                if let Some(mass) = self.learning.get_mut(tree * NODES + node) {
                    *mass = mass.saturating_add(1);
                }
                true
            });
        }
        self.points += 1;
        if self.points >= WINDOW {
            self.points = 0;
            self.windows = self.windows.saturating_add(1);
            std::mem::swap(&mut self.known, &mut self.learning);
            self.learning.fill(0);
        }
    }

    /// How many lie where `point` lies, scaled: the less, the odder it is.
    pub(super) fn mass(&self, point: &[f32; FEATURES]) -> f64 {
        let mut sum = 0.0;
        for tree in 0..TREES {
            walk(tree, point, |node, depth| {
                let mass = self.known.get(tree * NODES + node).copied().unwrap_or(0);
                let ends = depth == DEPTH || u32::from(mass) < SIZE_LIMIT;
                if ends {
                    sum += f64::from(mass) * f64::from(1_u32 << depth);
                }
                !ends
            });
        }
        sum / TREES as f64
    }
}

/// Walks `tree` from its root to the leaf of `point`, while `visit` says so. Each node halves the
/// room that is left of one feature, chosen by tree and node alone, so trees need not be kept.
fn walk(tree: usize, point: &[f32; FEATURES], mut visit: impl FnMut(usize, u32) -> bool) {
    let mut room = [(0.0_f32, 1.0_f32); FEATURES];
    for (feature, (low, high)) in room.iter_mut().enumerate() {
        // Each tree begins with a work room of its own around a centre.
        let centre = unit(tree, NODES + feature) as f32;
        let reach = 2.0 * centre.max(1.0 - centre);
        (*low, *high) = (centre - reach, centre + reach);
    }
    let mut node = 0;
    for depth in 0..=DEPTH {
        if !visit(node, depth) || depth == DEPTH {
            return;
        }
        let feature = (unit(tree, node) * FEATURES as f64) as usize % FEATURES;
        let (Some((low, high)), Some(value)) = (room.get_mut(feature), point.get(feature)) else {
            return;
        };
        let middle = f32::midpoint(*low, *high);
        if *value < middle {
            *high = middle;
            node = 2 * node + 1;
        } else {
            *low = middle;
            node = 2 * node + 2;
        }
    }
}

/// A number from 0 to 1 that depends on nothing but its arguments.
fn unit(tree: usize, node: usize) -> f64 {
    let mixed = crate::detect::incident::mix(tree as u64 + 1, node as u64 + 1);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{FEATURES, Trees, WINDOW, unit};

    fn point(n: usize) -> [f32; FEATURES] {
        std::array::from_fn(|feature| 0.2 + 0.1 * unit(n, feature) as f32)
    }

    #[test]
    fn what_lies_apart_has_less_mass_than_anything_learnt() {
        let mut trees = Trees::default();
        for n in 0..WINDOW as usize {
            assert!(!trees.is_ready());
            trees.learn(&point(n));
        }
        assert!(trees.is_ready());
        let usual = (0..200).map(|n| trees.mass(&point(10_000 + n)));
        let least = usual.fold(f64::MAX, f64::min);
        let mut apart = point(1);
        (apart[3], apart[7]) = (0.9, 0.95);
        assert!(trees.mass(&apart) < least, "{} {least}", trees.mass(&apart));
    }
}
