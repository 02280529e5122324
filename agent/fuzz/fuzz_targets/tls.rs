//! First bytes of a flow of TLS: what they say is in them, has its limits, and grows with the bytes.
#![no_main]

use eaves::event::Handshake;
use eaves::protocol::tls::{Reading, hello};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Handshake::default();
    let reading = hello(bytes, &mut whole);
    if reading == Reading::Other {
        assert_eq!(whole, Handshake::default());
    }
    let offered: usize = whole.offered.iter().map(Vec::len).sum();
    assert!(whole.offered.len() <= 8 && offered <= 255);
    let names = [&whole.server_name, &whole.chosen].into_iter().flatten();
    for name in names.chain(&whole.offered) {
        assert!(name.len() <= 255);
    }
    // Byte by byte, as a slow peer sends it, it comes to the same as at once.
    let mut grown = Handshake::default();
    for end in 0..=bytes.len().min(600) {
        let mut part = Handshake::default();
        let reading = hello(&bytes[..end], &mut part);
        assert_eq!(hello(&bytes[..end], &mut grown), reading);
        assert_eq!(grown, part);
    }
});
