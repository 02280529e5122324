//! What the agent itself uses, as the kernel counts it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What the agent uses.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    /// Processor time of all its threads, seconds.
    pub cpu_s: f64,
    /// Memory that is resident, bytes; kernel maps and the ring are not in it.
    pub resident_bytes: u64,
    /// What of it is no file's, bytes: with kernel maps and the ring it is held against `limits.memory`.
    pub anonymous_bytes: u64,
    /// Files and sockets that are open.
    pub open_files: u64,
}

impl Usage {
    /// As it is now.
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(
            now.tv_sec.try_into().unwrap_or(0),
            now.tv_nsec.try_into().unwrap_or(0),
        );
        let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu_s: cpu.as_secs_f64(),
            resident_bytes: bytes_of("VmRSS:", &status),
            anonymous_bytes: bytes_of("RssAnon:", &status),
            open_files: files as u64,
        }
    }
}

/// Bytes on the line `name` of the text of `/proc/self/status`.
fn bytes_of(name: &str, status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Bytes of the files in `dir`.
pub(super) fn bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    files
        .filter(fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{Usage, bytes_of};

    #[test]
    fn resident_memory_is_read_in_kibibytes() {
        let status = "VmHWM:\t  9 kB\nVmRSS:\t   2048 kB\nRssAnon:\t 1024 kB\n";
        assert_eq!(bytes_of("VmRSS:", status), 2 << 20);
        assert_eq!(bytes_of("RssAnon:", status), 1 << 20);
        assert_eq!(bytes_of("VmRSS:", "VmRSS:\tmuch\n"), 0);
        let now = Usage::now();
        assert!(now.anonymous_bytes > 0 && now.anonymous_bytes <= now.resident_bytes);
        assert!(now.resident_bytes > 1 << 20 && now.open_files > 2 && now.cpu_s > 0.0);
    }
}
