//! Record bytes, however they are: read or refused, and never more payload than there is.
#![no_main]

use eaves::capture::{Record, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match decode(bytes) {
        Ok(Record::Data(data)) => {
            assert!(data.payload.len() as u64 <= data.span_bytes);
            assert!(data.payload.len() < bytes.len());
        }
        Ok(Record::Hello(hello)) => assert!(hello.payload.len() < bytes.len()),
        _ => {}
    }
});
