//! x
use libtest_mimic::Trial;
/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    Vec::new()
}
