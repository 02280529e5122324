//! System calls that a thread of the agent is made to make, as code would that has got into it: it is stopped
//! in a call of its own, given another's number and arguments, stepped over it and let go where it was.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::ptr;

use anyhow::{Context as _, Result, bail, ensure};
use eaves_tests::wait::until;
use libc::{c_int, pid_t, user_regs_struct};

/// The instruction `syscall`.
const CALL: [u8; 2] = [0x0f, 0x05];

/// Below what the thread has on its stack, and may have below that (System V ABI for AMD64, 3.2.2).
const BELOW: u64 = 4096;

/// A thread that is stopped in a call, until it is dropped.
pub(crate) struct Stopped {
    thread: pid_t,
    memory: File,
    was: user_regs_struct,
}

impl Stopped {
    /// The thread `thread` of the process `pid`.
    pub(crate) fn of(pid: u32, thread: pid_t) -> Result<Self> {
        let memory = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        until("a call of the thread's own", || {
            trace(libc::PTRACE_SEIZE, thread, 0)?;
            trace(libc::PTRACE_INTERRUPT, thread, 0)?;
            wait(thread)?;
            let was = registers(thread)?;
            let stopped = Self {
                thread,
                memory: memory.try_clone()?,
                was,
            };
            let mut code = [0; 2];
            stopped.memory.read_exact_at(&mut code, was.rip - 2)?;
            let in_call = was.orig_rax.cast_signed() >= 0 && code == CALL;
            Ok(in_call.then_some(stopped))
        })
    }

    /// Has it make the call `number`: what came of it. In `arguments` [`TEXT`] stands for the address of `text`.
    pub(crate) fn make(&self, number: i64, text: &str, arguments: [u64; 4]) -> Result<i64> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        let at = (self.was.rsp - BELOW - bytes.len() as u64) & !15;
        self.memory.write_all_at(&bytes, at)?;
        let [rdi, rsi, rdx, r10] = arguments.map(|one| if one == TEXT { at } else { one });
        let registers = user_regs_struct {
            rip: self.was.rip - 2,
            rax: number.cast_unsigned(),
            // It comes from no call: none is begun anew.
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            ..self.was
        };
        set_registers(self.thread, &registers)?;
        trace(libc::PTRACE_SINGLESTEP, self.thread, 0)?;
        wait(self.thread)?;
        let after = self::registers(self.thread)?;
        ensure!(after.rip == self.was.rip, "it stands elsewhere");
        Ok(after.rax.cast_signed())
    }
}

/// Stands for an address.
pub(crate) const TEXT: u64 = u64::MAX;

impl Drop for Stopped {
    fn drop(&mut self) {
        // The thread may have ended.
        let _ = set_registers(self.thread, &self.was);
        let _ = trace(libc::PTRACE_DETACH, self.thread, 0);
    }
}

fn trace(request: libc::c_uint, thread: pid_t, data: u64) -> io::Result<()> {
    // SAFETY: none of these requests has the kernel read or write memory of ours.
    let done = unsafe { libc::ptrace(request, thread, 0_u64, data) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn registers(thread: pid_t) -> io::Result<user_regs_struct> {
    let mut registers = std::mem::MaybeUninit::<user_regs_struct>::zeroed();
    // SAFETY: the kernel writes a structure of this kind there (ptrace(2)), whose every bit pattern is a value.
    let (done, registers) = unsafe {
        let at = registers.as_mut_ptr();
        let done = libc::ptrace(libc::PTRACE_GETREGS, thread, ptr::null_mut::<u8>(), at);
        (done, registers.assume_init())
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(registers)
    }
}

fn set_registers(thread: pid_t, registers: &user_regs_struct) -> io::Result<()> {
    let at: *const user_regs_struct = registers;
    // SAFETY: the kernel reads a structure of this kind there, which lives through the call.
    let done = unsafe { libc::ptrace(libc::PTRACE_SETREGS, thread, ptr::null_mut::<u8>(), at) };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Waits until it is stopped.
fn wait(thread: pid_t) -> Result<()> {
    let mut status: c_int = 0;
    // SAFETY: the kernel writes a number there, which lives through the call.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    if waited == -1 {
        return Err(io::Error::last_os_error()).context("waitpid");
    }
    if !libc::WIFSTOPPED(status) || libc::WSTOPSIG(status) != libc::SIGTRAP {
        bail!("thread {thread} has status {status:x}");
    }
    Ok(())
}
