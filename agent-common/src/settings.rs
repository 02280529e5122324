//! Settings, agent → kernel: one read-only global, set before load and frozen, so that the
//! verifier sees constants.

use core::mem::{align_of, size_of};

/// A wanted role, as a bit of [`Settings::roles`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that answers requests.
    Server = 1,
    /// The end that sends them.
    Client = 2,
}

/// Everything the kernel programs are told before they load.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// [`ABI_VERSION`](crate::ABI_VERSION) of the agent.
    pub abi_version: u32,
    /// The agent's own process, never heard; 0 for none.
    pub own_tgid: u32,
    /// Bits of [`Role`].
    pub roles: u32,
    /// Most bytes copied of one call, at most [`CAPTURE_MAX_BYTES`](crate::CAPTURE_MAX_BYTES).
    pub copy_bytes: u32,
    /// Bytes at the front of a call that are copied whatever they are, and of a body with its head as
    /// many as are kept; at most `copy_bytes`.
    pub near_bytes: u32,
    /// Bytes pending in the ring at which a busy reader is woken early.
    pub wake_bytes: u32,
    /// Bytes sent in a row in one flow after which the reach map is asked; below it, a short
    /// exchange costs no look-up.
    pub reach_after_bytes: u32,
    /// Whether anything is excluded by port, process and cgroup: bits 1, 2 and 4.
    pub excludes: u32,
    /// Copies of each program at its tracepoint: 1 where the kernel does not preempt them.
    pub copies: u32,
    /// Not 0 where the TLS tap is at work beside this one.
    pub tls: u32,
    /// Where fields lie in this kernel's structures.
    pub offsets: Offsets,
}

const _: () =
    assert!(size_of::<Settings>() == 40 + size_of::<Offsets>() && align_of::<Settings>() == 4);

