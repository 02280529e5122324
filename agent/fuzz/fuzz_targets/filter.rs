//! A filter over a line: neither panics, a filter and its negation never both match.
#![no_main]

use eaves::filter::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (text, line) = bytes.split_at(end);
    let (Ok(text), line) = (std::str::from_utf8(text), &line[1..]) else {
        return;
    };
    match Filter::parse(text) {
        Ok(filter) => {
            let matches = filter.matches(line);
            // Negated twice it is the same filter.
            let Ok(same) = Filter::parse(&format!("not (not ({text}))")) else {
                return;
            };
            assert_eq!(same.matches(line), matches);
            let none = Filter::parse(&format!("({text}) and not ({text})"));
            assert!(none.is_err() || none.is_ok_and(|none| !none.matches(line)));
        }
        Err(error) => {
            assert!(error.column() <= text.chars().count() + 1);
            assert!(!error.to_string().is_empty());
        }
    }
});
