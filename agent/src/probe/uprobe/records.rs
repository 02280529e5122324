//! What the kernel records of code that comes into memory: each file that a process maps to execute, by
//! exec or dlopen, in whichever container, as it happens.
//!
//! A perf event that counts nothing, on each processor, with `mmap2` set (perf_event_open(2)): there is no
//! tracepoint at which `mmap` knows its file, and this one the kernel has had since 3.12. What it misses:
//! files that a process has from its parent, and what a full buffer had no room for, which it counts.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use perf_event::data::Record as Data;
use perf_event::events::Software;
use perf_event::{Builder, Sampler};
use rustix::io::Errno;

use super::scan::FileId;

/// Processors that are there.
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// Most processors: those that Linux is built for.
const CPUS_MAX: usize = 8192;
/// Bytes of all buffers together, as far as [`BUFFER_BYTES`] allow it.
const BUFFERS_BYTES: usize = 4 << 20;
/// Least and most of one. A record has some 100 bytes and a process five records: the most hold what four
/// hundred processes do that start while the agent looks away. The kernel gives each processor 512 KiB
/// beside what may be locked (`kernel.perf_event_mlock_kb`).
const BUFFER_BYTES: (usize, usize) = (32 << 10, 256 << 10);
/// Most records of one processor that are taken at a time.
const BATCH_MAX: usize = 8192;

/// A file that was mapped with code in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Whose memory it is.
    pub(super) pid: u32,
    /// The file.
    pub(super) id: FileId,
    /// What tells two files apart that had the inode number one after the other.
    pub(super) generation: u64,
    /// First address, and the one behind the last.
    pub(super) range: (u64, u64),
    /// Its path as [`super::scan::Mapped`] has it.
    pub(super) path: &'a [u8],
}

/// The buffers that the kernel writes its records to.
pub(super) struct Records {
    /// By processor.
    buffers: Vec<(usize, Sampler)>,
    /// As [`ONLINE`] said it.
    online: String,
}

impl Records {
    /// Begins to listen; `to` is told, by `token`, when there is something.
    ///
    /// # Errors
    /// The kernel does not let it.
    pub(super) fn open(to: &Registry, token: Token) -> io::Result<Self> {
        let mut records = Self {
            buffers: Vec::new(),
            online: String::new(),
        };
        records.refresh(to, token)?;
        Ok(records)
    }

    /// Listens on processors that came, and no more on those that went; whether there were any. What came
    /// into memory there meanwhile was not recorded.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub(super) fn refresh(&mut self, to: &Registry, token: Token) -> io::Result<bool> {
        let online = fs::read_to_string(ONLINE)?;
        if online == self.online {
            return Ok(false);
        }
        let cpus = listed(&online);
        // The kernel ends an event with its processor, and closing it takes it off the list of `to`.
        self.buffers.retain(|(cpu, _)| cpus.contains(cpu));
        let share = BUFFERS_BYTES / cpus.len().max(1);
        let bytes = share.clamp(BUFFER_BYTES.0, BUFFER_BYTES.1);
        for cpu in cpus {
            if self.buffers.iter().any(|(known, _)| *known == cpu) {
                continue;
            }
            match buffer(cpu, bytes) {
                Ok(buffer) => {
                    let fd = buffer.as_raw_fd();
                    to.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
                    self.buffers.push((cpu, buffer));
                }
                // It went just now: the list will say so.
                Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
        self.online = online;
        Ok(true)
    }

    /// Hands over what was recorded, of each processor in order; whether some was lost.
    pub(super) fn take(&mut self, mut each: impl FnMut(&Record<'_>)) -> bool {
        let mut lost = false;
        for (_, buffer) in &mut self.buffers {
            for _ in 0..BATCH_MAX {
                let Some(record) = buffer.next_record() else {
                    break;
                };
                match record.parse_record() {
                    Ok(Data::Mmap2(mapped)) => {
                        if let Some(record) = of(&mapped) {
                            each(&record);
                        }
                    }
                    Ok(Data::Lost(_)) | Err(_) => lost = true,
                    Ok(_) => {}
                }
            }
        }
        lost
    }
}

/// The record, if it is of a file and a process that this one can know.
fn of<'a>(mapped: &'a perf_event::data::Mmap2<'_>) -> Option<Record<'a>> {
    let id = FileId {
        device: (mapped.maj()?, mapped.min()?),
        inode: mapped.ino().filter(|inode| *inode != 0)?,
    };
    // One outside of the agent's PID namespace has no number in it.
    let (pid, path) = (mapped.pid, mapped.filename.as_ref());
    let is_told = pid != 0 && pid != u32::MAX && path.starts_with(b"/");
    is_told.then_some(Record {
        pid,
        id,
        generation: mapped.ino_generation()?,
        range: (mapped.addr, mapped.addr.checked_add(mapped.len)?),
        path: path.split(|byte| *byte == 0).next().unwrap_or_default(),
    })
}

/// The buffer of one processor.
fn buffer(cpu: usize, bytes: usize) -> io::Result<Sampler> {
    let mut builder = Builder::new(Software::DUMMY);
    // Every record wakes: a library is heard from its first call on if it is probed before that.
    builder.any_pid().one_cpu(cpu).mmap(true).enabled(true);
    builder.wakeup_watermark(1);
    builder.attrs_mut().set_mmap2(1);
    builder.build()?.sampled(bytes)
}

/// Processors that a list of the kernel's names, such as `0-3,8`.
fn listed(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        Some(first..=last.min(first.saturating_add(CPUS_MAX)))
    };
    let ranges = list.trim().split(',').filter_map(range);
    ranges.flatten().take(CPUS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[track_caller]
    fn check(list: &str, expected: &[usize]) {
        assert_eq!(listed(list), expected, "{list}");
    }

    #[test]
    fn processors_are_listed() {
        check("0\n", &[0]);
        check("0-3\n", &[0, 1, 2, 3]);
        check("0,2-3,8", &[0, 2, 3, 8]);
        check("\n", &[]);
        check("1-x,4", &[4]);
        assert!(listed("0-18446744073709551615").len() <= super::CPUS_MAX);
    }
}
