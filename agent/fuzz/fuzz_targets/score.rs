//! A request of any bytes is judged without a panic, and no value costs more than its length allows.
#![no_main]

use std::cell::RefCell;

use eaves::pipeline::Reading;
use eaves::pipeline::recorded::requests;
use eaves_fuzz::linear;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static READING: RefCell<Reading> = RefCell::new(Reading::new().expect("the grammars are right"));
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, text @ ..] = bytes else { return };
    let text = String::from_utf8_lossy(text);
    let row = match kind % 4 {
        0 => serde_json::json!({ "path": text }),
        1 => serde_json::json!({ "path": "/", "body": { "a": text } }),
        2 => {
            serde_json::json!({ "path": "/", "headers": { "content-type": "text/xml", "x-a": text }, "body": text })
        }
        _ => {
            serde_json::json!({ "path": "/", "headers": { "cookie": text, "user-agent": text }, "status": 200, "resp_body": text })
        }
    };
    let Ok(mut row) = requests(row.to_string().as_bytes(), 1) else {
        return;
    };
    READING.with_borrow_mut(|reading| {
        linear(bytes.len(), || reading.read(&mut row.exchange));
        for hit in &row.exchange.known.scores.hits {
            assert!(hit.fragment.len() <= 200);
        }
    });
});
