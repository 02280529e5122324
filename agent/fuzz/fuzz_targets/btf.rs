//! A kernel's BTF: read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|blob: &[u8]| {
    let _ = eaves::probe::offsets(blob);
});
