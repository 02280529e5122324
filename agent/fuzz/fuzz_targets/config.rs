//! A configuration file: read, or every mistake told; what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match eaves::config::parse(text) {
        Ok(config) => {
            let yaml = config.to_yaml();
            assert!(eaves::config::parse(&yaml).is_ok(), "{yaml}");
        }
        Err(mistakes) => assert!(mistakes.count() > 0),
    }
});
