//! Calls without a socket.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::table::median;

/// Calls between two looks at the clock.
const BATCH: u32 = 200;

/// A call that is made over and over.
pub(super) struct Step {
    pub(super) name: String,
    /// What ECOSYSTEM.md has for it, by tap.
    pub(super) plan: &'static str,
    call: Box<dyn FnMut() -> Result<()>>,
}

impl Step {
    /// Nanoseconds of one call: the median of batches.
    pub(super) fn measure(&mut self, time: Duration) -> Result<f64> {
        let mut batches = Vec::new();
        let began = Instant::now();
        while batches.is_empty() || began.elapsed() < time {
            let start = Instant::now();
            for _ in 0..BATCH {
                (self.call)()?;
            }
            batches.push(start.elapsed().as_nanos() as f64 / f64::from(BATCH));
        }
        Ok(median(&batches))
    }
}

/// All of them.
pub(super) fn steps() -> Result<Vec<Step>> {
    let mut null = File::create("/dev/null")?;
    let (mut zero, mut other) = (File::open("/dev/zero")?, File::create("/dev/null")?);
    let step = |name: &str, plan, call| Step {
        name: name.to_owned(),
        plan,
        call,
    };
    Ok(vec![
        step(
            "getppid",
            "sys_exit alone +86 ns",
            Box::new(|| {
                std::hint::black_box(rustix::process::getppid());
                Ok(())
            }),
        ),
        step(
            "write of a byte, no socket",
            "–",
            Box::new(move || Ok(null.write_all(b"x")?)),
        ),
        step(
            "read and write of a byte, as dd does",
            "socket 1.00, syscall 2.4–2.7",
            Box::new(move || {
                let mut byte = [0];
                zero.read_exact(&mut byte)?;
                Ok(other.write_all(&byte)?)
            }),
        ),
    ])
}
