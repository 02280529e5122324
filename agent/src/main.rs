//! The `eaves` command.

/// What is at least so large, bytes, goes back to the kernel as soon as it is freed (`mallopt(3)`). Left
/// alone glibc raises this by what is freed, to 32 MiB, and what a flood needed stays the agent's.
#[cfg(target_env = "gnu")]
const GIVEN_BACK_BYTES: libc::c_int = 128 * 1024;

fn main() -> eaves::cli::Exit {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers, and there is no other thread yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, GIVEN_BACK_BYTES);
    }
    eaves::cli::main()
}
