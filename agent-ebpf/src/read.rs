//! Reads of kernel and user memory, and bounds that the compiler cannot optimise away.

use core::mem::{MaybeUninit, size_of};

use eaves_common::DropReason;

/// Number of the helper `bpf_probe_read_user` (include/uapi/linux/bpf.h, since 5.5).
const PROBE_READ_USER: usize = 112;
/// Number of the helper `bpf_probe_read_kernel` (since 5.5).
const PROBE_READ_KERNEL: usize = 113;

/// The helpers take lengths of 64 bits here, not of 32 as in the bindings: a narrowed length may
/// be compared in one register and used from another, and the verifier refuses.
type ProbeRead = unsafe extern "C" fn(*mut u8, u64, u64) -> i64;

/// `value`, at most `MAX`, by an instruction right here that the verifier sees.
///
/// The compiler drops a comparison that it has proved, the verifier on 5.10 forgets the bounds of
/// a number that was spilled to the stack in between.
#[inline(always)]
pub(crate) fn clamp<const MAX: u64>(value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: touches nothing but `value`.
        unsafe {
            core::arch::asm!(
                "if {value} < {max} goto +1",
                "{value} = {max}",
                value = inout(reg) value,
                max = const MAX,
                options(pure, nomem, nostack),
            );
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    value.min(MAX)
}

/// `value & MASK`, by an instruction right here: see [`clamp`].
#[inline(always)]
pub(crate) fn mask<const MASK: u64>(value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: touches nothing but `value`.
        unsafe {
            core::arch::asm!(
                "{value} &= {mask}",
                value = inout(reg) value,
                mask = const MASK,
                options(pure, nomem, nostack),
            );
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        value & MASK
    }
}

/// `value`, of which the verifier knows nothing any more; `unknown` is a number it knows nothing of.
///
/// It follows each path through a program until it meets a place in a state that it has accepted
/// there before. Where paths that differ in a number only come together, and all the more in a
/// loop, forgetting that number keeps their count from growing with each branch.
#[inline(always)]
pub(crate) fn forget(value: u64, unknown: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: touches nothing but `value`, which it leaves as it was.
        unsafe {
            core::arch::asm!(
                "{value} ^= {unknown}",
                "{value} ^= {unknown}",
                value = inout(reg) value,
                unknown = in(reg) unknown,
                options(pure, nomem, nostack),
            );
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = unknown;
        value
    }
}

/// A number that lies in a map, read anew: what the verifier may have known of it, it has forgotten.
#[inline(always)]
pub(crate) fn anew(number: &u64) -> u64 {
    // SAFETY: a reference.
    unsafe { (number as *const u64).read_volatile() }
}

/// Copies `len` bytes from the process's memory; false if it has none there.
///
/// # Safety
/// `to` has room for `len` bytes, and the verifier can see it.
#[inline(always)]
pub(crate) unsafe fn user_bytes(to: *mut u8, len: u64, from: u64) -> bool {
    // SAFETY: the kernel defines the helper of this number so.
    let helper: ProbeRead = unsafe { core::mem::transmute(PROBE_READ_USER) };
    // SAFETY: the caller vouches for `to`; the helper checks `from`.
    unsafe { helper(to, len, from) == 0 }
}

/// Copies `len` bytes from the kernel's memory; false if there are none.
///
/// # Safety
/// As [`user_bytes`].
#[inline(always)]
pub(crate) unsafe fn kernel_bytes(to: *mut u8, len: u64, from: u64) -> bool {
    // SAFETY: the kernel defines the helper of this number so.
    let helper: ProbeRead = unsafe { core::mem::transmute(PROBE_READ_KERNEL) };
    // SAFETY: the caller vouches for `to`; the helper checks `from`.
    unsafe { helper(to, len, from) == 0 }
}

/// Numbers of which every bit pattern is a value.
///
/// # Safety
/// Implemented for plain integers and arrays of them alone.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: plain integers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Reads a value from the kernel's memory.
///
/// # Errors
/// [`DropReason::KernelRead`] if there is none.
#[inline(always)]
pub(crate) fn kernel<T: Plain>(from: u64) -> Result<T, DropReason> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` has room for itself.
    if unsafe { kernel_bytes(value.as_mut_ptr().cast(), size_of::<T>() as u64, from) } {
        // SAFETY: the helper filled it, and every bit pattern is a value.
        Ok(unsafe { value.assume_init() })
    } else {
        Err(DropReason::KernelRead)
    }
}

/// Reads a value from the process's memory; `None` if there is none.
#[inline(always)]
pub(crate) fn user<T: Plain>(from: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` has room for itself.
    if unsafe { user_bytes(value.as_mut_ptr().cast(), size_of::<T>() as u64, from) } {
        // SAFETY: the helper filled it, and every bit pattern is a value.
        Some(unsafe { value.assume_init() })
    } else {
        None
    }
}

/// Reads a value through a pointer that the verifier knows the kernel's type of: a plain load, of
/// which a fault gives 0.
///
/// # Safety
/// `from` comes from a typed argument or helper, and a `T` lies at `offset_bytes` by BTF.
#[inline(always)]
pub(crate) unsafe fn typed<T: Plain>(from: *const u8, offset_bytes: u32) -> T {
    // SAFETY: the caller vouches; the verifier checks it against BTF.
    unsafe { from.add(offset_bytes as usize).cast::<T>().read_volatile() }
}
