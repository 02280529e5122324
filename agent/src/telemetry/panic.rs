//! What a panic says: where it was, and nothing that came over the wire.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic;
use std::thread;

/// What is said of a panic whose text was put together when it happened.
const WITHHELD: &str = "what it says may hold bytes that were heard, and is not told";

/// From now on a panic of any thread says where it was, and its text only where that is the program's
/// own: one that was put together may hold a value (a slice of a text that is cut within a letter
/// shows the text).
pub fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let current = thread::current();
        let thread = current.name().unwrap_or("without a name");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let said = said(info.payload());
        let backtrace = Backtrace::capture();
        let mut out = io::stderr().lock();
        // Who cannot be told is not told.
        let _ = writeln!(out, "thread '{thread}' panicked at {place}: {said}");
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(out, "{backtrace}");
        }
    }));
}

/// The text of a panic, as far as it may be told.
fn said(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or(WITHHELD)
}

#[cfg(test)]
mod tests {
    use super::{WITHHELD, said};
    use std::panic::{UnwindSafe, catch_unwind};

    #[track_caller]
    fn check(panics: impl FnOnce() + UnwindSafe, expected: &str) {
        let payload = catch_unwind(panics).unwrap_err();
        assert_eq!(said(&*payload), expected);
    }

    #[test]
    fn a_text_that_may_hold_a_value_is_not_told() {
        let heard = || String::from_utf8(b"\xc3\xa9hunter2".to_vec()).unwrap();
        // The standard library's text shows all of it.
        check(move || drop(heard()[1..].to_owned()), WITHHELD);
        check(move || panic!("of {}", heard()), WITHHELD);
        check(move || panic!("{:?}", heard()), WITHHELD);
        check(|| panic!("a table is full"), "a table is full");
    }
}
