//! The command `text-processor`: arguments, tables, progress. It knows plugins only through [`crate::plugins::Host`].

use crate::error::Interrupt;
use crate::plugins::Host;
use std::ffi::OsString;

/// What the command needs of the world that started it.
pub trait Shell {
    /// The world that has plugins.
    fn host(&self) -> &dyn Host;

    /// Whether somebody asked the process to stop (a signal arrived). Asked about twenty times a second.
    fn interrupted(&self) -> Result<(), Interrupt>;
}

/// Runs the command with its arguments, the program's name first. Returns the exit code.
pub fn main(_arguments: Vec<OsString>, _shell: &dyn Shell) -> u8 {
    70
}
