//! Ciphertext on sockets that no session is tied to: which processes speak TLS that is not heard.
//!
//! It is seen where a conn is looked at anyway, by the first bytes of a transfer, and told once or
//! twice a conn; a conn whose session is tied is not looked at any more. What it misses: conns whose
//! first transfers all begin within a record, and those that were passed over before for another reason.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use eaves_common::{
    CIPHER_BUSY_RECORDS, Cipher, CipherKey, CipherValue, Role, SNIFF_BYTES, cipher,
};

use crate::filter::{self, setting};
use crate::maps::CIPHERS;
use crate::sock;

/// Bit of what a guess says: a record of TLS begins here.
pub(crate) const RECORD: u64 = 32;
/// Beside it: one of application data.
pub(crate) const APPLICATION: u64 = 64;

/// Bits of [`ConnState::cipher`](crate::state::ConnState): application data was sent, was received.
pub(crate) const SENT: u64 = 1;
/// See [`SENT`].
pub(crate) const RECEIVED: u64 = 2;
/// Who began the handshake, if that was seen.
pub(crate) const CLIENT: u64 = 4;
const SERVER: u64 = 8;
/// The conn's first bytes were seen, and began a handshake: set by `hello.rs`.
pub(crate) const HELLO: u64 = 16;
/// The rest counts records of application data.
const ONE: u64 = 32;

/// Whether a record of TLS begins with the `len` bytes of `head`, as bits.
#[inline(always)]
pub(crate) const fn guess(head: &[u8; SNIFF_BYTES], len: usize) -> u64 {
    match cipher(head, len) {
        Some(Cipher::Handshake) => RECORD,
        Some(Cipher::Application) => RECORD | APPLICATION,
        None => 0,
    }
}

/// Takes in a record on the sock at `sk` that looks like `seen`: what is now known, of what `known` was.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_cipher(sk: u64, known: u64, seen: u64, sends: u64) -> u64 {
    if seen & APPLICATION == 0 {
        // The client speaks first (RFC 8446 §4).
        return match (known & (CLIENT | SERVER), sends) {
            (0, 0) => known | SERVER,
            (0, _) => known | CLIENT,
            _ => known,
        };
    }
    let flow = if sends == 0 { RECEIVED } else { SENT };
    let now = (known | flow) + ONE;
    let both = SENT | RECEIVED;
    let began = known & both != both && now & both == both;
    let busy = now / ONE == CIPHER_BUSY_RECORDS;
    if began || busy {
        tell(sk, now, u32::from(began), u32::from(busy));
    }
    now
}

/// Counts a conn for the agent.
#[inline(always)]
fn tell(sk: u64, known: u64, conns: u32, busy: u32) {
    let Ok((local, remote)) = sock::ports(sk) else {
        return;
    };
    // Of a conn that was open before, the lower port is the server's: others are taken from a range
    // far up.
    let serves = match known & (CLIENT | SERVER) {
        0 => local < remote,
        roles => roles == SERVER,
    };
    let (role, port) = if serves {
        (Role::Server, local)
    } else {
        (Role::Client, remote)
    };
    if setting!(tls) == 0 || local == 0 || !filter::is_wanted(role) {
        return;
    }
    let key = CipherKey {
        tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        port,
        role: role as u16,
    };
    if let Some(value) = CIPHERS.get_ptr_mut(key) {
        // SAFETY: a value of the map; two that count at once may count one.
        unsafe {
            (*value).conns += conns;
            (*value).busy += busy;
        }
        return;
    }
    // Its name is read by the agent: the stack is short here (512 bytes with all callers).
    let _ = CIPHERS.insert(key, CipherValue { conns, busy }, 0);
}
