//! A request of any bytes is judged without a panic, and no value costs more than its length allows.
#![no_main]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use eaves::pipeline::Reading;
use eaves::pipeline::recorded::requests;
use libfuzzer_sys::fuzz_target;

/// For the first bytes of a request, and for each thousand: far above what grammars take, far below
/// what a grammar that is not linear takes.
const SLACK: Duration = Duration::from_millis(200);

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
        let began = Instant::now();
        reading.read(&mut row.exchange);
        let allowed = SLACK * (1 + bytes.len() as u32 / 1024);
        assert!(
            began.elapsed() < allowed,
            "{} bytes took {:?}",
            bytes.len(),
            began.elapsed()
        );
        for hit in &row.exchange.known.scores.hits {
            assert!(hit.fragment.len() <= 200);
        }
    });
});
