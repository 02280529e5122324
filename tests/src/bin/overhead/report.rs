//! What was measured beside what was aimed at: a row a goal, a column a setting.

use std::collections::BTreeMap;

use crate::agent::{Depth, Setting};
use crate::measure::{Counted, Half, Rest};

/// Everything measured, by setting.
pub(super) struct Report {
    settings: Vec<Setting>,
    saturation: Vec<f64>,
    server_us: Vec<f64>,
    series: BTreeMap<(Row, Setting), Vec<f64>>,
    counted: BTreeMap<Setting, Counted>,
    rates_missed: u32,
}

/// A row of the table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Kept,
    KeptTls,
    AgentSaturated,
    AgentSteady,
    Agent1,
    Agent1000,
    Agent10000,
    ServerRise,
    ByteWise,
    MedianRise,
    P99Rise,
    MemoryRest,
    MemoryLoad,
    Memory10000,
    CpuRest,
    Ready,
    First,
}

impl Row {
    const ALL: [Self; 17] = [
        Self::Kept,
        Self::KeptTls,
        Self::AgentSaturated,
        Self::AgentSteady,
        Self::Agent1,
        Self::Agent1000,
        Self::Agent10000,
        Self::ServerRise,
        Self::ByteWise,
        Self::MedianRise,
        Self::P99Rise,
        Self::MemoryRest,
        Self::MemoryLoad,
        Self::Memory10000,
        Self::CpuRest,
        Self::Ready,
        Self::First,
    ];

    /// What it is and the goal, capture alone and everything on.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Kept => ("throughput kept at saturation, %", "≥ 85 capture, ≥ 65 all"),
            Self::KeptTls => ("throughput kept over HTTPS, %", "≥ 59 capture"),
            Self::AgentSaturated => ("agent CPU an exchange, saturated, µs", "≤ 3 all"),
            Self::AgentSteady => ("agent CPU an exchange, 5 000/s, µs", "≤ 3 all"),
            Self::Agent1 => ("agent CPU an exchange, 1 connection, µs", "≤ 3 all"),
            Self::Agent1000 => ("agent CPU an exchange, 1 000 connections, µs", "≤ 3 all"),
            Self::Agent10000 => ("agent CPU an exchange, 10 000 connections, µs", "≤ 3 all"),
            Self::ServerRise => ("rise of the server's CPU an exchange, %", "≤ 18"),
            Self::ByteWise => ("cost to byte-wise files, %", "≤ 2 socket tap"),
            Self::MedianRise => ("added latency at half load, median, µs", "≤ 10"),
            Self::P99Rise => ("added latency at half load, p99, µs", "≤ 50"),
            Self::MemoryRest => ("memory at rest, MiB", "≤ 40"),
            Self::MemoryLoad => ("memory at saturation, MiB", "–"),
            Self::Memory10000 => ("memory at 10 000 connections, MiB", "≤ 128"),
            Self::CpuRest => ("CPU at rest, % of a core", "≤ 0.1"),
            Self::Ready => ("start to taps attached, ms", "≤ 500"),
            Self::First => ("start to first exchange written, ms", "≤ 500"),
        }
    }
}

impl Report {
    pub(super) fn new(settings: &[Setting]) -> Self {
        Self {
            settings: settings.to_vec(),
            saturation: Vec::new(),
            server_us: Vec::new(),
            series: BTreeMap::new(),
            counted: BTreeMap::new(),
            rates_missed: 0,
        }
    }

    fn add(&mut self, row: Row, setting: Setting, value: f64) {
        self.series.entry((row, setting)).or_default().push(value);
    }

    pub(super) fn saturated(&mut self, setting: Setting, without: &Half, with: &Half) {
        self.saturation.push(without.per_s);
        self.server_us.push(without.server_us);
        self.add(Row::Kept, setting, percent(with.per_s, without.per_s));
        self.add(Row::AgentSaturated, setting, with.agent_us);
        self.add(
            Row::ServerRise,
            setting,
            percent(with.server_us, without.server_us) - 100.0,
        );
        self.add(Row::MemoryLoad, setting, mib(with.memory_bytes));
    }

    pub(super) fn saturated_tls(&mut self, setting: Setting, without: &Half, with: &Half) {
        self.add(Row::KeptTls, setting, percent(with.per_s, without.per_s));
    }

