//! TLS that the kernel speaks on a socket.

use std::ffi::c_int;
use std::io;
use std::os::fd::BorrowedFd;

use crate::sys::set_to;

/// Keys of one direction of TLS with AES-128-GCM (`struct tls12_crypto_info_aes_gcm_128`,
/// include/uapi/linux/tls.h).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    version: u16,
    cipher: u16,
    iv: [u8; 8],
    key: [u8; 16],
    salt: [u8; 4],
    first_record: [u8; 8],
}

impl Keys {
    /// Of this version, as records have it, and of bytes of this value.
    pub(crate) const fn of(version: u16, fill: u8) -> Self {
        Self {
            version,
            cipher: 51,
            iv: [fill; 8],
            key: [fill; 16],
            salt: [fill; 4],
            first_record: [0; 8],
        }
    }
}

/// Has the kernel speak TLS on a connected socket (Documentation/networking/tls.rst, Linux 4.17; version 1.3
/// since 5.1).
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if it cannot.
pub(crate) fn speak(fd: BorrowedFd<'_>, sends: &Keys, receives: &Keys) -> io::Result<()> {
    const TLS_TX: c_int = 1;
    const TLS_RX: c_int = 2;
    if let Err(error) = set_to(fd, libc::SOL_TCP, libc::TCP_ULP, b"tls") {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("this kernel has no TLS of its own: {error}"),
        ));
    }
    set_to(fd, libc::SOL_TLS, TLS_TX, sends)?;
    set_to(fd, libc::SOL_TLS, TLS_RX, receives)
}
