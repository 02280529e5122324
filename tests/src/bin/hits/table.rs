//! What was measured: a row a step, the ratio to the same step without Eaves in the same round.

use eaves_tests::agent::Mode;

/// Every step's nanoseconds.
pub(super) struct Table {
    taps: Vec<Mode>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    plan: &'static str,
    /// Without Eaves, round by round.
    base: Vec<f64>,
    /// With each tap, in the order of the table's.
    with: Vec<Vec<f64>>,
}

impl Table {
    pub(super) fn new(taps: &[Mode]) -> Self {
        Self {
            taps: taps.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Notes what a step took in this round.
    pub(super) fn add(&mut self, name: &str, plan: &'static str, tap: Option<Mode>, ns: f64) {
        let at = self.rows.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                plan,
                base: Vec::new(),
                with: vec![Vec::new(); self.taps.len()],
            });
            self.rows.len() - 1
        });
        let tap = tap.and_then(|tap| self.taps.iter().position(|one| *one == tap));
        let Some(row) = self.rows.get_mut(at) else {
            return;
        };
        match tap {
            None => row.base.push(ns),
            Some(tap) => row
                .with
                .get_mut(tap)
                .into_iter()
                .for_each(|series| series.push(ns)),
        }
    }

    /// Prints medians: of the ratios, their range, and what a hit adds.
    pub(super) fn print(&self) {
        print!("{:<44} {:>9}", "one call", "base, ns");
        for tap in &self.taps {
            print!("  {:<28}", format!("{} tap, ratio; adds ns", tap.name()));
        }
        println!("  plan");
        for row in &self.rows {
            print!("{:<44} {:>9.0}", row.name, median(&row.base));
            for with in &row.with {
                let ratios: Vec<_> = pairs(&row.base, with).map(|(a, b)| b / a).collect();
                let adds: Vec<_> = pairs(&row.base, with).map(|(a, b)| b - a).collect();
                let adds = format!("{:+.0}", median(&adds));
                print!("  {:<20} {adds:<7}", range(&ratios, 2));
            }
            println!("  {}", row.plan);
        }
    }
}

fn pairs<'a>(base: &'a [f64], with: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    base.iter().copied().zip(with.iter().copied())
}

/// The middle one; of an even number the upper of the two.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median, and the least and the greatest where there are several.
pub(super) fn range(values: &[f64], digits: usize) -> String {
    let middle = median(values);
    if values.len() < 2 {
        return format!("{middle:.digits$}");
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::{Table, range};
    use eaves_tests::agent::Mode;

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut table = Table::new(&[Mode::Syscall]);
        for (base, with) in [(100.0, 150.0), (200.0, 300.0), (100.0, 110.0)] {
            table.add("write", "–", None, base);
            table.add("write", "–", Some(Mode::Syscall), with);
        }
        let [row] = &table.rows[..] else {
            panic!("one step, one row");
        };
        let ratios: Vec<_> = super::pairs(&row.base, &row.with[0])
            .map(|(base, with)| with / base)
            .collect();
        assert_eq!(range(&ratios, 2), "1.50 (1.10–1.50)");
        assert_eq!(range(&[0.5], 3), "0.500");
    }
}