macro_rules! offsets {
    ($($(#[$doc:meta])* $field:ident: $structure:literal, $($member:literal)|+;)+) => {
        /// Byte offsets of members of kernel structures, read from the running kernel's BTF.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Offsets {
            $($(#[$doc])* pub $field: u32,)+
        }

        impl Offsets {
            /// Which structure's which member each field stands for, in the fields' order: a
            /// member may be nested (`a.b`), and may bear one of several names, by kernel.
            pub const MEMBERS: &'static [(&'static str, &'static str, &'static [&'static str])] =
                &[$((stringify!($field), $structure, &[$($member),+]),)+];

            /// What a field holds whose member this kernel does not have. 0 is an offset.
            pub const ABSENT: u32 = u32::MAX;

            /// The field at `index` of [`Self::MEMBERS`].
            #[must_use]
            pub const fn get(&self, index: usize) -> Option<u32> {
                let mut at = 0;
                $(
                    if at == index { return Some(self.$field); }
                    at += 1;
                )+
                let _ = at;
                None
            }

            /// Sets the field at `index` of [`Self::MEMBERS`]; false if there is none.
            pub const fn set(&mut self, index: usize, offset_bytes: u32) -> bool {
                let mut at = 0;
                $(
                    if at == index { self.$field = offset_bytes; return true; }
                    at += 1;
                )+
                let _ = at;
                false
            }
        }
    };
}

offsets! {
    /// Thread information of a task.
    task_thread_info: "task_struct", "thread_info";
    /// Its status word, with `TS_COMPAT` on x86-64.
    thread_info_status: "thread_info", "status";
    /// Open files of a task.
    task_files: "task_struct", "files";
    /// Leader of the thread group.
    task_group_leader: "task_struct", "group_leader";
    /// Name of a task.
    task_comm: "task_struct", "comm";
    /// Start, in nanoseconds of `CLOCK_BOOTTIME`; `real_start_time` before 5.5.
    task_start_boottime: "task_struct", "start_boottime" | "real_start_time";
    /// Process id of a task: that of its group.
    task_tgid: "task_struct", "tgid";
    /// The task that made it, or that took it over.
    task_real_parent: "task_struct", "real_parent";
    /// Memory of a task.
    task_mm: "task_struct", "mm";
    /// Where the program's arguments begin in it.
    mm_arg_start: "mm_struct", "arg_start";
    /// Where they end.
    mm_arg_end: "mm_struct", "arg_end";
    /// Name of the program that is about to run.
    binprm_filename: "linux_binprm", "filename";
    /// A path as a process gave it to the kernel.
    filename_name: "filename", "name";
    /// Table of file descriptors.
    files_fdt: "files_struct", "fdt";
    /// Size of that table.
    fdtable_max_fds: "fdtable", "max_fds";
    /// The files by descriptor.
    fdtable_fd: "fdtable", "fd";
    /// Operations of a file, by which a socket is known.
    file_f_op: "file", "f_op";
    /// A socket file's `struct socket`.
    file_private_data: "file", "private_data";
    /// Inode of a file.
    file_f_inode: "file", "f_inode";
    /// Mode of an inode, by which a socket is known.
    inode_i_mode: "inode", "i_mode";
    /// Number of an inode.
    inode_i_ino: "inode", "i_ino";
    /// The socket within what the socket file system allocates.
    socket_alloc_socket: "socket_alloc", "socket";
    /// The inode beside it.
    socket_alloc_vfs_inode: "socket_alloc", "vfs_inode";
    /// A socket's sock.
    socket_sk: "socket", "sk";
    /// A socket's type.
    socket_type: "socket", "type";
    /// A sock's socket.
    sock_sk_socket: "sock", "sk_socket";
    /// `SOCK_STREAM` and its siblings.
    sock_sk_type: "sock", "sk_type";
    /// IPPROTO_TCP, IPPROTO_MPTCP.
    sock_sk_protocol: "sock", "sk_protocol";
    /// Which directions are shut down.
    sock_sk_shutdown: "sock", "sk_shutdown";
    /// Error that ended a conn.
    sock_sk_err: "sock", "sk_err";
    /// Address family.
    skc_family: "sock", "__sk_common.skc_family";
    /// State of a TCP conn.
    skc_state: "sock", "__sk_common.skc_state";
    /// The other end's port, network order.
    skc_dport: "sock", "__sk_common.skc_dport";
    /// Own port, host order.
    skc_num: "sock", "__sk_common.skc_num";
    /// The other end's IPv4 address.
    skc_daddr: "sock", "__sk_common.skc_daddr";
    /// Own IPv4 address.
    skc_rcv_saddr: "sock", "__sk_common.skc_rcv_saddr";
    /// The other end's IPv6 address.
    skc_v6_daddr: "sock", "__sk_common.skc_v6_daddr";
    /// Own IPv6 address.
    skc_v6_rcv_saddr: "sock", "__sk_common.skc_v6_rcv_saddr";
    /// Network namespace.
    skc_net: "sock", "__sk_common.skc_net.net";
    /// Its inode number.
    net_ns_inum: "net", "ns.inum";
    /// Position of what was written.
    tcp_write_seq: "tcp_sock", "write_seq";
    /// Position of what was read.
    tcp_copied_seq: "tcp_sock", "copied_seq";
    /// Position of what the kernel received, the other end's FIN included.
    tcp_rcv_nxt: "tcp_sock", "rcv_nxt";
    /// Protocol on top of TCP within the kernel, as TLS: positions then count its bytes, not ours.
    icsk_ulp_ops: "inet_connection_sock", "icsk_ulp_ops";
    /// Name of a Unix socket.
    unix_addr: "unix_sock", "addr";
    /// Other end of a Unix socket.
    unix_peer: "unix_sock", "peer";
    /// Length of that name, `sun_family` included.
    unix_address_len: "unix_address", "len";
    /// The name itself, from `sun_family` on.
    unix_address_name: "unix_address", "name";
    /// Byte that holds the bit `sk_kern_sock`.
    sock_kern_byte: "sock", "sk_kern_sock";
    /// Mask of that bit in its byte.
    sock_kern_mask: "sock", "sk_kern_sock@mask";
}

// SAFETY: `repr(C)`, only `u32`, no padding (asserted above), every bit pattern is a value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Settings {}

#[cfg(test)]
mod tests {
    use super::Offsets;

    #[test]
    fn every_member_has_its_field() {
        let mut offsets = Offsets::default();
        for index in 0..Offsets::MEMBERS.len() {
            assert!(offsets.set(index, index as u32 + 1));
        }
        assert!(!offsets.set(Offsets::MEMBERS.len(), 0));
        assert_eq!(offsets.get(1), Some(2));
        assert_eq!(offsets.get(Offsets::MEMBERS.len()), None);
        assert_eq!(offsets.task_thread_info, 1);
        assert_eq!(offsets.sock_kern_mask as usize, Offsets::MEMBERS.len());
    }
}
