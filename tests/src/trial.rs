//! One kernel test: what it needs, under which tap it runs, what it leaves when it fails.

use anyhow::Result;
use libtest_mimic::{Failed, Trial};

use crate::agent::{Mode, binary};
use crate::sandbox::{Sandbox, Skip, everything_is_required};

/// The test `name` under each tap.
#[must_use]
pub fn under_both_taps(
    name: &str,
    test: impl Fn(&Sandbox, Mode) -> Result<()> + Clone + Send + 'static,
) -> Vec<Trial> {
    Mode::ALL.map(|mode| under(name, mode, test.clone())).into()
}

/// The test `name` under one tap.
#[must_use]
pub fn under(
    name: &str,
    mode: Mode,
    test: impl FnOnce(&Sandbox, Mode) -> Result<()> + Send + 'static,
) -> Trial {
    let name = format!("{name}::{}", mode.name());
    Trial::test(name.clone(), move || run(&name, mode, test))
}

fn run(
    name: &str,
    mode: Mode,
    test: impl FnOnce(&Sandbox, Mode) -> Result<()>,
) -> Result<(), Failed> {
    let sandbox = Sandbox::new().map_err(|error| Failed::from(format!("{error:#}")))?;
    let Err(error) = possible(mode).and_then(|()| test(&sandbox, mode)) else {
        return Ok(());
    };
    if error.downcast_ref::<Skip>().is_some() && !everything_is_required() {
        eprintln!("{name}: skipped: {error:#}");
        return Ok(());
    }
    sandbox.keep();
    let folder = sandbox.path().display();
    Err(format!("{error:#}\nwhat it wrote is in {folder}").into())
}

/// Whether a kernel test can run at all.
fn possible(mode: Mode) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Skip("it needs root".to_owned()).into());
    }
    mode.must_exist()?;
    binary().map(|_| ())
}