    /// Exchanges a second without Eaves, the median of what was seen.
    pub(super) fn saturation_per_s(&self) -> f64 {
        median(&self.saturation)
    }

    pub(super) fn latency(&mut self, setting: Setting, without: &Half, with: &Half) {
        if let (Some(without), Some(with)) = (without.latency, with.latency) {
            self.add(Row::MedianRise, setting, with.median_us - without.median_us);
            self.add(Row::P99Rise, setting, with.p99_us - without.p99_us);
            self.rates_missed += u32::from(!(without.kept && with.kept));
        }
    }

    pub(super) fn steady(&mut self, setting: Setting, with: &Half) {
        self.add(Row::AgentSteady, setting, with.agent_us);
    }

    pub(super) fn connections(&mut self, setting: Setting, connections: u32, with: Half) {
        let row = match connections {
            1 => Row::Agent1,
            1_000 => Row::Agent1000,
            _ => Row::Agent10000,
        };
        self.add(row, setting, with.agent_us);
        if row == Row::Agent10000 {
            self.add(Row::Memory10000, setting, mib(with.memory_bytes));
        }
    }

    pub(super) fn files(&mut self, setting: Setting, without_s: f64, with_s: f64) {
        self.add(Row::ByteWise, setting, percent(with_s, without_s) - 100.0);
    }

    pub(super) fn rest(&mut self, setting: Setting, rest: Rest) {
        self.add(Row::CpuRest, setting, rest.cpu * 100.0);
        self.add(Row::MemoryRest, setting, mib(rest.memory_bytes));
        self.add(Row::Ready, setting, rest.ready.as_secs_f64() * 1e3);
        if let Some(first) = rest.first {
            self.add(Row::First, setting, first.as_secs_f64() * 1e3);
        }
    }

    pub(super) fn counted(&mut self, setting: Setting, counted: Counted) {
        self.counted.insert(setting, counted);
    }

    /// Prints the table: medians, and the least and the most in brackets.
    pub(super) fn print(&self) {
        println!(
            "without Eaves: {} exchanges a second, {} µs of the server's CPU each",
            range(&self.saturation),
            range(&self.server_us)
        );
        println!("memory is what is resident, the ring as far as it was touched included\n");
        print!("{:<46} {:<24}", "", "goal");
        for setting in &self.settings {
            print!(" {:<26}", setting.name());
        }
        println!();
        for row in Row::ALL {
            let (what, goal) = row.words();
            print!("{what:<46} {goal:<24}");
            for setting in &self.settings {
                let values = self
                    .series
                    .get(&(row, *setting))
                    .map_or(&[][..], Vec::as_slice);
                print!(" {:<26}", range(values));
            }
            println!();
        }
        if self.rates_missed > 0 {
            println!(
                "in {} pairs the rate of half load was not kept",
                self.rates_missed
            );
        }
        for (setting, counted) in &self.counted {
            self.print_counted(*setting, counted);
        }
    }

    fn print_counted(&self, setting: Setting, counted: &Counted) {
        debug_assert_eq!(
            setting.depth,
            Depth::Everything,
            "only these report exchanges"
        );
        let Counted {
            logged,
            reported,
            whole,
            ledger,
        } = counted;
        println!(
            "\n{}: {reported} exchanges with a status of {logged} in the server's log ({:.3} %), {whole} whole; the goal is 100.000 %, or the rest counted as lost",
            setting.name(),
            percent(*reported as f64, *logged as f64)
        );
        println!("{ledger}");
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole == 0.0 {
        0.0
    } else {
        part / whole * 100.0
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(0.0);
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle
        .checked_sub(1)
        .and_then(|index| sorted.get(index))
        .copied();
    f64::midpoint(lower.unwrap_or(upper), upper)
}

/// Median, and the range where there is one.
fn range(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.len() {
        0 => "–".to_owned(),
        1 => number(least),
        _ => format!(
            "{} ({}–{})",
            number(median(values)),
            number(least),
            number(most)
        ),
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::{median, range};

    #[test]
    fn medians_take_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn ranges_name_their_ends() {
        assert_eq!(range(&[86.0, 84.5, 90.25]), "86.0 (84.5–90.2)");
        assert_eq!(range(&[2.5]), "2.50");
        assert_eq!(range(&[]), "–");
    }
}
