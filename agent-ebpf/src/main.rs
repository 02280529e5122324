//! Kernel programs: read, bound, copy and send. Judgement is the agent's.
//!
//! | program | hook | since | file |
//! | --- | --- | --- | --- |
//! | `sock_send` | tp_btf `sock_send_length` | 6.3 | `socket/length.rs` |
//! | `sock_recv` | tp_btf `sock_recv_length` | 6.3 | `socket/length.rs` |
//! | `splice_unix` | fexit `unix_stream_splice_read` | 5.5 | `socket/splice.rs` |
//! | `splice_mptcp` | fexit `mptcp_splice_read` | 7.0 | `socket/splice.rs` |
//! | `sock_state` | tp_btf `inet_sock_set_state` | 5.5 | `end.rs` |
//! | `sock_destroy` | tp_btf `tcp_destroy_sock` | 5.5 | `end.rs` |
//! | `sys_exit` | tp_btf `sys_exit` | 5.5 | `syscall/exit.rs` |
//! | `sys_state` | raw_tp `inet_sock_set_state` | 4.17 | `end.rs` |
//! | `sys_destroy` | raw_tp `tcp_destroy_sock` | 4.17 | `end.rs` |
//! | `act_exec` | tp_btf `sched_process_exec` | 5.5 | `process.rs` |
//! | `act_open` | fexit `do_filp_open` | 5.5 | `process.rs` |
//! | `tls_read`, `tls_write`, … | uprobe in the TLS library | 5.10 | `tls/call.rs` |
//! | `go_read`, `go_write`, … | uprobe in programs of Go's | 5.10 | `tls/go.rs` |
//! | `rustls_read`, `rustls_write`, … | uprobe in programs with rustls | 5.15 | `tls/rustls.rs` |
//!
//! The first six are the socket tap, the next three the syscall tap; the others work beside
//! either. They load one by one, and any may be missing. Each program of a tap at a tracepoint
//! is there three times, the copies named `_2` and `_3`: see `turn.rs`. Fields of kernel structures
//! lie where [`eaves_common::Offsets`] says.
#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod arch;
mod cipher;
mod conn;
mod emit;
mod end;
mod filter;
mod hello;
mod log;
mod maps;
mod need;
mod process;
mod read;
mod sock;
mod socket;
mod state;
mod syscall;
mod tls;
mod transfer;
mod turn;
mod vectors;
mod work;

/// What the kernel's own helpers are licensed for asks for GPL, what is ours may be had as MIT too.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
