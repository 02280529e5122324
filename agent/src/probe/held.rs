//! What this process has in the kernel: memory of its maps, the ring among them, and of its programs; and
//! how long these ran, where the kernel counts that (`kernel.bpf_stats_enabled`).

use std::collections::BTreeSet;
use std::fs;

/// Files of the agent's that are looked at in search of maps and programs.
const FILES_MAX: usize = 4_096;

/// What the kernel says of all maps and programs of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Memory of both, bytes.
    pub bytes: u64,
    /// Time that programs ran, nanoseconds; 0 where it is not counted.
    pub run_ns: u64,
    /// How often they ran, likewise.
    pub runs: u64,
}

impl Held {
    /// As it is now, by `/proc/self/fdinfo`; reading it takes half a millisecond.
    #[must_use]
    pub fn now() -> Self {
        let files = fs::read_dir("/proc/self/fdinfo").into_iter().flatten();
        let texts = files.flatten().take(FILES_MAX);
        let texts = texts.map(|file| fs::read_to_string(file.path()).unwrap_or_default());
        Self::of(texts)
    }

    /// The sum of what these texts say; each map and program counts once, however often it is open.
    fn of(texts: impl Iterator<Item = String>) -> Self {
        let mut seen = BTreeSet::new();
        let mut sum = Self::default();
        for text in texts {
            let line = |name: &str| text.lines().find(|line| line.starts_with(name));
            let Some(id) = line("map_id:").or_else(|| line("prog_id:")) else {
                continue;
            };
            // A link to a program names that, but has no memory of its own.
            let number = |name| line(name)?.split_whitespace().nth(1)?.parse::<u64>().ok();
            let Some(bytes) = number("memlock:") else {
                continue;
            };
            if seen.insert(id.to_owned()) {
                sum.bytes = sum.bytes.saturating_add(bytes);
                sum.run_ns = sum
                    .run_ns
                    .saturating_add(number("run_time_ns:").unwrap_or(0));
                sum.runs = sum.runs.saturating_add(number("run_cnt:").unwrap_or(0));
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[track_caller]
    fn check(texts: &[&str], bytes: u64, runs: (u64, u64)) {
        let held = Held::of(texts.iter().map(|text| (*text).to_owned()));
        let (run_ns, runs) = runs;
        let expected = Held {
            bytes,
            run_ns,
            runs,
        };
        assert_eq!(held, expected);
    }

    const MAP: &str =
        "pos:\t0\nmap_type:\t27\nmax_entries:\t8388608\nmemlock:\t8405216\nmap_id:\t7\n";
    const PROGRAM: &str =
        "prog_type:\t2\nmemlock:\t4096\nprog_id:\t7\nrun_time_ns:\t90\nrun_cnt:\t3\n";

    #[test]
    fn what_maps_and_programs_take_is_summed() {
        check(&[MAP, PROGRAM, MAP, PROGRAM], 8_409_312, (90, 3));
        check(
            &["prog_type:\t2\nmemlock:\t4096\nprog_id:\t7\n"],
            4_096,
            (0, 0),
        );
    }

    #[test]
    fn other_files_and_links_say_nothing() {
        check(&["pos:\t0\nflags:\t02\n"], 0, (0, 0));
        check(&["link_type:\t2\nlink_id:\t1\nprog_id:\t7\n"], 0, (0, 0));
        check(&["map_id:\t7\nmemlock:\tmuch\n"], 0, (0, 0));
    }
}
