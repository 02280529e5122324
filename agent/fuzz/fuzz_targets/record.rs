//! Record bytes, however they are: read or refused, and never more payload than there is.
#![no_main]

use eaves::capture::{Record, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Record::Data(data)) = decode(bytes) {
        assert!(data.payload.len() as u64 <= data.span_bytes);
        assert!(data.payload.len() < bytes.len());
    }
});
