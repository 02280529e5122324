//! task → files → file → socket → sock, by untrusted reads.

use aya_ebpf::helpers::bpf_get_current_task;
use eaves_common::DropReason;

use crate::filter::offset;
use crate::read::kernel;

const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// A socket behind a descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    /// Address of its `struct sock`.
    pub(crate) sk: u64,
    /// Its inode number.
    pub(crate) inode: u64,
}

/// The socket behind the current task's descriptor `fd`.
///
/// # Errors
/// [`DropReason::NotSocket`] if it is another file, or is closed by now; else
/// [`DropReason::KernelRead`].
#[inline(always)]
pub(crate) fn socket(fd: u64) -> Result<Socket, DropReason> {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    let files: u64 = kernel(task + u64::from(offset!(task_files)))?;
    let table: u64 = kernel(files + u64::from(offset!(files_fdt)))?;
    let fd = fd & 0xffff_ffff;
    // Two neighbours, on every kernel so far.
    let (max, slots) = if offset!(fdtable_fd) == offset!(fdtable_max_fds) + 8 {
        let [max, slots] = kernel::<[u64; 2]>(table + u64::from(offset!(fdtable_max_fds)))?;
        (max as u32, slots)
    } else {
        (
            kernel(table + u64::from(offset!(fdtable_max_fds)))?,
            kernel(table + u64::from(offset!(fdtable_fd)))?,
        )
    };
    if fd >= u64::from(max) {
        return Err(DropReason::NotSocket);
    }
    let file: u64 = kernel(slots + fd * 8)?;
    if file == 0 {
        return Err(DropReason::NotSocket);
    }
    // Two more, since Linux 6.12.
    let beside = offset!(file_f_inode) == offset!(file_private_data) + 8;
    let [mut socket, inode] = if beside {
        kernel::<[u64; 2]>(file + u64::from(offset!(file_private_data)))?
    } else {
        [0, kernel(file + u64::from(offset!(file_f_inode)))?]
    };
    let mode: u16 = kernel(inode + u64::from(offset!(inode_i_mode)))?;
    if mode & S_IFMT != S_IFSOCK {
        return Err(DropReason::NotSocket);
    }
    if !beside {
        socket = kernel(file + u64::from(offset!(file_private_data)))?;
    }
    // A named Unix socket's file in a file system has that mode too, but cannot be opened.
    let sk: u64 = kernel(socket + u64::from(offset!(socket_sk)))?;
    let inode: u64 = kernel(inode + u64::from(offset!(inode_i_ino)))?;
    if sk == 0 {
        return Err(DropReason::NotSocket);
    }
    Ok(Socket { sk, inode })
}
