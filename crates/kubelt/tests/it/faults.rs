//! What must survive: kill -9 at any moment, full disks, disks that take no writes.

mod api;
mod cores;
mod dice;
mod disk;
mod files;
mod kill;
mod process;
mod sign_ins;
mod signer;

use std::io::Write as _;

pub(crate) use self::dice::Dice;

/// Says something that must be seen even when tests pass.
pub(crate) fn say(text: &str) {
    let line = format!("kubelt: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}
